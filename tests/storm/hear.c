/* What a party does with what it hears, and what it may expect of it. */
#include "tests/storm/storm.h"

#define T1_MS 500
#define TWO_MAX_MS 4000

/* RFC 3264 §6.1: what an answer to an offer of this direction may say. */
static const unsigned answers[DIRECTIONS] = {[SENDRECV] = 1 << SENDRECV | 1 << SENDONLY | 1 << RECVONLY | 1 << INACTIVE,
                                             [SENDONLY] = 1 << RECVONLY | 1 << INACTIVE,
                                             [RECVONLY] = 1 << SENDONLY | 1 << INACTIVE,
                                             [INACTIVE] = 1 << INACTIVE};

static struct span uri_of(struct span contact)
{
    size_t from = span_find(contact, '<') + 1;
    struct span rest = span_from(contact, from);
    return span_of(rest.p, span_find(rest, '>'));
}

void party_takes_target(struct party *p, const struct sip_msg *m)
{
    struct span uri = uri_of(sip_msg_value(m, SIP_H_CONTACT));
    if (uri.len > 0)
        (void)snprintf(p->target, sizeof(p->target), "%.*s", SPAN_ARG(uri));
}

/* --- responses --- */

static struct out *out_of(struct party *p, const struct sip_msg *m)
{
    for (size_t i = 0; i < TXNS_MAX; i++) {
        struct out *o = &p->out[i];
        if (o->used && o->method == m->method && span_eq(m->via.branch, span_cstr(o->branch)))
            return o;
    }
    return NULL;
}

static void answered(struct party *p, struct out *o, const struct sip_msg *m, bool first)
{
    char routes[256];
    party_takes_target(p, m);
    if (first && p->state == PARTY_CALLING) {
        joined(routes, sizeof(routes), m, SIP_H_RECORD_ROUTE);
        STORM_HOLDS(strcmp(routes, p->routes) == 0, "Record-Route comes back whole and in order: %s", routes);
        (void)snprintf(p->their_tag, ID_BYTES, "%.*s", SPAN_ARG(m->to_tag));
        p->answered = true;
        STORM_HOLDS(m->body.len > 0 || p->early_answer, "the offer has an answer");
    }
    STORM_HOLDS(span_eq(m->to_tag, span_cstr(p->their_tag)), "the To tag of party %u's dialog", p->no);
    if (first) {
        STORM_HOLDS((answers[p->offered] >> say_direction(m->body) & 1) != 0, "%u is no answer to an offer of %u",
                    say_direction(m->body), p->offered);
        see_sdp(p, m->body);
    }
    if (!p->silent)
        say_ack(p, m);
    if (!first || o != p->invite || p->state != PARTY_CALLING)
        return;
    timer_cancel(&storm_timers, &p->act);
    party_talks(p);
    if (p->cancelled && !p->silent)
        party_hangs_up(p);
}

static void check_refusal(const struct party *p, unsigned status)
{
    bool has_phones = strcmp(p->peer, "1") == 0;
    STORM_HOLDS(!has_phones || status / 100 != 5, "party %u calls somebody who has phones, and gets %u", p->no, status);
    phone_check_refusal(p, status);
}

