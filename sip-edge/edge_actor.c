/*
 * What a call-actor says: replies, requests, CANCELs. It may know transactions that the edge does not (the edge was
 * restarted) and ask for things that are done already (the actor was): both are ordinary.
 */
#include "common/base/log.h"
#include "common/rt/killpoint.h"
#include "common/sip/sip_addr.h"
#include "common/sip/sip_txn_key.h"
#include "common/sip/sip_uri.h"
#include "sip-edge/edge_hop.h"
#include "sip-edge/edge_plane.h"
#include "sip-edge/edge_reply.h"
#include "sip-edge/edge_rx.h"
#include "sip-edge/edge_shard.h"
#include "sip-edge/edge_stat.h"
#include "sip-edge/edge_txn.h"

/* --- replies --- */

static bool reply_path(const struct sip_msg *reply, const Plane__Endpoint *dest, struct edge_path *out)
{
    if (!edge_path_from_plane(dest, out))
        return false;
    if (out->transport != SIP_TP_UDP ||
        !reply->via.has_rport) /* §18.2.2: to the sender's address and the port in Via */
        out->port = sip_via_port(&reply->via);
    out->name = edge_host_bare(reply->via.host);
    return true;
}

/* The server transaction a reply belongs to, made anew from the reply; NULL when it cannot be. */
static struct edge_txn *adopt(struct edge_shard *s, const Plane__SendReply *m, const struct edge_path *path)
{
    struct edge *e = s->edge;
    const struct sip_msg *reply = &e->again;
    buf_reset(&e->other_key);
    if (sip_txn_key(&e->other_key, reply) != 0)
        return NULL; /* a peer of RFC 2543: its transaction cannot be told from the reply */
    edge_key_fit(&e->other_key);
    if (!span_eq(buf_span(&e->other_key), edge_span(m->txn)))
        return NULL;
    struct edge_txn_args a = {.kind = reply->method == SIP_M_INVITE ? TXN_IST : TXN_NIST,
                              .method = reply->method,
                              .key = edge_span(m->txn),
                              .id_len = m->txn.len,
                              .path = path,
                              .shard = s,
                              .reply_port = path->port,
                              .charged = edge_guard_charges(e, path, span_of(NULL, 0))};
    struct edge_txn *x = edge_txn_new(e, &a);
    if (x != NULL)
        edge_stat_adopted();
    return x;
}

/* The challenge to a stranger goes over UDP once, and nothing stays (RFC 3261 §26.3.2.4): that of an INVITE, repeated
 * until an ACK comes, would be many times what a forged sender sent, and that of a REGISTER would stay for 64*T1. Who
 * missed it repeats its request, and is challenged anew. */
static bool is_challenge(const Plane__SendReply *m, uint8_t transport)
{
    return (m->status == 407 || m->status == 401) && transport == SIP_TP_UDP;
}

static void on_unknown_reply(struct edge_shard *s, const Plane__SendReply *m, const struct edge_word *w)
{
    struct edge *e = s->edge;
    struct edge_path path;
    if (sip_msg_decode(&e->again, w->bytes) != 0 || e->again.is_request || e->again.status != m->status ||
        !reply_path(&e->again, m->dest, &path)) {
        edge_stat_drop(EDGE_DROP_SEND_FAILED);
        log_ev(LOG_WARN, "reply refused", log_n("actor", s->no), log_s("txn", edge_span(m->txn)));
        return;
    }
    struct edge_txn *x = is_challenge(m, path.transport) ? NULL : adopt(s, m, &path);
    if (x != NULL) {
        (void)edge_txn_do(x, TXN_TX_REPLY, w);
        return;
    }
    edge_stat_reply(m->status);
    e->out.send(e->out.user, &path, w->bytes, span_of(NULL, 0), true);
}

void edge_on_send_reply(struct edge_shard *s, const Plane__SendReply *m)
{
    struct edge_txn *x = edge_txn_server(s->edge, edge_span(m->txn));
    struct edge_word w = {.bytes = edge_span(m->raw), .status = (uint16_t)m->status};
    KILL_POINT("edge.reply.taken");
    edge_watch_flow(s, m);
    if (x == NULL)
        on_unknown_reply(s, m, &w);
    else if (edge_txn_do(x, TXN_TX_REPLY, &w) && !x->in_dialog && is_challenge(m, x->path.transport))
        edge_txn_drop(x);
}

/* --- requests --- */

/* Where a request is to go when its actor names an address, or when the name it gives cannot be located. */
static bool has_dest(const Plane__SendRequest *m)
{
    return m->dest != NULL && m->dest->addr[0] != '\0';
}

/* It was to go over the connection a request of the peer came by, and that is gone. */
static bool is_cut_off(const struct edge *e, const struct edge_path *dest)
{
    return dest->transport != SIP_TP_UDP && e->out.has != NULL && !e->out.has(e->out.user, dest);
}

/* Where the request itself says it goes (RFC 3261 §8.1.2). false: it does not say; or over TLS it came, and that would
 * not be the way back. */
