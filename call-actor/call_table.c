/*
 * The call as a table. docs/calls.md has the figure and says the same in words. RFC 3261 §13.3 (UAS), §14.2
 * (re-INVITE), §15 (BYE), §9.2 (CANCEL).
 *
 * NEVER stands where the event cannot be raised: nothing but the INVITE comes to a NEW call, and a timer that is not
 * armed does not fire (call_handle drops one that was disarmed in the same turn). Every state that is left disarms its
 * timers.
 */
#include "call-actor/call_step.h"

static const char *const state_names[CALL_STATES] = {
    [CALL_ST_NEW] = "new",
    [CALL_ST_SETUP] = "setup",
    [CALL_ST_ANSWERED] = "answered",
    [CALL_ST_CLOSING] = "closing",
    [CALL_ST_ESTABLISHED] = "established",
    [CALL_ST_ENDING] = "ending",
    [CALL_ST_ENDED] = "ended",
    [CALL_ST_RINGING] = "ringing",
};

static const char *const event_names[CALL_EVENTS] = {
#define CALL_EVENT_NAME(name, text) [CALL_EV_##name] = (text),
    CALL_EVENT_LIST(CALL_EVENT_NAME)
#undef CALL_EVENT_NAME
};

/* Ports come back, late or twice, in any state. */
#define PORTS_IN(state)                                                                                                \
    [CALL_EV_RELEASED] = FSM_TO(act_released, state), [CALL_EV_RELEASE_LATER] = FSM_TO(act_release_later, state),      \
    [CALL_EV_EXTRA_PORT] = FSM_TO(act_extra_port, state), [CALL_EV_TMR_RELEASE] = FSM_TO(act_release_again, state)

/* Set-up is over; an answer of it can only bring a port that nobody needs. */
#define LATE_SETUP_IN(state)                                                                                           \
    [CALL_EV_STEP] = FSM_IGNORE, [CALL_EV_SETUP_OK] = FSM_TO(act_setup_late, state),                                   \
    [CALL_EV_SETUP_UNFIT] = FSM_TO(act_setup_late, state), [CALL_EV_SETUP_FAILED] = FSM_TO(act_setup_late, state)

