/*
 * The four transactions of RFC 3261 §17 as tables, with RFC 6026. NEW is where each starts: the arrow into the figure's
 * first state. A server in NEW may also be given a reply: the edge was restarted and adopts the transaction from it.
 */
#include "sip-edge/txn_act.h"

#define NEVER FSM_NEVER
#define IGNORE FSM_IGNORE
#define TO FSM_TO

/* INVITE server: RFC 3261 §17.2.1 fig. 7, RFC 6026 §7.1 fig. 3. The ACK for a 2xx has a branch of its own and does not
 * come here, but for peers older than RFC 3261. */
static const struct fsm_cell ist[IST_STATES][IST_EVENTS] =
    {
        [IST_ST_NEW] =
            {
                [IST_EV_RX_INVITE] = TO(ist_act_ask, IST_ST_PROCEEDING),
                [IST_EV_RX_ACK] = NEVER,
                [IST_EV_TX_1XX] = TO(ist_act_progress, IST_ST_PROCEEDING),
                [IST_EV_TX_2XX] = TO(ist_act_accept, IST_ST_ACCEPTED),
                [IST_EV_TX_FINAL] = TO(ist_act_reject, IST_ST_COMPLETED),
                [IST_EV_TMR_G] = NEVER,
                [IST_EV_TMR_H] = NEVER,
                [IST_EV_TMR_I] = NEVER,
                [IST_EV_TMR_L] = NEVER,
                [IST_EV_TMR_T] = NEVER,
                [IST_EV_TMR_U] = NEVER,
                [IST_EV_SEND_FAILED] = NEVER,
            },
        [IST_ST_PROCEEDING] =
            {
                [IST_EV_RX_INVITE] = TO(txn_act_repeat_reply, IST_ST_PROCEEDING),
                [IST_EV_RX_ACK] = IGNORE, /* nothing to acknowledge yet */
                [IST_EV_TX_1XX] = TO(ist_act_progress, IST_ST_PROCEEDING),
                [IST_EV_TX_2XX] = TO(ist_act_accept, IST_ST_ACCEPTED),
                [IST_EV_TX_FINAL] = TO(ist_act_reject, IST_ST_COMPLETED),
                [IST_EV_TMR_G] = NEVER,
                [IST_EV_TMR_H] = NEVER,
                [IST_EV_TMR_I] = NEVER,
                [IST_EV_TMR_L] = NEVER,
                [IST_EV_TMR_T] = TO(ist_act_trying, IST_ST_PROCEEDING),
                [IST_EV_TMR_U] = TO(ist_act_overdue, IST_ST_PROCEEDING),
                [IST_EV_SEND_FAILED] = IGNORE, /* RFC 6026 §7.1: stays; the client repeats the INVITE */
            },
        [IST_ST_COMPLETED] =
            {
                [IST_EV_RX_INVITE] = TO(txn_act_repeat_reply, IST_ST_COMPLETED),
                [IST_EV_RX_ACK] = TO(ist_act_acked, IST_ST_CONFIRMED),
                [IST_EV_TX_1XX] = IGNORE, /* the transaction user was overtaken by its own final, or by ours */
                [IST_EV_TX_2XX] = IGNORE,
                [IST_EV_TX_FINAL] = IGNORE,
                [IST_EV_TMR_G] = TO(ist_act_repeat_g, IST_ST_COMPLETED),
                [IST_EV_TMR_H] = TO(NULL, IST_ST_TERMINATED),
                [IST_EV_TMR_I] = NEVER,
                [IST_EV_TMR_L] = NEVER,
                [IST_EV_TMR_T] = NEVER,
                [IST_EV_TMR_U] = NEVER,
                [IST_EV_SEND_FAILED] = IGNORE, /* RFC 6026 §7.1: or a repeat of the INVITE would pass for a new one */
            },
        [IST_ST_CONFIRMED] =
            {
                [IST_EV_RX_INVITE] = IGNORE,
                [IST_EV_RX_ACK] = IGNORE,
                [IST_EV_TX_1XX] = IGNORE,
                [IST_EV_TX_2XX] = IGNORE,
                [IST_EV_TX_FINAL] = IGNORE,
                [IST_EV_TMR_G] = NEVER,
                [IST_EV_TMR_H] = NEVER,
                [IST_EV_TMR_I] = TO(NULL, IST_ST_TERMINATED),
                [IST_EV_TMR_L] = NEVER,
                [IST_EV_TMR_T] = NEVER,
                [IST_EV_TMR_U] = NEVER,
                [IST_EV_SEND_FAILED] = IGNORE, /* told late of a repeat that the ACK has overtaken */
            },
        [IST_ST_ACCEPTED] =
            {
                [IST_EV_RX_INVITE] = IGNORE, /* absorbed: the transaction user repeats its 2xx */
                [IST_EV_RX_ACK] = TO(ist_act_pass_ack, IST_ST_ACCEPTED),
                [IST_EV_TX_1XX] = IGNORE,
                [IST_EV_TX_2XX] = TO(ist_act_pass_2xx, IST_ST_ACCEPTED),
                [IST_EV_TX_FINAL] = IGNORE,
                [IST_EV_TMR_G] = NEVER,
                [IST_EV_TMR_H] = NEVER,
                [IST_EV_TMR_I] = NEVER,
                [IST_EV_TMR_L] = TO(NULL, IST_ST_TERMINATED),
                [IST_EV_TMR_T] = NEVER,
                [IST_EV_TMR_U] = NEVER,
                [IST_EV_SEND_FAILED] = IGNORE,
            },
        [IST_ST_TERMINATED] =
            {
                [IST_EV_RX_INVITE] = NEVER,
                [IST_EV_RX_ACK] = NEVER,
                [IST_EV_TX_1XX] = NEVER,
                [IST_EV_TX_2XX] = NEVER,
                [IST_EV_TX_FINAL] = NEVER,
                [IST_EV_TMR_G] = NEVER,
                [IST_EV_TMR_H] = NEVER,
                [IST_EV_TMR_I] = NEVER,
                [IST_EV_TMR_L] = NEVER,
                [IST_EV_TMR_T] = NEVER,
                [IST_EV_TMR_U] = NEVER,
                [IST_EV_SEND_FAILED] = NEVER,
            },
};

