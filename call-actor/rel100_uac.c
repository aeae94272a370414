/* Reliable provisionals of callees (RFC 3262 §4): taken in order, each with its PRACK in its early dialog. */
#include "call-actor/rel100.h"

#include "call-actor/dialog.h"
#include "call-actor/digest_client.h"
#include "call-actor/leg.h"
#include "call-actor/out_leg.h"
#include "call-actor/relay.h"
#include "common/base/err.h"
#include "common/sip/sip_num.h"
#include "common/sip/sip_write.h"

/* --- what a provisional is --- */

bool rel100_may_offer(const struct call *c)
{
    if (c->row->dial != NULL || c->row->transfer != NULL) /* there is nobody to pass a provisional on to */
        return false;
    return c->row->dial == NULL && (!c->row->delayed_offer || c->row->rel100 != REL100_NO);
}

/* A peer of RFC 2543 that gives no tag opens no dialog to say PRACK in. */
uint32_t rel100_rseq(const struct call *c, const struct sip_msg *msg)
{
    uint32_t rseq;
    if (!rel100_may_offer(c) || msg->to_tag.len == 0 || !rel100_is_required(msg) ||
        sip_num_decode(&rseq, sip_msg_value(msg, SIP_H_RSEQ), UINT32_MAX) != 0)
        return 0;
    return rseq;
}

/* Each dialog has its bounds, but a step says something of all of them at once. */
static bool may_open(const struct call *c)
{
    size_t open = 0;
    for (size_t i = 0; i < c->row->n_earlies; i++)
        open += c->row->earlies[i]->n_unacked + c->row->earlies[i]->n_asks;
    return open < REL100_OPEN_MAX;
}

enum rel100_is rel100_is(const struct call *c, const Store__OutLeg *leg, const struct sip_msg *msg)
{
    uint32_t rseq = rel100_rseq(c, msg);
    if (rseq == 0)
        return REL100_NEXT;
    const Store__Early *e = rel100_of_leg(c, leg, msg->to_tag);
    if (!may_open(c) || !rel100_fits(c, msg->body.len))
        return REL100_DROP;
    if (e == NULL)
        return rel100_has_room(c, leg, msg) ? REL100_NEXT : REL100_DROP;
    if (e->rseq_in == 0 || rseq == e->rseq_in + 1)
        return e->n_unacked < REL100_UNACKED_MAX && e->n_asks < REL100_ASKS_MAX ? REL100_NEXT : REL100_DROP;
    return rseq == e->rseq_in && e->unheard ? REL100_AGAIN : REL100_DROP;
}

bool rel100_is_offered(const struct call *c, const Store__OutLeg *leg, struct span remote_tag)
{
    const Store__Early *e = rel100_of_leg(c, leg, remote_tag);
    return e != NULL && e->offered;
}

/* --- PRACK --- */

Store__Dialog *rel100_dialog(const struct call *c, const Store__Early *e)
{
    if (e->dialog != NULL)
        return e->dialog;
    for (size_t i = 0; i < c->row->n_out_legs; i++) {
        Store__OutLeg *leg = c->row->out_legs[i];
        if (leg->id == e->leg && strcmp(leg->dialog->remote_tag, e->remote_tag) == 0)
            return leg->dialog;
    }
    return NULL;
}

static void write_rack(struct buf *raw, uint32_t rseq, uint32_t cseq)
{
    const struct sip_rack rack = {.rseq = rseq, .cseq = {.num = cseq, .method = SIP_M_INVITE}};
    sip_write_hdr_begin(raw, SIP_H_RACK);
    sip_rack_write(raw, &rack);
    sip_write_hdr_end(raw);
}

/* All the dialogs of one INVITE count together, so that what comes after the early ones is never behind them. */
static Store__ClientTxn *prack_new(const struct call *c, const Store__OutLeg *leg, Store__Dialog *d, uint32_t rseq,
                                   struct span sdp, struct span auth)
{
    struct buf raw;
    buf_init(&raw, SIP_MSG_BYTES_MAX);
    d->local_cseq = ++leg->dialog->local_cseq;
    dialog_write_request(&raw, d, SPAN("PRACK"), d->local_cseq);
    write_rack(&raw, rseq, leg->invite->cseq);
    buf_put_span(&raw, auth);
    sip_write_hdr_z(&raw, SIP_H_USER_AGENT, c->conf->agent);
    leg_put_sdp(&raw, sdp);
    if (raw.failed)
        die(EX_INTERNAL, "a PRACK of ours has no room"); /* never: REL100_HEAD_BYTES_MAX bounds its routes */
    Store__ClientTxn *txn = leg_request_new(c, "PRACK", d, d->local_cseq, buf_span(&raw));
    buf_fini(&raw);
    return txn;
}

