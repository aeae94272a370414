/* Messages in, and what holds the parts together. */
#include "sip-edge/edge.h"
#include "common/base/err.h"
#include "common/base/id.h"
#include "common/base/log.h"
#include "common/rt/work.h"
#include "sip-edge/edge_back.h"
#include "sip-edge/edge_hop.h"
#include "sip-edge/edge_icmp.h"
#include "sip-edge/edge_plane.h"
#include "sip-edge/edge_reply.h"
#include "sip-edge/edge_rx.h"
#include "sip-edge/edge_shard.h"
#include "sip-edge/edge_stat.h"
#include "sip-edge/edge_txn.h"

#define SHORTEST 10 /* bytes; no SIP message is shorter, and what is gets no thought */
#define KEY_TEXT_MAX (SIP_TXN_KEY_BYTES_MAX + SIP_METHOD_BYTES_MAX)
#define STUN_HEAD 20 /* RFC 8489 §5 */
#define STUN_COOKIE "\x21\x12\xa4\x42"

void edge_init(struct edge *e, const struct edge_conf *conf, const struct edge_out *out, struct timers *timers,
               struct now now)
{
    BUG_ON(conf->shards == 0 || conf->shards > EDGE_SHARDS_MAX);
    memset(e, 0, sizeof(*e));
    e->out = *out;
    e->timers = timers;
    e->now = e->started = now;
    e->times = txn_times_of(conf->t1_ms);
    e->kept_bytes_max = conf->kept_bytes_max > 0 ? conf->kept_bytes_max : EDGE_KEPT_BYTES_MAX;
    e->shard_cnt = conf->shards;
    e->sw.udp_bytes_max = conf->udp_bytes_max;
    edge_own_init(&e->own, conf);
    id_random_bytes(e->tag_key, sizeof(e->tag_key));
    edge_hops_init(e, &conf->means);
    edge_backs_init(e);
    txn_index_init(&e->index, conf->txn_max > 0 ? conf->txn_max : EDGE_TXN_MAX);
    buf_init(&e->key, KEY_TEXT_MAX);
    buf_init(&e->other_key, KEY_TEXT_MAX);
    buf_init(&e->line, SIP_MSG_BYTES_MAX);
    buf_init(&e->offsets, SIP_INDEX_BYTES_MAX);
    edge_shards_init(e);
    edge_guard_init(e, conf);
}

static void drop_all(struct map *m)
{
    for (struct map_node *n; (n = map_next(m, NULL)) != NULL;)
        edge_txn_drop(MAP_ENTRY(MAP_ENTRY(n, struct txn_entry, node), struct edge_txn, entry));
}

void edge_fini(struct edge *e)
{
    drop_all(&e->index.server);
    drop_all(&e->index.client);
    edge_hops_fini(e);
    edge_backs_fini(e);
    edge_shards_fini(e);
    edge_guard_fini(e);
    txn_index_fini(&e->index);
    buf_fini(&e->key);
    buf_fini(&e->other_key);
    buf_fini(&e->line);
    buf_fini(&e->offsets);
}

/* --- from the network --- */

static bool is_stun(struct span s)
{
    return s.len >= STUN_HEAD && ((unsigned char)s.p[0] & 0xc0) == 0 && memcmp(s.p + 4, STUN_COOKIE, 4) == 0;
}

/* §8.2: a request that can be answered gets the reason; anything else is no use answering. */
static void on_fault(struct edge *e, const struct edge_path *from, size_t bytes, int err)
{
    char text[EDGE_WHY_MAX];
    if (err == -SIP_EEMPTY) { /* RFC 5626 §4.4.1 wants no answer on UDP */
        edge_stat_drop(EDGE_DROP_KEEPALIVE);
        return;
    }
    if (!edge_guard_fault(e, from, bytes))
        return;
    if (!sip_msg_answerable(&e->msg)) {
        edge_stat_drop(EDGE_DROP_MALFORMED);
        return;
    }
    edge_stat_request(e->msg.method);
    buf_reset(&e->key);
    sip_msg_fault_text(&e->key, &e->msg, err);
    struct span reason = buf_span(&e->key);
    if (reason.len > sizeof(text))
        reason.len = sizeof(text);
    if (reason.len > 0)
        memcpy(text, reason.p, reason.len);
    unsigned status = sip_err_status(err);
    struct edge_reply r = {.req = &e->msg, .from = from, .status = status};
    if (status == 400)
        r.reason = span_of(text, reason.len);
    edge_reply_stateless(e, &r);
}

