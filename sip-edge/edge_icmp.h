/*
 * edge_icmp: what routers and hosts say about datagrams of ours that went nowhere. Layer: sip-edge, private to
 * edge_udp. RFC 3261 §18.4.
 *
 * The kernel keeps such reports with the beginning of the datagram they are about. A report counts only when the branch
 * of a client transaction stands in it: who cannot see our traffic cannot forge one.
 */
#ifndef SIP_EDGE_EDGE_ICMP_H
#define SIP_EDGE_EDGE_ICMP_H

#include "sip-edge/edge.h"

#define EDGE_ICMP_TURN 64 /* reports read at a time */

/** Have the kernel keep reports for a UDP socket. false: it cannot, with errno set. */
bool edge_icmp_enable(int fd, int family);
/** Read what it has kept, and tell the edge (edge_unreachable). */
void edge_icmp_read(int fd, struct edge *e, struct now now);
/**
 * The client transaction key ("branch;METHOD") of the request that a datagram begins with, which may be cut off
 * anywhere. returns false when it is no request, or cut before its branch ends
 */
bool edge_icmp_key(struct buf *out, struct span datagram);

#endif
