#include "tests/unit/testkit.h"

#include "common/base/backoff.h"

static void doubles_to_the_cap(void **state)
{
    struct backoff b = {.min_ms = 100, .max_ms = 1000, .calm_ms = 5000};
    static const int64_t want[] = {100, 200, 400, 800, 1000, 1000};
    int64_t now = 1000000;
    (void)state;
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        assert_int_equal(backoff_fail(&b, now), want[i]);
        now += want[i] + 4999; /* one millisecond short of calm */
    }
    backoff_reset(&b);
    assert_int_equal(backoff_fail(&b, now), 100);
}

static void calm_starts_again(void **state)
{
    struct backoff b = {.min_ms = 100, .max_ms = 60000, .calm_ms = 1000};
    int64_t now = 0;
    (void)state;
    /* a delay far longer than the calm time is no calm by itself */
    for (int64_t want = 100; want <= 51200; want *= 2) {
        assert_int_equal(backoff_fail(&b, now), want);
        now += want;
    }
    now += 999;
    assert_int_equal(backoff_fail(&b, now), 60000);
    now += 60000 + 1000;
    assert_int_equal(backoff_fail(&b, now), 100);
    /* failures that come sooner than the delay count as well */
    assert_int_equal(backoff_fail(&b, now), 200);
}

static void extremes(void **state)
{
    struct backoff never = {.min_ms = 1, .max_ms = 4};
    struct backoff huge = {.min_ms = INT64_MAX / 2, .max_ms = INT64_MAX, .calm_ms = 1};
    (void)state;
    assert_int_equal(backoff_fail(&never, 0), 1);
    assert_int_equal(backoff_fail(&never, 1000000), 2); /* calm_ms 0: only backoff_reset starts again */
    assert_true(backoff_fail(&huge, 1) == INT64_MAX / 2);
    assert_true(backoff_fail(&huge, 2) == INT64_MAX - 1);
    assert_true(backoff_fail(&huge, 3) == INT64_MAX);
    assert_true(backoff_fail(&huge, 4) == INT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(doubles_to_the_cap),
        cmocka_unit_test(calm_starts_again),
        cmocka_unit_test(extremes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