/* It has killed an edge twice: its sender hears that, and no more is done with it. */
static void refuse_poison(struct edge *e, const struct edge_path *from)
{
    edge_stat_drop(EDGE_DROP_POLICY);
    if (e->msg.is_request && e->msg.method != SIP_M_ACK)
        edge_reply_stateless(e, &(struct edge_reply){.req = &e->msg, .from = from, .status = 500});
}

static void take(struct edge *e, const struct edge_path *from, struct span bytes, bool poison)
{
    int err = sip_msg_decode(&e->msg, bytes);
    work_known();
    if (err == 0 && poison)
        refuse_poison(e, from);
    else if (err != 0)
        on_fault(e, from, bytes.len, err);
    else if (e->msg.is_request)
        edge_on_request(e, from);
    else
        edge_on_response(e, from);
}

void edge_rx(struct edge *e, const struct edge_path *from, struct span bytes, struct now now)
{
    e->now = now;
    if (bytes.len < SHORTEST || from->port == 0) {
        edge_stat_drop(EDGE_DROP_SHORT);
        return;
    }
    if (is_stun(bytes)) {
        edge_stat_drop(EDGE_DROP_STUN);
        return;
    }
    enum work_verdict v = work_begin(WORK_SIP, bytes, bytes);
    if (v != WORK_DROP)
        take(e, from, bytes, v == WORK_TELL);
    else
        edge_stat_drop(EDGE_DROP_POLICY);
    work_end();
}

void edge_rx_unframed(struct edge *e, const struct edge_path *from, struct span head, int err, struct now now)
{
    e->now = now;
    (void)sip_msg_decode(&e->msg, head);     /* its own verdict matters less than that of the framing … */
    e->msg.fault_hdr = SIP_H_CONTENT_LENGTH; /* … which is always about this one */
    on_fault(e, from, head.len, err);
}

void edge_send_failed(struct edge *e, struct span owner, bool is_server, struct now now)
{
    e->now = now;
    edge_stat_drop(EDGE_DROP_SEND_FAILED);
    struct edge_txn *x = is_server ? edge_txn_server(e, owner) : edge_txn_client(e, owner);
    if (x != NULL && !(is_server ? edge_back_try(x) : edge_switch_back(x)))
        (void)edge_txn_do(x, TXN_SEND_FAILED, NULL);
}

static bool went_over(const struct edge_txn *x, const struct edge_path *path)
{
    const struct edge_path *p = &x->path;
    return p->transport == path->transport &&
           (p->flow == path->flow || (p->port == path->port && IN6_ARE_ADDR_EQUAL(&p->peer, &path->peer)));
}

void edge_flow_gone(struct edge *e, const struct edge_path *path, struct now now)
{
    e->now = now;
    for (const struct map_node *n = map_next(&e->index.client, NULL); n != NULL; n = map_next(&e->index.client, n)) {
        struct edge_txn *x = MAP_ENTRY(MAP_ENTRY(n, struct txn_entry, node), struct edge_txn, entry);
        if (went_over(x, path))
            edge_txn_resend(x);
    }
}

void edge_unreachable(struct edge *e, struct span sent, struct now now)
{
    e->now = now;
    buf_reset(&e->key);
    struct edge_txn *x = edge_icmp_key(&e->key, sent) ? edge_txn_client(e, buf_span(&e->key)) : NULL;
    if (x == NULL || (x->t.kind != TXN_ICT && !edge_hop_has_next(x)))
        return;
    edge_stat_drop(EDGE_DROP_UNREACHABLE);
    (void)edge_txn_do(x, TXN_SEND_FAILED, NULL);
}

/* --- from the actors --- */

void edge_on_actor(struct edge *e, unsigned shard, uint16_t type, const ProtobufCMessage *m, struct now now)
{
    struct edge_shard *s = &e->shard[shard];
    e->now = now;
    switch (type) {
    case PLANE_PEER_PROBE:
        (void)e->out.say(e->out.user, shard, PLANE_PEER_ALIVE, m);
        break;
    case PLANE_EDGE_SEND_REPLY:
        edge_on_send_reply(s, (const void *)m);
        break;
    case PLANE_EDGE_SEND_REQUEST:
        edge_on_send_request(s, (const void *)m);
        break;
    case PLANE_EDGE_CHALLENGE:
        edge_challenge_set(&s->challenge, (const void *)m);
        break;
    case PLANE_EDGE_PING:
        edge_on_ping(s, (const void *)m);
        break;
    case PLANE_EDGE_CANCEL:
        edge_on_cancel(s, (const void *)m);
        break;
    case PLANE_EDGE_ADMIT:
        edge_shard_on_admit(s, (const void *)m);
        break;
    default:
        log_ev(LOG_DEBUG, "nothing to do with it", log_z("type", plane_name(type)));
    }
}

