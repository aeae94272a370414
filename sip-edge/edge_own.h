/*
 * edge_own: what we are called: host and port of our Via. Layer: sip-edge, private. RFC 3261 §18.1.1, §18.1.2.
 *
 * The public address of the peer's family, with the advertised port. A family that has none: our own address on the way
 * to the peer, with the listener's port, because a peer that knows only IPv6 can do nothing with an IPv4 address.
 */
#ifndef SIP_EDGE_EDGE_OWN_H
#define SIP_EDGE_EDGE_OWN_H

#include "sip-edge/edge_addr.h"

#define EDGE_OWN_HOST_SIZE (EDGE_ADDR_TEXT_SIZE + 2)

struct edge;
struct edge_conf;

struct edge_own {
    char host[2][EDGE_OWN_HOST_SIZE]; /* public, of IPv4 and of IPv6, as it stands in a Via; "": none */
    bool v6_first;                    /* which was named first */
    uint16_t port;                    /* advertised; UDP and TCP */
    uint16_t sips_port;               /* advertised; TLS; 0: there is no TLS */
    uint16_t listen_port;
    uint16_t listen_sips_port;
};

/** conf->public_ip: one address, or one of each family with a comma between them. */
void edge_own_init(struct edge_own *o, const struct edge_conf *conf);

struct edge_sent_by {
    struct span host;
    uint16_t port;
    char text[EDGE_OWN_HOST_SIZE]; /* `host` may lie here */
};
/** The sent-by of a request of ours that goes this way. */
void edge_own_sent_by(const struct edge *e, const struct edge_path *to, struct edge_sent_by *out);
/** The top Via of a response that came this way is one of ours. */
bool edge_own_has(const struct edge *e, const struct sip_via *via, const struct edge_path *from);

#endif
