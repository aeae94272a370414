/* What a leg that we placed does: docs/bridging.md. */
#include "call-actor/call_id.h"
#include "call-actor/dial.h"
#include "call-actor/dialog.h"
#include "call-actor/identity.h"
#include "call-actor/leg.h"
#include "call-actor/out_leg.h"
#include "call-actor/rel100.h"
#include "call-actor/ring.h"
#include "common/base/err.h"
#include "common/sip/sip_addr.h"
#include "common/sip/sip_uri.h"
#include "common/sip/sip_write.h"

/* --- INVITE --- */

/* From with our tag, then, for whom they are meant, P-Asserted-Identity and Privacy: a line each. */
static void write_identity(struct buf *out, const struct call *c, const Store__Target *t, const char *tag)
{
    bool called_us = side_party(c, SIDE_CALLER) == SIDE_CALLER; /* what he said of himself is known */
    struct identity_args who = {.from = c->row->a->remote_value,
                                .tag = tag,
                                .asserted = called_us ? c->row->asserted : "",
                                .privacy = called_us ? c->row->privacy : "",
                                .domain = call_domain(c->conf),
                                .from_trusted = called_us && c->row->from_trusted,
                                .to_trusted = t->trunk};
    buf_init(out, SIP_MSG_BYTES_MAX);
    identity_write(out, &who);
}

/* The value in it without its tag. */
static struct span from_value(const struct buf *identity)
{
    struct span line = span_of(identity->p, span_find(buf_span(identity), '\r'));
    struct span value = span_from(line, strlen("From: "));
    return span_of(value.p, span_find_span(value, SPAN(";tag=")));
}

static Store__Dialog *dialog_for(const struct call *c, const Store__Target *t)
{
    char own_id[CALL_ID_SIZE], tag[CALL_ID_SIZE];
    struct buf identity;
    call_id_make(own_id, c, "", "", CALL_ID_TAG);
    call_id_make(tag, c, "", "", CALL_ID_TAG);
    write_identity(&identity, c, t, tag);
    /* Who is rung first may become the A leg, whose Call-ID is the call's name. */
    struct dialog_uac d = {.call_id = dial_is_ringing_first(c) ? c->row->a->call_id : own_id,
                           .local_tag = tag,
                           .from = from_value(&identity),
                           .to = span_cstr(c->row->transfer != NULL ? c->row->transfer->to : c->row->a->local_value),
                           .target = t};
    Store__Dialog *made = dialog_new_uac(&d);
    buf_fini(&identity);
    return made;
}

/* What our Contact depends on, as far as it is known: the transport and the family of the way to the callee. */
static Plane__Endpoint way_of(const Store__Target *t)
{
    Plane__Endpoint way = PLANE__ENDPOINT__INIT;
    struct sip_uri uri;
    struct span value;
    const char *hop = t->next_hop[0] != '\0' ? t->next_hop : t->uri;
    if (t->dest != NULL)
        return *t->dest;
    if (sip_uri_decode(&uri, span_cstr(hop)) != 0)
        return way;
    if (sip_host_is_ip6(uri.host))
        way.addr = (char *)(uintptr_t) "::";
    if (sip_uri_param(&uri, SPAN("transport"), &value))
        way.transport = span_caseeq(value, SPAN("tls"))   ? (char *)(uintptr_t) "TLS"
                        : span_caseeq(value, SPAN("tcp")) ? (char *)(uintptr_t) "TCP"
                                                          : way.transport;
    return way;
}

/* What the line with From was made with stands in the dialog; here it is written once more for what follows it. */
static void put_identity(struct buf *raw, const struct call *c, const Store__OutLeg *leg)
{
    struct buf identity;
    write_identity(&identity, c, leg->target, leg->dialog->local_tag);
    buf_put_span(raw, span_from(buf_span(&identity), span_find(buf_span(&identity), '\n') + 1));
    buf_fini(&identity);
}

/* RFC 5393 §5: what forks and loops may not use up without end. */
static void put_breadth(struct buf *raw, uint32_t breadth)
{
    buf_puts(raw, "Max-Breadth: ");
    buf_put_u64(raw, breadth);
    buf_puts(raw, "\r\n");
}

