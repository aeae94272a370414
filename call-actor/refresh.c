#include "call-actor/refresh.h"

#include "call-actor/dialog.h"
#include "call-actor/digest_client.h"
#include "call-actor/leg.h"
#include "call-actor/onward.h"
#include "call-actor/out_leg.h"
#include "call-actor/relay.h"
#include "call-actor/session_timer.h"
#include "call-actor/transfer.h"
#include "common/base/err.h"
#include "common/base/id.h"
#include "common/sip/sip_caps.h"
#include "common/sip/sip_write.h"

#define SIDES_MAX 3u

/* --- whom --- */

static size_t add_leg(const struct call *c, struct side out[SIDES_MAX], size_t cnt, uint32_t id)
{
    struct side s = side_of(c, id);
    if (id != SIDE_CALLER && s.leg != NULL && out_leg_is_up(s.leg))
        out[cnt++] = s;
    return cnt;
}

/* The caller, whom he talks to, and whom he talked to when somebody else is being put in his place: those whose dialogs
 * are confirmed. */
static size_t sides_of(const struct call *c, struct side out[SIDES_MAX])
{
    size_t cnt = 0;
    if (c->row->a != NULL)
        out[cnt++] = side_of(c, SIDE_CALLER);
    cnt = add_leg(c, out, cnt, c->row->winner);
    uint32_t old = transfer_old(c);
    return old != c->row->winner ? add_leg(c, out, cnt, old) : cnt;
}

bool refresh_concerns(const struct call *c, const struct side *side)
{
    struct side sides[SIDES_MAX];
    size_t cnt = sides_of(c, sides);
    for (size_t i = 0; i < cnt; i++) {
        if (sides[i].id == side->id)
            return true;
    }
    return false;
}

static bool is_method(const Store__ClientTxn *txn, const char *method)
{
    return txn != NULL && strcmp(txn->method, method) == 0;
}

/* Also of a leg that is over: its late 2xx is acknowledged. */
struct side refresh_side_of(const struct call *c, struct span branch)
{
    for (uint32_t id = 0; id <= c->row->n_out_legs; id++) {
        struct side s = side_of(c, id);
        if (s.d != NULL && s.d->session != NULL && leg_request_is(s.d->session->request, branch))
            return s;
    }
    return (struct side){.d = NULL};
}

Store__ClientTxn *refresh_invite_out(const struct call *c, uint32_t *to)
{
    struct side sides[SIDES_MAX];
    size_t cnt = sides_of(c, sides);
    for (size_t i = 0; i < cnt; i++) {
        Store__ClientTxn *txn = session_of(sides[i].d)->request;
        *to = sides[i].id;
        if (leg_request_is_out(txn) && is_method(txn, "INVITE"))
            return txn;
    }
    return NULL;
}

bool refresh_is_exchange(const struct call *c)
{
    uint32_t to;
    return refresh_invite_out(c, &to) != NULL;
}

bool refresh_is_updating(const Store__Dialog *d)
{
    const Store__ClientTxn *txn = d->session != NULL ? d->session->request : NULL;
    return leg_request_is_out(txn) && is_method(txn, "UPDATE");
}

struct span refresh_sdp_for(const struct call *c, const struct side *side)
{
    return side_is_bridged(c) ? session_sdp(side_other(c, side->id).d) : row_span(c->row->answer);
}

bool refresh_is_news(const struct call *c, const struct side *side)
{
    const Store__ClientTxn *txn = session_of(side->d)->request;
    return leg_request_is_out(txn) && is_method(txn, "INVITE") &&
           onward_is_same(leg_request_body(txn), refresh_sdp_for(c, side));
}

bool refresh_is_plain(const struct call *c, const struct side *side, struct span sdp)
{
    bool timed = side->d->session != NULL && side->d->session->interval_s != 0;
    return timed && sdp.len > 0 && span_eq(sdp, session_sdp(side->d)) && refresh_sdp_for(c, side).len > 0;
}

/* --- asking --- */

/* Two of one kind may not be out together (RFC 3261 §14.1, RFC 3311 §5.1). An UPDATE of ours is no offer: it may leave
 * beside a re-INVITE, whose answer can take longer than the session lasts. */
static bool must_wait(const struct call *c, uint32_t to, const char *method)
{
    if (strcmp(method, "INVITE") != 0)
        return relay_updates(c, to);
    return relay_glare(c, SIDE_CALLER) != 0 || refresh_is_exchange(c) || leg_txn_pending(c) != NULL ||
           leg_txn_unacked(c) != NULL;
}