/* Non-INVITE server: RFC 3261 §17.2.2 fig. 8. */
static const struct fsm_cell nist[NIST_STATES][NIST_EVENTS] = {
    [NIST_ST_NEW] =
        {
            [NIST_EV_RX_REQUEST] = TO(nist_act_ask, NIST_ST_TRYING),
            [NIST_EV_TX_1XX] = TO(nist_act_adopt_progress, NIST_ST_PROCEEDING),
            [NIST_EV_TX_FINAL] = TO(nist_act_finish, NIST_ST_COMPLETED),
            [NIST_EV_TMR_J] = NEVER,
            [NIST_EV_TMR_U] = NEVER,
            [NIST_EV_SEND_FAILED] = NEVER,
        },
    [NIST_ST_TRYING] =
        {
            [NIST_EV_RX_REQUEST] = IGNORE,
            [NIST_EV_TX_1XX] = TO(nist_act_progress, NIST_ST_PROCEEDING),
            [NIST_EV_TX_FINAL] = TO(nist_act_finish, NIST_ST_COMPLETED),
            [NIST_EV_TMR_J] = NEVER,
            [NIST_EV_TMR_U] = TO(NULL, NIST_ST_TERMINATED), /* RFC 4320 §4.2: silently */
            [NIST_EV_SEND_FAILED] = IGNORE,
        },
    [NIST_ST_PROCEEDING] =
        {
            [NIST_EV_RX_REQUEST] = TO(txn_act_repeat_reply, NIST_ST_PROCEEDING),
            [NIST_EV_TX_1XX] = TO(nist_act_progress, NIST_ST_PROCEEDING),
            [NIST_EV_TX_FINAL] = TO(nist_act_finish, NIST_ST_COMPLETED),
            [NIST_EV_TMR_J] = NEVER,
            [NIST_EV_TMR_U] = TO(NULL, NIST_ST_TERMINATED),
            [NIST_EV_SEND_FAILED] = TO(NULL, NIST_ST_TERMINATED),
        },
    [NIST_ST_COMPLETED] =
        {
            [NIST_EV_RX_REQUEST] = TO(txn_act_repeat_reply, NIST_ST_COMPLETED),
            [NIST_EV_TX_1XX] = IGNORE,
            [NIST_EV_TX_FINAL] = IGNORE, /* §17.2.2: discarded */
            [NIST_EV_TMR_J] = TO(NULL, NIST_ST_TERMINATED),
            [NIST_EV_TMR_U] = NEVER,
            [NIST_EV_SEND_FAILED] = TO(NULL, NIST_ST_TERMINATED),
        },
    [NIST_ST_TERMINATED] =
        {
            [NIST_EV_RX_REQUEST] = NEVER,
            [NIST_EV_TX_1XX] = NEVER,
            [NIST_EV_TX_FINAL] = NEVER,
            [NIST_EV_TMR_J] = NEVER,
            [NIST_EV_TMR_U] = NEVER,
            [NIST_EV_SEND_FAILED] = NEVER,
        },
};

