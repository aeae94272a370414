#include "tests/platform/rpc_call.h"

static const char *const state_names[] = {"POSTED", "HELD", "ANSWERING", "SENDING", "CLOSING", "FREE"};
static const char *const event_names[] = {"ARRIVED", "ARRIVED_HELD", "REFUSED", "DUE", "SENT", "CLOSED"};

static void act_answer(void *obj, const void *arg, void *fx, struct now now)
{
    (void)obj, (void)arg, (void)now;
    *(unsigned *)fx |= RPC_FX_ANSWER;
}

static void act_hold(void *obj, const void *arg, void *fx, struct now now)
{
    (void)obj, (void)arg, (void)now;
    *(unsigned *)fx |= RPC_FX_WATCH_END | RPC_FX_HOLD;
}

static void act_answer_held(void *obj, const void *arg, void *fx, struct now now)
{
    (void)obj, (void)arg, (void)now;
    *(unsigned *)fx |= RPC_FX_UNHOLD | RPC_FX_ANSWER_HELD;
}

static void act_give_up(void *obj, const void *arg, void *fx, struct now now)
{
    (void)obj, (void)arg, (void)now;
    *(unsigned *)fx |= RPC_FX_UNHOLD;
}

/* Each cell that CANNOT be would be an event that we never asked gRPC for. */
static const struct fsm_cell cells[RPC_STS][RPC_EVS] = {
    [RPC_ST_POSTED] =
        {
            [RPC_EV_ARRIVED] = FSM_TO(act_answer, RPC_ST_SENDING),
            [RPC_EV_ARRIVED_HELD] = FSM_TO(act_hold, RPC_ST_HELD),
            [RPC_EV_REFUSED] = FSM_TO(NULL, RPC_ST_FREE), /* the server is shutting down */
            [RPC_EV_DUE] = FSM_NEVER,
            [RPC_EV_SENT] = FSM_NEVER,
            [RPC_EV_CLOSED] = FSM_NEVER,
        },
    [RPC_ST_HELD] =
        {
            [RPC_EV_ARRIVED] = FSM_NEVER,
            [RPC_EV_ARRIVED_HELD] = FSM_NEVER,
            [RPC_EV_REFUSED] = FSM_NEVER,
            [RPC_EV_DUE] = FSM_TO(act_answer_held, RPC_ST_ANSWERING),
            [RPC_EV_SENT] = FSM_NEVER,
            [RPC_EV_CLOSED] = FSM_TO(act_give_up, RPC_ST_FREE),
        },
    [RPC_ST_ANSWERING] =
        {
            [RPC_EV_ARRIVED] = FSM_NEVER,
            [RPC_EV_ARRIVED_HELD] = FSM_NEVER,
            [RPC_EV_REFUSED] = FSM_NEVER,
            [RPC_EV_DUE] = FSM_NEVER,
            [RPC_EV_SENT] = FSM_TO(NULL, RPC_ST_CLOSING),
            [RPC_EV_CLOSED] = FSM_TO(NULL, RPC_ST_SENDING),
        },
    [RPC_ST_SENDING] =
        {
            [RPC_EV_ARRIVED] = FSM_NEVER,
            [RPC_EV_ARRIVED_HELD] = FSM_NEVER,
            [RPC_EV_REFUSED] = FSM_NEVER,
            [RPC_EV_DUE] = FSM_NEVER,
            [RPC_EV_SENT] = FSM_TO(NULL, RPC_ST_FREE),
            [RPC_EV_CLOSED] = FSM_NEVER,
        },
    [RPC_ST_CLOSING] =
        {
            [RPC_EV_ARRIVED] = FSM_NEVER,
            [RPC_EV_ARRIVED_HELD] = FSM_NEVER,
            [RPC_EV_REFUSED] = FSM_NEVER,
            [RPC_EV_DUE] = FSM_NEVER,
            [RPC_EV_SENT] = FSM_NEVER,
            [RPC_EV_CLOSED] = FSM_TO(NULL, RPC_ST_FREE),
        },
    [RPC_ST_FREE] =
        {
            [RPC_EV_ARRIVED] = FSM_NEVER,
            [RPC_EV_ARRIVED_HELD] = FSM_NEVER,
            [RPC_EV_REFUSED] = FSM_NEVER,
            [RPC_EV_DUE] = FSM_NEVER,
            [RPC_EV_SENT] = FSM_NEVER,
            [RPC_EV_CLOSED] = FSM_NEVER,
        },
};

const struct fsm rpc_call_fsm = {
    .name = "rpc_call",
    .state_names = state_names,
    .event_names = event_names,
    .cells = &cells[0][0],
    .states = RPC_STS,
    .events = RPC_EVS,
};
