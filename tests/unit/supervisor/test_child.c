/*
 * The life of a worker, with a clock of our own: the table is sound, and the restart policy is the one operators are
 * told.
 */
#include "tests/unit/testkit.h"

#include "supervisor/child.h"
#include <signal.h>
#include <string.h>

/* One child and what its last step asked for. */
struct rig {
    struct child_life c;
    struct child_fx fx;
    struct now now;
};

static void raise_at(struct rig *r, enum child_event ev, int64_t after_ms)
{
    r->now.mono_ms += after_ms;
    r->fx = (struct child_fx){.cnt = 0};
    (void)fsm_step(&child_fsm, &r->c.state, (uint8_t)ev, &r->c, NULL, &r->fx, r->now);
}

static void die_at(struct rig *r, int64_t after_ms)
{
    struct now then = {.mono_ms = r->now.mono_ms + after_ms};
    raise_at(r, child_exit_event(&r->c, then), after_ms);
}

static int64_t effect(const struct rig *r, enum child_eff eff)
{
    for (size_t i = 0; i < r->fx.cnt; i++) {
        if (r->fx.item[i].eff == eff)
            return r->fx.item[i].arg;
    }
    return -1;
}

static struct rig started(const char *name)
{
    struct rig r = {.now = {.mono_ms = 1000000}};
    for (size_t i = 0; i < CHILD_KINDS; i++) {
        if (strcmp(child_kinds[i].name, name) == 0)
            child_life_init(&r.c, &child_kinds[i]);
    }
    raise_at(&r, CHILD_EV_START, 0);
    assert_int_equal(r.c.state, CHILD_ST_STARTING);
    assert_int_equal(effect(&r, EFF_SPAWN), 0);
    return r;
}

static struct rig running(const char *name)
{
    struct rig r = started(name);
    raise_at(&r, CHILD_EV_HELLO, 50);
    assert_int_equal(r.c.state, CHILD_ST_RUNNING);
    assert_int_equal(effect(&r, EFF_TIMER), CHILD_HANG_MS);
    return r;
}

static void test_table_is_sound(void **state)
{
    (void)state;
    const char *fault = fsm_check(&child_fsm, CHILD_ST_IDLE, CHILD_ST_STOPPED);
    if (fault != NULL)
        fail_msg("%s", fault);
}

static void test_ready_worker_is_restarted_at_once(void **state)
{
    (void)state;
    struct rig r = running("sip-edge");
    die_at(&r, CHILD_CALM_MS);
    assert_int_equal(r.c.state, CHILD_ST_STARTING);
    assert_int_equal(effect(&r, EFF_SPAWN), 0);
    assert_int_equal(r.c.restart_cnt, 1);
    /* And again, as often as it likes, as long as it was ready for a second. */
    for (int i = 0; i < 3 * CHILD_EARLY_MAX; i++) {
        raise_at(&r, CHILD_EV_HELLO, 50);
        die_at(&r, CHILD_CALM_MS);
        assert_int_equal(r.c.state, CHILD_ST_STARTING);
    }
}

static void test_deaths_within_a_second_of_ready_back_off(void **state)
{
    (void)state;
    struct rig r = running("sip-edge");
    static const struct {
        int64_t served_ms, wait_ms;
    } deaths[] = {{0, 100}, {30, 170}, {399, 1}, {CHILD_CALM_MS - 1, 0}, {CHILD_CALM_MS - 1, 601}};
    for (size_t i = 0; i < sizeof deaths / sizeof deaths[0]; i++) {
        die_at(&r, deaths[i].served_ms);
        assert_int_equal(r.c.state, CHILD_ST_BACKOFF);
        assert_int_equal(effect(&r, EFF_TIMER), deaths[i].wait_ms); /* 100, 200, 400 ... less what it has served */
        assert_int_equal(effect(&r, EFF_SPAWN), -1);
        raise_at(&r, CHILD_EV_TIMER, deaths[i].wait_ms);
        raise_at(&r, CHILD_EV_HELLO, 50);
    }
}

