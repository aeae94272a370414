/* Rows that were written before the wall clock was set. */
#include "tests/unit/testkit.h"

#include "call-actor/clock_mark.h"

#define ZERO_MS INT64_C(1700000000000)
#define HOUR_MS INT64_C(3600000)
#define BOOT_BIT (UINT64_C(1) << 63)

static void a_clock_that_was_set(void **state)
{
    (void)state;
    uint64_t mark = clock_mark(ZERO_MS);
    static const int64_t by_ms[] = {HOUR_MS, -HOUR_MS, CLOCK_STEP_MS, -CLOCK_STEP_MS, 30 * 365 * 24 * HOUR_MS};
    for (size_t i = 0; i < sizeof(by_ms) / sizeof(by_ms[0]); i++)
        assert_int_equal(clock_mark_moved(mark, ZERO_MS + by_ms[i]), by_ms[i]);
}

static void its_own_course(void **state)
{
    (void)state;
    uint64_t mark = clock_mark(ZERO_MS);
    assert_int_equal(clock_mark_moved(mark, ZERO_MS), 0);
    assert_int_equal(clock_mark_moved(mark, ZERO_MS + CLOCK_STEP_MS - 1), 0);
    assert_int_equal(clock_mark_moved(mark, ZERO_MS - CLOCK_STEP_MS + 1), 0);
}

/* Its monotonic clock began anew: how far the other one has come tells nothing. */
static void another_boot(void **state)
{
    (void)state;
    assert_int_equal(clock_mark_moved(clock_mark(ZERO_MS) ^ BOOT_BIT, ZERO_MS + HOUR_MS), 0);
}

static void a_row_without_mark(void **state)
{
    (void)state;
    assert_int_equal(clock_mark_moved(0, ZERO_MS), 0);
    assert_int_not_equal(clock_mark(ZERO_MS), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_clock_that_was_set),
        cmocka_unit_test(its_own_course),
        cmocka_unit_test(another_boot),
        cmocka_unit_test(a_row_without_mark),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
