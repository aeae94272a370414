/*
 * trust: the networks of _TRUSTED_PEERS. Layer: sip-edge. Pure.
 * On UDP a source address can be forged: the networks listed must be ones whose packets nobody else can send.
 */
#ifndef SIP_EDGE_TRUST_H
#define SIP_EDGE_TRUST_H

#include "common/base/span.h"
#include <netinet/in.h>

#define TRUST_NETS_MAX 64 /* as many as the setting takes */

struct trust {
    struct trust_net {
        uint64_t addr[2]; /* host order, bits outside the mask 0 */
        uint64_t mask[2];
    } net[TRUST_NETS_MAX];
    unsigned cnt;
};

/**
 * cidrs    "192.0.2.0/24,2001:db8::1" as the setting's check leaves it; empty: nobody is trusted
 * returns  0, or -1 when an entry is no network (nobody is trusted then)
 */
int trust_init(struct trust *t, struct span cidrs);
bool trust_has(const struct trust *t, const struct in6_addr *ip);

#endif