static void put_offer(struct buf *raw, const struct call *c, const struct side *to, const char *method)
{
    struct buf sdp;
    buf_init(&sdp, SIP_MSG_BYTES_MAX);
    if (strcmp(method, "INVITE") == 0)
        onward_put(&sdp, to->d, refresh_sdp_for(c, to));
    leg_put_sdp(raw, buf_span(&sdp));
    buf_fini(&sdp);
}

/* auth: a header line, or empty. */
static void ask(struct call *c, struct call_effects *fx, const struct side *to, const char *method, struct span auth)
{
    struct buf raw;
    Store__Session *s = session_of(to->d);
    uint32_t cseq = ++to->d->local_cseq;
    bool options = strcmp(method, "OPTIONS") == 0;
    buf_init(&raw, SIP_MSG_BYTES_MAX);
    dialog_write_request(&raw, to->d, span_cstr(method), cseq);
    buf_put_span(&raw, auth);
    if (options) {
        sip_write_hdr_z(&raw, SIP_H_ACCEPT, SIP_CAPS_ACCEPT);
    } else {
        leg_put_invite(&raw, c, to->d, to->d->peer, false);
        session_put_ask(&raw, to->d, &c->conf->session);
    }
    sip_write_hdr_z(&raw, SIP_H_USER_AGENT, c->conf->agent);
    put_offer(&raw, c, to, method);
    if (raw.failed)
        die(EX_INTERNAL, "a refresh of ours has no room");
    leg_request_put(&s->request, leg_request_new(c, method, to->d, cseq, buf_span(&raw)));
    leg_request_put(&s->ack, NULL);
    buf_fini(&raw);
    fx_request(fx, method, s->request, to->id);
}

/* Without a session description to say there is only UPDATE. */
static const char *method_for(const struct call *c, const struct side *to)
{
    const Store__Session *s = session_of(to->d);
    if (s->offers)
        return "INVITE";
    if (s->interval_s == 0)
        return "OPTIONS";
    return to->d->allows_update || refresh_sdp_for(c, to).len == 0 ? "UPDATE" : "INVITE";
}

static void send_one(struct call *c, struct call_effects *fx, const struct side *to, struct now now)
{
    const char *method = method_for(c, to);
    if (must_wait(c, to->id, method))
        session_of(to->d)->due_wall_ms = (uint64_t)now.wall_ms + session_ms(&c->conf->session, 1);
    else
        ask(c, fx, to, method, SPAN(""));
}

void refresh_send_due(struct call *c, struct call_effects *fx, struct now now)
{
    struct side sides[SIDES_MAX];
    size_t cnt = sides_of(c, sides);
    for (size_t i = 0; i < cnt; i++) {
        const Store__Session *s = session_of(sides[i].d);
        if (s->due_wall_ms != 0 && s->due_wall_ms <= (uint64_t)now.wall_ms)
            send_one(c, fx, &sides[i], now);
    }
}

void refresh_offer(struct call *c, struct call_effects *fx, const struct side *to, struct now now)
{
    session_of(to->d)->offers = true;
    session_of(to->d)->crossed = 0;
    send_one(c, fx, to, now);
}

void refresh_ask_again(const struct call *c, struct call_effects *fx)
{
    struct side sides[SIDES_MAX];
    size_t cnt = sides_of(c, sides);
    for (size_t i = 0; i < cnt; i++) {
        const Store__ClientTxn *txn = session_of(sides[i].d)->request;
        if (!leg_request_is_out(txn))
            continue;
        fx_request(fx,
                   is_method(txn, "INVITE")   ? "INVITE"
                   : is_method(txn, "UPDATE") ? "UPDATE"
                                              : "OPTIONS",
                   txn, sides[i].id);
        if (txn->overdue)
            fx_cancel(fx, row_span(txn->branch), SPAN(""), sides[i].id);
    }
}

/* --- deadlines --- */

struct side refresh_expired(const struct call *c, uint64_t at_wall_ms)
{
    struct side sides[SIDES_MAX];
    size_t cnt = sides_of(c, sides);
    for (size_t i = 0; i < cnt; i++) {
        const Store__Session *s = session_of(sides[i].d);
        if (s->expires_wall_ms != 0 && s->expires_wall_ms <= at_wall_ms)
            return sides[i];
    }
    return (struct side){.d = NULL};
}