static void test_crash_loop_doubles_then_fails_then_is_tried_every_30_s(void **state)
{
    (void)state;
    static const int64_t delays[] = {100, 200, 400, 800, 1600, 3200, 6400};
    struct rig r = started("publisher");
    for (size_t i = 0; i < sizeof delays / sizeof delays[0]; i++) {
        die_at(&r, 5);
        assert_int_equal(r.c.state, CHILD_ST_BACKOFF);
        assert_int_equal(effect(&r, EFF_TIMER), delays[i]);
        raise_at(&r, CHILD_EV_TIMER, delays[i]);
        assert_int_equal(r.c.state, CHILD_ST_STARTING);
    }
    for (int i = 0; i < 3; i++) {
        die_at(&r, 5); /* the eighth in a row, and more */
        assert_int_equal(r.c.state, CHILD_ST_FAILED);
        assert_int_equal(effect(&r, EFF_TIMER), CHILD_FAILED_RETRY_MS);
        raise_at(&r, CHILD_EV_TIMER, CHILD_FAILED_RETRY_MS);
        assert_int_equal(r.c.state, CHILD_ST_STARTING);
    }
    /* It comes up after all and stays: everything is forgiven. */
    raise_at(&r, CHILD_EV_HELLO, 50);
    raise_at(&r, CHILD_EV_BEAT, CHILD_CALM_MS);
    assert_int_equal(r.c.early_cnt, 0);
    die_at(&r, 0);
    assert_int_equal(r.c.state, CHILD_ST_STARTING);
    die_at(&r, 5);
    assert_int_equal(effect(&r, EFF_TIMER), 100);
}

static void test_backoff_is_capped(void **state)
{
    (void)state;
    struct child_life c;
    child_life_init(&c, &child_kinds[0]);
    int64_t last = 0;
    for (int i = 0; i < 20; i++)
        last = backoff_fail(&c.backoff, i);
    assert_int_equal(last, CHILD_BACKOFF_MAX_MS);
}

static void test_deaf_worker_is_killed_and_replaced(void **state)
{
    (void)state;
    struct rig r = running("call-actor");
    raise_at(&r, CHILD_EV_BEAT, CHILD_CALM_MS);
    raise_at(&r, CHILD_EV_DEAF, 10); /* however steadily its heart beats */
    assert_int_equal(r.c.state, CHILD_ST_ABORTING);
    assert_int_equal(effect(&r, EFF_SIGNAL), SIGKILL);
    raise_at(&r, CHILD_EV_DEAF, 1);
    assert_int_equal(effect(&r, EFF_SIGNAL), -1);
    die_at(&r, 1);
    assert_int_equal(r.c.state, CHILD_ST_STARTING);
    assert_int_equal(effect(&r, EFF_SPAWN), 0);
}

static void test_one_that_hangs_leaves_a_core_where_cores_may_be_left(void **state)
{
    (void)state;
    struct rig r = running("call-actor");
    r.c.cores = true;
    raise_at(&r, CHILD_EV_TIMER, CHILD_HANG_MS);
    assert_int_equal(effect(&r, EFF_SIGNAL), SIGABRT);
    raise_at(&r, CHILD_EV_TIMER, CHILD_ABORT_MS);
    assert_int_equal(effect(&r, EFF_SIGNAL), SIGKILL);
}

static void test_hung_worker_is_killed_and_replaced(void **state)
{
    (void)state;
    struct rig r = running("call-actor");
    raise_at(&r, CHILD_EV_BEAT, 500);
    raise_at(&r, CHILD_EV_BEAT, 600);
    assert_int_equal(effect(&r, EFF_TIMER), CHILD_HANG_MS);
    raise_at(&r, CHILD_EV_TIMER, CHILD_HANG_MS);
    assert_int_equal(r.c.state, CHILD_ST_ABORTING);
    assert_int_equal(effect(&r, EFF_SIGNAL), SIGKILL);
    raise_at(&r, CHILD_EV_BEAT, 10); /* too late */
    assert_int_equal(r.c.state, CHILD_ST_ABORTING);
    raise_at(&r, CHILD_EV_TIMER, CHILD_ABORT_MS);
    assert_int_equal(effect(&r, EFF_SIGNAL), SIGKILL);
    die_at(&r, 1);
    assert_int_equal(r.c.state, CHILD_ST_STARTING);
    assert_int_equal(effect(&r, EFF_SPAWN), 0);
}

static void test_worker_without_hello_is_aborted_and_backs_off(void **state)
{
    (void)state;
    struct rig r = started("sip-edge");
    assert_int_equal(effect(&r, EFF_TIMER), r.c.kind->hello_ms);
    raise_at(&r, CHILD_EV_TIMER, r.c.kind->hello_ms);
    assert_int_equal(effect(&r, EFF_SIGNAL), SIGKILL);
    die_at(&r, 1);
    assert_int_equal(r.c.state, CHILD_ST_BACKOFF);
}

static void test_graceful_restart_blames_nobody(void **state)
{
    (void)state;
    struct rig r = running("call-actor");
    raise_at(&r, CHILD_EV_RESTART, 10); /* within its first second */
    assert_int_equal(effect(&r, EFF_SEND_STOP), r.c.kind->stop_ms);
    assert_int_equal(effect(&r, EFF_TIMER), r.c.kind->stop_ms + CHILD_GRACE_EXTRA_MS);
    die_at(&r, 5);
    assert_int_equal(r.c.state, CHILD_ST_STARTING);
    assert_int_equal(r.c.early_cnt, 0);

    r = running("call-actor"); /* it does not leave */
    raise_at(&r, CHILD_EV_RESTART, 10);
    raise_at(&r, CHILD_EV_TIMER, 6000);
    assert_int_equal(r.c.state, CHILD_ST_RESTARTING);
    assert_int_equal(effect(&r, EFF_SIGNAL), SIGKILL);
    die_at(&r, 1);
    assert_int_equal(r.c.state, CHILD_ST_STARTING);
}

