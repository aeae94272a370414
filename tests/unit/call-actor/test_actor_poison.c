/* A timer of a call that kills, or its asking again: that is left out, and the call's other deadlines come. */
#include "tests/unit/call-actor/call_kit.h"

#include "call-actor/actor.h"
#include "common/rt/work.h"

#define LATER_MS 60000

static struct actor a;
static struct kit k;
static struct entry *e;
static int64_t armed_ms; /* 0: not */

struct now __wrap_loop_now(const struct loop *l);
void __wrap_loop_timer_at(struct loop *l, struct timer *t, int64_t at_ms);
void __wrap_loop_timer_cancel(struct loop *l, struct timer *t);
enum work_verdict __wrap_work_begin(enum work_kind kind, struct span id, struct span bytes);

struct now __wrap_loop_now(const struct loop *l)
{
    (void)l;
    return k.now;
}

void __wrap_loop_timer_at(struct loop *l, struct timer *t, int64_t at_ms)
{
    (void)l;
    assert_ptr_equal(t, &e->timer);
    armed_ms = at_ms;
}

void __wrap_loop_timer_cancel(struct loop *l, struct timer *t)
{
    (void)l;
    (void)t;
    armed_ms = 0;
}

/* All of it is poison. */
enum work_verdict __wrap_work_begin(enum work_kind kind, struct span id, struct span bytes)
{
    (void)kind;
    (void)id;
    (void)bytes;
    return WORK_TELL;
}

static int begin(void **state)
{
    (void)state;
    kit_init(&k);
    calls_init(&a.calls);
    list_init(&a.dirty);
    armed_ms = 0;
    e = calls_add(&a.calls, call_new(&k.conf, KIT_KEY + 1, k.now));
    if (e != NULL)
        actor_own(&a, e);
    return e != NULL ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    calls_fini(&a.calls);
    kit_fini(&k);
    return 0;
}

static void the_next_timer_comes_after_one_that_kills(void **state)
{
    (void)state;
    e->due_ms[CALL_TMR_2XX] = k.now.mono_ms;
    e->due_ms[CALL_TMR_SESSION] = k.now.mono_ms + LATER_MS;
    e->timer.fire(&e->timer, k.now.mono_ms);
    assert_int_equal(armed_ms, k.now.mono_ms + LATER_MS);
    k.now.mono_ms += LATER_MS;
    e->timer.fire(&e->timer, k.now.mono_ms);
    assert_int_equal(armed_ms, 0);
}

static void timers_are_armed_at_the_start_though_asking_again_kills(void **state)
{
    (void)state;
    e->call->row->timers[CALL_TMR_SESSION] = (uint64_t)k.now.wall_ms + LATER_MS;
    recover_ask(&a, PLANE__PROC__PROC_EDGE);
    assert_int_equal(armed_ms, 0);
    recover_ask(&a, PLANE__PROC__PROC_NONE);
    assert_int_equal(armed_ms, k.now.mono_ms + LATER_MS);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        CASE(the_next_timer_comes_after_one_that_kills),
        CASE(timers_are_armed_at_the_start_though_asking_again_kills),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
