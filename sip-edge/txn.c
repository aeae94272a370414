/* From what happened to the event of the kind's table. */
#include "sip-edge/txn.h"
#include "common/base/err.h"

#define NONE 0xff
#define IS(event) ((uint8_t)((event) + 1)) /* so that 0 says: the kind has no such timer */

/* Which event of its table each timer is. */
static const uint8_t timer_event[TXN_KINDS][TXN_TMRS] = {
    [TXN_IST] =
        {
            [TXN_TMR_G] = IS(IST_EV_TMR_G),
            [TXN_TMR_H] = IS(IST_EV_TMR_H),
            [TXN_TMR_I] = IS(IST_EV_TMR_I),
            [TXN_TMR_L] = IS(IST_EV_TMR_L),
            [TXN_TMR_T] = IS(IST_EV_TMR_T),
            [TXN_TMR_U] = IS(IST_EV_TMR_U),
        },
    [TXN_NIST] =
        {
            [TXN_TMR_J] = IS(NIST_EV_TMR_J),
            [TXN_TMR_U] = IS(NIST_EV_TMR_U),
        },
    [TXN_ICT] =
        {
            [TXN_TMR_A] = IS(ICT_EV_TMR_A),
            [TXN_TMR_B] = IS(ICT_EV_TMR_B),
            [TXN_TMR_C] = IS(ICT_EV_TMR_C),
            [TXN_TMR_D] = IS(ICT_EV_TMR_D),
            [TXN_TMR_M] = IS(ICT_EV_TMR_M),
        },
    [TXN_NICT] =
        {
            [TXN_TMR_E] = IS(NICT_EV_TMR_E),
            [TXN_TMR_F] = IS(NICT_EV_TMR_F),
            [TXN_TMR_K] = IS(NICT_EV_TMR_K),
        },
};

static uint8_t event_of_timer(const struct txn *t, enum txn_tmr tmr)
{
    return timer_event[t->kind][tmr] == 0 ? NONE : (uint8_t)(timer_event[t->kind][tmr] - 1);
}

static const uint8_t last_state[TXN_KINDS] = {
    [TXN_IST] = IST_ST_TERMINATED,
    [TXN_NIST] = NIST_ST_TERMINATED,
    [TXN_ICT] = ICT_ST_TERMINATED,
    [TXN_NICT] = NICT_ST_TERMINATED,
};

void txn_init(struct txn *t, enum txn_kind kind, bool reliable)
{
    *t = (struct txn){.kind = (uint8_t)kind, .reliable = reliable};
}

static uint8_t ist_event(const struct txn_in *in)
{
    switch (in->what) {
    case TXN_RX_REQUEST:
        return IST_EV_RX_INVITE;
    case TXN_RX_ACK:
        return IST_EV_RX_ACK;
    case TXN_TX_REPLY:
        return in->status < 200 ? IST_EV_TX_1XX : in->status < 300 ? IST_EV_TX_2XX : IST_EV_TX_FINAL;
    case TXN_SEND_FAILED:
        return IST_EV_SEND_FAILED;
    default:
        return NONE;
    }
}

static uint8_t nist_event(const struct txn_in *in)
{
    switch (in->what) {
    case TXN_RX_REQUEST:
        return NIST_EV_RX_REQUEST;
    case TXN_TX_REPLY:
        return in->status < 200 ? NIST_EV_TX_1XX : NIST_EV_TX_FINAL;
    case TXN_SEND_FAILED:
        return NIST_EV_SEND_FAILED;
    default:
        return NONE;
    }
}

static uint8_t ict_event(const struct txn_in *in)
{
    switch (in->what) {
    case TXN_TU_REQUEST:
        return ICT_EV_TU_INVITE;
    case TXN_TU_CANCEL:
        return ICT_EV_TU_CANCEL;
    case TXN_RX_RESPONSE:
        return in->status < 200 ? ICT_EV_RX_1XX : in->status < 300 ? ICT_EV_RX_2XX : ICT_EV_RX_FINAL;
    case TXN_SEND_FAILED:
        return ICT_EV_SEND_FAILED;
    default:
        return NONE;
    }
}

static uint8_t nict_event(const struct txn_in *in)
{
    switch (in->what) {
    case TXN_TU_REQUEST:
        return NICT_EV_TU_REQUEST;
    case TXN_RX_RESPONSE:
        return in->status < 200 ? NICT_EV_RX_1XX : NICT_EV_RX_FINAL;
    case TXN_SEND_FAILED:
        return NICT_EV_SEND_FAILED;
    default:
        return NONE;
    }
}

static uint8_t event_of(const struct txn *t, const struct txn_in *in)
{
    static uint8_t (*const by_kind[TXN_KINDS])(const struct txn_in *) = {ist_event, nist_event, ict_event, nict_event};
    return in->what == TXN_TIMER ? event_of_timer(t, in->tmr) : by_kind[t->kind](in);
}

struct fsm_step txn_step(struct txn *t, const struct txn_in *in, struct txn_fx *fx, struct now now)
{
    uint8_t event = event_of(t, in);
    BUG_ON(event == NONE);
    fx->cnt = 0;
    return fsm_step(txn_machine((enum txn_kind)t->kind), &t->state, event, t, in, fx, now);
}

bool txn_is_over(const struct txn *t)
{
    return t->state == last_state[t->kind];
}

bool txn_is_answered(const struct txn *t)
{
    switch ((enum txn_kind)t->kind) {
    case TXN_IST:
        return t->state > IST_ST_PROCEEDING;
    case TXN_NIST:
        return t->state > NIST_ST_PROCEEDING;
    case TXN_ICT:
        return t->state > ICT_ST_PROCEEDING;
    case TXN_NICT:
        return t->state > NICT_ST_PROCEEDING;
    }
    BUG_ON(true);
}

const char *txn_state_name(const struct txn *t)
{
    return txn_machine((enum txn_kind)t->kind)->state_names[t->state];
}
