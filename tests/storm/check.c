/* What must hold of what the service says, whether or not it arrives. */
#include "tests/storm/storm.h"

#define T1_MS 500

static struct sip_msg said; /* what is being looked at */

void joined(char *to, size_t size, const struct sip_msg *m, enum sip_hdr_id id)
{
    struct sip_values it;
    struct span v;
    size_t n = 0;
    to[0] = '\0';
    sip_values_init(&it, m, id);
    while (sip_values_next(&it, &v) && n < size)
        n += (size_t)snprintf(to + n, size - n, "%s%.*s", n > 0 ? ", " : "", SPAN_ARG(v));
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
void see_sdp(struct party *p, struct span sdp)
{
    struct span old = span_cstr(p->their_sdp);
    unsigned long before = 0, now = 0;
    if (sdp.len == 0)
        return;
    struct span session = origin(line_of(sdp, "o="), &now);
    if (old.len > 0 && span_eq(session, origin(line_of(old, "o="), &before)) && !span_eq(old, sdp)) {
        STORM_HOLDS(now >= before, "party %u: the version of a session grows: %lu, %lu", p->no, before, now);
        bool other_phone = span_starts(session, SPAN("o=p")); /* … may have described what we never saw: 491 */
        STORM_HOLDS((now == before) == same_but_origin(old, sdp) || (now > before && (other_phone || p->refused_offer)),
                    "party %u: %lu, %lu: the version grows when the rest changes", p->no, before, now);
    }
    p->refused_offer = false;
    (void)snprintf(p->their_sdp, sizeof(p->their_sdp), "%.*s", SPAN_ARG(sdp));
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
    f->since_ms = virt_now.mono_ms;
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

/* --- requests that could not be said when it was their turn --- */

#define LATES_MAX 256
#define LOOK_MS (T1_MS / 5) /* so often the service looks for who has come back */

/* The connection of its peer was gone: it waits until he is back. */
struct late {
    char branch[ID_BYTES];
    int64_t first_ms, last_ms; /* it failed */
};

static struct late lates[LATES_MAX];
static unsigned late_cnt;

static struct late *late_of(struct span branch)
{
    for (struct late *l = lates; l < lates + LATES_MAX; l++) {
        if (branch.len > 0 && span_eq(branch, span_cstr(l->branch)))
            return l;
    }
    return NULL;
}

void party_missed(struct span branch)
{
    struct late *l = late_of(branch);
    if (l == NULL) {
        l = &lates[late_cnt++ % LATES_MAX];
        (void)snprintf(l->branch, ID_BYTES, "%.*s", SPAN_ARG(branch));
        l->first_ms = virt_now.mono_ms;
    }
    l->last_ms = virt_now.mono_ms;
}

/* RFC 3261 §12.2.2. What could not be said in its turn may come behind what was asked for later and could be said at
 * once, but not behind what waited with it. */
static void check_order(struct party *p, const struct sip_msg *m)
{
    const struct late *late = late_of(m->via.branch);
    bool is_behind = m->cseq.num <= p->their_cseq;
    STORM_HOLDS(!is_behind || late != NULL, "party %u: CSeq %u after %u", p->no, m->cseq.num, p->their_cseq);
    STORM_HOLDS(!is_behind || late->last_ms >= p->their_wait_ms, "party %u: CSeq %u after %u, which waited with it",
                p->no, m->cseq.num, p->their_cseq);
    if (is_behind)
        return;
    bool waited = late != NULL && virt_now.mono_ms - late->last_ms > LOOK_MS;
    p->their_cseq = m->cseq.num;
    p->their_wait_ms = waited ? late->first_ms : 0;
}

/* In a dialog of ours: where it goes, and its place in order. */
static void check_request(struct party *p, const struct sip_msg *m)
{
    char routes[256];
    joined(routes, sizeof(routes), m, SIP_H_ROUTE);
    if (was_said(p, m->via.branch))
        return; /* again; or of a transaction: CANCEL, the ACK of a refusal */
    STORM_HOLDS(strcmp(routes, p->routes) == 0, "party %u: a request follows the route set: %s", p->no, routes);
    STORM_HOLDS(span_eq(m->uri, span_cstr(say_contact(p))), "party %u: a request goes to its Contact", p->no);
    if (m->method == SIP_M_ACK)
        return;
    p->bye_came = p->bye_came || m->method == SIP_M_BYE;
    check_order(p, m);
    (void)snprintf(p->said[p->said_cnt++ % SAID_MAX], ID_BYTES, "%.*s", SPAN_ARG(m->via.branch));
}

void party_said(struct span bytes, bool by_stream)
{
    if (span_eq(bytes, SPAN("\r\n\r\n")))
        return;
    STORM_HOLDS(sip_msg_decode(&said, bytes) == 0, "what is sent is well-formed");
    struct party *p = said.is_request && said.to_tag.len > 0 ? party_of(&said) : NULL;
    if (!said.is_request && !by_stream) /* RFC 3581 §4 */
        STORM_HOLDS((said.via.rport == 5062 || said.via.rport == 5063) &&
                        span_eq(said.via.received, SPAN("192.0.2.10")),
                    "the Via of a response tells where the request came from");
    struct party *caller =
        !said.is_request && said.method == SIP_M_INVITE && said.to_tag.len > 0 ? party_of(&said) : NULL;
    if (caller != NULL && caller->state == PARTY_CALLING)
        prack_said(caller, &said);
    if (p != NULL)
        check_request(p, &said);
    else if (!by_stream && said.is_request && said.method == SIP_M_INVITE && said.to_tag.len == 0)
        check_first(&said);
}