static uint64_t earliest(struct call *c, struct now now)
{
    struct side sides[SIDES_MAX];
    size_t cnt = sides_of(c, sides);
    uint64_t at = 0;
    for (size_t i = 0; i < cnt; i++) {
        uint64_t next = session_deadline(session_of(sides[i].d), &c->conf->session, now);
        if (at == 0 || (next != 0 && next < at))
            at = next;
    }
    return at;
}

void refresh_arm(struct call *c, struct call_effects *fx, struct now now)
{
    enum call_state state = call_state(c);
    bool talks = state == CALL_ST_ESTABLISHED;
    bool confirmed = talks || state == CALL_ST_ANSWERED || state == CALL_ST_CLOSING;
    uint64_t at = confirmed ? earliest(c, now) : 0; /* from the 2xx on, whenever its ACK comes */
    if (!talks)
        at = 0;
    if (at != c->row->timers[CALL_TMR_SESSION])
        fx_arm(c, fx, CALL_TMR_SESSION, at);
}

/* --- the answer --- */

static bool is_2xx(unsigned status)
{
    return status >= 200 && status < 300;
}

/* Nobody there: no answer in time, or somebody on the way who had none. */
static bool is_silence(const struct call_input *in)
{
    return (in->status == 0 && !in->unreachable) || in->status == 408;
}

static enum refresh_news to_options(const Store__Session *s, const struct call_input *in)
{
    bool silent = in->status == 0 || in->status == 408;
    bool too_often = s->heard && s->silent + 1 >= SESSION_SILENT_MAX;
    return in->status == 481 || (silent && too_often) ? REFRESH_LOST : REFRESH_DONE;
}

enum refresh_news refresh_classify(const struct side *side, const struct call_input *in)
{
    const Store__Session *s = session_of(side->d);
    bool readable = in->status == 0 || in->msg != NULL;
    if ((in->status != 0 && in->status < 200) || !readable)
        return REFRESH_NOTHING;
    if (!leg_request_is_out(s->request)) /* repeated: our ACK was lost */
        return is_2xx(in->status) && s->ack != NULL ? REFRESH_DONE : REFRESH_NOTHING;
    if (is_method(s->request, "OPTIONS"))
        return to_options(s, in);
    bool gone =
        is_silence(in) && !s->request->overdue; /* who has sent a provisional is there, whatever he makes of CANCEL */
    return in->status == 481 || gone ? REFRESH_LOST : REFRESH_DONE;
}

static void acknowledge(struct call *c, struct call_effects *fx, const struct call_step *st)
{
    Store__Session *s = session_of(st->side.d);
    leg_request_put(&s->ack, leg_ack_new(c, st->side.d, s->request->cseq, SPAN("")));
    fx_ack(fx, s->ack, st->side.id, st->in);
}

/* An answer with other media than before is news for the other side. What that one answers then is not: they would
 * never be done. */
static void note_answer(const struct call *c, const struct call_step *st, struct now now)
{
    Store__Session *s = session_of(st->side.d);
    struct side other = side_other(c, st->side.id);
    bool other_media = !onward_is_same(st->sdp, row_span(s->sdp));
    if (st->sdp.len == 0 || !other_media)
        return;
    if (s->sdp.len > 0 && !s->offers && other.d != NULL) {
        session_of(other.d)->offers = true;
        session_of(other.d)->due_wall_ms = (uint64_t)now.wall_ms;
    }
    session_note_sdp(st->side.d, st->sdp);
}

/* told: he has heard what he was to hear. */
static void take_2xx(struct call *c, struct call_effects *fx, const struct call_step *st, bool told, struct now now)
{
    dialog_note_target(st->side.d, st->in->msg);
    session_take_answer(st->side.d, st->in->msg);
    if (!is_method(session_of(st->side.d)->request, "INVITE"))
        return;
    acknowledge(c, fx, st);
    if (side_is_bridged(c))
        note_answer(c, st, now);
    session_of(st->side.d)->crossed = 0;
    if (told)
        session_of(st->side.d)->offers = false;
}

static void take_options(Store__Session *s, unsigned status)
{
    bool silent = status == 0 || status == 408;
    s->silent = silent ? s->silent + 1 : 0;
    s->heard = s->heard || !silent;
}

