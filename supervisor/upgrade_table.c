#include "supervisor/upgrade.h"

static const char *const state_names[UPGRADE_STATES] = {
    [UPGRADE_ST_IDLE] = "idle",           [UPGRADE_ST_CHECKING] = "checking", [UPGRADE_ST_REPLACING] = "replacing",
    [UPGRADE_ST_REVERTING] = "reverting", [UPGRADE_ST_DONE] = "done",         [UPGRADE_ST_FAILED] = "failed",
};

static const char *const event_names[UPGRADE_EVENTS] = {
    [UPGRADE_EV_ASKED] = "asked", [UPGRADE_EV_CHECKED] = "checked",   [UPGRADE_EV_REFUSED] = "refused",
    [UPGRADE_EV_WELL] = "well",   [UPGRADE_EV_ALL_WELL] = "all-well", [UPGRADE_EV_SICK] = "sick",
    [UPGRADE_EV_BACK] = "back",   [UPGRADE_EV_ALL_BACK] = "all-back", [UPGRADE_EV_STOP] = "stop",
};

#define GO(e, act, next) [UPGRADE_EV_##e] = FSM_TO(act, UPGRADE_ST_##next)
#define IGNORED(e) [UPGRADE_EV_##e] = FSM_IGNORE
#define CANNOT(e) [UPGRADE_EV_##e] = FSM_NEVER

/*
 *             ASKED     CHECKED    REFUSED  WELL       ALL_WELL  SICK       BACK       ALL_BACK  STOP
 *  idle       checking
 *  checking             replacing  failed                                                        failed
 *  replacing                                replacing  done      reverting                       failed
 *  reverting                                                                reverting  failed    failed
 *  done       checking
 *  failed     checking
 *
 * Who asks while one is under way is refused before it becomes an event.
 */
#define RESTS                                                                                                          \
    {                                                                                                                  \
        GO(ASKED, act_upgrade_check, CHECKING), CANNOT(CHECKED), CANNOT(REFUSED), CANNOT(WELL), CANNOT(ALL_WELL),      \
            CANNOT(SICK), CANNOT(BACK), CANNOT(ALL_BACK), IGNORED(STOP),                                               \
    }

static const struct fsm_cell cells[UPGRADE_STATES][UPGRADE_EVENTS] = {
    [UPGRADE_ST_IDLE] = RESTS,
    [UPGRADE_ST_CHECKING] =
        {
            CANNOT(ASKED),
            GO(CHECKED, act_upgrade_first, REPLACING),
            GO(REFUSED, act_upgrade_over, FAILED),
            CANNOT(WELL),
            CANNOT(ALL_WELL),
            CANNOT(SICK),
            CANNOT(BACK),
            CANNOT(ALL_BACK),
            GO(STOP, act_upgrade_over, FAILED),
        },
    [UPGRADE_ST_REPLACING] =
        {
            CANNOT(ASKED),
            CANNOT(CHECKED),
            CANNOT(REFUSED),
            GO(WELL, act_upgrade_next, REPLACING),
            GO(ALL_WELL, act_upgrade_keep, DONE),
            GO(SICK, act_upgrade_revert, REVERTING),
            CANNOT(BACK),
            CANNOT(ALL_BACK),
            GO(STOP, act_upgrade_over, FAILED),
        },
    [UPGRADE_ST_REVERTING] =
        {
            CANNOT(ASKED),
            CANNOT(CHECKED),
            CANNOT(REFUSED),
            CANNOT(WELL),
            CANNOT(ALL_WELL),
            CANNOT(SICK),
            GO(BACK, act_upgrade_revert_next, REVERTING),
            GO(ALL_BACK, act_upgrade_over, FAILED),
            GO(STOP, act_upgrade_over, FAILED),
        },
    [UPGRADE_ST_DONE] = RESTS,
    [UPGRADE_ST_FAILED] = RESTS,
};

const struct fsm upgrade_fsm = {
    .name = "upgrade",
    .state_names = state_names,
    .event_names = event_names,
    .cells = &cells[0][0],
    .states = UPGRADE_STATES,
    .events = UPGRADE_EVENTS,
};