void edge_on_poison(struct edge *e, unsigned shard, uint16_t type, const ProtobufCMessage *m, struct now now)
{
    e->now = now;
    if (type == PLANE_EDGE_SEND_REQUEST) {
        const Plane__SendRequest *q = (const void *)m;
        (void)edge_tell_failed(&e->shard[shard], span_of((const char *)q->txn.data, q->txn.len),
                               PLANE__TXN_FAILED__CAUSE__TRANSPORT, "set aside: it killed the edge twice");
    } else if (type == PLANE_EDGE_SEND_REPLY) {
        const Plane__SendReply *r = (const void *)m;
        struct edge_txn *x = edge_txn_server(e, span_of((const char *)r->txn.data, r->txn.len));
        if (x != NULL)
            (void)edge_txn_refuse(x, 500);
    }
}

void edge_drain(struct edge *e, bool on)
{
    e->draining = on;
}

/* --- keys --- */

/* Fixed keys: the actor holds a key across a restart of the edge. */
static const uint64_t fit_key[2][2] = {{UINT64_C(0x6c6f6e67206b6579), UINT64_C(0x7374617973203431)},
                                       {UINT64_C(0x6c6f6e67206b6579), UINT64_C(0x7374617973203432)}};

void edge_key_fit(struct buf *key)
{
    if (key->len <= EDGE_KEY_MAX)
        return;
    uint64_t a = map_siphash(fit_key[0], buf_span(key));
    uint64_t b = map_siphash(fit_key[1], buf_span(key));
    buf_reset(key);
    buf_printf(key, "long;%016llx%016llx", (unsigned long long)a, (unsigned long long)b);
}

/* --- what is shown --- */

bool edge_is_ready(const struct edge *e, const char **why)
{
    *why = "";
    for (unsigned i = 0; i < e->shard_cnt; i++)
        if (edge_shard_admits(&e->shard[i], why))
            return true;
    return false;
}

bool edge_knows_actors(const struct edge *e, struct now now)
{
    if (now.mono_ms - e->started.mono_ms >= EDGE_GRACE_MS)
        return true;
    for (unsigned i = 0; i < e->shard_cnt; i++)
        if (!e->shard[i].told)
            return false;
    return true;
}

bool edge_is_idle(const struct edge *e)
{
    if (e->waiting_cnt > 0)
        return false;
    for (unsigned i = 0; i < e->shard_cnt; i++)
        if (!list_empty(&e->shard[i].open) || !list_empty(&e->shard[i].untold))
            return false;
    for (const struct map_node *n = map_next(&e->index.client, NULL); n != NULL; n = map_next(&e->index.client, n)) {
        const struct txn_entry *t = MAP_ENTRY(n, struct txn_entry, node);
        if (!txn_is_answered(&MAP_ENTRY(t, struct edge_txn, entry)->t))
            return false;
    }
    return true;
}

struct tally {
    unsigned cnt[TXN_KINDS][8]; /* no machine has more states */
};

static void count_map(const struct map *m, struct tally *out)
{
    for (const struct map_node *n = map_next(m, NULL); n != NULL; n = map_next(m, n)) {
        const struct txn_entry *t = MAP_ENTRY(n, struct txn_entry, node);
        const struct edge_txn *x = MAP_ENTRY(t, struct edge_txn, entry);
        out->cnt[x->t.kind][x->t.state]++;
    }
}

static void report_kind(const struct tally *t, enum txn_kind kind, struct buf *out)
{
    const struct fsm *m = txn_machine(kind);
    buf_printf(out, "%s\"%s\":{", kind == 0 ? "" : ",", m->name);
    const char *sep = "";
    for (unsigned s = 0; s < m->states; s++) {
        if (t->cnt[kind][s] == 0)
            continue;
        buf_printf(out, "%s\"%s\":%u", sep, m->state_names[s], t->cnt[kind][s]);
        sep = ",";
    }
    buf_putc(out, '}');
}

void edge_report(const struct edge *e, struct buf *out)
{
    struct tally t = {0};
    count_map(&e->index.server, &t);
    count_map(&e->index.client, &t);
    buf_puts(out, "\"transactions\":{");
    for (unsigned k = 0; k < TXN_KINDS; k++)
        report_kind(&t, (enum txn_kind)k, out);
    buf_printf(out, "},\"kept_bytes\":%zu,\"waiting_for_dns\":%u,\"actors\":[", e->kept_bytes, e->waiting_cnt);
    for (unsigned i = 0; i < e->shard_cnt; i++)
        buf_printf(out, "%s{\"shard\":%u,\"up\":%s,\"admits\":%s}", i == 0 ? "" : ",", i,
                   e->shard[i].up ? "true" : "false", e->shard[i].admits ? "true" : "false");
    buf_putc(out, ']');
}
