/* timers: order, moving, cancelling, and what a firing timer may do. */
#include "tests/unit/testkit.h"

#include "common/rt/timer.h"
#include <stdlib.h>

struct rec {
    struct timer t;
    int fired;
    int64_t at;
};

static struct timers ts;
static int64_t last_due;
static int total;

static void note(struct timer *t, int64_t now_ms)
{
    struct rec *r = t->owner;
    assert_false(timer_is_set(t));
    assert_true(t->at_ms >= last_due);
    last_due = t->at_ms;
    r->fired++;
    r->at = now_ms;
    total++;
}

static void fires_in_order_of_time_whatever_the_order_of_setting(void **state)
{
    (void)state;
    enum { N = 500 };
    static struct rec r[N];
    srand(7);
    timers_init(&ts);
    last_due = total = 0;
    for (int i = 0; i < N; i++) {
        timer_init(&r[i].t, note, &r[i]);
        assert_int_equal(timer_set(&ts, &r[i].t, rand() % 1000), 0);
    }
    for (int i = 0; i < N; i++) { /* move half of them, cancel every fifth */
        if (i % 2 == 0)
            assert_int_equal(timer_set(&ts, &r[i].t, rand() % 1000), 0);
        if (i % 5 == 0)
            timer_cancel(&ts, &r[i].t);
    }
    for (int64_t now = 0; now <= 1000; now += 10) {
        last_due = 0;
        timers_run(&ts, now);
        assert_true(timers_next(&ts) > now);
    }
    for (int i = 0; i < N; i++)
        assert_int_equal(r[i].fired, i % 5 == 0 ? 0 : 1);
    assert_int_equal(timers_next(&ts), INT64_MAX);
    timers_fini(&ts);
}

static void again(struct timer *t, int64_t now_ms)
{
    struct rec *r = t->owner;
    if (++r->fired < 3)
        timer_set(&ts, t, now_ms);
}

static void a_timer_set_for_now_while_firing_fires_in_the_same_run(void **state)
{
    (void)state;
    struct rec r = {0};
    timers_init(&ts);
    timer_init(&r.t, again, &r);
    timer_set(&ts, &r.t, 5);
    timers_run(&ts, 4);
    assert_int_equal(r.fired, 0);
    timers_run(&ts, 5);
    assert_int_equal(r.fired, 3);
    timers_fini(&ts);
}

static struct rec other;

static void cancel_other(struct timer *t, int64_t now_ms)
{
    (void)t;
    (void)now_ms;
    timer_cancel(&ts, &other.t);
}

static void a_firing_timer_may_cancel_another_that_is_due(void **state)
{
    (void)state;
    struct rec r = {0};
    other = (struct rec){0};
    timers_init(&ts);
    timer_init(&r.t, cancel_other, &r);
    timer_init(&other.t, note, &other);
    timer_set(&ts, &r.t, 1);
    timer_set(&ts, &other.t, 2);
    timers_run(&ts, 10);
    assert_int_equal(other.fired, 0);
    timers_fini(&ts);
}

static void without_memory_a_timer_stays_unset(void **state)
{
    (void)state;
    struct rec r = {0};
    timers_init(&ts);
    timer_init(&r.t, note, &r);
    testkit_fail_alloc(0);
    assert_int_equal(timer_set(&ts, &r.t, 1), -1);
    assert_true(testkit_alloc_failed());
    assert_false(timer_is_set(&r.t));
    timers_fini(&ts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fires_in_order_of_time_whatever_the_order_of_setting),
        cmocka_unit_test(a_timer_set_for_now_while_firing_fires_in_the_same_run),
        cmocka_unit_test(a_firing_timer_may_cancel_another_that_is_due),
        cmocka_unit_test(without_memory_a_timer_stays_unset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
