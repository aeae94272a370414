/* The life of a job. No figure to copy: the states are the RPC that is under way. */
#include "orchestrator/job.h"

#define GO(act, to) FSM_TO(job_act_##act, JOB_ST_##to)
#define QUIET(to) FSM_TO(NULL, JOB_ST_##to)
#define IGNORED FSM_IGNORE /* a decision: see the line's comment */
#define CANNOT FSM_NEVER   /* raised by ourselves only where its RPC or timer runs */

static const struct fsm_cell cells[JOB_STATES][JOB_EVENTS] =
    {
        [JOB_ST_NEW] =
            {
                [JOB_EV_RUN_BOTH] = GO(ask_both, BOTH),
                [JOB_EV_RUN_PLAN] = GO(resolve, PLAN),
                [JOB_EV_RUN_FREE] = GO(release, FREEING),
                [JOB_EV_RUN_PLAY] = GO(play, PLAY),
                [JOB_EV_RUN_LOOKUP] = GO(look_up, LOOKUP),
                [JOB_EV_USER] = CANNOT,
                [JOB_EV_PLAN] = CANNOT,
                [JOB_EV_PLAN_FAIL] = CANNOT,
                [JOB_EV_READY_PORT] = CANNOT,
                [JOB_EV_READY_ONLY] = CANNOT,
                [JOB_EV_READY_WAIT] = CANNOT,
                [JOB_EV_READY_AWAY] = CANNOT,
                [JOB_EV_PORT] = CANNOT,
                [JOB_EV_PORT_FAIL] = CANNOT,
                [JOB_EV_FREED] = CANNOT,
                [JOB_EV_FREE_FAIL] = CANNOT,
                [JOB_EV_FREE_GIVE_UP] = CANNOT,
                [JOB_EV_PLAYED] = CANNOT,
                [JOB_EV_PLAY_NEXT] = CANNOT,
                [JOB_EV_PLAY_FAIL] = CANNOT,
                [JOB_EV_LOOKED_UP] = CANNOT,
                [JOB_EV_OPEN] = CANNOT,
                [JOB_EV_TAKEN] = GO(taken, DONE), /* before it was even tried */
                [JOB_EV_TIMER] = CANNOT,
                [JOB_EV_CANCEL] = CANNOT, /* made and run in one turn */
            },
#define NO_RUN                                                                                                         \
    [JOB_EV_RUN_BOTH] = CANNOT, [JOB_EV_RUN_PLAN] = CANNOT, [JOB_EV_RUN_FREE] = CANNOT, [JOB_EV_RUN_PLAY] = CANNOT,    \
    [JOB_EV_RUN_LOOKUP] = CANNOT
#define NO_USER [JOB_EV_USER] = CANNOT
#define NO_PLAN [JOB_EV_PLAN] = CANNOT
#define NO_PLAN_FAIL [JOB_EV_PLAN_FAIL] = CANNOT
#define NO_READY                                                                                                       \
    [JOB_EV_READY_PORT] = CANNOT, [JOB_EV_READY_ONLY] = CANNOT, [JOB_EV_READY_WAIT] = CANNOT,                          \
    [JOB_EV_READY_AWAY] = CANNOT
#define NO_ANSWER NO_USER, NO_PLAN, NO_PLAN_FAIL, NO_READY
#define ON_READY                                                                                                       \
    [JOB_EV_READY_PORT] = GO(allocate, PORT), [JOB_EV_READY_WAIT] = GO(wait, WAIT),                                    \
    [JOB_EV_READY_AWAY] = GO(away, DONE), [JOB_EV_READY_ONLY] = GO(finish, DONE)
#define NO_OPEN [JOB_EV_OPEN] = CANNOT
#define NO_TAKEN [JOB_EV_TAKEN] = CANNOT
#define NO_PORT [JOB_EV_PORT] = CANNOT, [JOB_EV_PORT_FAIL] = CANNOT
#define NO_FREE [JOB_EV_FREED] = CANNOT, [JOB_EV_FREE_FAIL] = CANNOT, [JOB_EV_FREE_GIVE_UP] = CANNOT
#define NO_LOOKUP [JOB_EV_LOOKED_UP] = CANNOT
#define NO_PLAY [JOB_EV_PLAYED] = CANNOT, [JOB_EV_PLAY_NEXT] = CANNOT, [JOB_EV_PLAY_FAIL] = CANNOT
        [JOB_ST_BOTH] =
            {
                NO_RUN,
                NO_LOOKUP,
                NO_READY,
                NO_OPEN,
                NO_PORT,
                NO_FREE,
                NO_TAKEN,
                NO_PLAY,
                [JOB_EV_USER] = GO(take_user, PLAN), /* a failed look-up makes a guest, not a failed call */
                [JOB_EV_PLAN] = GO(take_plan, USER),
                [JOB_EV_PLAN_FAIL] = GO(fail, DONE), /* whoever calls */
                [JOB_EV_TIMER] = GO(overdue, DONE),
                [JOB_EV_CANCEL] = GO(cancel, DONE),
            },
        [JOB_ST_USER] =
            {
                NO_RUN,
                NO_LOOKUP,
                NO_USER,
                NO_PLAN,
                NO_PLAN_FAIL,
                NO_OPEN,
                NO_PORT,
                NO_FREE,
                NO_TAKEN,
                NO_PLAY,
                ON_READY,
                [JOB_EV_TIMER] = GO(overdue, DONE),
                [JOB_EV_CANCEL] = GO(cancel, DONE),
            },
        [JOB_ST_PLAN] =
            {
                NO_RUN,
                NO_LOOKUP,
                NO_USER,
                NO_PLAN,
                NO_OPEN,
                NO_PORT,
                NO_FREE,
                NO_TAKEN,
                NO_PLAY,
                ON_READY,
                [JOB_EV_PLAN_FAIL] = GO(fail, DONE),
                [JOB_EV_TIMER] = GO(overdue, DONE),
                [JOB_EV_CANCEL] = GO(cancel, DONE),
            },
        [JOB_ST_WAIT] =
            {
                NO_RUN,
                NO_LOOKUP,
                NO_ANSWER,
                NO_PORT,
                NO_FREE,
                NO_TAKEN,
                NO_PLAY,
                [JOB_EV_OPEN] = GO(allocate_now, PORT),
                [JOB_EV_TIMER] = GO(no_media, DONE),
                [JOB_EV_CANCEL] = GO(cancel, DONE),
            },
        [JOB_ST_PORT] =
            {
                NO_RUN, NO_LOOKUP, NO_ANSWER, NO_OPEN, NO_FREE, NO_TAKEN,
                NO_PLAY, [JOB_EV_PORT] = GO(take_port, DONE), [JOB_EV_PORT_FAIL] = GO(port_fail, DONE),
                [JOB_EV_TIMER] = GO(answer_late, LATE), [JOB_EV_CANCEL] = QUIET(CANCELLING), /* not aborted: the port
                                                                                                may be taken already */
            },
        [JOB_ST_CANCELLING] =
            {
                NO_RUN, NO_LOOKUP, NO_ANSWER, NO_OPEN, NO_FREE, NO_TAKEN,
                NO_PLAY, [JOB_EV_PORT] = GO(hand_back, DONE), [JOB_EV_PORT_FAIL] = GO(cancelled, DONE),
                [JOB_EV_TIMER] = GO(cancelled_late, LATE), [JOB_EV_CANCEL] = IGNORED, /* asked twice */
            },
        [JOB_ST_LATE] =
            {
                NO_RUN, NO_LOOKUP, NO_ANSWER, NO_OPEN, NO_FREE, NO_TAKEN,
                NO_PLAY, [JOB_EV_PORT] = GO(release_late, FREEING), [JOB_EV_PORT_FAIL] = GO(port_unknown, DONE),
                [JOB_EV_TIMER] = CANNOT,   /* the RPC's own deadline ends this */
                [JOB_EV_CANCEL] = IGNORED, /* crossed our answer */
            },
        [JOB_ST_FREEING] =
            {
                NO_RUN, NO_LOOKUP, NO_ANSWER, NO_OPEN, NO_PORT,
                NO_PLAY, [JOB_EV_FREED] = GO(freed, DONE), [JOB_EV_FREE_FAIL] = GO(pause, FREE_WAIT),
                [JOB_EV_FREE_GIVE_UP] = GO(leaked, DONE), [JOB_EV_TAKEN] = GO(taken, DONE), [JOB_EV_TIMER] = CANNOT,
                [JOB_EV_CANCEL] = IGNORED, /* giving a port back is not taken back */
            },
        [JOB_ST_FREE_WAIT] =
            {
                NO_RUN,
                NO_LOOKUP,
                NO_ANSWER,
                NO_OPEN,
                NO_PORT,
                NO_FREE,
                NO_PLAY,
                [JOB_EV_TAKEN] = GO(taken, DONE),
                [JOB_EV_TIMER] = GO(release, FREEING),
                [JOB_EV_CANCEL] = IGNORED,
            },
        [JOB_ST_PLAY] =
            {
                NO_RUN,
                NO_LOOKUP,
                NO_ANSWER,
                NO_OPEN,
                NO_PORT,
                NO_FREE,
                NO_TAKEN,
                [JOB_EV_PLAYED] = GO(played, DONE),
                [JOB_EV_PLAY_NEXT] = GO(play_next, PLAY),
                [JOB_EV_PLAY_FAIL] = GO(play_fail, DONE),
                [JOB_EV_TIMER] = CANNOT, /* the RPC's own deadline ends this */
                [JOB_EV_CANCEL] = GO(cancel, DONE),
            },
        [JOB_ST_LOOKUP] =
            {
                NO_RUN,
                NO_ANSWER,
                NO_OPEN,
                NO_PORT,
                NO_FREE,
                NO_TAKEN,
                NO_PLAY,
                [JOB_EV_LOOKED_UP] = GO(looked_up, DONE),
                [JOB_EV_TIMER] = CANNOT, /* the RPC's own deadline ends this */
                [JOB_EV_CANCEL] = GO(cancel, DONE),
            },
        [JOB_ST_DONE] =
            {
                NO_RUN, NO_LOOKUP, NO_ANSWER, NO_OPEN, NO_PORT, NO_FREE, NO_TAKEN,
                NO_PLAY, [JOB_EV_TIMER] = CANNOT, [JOB_EV_CANCEL] = IGNORED, /* crossed our answer */
            },
};

