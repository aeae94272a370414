/*
 * One side of a dialog at a phone that does what RFC 3261 asks of it, at moments that are drawn; and what it may expect
 * of the service.
 */
#include "tests/storm/storm.h"

#define T1_MS 500
#define TWO_MAX_MS 4000
#define CALMER_MS 4000
#define CANCELS_PERMILLE 200
#define SILENT_PERMILLE 25
#define PROXIED_PERMILLE 250
#define FORKED_PERMILLE 30
#define ROUTES "<sip:192.0.2.77;lr>, <sip:192.0.2.78;lr>"

struct party parties[PARTIES_MAX];
unsigned party_cnt;
int64_t party_patience_ms = CALMER_MS;
static struct sip_msg heard; /* what is being looked at */
static bool calm;

static void on_act(struct timer *t, int64_t now_ms);
static void on_two(struct timer *t, int64_t now_ms);

static struct party *new_party(bool caller)
{
    STORM_HOLDS(party_cnt < PARTIES_MAX, "there is room for a party");
    struct party *p = &parties[party_cnt];
    p->no = party_cnt++;
    p->caller = caller;
    p->born_ms = virt.now.mono_ms;
    timer_init(&p->act, on_act, p);
    timer_init(&p->two, on_two, p);
    (void)snprintf(p->our_tag, ID_BYTES, "t%u", p->no);
    return p;
}

static struct party *party_of(const struct sip_msg *m)
{
    struct span tag = m->is_request ? m->to_tag : m->from_tag;
    for (unsigned i = 0; i < party_cnt; i++) {
        struct party *p = &parties[i];
        bool ours = span_eq(tag, span_cstr(p->our_tag)) ||
                    (m->is_request && tag.len == 0 && span_eq(m->from_tag, span_cstr(p->their_tag)));
        if (ours && span_eq(m->call_id, span_cstr(p->call_id)))
            return p;
    }
    return NULL;
}

/* --- calls --- */

void party_call(void)
{
    char sdp[512];
    char extra[256] = "";
    struct party *p = new_party(true);
    bool person = storm_chance(500);
    (void)snprintf(p->call_id, ID_BYTES, "call-%u", p->no);
    (void)snprintf(p->target, sizeof(p->target), "sip:%s@192.0.2.1", person ? "1" : "902121234567");
    p->state = PARTY_CALLING;
    p->silent = storm_chance(SILENT_PERMILLE);
    if (storm_chance(PROXIED_PERMILLE)) {
        (void)snprintf(p->routes, sizeof(p->routes), ROUTES);
        (void)snprintf(extra, sizeof(extra),
                       "Record-Route: <sip:192.0.2.77;lr>\r\nRecord-Route: <sip:192.0.2.78;lr>\r\n");
    }
    p->invite = say_request(p, "INVITE", extra, say_sdp(p, SENDRECV, sdp));
    p->offered = SENDRECV;
    if (storm_chance(FORKED_PERMILLE))
        say_copy(p->invite);
    if (storm_chance(CANCELS_PERMILLE)) {
        p->wants_cancel = true;
        storm_timer_in(&p->act, storm_ms(1, 2000));
    }
}

/* --- a call that is up --- */

static bool invite_is_out(const struct party *p)
{
    return p->invite != NULL && p->invite->final == 0;
}

static bool is_answering(const struct party *p)
{
    return p->invited != NULL && !p->acked;
}

/* A re-INVITE whose dialog ends is over with it: its 2xx may have been lost, and is not repeated to the dead. */
static void drop_reinvites(struct party *p)
{
    for (size_t i = 0; i < TXNS_MAX; i++) {
        struct out *o = &p->out[i];
        if (o->used && o->method == SIP_M_INVITE && o->final == 0) {
            say_stop(o);
            o->used = false;
        }
    }
}

static void over(struct party *p)
{
    if (p->state == PARTY_UP)
        drop_reinvites(p);
    p->state = PARTY_OVER;
    timer_cancel(&storm_timers, &p->act);
    timer_cancel(&storm_timers, &p->two);
}

