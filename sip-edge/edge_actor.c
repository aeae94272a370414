/*
 * What a call-actor says: replies, requests, CANCELs. It may know transactions that the edge does not (the edge was
 * restarted) and ask for things that are done already (the actor was): both are ordinary.
 */
#include "common/base/log.h"
#include "common/sip/sip_txn_key.h"
#include "common/sip/sip_uri.h"
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
    if (!reply->via.has_rport) /* §18.2.2: back to the sender's address, but to the port in its Via */
        out->port = sip_via_port(&reply->via);
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
                              .reply_port = path->port};
    struct edge_txn *x = edge_txn_new(e, &a);
    if (x != NULL)
        edge_stat_adopted();
    return x;
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
    struct edge_txn *x = adopt(s, m, &path);
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
    if (x != NULL)
        (void)edge_txn_do(x, TXN_TX_REPLY, &w);
    else
        on_unknown_reply(s, m, &w);
}

/* --- requests --- */

static void no_route(struct edge_shard *s, struct span txn, const char *why)
{
    (void)edge_tell_failed(s, txn, PLANE__TXN_FAILED__CAUSE__NO_ROUTE, why);
}

/* Where a request goes: the address given, or the one that stands in next_hop. Names are for a locator to resolve. */
static const char *locate(const Plane__SendRequest *m, struct edge_path *out)
{
    struct sip_uri uri;
    struct span transport = span_of(NULL, 0);
    if (m->dest != NULL && m->dest->addr[0] != '\0')
        return edge_path_from_plane(m->dest, out) ? NULL : "destination is not a UDP address";
    if (sip_uri_decode(&uri, span_cstr(m->next_hop)) != 0)
        return "no destination";
    if (uri.scheme == SIP_SCHEME_SIPS ||
        (sip_uri_param(&uri, SPAN("transport"), &transport) && sip_transport_lookup(transport) != SIP_TP_UDP))
        return "transport is not there";
    *out = (struct edge_path){.transport = SIP_TP_UDP, .port = sip_uri_port(&uri)};
    return edge_addr_parse(uri.host, &out->peer) ? NULL : "host is not an address";
}

static bool branch_is_good(struct span branch)
{
    return branch.len <= SIP_BRANCH_BYTES_MAX && span_starts(branch, SPAN("z9hG4bK")) &&
           sip_lex_all(branch, SIP_C_TOKEN);
}

/* Writes the request with our Via into e->line. returns why it cannot be sent, or NULL */
static const char *prepare(struct edge *e, const Plane__SendRequest *m, struct edge_path *to)
{
    const char *why = locate(m, to);
    if (why != NULL)
        return why;
    if (!branch_is_good(edge_span(m->txn)))
        return "bad branch";
    edge_via_insert(e, &e->line, edge_span(m->raw), edge_span(m->txn), to->transport);
    if (e->line.failed || sip_msg_decode(&e->again, buf_span(&e->line)) != 0 || !e->again.is_request ||
        !span_eq(e->again.method_text, span_cstr(m->method)))
        return "malformed request";
    return NULL;
}

static void open_client(struct edge_shard *s, const Plane__SendRequest *m, const struct edge_path *to)
{
    struct edge *e = s->edge;
    enum sip_method method = e->again.method;
    struct edge_txn_args a = {.kind = method == SIP_M_INVITE ? TXN_ICT : TXN_NICT,
                              .method = method,
                              .key = buf_span(&e->key),
                              .id_len = m->txn.len,
                              .request = buf_span(&e->line),
                              .path = to,
                              .shard = s};
    struct edge_txn *x = edge_txn_new(e, &a);
    if (x == NULL)
        (void)edge_tell_failed(s, edge_span(m->txn), PLANE__TXN_FAILED__CAUSE__TRANSPORT, "too many transactions");
    else
        (void)edge_txn_do(x, TXN_TU_REQUEST, NULL);
}

void edge_on_send_request(struct edge_shard *s, const Plane__SendRequest *m)
{
    struct edge *e = s->edge;
    struct edge_path to;
    buf_reset(&e->key);
    buf_put_span(&e->key, edge_span(m->txn));
    buf_putc(&e->key, ';');
    buf_puts(&e->key, m->method);
    struct edge_txn *known = edge_txn_client(e, buf_span(&e->key));
    if (known != NULL) { /* asked again: it goes on, and its last word is told again */
        (void)edge_txn_do(known, TXN_TU_REQUEST, NULL);
        return;
    }
    const char *why = prepare(e, m, &to);
    if (why != NULL) {
        log_ev(LOG_WARN, "request cannot be sent", log_z("why", why), log_z("method", m->method),
               log_z("next_hop", m->next_hop));
        if (strcmp(m->method, "ACK") != 0)
            no_route(s, edge_span(m->txn), why);
        return;
    }
    if (e->again.method != SIP_M_ACK) {
        open_client(s, m, &to);
        return;
    }
    edge_stat_sent_request(SIP_M_ACK); /* of a 2xx: no transaction (§17.1) */
    e->out.send(e->out.user, &to, buf_span(&e->line), span_of(NULL, 0), false);
}

void edge_on_cancel(struct edge_shard *s, const Plane__CancelTxn *m)
{
    struct edge *e = s->edge;
    buf_reset(&e->key);
    buf_put_span(&e->key, edge_span(m->txn));
    buf_puts(&e->key, ";INVITE");
    struct edge_txn *x = edge_txn_client(e, buf_span(&e->key));
    if (x == NULL) {
        edge_stat_drop(EDGE_DROP_ACTOR_LATE);
        return;
    }
    (void)edge_bytes_keep_dup(e, &x->reason, span_cstr(m->reason));
    (void)edge_txn_do(x, TXN_TU_CANCEL, NULL);
}
