/*
 * edge_udp: datagrams in and out. Layer: sip-edge. RFC 3261 §18, RFC 3581.
 *
 * Reads up to EDGE_UDP_RX_TURN datagrams a turn with recvmmsg, and sends what a turn produced at its end with sendmmsg.
 * What the kernel does not take waits in a bounded queue; over it, datagrams are dropped and counted (timers repeat
 * them). No error of the network stops it. Of failures the edge hears at the end of the turn, never from within
 * edge_udp_send.
 */
#ifndef SIP_EDGE_EDGE_UDP_H
#define SIP_EDGE_EDGE_UDP_H

#include "common/rt/loop.h"
#include "sip-edge/edge.h"

#define EDGE_UDP_RX_TURN 256  /* datagrams a turn: then timers and actors have theirs */
#define EDGE_UDP_TX_MAX 16384 /* datagrams waiting */
#define EDGE_UDP_TX_BYTES_MAX (32u << 20)

struct edge_udp;

/** fd: bound UDP socket, not owned. returns NULL with errno set. The edge is told of what arrives from the next turn
 * on. */
struct edge_udp *edge_udp_new(struct loop *l, int fd, struct edge *e);
void edge_udp_free(struct edge_udp *u);
/** Queue a datagram for the end of this turn; fits edge_out.send. */
void edge_udp_send(struct edge_udp *u, const struct edge_path *to, struct span bytes, struct span owner,
                   bool is_server);
/** No reading: what arrives waits in the kernel, for us or for who comes after us. */
void edge_udp_pause(struct edge_udp *u, bool on);
/** Does it read now, and how often has it looked? */
bool edge_udp_reads(const struct edge_udp *u, uint64_t *looks);
/** Port the socket is bound to. */
uint16_t edge_udp_port(const struct edge_udp *u);
/** Our address on the way to a peer: the socket's own, or the one the kernel would choose. Asks the kernel, but sends
 * nothing. false: there is no way to it. */
bool edge_udp_local(const struct edge_udp *u, const struct edge_path *to, struct in6_addr *out);

#endif