static void hang_up(struct party *p)
{
    timer_cancel(&storm_timers, &p->act);
    (void)say_request(p, "BYE", "", "");
    over(p);
}

static void act_later(struct party *p)
{
    storm_timer_in(&p->act, calm ? storm_ms(1, 500) : storm_ms(20, party_patience_ms));
}

static void talk(struct party *p)
{
    p->state = PARTY_UP;
    p->acts_left = storm_rnd(4);
    if (!p->silent)
        act_later(p);
}

static void say_something(struct party *p)
{
    char sdp[512];
    switch (storm_rnd(4)) {
    case 0:
        (void)say_request(p, "OPTIONS", "", "");
        break;
    case 1:
        (void)say_request(p, "INFO", "Content-Type: application/dtmf-relay\r\n", "Signal=5\r\nDuration=160\r\n");
        break;
    default:
        if (invite_is_out(p) || is_answering(p))
            return;
        p->offered = storm_rnd(DIRECTIONS);
        p->invite = say_request(p, "INVITE", "", say_sdp(p, p->offered, sdp));
    }
}

static void ring_on(struct party *p);

static void on_act(struct timer *t, int64_t now_ms)
{
    struct party *p = t->owner;
    (void)now_ms;
    if (p->state == PARTY_CALLING) {
        if (p->wants_cancel && p->invite->provisional && p->invite->final == 0)
            say_cancel(p);
    } else if (p->state == PARTY_RINGING) {
        ring_on(p);
    } else if (p->state == PARTY_UP && (invite_is_out(p) || is_answering(p))) {
        act_later(p);
    } else if (p->state == PARTY_UP && p->acts_left > 0) {
        p->acts_left--;
        say_something(p);
        act_later(p);
    } else if (p->state == PARTY_UP && (p->caller || storm_chance(300))) {
        hang_up(p);
    }
}

/* --- what the service described --- */

static struct span line_of(struct span sdp, const char *start)
{
    const char *at = memmem(sdp.p, sdp.len, start, strlen(start));
    if (at == NULL)
        return span_of(sdp.p, 0);
    struct span rest = span_from(sdp, (size_t)(at - sdp.p));
    return span_of(rest.p, span_find(rest, '\r'));
}

/* "o=x session version ...": what comes before the version, and the version. */
static struct span origin(struct span line, unsigned long *version)
{
    size_t first = span_find(line, ' ');
    size_t second = first + 1 + span_find(span_from(line, first + 1), ' ');
    *version = strtoul(line.p + second, NULL, 10);
    return span_of(line.p, second);
}

static bool same_but_origin(struct span a, struct span b)
{
    struct span oa = line_of(a, "o="), ob = line_of(b, "o=");
    return span_eq(span_of(a.p, (size_t)(oa.p - a.p)), span_of(b.p, (size_t)(ob.p - b.p))) &&
           span_eq(span_from(a, (size_t)(oa.p - a.p) + oa.len), span_from(b, (size_t)(ob.p - b.p) + ob.len));
}

/* RFC 3264 §8: the version grows with what is described, and only then. */
static void see_sdp(struct party *p, struct span sdp)
{
    struct span old = span_cstr(p->their_sdp);
    unsigned long before = 0, now = 0;
    if (sdp.len == 0)
        return;
    struct span session = origin(line_of(sdp, "o="), &now);
    if (old.len > 0 && span_eq(session, origin(line_of(old, "o="), &before)) && !span_eq(old, sdp)) {
        STORM_HOLDS(now >= before, "party %u: the version of a session grows: %lu, %lu", p->no, before, now);
        bool other_phone = span_starts(session, SPAN("o=p")); /* … may have described what we never saw: 491 */
        STORM_HOLDS((now == before) == same_but_origin(old, sdp) || (now > before && other_phone),
                    "party %u: %lu, %lu: the version grows when the rest changes", p->no, before, now);
    }
    (void)snprintf(p->their_sdp, sizeof(p->their_sdp), "%.*s", SPAN_ARG(sdp));
}

