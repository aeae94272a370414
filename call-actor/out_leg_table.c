/*
 * A leg that we placed as a table. docs/bridging.md says the same in words. RFC 3261 §9.1 (CANCEL), §13.2.2 (responses
 * to INVITE), §15.1.1 (BYE).
 *
 * NEVER stands where out_leg_classify or the call cannot raise the event: a 2xx is the first one, or of the same dialog
 * again; only who rings is cancelled, only who answered is acknowledged and hung up on.
 */
#include "call-actor/out_leg.h"

static const char *const state_names[OUT_LEG_STATES] = {
    [OUT_LEG_CALLING] = "calling", [OUT_LEG_RINGING] = "ringing", [OUT_LEG_CANCELLING] = "cancelling",
    [OUT_LEG_ACKING] = "acking",   [OUT_LEG_UP] = "up",           [OUT_LEG_ENDING] = "ending",
    [OUT_LEG_OVER] = "over",       [OUT_LEG_JOINING] = "joining",
};

static const char *const event_names[OUT_LEG_EVENTS] = {
#define OUT_LEG_EVENT_NAME(name, text) [OUT_LEG_EV_##name] = (text),
    OUT_LEG_EVENT_LIST(OUT_LEG_EVENT_NAME)
#undef OUT_LEG_EVENT_NAME
};