static void final(struct party *p, struct out *o, const struct sip_msg *m)
{
    bool first = o->final == 0;
    if (!first && o->final != m->status) {
        /* A repeat that the network held back, and a new edge: it asks the actor, who knows that this was answered. */
        bool lost_memory = world_edge_died_since(o->born_ms) || line_broke_since(p->line, o->born_ms);
        bool is_fork = o->final == 482; /* the other way's call is over: to an edge that is new it is another call */
        lost_memory = lost_memory && (is_fork || m->status == 503 || m->status == 482 || o->method != SIP_M_INVITE);
        /* A challenge over UDP leaves nothing behind at the edge, and a new actor has not seen its nonce used. */
        bool is_challenge = m->status == 401 || o->final == 401;
        STORM_HOLDS(lost_memory || is_challenge, "%s had %u, now %u (party %u)", o->branch, o->final, m->status, p->no);
        return;
    }
    o->final = m->status;
    say_stop(o);
    if (o->method == SIP_M_INVITE && m->status < 300) {
        answered(p, o, m, first);
    } else if (o->method == SIP_M_INVITE) {
        say_ack_refusal(o, m);
        if (p->calls_person && p->state == PARTY_CALLING)
            check_refusal(p, m->status);
        if (first && p->state == PARTY_CALLING)
            party_over(p);
    } else if (o->method == SIP_M_CANCEL) {
        bool known = !world_edge_died_since(p->born_ms); /* a new edge cannot say what it cancels */
        STORM_HOLDS(m->status == 200 || (m->status == 481 && !known), "CANCEL gets %u", m->status);
    } else if (o->method == SIP_M_PRACK && first) {
        prack_told(p, o, m->status);
    } else if (o->method == SIP_M_REFER && first) {
        refer_told(p, o, m->status);
    } else if (o->method == SIP_M_REGISTER && first) {
        phone_hears(phone_of(p), o, m);
    } else if (o->method == SIP_M_BYE) {
        bool is_gone = p->bye_came || world_edge_died_since(o->born_ms) ||
                       party_may_be_left(p); /* both at once; or it was heard before */
        STORM_HOLDS(m->status == 200 || (m->status == 481 && is_gone), "the BYE of party %u gets %u", p->no, m->status);
    }
}

static void hear_response(struct party *p, const struct sip_msg *m)
{
    struct out *o = out_of(p, m);
    if (o == NULL)
        return; /* a late repeat of something that is long over */
    if (m->status >= 200) {
        final(p, o, m);
        return;
    }
    o->provisional = true;
    if (o->method == SIP_M_INVITE && p->state == PARTY_CALLING && m->status > 100)
        prack_hear(p, m);
    if (o->method == SIP_M_INVITE && p->wants_cancel && !timer_is_set(&p->act) && o->final == 0)
        say_cancel(p);
}

/* --- requests --- */

void party_says_2xx_again(struct timer *t, int64_t now_ms)
{
    struct party *p = t->owner;
    if (now_ms >= p->two_until_ms && line_broke_since(p->line, p->born_ms)) {
        party_over(p); /* it was asked over a connection that is gone, and answers a call that has gone elsewhere */
        return;
    }
    STORM_HOLDS(now_ms < p->two_until_ms, "a 2xx is acknowledged (party %u)", p->no);
    say_again(p->invited);
    p->two_ms = p->two_ms * 2 < TWO_MAX_MS ? p->two_ms * 2 : TWO_MAX_MS;
    storm_timer_in(t, p->two_ms);
}

static void pick_up(struct party *p, const struct sip_msg *m)
{
    char sdp[512];
    p->invited =
        say_response(p, m, 200, say_sdp(p, m->body.len > 0 ? say_answer_to(say_direction(m->body)) : SENDRECV, sdp));
    p->acked = false;
    p->picked_up = true;
    p->two_ms = T1_MS;
    p->two_until_ms = virt_now.mono_ms + 64 * T1_MS;
    storm_timer_in(&p->two, T1_MS);
}

static const struct sip_msg *invite_again(const struct party *p)
{
    static struct sip_msg m;
    (void)sip_msg_decode(&m, span_cstr(p->invite_text));
    return &m;
}

static void refuse(struct party *p, unsigned status)
{
    if (p->rung_by != NULL)
        p->rung_by->refusals |= 1U << (status % 32);
    (void)say_response(p, invite_again(p), status, "");
    party_over(p);
}

/* A phone rings, and somebody comes or does not. */
void party_rings_on(struct party *p)
{
    static const unsigned refusals[] = {486, 480, 603, 404};
    uint32_t what = party_is_calm ? 999 : storm_rnd(1000);
    if (prack_waits(p)) {
        storm_timer_in(&p->act, storm_ms(10, 1000));
    } else if (what < 300) {
        if (!prack_rings(p, invite_again(p)))
            (void)say_response(p, invite_again(p), 180, "");
        storm_timer_in(&p->act, storm_ms(10, 5000));
    } else if (what < 750) {
        pick_up(p, invite_again(p));
        party_talks(p);
    } else if (what < 850) {
        return; /* nobody comes */
    } else {
        p->invited = NULL;
        refuse(p, refusals[storm_rnd(4)]);
    }
}