static bool own_target(struct edge *e, const Plane__SendRequest *m, const struct edge_path *dest, struct buf *out)
{
    struct sip_values it;
    struct sip_addr route;
    struct sip_uri uri;
    struct span value;
    edge_via_insert(e, &e->line, edge_span(m->raw), edge_span(m->txn), dest);
    if (e->line.failed || sip_msg_decode(&e->again, buf_span(&e->line)) != 0)
        return false;
    sip_values_init(&it, &e->again, SIP_H_ROUTE);
    bool routed = sip_values_next(&it, &value) && sip_addr_decode(&route, value) == 0;
    buf_put_span(out, routed ? route.uri : e->again.uri);
    if (out->failed || sip_uri_decode(&uri, buf_span(out)) != 0)
        return false;
    return dest->transport != SIP_TP_TLS || uri.scheme == SIP_SCHEME_SIPS ||
           (sip_uri_param(&uri, SPAN("transport"), &value) && span_caseeq(value, SPAN("tls")));
}

/* returns why it cannot be sent, or NULL */
static const char *reroute(const struct edge_hop_args *a, const Plane__SendRequest *m)
{
    struct buf uri;
    buf_init(&uri, SIP_URI_BYTES_MAX);
    const char *why =
        own_target(a->shard->edge, m, a->dest, &uri) ? edge_hop_locate(a, buf_span(&uri)) : edge_hop_direct(a);
    buf_fini(&uri);
    return why;
}

static bool is_flow_lost(const struct edge *e, const Plane__SendRequest *m, const struct edge_path *dest)
{
    return m->dest->flow_only && dest->transport != SIP_TP_UDP && e->out.is_open != NULL &&
           !e->out.is_open(e->out.user, dest);
}

/* returns why it cannot be sent, or NULL */
static const char *begin(struct edge_shard *s, const Plane__SendRequest *m)
{
    struct edge_path dest;
    struct edge_hop_args a = {
        .shard = s, .key = buf_span(&s->edge->key), .txn = edge_span(m->txn), .raw = edge_span(m->raw), .own = m->own};
    if (has_dest(m)) {
        if (!edge_path_from_plane(m->dest, &dest))
            return "destination is no address of a transport there is";
        if (is_flow_lost(s->edge, m, &dest))
            return "the connection it was for is gone"; /* RFC 5626 §5.3 */
        a.dest = &dest;
    }
    if (m->next_hop[0] != '\0')
        return edge_hop_locate(&a, span_cstr(m->next_hop));
    if (a.dest != NULL && is_cut_off(s->edge, &dest))
        return reroute(&a, m);
    return a.dest != NULL ? edge_hop_direct(&a) : "no destination";
}

void edge_on_send_request(struct edge_shard *s, const Plane__SendRequest *m)
{
    struct edge *e = s->edge;
    buf_reset(&e->key);
    buf_put_span(&e->key, edge_span(m->txn));
    buf_putc(&e->key, ';');
    buf_puts(&e->key, m->method);
    const struct edge_hop *hop = edge_hop_find(e, buf_span(&e->key));
    struct edge_txn *known = hop != NULL ? hop->x : edge_txn_client(e, buf_span(&e->key));
    if (known != NULL && !known->mute) { /* asked again: it goes on, and its last word is told again */
        (void)edge_txn_do(known, TXN_TU_REQUEST, NULL);
        return;
    }
    if (hop != NULL)
        return;
    const char *why = begin(s, m);
    if (why == NULL)
        return;
    log_ev(LOG_WARN, "request cannot be sent", log_s("call_id", edge_hop_call_id(edge_span(m->raw))), log_z("why", why),
           log_z("method", m->method), log_z("next_hop", m->next_hop));
    if (strcmp(m->method, "ACK") != 0)
        (void)edge_tell_failed(s, edge_span(m->txn), PLANE__TXN_FAILED__CAUSE__NO_ROUTE, why);
}

void edge_on_cancel(struct edge_shard *s, const Plane__CancelTxn *m)
{
    struct edge *e = s->edge;
    buf_reset(&e->key);
    buf_put_span(&e->key, edge_span(m->txn));
    buf_puts(&e->key, ";INVITE");
    struct edge_hop *hop = edge_hop_find(e, buf_span(&e->key));
    struct edge_txn *x = hop != NULL ? hop->x : edge_txn_client(e, buf_span(&e->key));
    if (hop != NULL && x == NULL) {
        edge_hop_cancel(hop);
        return;
    }
    if (x == NULL) { /* it was over long ago, and its actor has not noted how: it must not wait for ever */
        edge_stat_drop(EDGE_DROP_ACTOR_LATE);
        (void)edge_tell_failed(s, edge_span(m->txn), PLANE__TXN_FAILED__CAUSE__TIMEOUT, "not known here");
        return;
    }
    (void)edge_bytes_keep_dup(e, &x->reason, span_cstr(m->reason));
    (void)edge_txn_do(x, TXN_TU_CANCEL, NULL);
}