/* INVITE client: RFC 3261 §17.1.1 fig. 5, RFC 6026 §7.2 fig. 2; CANCEL: §9.1. */
static const struct fsm_cell ict[ICT_STATES][ICT_EVENTS] =
    {
        [ICT_ST_NEW] =
            {
                [ICT_EV_TU_INVITE] = TO(ict_act_send, ICT_ST_CALLING),
                [ICT_EV_TU_CANCEL] = NEVER,
                [ICT_EV_RX_1XX] = NEVER,
                [ICT_EV_RX_2XX] = NEVER,
                [ICT_EV_RX_FINAL] = NEVER,
                [ICT_EV_TMR_A] = NEVER,
                [ICT_EV_TMR_B] = NEVER,
                [ICT_EV_TMR_C] = NEVER,
                [ICT_EV_TMR_D] = NEVER,
                [ICT_EV_TMR_M] = NEVER,
                [ICT_EV_SEND_FAILED] = NEVER,
            },
        [ICT_ST_CALLING] =
            {
                [ICT_EV_TU_INVITE] = IGNORE, /* known: it is on its way */
                [ICT_EV_TU_CANCEL] = TO(ict_act_want_cancel, ICT_ST_CALLING),
                [ICT_EV_RX_1XX] = TO(ict_act_progress, ICT_ST_PROCEEDING),
                [ICT_EV_RX_2XX] = TO(ict_act_answered, ICT_ST_ACCEPTED),
                [ICT_EV_RX_FINAL] = TO(ict_act_refused, ICT_ST_COMPLETED),
                [ICT_EV_TMR_A] = TO(ict_act_send_a, ICT_ST_CALLING),
                [ICT_EV_TMR_B] = TO(txn_act_fail_timeout, ICT_ST_TERMINATED),
                [ICT_EV_TMR_C] = NEVER,
                [ICT_EV_TMR_D] = NEVER,
                [ICT_EV_TMR_M] = NEVER,
                [ICT_EV_SEND_FAILED] = TO(txn_act_fail_transport, ICT_ST_TERMINATED),
            },
        [ICT_ST_PROCEEDING] =
            {
                [ICT_EV_TU_INVITE] = TO(txn_act_tell_again, ICT_ST_PROCEEDING),
                [ICT_EV_TU_CANCEL] = TO(ict_act_cancel, ICT_ST_PROCEEDING),
                [ICT_EV_RX_1XX] = TO(ict_act_tell, ICT_ST_PROCEEDING),
                [ICT_EV_RX_2XX] = TO(ict_act_answered, ICT_ST_ACCEPTED),
                [ICT_EV_RX_FINAL] = TO(ict_act_refused, ICT_ST_COMPLETED),
                [ICT_EV_TMR_A] = NEVER,
                [ICT_EV_TMR_B] = TO(txn_act_fail_timeout, ICT_ST_TERMINATED), /* §9.1: cancelled, and no final came */
                [ICT_EV_TMR_C] = TO(txn_act_fail_timeout, ICT_ST_TERMINATED),
                [ICT_EV_TMR_D] = NEVER,
                [ICT_EV_TMR_M] = NEVER,
                [ICT_EV_SEND_FAILED] = IGNORE, /* a repeat that the provisional has overtaken */
            },
        [ICT_ST_COMPLETED] =
            {
                [ICT_EV_TU_INVITE] = TO(txn_act_tell_again, ICT_ST_COMPLETED),
                [ICT_EV_TU_CANCEL] = IGNORE,
                [ICT_EV_RX_1XX] = IGNORE,
                [ICT_EV_RX_2XX] = IGNORE,
                [ICT_EV_RX_FINAL] = TO(ict_act_repeat_ack, ICT_ST_COMPLETED),
                [ICT_EV_TMR_A] = NEVER,
                [ICT_EV_TMR_B] = NEVER,
                [ICT_EV_TMR_C] = NEVER,
                [ICT_EV_TMR_D] = TO(NULL, ICT_ST_TERMINATED),
                [ICT_EV_TMR_M] = NEVER,
                [ICT_EV_SEND_FAILED] = IGNORE, /* the final was told; a repeated final gets its ACK again */
            },
        [ICT_ST_ACCEPTED] =
            {
                [ICT_EV_TU_INVITE] = TO(txn_act_tell_again, ICT_ST_ACCEPTED),
                [ICT_EV_TU_CANCEL] = IGNORE,
                [ICT_EV_RX_1XX] = IGNORE,
                [ICT_EV_RX_2XX] = TO(ict_act_tell, ICT_ST_ACCEPTED),
                [ICT_EV_RX_FINAL] = IGNORE,
                [ICT_EV_TMR_A] = NEVER,
                [ICT_EV_TMR_B] = NEVER,
                [ICT_EV_TMR_C] = NEVER,
                [ICT_EV_TMR_D] = NEVER,
                [ICT_EV_TMR_M] = TO(NULL, ICT_ST_TERMINATED),
                [ICT_EV_SEND_FAILED] = IGNORE,
            },
        [ICT_ST_TERMINATED] =
            {
                [ICT_EV_TU_INVITE] =
                    TO(txn_act_tell_again, ICT_ST_TERMINATED), /* over, but its last word was not heard */
                [ICT_EV_TU_CANCEL] = IGNORE,
                [ICT_EV_RX_1XX] = IGNORE,
                [ICT_EV_RX_2XX] = IGNORE,
                [ICT_EV_RX_FINAL] = IGNORE,
                [ICT_EV_TMR_A] = NEVER,
                [ICT_EV_TMR_B] = NEVER,
                [ICT_EV_TMR_C] = NEVER,
                [ICT_EV_TMR_D] = NEVER,
                [ICT_EV_TMR_M] = NEVER,
                [ICT_EV_SEND_FAILED] = IGNORE,
            },
};

