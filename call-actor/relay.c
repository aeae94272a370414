#include "call-actor/relay.h"

#include "call-actor/dialog.h"
#include "call-actor/digest_client.h"
#include "call-actor/leg.h"
#include "call-actor/onward.h"
#include "call-actor/out_leg.h"
#include "call-actor/refresh.h"
#include "common/base/err.h"
#include "common/sip/sip_caps.h"
#include "common/sip/sip_write.h"

/* --- the one there is --- */

/* Those before it are done, and answer repeats of their 2xx. */
static Store__Relay *last(const struct call *c)
{
    return c->row->n_relays > 0 ? c->row->relays[0] : NULL;
}

static Store__Relay *in_state(const struct call *c, enum relay_state state)
{
    Store__Relay *r = last(c);
    return r != NULL && r->state == state ? r : NULL;
}

static const char invite[] = "INVITE", update[] = "UPDATE";

/* What it went on as. */
static const char *method_of(const Store__Relay *r)
{
    return strcmp(r->request->method, update) == 0 ? update : invite;
}

unsigned relay_glare(const struct call *c, uint32_t from)
{
    const Store__Relay *r = last(c);
    if (r == NULL || r->state == RELAY_DONE)
        return 0;
    return r->state == RELAY_ASKED && r->from == from ? 500 : 491;
}

bool relay_is_updating(const struct call *c, uint32_t from)
{
    const Store__Relay *r = in_state(c, RELAY_ASKED);
    return r != NULL && r->update && r->from == from;
}

bool relay_updates(const struct call *c, uint32_t to)
{
    const Store__Relay *r = last(c);
    return r != NULL && r->to == to && leg_request_is_out(r->request) && method_of(r) == update;
}

Store__ClientTxn *relay_invite_out(const struct call *c, uint32_t *to)
{
    const Store__Relay *r = in_state(c, RELAY_ASKED);
    if (r == NULL || r->cancelled || method_of(r) != invite)
        return NULL;
    *to = r->to;
    return r->request;
}

bool relay_is_asked(const struct call *c)
{
    return in_state(c, RELAY_ASKED) != NULL;
}

bool relay_has_answered(const struct call *c)
{
    return in_state(c, RELAY_ANSWERED) != NULL;
}

bool relay_waits_for_answer(const struct call *c)
{
    const Store__Relay *r = in_state(c, RELAY_ANSWERED);
    return r != NULL && r->delayed_offer;
}

bool relay_is_out(const struct call *c)
{
    return last(c) != NULL && leg_request_is_out(last(c)->request);
}

Store__Relay *relay_of_response(const struct call *c, struct span branch)
{
    for (size_t i = 0; i < c->row->n_relays; i++) {
        if (leg_request_is(c->row->relays[i]->request, branch))
            return c->row->relays[i];
    }
    return NULL;
}

/* A new one, before all others; the oldest makes room. */
static Store__Relay *open_first(struct call *c)
{
    Store__CallRow *row = c->row;
    while (row->n_relays >= RELAYS_MAX)
        store__relay__free_unpacked(row_list_take(&row->relays, &row->n_relays, row->n_relays - 1), NULL);
    if (row->n_relays > 0)
        row_bytes(&row->relays[0]->sdp, SPAN(""));
    Store__Relay *r = row_alloc(sizeof(*r));
    store__relay__init(r);
    row_list_add(&row->relays, &row->n_relays, r);
    for (size_t i = row->n_relays - 1; i > 0; i--)
        row->relays[i] = row->relays[i - 1];
    row->relays[0] = r;
    return r;
}

/* --- the request --- */

static void put_onward(struct buf *raw, Store__Dialog *to, struct span sdp)
{
    struct buf own;
    buf_init(&own, SIP_MSG_BYTES_MAX);
    onward_put(&own, to, sdp);
    leg_put_sdp(raw, buf_span(&own));
    buf_fini(&own);
}

/* auth: a header line, or empty. false: it has no room. */
static bool send_request(struct call *c, struct call_effects *fx, Store__Relay *r, struct span sdp, struct span auth)
{
    struct side to = side_of(c, r->to);
    struct buf raw;
    /* two UPDATEs of ours may not be out together (RFC 3311 §5.1): a refresh and this one */
    bool updates = r->update && to.d->allows_update && !refresh_is_updating(to.d);
    const char *method = updates ? update : invite;
    uint32_t cseq = ++to.d->local_cseq;
    buf_init(&raw, SIP_MSG_BYTES_MAX);
    dialog_write_request(&raw, to.d, span_cstr(method), cseq);
    leg_put_invite(&raw, c, to.d, to.d->peer, false);
    session_put_ask(&raw, to.d, &c->conf->session); /* its own; the asker's passes no more than other headers do */
    buf_put_span(&raw, auth);
    sip_write_hdr_z(&raw, SIP_H_USER_AGENT, c->conf->agent);
    put_onward(&raw, to.d, sdp);
    bool fits = !raw.failed;
    if (fits) {
        leg_request_put(&r->request, leg_request_new(c, method, to.d, cseq, buf_span(&raw)));
        fx_request(fx, method, r->request, r->to);
    }
    buf_fini(&raw);
    return fits;
}

