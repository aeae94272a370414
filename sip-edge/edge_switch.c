#include "sip-edge/edge_switch.h"
#include "common/base/log.h"
#include "sip-edge/edge_reply.h"
#include "sip-edge/edge_txn.h"

static size_t place_of(const struct edge_path *to)
{
    struct {
        struct in6_addr peer;
        uint16_t port;
    } key;
    memset(&key, 0, sizeof(key));
    key.peer = to->peer;
    key.port = to->port;
    return map_hash(span_of((const char *)&key, sizeof(key))) % EDGE_SWITCH_DEAF_CNT;
}

static bool is_deaf(const struct edge *e, const struct edge_path *to)
{
    const struct edge_deaf *d = &e->sw.deaf[place_of(to)];
    return d->port == to->port && IN6_ARE_ADDR_EQUAL(&d->peer, &to->peer) && e->now.mono_ms < d->until_ms;
}

bool edge_switch_wants(const struct edge *e, const struct edge_path *to, size_t bytes)
{
    return to->transport == SIP_TP_UDP && e->out.has != NULL && e->sw.udp_bytes_max > 0 &&
           bytes > e->sw.udp_bytes_max && !is_deaf(e, to);
}

bool edge_switch_back(struct edge_txn *x)
{
    struct edge *e = x->shard->edge;
    if (!x->switched || x->request.p == NULL || x->heard_status != 0)
        return false;
    char addr[EDGE_ADDR_TEXT_SIZE];
    log_ev(LOG_INFO, "no TCP there: a long request goes by UDP", log_z("to", edge_addr_text(&x->path.peer, addr)),
           log_n("port", x->path.port));
    e->sw.deaf[place_of(&x->path)] = (struct edge_deaf){
        .peer = x->path.peer, .port = x->path.port, .until_ms = e->now.mono_ms + EDGE_SWITCH_DEAF_MS};
    x->switched = false;
    x->path.transport = SIP_TP_UDP;
    edge_via_set_transport(x->request.p, x->request.len, SIP_TP_UDP);
    edge_txn_restart(x, false);
    return true;
}