/* clang-format off */
static const struct fsm_cell cells[CALL_STATES][CALL_EVENTS] = {
    [CALL_ST_NEW] = {
        [CALL_EV_INVITE]        = FSM_TO(act_accept, CALL_ST_SETUP),
        [CALL_EV_INVITE_BAD]    = FSM_TO(act_turn_away, CALL_ST_ENDED),
        [CALL_EV_REINVITE]      = FSM_NEVER,
        [CALL_EV_ACK]           = FSM_NEVER,
        [CALL_EV_ACK_UNFIT]     = FSM_NEVER,
        [CALL_EV_BYE]           = FSM_NEVER,
        [CALL_EV_CANCEL]        = FSM_NEVER,
        [CALL_EV_OPTIONS]       = FSM_NEVER,
        [CALL_EV_REFUSED]       = FSM_NEVER,
        [CALL_EV_STEP]          = FSM_NEVER,
        [CALL_EV_SETUP_OK]      = FSM_NEVER,
        [CALL_EV_SETUP_UNFIT]   = FSM_NEVER,
        [CALL_EV_SETUP_FAILED]  = FSM_NEVER,
        [CALL_EV_RELEASED]      = FSM_NEVER,
        [CALL_EV_RELEASE_LATER] = FSM_NEVER,
        [CALL_EV_EXTRA_PORT]    = FSM_NEVER,
        [CALL_EV_BYE_DONE]      = FSM_NEVER,
        [CALL_EV_TERMINATE]     = FSM_NEVER,
        [CALL_EV_TMR_SETUP]     = FSM_NEVER,
        [CALL_EV_TMR_2XX]       = FSM_NEVER,
        [CALL_EV_TMR_NO_ACK]    = FSM_NEVER,
        [CALL_EV_TMR_LINGER]    = FSM_NEVER,
        [CALL_EV_TMR_RELEASE]   = FSM_NEVER,
    },
    [CALL_ST_SETUP] = { /* there is no dialog yet: our tag has not left the house */
        [CALL_EV_INVITE]        = FSM_NEVER,
        [CALL_EV_INVITE_BAD]    = FSM_NEVER,
        [CALL_EV_REINVITE]      = FSM_TO(act_no_dialog, CALL_ST_SETUP),
        [CALL_EV_ACK]           = FSM_IGNORE,
        [CALL_EV_ACK_UNFIT]     = FSM_IGNORE,
        [CALL_EV_BYE]           = FSM_TO(act_no_dialog, CALL_ST_SETUP),
        [CALL_EV_CANCEL]        = FSM_TO(act_cancelled, CALL_ST_ENDED),
        [CALL_EV_OPTIONS]       = FSM_TO(act_no_dialog, CALL_ST_SETUP),
        [CALL_EV_REFUSED]       = FSM_TO(act_refuse, CALL_ST_SETUP),
        [CALL_EV_STEP]          = FSM_TO(act_step, CALL_ST_SETUP),
        [CALL_EV_SETUP_OK]      = FSM_TO(act_answer, CALL_ST_ANSWERED),
        [CALL_EV_SETUP_UNFIT]   = FSM_TO(act_setup_failed, CALL_ST_ENDED),
        [CALL_EV_SETUP_FAILED]  = FSM_TO(act_setup_failed, CALL_ST_ENDED),
        [CALL_EV_BRIDGE]        = FSM_TO(act_locate, CALL_ST_SETUP),
        [CALL_EV_NOBODY]        = FSM_TO(act_nobody, CALL_ST_ENDED),
        PORTS_IN(CALL_ST_SETUP),
        [CALL_EV_BYE_DONE]      = FSM_IGNORE,
        [CALL_EV_TERMINATE]     = FSM_TO(act_setup_ended, CALL_ST_ENDED),
        [CALL_EV_TMR_SETUP]     = FSM_TO(act_setup_overdue, CALL_ST_ENDED),
        [CALL_EV_TMR_2XX]       = FSM_NEVER,
        [CALL_EV_TMR_NO_ACK]    = FSM_NEVER,
        [CALL_EV_TMR_LINGER]    = FSM_NEVER,
    },
    [CALL_ST_ANSWERED] = { /* §13.3.1.4 */
        [CALL_EV_INVITE]        = FSM_NEVER,
        [CALL_EV_INVITE_BAD]    = FSM_NEVER,
        [CALL_EV_REINVITE]      = FSM_TO(act_too_soon, CALL_ST_ANSWERED),
        [CALL_EV_ACK]           = FSM_TO(act_ack, CALL_ST_ESTABLISHED),
        [CALL_EV_ACK_UNFIT]     = FSM_TO(act_ack_unfit, CALL_ST_ENDING),
        [CALL_EV_BYE]           = FSM_TO(act_bye_in, CALL_ST_ENDED),
        [CALL_EV_CANCEL]        = FSM_TO(act_cancel_late, CALL_ST_ANSWERED),
        [CALL_EV_OPTIONS]       = FSM_TO(act_options, CALL_ST_ANSWERED),
        [CALL_EV_REFUSED]       = FSM_TO(act_refuse, CALL_ST_ANSWERED),
        LATE_SETUP_IN(CALL_ST_ANSWERED),
        PORTS_IN(CALL_ST_ANSWERED),
        [CALL_EV_BYE_DONE]      = FSM_IGNORE,
        [CALL_EV_TERMINATE]     = FSM_TO(act_close, CALL_ST_CLOSING), /* §15: no BYE before the ACK */
        [CALL_EV_TMR_SETUP]     = FSM_NEVER,
        [CALL_EV_TMR_2XX]       = FSM_TO(act_repeat_2xx, CALL_ST_ANSWERED),
        [CALL_EV_TMR_NO_ACK]    = FSM_TO(act_no_ack, CALL_ST_ENDING),
        [CALL_EV_TMR_LINGER]    = FSM_NEVER,
    },
    [CALL_ST_CLOSING] = {
        [CALL_EV_INVITE]        = FSM_NEVER,
        [CALL_EV_INVITE_BAD]    = FSM_NEVER,
        [CALL_EV_REINVITE]      = FSM_TO(act_too_soon, CALL_ST_CLOSING),
        [CALL_EV_ACK]           = FSM_TO(act_ack_closing, CALL_ST_ENDING),
        [CALL_EV_ACK_UNFIT]     = FSM_TO(act_ack_unfit, CALL_ST_ENDING),
        [CALL_EV_BYE]           = FSM_TO(act_bye_in, CALL_ST_ENDED),
        [CALL_EV_CANCEL]        = FSM_TO(act_cancel_late, CALL_ST_CLOSING),
        [CALL_EV_OPTIONS]       = FSM_TO(act_options, CALL_ST_CLOSING),
        [CALL_EV_REFUSED]       = FSM_TO(act_refuse, CALL_ST_CLOSING),
        LATE_SETUP_IN(CALL_ST_CLOSING),
        PORTS_IN(CALL_ST_CLOSING),
        [CALL_EV_BYE_DONE]      = FSM_IGNORE,
        [CALL_EV_TERMINATE]     = FSM_IGNORE,
        [CALL_EV_TMR_SETUP]     = FSM_NEVER,
        [CALL_EV_TMR_2XX]       = FSM_TO(act_repeat_2xx, CALL_ST_CLOSING),
        [CALL_EV_TMR_NO_ACK]    = FSM_TO(act_no_ack, CALL_ST_ENDING),
        [CALL_EV_TMR_LINGER]    = FSM_NEVER,
    },
    [CALL_ST_ESTABLISHED] = { /* ACK and its timers: of a re-INVITE */
        [CALL_EV_INVITE]        = FSM_NEVER,
        [CALL_EV_INVITE_BAD]    = FSM_NEVER,
        [CALL_EV_REINVITE]      = FSM_TO(act_reinvite, CALL_ST_ESTABLISHED),
        [CALL_EV_ACK]           = FSM_TO(act_ack, CALL_ST_ESTABLISHED),
        [CALL_EV_ACK_UNFIT]     = FSM_TO(act_ack_unfit, CALL_ST_ENDING),
        [CALL_EV_BYE]           = FSM_TO(act_bye_in, CALL_ST_ENDED),
        [CALL_EV_CANCEL]        = FSM_TO(act_cancel_late, CALL_ST_ESTABLISHED),
        [CALL_EV_OPTIONS]       = FSM_TO(act_options, CALL_ST_ESTABLISHED),
        [CALL_EV_REFUSED]       = FSM_TO(act_refuse, CALL_ST_ESTABLISHED),
        LATE_SETUP_IN(CALL_ST_ESTABLISHED),
        PORTS_IN(CALL_ST_ESTABLISHED),
        [CALL_EV_BYE_DONE]      = FSM_IGNORE,
        [CALL_EV_TERMINATE]     = FSM_TO(act_bye_out, CALL_ST_ENDING),
        [CALL_EV_TMR_SETUP]     = FSM_NEVER,
        [CALL_EV_TMR_2XX]       = FSM_TO(act_repeat_2xx, CALL_ST_ESTABLISHED),
        [CALL_EV_TMR_NO_ACK]    = FSM_TO(act_no_ack, CALL_ST_ENDING),
        [CALL_EV_TMR_LINGER]    = FSM_NEVER,
    },
    [CALL_ST_ENDING] = { /* the session ended when our BYE left (§15.1.1) */
        [CALL_EV_INVITE]        = FSM_NEVER,
        [CALL_EV_INVITE_BAD]    = FSM_NEVER,
        [CALL_EV_REINVITE]      = FSM_TO(act_no_dialog, CALL_ST_ENDING),
        [CALL_EV_ACK]           = FSM_IGNORE,
        [CALL_EV_ACK_UNFIT]     = FSM_IGNORE,
        [CALL_EV_BYE]           = FSM_TO(act_bye_glare, CALL_ST_ENDING),
        [CALL_EV_CANCEL]        = FSM_TO(act_cancel_late, CALL_ST_ENDING),
        [CALL_EV_OPTIONS]       = FSM_TO(act_no_dialog, CALL_ST_ENDING),
        [CALL_EV_REFUSED]       = FSM_TO(act_no_dialog, CALL_ST_ENDING),
        LATE_SETUP_IN(CALL_ST_ENDING),
        PORTS_IN(CALL_ST_ENDING),
        [CALL_EV_BYE_DONE]      = FSM_TO(act_over, CALL_ST_ENDED),
        [CALL_EV_TERMINATE]     = FSM_IGNORE,
        [CALL_EV_TMR_SETUP]     = FSM_NEVER,
        [CALL_EV_TMR_2XX]       = FSM_NEVER,
        [CALL_EV_TMR_NO_ACK]    = FSM_NEVER,
        [CALL_EV_TMR_LINGER]    = FSM_NEVER,
    },
    [CALL_ST_ENDED] = { /* left by being forgotten: call_handle, when nothing holds it any more */
        [CALL_EV_INVITE]        = FSM_NEVER,
        [CALL_EV_INVITE_BAD]    = FSM_NEVER,
        [CALL_EV_REINVITE]      = FSM_TO(act_no_dialog, CALL_ST_ENDED),
        [CALL_EV_ACK]           = FSM_IGNORE,
        [CALL_EV_ACK_UNFIT]     = FSM_IGNORE,
        [CALL_EV_BYE]           = FSM_TO(act_no_dialog, CALL_ST_ENDED),
        [CALL_EV_CANCEL]        = FSM_TO(act_cancel_late, CALL_ST_ENDED),
        [CALL_EV_OPTIONS]       = FSM_TO(act_no_dialog, CALL_ST_ENDED),
        [CALL_EV_REFUSED]       = FSM_TO(act_no_dialog, CALL_ST_ENDED),
        LATE_SETUP_IN(CALL_ST_ENDED),
        PORTS_IN(CALL_ST_ENDED),
        [CALL_EV_BYE_DONE]      = FSM_IGNORE,
        [CALL_EV_TERMINATE]     = FSM_IGNORE,
        [CALL_EV_TMR_SETUP]     = FSM_NEVER,
        [CALL_EV_TMR_2XX]       = FSM_NEVER,
        [CALL_EV_TMR_NO_ACK]    = FSM_NEVER,
        [CALL_EV_TMR_LINGER]    = FSM_TO(NULL, CALL_ST_ENDED),
    },
};
/* clang-format on */

const struct fsm call_machine = {
    .name = "call",
    .state_names = state_names,
    .event_names = event_names,
    .cells = &cells[0][0],
    .states = CALL_STATES,
    .events = CALL_EVENTS,
};
