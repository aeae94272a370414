#include "supervisor/child.h"

static const char *const state_names[CHILD_STATES] = {
    [CHILD_ST_IDLE] = "idle",       [CHILD_ST_STARTING] = "starting",     [CHILD_ST_RUNNING] = "running",
    [CHILD_ST_BACKOFF] = "backoff", [CHILD_ST_RESTARTING] = "restarting", [CHILD_ST_ABORTING] = "aborting",
    [CHILD_ST_FAILED] = "failed",   [CHILD_ST_STOPPING] = "stopping",     [CHILD_ST_STOPPED] = "stopped",
};

static const char *const event_names[CHILD_EVENTS] = {
    [CHILD_EV_START] = "start",         [CHILD_EV_HELLO] = "hello",         [CHILD_EV_BEAT] = "beat",
    [CHILD_EV_TIMER] = "timer",         [CHILD_EV_EXIT_CALM] = "exit-calm", [CHILD_EV_EXIT_EARLY] = "exit-early",
    [CHILD_EV_EXIT_LAST] = "exit-last", [CHILD_EV_RESTART] = "restart",     [CHILD_EV_KILL] = "kill",
    [CHILD_EV_STOP] = "stop",           [CHILD_EV_HURRY] = "hurry",         [CHILD_EV_DEAF] = "deaf",
};

/*
 *             START     HELLO       BEAT     TIMER    death: calm     early        last       RESTART     KILL
 *  idle       starting
 *  starting             running              aborting  (cannot)      backoff      failed     restarting  restarting
 *  running                        (watch)   aborting  starting       backoff      failed     restarting  restarting
 *  restarting                               kill -9   starting       starting     starting               kill -9
 *  aborting                                 kill -9   starting       backoff      failed     restarting  restarting
 *  backoff                                  starting                                         starting    starting
 *  failed                                   starting                                         starting    starting
 *  stopping                                 kill -9   stopped        stopped      stopped
 *  stopped
 *
 * STOP and HURRY lead to stopping where there is a process, else to stopped. DEAF leads from running to aborting.
 */
#define GO(e, act, next) [CHILD_EV_##e] = FSM_TO(act, CHILD_ST_##next)
#define IGNORED(e) [CHILD_EV_##e] = FSM_IGNORE
#define CANNOT(e) [CHILD_EV_##e] = FSM_NEVER

