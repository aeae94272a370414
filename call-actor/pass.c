#include "call-actor/pass.h"

#include "call-actor/dialog.h"
#include "call-actor/digest_client.h"
#include "call-actor/leg.h"
#include "call-actor/out_leg.h"
#include "common/base/err.h"
#include "common/sip/sip_write.h"

#define GIVE_UP_FACTOR 64u /* of T1: timer F of the request */

/* What goes on with a request, and comes back with a response. */
static const struct span request_headers[] = {
    SPAN_INIT("Content-Disposition"),
    SPAN_INIT("Content-Encoding"),
    SPAN_INIT("Content-Language"),
    SPAN_INIT("MIME-Version"),
    SPAN_INIT("Info-Package"),
    SPAN_INIT("Subject"),
    SPAN_INIT("Priority"),
    SPAN_INIT("Date"),
    SPAN_INIT("Expires"),
    SPAN_INIT("Reply-To"),
    SPAN_INIT("In-Reply-To"),
};
static const struct span response_headers[] = {
    SPAN_INIT("Allow"),           SPAN_INIT("Accept"),      SPAN_INIT("Accept-Encoding"),
    SPAN_INIT("Accept-Language"), SPAN_INIT("Unsupported"), SPAN_INIT("Recv-Info"),
    SPAN_INIT("Warning"),         SPAN_INIT("Retry-After"), SPAN_INIT("Content-Disposition"),
};
#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

/* --- questions --- */

Store__Relay *pass_of_response(const struct call *c, struct span branch)
{
    for (size_t i = 0; i < c->row->n_passes; i++) {
        if (leg_request_is(c->row->passes[i]->request, branch))
            return c->row->passes[i];
    }
    return NULL;
}

bool pass_knows(const struct call *c, struct span txn)
{
    for (size_t i = 0; i < c->row->n_passes; i++) {
        if (span_eq(row_span(c->row->passes[i]->asked->key), txn))
            return true;
    }
    return false;
}

static bool has_room(const struct call *c, uint32_t from)
{
    size_t bytes = 0, cnt = 0;
    for (size_t i = 0; i < c->row->n_passes; i++) {
        const Store__Relay *p = c->row->passes[i];
        bytes += p->request->raw.len;
        cnt += p->from == from;
    }
    return cnt < PASS_OPEN_MAX && bytes < PASS_BYTES_MAX;
}

/* The other one has answered, and has not been hung up on. */
static bool has_other(const struct call *c, uint32_t from)
{
    struct side to = side_other(c, from);
    bool talks = call_state(c) == CALL_ST_ANSWERED || call_state(c) == CALL_ST_ESTABLISHED;
    return talks && to.d != NULL && (to.leg == NULL || out_leg_is_up(to.leg));
}

unsigned pass_check(const struct call *c, const struct call_step *st)
{
    if (st->in->msg->body.len > PASS_BODY_MAX)
        return 413;
    return has_other(c, st->side.id) && has_room(c, st->side.id) ? 0 : 500;
}

/* --- headers --- */

struct copied {
    struct buf *out;
    unsigned cnt;
};

static void copy_field(struct copied *to, struct span name, struct span value)
{
    if (value.len > PASS_VALUE_MAX || to->cnt >= PASS_FIELDS_MAX)
        return;
    sip_write_hdr_named(to->out, name, value);
    to->cnt++;
}

static void copy_headers(struct buf *out, const struct sip_msg *m, const struct span *names, size_t cnt)
{
    struct copied to = {.out = out};
    for (size_t i = 0; i < cnt; i++) {
        bool known = sip_hdr_lookup(names[i]) != SIP_H_OTHER; /* else the next one has another name */
        const struct sip_field *f = sip_msg_named(m, names[i]);
        for (; f != NULL; f = known ? sip_msg_next(m, f) : NULL)
            copy_field(&to, names[i], sip_field_value(m, f));
    }
}

