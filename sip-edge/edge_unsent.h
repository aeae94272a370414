/*
 * edge_unsent: owners of messages that could not be sent, until they can be told. Layer: sip-edge, of the transports.
 *
 * A transport never calls into the edge from within edge_out.send: who sends is in the middle of a step, of the very
 * transaction that would hear of it as likely as not. So failures wait here for the end of the turn.
 */
#ifndef SIP_EDGE_EDGE_UNSENT_H
#define SIP_EDGE_EDGE_UNSENT_H

#include "sip-edge/edge.h"

#define EDGE_OWNER_MAX (EDGE_KEY_MAX + SIP_METHOD_BYTES_MAX) /* longest owner that edge_out.send is given */
#define EDGE_UNSENT_BYTES_MAX (4u << 20) /* of one transport, in a turn; over it an owner's timers end it */

struct edge_unsent {
    struct buf owners;
};

void edge_unsent_init(struct edge_unsent *u);
void edge_unsent_fini(struct edge_unsent *u);
/** Copies the owner; nothing to do for an empty one. */
void edge_unsent_put(struct edge_unsent *u, struct span owner, bool is_server);
/** Tells everybody noted before this call; what that makes fail anew waits for the next. false: there was nobody. */
bool edge_unsent_tell(struct edge_unsent *u, struct edge *e, struct now now);

#endif
