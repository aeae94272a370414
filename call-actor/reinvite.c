#include "call-actor/reinvite.h"

#include "call-actor/refresh.h"
#include "call-actor/relay.h"

static Store__ClientTxn *find(const struct call *c, uint32_t *to)
{
    Store__ClientTxn *passed = relay_invite_out(c, to);
    return passed != NULL ? passed : refresh_invite_out(c, to);
}

static uint64_t deadline(const struct call *c, struct now now)
{
    uint32_t to;
    Store__ClientTxn *txn = call_state(c) == CALL_ST_ESTABLISHED ? find(c, &to) : NULL;
    if (txn == NULL || txn->overdue)
        return 0;
    if (txn->until_wall_ms == 0)
        txn->until_wall_ms = (uint64_t)now.wall_ms + c->conf->no_answer_ms;
    return txn->until_wall_ms;
}

void reinvite_arm(struct call *c, struct call_effects *fx, struct now now)
{
    uint64_t at = deadline(c, now);
    if (at != c->row->timers[CALL_TMR_REINVITE])
        fx_arm(c, fx, CALL_TMR_REINVITE, at);
}

void reinvite_give_up(struct call *c, struct call_effects *fx)
{
    uint32_t to;
    Store__ClientTxn *txn = find(c, &to);
    if (txn == NULL)
        return;
    txn->overdue = true;
    fx_cancel(fx, row_span(txn->branch), SPAN(""), to);
}