/* RFC 3264 §6.1: what an answer to an offer of this direction may say. */
static const unsigned answers[DIRECTIONS] = {[SENDRECV] = 1 << SENDRECV | 1 << SENDONLY | 1 << RECVONLY | 1 << INACTIVE,
                                             [SENDONLY] = 1 << RECVONLY | 1 << INACTIVE,
                                             [RECVONLY] = 1 << SENDONLY | 1 << INACTIVE,
                                             [INACTIVE] = 1 << INACTIVE};
static const unsigned answer_to[DIRECTIONS] = {SENDRECV, RECVONLY, SENDONLY, INACTIVE};

static struct span uri_of(struct span contact)
{
    size_t from = span_find(contact, '<') + 1;
    struct span rest = span_from(contact, from);
    return span_of(rest.p, span_find(rest, '>'));
}

static void take_target(struct party *p, const struct sip_msg *m)
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

static void joined(char *to, size_t size, const struct sip_msg *m, enum sip_hdr_id id)
{
    struct sip_values it;
    struct span v;
    size_t n = 0;
    to[0] = '\0';
    sip_values_init(&it, m, id);
    while (sip_values_next(&it, &v) && n < size)
        n += (size_t)snprintf(to + n, size - n, "%s%.*s", n > 0 ? ", " : "", SPAN_ARG(v));
}

