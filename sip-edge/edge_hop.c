#include "sip-edge/edge_hop.h"
#include "common/base/log.h"
#include "common/sip/sip_uri.h"
#include "sip-edge/edge_back.h"
#include "sip-edge/edge_plane.h"
#include "sip-edge/edge_reply.h"
#include "sip-edge/edge_shard.h"
#include "sip-edge/edge_stat.h"
#include <stdio.h>
#include <stdlib.h>

#define CALL_ID_HEAD "\r\nCall-ID: " /* as actors write it */
#define BRANCH_SIZE (SIP_BRANCH_BYTES_MAX + 16)

/* Not secret and never changed: a restarted edge must choose as its predecessor did. */
static const uint64_t seed_key[2] = {UINT64_C(0x7369702d65646765), UINT64_C(0x6e6578742d686f70)};

static const struct edge_path nowhere = {.transport = SIP_TP_UDP};

/* --- writing and sending --- */

static bool branch_is_good(struct span branch)
{
    return branch.len <= SIP_BRANCH_BYTES_MAX && span_starts(branch, SPAN("z9hG4bK")) &&
           sip_lex_all(branch, SIP_C_TOKEN);
}

/* The n-th candidate's branch (§4.3 of RFC 3263: a new transaction, so a new branch). */
static struct span branch_of(struct span txn, unsigned n, char out[BRANCH_SIZE])
{
    int len = n == 0 ? snprintf(out, BRANCH_SIZE, "%.*s", SPAN_ARG(txn))
                     : snprintf(out, BRANCH_SIZE, "%.*s.%u", SPAN_ARG(txn), n + 1);
    return span_of(out, (size_t)len);
}

struct span edge_hop_txn_of(struct span branch)
{
    size_t n = branch.len;
    while (n > 0 && branch.p[n - 1] >= '0' && branch.p[n - 1] <= '9')
        n--;
    bool is_further = n < branch.len && n > 1 && branch.p[n - 1] == '.';
    return is_further ? span_of(branch.p, n - 1) : branch;
}

/* Writes the request with our Via into e->line and decodes it into e->again. method: ";METHOD" as in the key */
static bool prepare(struct edge *e, struct span raw, struct span branch, struct span method, const struct edge_path *to)
{
    edge_via_insert(e, &e->line, raw, branch, to);
    return !e->line.failed && sip_msg_decode(&e->again, buf_span(&e->line)) == 0 && e->again.is_request &&
           span_eq(e->again.method_text, span_from(method, 1));
}

/* The same, for this way; one that is too long for it gets another transport, which its Via then names. */
static bool prepare_for(struct edge *e, struct span raw, struct span branch, struct span method, struct edge_path *to,
                        bool *switched)
{
    *switched = false;
    if (!prepare(e, raw, branch, method, to))
        return false;
    *switched = edge_switch_wants(e, to, e->line.len);
    if (!*switched)
        return true;
    to->transport = SIP_TP_TCP;
    return prepare(e, raw, branch, method, to);
}

/* How a request that is prepared leaves. */
struct sending {
    struct span txn;
    struct span branch;
    const struct edge_path *to;
    struct edge_hop *hop;
    bool switched;
    bool own;
};

/* e->line and e->again hold the request. false: no room */
static bool send_prepared(struct edge_shard *s, const struct sending *how)
{
    struct edge *e = s->edge;
    edge_guard_learn(e, e->again.from_tag);
    if (e->again.method == SIP_M_ACK) { /* of a 2xx: no transaction (RFC 3261 §17.1) */
        edge_stat_sent_request(SIP_M_ACK);
        e->out.send(e->out.user, how->to, buf_span(&e->line), span_of(NULL, 0), false);
        return true;
    }
    buf_reset(&e->other_key);
    buf_put_span(&e->other_key, how->branch);
    buf_putc(&e->other_key, ';');
    buf_put_span(&e->other_key, e->again.method_text);
    if (e->other_key.failed)
        return false;
    struct edge_txn_args a = {.kind = e->again.method == SIP_M_INVITE ? TXN_ICT : TXN_NICT,
                              .method = e->again.method,
                              .key = buf_span(&e->other_key),
                              .id_len = how->txn.len,
                              .request = buf_span(&e->line),
                              .path = how->to,
                              .shard = s,
                              .hop = how->hop,
                              .own = how->own,
                              .switched = how->switched};
    struct edge_txn *x = edge_txn_new(e, &a);
    if (x == NULL)
        return false;
    if (how->hop != NULL)
        how->hop->x = x;
    (void)edge_txn_do(x, TXN_TU_REQUEST, NULL);
    return true;
}

