/*
 * The 2xx to an INVITE is the transaction user's to repeat, over any transport, until its ACK (RFC 3261 §13.3.1.4):
 * after T1, then doubling up to T2; after 64*T1 the caller is given up.
 */
#include "call-actor/leg.h"

#define T2_FACTOR 8u /* T2 is 8*T1 by default (4 s and 500 ms), and stays so */
#define ACK_FACTOR 64u

static uint64_t gap_ms(const struct call *c)
{
    uint64_t gap = c->conf->t1_ms;
    for (unsigned i = 0; i < c->row->resends && gap < (uint64_t)T2_FACTOR * c->conf->t1_ms; i++)
        gap *= 2;
    return gap;
}

void leg_2xx_sent(struct call *c, struct call_effects *fx, struct now now)
{
    c->row->resends = 0;
    fx_arm(c, fx, CALL_TMR_2XX, (uint64_t)now.wall_ms + gap_ms(c));
    fx_arm(c, fx, CALL_TMR_NO_ACK, (uint64_t)now.wall_ms + (uint64_t)ACK_FACTOR * c->conf->t1_ms);
}

void leg_2xx_repeat(struct call *c, struct call_effects *fx, struct now now)
{
    const Store__ServerTxn *txn = leg_txn_unacked(c);
    if (txn != NULL)
        leg_repeat(fx, txn);
    c->row->resends++;
    fx_arm(c, fx, CALL_TMR_2XX, (uint64_t)now.wall_ms + gap_ms(c));
}

/* Of a re-INVITE the key is kept: row->invite_key tells repeats of the first INVITE only. */
void leg_2xx_done(struct call *c, struct call_effects *fx)
{
    Store__ServerTxn *txn = leg_txn_unacked(c);
    fx_disarm(c, fx, CALL_TMR_2XX);
    fx_disarm(c, fx, CALL_TMR_NO_ACK);
    if (txn == NULL)
        return;
    if (span_eq(row_span(txn->key), row_span(c->row->invite_key)))
        leg_txn_drop(c, txn);
    else
        row_bytes(&txn->reply, span_of(NULL, 0));
}