/* auth: a header line, or empty. */
static void send_invite(struct call *c, struct call_effects *fx, Store__OutLeg *leg, struct span auth)
{
    const Store__CallRow *row = c->row;
    struct buf raw;
    Plane__Endpoint way = way_of(leg->target);
    uint32_t cseq = ++leg->dialog->local_cseq;
    buf_init(&raw, SIP_MSG_BYTES_MAX);
    dialog_write_invite(&raw, leg->dialog, cseq, row->max_forwards);
    put_identity(&raw, c, leg);
    buf_put_span(&raw, auth);
    leg_put_invite(&raw, c, leg->dialog, &way, rel100_may_offer(c));
    session_put_ask(&raw, leg->dialog, &c->conf->session);
    put_breadth(&raw, leg->max_breadth);
    if (c->row->transfer != NULL)
        buf_puts(&raw, c->row->transfer->headers);
    sip_write_hdr_z(&raw, SIP_H_USER_AGENT, c->conf->agent);
    leg_put_sdp(&raw, row_span(row->offer));
    if (raw.failed)
        die(EX_INTERNAL, "an INVITE of ours has no room");
    leg_request_put(&leg->invite, leg_request_new(c, "INVITE", leg->dialog, cseq, buf_span(&raw)));
    row_text(&leg->invite->next_hop, span_cstr(leg->target->next_hop));
    leg->invite->own = leg->target->own;
    buf_fini(&raw);
    fx_request(fx, "INVITE", leg->invite, leg->id);
}

void out_leg_call(struct call *c, struct call_effects *fx, Store__Target *target, uint32_t breadth)
{
    Store__OutLeg *leg = row_alloc(sizeof(*leg));
    BUG_ON(c->row->n_out_legs >= OUT_LEGS_MAX);
    store__out_leg__init(leg);
    leg->id = (uint32_t)c->row->n_out_legs + 1;
    leg->target = target;
    leg->max_breadth = breadth;
    leg->dialog = dialog_for(c, target);
    row_list_add(&c->row->out_legs, &c->row->n_out_legs, leg);
    send_invite(c, fx, leg, SPAN(""));
}

void out_leg_authorize(void *obj, const void *arg, void *fx, struct now now)
{
    (void)now;
    const struct out_leg_ref *ref = obj;
    const struct out_leg_news *news = arg;
    struct span nonce;
    struct buf line;
    buf_init(&line, SIP_LINE_BYTES_MAX);
    const struct out_leg_challenge q = out_leg_challenge_of(ref->leg, news->in->msg);
    (void)out_leg_answer_challenge(&line, ref->call->conf, ref->leg, &q, &nonce); /* asked before */
    row_text(&ref->leg->auth_nonce, nonce);
    rel100_leg_over(ref->call, fx, ref->leg);
    ref->leg->auth_tries++;
    ref->leg->status = news->in->status;
    send_invite(ref->call, fx, ref->leg, buf_span(&line));
    buf_fini(&line);
}

/* RFC 4028 §7.3: once more, and for longer. */
void out_leg_ask_longer(void *obj, const void *arg, void *fx, struct now now)
{
    (void)now;
    const struct out_leg_ref *ref = obj;
    const struct out_leg_news *news = arg;
    session_take_too_small(ref->leg->dialog, news->in->msg);
    session_of(ref->leg->dialog)->tries++;
    ref->leg->status = news->in->status;
    rel100_leg_over(ref->call, fx, ref->leg);
    row_text(&ref->leg->auth_nonce, SPAN("")); /* it has no credentials: the same challenge may follow */
    send_invite(ref->call, fx, ref->leg, SPAN(""));
}

/* --- what comes of it --- */

void out_leg_provisional(void *obj, const void *arg, void *fx, struct now now)
{
    (void)fx;
    (void)now;
    const struct out_leg_ref *ref = obj;
    const struct out_leg_news *news = arg;
    ref->leg->status = news->in->status;
}

static void confirm(const struct out_leg_ref *ref, const struct out_leg_news *news)
{
    ref->leg->status = news->in->status;
    dialog_note_answer(ref->leg->dialog, news->in->msg, news->in->source);
    rel100_confirm(ref->call, ref->leg);
    leg_request_answered(ref->leg->invite);
}

static void acknowledge(const struct out_leg_ref *ref, struct call_effects *fx, struct span sdp)
{
    Store__OutLeg *leg = ref->leg;
    leg_request_put(&leg->ack, leg_ack_new(ref->call, leg->dialog, leg->invite->cseq, sdp));
    fx_request(fx, "ACK", leg->ack, leg->id);
}

static void hang_up(const struct out_leg_ref *ref, struct call_effects *fx, struct span reason)
{
    Store__OutLeg *leg = ref->leg;
    leg_request_put(&leg->bye, leg_bye_new(ref->call, leg->dialog, reason, SPAN("")));
    fx_request(fx, "BYE", leg->bye, leg->id);
}

void out_leg_answered(void *obj, const void *arg, void *fx, struct now now)
{
    (void)now;
    confirm(obj, arg);
    acknowledge(obj, fx, SPAN(""));
}

void out_leg_offered(void *obj, const void *arg, void *fx, struct now now)
{
    (void)fx;
    (void)now;
    confirm(obj, arg);
}

/* §13.2.2.4: whoever does not want the session acknowledges it all the same, and ends it. */
void out_leg_unwanted(void *obj, const void *arg, void *fx, struct now now)
{
    (void)now;
    const struct out_leg_ref *ref = obj;
    bool wanted = out_leg_rings(ref->leg);
    confirm(obj, arg);
    acknowledge(obj, fx, SPAN(""));
    hang_up(obj, fx, SPAN(""));
    rel100_leg_over(ref->call, fx, ref->leg);
    if (wanted)
        ring_note_refusal(ref->call, fx, ref->leg, 502, NULL);
}