static void tell_no_room(struct edge_shard *s, struct span txn)
{
    (void)edge_tell_failed(s, txn, PLANE__TXN_FAILED__CAUSE__NO_ROOM, "too many transactions");
}

const char *edge_hop_direct(const struct edge_hop_args *a)
{
    struct edge *e = a->shard->edge;
    if (!branch_is_good(a->txn))
        return "bad branch";
    struct edge_path to = *a->dest;
    struct sending how = {.txn = a->txn, .branch = a->txn, .to = &to, .own = a->own};
    if (!prepare_for(e, a->raw, a->txn, span_from(a->key, a->txn.len), &to, &how.switched))
        return "malformed request";
    if (!send_prepared(a->shard, &how))
        tell_no_room(a->shard, a->txn);
    return NULL;
}

/* --- life --- */

void edge_hops_init(struct edge *e, const struct locate_means *means)
{
    static const struct locate_means udp_v4 = {.transports = LOCATE_CAN(SIP_TP_UDP), .v4 = true};
    e->means = means->transports != 0 ? *means : udp_v4;
    map_init(&e->hops);
    list_init(&e->waiting);
}

static struct span key_of(const struct edge_hop *h)
{
    return span_of(h->key, h->key_len);
}

static struct span txn_of(const struct edge_hop *h)
{
    return span_of(h->key, h->txn_len);
}

/* e->loc is where its search begins. */
static struct edge_hop *hop_new(const struct edge_hop_args *a)
{
    struct edge *e = a->shard->edge;
    struct edge_hop *h = calloc(1, sizeof(*h) + a->key.len + a->name.len);
    if (h == NULL)
        return NULL;
    h->shard = a->shard;
    h->txn_len = a->txn.len;
    h->key_len = a->key.len;
    memcpy(h->key, a->key.p, a->key.len);
    h->name_len = a->name.len;
    memcpy(h->key + a->key.len, a->name.p, a->name.len);
    if (a->dest != NULL)
        h->dest = *a->dest;
    list_init(&h->link);
    if (!edge_bytes_keep_dup(e, &h->raw, a->raw) || map_put(&e->hops, &h->node, key_of(h)) != 0) {
        edge_bytes_forget(e, &h->raw);
        free(h);
        return NULL;
    }
    return h;
}

static void stop_waiting(struct edge_hop *h)
{
    struct edge *e = h->shard->edge;
    if (h->loc == NULL)
        return;
    list_remove(&h->link);
    timer_cancel(e->timers, &h->due);
    free(h->loc);
    h->loc = NULL;
    edge_stat_waiting(--e->waiting_cnt);
}

static void hop_free(struct edge_hop *h)
{
    struct edge *e = h->shard->edge;
    stop_waiting(h);
    map_del(&e->hops, &h->node);
    edge_bytes_forget(e, &h->raw);
    free(h);
}

void edge_hops_fini(struct edge *e)
{
    for (struct list *n; (n = list_take_first(&e->waiting)) != NULL;)
        hop_free(LIST_ENTRY(n, struct edge_hop, link));
    map_fini(&e->hops);
}

struct edge_hop *edge_hop_find(struct edge *e, struct span key)
{
    struct map_node *n = map_get(&e->hops, key);
    return n != NULL ? MAP_ENTRY(n, struct edge_hop, node) : NULL;
}

void edge_hop_over(struct edge_hop *h)
{
    hop_free(h);
}

/* --- from candidate to candidate --- */

struct span edge_hop_call_id(struct span raw)
{
    size_t at = span_find_span(raw, SPAN(CALL_ID_HEAD));
    struct span value = at < raw.len ? span_from(raw, at + strlen(CALL_ID_HEAD)) : SPAN("");
    return span_of(value.p, span_find(value, '\r'));
}

static struct span call_id_of(const struct edge_hop *h)
{
    return edge_hop_call_id(span_of(h->raw.p, h->raw.len));
}

static bool is_ack(const struct edge_hop *h)
{
    return span_eq(span_from(key_of(h), h->txn_len), SPAN(";ACK"));
}

/* It ends without having been sent. */
static void fail(struct edge_hop *h, Plane__TxnFailed__Cause cause, const char *why)
{
    log_ev(LOG_WARN, "request cannot be sent", log_s("call_id", call_id_of(h)), log_z("why", why),
           log_s("txn", key_of(h)));
    if (!is_ack(h))
        (void)edge_tell_failed(h->shard, txn_of(h), cause, why);
    hop_free(h);
}