/* Non-INVITE client: RFC 3261 §17.1.2 fig. 6. */
static const struct fsm_cell nict[NICT_STATES][NICT_EVENTS] = {
    [NICT_ST_NEW] =
        {
            [NICT_EV_TU_REQUEST] = TO(nict_act_send, NICT_ST_TRYING),
            [NICT_EV_RX_1XX] = NEVER,
            [NICT_EV_RX_FINAL] = NEVER,
            [NICT_EV_TMR_E] = NEVER,
            [NICT_EV_TMR_F] = NEVER,
            [NICT_EV_TMR_K] = NEVER,
            [NICT_EV_SEND_FAILED] = NEVER,
        },
    [NICT_ST_TRYING] =
        {
            [NICT_EV_TU_REQUEST] = IGNORE,
            [NICT_EV_RX_1XX] = TO(nict_act_progress, NICT_ST_PROCEEDING),
            [NICT_EV_RX_FINAL] = TO(nict_act_finish, NICT_ST_COMPLETED),
            [NICT_EV_TMR_E] = TO(nict_act_send_e, NICT_ST_TRYING),
            [NICT_EV_TMR_F] = TO(txn_act_fail_timeout, NICT_ST_TERMINATED),
            [NICT_EV_TMR_K] = NEVER,
            [NICT_EV_SEND_FAILED] = TO(txn_act_fail_transport, NICT_ST_TERMINATED),
        },
    [NICT_ST_PROCEEDING] =
        {
            [NICT_EV_TU_REQUEST] = TO(txn_act_tell_again, NICT_ST_PROCEEDING),
            [NICT_EV_RX_1XX] = TO(nict_act_progress, NICT_ST_PROCEEDING),
            [NICT_EV_RX_FINAL] = TO(nict_act_finish, NICT_ST_COMPLETED),
            [NICT_EV_TMR_E] = TO(nict_act_send_e_slowly, NICT_ST_PROCEEDING),
            [NICT_EV_TMR_F] = TO(txn_act_fail_timeout, NICT_ST_TERMINATED),
            [NICT_EV_TMR_K] = NEVER,
            [NICT_EV_SEND_FAILED] = TO(txn_act_fail_transport, NICT_ST_TERMINATED),
        },
    [NICT_ST_COMPLETED] =
        {
            [NICT_EV_TU_REQUEST] = TO(txn_act_tell_again, NICT_ST_COMPLETED),
            [NICT_EV_RX_1XX] = IGNORE,
            [NICT_EV_RX_FINAL] = IGNORE,
            [NICT_EV_TMR_E] = NEVER,
            [NICT_EV_TMR_F] = NEVER,
            [NICT_EV_TMR_K] = TO(NULL, NICT_ST_TERMINATED),
            [NICT_EV_SEND_FAILED] = IGNORE,
        },
    [NICT_ST_TERMINATED] =
        {
            [NICT_EV_TU_REQUEST] = TO(txn_act_tell_again, NICT_ST_TERMINATED),
            [NICT_EV_RX_1XX] = IGNORE,
            [NICT_EV_RX_FINAL] = IGNORE,
            [NICT_EV_TMR_E] = NEVER,
            [NICT_EV_TMR_F] = NEVER,
            [NICT_EV_TMR_K] = NEVER,
            [NICT_EV_SEND_FAILED] = IGNORE,
        },
};