static const struct fsm_cell cells[CHILD_STATES][CHILD_EVENTS] =
    {
        [CHILD_ST_IDLE] =
            {
                GO(START, act_spawn, STARTING),
                IGNORED(HELLO),
                IGNORED(BEAT),
                CANNOT(TIMER),
                CANNOT(EXIT_CALM),
                CANNOT(EXIT_EARLY),
                CANNOT(EXIT_LAST),
                IGNORED(RESTART),
                IGNORED(KILL),
                GO(STOP, act_rest, STOPPED),
                GO(HURRY, act_rest, STOPPED),
                IGNORED(DEAF),
            },
        [CHILD_ST_STARTING] =
            {
                CANNOT(START),
                GO(HELLO, act_ready, RUNNING),
                IGNORED(BEAT), /* before its Hello: the bus drops it */
                GO(TIMER, act_abort, ABORTING),
                CANNOT(EXIT_CALM), /* not ready, so not calm */
                GO(EXIT_EARLY, act_back_off, BACKOFF),
                GO(EXIT_LAST, act_give_up, FAILED),
                GO(RESTART, act_stop_young, RESTARTING),
                GO(KILL, act_kill, RESTARTING),
                GO(STOP, act_stop_young, STOPPING),
                GO(HURRY, act_kill, STOPPING),
                IGNORED(DEAF),
            },
        [CHILD_ST_RUNNING] =
            {
                CANNOT(START),
                IGNORED(HELLO), /* the link broke and came back; the process is the same */
                GO(BEAT, act_beat, RUNNING),
                GO(TIMER, act_abort, ABORTING),
                GO(EXIT_CALM, act_respawn, STARTING),
                GO(EXIT_EARLY, act_back_off, BACKOFF),
                GO(EXIT_LAST, act_give_up, FAILED),
                GO(RESTART, act_stop, RESTARTING),
                GO(KILL, act_kill, RESTARTING),
                GO(STOP, act_stop, STOPPING),
                GO(HURRY, act_kill, STOPPING),
                GO(DEAF, act_abort, ABORTING),
            },
        [CHILD_ST_RESTARTING] =
            {
                CANNOT(START),
                IGNORED(HELLO),
                IGNORED(BEAT),
                GO(TIMER, act_kill, RESTARTING),
                GO(EXIT_CALM, act_respawn, STARTING), /* asked for: however it went, no delay and no blame */
                GO(EXIT_EARLY, act_respawn, STARTING),
                GO(EXIT_LAST, act_respawn, STARTING),
                IGNORED(RESTART),
                GO(KILL, act_kill, RESTARTING),
                GO(STOP, NULL, STOPPING), /* the timer of the restart goes on */
                GO(HURRY, act_kill, STOPPING),
                IGNORED(DEAF),
            },
        [CHILD_ST_ABORTING] =
            {
                CANNOT(START),
                IGNORED(HELLO), /* too late: the signal is out */
                IGNORED(BEAT),
                GO(TIMER, act_kill, ABORTING),
                GO(EXIT_CALM, act_respawn, STARTING),
                GO(EXIT_EARLY, act_back_off, BACKOFF),
                GO(EXIT_LAST, act_give_up, FAILED),
                GO(RESTART, act_kill, RESTARTING),
                GO(KILL, act_kill, RESTARTING),
                GO(STOP, act_kill, STOPPING),
                GO(HURRY, act_kill, STOPPING),
                IGNORED(DEAF),
            },
        [CHILD_ST_BACKOFF] =
            {
                CANNOT(START),
                IGNORED(HELLO),
                IGNORED(BEAT),
                GO(TIMER, act_spawn, STARTING),
                CANNOT(EXIT_CALM),
                CANNOT(EXIT_EARLY),
                CANNOT(EXIT_LAST),
                GO(RESTART, act_respawn, STARTING),
                GO(KILL, act_respawn, STARTING),
                GO(STOP, act_rest, STOPPED),
                GO(HURRY, act_rest, STOPPED),
                IGNORED(DEAF),
            },
        [CHILD_ST_FAILED] =
            {
                CANNOT(START),
                IGNORED(HELLO),
                IGNORED(BEAT),
                GO(TIMER, act_spawn, STARTING),
                CANNOT(EXIT_CALM),
                CANNOT(EXIT_EARLY),
                CANNOT(EXIT_LAST),
                GO(RESTART, act_respawn, STARTING),
                GO(KILL, act_respawn, STARTING),
                GO(STOP, act_rest, STOPPED),
                GO(HURRY, act_rest, STOPPED),
                IGNORED(DEAF),
            },
        [CHILD_ST_STOPPING] =
            {
                CANNOT(START),
                IGNORED(HELLO),
                IGNORED(BEAT),
                GO(TIMER, act_kill, STOPPING),
                GO(EXIT_CALM, act_rest, STOPPED),
                GO(EXIT_EARLY, act_rest, STOPPED),
                GO(EXIT_LAST, act_rest, STOPPED),
                IGNORED(RESTART),
                GO(KILL, act_kill, STOPPING),
                IGNORED(STOP),
                GO(HURRY, act_kill, STOPPING),
                IGNORED(DEAF),
            },
        [CHILD_ST_STOPPED] =
            {
                CANNOT(START),
                IGNORED(HELLO),
                IGNORED(BEAT),
                CANNOT(TIMER),
                CANNOT(EXIT_CALM),
                CANNOT(EXIT_EARLY),
                CANNOT(EXIT_LAST),
                IGNORED(RESTART),
                IGNORED(KILL),
                IGNORED(STOP),
                IGNORED(HURRY),
                IGNORED(DEAF),
            },
};

const struct fsm child_fsm = {
    .name = "child",
    .state_names = state_names,
    .event_names = event_names,
    .cells = &cells[0][0],
    .states = CHILD_STATES,
    .events = CHILD_EVENTS,
};

const char *child_state_name(uint8_t state)
{
    return state < CHILD_STATES ? state_names[state] : "unknown";
}
