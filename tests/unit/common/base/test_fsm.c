#include "tests/unit/testkit.h"

#include "common/base/fsm.h"
#include <string.h>

/* A door: closed and open, and gone at the end. */
enum { ST_CLOSED, ST_OPEN, ST_GONE, STATES };
enum { EV_PUSH, EV_PULL, EV_BURN, EVENTS };

static const char *const states[] = {"CLOSED", "OPEN", "GONE"};
static const char *const events[] = {"PUSH", "PULL", "BURN"};

struct door {
    uint8_t state;
    uint8_t state_seen; /* by the action */
    int pushed;
    int64_t at_ms;
};

static void act_push(void *obj, const void *arg, void *fx, struct now now)
{
    struct door *d = obj;
    d->pushed += *(const int *)arg;
    d->at_ms = now.mono_ms;
    d->state_seen = d->state;
    *(int *)fx += 1;
}

static const struct fsm_cell sound[STATES][EVENTS] = {
    [ST_CLOSED] = {[EV_PUSH] = FSM_TO(act_push, ST_OPEN), [EV_PULL] = FSM_IGNORE, [EV_BURN] = FSM_TO(NULL, ST_GONE)},
    [ST_OPEN] = {[EV_PUSH] = FSM_NEVER, [EV_PULL] = FSM_TO(NULL, ST_CLOSED), [EV_BURN] = FSM_TO(NULL, ST_GONE)},
    [ST_GONE] = {[EV_PUSH] = FSM_IGNORE, [EV_PULL] = FSM_IGNORE, [EV_BURN] = FSM_NEVER},
};

static struct fsm machine(const struct fsm_cell cells[STATES][EVENTS])
{
    return (struct fsm){.name = "door",
                        .state_names = states,
                        .event_names = events,
                        .cells = &cells[0][0],
                        .states = STATES,
                        .events = EVENTS};
}

static void steps(void **state)
{
    struct fsm m = machine(sound);
    struct door d = {.state = ST_CLOSED, .state_seen = 99};
    struct now now = {.mono_ms = 5};
    int weight = 3;
    int fx = 0;
    (void)state;
    struct fsm_step s = fsm_step(&m, &d.state, EV_PULL, &d, NULL, &fx, now);
    assert_false(s.moved);
    assert_int_equal(d.state, ST_CLOSED);
    s = fsm_step(&m, &d.state, EV_PUSH, &d, &weight, &fx, now);
    assert_true(s.moved);
    assert_int_equal(s.from, ST_CLOSED);
    assert_int_equal(s.to, ST_OPEN);
    assert_int_equal(s.event, EV_PUSH);
    assert_int_equal(d.state, ST_OPEN);
    assert_int_equal(d.state_seen, ST_CLOSED); /* the state changes after the action */
    assert_int_equal(d.pushed, 3);
    assert_int_equal(d.at_ms, 5);
    assert_int_equal(fx, 1);
    s = fsm_step(&m, &d.state, EV_BURN, &d, NULL, &fx, now);
    assert_int_equal(d.state, ST_GONE);
    assert_true(s.moved);
}

static void step_from(uint8_t state, uint8_t event)
{
    struct fsm_cell cells[STATES][EVENTS];
    memcpy(cells, sound, sizeof cells);
    cells[ST_GONE][EV_PULL] = (struct fsm_cell){0};
    struct fsm m = machine(cells);
    (void)fsm_step(&m, &state, event, NULL, NULL, NULL, (struct now){0});
}

static void step_cannot(void)
{
    step_from(ST_OPEN, EV_PUSH);
}

static void step_hole(void)
{
    step_from(ST_GONE, EV_PULL);
}

static void step_bad_state(void)
{
    step_from(STATES, EV_PUSH);
}

static void step_bad_event(void)
{
    step_from(ST_OPEN, EVENTS);
}

