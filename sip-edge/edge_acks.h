/*
 * edge_acks: ACKs of 2xx that went to a call-actor lately. Layer: sip-edge, private.
 *
 * Nobody answers such an ACK and no transaction keeps it, so one that the actor had not committed when it died would be
 * missed until the 2xx is repeated, and for good when the BYE comes first. They are kept a moment and said again when
 * the actor is back; one that it knows changes nothing.
 */
#ifndef SIP_EDGE_EDGE_ACKS_H
#define SIP_EDGE_EDGE_ACKS_H

#include "sip-edge/edge.h"

#define EDGE_ACKS_MAX 4096             /* of one actor */
#define EDGE_ACKS_BYTES_MAX (4u << 20) /* together; the oldest go first */

void edge_acks_init(struct edge_shard *s);
/** Tells the ACK in e->msg to the actor, now or when it is back. */
void edge_acks_tell(struct edge_shard *s, const struct edge_path *from);
/** The actor is back: all that are kept, in order. */
void edge_acks_tell_again(struct edge_shard *s);
/** It stays away: none is kept any longer. */
void edge_acks_drop(struct edge_shard *s);

#endif
