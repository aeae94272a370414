#include "sip-edge/edge_own.h"
#include "common/sip/sip_uri.h"
#include "sip-edge/edge.h"
#include <stdio.h>

static void put_host(struct edge_own *o, struct span addr)
{
    bool v6 = span_find(addr, ':') < addr.len;
    (void)snprintf(o->host[v6], sizeof(o->host[v6]), v6 ? "[%.*s]" : "%.*s", SPAN_ARG(addr));
}

void edge_own_init(struct edge_own *o, const struct edge_conf *conf)
{
    struct span first = span_cstr(conf->public_ip);
    first.len = span_find(first, ',');
    struct span second = span_from(span_cstr(conf->public_ip), first.len + 1);
    *o = (struct edge_own){
        .v6_first = span_find(first, ':') < first.len,
        .port = conf->public_port,
        .sips_port = conf->public_sips_port,
        .listen_port = conf->listen_port != 0 ? conf->listen_port : conf->public_port,
        .listen_sips_port = conf->listen_sips_port != 0 ? conf->listen_sips_port : conf->public_sips_port,
    };
    put_host(o, first);
    if (second.len > 0)
        put_host(o, second);
}

/* Where a message for this peer leaves from. false: it cannot be told. */
static bool local_towards(const struct edge *e, const struct edge_path *to, struct in6_addr *out)
{
    *out = to->local;
    if (!IN6_IS_ADDR_UNSPECIFIED(out) && edge_addr_is_v4(out) == edge_addr_is_v4(&to->peer))
        return true;
    return e->out.local != NULL && e->out.local(e->out.user, to, out);
}

void edge_own_sent_by(const struct edge *e, const struct edge_path *to, struct edge_sent_by *out)
{
    const struct edge_own *o = &e->own;
    bool v6 = IN6_IS_ADDR_UNSPECIFIED(&to->peer) ? o->v6_first : !edge_addr_is_v4(&to->peer);
    bool tls = to->transport == SIP_TP_TLS;
    char addr[EDGE_ADDR_TEXT_SIZE];
    struct in6_addr ip;
    out->port = tls ? o->sips_port : o->port;
    if (o->host[v6][0] != '\0') {
        out->host = span_cstr(o->host[v6]);
    } else if (local_towards(e, to, &ip)) {
        (void)snprintf(out->text, sizeof(out->text), v6 ? "[%s]" : "%s", edge_addr_text(&ip, addr));
        out->host = span_cstr(out->text);
        out->port = tls ? o->listen_sips_port : o->listen_port;
    } else {
        out->host = span_cstr(o->host[o->v6_first]);
    }
}

static bool is_public(const struct edge_own *o, struct span host)
{
    for (size_t i = 0; i < 2; i++)
        if (o->host[i][0] != '\0' && sip_host_eq(host, span_cstr(o->host[i])))
            return true;
    return false;
}

bool edge_own_has(const struct edge *e, const struct sip_via *via, const struct edge_path *from)
{
    const struct edge_own *o = &e->own;
    uint16_t port = sip_via_port(via);
    struct in6_addr ip;
    if ((port == o->port || port == o->sips_port) && is_public(o, via->host))
        return true;
    return (port == o->listen_port || port == o->listen_sips_port) && edge_addr_parse(via->host, &ip) &&
           IN6_ARE_ADDR_EQUAL(&ip, &from->local);
}
