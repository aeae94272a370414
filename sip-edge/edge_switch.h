/*
 * edge_switch: requests too long for a datagram. Layer: sip-edge, private. RFC 3261 §18.1.1.
 *
 * One that would go by UDP and is longer than edge_conf.udp_bytes_max goes over TCP to the same address and port. When
 * no connection can be made there it goes by UDP after all, as the RFC allows, and the address is remembered as deaf
 * for a while, so that the next long request does not wait for it again.
 */
#ifndef SIP_EDGE_EDGE_SWITCH_H
#define SIP_EDGE_EDGE_SWITCH_H

#include "sip-edge/edge_addr.h"

#define EDGE_UDP_BYTES_MAX 1300    /* the path MTU is not known (§18.1.1) */
#define EDGE_SWITCH_DEAF_MS 300000 /* how long a peer is remembered to have no TCP */
#define EDGE_SWITCH_DEAF_CNT 1024  /* of them; a newer one may take an older one's place */

struct edge;
struct edge_txn;

struct edge_deaf {
    struct in6_addr peer;
    uint16_t port;
    int64_t until_ms;
};

struct edge_switch {
    uint32_t udp_bytes_max; /* 0: datagrams may be as long as they like */
    struct edge_deaf deaf[EDGE_SWITCH_DEAF_CNT];
};

/** Should a request of that many bytes go over TCP instead? */
bool edge_switch_wants(const struct edge *e, const struct edge_path *to, size_t bytes);
/** A client transaction that was switched could not be sent: it begins anew by UDP. false: it was not switched, or has
 * been answered. */
bool edge_switch_back(struct edge_txn *x);

#endif
