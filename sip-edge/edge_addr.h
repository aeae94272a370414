/*
 * edge_addr: where a message came from and goes to. Layer: sip-edge. Pure.
 * Addresses are kept as IPv6, IPv4 mapped into it, so that one comparison serves both.
 */
#ifndef SIP_EDGE_EDGE_ADDR_H
#define SIP_EDGE_EDGE_ADDR_H

#include "common/base/span.h"
#include "common/sip/sip_via.h"
#include <netinet/in.h>
#include <sys/socket.h>

/* One side of the world and the way to it. */
struct edge_path {
    struct in6_addr peer;
    struct in6_addr local; /* our address it was reached at; all zero: the kernel's choice */
    struct span name;  /* TLS: the host name that was asked for, which the peer must prove; borrowed; may be empty */
    uint64_t flow;     /* connection; 0 on UDP: none, or any */
    uint16_t port;     /* of the peer; where a connection is made to when `flow` is gone */
    uint8_t transport; /* enum sip_transport */
};

#define EDGE_ADDR_TEXT_SIZE INET6_ADDRSTRLEN

/** An address literal, IPv6 with or without brackets; never a name. false: it is none. */
bool edge_addr_parse(struct span text, struct in6_addr *out);
/** A host without the brackets of an IPv6 literal. */
struct span edge_host_bare(struct span host);
/** "192.0.2.1" or "2001:db8::1" into out (EDGE_ADDR_TEXT_SIZE bytes); returns out. All zero gives "". */
const char *edge_addr_text(const struct in6_addr *ip, char *out);
static inline bool edge_addr_is_v4(const struct in6_addr *ip)
{
    return IN6_IS_ADDR_V4MAPPED(ip);
}
struct in6_addr edge_addr_from_v4(struct in_addr v4);
/** The 128 bits as two numbers, the first the higher. */
void edge_addr_words(const struct in6_addr *ip, uint64_t out[2]);
bool edge_addr_from_sockaddr(const struct sockaddr_storage *ss, struct in6_addr *ip, uint16_t *port);
/** For a socket of `family`; returns the length, or 0 when the family cannot reach the address. */
socklen_t edge_addr_to_sockaddr(const struct in6_addr *ip, uint16_t port, int family, struct sockaddr_storage *out);

#endif
