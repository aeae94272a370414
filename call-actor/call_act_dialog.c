/* Inside the dialog: ACK, re-INVITE, OPTIONS, and what is refused (RFC 3261 §12.2.2, §13.3.1.4, §14.2). */
#include "call-actor/call_act_bridge.h"
#include "call-actor/call_events.h"
#include "call-actor/call_job.h"
#include "call-actor/dialog.h"
#include "call-actor/leg.h"
#include "call-actor/relay.h"
#include "common/sip/sip_caps.h"

void call_note_rtp(struct call *c, struct call_effects *fx, const struct call_step *st)
{
    if (!side_is_bridged(c))
        session_note_sdp(c->row->a, st->sdp); /* what he may be joined to somebody with */
    if (st->sdp.len == 0 || side_is_bridged(c) || strcmp(st->rtp, c->row->caller_rtp) == 0)
        return;
    row_text(&c->row->caller_rtp, span_cstr(st->rtp));
    job_punch(c, fx);
}

/* The callee's offer came in our 2xx: he gets the answer. */
static void pass_ack(struct call *c, struct call_effects *fx, const struct call_step *st, struct now now)
{
    struct out_leg_news news = {.sdp = st->sdp};
    struct side callee = side_of(c, c->row->winner);
    if (callee.leg != NULL && callee.leg->state == OUT_LEG_ACKING)
        (void)out_leg_step(c, callee.leg, OUT_LEG_EV_ACK, &news, fx, now);
    relay_ack(c, fx, st->sdp);
    if (side_is_bridged(c))
        session_note_sdp(st->side.d, st->sdp);
}

void act_ack(void *obj, const void *arg, void *fx, struct now now)
{
    struct call *c = obj;
    const struct call_step *st = arg;
    if (c->row->acked_wall_ms == 0)
        c->row->acked_wall_ms = (uint64_t)now.wall_ms;
    call_note_rtp(c, fx, st); /* only an answer to an offer of ours was read */
    leg_2xx_done(c, fx);
    pass_ack(c, fx, st, now);
    events_answered(c, fx, now);
}

/* §12.2.2: a request that refreshes the target. */
static void note_refresh(const struct call_step *st)
{
    side_note_request(&st->side, st->in->msg, st->in->source);
    dialog_note_target(st->side.d, st->in->msg);
}

static void note_answer(struct call *c, const struct call_step *st)
{
    row_bytes(&c->row->answer, buf_span(&st->answer));
    c->row->sdp_version = st->answer_version;
    c->row->delayed_offer = st->sdp.len == 0;
}

void act_reinvite(void *obj, const void *arg, void *fx, struct now now)
{
    struct call *c = obj;
    const struct call_step *st = arg;
    struct buf out;
    note_refresh(st);
    note_answer(c, st);
    Store__ServerTxn *txn = leg_txn_open(c, st->in);
    leg_begin_kept(&out, txn, 200);
    leg_put_dialog(&out, c, c->row->a, txn->source);
    leg_send(c, fx, txn, &out, 200, row_span(c->row->answer));
    leg_2xx_sent(c, fx, now);
    call_note_rtp(c, fx, st);
}

/* RFC 3311 §5.2: as a re-INVITE, but its answer is final at once. */
void act_update(void *obj, const void *arg, void *fx, struct now now)
{
    (void)now;
    struct call *c = obj;
    const struct call_step *st = arg;
    struct buf out;
    note_refresh(st);
    if (st->sdp.len > 0)
        note_answer(c, st);
    Store__ServerTxn *txn = leg_txn_open(c, st->in);
    leg_begin(&out, c, st->in, 200);
    leg_put_dialog(&out, c, st->side.d, st->in->source);
    leg_send(c, fx, txn, &out, 200, st->sdp.len > 0 ? row_span(c->row->answer) : SPAN(""));
    call_note_rtp(c, fx, st);
}

/* RFC 5407 §3.1.5: the ACK of the first INVITE is still on its way. */
void act_too_soon(void *obj, const void *arg, void *fx, struct now now)
{
    (void)now;
    const struct call_step *st = arg;
    leg_reply(obj, fx, st->in, 491, true);
}

/* §14.2: before the first INVITE has its final response a second one of the caller is out of turn; the callee's, whose
 * dialog is confirmed, is too soon. */
void act_reinvite_early(void *obj, const void *arg, void *fx, struct now now)
{
    (void)now;
    const struct call_step *st = arg;
    leg_reply(obj, fx, st->in, st->side.leg != NULL ? 491 : 500, true);
}

void act_repeat_2xx(void *obj, const void *arg, void *fx, struct now now)
{
    (void)arg;
    leg_2xx_repeat(obj, fx, now);
}

void act_options(void *obj, const void *arg, void *fx, struct now now)
{
    (void)now;
    struct call *c = obj;
    const struct call_step *st = arg;
    struct buf out;
    side_note_request(&st->side, st->in->msg, st->in->source);
    leg_begin(&out, c, st->in, 200);
    leg_put_contact(&out, c, st->side.d, st->in->source);
    sip_caps_write(&out, leg_allow(c)); /* §11.2 */
    leg_send_once(c, fx, st->in, &out, 200);
}

/* RFC 6086 §4.2.2; what it says is the platform's. */
void act_info(void *obj, const void *arg, void *fx, struct now now)
{
    struct call *c = obj;
    const struct call_step *st = arg;
    bool key = st->dtmf.key != '\0';
    bool told = key && events_dtmf(c, fx, &st->dtmf, st->side.id, now);
    side_note_request(&st->side, st->in->msg, st->in->source);
    leg_reply(c, fx, st->in, key && !told ? 500 : 200, told);
}

/* §12.2.2: a request that is refused has been received all the same. An INVITE could be taken when it comes again,
 * so what it was told is kept.
 */
void act_refuse(void *obj, const void *arg, void *fx, struct now now)
{
    (void)now;
    struct call *c = obj;
    const struct call_step *st = arg;
    const struct sip_msg *m = st->in->msg;
    if (st->side.d != NULL && m->to_tag.len > 0 && m->cseq.num > *side_remote_cseq(&st->side))
        *side_remote_cseq(&st->side) = m->cseq.num;
    leg_refuse(c, fx, st->in, &st->no, m->method == SIP_M_INVITE);
}

void act_no_dialog(void *obj, const void *arg, void *fx, struct now now)
{
    (void)now;
    const struct call_step *st = arg;
    leg_reply(obj, fx, st->in, 481, st->in->msg->method == SIP_M_INVITE);
}

/* §9.2: the INVITE has its final reply; CANCEL is answered and changes nothing. */
void act_cancel_late(void *obj, const void *arg, void *fx, struct now now)
{
    (void)now;
    const struct call_step *st = arg;
    leg_reply(obj, fx, st->in, 200, false);
}