static struct span type_of(const struct sip_msg *m)
{
    struct span type = sip_msg_value(m, SIP_H_CONTENT_TYPE);
    return type.len <= PASS_VALUE_MAX ? type : SPAN("");
}

/* --- the request --- */

static const char info[] = "INFO", message[] = "MESSAGE";

static const char *method_text(const Store__ClientTxn *txn)
{
    return strcmp(txn->method, info) == 0 ? info : message;
}

/* auth: a header line, or empty; rest: what follows it, body and all. false: there is no room. */
static bool send_request(struct call *c, struct call_effects *fx, Store__Relay *p, const char *method, struct span auth,
                         struct span rest)
{
    struct side to = side_of(c, p->to);
    struct buf raw;
    uint32_t cseq = ++to.d->local_cseq;
    buf_init(&raw, SIP_MSG_BYTES_MAX);
    dialog_write_request(&raw, to.d, span_cstr(method), cseq);
    buf_put_span(&raw, auth);
    buf_put_span(&raw, rest);
    bool fits = !raw.failed;
    if (fits) {
        leg_request_put(&p->request, leg_request_new(c, method, to.d, cseq, buf_span(&raw)));
        fx_request(fx, method, p->request, p->to);
    }
    buf_fini(&raw);
    return fits;
}

static void send_first(struct call *c, struct call_effects *fx, Store__Relay *p, const struct sip_msg *m)
{
    struct buf rest;
    buf_init(&rest, SIP_MSG_BYTES_MAX);
    copy_headers(&rest, m, request_headers, COUNT(request_headers));
    sip_write_hdr_z(&rest, SIP_H_USER_AGENT, c->conf->agent);
    sip_write_body(&rest, type_of(m), m->body);
    if (rest.failed || !send_request(c, fx, p, m->method == SIP_M_INFO ? info : message, SPAN(""), buf_span(&rest)))
        die(EX_INTERNAL, "a request that is passed on has no room");
    buf_fini(&rest);
}

void pass_ask(struct call *c, struct call_effects *fx, const struct call_step *st, struct now now)
{
    Store__Relay *p = row_alloc(sizeof(*p));
    store__relay__init(p);
    p->from = st->side.id;
    p->to = side_other(c, st->side.id).id;
    p->asked_wall_ms = (uint64_t)now.wall_ms;
    p->asked = leg_txn_new(c, st->in);
    leg_txn_keep_head(c, p->asked, st->in);
    row_list_add(&c->row->passes, &c->row->n_passes, p);
    dialog_note_request(st->side.d, st->in->msg, st->in->source);
    send_first(c, fx, p, st->in->msg);
}

/* --- the trunk asks who we are --- */

static struct span after_line(struct span s, struct span begins)
{
    s = span_from(s, span_find_span(s, begins) + begins.len);
    return span_from(s, span_find(s, '\n') + 1);
}

/* What stands in it behind its CSeq, and behind the credentials of the time before. */
static struct span rest_of(const Store__Relay *p)
{
    struct span rest = after_line(row_span(p->request->raw), SPAN("\r\nCSeq:"));
    return p->auth_tries > 0 ? after_line(rest, SPAN("")) : rest;
}

static bool send_authorized(struct call *c, struct call_effects *fx, Store__Relay *p, struct span auth)
{
    struct buf rest;
    buf_init(&rest, SIP_MSG_BYTES_MAX);
    buf_put_span(&rest, rest_of(p)); /* its request goes when the next one comes */
    bool sent = !rest.failed && send_request(c, fx, p, method_text(p->request), auth, buf_span(&rest));
    buf_fini(&rest);
    return sent;
}