/* The trunk's challenge, which is answered in the new request. */
static bool answers_challenge(const struct call *c, const struct call_step *st, struct buf *line)
{
    struct span nonce;
    const struct call_input *in = st->in;
    const Store__OutLeg *leg = side_placed_for(c, st->side.id);
    if (leg == NULL || in->msg == NULL || (in->status != 401 && in->status != 407))
        return false;
    const struct out_leg_challenge q = {.response = in->msg, .uri = st->side.d->remote_target, .used = ""};
    return out_leg_answer_challenge(line, c->conf, leg, &q, &nonce);
}

bool refresh_can_ask_otherwise(const struct call *c, const struct call_step *st)
{
    const struct call_input *in = st->in;
    const Store__Session *s = session_of(st->side.d);
    struct buf line;
    if (s->tries >= SESSION_TRIES_MAX || s->request->overdue || relay_glare(c, SIDE_CALLER) != 0 ||
        leg_txn_pending(c) != NULL || leg_txn_unacked(c) != NULL)
        return false;
    if (in->status == 422)
        return in->msg != NULL && session_is_too_small(st->side.d, &c->conf->session, in->msg);
    buf_init(&line, SIP_LINE_BYTES_MAX);
    bool can = answers_challenge(c, st, &line);
    buf_fini(&line);
    return can;
}

bool refresh_has_crossed(const struct side *side, unsigned status)
{
    return status == 491 && session_of(side->d)->crossed < SESSION_CROSSED_MAX;
}

/* A refusal about which something can be done at once. returns whether the request left again */
static bool asks_otherwise(struct call *c, struct call_effects *fx, const struct call_step *st)
{
    Store__Session *s = session_of(st->side.d);
    unsigned status = st->in->status;
    bool unknown = is_method(s->request, "UPDATE") && (status == 405 || status == 501);
    struct buf line;
    if (s->tries >= SESSION_TRIES_MAX || s->request->overdue)
        return false;
    if (unknown)
        st->side.d->allows_update = false;
    bool longer =
        status == 422 && st->in->msg != NULL && session_is_too_small(st->side.d, &c->conf->session, st->in->msg);
    if (longer)
        session_take_too_small(st->side.d, st->in->msg);
    buf_init(&line, SIP_LINE_BYTES_MAX);
    const char *method = method_for(c, &st->side);
    bool again = (unknown && strcmp(method, "INVITE") == 0) || longer || answers_challenge(c, st, &line);
    if (again && !must_wait(c, st->side.id, method)) {
        s->tries++;
        ask(c, fx, &st->side, method, buf_span(&line));
    } else {
        again = false;
    }
    buf_fini(&line);
    return again;
}

static void take_refusal(struct call *c, struct call_effects *fx, const struct call_step *st, bool told, struct now now)
{
    Store__Session *s = session_of(st->side.d);
    bool waits = s->offers && !told; /* for the answer to another request: it is due now */
    bool crossed = refresh_has_crossed(&st->side, st->in->status);
    s->crossed += crossed;
    if (crossed)
        session_retry_glare(s, &c->conf->session, call_key_of(span_cstr(st->side.d->call_id)) == c->row->key, now);
    else if (!asks_otherwise(c, fx, st))
        session_retry_later(s, &c->conf->session, now);
    if (waits && !leg_request_is_out(s->request) && !crossed) {
        s->offers = true;
        s->due_wall_ms = 0;
    }
}

void refresh_take(struct call *c, struct call_effects *fx, const struct call_step *st, struct now now)
{
    Store__Session *s = session_of(st->side.d);
    if (!leg_request_is_out(s->request)) {
        fx_ack(fx, s->ack, st->side.id, st->in);
        return;
    }
    bool told = refresh_is_news(c, &st->side);
    leg_request_answered(s->request);
    if (is_method(s->request, "OPTIONS"))
        take_options(s, st->in->status);
    else if (is_2xx(st->in->status))
        take_2xx(c, fx, st, told, now);
    else
        take_refusal(c, fx, st, told, now);
}

void refresh_take_late(struct call *c, struct call_effects *fx, const struct call_step *st)
{
    Store__Session *s = session_of(st->side.d);
    bool leads_there = st->side.d->remote_target[0] != '\0'; /* or all is over */
    leg_request_answered(s->request);
    if (is_2xx(st->in->status) && is_method(s->request, "INVITE") && leads_there)
        acknowledge(c, fx, st);
}
