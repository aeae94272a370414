/*
 * edge_hairpin: an INVITE that one call-actor sends to a call of our own, which may be another's. Layer: sip-edge,
 * private.
 *
 * It goes over the wire as to anybody else, so all that holds between calls holds here too. It is known for our own by
 * its branch, which nobody else has seen: that of a client transaction that its call-actor sends to us and to nobody
 * else. An address would prove nothing.
 */
#ifndef SIP_EDGE_EDGE_HAIRPIN_H
#define SIP_EDGE_EDGE_HAIRPIN_H

#include "sip-edge/edge.h"

/** This request is one. */
bool edge_hairpin_is(struct edge *e, const struct sip_msg *m);
/** It may be one that the edge before this one has sent. Its call-actor will say it again; to answer it now as a
 * stranger's would be wrong. */
bool edge_hairpin_is_lost(struct edge *e, const struct sip_msg *m, const struct edge_path *from);

#endif