/* clang-format off */
static const struct fsm_cell cells[OUT_LEG_STATES][OUT_LEG_EVENTS] = {
    [OUT_LEG_CALLING] = {
        [OUT_LEG_EV_PROVISIONAL]  = FSM_TO(out_leg_provisional, OUT_LEG_RINGING),
        [OUT_LEG_EV_PROVISIONAL_AGAIN] = FSM_TO(out_leg_prack_again, OUT_LEG_RINGING),
        [OUT_LEG_EV_ANSWER]       = FSM_TO(out_leg_answered, OUT_LEG_UP),
        [OUT_LEG_EV_ANSWER_WAITS] = FSM_TO(out_leg_offered, OUT_LEG_ACKING),
        [OUT_LEG_EV_ANSWER_UNFIT] = FSM_TO(out_leg_unwanted, OUT_LEG_ENDING),
        [OUT_LEG_EV_ANSWER_AGAIN] = FSM_NEVER,
        [OUT_LEG_EV_CHALLENGE]    = FSM_TO(out_leg_authorize, OUT_LEG_CALLING),
        [OUT_LEG_EV_TOO_SHORT]    = FSM_TO(out_leg_ask_longer, OUT_LEG_CALLING),
        [OUT_LEG_EV_REFUSAL]      = FSM_TO(out_leg_refused, OUT_LEG_OVER),
        [OUT_LEG_EV_CANCEL]       = FSM_TO(out_leg_cancel, OUT_LEG_CANCELLING),
        [OUT_LEG_EV_ACK]          = FSM_NEVER,
        [OUT_LEG_EV_HANG_UP]      = FSM_NEVER,
        [OUT_LEG_EV_BYE]          = FSM_NEVER,
        [OUT_LEG_EV_BYE_DONE]     = FSM_NEVER,
        [OUT_LEG_EV_TAKEN]        = FSM_NEVER,
        [OUT_LEG_EV_CAME]         = FSM_TO(NULL, OUT_LEG_JOINING),
        [OUT_LEG_EV_JOINED]       = FSM_NEVER,
    },
    [OUT_LEG_RINGING] = {
        [OUT_LEG_EV_PROVISIONAL]  = FSM_TO(out_leg_provisional, OUT_LEG_RINGING),
        [OUT_LEG_EV_PROVISIONAL_AGAIN] = FSM_TO(out_leg_prack_again, OUT_LEG_RINGING),
        [OUT_LEG_EV_ANSWER]       = FSM_TO(out_leg_answered, OUT_LEG_UP),
        [OUT_LEG_EV_ANSWER_WAITS] = FSM_TO(out_leg_offered, OUT_LEG_ACKING),
        [OUT_LEG_EV_ANSWER_UNFIT] = FSM_TO(out_leg_unwanted, OUT_LEG_ENDING),
        [OUT_LEG_EV_ANSWER_AGAIN] = FSM_NEVER,
        [OUT_LEG_EV_CHALLENGE]    = FSM_TO(out_leg_authorize, OUT_LEG_CALLING),
        [OUT_LEG_EV_TOO_SHORT]    = FSM_TO(out_leg_ask_longer, OUT_LEG_CALLING),
        [OUT_LEG_EV_REFUSAL]      = FSM_TO(out_leg_refused, OUT_LEG_OVER),
        [OUT_LEG_EV_CANCEL]       = FSM_TO(out_leg_cancel, OUT_LEG_CANCELLING),
        [OUT_LEG_EV_ACK]          = FSM_NEVER,
        [OUT_LEG_EV_HANG_UP]      = FSM_NEVER,
        [OUT_LEG_EV_BYE]          = FSM_NEVER,
        [OUT_LEG_EV_BYE_DONE]     = FSM_NEVER,
        [OUT_LEG_EV_TAKEN]        = FSM_NEVER,
        [OUT_LEG_EV_CAME]         = FSM_NEVER,
        [OUT_LEG_EV_JOINED]       = FSM_NEVER,
    },
    [OUT_LEG_CANCELLING] = { /* a 2xx that crosses the CANCEL is acknowledged, and its session ended */
        [OUT_LEG_EV_PROVISIONAL]  = FSM_IGNORE,
        [OUT_LEG_EV_PROVISIONAL_AGAIN] = FSM_IGNORE,
        [OUT_LEG_EV_ANSWER]       = FSM_NEVER,
        [OUT_LEG_EV_ANSWER_WAITS] = FSM_NEVER,
        [OUT_LEG_EV_ANSWER_UNFIT] = FSM_TO(out_leg_unwanted, OUT_LEG_ENDING),
        [OUT_LEG_EV_ANSWER_AGAIN] = FSM_NEVER,
        [OUT_LEG_EV_CHALLENGE]    = FSM_NEVER,
        [OUT_LEG_EV_TOO_SHORT]    = FSM_NEVER,
        [OUT_LEG_EV_REFUSAL]      = FSM_TO(out_leg_cancelled, OUT_LEG_OVER),
        [OUT_LEG_EV_CANCEL]       = FSM_NEVER,
        [OUT_LEG_EV_ACK]          = FSM_NEVER,
        [OUT_LEG_EV_HANG_UP]      = FSM_NEVER,
        [OUT_LEG_EV_BYE]          = FSM_NEVER,
        [OUT_LEG_EV_BYE_DONE]     = FSM_NEVER,
        [OUT_LEG_EV_TAKEN]        = FSM_NEVER,
        [OUT_LEG_EV_CAME]         = FSM_NEVER,
        [OUT_LEG_EV_JOINED]       = FSM_NEVER,
    },
    [OUT_LEG_ACKING] = {
        [OUT_LEG_EV_PROVISIONAL]  = FSM_IGNORE,
        [OUT_LEG_EV_PROVISIONAL_AGAIN] = FSM_IGNORE,
        [OUT_LEG_EV_ANSWER]       = FSM_NEVER,
        [OUT_LEG_EV_ANSWER_WAITS] = FSM_NEVER,
        [OUT_LEG_EV_ANSWER_UNFIT] = FSM_NEVER,
        [OUT_LEG_EV_ANSWER_AGAIN] = FSM_IGNORE,
        [OUT_LEG_EV_CHALLENGE]    = FSM_NEVER,
        [OUT_LEG_EV_TOO_SHORT]    = FSM_NEVER,
        [OUT_LEG_EV_REFUSAL]      = FSM_IGNORE,
        [OUT_LEG_EV_CANCEL]       = FSM_NEVER,
        [OUT_LEG_EV_ACK]          = FSM_TO(out_leg_ack, OUT_LEG_UP),
        [OUT_LEG_EV_HANG_UP]      = FSM_TO(out_leg_ack_bye, OUT_LEG_ENDING),
        [OUT_LEG_EV_BYE]          = FSM_TO(out_leg_over, OUT_LEG_OVER),
        [OUT_LEG_EV_BYE_DONE]     = FSM_NEVER,
        [OUT_LEG_EV_TAKEN]        = FSM_NEVER,
        [OUT_LEG_EV_CAME]         = FSM_NEVER,
        [OUT_LEG_EV_JOINED]       = FSM_NEVER,
    },
    [OUT_LEG_UP] = {
        [OUT_LEG_EV_PROVISIONAL]  = FSM_IGNORE,
        [OUT_LEG_EV_PROVISIONAL_AGAIN] = FSM_IGNORE,
        [OUT_LEG_EV_ANSWER]       = FSM_NEVER,
        [OUT_LEG_EV_ANSWER_WAITS] = FSM_NEVER,
        [OUT_LEG_EV_ANSWER_UNFIT] = FSM_NEVER,
        [OUT_LEG_EV_ANSWER_AGAIN] = FSM_TO(out_leg_ack_again, OUT_LEG_UP),
        [OUT_LEG_EV_CHALLENGE]    = FSM_NEVER,
        [OUT_LEG_EV_TOO_SHORT]    = FSM_NEVER,
        [OUT_LEG_EV_REFUSAL]      = FSM_IGNORE,
        [OUT_LEG_EV_CANCEL]       = FSM_NEVER,
        [OUT_LEG_EV_ACK]          = FSM_NEVER,
        [OUT_LEG_EV_HANG_UP]      = FSM_TO(out_leg_bye, OUT_LEG_ENDING),
        [OUT_LEG_EV_BYE]          = FSM_TO(out_leg_over, OUT_LEG_OVER),
        [OUT_LEG_EV_BYE_DONE]     = FSM_NEVER,
        [OUT_LEG_EV_TAKEN]        = FSM_TO(out_leg_taken, OUT_LEG_OVER),
        [OUT_LEG_EV_CAME]         = FSM_NEVER,
        [OUT_LEG_EV_JOINED]       = FSM_NEVER,
    },
    [OUT_LEG_ENDING] = {
        [OUT_LEG_EV_PROVISIONAL]  = FSM_IGNORE,
        [OUT_LEG_EV_PROVISIONAL_AGAIN] = FSM_IGNORE,
        [OUT_LEG_EV_ANSWER]       = FSM_NEVER,
        [OUT_LEG_EV_ANSWER_WAITS] = FSM_NEVER,
        [OUT_LEG_EV_ANSWER_UNFIT] = FSM_NEVER,
        [OUT_LEG_EV_ANSWER_AGAIN] = FSM_TO(out_leg_ack_again, OUT_LEG_ENDING),
        [OUT_LEG_EV_CHALLENGE]    = FSM_TO(out_leg_authorize_bye, OUT_LEG_ENDING),
        [OUT_LEG_EV_TOO_SHORT]    = FSM_NEVER,
        [OUT_LEG_EV_REFUSAL]      = FSM_IGNORE,
        [OUT_LEG_EV_CANCEL]       = FSM_NEVER,
        [OUT_LEG_EV_ACK]          = FSM_NEVER,
        [OUT_LEG_EV_HANG_UP]      = FSM_NEVER,
        [OUT_LEG_EV_BYE]          = FSM_IGNORE, /* both at once: ours goes on waiting for its answer */
        [OUT_LEG_EV_BYE_DONE]     = FSM_TO(out_leg_over, OUT_LEG_OVER),
        [OUT_LEG_EV_TAKEN]        = FSM_NEVER,
        [OUT_LEG_EV_CAME]         = FSM_NEVER,
        [OUT_LEG_EV_JOINED]       = FSM_NEVER,
    },
    [OUT_LEG_OVER] = {
        [OUT_LEG_EV_PROVISIONAL]  = FSM_IGNORE,
        [OUT_LEG_EV_PROVISIONAL_AGAIN] = FSM_IGNORE,
        [OUT_LEG_EV_ANSWER]       = FSM_NEVER,
        [OUT_LEG_EV_ANSWER_WAITS] = FSM_NEVER,
        [OUT_LEG_EV_ANSWER_UNFIT] = FSM_NEVER,
        [OUT_LEG_EV_ANSWER_AGAIN] = FSM_TO(out_leg_ack_again, OUT_LEG_OVER),
        [OUT_LEG_EV_CHALLENGE]    = FSM_NEVER,
        [OUT_LEG_EV_TOO_SHORT]    = FSM_NEVER,
        [OUT_LEG_EV_REFUSAL]      = FSM_IGNORE,
        [OUT_LEG_EV_CANCEL]       = FSM_NEVER,
        [OUT_LEG_EV_ACK]          = FSM_NEVER,
        [OUT_LEG_EV_HANG_UP]      = FSM_NEVER,
        [OUT_LEG_EV_BYE]          = FSM_IGNORE,
        [OUT_LEG_EV_BYE_DONE]     = FSM_IGNORE,
        [OUT_LEG_EV_TAKEN]        = FSM_NEVER,
        [OUT_LEG_EV_CAME]         = FSM_NEVER,
        [OUT_LEG_EV_JOINED]       = FSM_NEVER,
    },
    [OUT_LEG_JOINING] = { /* it has no INVITE of ours that could be answered, and no BYE before its 200 */
        [OUT_LEG_EV_PROVISIONAL]  = FSM_NEVER,
        [OUT_LEG_EV_PROVISIONAL_AGAIN] = FSM_NEVER,
        [OUT_LEG_EV_ANSWER]       = FSM_NEVER,
        [OUT_LEG_EV_ANSWER_WAITS] = FSM_NEVER,
        [OUT_LEG_EV_ANSWER_UNFIT] = FSM_NEVER,
        [OUT_LEG_EV_ANSWER_AGAIN] = FSM_NEVER,
        [OUT_LEG_EV_CHALLENGE]    = FSM_NEVER,
        [OUT_LEG_EV_TOO_SHORT]    = FSM_NEVER,
        [OUT_LEG_EV_REFUSAL]      = FSM_NEVER,
        [OUT_LEG_EV_CANCEL]       = FSM_TO(out_leg_over, OUT_LEG_OVER),
        [OUT_LEG_EV_ACK]          = FSM_NEVER,
        [OUT_LEG_EV_HANG_UP]      = FSM_NEVER,
        [OUT_LEG_EV_BYE]          = FSM_NEVER,
        [OUT_LEG_EV_BYE_DONE]     = FSM_NEVER,
        [OUT_LEG_EV_TAKEN]        = FSM_NEVER,
        [OUT_LEG_EV_CAME]         = FSM_NEVER,
        [OUT_LEG_EV_JOINED]       = FSM_TO(NULL, OUT_LEG_UP),
    },
};
/* clang-format on */

const struct fsm out_leg_machine = {
    .name = "out-leg",
    .state_names = state_names,
    .event_names = event_names,
    .cells = &cells[0][0],
    .states = OUT_LEG_STATES,
    .events = OUT_LEG_EVENTS,
};

const char *out_leg_state_name(unsigned state)
{
    return state < OUT_LEG_STATES ? state_names[state] : "?";
}