static void test_kill_restarts_at_once(void **state)
{
    (void)state;
    struct rig r = running("call-actor");
    raise_at(&r, CHILD_EV_KILL, 10);
    assert_int_equal(effect(&r, EFF_SIGNAL), SIGKILL);
    die_at(&r, 1);
    assert_int_equal(r.c.state, CHILD_ST_STARTING);
    assert_int_equal(effect(&r, EFF_SPAWN), 0);
}

static void test_operator_revives_a_failed_worker(void **state)
{
    (void)state;
    struct rig r = started("publisher");
    r.c.early_cnt = CHILD_EARLY_MAX - 1;
    die_at(&r, 5);
    assert_int_equal(r.c.state, CHILD_ST_FAILED);
    raise_at(&r, CHILD_EV_RESTART, 5);
    assert_int_equal(r.c.state, CHILD_ST_STARTING);
    assert_int_equal(r.c.early_cnt, 0);
}

static void test_stop_from_every_state_ends(void **state)
{
    (void)state;
    for (uint8_t from = 0; from < CHILD_STATES; from++) {
        for (int hurry = 0; hurry < 2; hurry++) {
            struct rig r = running("orchestrator");
            r.c.state = from;
            bool process = child_has_process(from);
            raise_at(&r, CHILD_EV_STOP, 10);
            assert_int_equal(r.c.state, process ? CHILD_ST_STOPPING : CHILD_ST_STOPPED);
            if (!process)
                continue;
            raise_at(&r, hurry != 0 ? CHILD_EV_HURRY : CHILD_EV_TIMER, 100);
            assert_int_equal(effect(&r, EFF_SIGNAL), SIGKILL);
            raise_at(&r, CHILD_EV_RESTART, 1); /* too late to ask for another */
            die_at(&r, 1);
            assert_int_equal(r.c.state, CHILD_ST_STOPPED);
            assert_int_equal(effect(&r, EFF_SPAWN), -1);
        }
    }
}

/* Any sequence of what the world may do: no hole, no CANNOT, and a process is never started twice. */
static void test_random_lives(void **state)
{
    (void)state;
    uint64_t seed = 88172645463325252ULL;
    for (int life = 0; life < 200; life++) {
        struct rig r = started("sip-edge");
        int processes = 1;
        for (int step = 0; step < 200; step++) {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            static const enum child_event free_events[] = {CHILD_EV_HELLO, CHILD_EV_BEAT, CHILD_EV_RESTART,
                                                           CHILD_EV_KILL};
            unsigned pick = (unsigned)(seed % 8);
            if (pick < 4) {
                raise_at(&r, free_events[pick], 7);
            } else if (pick < 6 && r.c.state != CHILD_ST_IDLE && r.c.state != CHILD_ST_STOPPED) {
                raise_at(&r, CHILD_EV_TIMER, 300); /* set in every other state */
            } else if (child_has_process(r.c.state)) {
                processes--;
                die_at(&r, (int64_t)(seed >> 32) % 3000);
            }
            if (effect(&r, EFF_SPAWN) == 0)
                processes++;
            assert_int_equal(processes, child_has_process(r.c.state) ? 1 : 0);
        }
        raise_at(&r, CHILD_EV_HURRY, 1);
        if (child_has_process(r.c.state))
            die_at(&r, 1);
        assert_int_equal(r.c.state, CHILD_ST_STOPPED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table_is_sound),
        cmocka_unit_test(test_ready_worker_is_restarted_at_once),
        cmocka_unit_test(test_deaths_within_a_second_of_ready_back_off),
        cmocka_unit_test(test_crash_loop_doubles_then_fails_then_is_tried_every_30_s),
        cmocka_unit_test(test_backoff_is_capped),
        cmocka_unit_test(test_hung_worker_is_killed_and_replaced),
        cmocka_unit_test(test_deaf_worker_is_killed_and_replaced),
        cmocka_unit_test(test_one_that_hangs_leaves_a_core_where_cores_may_be_left),
        cmocka_unit_test(test_worker_without_hello_is_aborted_and_backs_off),
        cmocka_unit_test(test_graceful_restart_blames_nobody),
        cmocka_unit_test(test_kill_restarts_at_once),
        cmocka_unit_test(test_operator_revives_a_failed_worker),
        cmocka_unit_test(test_stop_from_every_state_ends),
        cmocka_unit_test(test_random_lives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