static bool is_dest(const struct edge_hop *h, const struct locate_candidate *c)
{
    const struct edge_path *d = &h->dest;
    return d->port == c->port && d->transport == c->transport && IN6_ARE_ADDR_EQUAL(&d->peer, &c->ip);
}

/* To the candidate at h->at. h may be gone afterwards. */
static void try_candidate(struct edge_hop *h)
{
    struct edge *e = h->shard->edge;
    char branch[BRANCH_SIZE];
    const struct locate_candidate *c = &h->candidate[h->at];
    struct edge_path to = {.peer = c->ip,
                           .port = c->port,
                           .flow = is_dest(h, c) ? h->dest.flow : 0,
                           .local = is_dest(h, c) ? h->dest.local : (struct in6_addr)IN6ADDR_ANY_INIT,
                           .transport = c->transport,
                           .name =
                               span_of(h->key + h->key_len, h->name_len)}; /* RFC 5922 §4: never what DNS made of it */
    struct span b = branch_of(txn_of(h), h->at, branch);
    bool ack = is_ack(h);
    struct sending how = {.txn = txn_of(h), .branch = b, .to = &to, .hop = h};
    bool ready = prepare_for(e, span_of(h->raw.p, h->raw.len), b, span_from(key_of(h), h->txn_len), &to, &how.switched);
    if (ready && h->at + 1 == h->cnt)
        edge_bytes_forget(e, &h->raw);
    if (!ready || !send_prepared(h->shard, &how))
        fail(h, ready ? PLANE__TXN_FAILED__CAUSE__NO_ROOM : PLANE__TXN_FAILED__CAUSE__TRANSPORT,
             ready ? "too many transactions" : "malformed request");
    else if (ack)
        hop_free(h);
}

bool edge_hop_has_next(const struct edge_txn *x)
{
    return x->hop != NULL && !x->t.cancel_wanted && x->hop->at + 1 < x->hop->cnt;
}

/* false: there is none, or the request is not wanted any more. */
static bool next_candidate(struct edge_txn *x)
{
    struct edge_hop *h = x->hop;
    if (!edge_hop_has_next(x))
        return false;
    edge_stat_failover();
    log_ev(LOG_INFO, "next address of the target", log_s("call_id", call_id_of(h)), log_s("txn", txn_of(h)),
           log_n("no", h->at + 2));
    x->mute = true;
    x->hop = NULL;
    h->x = NULL;
    h->at++;
    try_candidate(h);
    return true;
}

bool edge_hop_heard(struct edge_txn *x, unsigned status)
{
    struct edge_hop *h = x->hop;
    struct edge *e = h->shard->edge;
    if (status != 503) {
        locate_bad_clear(&e->bad, &h->candidate[h->at]);
        if (status >= 200)
            edge_bytes_forget(e, &h->raw);
        return false;
    }
    locate_bad_note(&e->bad, &h->candidate[h->at], e->now);
    return next_candidate(x);
}

/* One that has said something is there, and slow: that is for the actor to judge. */
bool edge_hop_failed(struct edge_txn *x, enum txn_cause cause)
{
    struct edge_hop *h = x->hop;
    struct edge *e = h->shard->edge;
    if (cause == TXN_CAUSE_TIMEOUT && x->heard_status != 0)
        return false;
    locate_bad_note(&e->bad, &h->candidate[h->at], e->now);
    return next_candidate(x);
}

/* --- the search --- */

static const struct dns_answer *ask(struct edge *e, const struct dns_question *q)
{
    return e->out.ask != NULL ? e->out.ask(e->out.user, q) : &dns_answer_failed;
}

/* It may go where its peer is known to be, when its name leads nowhere. Not in clear what must not (§26.2.2). */
static bool has_last_resort(const struct edge_hop *h)
{
    return h->dest.port != 0 && (!h->secure || h->dest.transport == SIP_TP_TLS);
}

static void settle(struct edge_hop *h, const struct locate *loc)
{
    struct edge *e = h->shard->edge;
    const char *why = loc->why;
    h->cnt = loc->candidate_cnt;
    memcpy(h->candidate, loc->candidate, sizeof(h->candidate));
    stop_waiting(h);
    locate_bad_sort(&e->bad, h->candidate, h->cnt, e->now);
    const struct edge_path *d = &h->dest;
    if (h->cnt == 0 && has_last_resort(h))
        h->candidate[h->cnt++] = (struct locate_candidate){.ip = d->peer, .port = d->port, .transport = d->transport};
    if (h->cnt > 0)
        try_candidate(h);
    else /* with a last resort in clear it is the transport that is not there */
        fail(h, d->port != 0 ? PLANE__TXN_FAILED__CAUSE__TRANSPORT : PLANE__TXN_FAILED__CAUSE__NO_ROUTE, why);
}

