/* Reliable provisionals of a call: passed on, acknowledged, given up (RFC 3262; docs/provisionals.md). */
#include "call-actor/call_act_bridge.h"
#include "call-actor/leg.h"
#include "call-actor/rel100.h"

/* --- what a callee says while it rings --- */

static void say_plainly(struct call *c, struct call_effects *fx, const struct call_step *st)
{
    char tag[OUT_LEG_TAG_SIZE];
    struct buf out;
    Store__ServerTxn *txn = leg_txn_pending(c);
    out_leg_tag(st->leg, st->in->msg->to_tag, tag);
    leg_begin_for(&out, txn, st->in->status, span_cstr(tag));
    leg_put_dialog(&out, c, c->row->a, txn->source);
    leg_send(c, fx, txn, &out, st->in->status, st->sdp);
}

/* The caller is told as he asked: what he has to acknowledge, the callee has acknowledged by him. */
static void pass_on(struct call *c, struct call_effects *fx, const struct call_step *st, uint32_t rseq, struct now now)
{
    bool reliably = rel100_must_say(c, rseq != 0, st->sdp.len > 0);
    Store__Early *e = NULL;
    if (reliably || rseq != 0)
        e = rel100_open(c, st->leg, st->in->msg, st->in->source);
    if (e != NULL && rseq != 0)
        e->rseq_in = rseq;
    if (e != NULL && c->row->delayed_offer && st->sdp.len > 0)
        e->offered = true;
    if (reliably && e != NULL) {
        (void)rel100_say(c, fx, e, st->in->status, st->sdp, rseq, now); /* there is room, or nobody minds */
        return;
    }
    if (e != NULL)
        rel100_prack(c, fx, e, rseq, SPAN(""), SPAN(""));
    if (c->row->rel100 != REL100_REQUIRED)
        say_plainly(c, fx, st);
}

/* To the caller each leg has a dialog of its own, as behind a forking proxy: what one says of its media does not
 * contradict another. */
void act_progress(void *obj, const void *arg, void *fx, struct now now)
{
    struct call *c = obj;
    const struct call_step *st = arg;
    st->leg->passed++;
    session_note_sdp(st->leg->dialog, st->sdp); /* its 2xx may have none any more */
    pass_on(c, fx, st, rel100_rseq(c, st->in->msg), now);
}

/* --- PRACK --- */

/* Only a callee who waits for his own PRACK can be told a session description in it. What a caller offers where
 * nobody does is refused; his PRACK counts all the same. */
void act_prack(void *obj, const void *arg, void *fx, struct now now)
{
    struct call *c = obj;
    const struct call_step *st = arg;
    Store__Early *e = st->side.early;
    Store__Provisional *p = rel100_match(e, c, st->in->msg);
    uint32_t callee_rseq = p->callee_rseq;
    bool passes = callee_rseq != 0 && st->sdp.len > 0;
    side_note_request(&st->side, st->in->msg, st->in->source);
    e->agreed = e->agreed || (callee_rseq != 0 && p->sdp.len > 0);
    if (passes) {
        leg_txn_keep_head(c, leg_txn_open(c, st->in), st->in);
        session_note_sdp(c->row->a, st->sdp);
    } else {
        leg_reply(c, fx, st->in, st->sdp.len > 0 ? 488 : 200, true);
    }
    if (callee_rseq != 0)
        rel100_prack(c, fx, e, callee_rseq, st->sdp, passes ? st->in->txn : SPAN(""));
    rel100_acked(c, fx, e, p, now);
}

void act_prack_last(void *obj, const void *arg, void *fx, struct now now)
{
    act_prack(obj, arg, fx, now);
    answer_held(obj, fx, now);
}

void act_prack_repeat(void *obj, const void *arg, void *fx, struct now now)
{
    (void)arg;
    rel100_repeat(obj, fx, now);
}

/* §3: 64*T1 without PRACK. */
void act_no_prack(void *obj, const void *arg, void *fx, struct now now)
{
    (void)arg;
    struct call_end why = {.reason = "failure",
                           .by = "timer",
                           .status = 504,
                           .q850 = Q850_TIMER,
                           .detail = SPAN("no PRACK for a reliable provisional")};
    end_setup(obj, fx, &why, now);
}

void act_update_early(void *obj, const void *arg, void *fx, struct now now)
{
    (void)now;
    rel100_update(obj, fx, arg);
}

void act_early_done(void *obj, const void *arg, void *fx, struct now now)
{
    (void)now;
    rel100_answered(obj, fx, arg);
}

/* --- an answer that waits for PRACK --- */

/* The one who was to be told has hung up already. */
void act_callee_bye_held(void *obj, const void *arg, void *fx, struct now now)
{
    const struct call_step *st = arg;
    struct out_leg_news news = {.in = NULL};
    struct call_end why = {.reason = "normal_clearing",
                           .by = "callee",
                           .status = 480,
                           .q850 = end_q850_of(st->in->msg),
                           .carried = sip_msg_value(st->in->msg, SIP_H_REASON)};
    leg_reply(obj, fx, st->in, 200, true);
    (void)out_leg_step(obj, st->side.leg, OUT_LEG_EV_BYE, &news, fx, now);
    end_setup(obj, fx, &why, now);
}