void relay_pass_on(struct call *c, struct call_effects *fx, const struct call_step *st)
{
    struct span target;
    Store__Relay *r = open_first(c);
    r->from = st->side.id;
    r->to = side_other(c, st->side.id).id;
    r->delayed_offer = st->sdp.len == 0;
    r->update = st->in->msg->method == SIP_M_UPDATE;
    row_bytes(&r->key, st->in->txn);
    row_bytes(&r->sdp, st->sdp);
    if (dialog_target_of(st->in->msg, &target))
        row_text(&r->target, target);
    dialog_note_request(st->side.d, st->in->msg, st->in->source);
    if (!send_request(c, fx, r, st->sdp, SPAN("")))
        die(EX_INTERNAL, "an offer that is passed on has no room");
}

void relay_ask(struct call *c, struct call_effects *fx, const struct call_step *st)
{
    leg_txn_keep_head(c, leg_txn_open(c, st->in), st->in);
    relay_pass_on(c, fx, st);
}

void relay_cancel(struct call *c, struct call_effects *fx, struct span reason)
{
    Store__Relay *r = in_state(c, RELAY_ASKED);
    if (r == NULL)
        return;
    r->cancelled = true;
    fx_cancel(fx, row_span(r->request->branch), reason, r->to);
}

/* --- the response --- */

static void acknowledge(struct call *c, struct call_effects *fx, Store__Relay *r, struct span sdp)
{
    if (method_of(r) == update)
        return;
    struct side to = side_of(c, r->to);
    struct buf own;
    buf_init(&own, SIP_MSG_BYTES_MAX);
    onward_put(&own, to.d, sdp);
    leg_request_put(&r->ack, leg_ack_new(c, to.d, r->request->cseq, buf_span(&own)));
    buf_fini(&own);
    fx_request(fx, "ACK", r->ack, r->to);
}

/*
 * What is between us and who answers is nothing who asked could do anything about. An UPDATE that got no answer in time
 * is no 408: that would end his dialog (RFC 3311 §5.1), and RFC 4320 §4.2 has none but for INVITE. One that the other
 * side does not take after all may come again: as a re-INVITE then. A 422 is about our
 * terms, which are others the next time. Nor does the dialog end of who asks for what the other one let lie until we
 * cancelled it.
 */
static unsigned status_for_asker(const Store__Relay *r, const struct call_input *in)
{
    unsigned status = in->status;
    bool given_up = r->request->overdue && !r->cancelled;
    if ((r->update || given_up) && (status == 0 || status == 408 || status == 487))
        return 504;
    if (method_of(r) == update && (status == 405 || status == 501))
        return 500;
    return relay_status_for_asker(in);
}

unsigned relay_status_for_asker(const struct call_input *in)
{
    unsigned status = in->status;
    if (status == 0)
        return 408;
    if (status == 422)
        return 491;
    return status < 400 || status == 401 || status == 407 || status > 699 ? 488 : status;
}

static void pass_refusal(struct call *c, struct call_effects *fx, Store__Relay *r, unsigned status)
{
    struct buf out;
    Store__ServerTxn *txn = leg_txn_find(c, row_span(r->key));
    leg_request_answered(r->request);
    r->state = RELAY_DONE;
    if (txn == NULL || txn->status != 0)
        return;
    leg_begin_kept(&out, txn, status);
    leg_put_retry(&out, c, status);
    leg_send(c, fx, txn, &out, status, SPAN(""));
}

static void pass_answer(struct call *c, struct call_effects *fx, Store__Relay *r, const struct call_step *st,
                        struct now now)
{
    struct side from = side_of(c, r->from);
    struct side to = side_of(c, r->to);
    struct buf out;
    Store__ServerTxn *txn = leg_txn_find(c, row_span(r->key));
    dialog_note_target(to.d, st->in->msg);
    dialog_note_caps(to.d, st->in->msg);
    session_take_answer(to.d, st->in->msg);
    session_note_sdp(from.d, row_span(r->sdp));
    session_note_sdp(to.d, st->sdp);
    session_of(from.d)->offers = false; /* he hears it now */
    if (r->target[0] != '\0')
        row_text(&from.d->remote_target, span_cstr(r->target));
    leg_request_answered(r->request);
    r->state = r->update ? RELAY_DONE : RELAY_ANSWERED;
    if (!r->delayed_offer)
        acknowledge(c, fx, r, SPAN(""));
    if (txn == NULL)
        return; /* never: what is pending is kept */
    leg_begin_kept(&out, txn, 200);
    leg_put_dialog(&out, c, from.d, txn->source);
    leg_send_onward(c, fx, txn, &out, st->sdp);
    if (!r->update)
        leg_2xx_sent(c, fx, now);
}