void out_leg_ack(void *obj, const void *arg, void *fx, struct now now)
{
    (void)now;
    const struct out_leg_news *news = arg;
    acknowledge(obj, fx, news->sdp);
}

void out_leg_ack_again(void *obj, const void *arg, void *fx, struct now now)
{
    (void)now;
    const struct out_leg_ref *ref = obj;
    const struct out_leg_news *news = arg;
    if (ref->leg->ack != NULL)
        fx_ack(fx, ref->leg->ack, ref->leg->id, news->in);
}

/* The same provisional once more, which got a PRACK that nobody answered. */
void out_leg_prack_again(void *obj, const void *arg, void *fx, struct now now)
{
    (void)now;
    const struct out_leg_ref *ref = obj;
    const struct out_leg_news *news = arg;
    rel100_prack_again(ref->call, fx, ref->leg, news->in->msg);
}

/* What late responses do not need goes. Who came by himself (Replaces) may still be told of a REFER of his. */
static void shrink(Store__OutLeg *leg)
{
    bool came = leg->invite->branch.len == 0;
    leg_request_answered(leg->invite);
    if (leg->bye != NULL)
        leg_request_answered(leg->bye);
    if (leg->ack == NULL && !came)
        dialog_shrink(leg->dialog);
}

/* What a refusal counts as, also when none came. */
static unsigned status_of(const Store__OutLeg *leg, const struct call_input *in)
{
    if (in->status != 0)
        return in->status;
    return in->unreachable && leg->target->user[0] == '\0' ? 503 : 408; /* §16.7, §16.9; a phone that is gone */
}

void out_leg_refused(void *obj, const void *arg, void *fx, struct now now)
{
    (void)now;
    const struct out_leg_ref *ref = obj;
    const struct out_leg_news *news = arg;
    ref->leg->status = status_of(ref->leg, news->in);
    shrink(ref->leg);
    rel100_leg_over(ref->call, fx, ref->leg);
    ring_note_refusal(ref->call, fx, ref->leg, ref->leg->status, news->in->msg);
}

/* --- the end --- */

void out_leg_cancel(void *obj, const void *arg, void *fx, struct now now)
{
    const struct out_leg_ref *ref = obj;
    const struct out_leg_news *news = arg;
    rel100_leg_over(ref->call, fx, ref->leg);
    out_leg_reckon_cancel(ref->call, ref->leg, now);
    fx_cancel(fx, row_span(ref->leg->invite->branch), news->reason, ref->leg->id);
}

void out_leg_cancelled(void *obj, const void *arg, void *fx, struct now now)
{
    (void)fx;
    (void)now;
    const struct out_leg_ref *ref = obj;
    const struct out_leg_news *news = arg;
    ref->leg->status = status_of(ref->leg, news->in);
    shrink(ref->leg);
}

void out_leg_bye(void *obj, const void *arg, void *fx, struct now now)
{
    (void)now;
    const struct out_leg_news *news = arg;
    hang_up(obj, fx, news->reason);
}

/* Without its answer the session would go on over there. */
void out_leg_authorize_bye(void *obj, const void *arg, void *fx, struct now now)
{
    (void)now;
    const struct out_leg_ref *ref = obj;
    const struct out_leg_news *news = arg;
    Store__OutLeg *leg = ref->leg;
    struct span nonce;
    struct buf line;
    buf_init(&line, SIP_LINE_BYTES_MAX);
    const struct out_leg_challenge q = out_leg_challenge_of(leg, news->in->msg);
    (void)out_leg_answer_challenge(&line, ref->call->conf, leg, &q, &nonce); /* asked before */
    leg->auth_tries++;
    leg_request_put(&leg->bye, leg_bye_new(ref->call, leg->dialog, leg_bye_reason(leg->bye), buf_span(&line)));
    fx_request(fx, "BYE", leg->bye, leg->id);
    buf_fini(&line);
}

/* The caller's answer to its offer never came, or cannot be used. */
void out_leg_ack_bye(void *obj, const void *arg, void *fx, struct now now)
{
    acknowledge(obj, fx, SPAN(""));
    out_leg_bye(obj, arg, fx, now);
}

void out_leg_over(void *obj, const void *arg, void *fx, struct now now)
{
    (void)arg;
    (void)fx;
    (void)now;
    const struct out_leg_ref *ref = obj;
    shrink(ref->leg);
}

/* Repeats of its 2xx are acknowledged as before; all else is said in the dialog's new place. */
void out_leg_taken(void *obj, const void *arg, void *fx, struct now now)
{
    (void)arg;
    (void)fx;
    (void)now;
    const struct out_leg_ref *ref = obj;
    leg_request_answered(ref->leg->invite);
}