static void on_due(struct timer *t, int64_t now_ms)
{
    struct edge_hop *h = t->owner;
    h->shard->edge->now.mono_ms = now_ms;
    locate_give_up(h->loc);
    settle(h, h->loc);
}

/* The search in e->loc goes on when an answer comes. false: no room */
static bool begin_waiting(struct edge_hop *h)
{
    struct edge *e = h->shard->edge;
    int64_t patience_ms = has_last_resort(h) ? EDGE_HOP_WAIT_IN_DIALOG_MS : EDGE_HOP_WAIT_MS;
    h->loc = e->waiting_cnt < EDGE_HOPS_WAITING_MAX ? malloc(sizeof(*h->loc)) : NULL;
    if (h->loc == NULL)
        return false;
    *h->loc = e->loc;
    timer_init(&h->due, on_due, h);
    edge_stat_waiting(++e->waiting_cnt);
    return timer_set(e->timers, &h->due, e->now.mono_ms + patience_ms) == 0;
}

/* What will be asked next is asked now too: the answers come together. */
static void ask_ahead(struct edge *e, const struct locate *loc)
{
    struct dns_question q;
    for (unsigned n = 0; n < LOCATE_QUESTIONS_MAX && locate_foresees(loc, n, &q); n++)
        (void)ask(e, &q);
}

static void wait(struct edge_hop *h)
{
    struct edge *e = h->shard->edge;
    if (h->loc == NULL && !begin_waiting(h)) {
        fail(h, PLANE__TXN_FAILED__CAUSE__NO_ROOM, "too many requests wait for name servers");
        return;
    }
    list_append(&e->waiting, &h->link);
    int64_t patience_ms = e->now.mono_ms + EDGE_HOP_MORE_MS;
    if (h->loc->candidate_cnt > 0 && h->due.at_ms > patience_ms)
        (void)timer_set(e->timers, &h->due, patience_ms); /* moving needs no memory */
    ask_ahead(e, h->loc);
}

static void search(struct edge_hop *h, struct locate *loc)
{
    struct edge *e = h->shard->edge;
    while (locate_asks(loc)) {
        const struct dns_answer *a = ask(e, &loc->question);
        if (a == NULL) {
            wait(h);
            return;
        }
        locate_answer(loc, a);
    }
    settle(h, loc);
}

const char *edge_hop_locate(const struct edge_hop_args *args, struct span text)
{
    struct edge_hop_args with_name = *args;
    struct edge_hop_args *a = &with_name;
    struct edge *e = a->shard->edge;
    struct sip_uri uri;
    if (!branch_is_good(a->txn))
        return "bad branch";
    if (sip_uri_decode(&uri, text) != 0)
        return "no destination";
    if (!prepare(e, a->raw, a->txn, span_from(a->key, a->txn.len), &nowhere)) /* to see what it says */
        return "malformed request";
    if (span_casestarts(e->again.uri, SPAN("sips:"))) /* RFC 3261 §8.1.2: as if the route were sips too */
        uri.scheme = SIP_SCHEME_SIPS;
    a->name = edge_host_bare(uri.host);
    locate_uri(&e->loc, &uri, &e->means, map_siphash(seed_key, e->again.call_id));
    if (!locate_asks(&e->loc) && !locate_found(&e->loc) && a->dest == NULL)
        return e->loc.why;
    struct edge_hop *h = hop_new(a);
    if (h == NULL) {
        tell_no_room(a->shard, a->txn);
        return NULL;
    }
    h->secure = uri.scheme == SIP_SCHEME_SIPS;
    search(h, &e->loc);
    return NULL;
}

void edge_hop_cancel(struct edge_hop *h)
{
    fail(h, PLANE__TXN_FAILED__CAUSE__TRANSPORT, "cancelled before it was sent");
}

/* A hop that waits on goes to the end of the list again, so each is looked at once. */
void edge_on_dns(struct edge *e, const struct dns_question *q, const struct dns_answer *a, struct now now)
{
    struct list todo;
    list_init(&todo);
    e->now = now;
    while (!list_empty(&e->waiting))
        list_append(&todo, list_first(&e->waiting));
    for (struct list *n; (n = list_take_first(&todo)) != NULL;) {
        struct edge_hop *h = LIST_ENTRY(n, struct edge_hop, link);
        list_append(&e->waiting, &h->link);
        if (!dns_question_eq(&h->loc->question, q))
            continue;
        locate_answer(h->loc, a);
        search(h, h->loc);
    }
    edge_back_on_dns(e, q, a);
}