static void answer_again(struct call_effects *fx, const Store__Relay *r, const struct call_input *in)
{
    if (in->status >= 200 && in->status < 300 && r->ack != NULL)
        fx_ack(fx, r->ack, r->to, in);
}

/* --- the trunk asks who we are --- */

static bool send_authorized(struct call *c, struct call_effects *fx, Store__Relay *r, struct span auth)
{
    struct buf body;
    buf_init(&body, SIP_MSG_BYTES_MAX);
    buf_put_span(&body, leg_request_body(r->request)); /* its request goes when the next one comes */
    bool sent = !body.failed && send_request(c, fx, r, buf_span(&body), auth);
    buf_fini(&body);
    return sent;
}

/* Some carriers challenge every request. false: this one cannot be answered, or was often enough. */
static bool answers_challenge(struct call *c, struct call_effects *fx, Store__Relay *r, const struct call_input *in)
{
    const Store__OutLeg *leg = side_placed_for(c, r->to);
    struct buf line;
    struct span nonce;
    if (leg == NULL || in->msg == NULL || (in->status != 401 && in->status != 407) || r->cancelled ||
        r->request->overdue || r->auth_tries >= DIGEST_TRIES_MAX)
        return false;
    const struct out_leg_challenge q = {
        .response = in->msg, .uri = side_of(c, r->to).d->remote_target, .used = r->auth_nonce};
    buf_init(&line, SIP_LINE_BYTES_MAX);
    bool sent = out_leg_answer_challenge(&line, c->conf, leg, &q, &nonce) && send_authorized(c, fx, r, buf_span(&line));
    if (sent) {
        row_text(&r->auth_nonce, nonce);
        r->auth_tries++;
    }
    buf_fini(&line);
    return sent;
}

static void take_refusal(struct call *c, struct call_effects *fx, Store__Relay *r, const struct call_input *in)
{
    unsigned status = status_for_asker(r, in);
    if (in->status == 422 && in->msg != NULL)
        session_take_too_small(side_of(c, r->to).d, in->msg);
    if (in->status == 405 || in->status == 501)
        side_of(c, r->to).d->allows_update = false;
    pass_refusal(c, fx, r, status);
}

void relay_take_response(struct call *c, struct call_effects *fx, const struct call_step *st, struct now now)
{
    Store__Relay *r = relay_of_response(c, st->in->txn);
    unsigned status = st->in->status;
    if (r->state == RELAY_DONE && leg_request_is_out(r->request)) /* who asked, or was asked, has left (relay_end) */
        relay_take_late(c, fx, st->in);
    else if (r->state != RELAY_ASKED)
        answer_again(fx, r, st->in);
    else if (status >= 200 && status < 300)
        pass_answer(c, fx, r, st, now);
    else if ((status == 0 || status >= 300) && !answers_challenge(c, fx, r, st->in))
        take_refusal(c, fx, r, st->in);
}

void relay_ack(struct call *c, struct call_effects *fx, struct span sdp)
{
    Store__Relay *r = in_state(c, RELAY_ANSWERED);
    if (r == NULL)
        return;
    r->state = RELAY_DONE;
    if (r->delayed_offer)
        acknowledge(c, fx, r, sdp);
}

/* --- the end --- */

/* §15.1.2: a request that is pending when the BYE comes is answered 487. */
void relay_end(struct call *c, struct call_effects *fx)
{
    Store__Relay *r = last(c);
    if (r == NULL)
        return;
    if (r->state == RELAY_ANSWERED && r->delayed_offer)
        acknowledge(c, fx, r, SPAN(""));
    Store__ServerTxn *txn = leg_txn_find(c, row_span(r->key));
    if (leg_request_is_out(r->request) && !r->cancelled && !r->request->overdue && method_of(r) != update)
        relay_cancel(c, fx, SPAN("")); /* who is gone has no final response for it */
    if (r->state == RELAY_ASKED && txn != NULL && txn->status == 0) {
        struct buf out;
        leg_begin_kept(&out, txn, 487);
        leg_send(c, fx, txn, &out, 487, SPAN(""));
    }
    r->state = RELAY_DONE;
}

void relay_take_late(struct call *c, struct call_effects *fx, const struct call_input *in)
{
    Store__Relay *r = relay_of_response(c, in->txn);
    if (in->status != 0 && in->status < 200)
        return;
    leg_request_answered(r->request);
    bool leads_there = side_of(c, r->to).d->remote_target[0] != '\0'; /* or all is over, and who answered has hung up */
    if (in->status >= 200 && in->status < 300 && r->ack == NULL && leads_there)
        acknowledge(c, fx, r, SPAN(""));
    else
        answer_again(fx, r, in);
}

void relay_ask_again(const struct call *c, struct call_effects *fx)
{
    const Store__Relay *r = last(c);
    if (r == NULL || !leg_request_is_out(r->request))
        return;
    fx_request(fx, method_of(r), r->request, r->to);
    if (r->cancelled || r->request->overdue)
        fx_cancel(fx, row_span(r->request->branch), SPAN(""), r->to);
}