void rel100_prack(struct call *c, struct call_effects *fx, Store__Early *e, uint32_t rseq, struct span sdp,
                  struct span key)
{
    Store__Dialog *d = rel100_dialog(c, e);
    const Store__OutLeg *leg = side_of(c, e->leg).leg;
    if (d == NULL || leg == NULL)
        return; /* never: what is kept of an early dialog has one or the other */
    Store__EarlyAsk *ask = row_alloc(sizeof(*ask));
    store__early_ask__init(ask);
    ask->request = prack_new(c, leg, d, rseq, sdp, SPAN(""));
    ask->rseq = rseq;
    row_bytes(&ask->key, key);
    e->unheard = false;
    row_list_add(&e->asks, &e->n_asks, ask);
    fx_request(fx, "PRACK", ask->request, e->leg);
}

void rel100_prack_again(struct call *c, struct call_effects *fx, const Store__OutLeg *leg, const struct sip_msg *msg)
{
    Store__Early *e = rel100_of_leg(c, leg, msg->to_tag);
    if (e != NULL)
        rel100_prack(c, fx, e, e->rseq_in, SPAN(""), SPAN(""));
}

/* --- its answer --- */

/* A 408 would end the asker's dialog, and RFC 4320 §4.2 has none but for INVITE. */
static unsigned status_for_asker(const struct call_input *in)
{
    bool none = in->status == 0 || in->status == 408 || in->status == 487;
    return none ? 504 : in->status == 405 || in->status == 501 ? 488 : relay_status_for_asker(in);
}

static void pass_back(struct call *c, struct call_effects *fx, const Store__EarlyAsk *ask, const struct call_step *st)
{
    struct buf out;
    bool taken = st->in->status >= 200 && st->in->status < 300;
    unsigned status = taken ? 200 : status_for_asker(st->in);
    Store__ServerTxn *txn = leg_txn_find(c, row_span(ask->key));
    if (txn == NULL || txn->status != 0)
        return;
    leg_begin_kept(&out, txn, status);
    if (taken && ask->rseq == 0)
        leg_put_dialog(&out, c, side_of(c, txn->leg).d, txn->source);
    leg_put_retry(&out, c, status);
    leg_send(c, fx, txn, &out, status, taken ? st->sdp : SPAN(""));
}

/* An offer and its answer: what both said is what stands (session_timer.h). */
static void note_session(struct call *c, const Store__Early *e, const Store__EarlyAsk *ask, const struct call_step *st)
{
    struct span offer = leg_request_body(ask->request);
    Store__Dialog *callee = side_of(c, e->leg).d;
    bool taken = st->in->status >= 200 && st->in->status < 300;
    if (!taken || st->sdp.len == 0 || callee == NULL)
        return;
    session_note_sdp(ask->to_caller ? c->row->a : callee, st->sdp);
    session_note_sdp(ask->to_caller ? callee : c->row->a, offer);
}

/* Some carriers challenge every request. false: this one cannot be answered, or was often enough. */
static bool answers_challenge(struct call *c, struct call_effects *fx, Store__Early *e, Store__EarlyAsk *ask,
                              const struct call_input *in)
{
    const Store__OutLeg *leg = side_of(c, e->leg).leg;
    Store__Dialog *d = rel100_dialog(c, e);
    struct buf line;
    struct span nonce;
    if (ask->to_caller || leg == NULL || d == NULL || in->msg == NULL || (in->status != 401 && in->status != 407) ||
        ask->auth_tries >= DIGEST_TRIES_MAX)
        return false;
    const struct out_leg_challenge q = {.response = in->msg, .uri = d->remote_target, .used = ask->auth_nonce};
    Store__ClientTxn *request = NULL;
    buf_init(&line, SIP_LINE_BYTES_MAX);
    if (out_leg_answer_challenge(&line, c->conf, leg, &q, &nonce)) {
        struct span sdp = leg_request_body(ask->request), auth = buf_span(&line);
        request = ask->rseq != 0 ? prack_new(c, leg, d, ask->rseq, sdp, auth) : rel100_update_new(c, e, sdp, auth);
    }
    buf_fini(&line);
    if (request == NULL)
        return false;
    row_text(&ask->auth_nonce, nonce);
    ask->auth_tries++;
    leg_request_put(&ask->request, request);
    fx_request(fx, rel100_method(ask), request, e->leg);
    return true;
}

void rel100_answered(struct call *c, struct call_effects *fx, const struct call_step *st)
{
    size_t at;
    Store__Early *e = rel100_of_branch(c, st->in->txn, &at);
    if (answers_challenge(c, fx, e, e->asks[at], st->in))
        return;
    Store__EarlyAsk *ask = row_list_take(&e->asks, &e->n_asks, at);
    pass_back(c, fx, ask, st);
    note_session(c, e, ask, st);
    if (ask->rseq == 0 && st->in->status >= 200 && st->in->status < 300)
        rel100_updated(c, e, ask, st->in->msg);
    e->unheard = st->in->status == 0 && ask->key.len == 0 && ask->rseq == e->rseq_in;
    store__early_ask__free_unpacked(ask, NULL);
}