static void answered(struct party *p, struct out *o, const struct sip_msg *m, bool first)
{
    char routes[256];
    take_target(p, m);
    if (first && p->state == PARTY_CALLING) {
        joined(routes, sizeof(routes), m, SIP_H_RECORD_ROUTE);
        STORM_HOLDS(strcmp(routes, p->routes) == 0, "Record-Route comes back whole and in order: %s", routes);
        (void)snprintf(p->their_tag, ID_BYTES, "%.*s", SPAN_ARG(m->to_tag));
        p->answered = true;
        STORM_HOLDS(m->body.len > 0, "the offer has an answer");
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
    talk(p);
    if (p->cancelled && !p->silent)
        hang_up(p);
}

static void final(struct party *p, struct out *o, const struct sip_msg *m)
{
    bool first = o->final == 0;
    if (!first && o->final != m->status) {
        /* A repeat that the network held back, and a new edge: it asks the actor, who knows that this was answered. */
        bool lost_memory =
            world_edge_died_since(o->born_ms) && (m->status == 503 || m->status == 482 || o->method != SIP_M_INVITE);
        STORM_HOLDS(lost_memory, "%s had %u, now %u (party %u)", o->branch, o->final, m->status, p->no);
        return;
    }
    o->final = m->status;
    say_stop(o);
    if (o->method == SIP_M_INVITE && m->status < 300) {
        answered(p, o, m, first);
    } else if (o->method == SIP_M_INVITE) {
        say_ack_refusal(o, m);
        if (first && p->state == PARTY_CALLING)
            over(p);
    } else if (o->method == SIP_M_CANCEL) {
        bool known = !world_edge_died_since(p->born_ms); /* a new edge cannot say what it cancels */
        STORM_HOLDS(m->status == 200 || (m->status == 481 && !known), "CANCEL gets %u", m->status);
    } else if (o->method == SIP_M_BYE) {
        bool is_gone = p->bye_came || world_edge_died_since(o->born_ms); /* both at once; or it was heard before */
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
    if (o->method == SIP_M_INVITE && p->wants_cancel && !timer_is_set(&p->act) && o->final == 0)
        say_cancel(p);
}

/* --- requests --- */

static void on_two(struct timer *t, int64_t now_ms)
{
    struct party *p = t->owner;
    STORM_HOLDS(now_ms < p->two_until_ms, "a 2xx is acknowledged (party %u)", p->no);
    say_again(p->invited);
    p->two_ms = p->two_ms * 2 < TWO_MAX_MS ? p->two_ms * 2 : TWO_MAX_MS;
    storm_timer_in(t, p->two_ms);
}

static void pick_up(struct party *p, const struct sip_msg *m)
{
    char sdp[512];
    p->invited =
        say_response(p, m, 200, say_sdp(p, m->body.len > 0 ? answer_to[say_direction(m->body)] : SENDRECV, sdp));
    p->acked = false;
    p->two_ms = T1_MS;
    p->two_until_ms = virt.now.mono_ms + 64 * T1_MS;
    storm_timer_in(&p->two, T1_MS);
}

static const struct sip_msg *invite_again(const struct party *p)
{
    static struct sip_msg m;
    (void)sip_msg_decode(&m, span_cstr(p->invite_text));
    return &m;
}

/* A phone rings, and somebody comes or does not. */
static void ring_on(struct party *p)
{
    static const unsigned refusals[] = {486, 480, 603, 404};
    uint32_t what = calm ? 999 : storm_rnd(1000);
    if (what < 300) {
        (void)say_response(p, invite_again(p), 180, "");
        storm_timer_in(&p->act, storm_ms(10, 5000));
    } else if (what < 750) {
        pick_up(p, invite_again(p));
        talk(p);
    } else if (what < 850) {
        return; /* nobody comes */
    } else {
        p->invited = NULL;
        (void)say_response(p, invite_again(p), refusals[storm_rnd(4)], "");
        over(p);
    }
}

static void rung(const struct sip_msg *m)
{
    struct party *p = new_party(false);
    p->state = PARTY_RINGING;
    (void)snprintf(p->call_id, ID_BYTES, "%.*s", SPAN_ARG(m->call_id));
    (void)snprintf(p->their_tag, ID_BYTES, "%.*s", SPAN_ARG(m->from_tag));
    (void)snprintf(p->invite_text, TEXT_BYTES, "%.*s", SPAN_ARG(m->raw));
    STORM_HOLDS(m->raw.len < TEXT_BYTES, "an INVITE fits");
    p->their_cseq = m->cseq.num;
    (void)snprintf(p->said[p->said_cnt++], ID_BYTES, "%.*s", SPAN_ARG(m->via.branch));
    take_target(p, m);
    see_sdp(p, m->body);
    storm_timer_in(&p->act, storm_ms(1, 500));
}

static void cancelled(struct party *p, const struct sip_msg *m)
{
    (void)say_response(p, m, 200, "");
    if (p->state != PARTY_RINGING)
        return;
    (void)say_response(p, invite_again(p), 487, "");
    over(p);
}

static void ended(struct party *p, const struct sip_msg *m)
{
    (void)say_response(p, m, 200, "");
    if (p->state == PARTY_RINGING)
        (void)say_response(p, invite_again(p), 487, "");
    over(p);
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
    } else if (p->state == PARTY_OVER) {
        (void)say_response(p, m, m->method == SIP_M_BYE ? 200 : 481, "");
    } else if (m->method == SIP_M_BYE) {
        ended(p, m);
    } else if (m->method == SIP_M_INVITE && (invite_is_out(p) || is_answering(p))) {
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
    STORM_HOLDS(sip_msg_decode(&m, bytes) == 0, "what is sent is well-formed");
    struct party *p = party_of(&m);
    if (p != NULL && m.is_request)
        hear_request(p, &m);
    else if (p != NULL)
        hear_response(p, &m);
    else if (m.is_request && m.method == SIP_M_INVITE && m.to_tag.len == 0)
        rung(&m);
}

/* --- as it leaves the service --- */

/* A phone that is to ring: one lost datagram must not keep it from that. */
static struct first {
    char call_id[ID_BYTES];
    unsigned said;
    int64_t since_ms;
    struct timer timer;
} firsts[PARTIES_MAX + 1];
static unsigned first_cnt;

static void on_first(struct timer *t, int64_t now_ms)
{
    const struct first *f = t->owner;
    (void)now_ms;
    for (unsigned i = 0; i < party_cnt; i++) {
        if (!parties[i].caller && strcmp(parties[i].call_id, f->call_id) == 0)
            return; /* it has rung */
    }
    STORM_HOLDS(f->said > 1 || world_edge_died_since(f->since_ms), "an INVITE that was lost is said again");
}

static void check_first(const struct sip_msg *m)
{
    struct first *f = firsts;
    while (f < firsts + first_cnt && !span_eq(m->call_id, span_cstr(f->call_id)))
        f++;
    f->said++;
    if (f < firsts + first_cnt || first_cnt == PARTIES_MAX)
        return;
    first_cnt++;
    (void)snprintf(f->call_id, ID_BYTES, "%.*s", SPAN_ARG(m->call_id));
    f->since_ms = virt.now.mono_ms;
    timer_init(&f->timer, on_first, f);
    storm_timer_in(&f->timer, 3 * T1_MS);
}

static bool was_said(const struct party *p, struct span branch)
{
    for (size_t i = 0; i < p->said_cnt && i < SAID_MAX; i++) {
        if (span_eq(branch, span_cstr(p->said[i])))
            return true;
    }
    return false;
}

/* In a dialog of ours: where it goes, and its place in order. */
static void check_request(struct party *p, const struct sip_msg *m)
{
    char routes[256];
    char contact[64];
    joined(routes, sizeof(routes), m, SIP_H_ROUTE);
    (void)snprintf(contact, sizeof(contact), "sip:p%u@192.0.2.10:5062", p->no);
    if (was_said(p, m->via.branch))
        return; /* again; or of a transaction: CANCEL, the ACK of a refusal */
    STORM_HOLDS(strcmp(routes, p->routes) == 0, "party %u: a request follows the route set: %s", p->no, routes);
    STORM_HOLDS(span_eq(m->uri, span_cstr(contact)), "party %u: a request goes to its Contact", p->no);
    if (m->method == SIP_M_ACK)
        return;
    p->bye_came = p->bye_came || m->method == SIP_M_BYE;
    STORM_HOLDS(m->cseq.num > p->their_cseq, "party %u: CSeq %u after %u", p->no, m->cseq.num, p->their_cseq);
    p->their_cseq = m->cseq.num;
    (void)snprintf(p->said[p->said_cnt++ % SAID_MAX], ID_BYTES, "%.*s", SPAN_ARG(m->via.branch));
}

void party_said(struct span bytes)
{
    STORM_HOLDS(sip_msg_decode(&heard, bytes) == 0, "what is sent is well-formed");
    struct party *p = heard.is_request && heard.to_tag.len > 0 ? party_of(&heard) : NULL;
    if (!heard.is_request) /* RFC 3581 §4 */
        STORM_HOLDS((heard.via.rport == 5062 || heard.via.rport == 5063) &&
                        span_eq(heard.via.received, SPAN("192.0.2.10")),
                    "the Via of a response tells where the request came from");
    if (p != NULL)
        check_request(p, &heard);
    else if (heard.is_request && heard.method == SIP_M_INVITE && heard.to_tag.len == 0)
        check_first(&heard);
}

/* --- the end --- */

void party_calm(void)
{
    calm = true;
    for (unsigned i = 0; i < party_cnt; i++) {
        struct party *p = &parties[i];
        if (p->state == PARTY_CALLING && p->invite->final == 0 && !p->cancelled) {
            p->wants_cancel = true;
            storm_timer_in(&p->act, storm_ms(1, 500));
        } else if (p->state == PARTY_RINGING || (p->state == PARTY_UP && p->caller && !p->silent)) {
            p->acts_left = 0;
            act_later(p);
        }
    }
}

size_t party_open(void)
{
    size_t n = 0;
    for (unsigned i = 0; i < party_cnt; i++)
        n += parties[i].state != PARTY_OVER;
    return n;
}

unsigned party_answered(void)
{
    unsigned n = 0;
    for (unsigned i = 0; i < party_cnt; i++)
        n += parties[i].caller && parties[i].answered;
    return n;
}

void party_check_over(void)
{
    for (unsigned i = 0; i < party_cnt; i++) {
        const struct party *p = &parties[i];
        STORM_HOLDS(p->state == PARTY_OVER, "party %u is left in state %u", i, p->state);
        for (size_t k = 0; k < TXNS_MAX; k++)
            STORM_HOLDS(!p->out[k].used || p->out[k].final != 0, "%s has a final response", p->out[k].branch);
    }
}