static const char *const state_names[JOB_STATES] = {
    [JOB_ST_NEW] = "new",   [JOB_ST_BOTH] = "both",       [JOB_ST_USER] = "user",
    [JOB_ST_PLAN] = "plan", [JOB_ST_PORT] = "port",       [JOB_ST_CANCELLING] = "cancelling",
    [JOB_ST_LATE] = "late", [JOB_ST_FREEING] = "freeing", [JOB_ST_FREE_WAIT] = "free-wait",
    [JOB_ST_PLAY] = "play", [JOB_ST_LOOKUP] = "look-up",  [JOB_ST_WAIT] = "wait",
    [JOB_ST_DONE] = "done",
};

static const char *const event_names[JOB_EVENTS] = {
    [JOB_EV_RUN_BOTH] = "run-both",
    [JOB_EV_RUN_PLAN] = "run-plan",
    [JOB_EV_RUN_FREE] = "run-free",
    [JOB_EV_RUN_PLAY] = "run-play",
    [JOB_EV_USER] = "user",
    [JOB_EV_READY_PORT] = "ready-port",
    [JOB_EV_READY_ONLY] = "ready-only",
    [JOB_EV_PLAN_FAIL] = "plan-fail",
    [JOB_EV_PORT] = "port",
    [JOB_EV_PORT_FAIL] = "port-fail",
    [JOB_EV_FREED] = "freed",
    [JOB_EV_FREE_FAIL] = "free-fail",
    [JOB_EV_FREE_GIVE_UP] = "free-give-up",
    [JOB_EV_PLAYED] = "played",
    [JOB_EV_PLAY_NEXT] = "play-next",
    [JOB_EV_PLAY_FAIL] = "play-fail",
    [JOB_EV_TIMER] = "timer",
    [JOB_EV_CANCEL] = "cancel",
    [JOB_EV_RUN_LOOKUP] = "run-look-up",
    [JOB_EV_LOOKED_UP] = "looked-up",
    [JOB_EV_READY_WAIT] = "ready-wait",
    [JOB_EV_READY_AWAY] = "ready-away",
    [JOB_EV_OPEN] = "open",
    [JOB_EV_TAKEN] = "taken",
    [JOB_EV_PLAN] = "plan",
};

const struct fsm job_fsm = {
    .name = "job",
    .state_names = state_names,
    .event_names = event_names,
    .cells = &cells[0][0],
    .states = JOB_STATES,
    .events = JOB_EVENTS,
};
