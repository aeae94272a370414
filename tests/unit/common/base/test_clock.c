#include "tests/unit/testkit.h"

#include "common/base/clock.h"
#include <time.h>

static int held_up;    /* before so many reads of the wall clock */
static int64_t late_s; /* by what was held up, in all */

int __real_clock_gettime(clockid_t id, struct timespec *t);
int __wrap_clock_gettime(clockid_t id, struct timespec *t);
int __wrap_clock_gettime(clockid_t id, struct timespec *t)
{
    if (id == CLOCK_REALTIME && held_up > 0) {
        held_up--;
        late_s += 2;
    }
    int rv = __real_clock_gettime(id, t);
    t->tv_sec += late_s;
    return rv;
}

static void rfc3339(void **state)
{
    static const struct {
        int64_t ms;
        const char *text;
    } rows[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {951827696789, "2000-02-29T12:34:56.789Z"},
        {1767323045678, "2026-01-02T03:04:05.678Z"},
        {253402300799999, "9999-12-31T23:59:59.999Z"},
        {INT64_MAX, "9999-12-31T23:59:59.999Z"},
        {-1, "1970-01-01T00:00:00.000Z"},
        {INT64_MIN, "1970-01-01T00:00:00.000Z"},
    };
    char out[CLOCK_RFC3339_SIZE];
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_string_equal(clock_rfc3339(rows[i].ms, out), rows[i].text);
}

static void times_are_in_their_units(void **state)
{
    (void)state;
    int64_t us = clock_mono_us();
    int64_t ms = clock_mono_ms();
    struct now now = clock_now();
    assert_true(us / 1000 <= ms && ms <= now.mono_ms && now.mono_ms - us / 1000 < 60000);
    assert_true(now.wall_ms > INT64_C(1600000000000) && now.wall_ms <= clock_wall_ms() + 60000);
}

/* Held up between the two clocks: what they differ by is no step of the wall clock. */
static void both_are_of_one_moment(void **state)
{
    (void)state;
    struct now before = clock_now();
    held_up = 3;
    struct now after = clock_now();
    int64_t moved_ms = (after.wall_ms - after.mono_ms) - (before.wall_ms - before.mono_ms);
    assert_int_equal(held_up, 0);
    assert_true(moved_ms > -50 && moved_ms < 50);
    assert_true(after.mono_ms - before.mono_ms >= 6000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc3339),
        cmocka_unit_test(times_are_in_their_units),
        cmocka_unit_test(both_are_of_one_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