/* Descriptions go from end to end, and say whose they are. */
static struct party *caller_of(const struct sip_msg *invite)
{
    const char *at = memmem(invite->body.p, invite->body.len, "o=p", 3);
    unsigned long no = at != NULL ? strtoul(at + 3, NULL, 10) : PARTIES_MAX;
    return no < party_cnt ? &parties[no] : NULL;
}

static void rung(const struct sip_msg *m)
{
    struct party *p = party_new(false);
    p->rung_by = caller_of(m);
    p->line = phone_line(m->uri);
    if (p->rung_by != NULL)
        (void)snprintf(p->user, sizeof(p->user), "%s", phone_rung(p->rung_by, m->uri));
    p->state = PARTY_RINGING;
    (void)snprintf(p->call_id, ID_BYTES, "%.*s", SPAN_ARG(m->call_id));
    (void)snprintf(p->their_tag, ID_BYTES, "%.*s", SPAN_ARG(m->from_tag));
    (void)snprintf(p->invite_text, TEXT_BYTES, "%.*s", SPAN_ARG(m->raw));
    STORM_HOLDS(m->raw.len < TEXT_BYTES, "an INVITE fits");
    p->their_cseq = m->cseq.num;
    (void)snprintf(p->said[p->said_cnt++], ID_BYTES, "%.*s", SPAN_ARG(m->via.branch));
    party_takes_target(p, m);
    see_sdp(p, m->body);
    if (p->rung_by == NULL)
        control_rung(p);
    storm_timer_in(&p->act, storm_ms(1, 500));
}

static void cancelled(struct party *p, const struct sip_msg *m)
{
    (void)say_response(p, m, 200, "");
    if (p->state != PARTY_RINGING)
        return;
    (void)say_response(p, invite_again(p), 487, "");
    party_over(p);
}

static void ended(struct party *p, const struct sip_msg *m)
{
    (void)say_response(p, m, 200, "");
    if (p->state == PARTY_RINGING)
        (void)say_response(p, invite_again(p), 487, "");
    party_over(p);
}

static void hear_request(struct party *p, const struct sip_msg *m)
{
    struct in *again = say_find(p, m);
    if (m->method == SIP_M_ACK) {
        bool ours = p->invited != NULL && m->cseq.num == p->invited->cseq;
        p->acked = p->acked || ours;
        if (ours)
            timer_cancel(&storm_timers, &p->two);
    } else if (again != NULL) {
        say_again(again);
    } else if (m->method == SIP_M_CANCEL) {
        cancelled(p, m);
    } else if (m->method == SIP_M_INVITE && m->to_tag.len == 0) {
        return; /* a repeat while it rings */
    } else if (m->method == SIP_M_PRACK) {
        prack_heard(p, m);
    } else if (m->method == SIP_M_NOTIFY) {
        (void)say_response(p, m, 200, "");
        refer_hears(p, m);
    } else if (p->state == PARTY_OVER) {
        (void)say_response(p, m, m->method == SIP_M_BYE ? 200 : 481, "");
    } else if (m->method == SIP_M_BYE) {
        ended(p, m);
    } else if (m->method == SIP_M_INVITE && (party_invites(p) || party_answers(p))) {
        p->refused_offer = p->refused_offer || m->body.len > 0;
        (void)say_response(p, m, 491, "");
    } else if (m->method == SIP_M_INVITE) {
        see_sdp(p, m->body);
        pick_up(p, m);
    } else {
        (void)say_response(p, m, 200, "");
    }
}

void party_hear(struct span bytes)
{
    static struct sip_msg m;
    if (span_eq(bytes, SPAN("\r\n\r\n")))
        return; /* for the NAT */
    STORM_HOLDS(sip_msg_decode(&m, bytes) == 0, "what is sent is well-formed");
    struct party *p = party_of(&m);
    if (p != NULL && m.is_request)
        hear_request(p, &m);
    else if (p != NULL)
        hear_response(p, &m);
    else if (m.is_request && m.method == SIP_M_INVITE && m.to_tag.len == 0)
        rung(&m);
    if (p != NULL && (m.is_request || m.status != 481))
        p->heard_ms = virt_now.mono_ms;
}