static const char *const ist_states[IST_STATES] = {"new", "proceeding", "completed", "confirmed", "accepted", "over"};
static const char *const nist_states[NIST_STATES] = {"new", "trying", "proceeding", "completed", "over"};
static const char *const ict_states[ICT_STATES] = {"new", "calling", "proceeding", "completed", "accepted", "over"};
static const char *const nict_states[NICT_STATES] = {"new", "trying", "proceeding", "completed", "over"};

static const char *const ist_events[IST_EVENTS] = {
    "INVITE", "ACK", "reply 1xx", "reply 2xx", "reply 3-6xx", "G", "H", "I", "L", "T", "U", "send failed",
};
static const char *const nist_events[NIST_EVENTS] = {"request", "reply 1xx", "reply final", "J", "U", "send failed"};
static const char *const ict_events[ICT_EVENTS] = {
    "asked to send", "asked to cancel", "1xx", "2xx", "3-6xx", "A", "B", "C", "D", "M", "send failed",
};
static const char *const nict_events[NICT_EVENTS] = {"asked to send", "1xx", "final", "E", "F", "K", "send failed"};

static const struct fsm machines[TXN_KINDS] = {
    [TXN_IST] = {"IST", ist_states, ist_events, &ist[0][0], IST_STATES, IST_EVENTS},
    [TXN_NIST] = {"NIST", nist_states, nist_events, &nist[0][0], NIST_STATES, NIST_EVENTS},
    [TXN_ICT] = {"ICT", ict_states, ict_events, &ict[0][0], ICT_STATES, ICT_EVENTS},
    [TXN_NICT] = {"NICT", nict_states, nict_events, &nict[0][0], NICT_STATES, NICT_EVENTS},
};

const struct fsm *txn_machine(enum txn_kind kind)
{
    return &machines[kind];
}