static void impossible_steps_stop(void **state)
{
    (void)state;
    testkit_assert_bug(step_cannot, "door: event PUSH in state OPEN cannot be");
    const struct fsm m = machine(sound);
    assert_true(fsm_cannot(&m, ST_OPEN, EV_PUSH));
    assert_false(fsm_cannot(&m, ST_OPEN, EV_PULL));
    assert_false(fsm_cannot(&m, ST_CLOSED, EV_PULL));
    testkit_assert_bug(step_hole, "door: event PULL in state GONE has no cell");
    testkit_assert_bug(step_bad_state, "from >= m->states");
    testkit_assert_bug(step_bad_event, "event >= m->events");
}

static void check_one(uint8_t at, uint8_t ev, struct fsm_cell cell, const char *want)
{
    struct fsm_cell cells[STATES][EVENTS];
    memcpy(cells, sound, sizeof cells);
    cells[at][ev] = cell;
    struct fsm m = machine(cells);
    const char *found = fsm_check(&m, ST_CLOSED, ST_GONE);
    if (want == NULL)
        assert_null(found);
    else
        assert_string_equal(found, want);
}

static void check_finds_bad_cells(void **state)
{
    (void)state;
    check_one(ST_GONE, EV_PULL, (struct fsm_cell)FSM_IGNORE, NULL);
    check_one(ST_OPEN, EV_PULL, (struct fsm_cell){0}, "door: [OPEN][PULL] is a hole");
    check_one(ST_OPEN, EV_PULL, (struct fsm_cell){.kind = 4}, "door: [OPEN][PULL] is of no kind");
    check_one(ST_OPEN, EV_PULL, (struct fsm_cell)FSM_TO(NULL, STATES), "door: [OPEN][PULL] leads out of the table");
    check_one(ST_CLOSED, EV_PUSH, (struct fsm_cell)FSM_IGNORE, "door: state OPEN cannot be reached");
}

static void check_finds_dead_ends(void **state)
{
    struct fsm_cell cells[STATES][EVENTS];
    (void)state;
    memcpy(cells, sound, sizeof cells);
    struct fsm m = machine(cells);
    assert_string_equal(fsm_check(&m, ST_CLOSED, ST_OPEN), "door: state GONE is a dead end");
    cells[ST_OPEN][EV_PULL] = (struct fsm_cell)FSM_IGNORE;
    cells[ST_OPEN][EV_BURN] = (struct fsm_cell)FSM_IGNORE;
    assert_string_equal(fsm_check(&m, ST_CLOSED, ST_GONE), "door: state OPEN is a dead end");
    cells[ST_OPEN][EV_BURN] = (struct fsm_cell)FSM_TO(NULL, ST_OPEN); /* turning on the spot leads nowhere */
    assert_string_equal(fsm_check(&m, ST_CLOSED, ST_GONE), "door: state OPEN is a dead end");
    memcpy(cells, sound, sizeof cells);
    cells[ST_CLOSED][EV_BURN] = (struct fsm_cell)FSM_IGNORE; /* nor does going round in a ring */
    cells[ST_OPEN][EV_BURN] = (struct fsm_cell)FSM_IGNORE;
    cells[ST_GONE][EV_BURN] = (struct fsm_cell)FSM_TO(NULL, ST_CLOSED);
    assert_string_equal(fsm_check(&m, ST_GONE, ST_GONE), "door: state CLOSED is a dead end");
}

static void check_finds_bad_bounds(void **state)
{
    static const char *const unnamed[] = {"CLOSED", "OPEN", NULL};
    struct fsm m = machine(sound);
    (void)state;
    assert_string_equal(fsm_check(&m, STATES, ST_GONE), "door: start or last is no state");
    assert_string_equal(fsm_check(&m, ST_CLOSED, STATES), "door: start or last is no state");
    m.state_names = unnamed;
    assert_string_equal(fsm_check(&m, ST_CLOSED, ST_GONE), "door: a state has no name");
    m = machine(sound);
    m.event_names = unnamed;
    assert_string_equal(fsm_check(&m, ST_CLOSED, ST_GONE), "door: an event has no name");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps),
        cmocka_unit_test(impossible_steps_stop),
        cmocka_unit_test(check_finds_bad_cells),
        cmocka_unit_test(check_finds_dead_ends),
        cmocka_unit_test(check_finds_bad_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