/* As relay.c does for offers. false: this one cannot be answered, or was often enough. */
static bool answers_challenge(struct call *c, struct call_effects *fx, Store__Relay *p, const struct call_input *in)
{
    const Store__OutLeg *leg = side_placed_for(c, p->to);
    struct buf line;
    struct span nonce;
    if (leg == NULL || in->msg == NULL || (in->status != 401 && in->status != 407) || p->auth_tries >= DIGEST_TRIES_MAX)
        return false;
    const struct out_leg_challenge q = {
        .response = in->msg, .uri = side_of(c, p->to).d->remote_target, .used = p->auth_nonce};
    buf_init(&line, SIP_LINE_BYTES_MAX);
    bool sent = out_leg_answer_challenge(&line, c->conf, leg, &q, &nonce) && send_authorized(c, fx, p, buf_span(&line));
    if (sent) {
        row_text(&p->auth_nonce, nonce);
        p->auth_tries++;
    }
    buf_fini(&line);
    return sent;
}

/* --- the response --- */

/* RFC 5057 §5.1: it would end the dialog of who asked, or the call in it; but only the other side's is concerned. 405
 * and 501 are about the method, and he should know. */
static bool ends_dialog(unsigned status)
{
    static const unsigned list[] = {404, 410, 416, 480, 481, 482, 483, 484, 485, 489, 502, 604};
    for (size_t i = 0; i < COUNT(list); i++) {
        if (list[i] == status)
            return true;
    }
    return false;
}

/*
 * What is between us and who answers is nothing who asked could do anything about, and must not end his dialog: no
 * answer is 504, for RFC 4320 §4.2 has no 408 here; a challenge is refused; 503 would speak of us.
 */
static unsigned status_for_asker(unsigned status)
{
    if (status == 0 || status == 408)
        return 504;
    if (status == 401 || status == 407)
        return 403;
    return (status >= 300 && status < 400) || status == 503 || status > 699 || ends_dialog(status) ? 500 : status;
}

/* m: NULL: there is none. Its transaction goes on among those that are kept for repeats. */
static void answer(struct call *c, struct call_effects *fx, Store__Relay *p, unsigned status, const struct sip_msg *m)
{
    struct buf out;
    struct span body = m != NULL && m->body.len <= PASS_BODY_MAX ? m->body : SPAN("");
    Store__ServerTxn *txn = p->asked;
    p->asked = NULL;
    leg_txn_add(c, txn);
    leg_begin_kept(&out, txn, status);
    if (m != NULL)
        copy_headers(&out, m, response_headers, COUNT(response_headers));
    if (m == NULL || !sip_msg_has(m, SIP_H_RETRY_AFTER))
        leg_put_retry(&out, c, status);
    leg_send_body(c, fx, txn, &out, status, m != NULL ? type_of(m) : SPAN(""), body);
}

static void drop(struct call *c, const Store__Relay *p)
{
    Store__CallRow *row = c->row;
    size_t at = 0;
    while (at < row->n_passes && row->passes[at] != p)
        at++;
    store__relay__free_unpacked(row_list_take(&row->passes, &row->n_passes, at), NULL);
}

void pass_take_response(struct call *c, struct call_effects *fx, const struct call_input *in)
{
    Store__Relay *p = pass_of_response(c, in->txn);
    unsigned status = status_for_asker(in->status);
    if (answers_challenge(c, fx, p, in))
        return;
    answer(c, fx, p, status, status == in->status ? in->msg : NULL);
    drop(c, p);
}

/* --- the end, and after a death --- */

void pass_end(struct call *c, struct call_effects *fx)
{
    while (c->row->n_passes > 0) {
        answer(c, fx, c->row->passes[0], 487, NULL);
        drop(c, c->row->passes[0]);
    }
}

static bool is_too_old(const struct call *c, const Store__Relay *p, struct now now)
{
    return (uint64_t)now.wall_ms > p->asked_wall_ms + (uint64_t)GIVE_UP_FACTOR * c->conf->t1_ms;
}

void pass_ask_again(struct call *c, struct call_effects *fx, struct now now)
{
    for (size_t i = 0; i < c->row->n_passes;) {
        Store__Relay *p = c->row->passes[i];
        if (is_too_old(c, p, now)) {
            answer(c, fx, p, status_for_asker(0), NULL);
            drop(c, p);
            c->dirty = true;
            continue;
        }
        fx_request(fx, method_text(p->request), p->request, p->to);
        i++;
    }
}
