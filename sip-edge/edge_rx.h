/*
 * edge_rx: what the network says. Layer: sip-edge, private to it. e->msg holds the message, decoded.
 */
#ifndef SIP_EDGE_EDGE_RX_H
#define SIP_EDGE_EDGE_RX_H

#include "sip-edge/edge.h"

/** A request that decoded with 0 (edge_req.c). */
void edge_on_request(struct edge *e, const struct edge_path *from);
/** A response that decoded with 0 (edge_rsp.c). */
void edge_on_response(struct edge *e, const struct edge_path *from);

/* Words of an actor (edge_actor.c). */
void edge_on_send_reply(struct edge_shard *s, const Plane__SendReply *m);
void edge_on_send_request(struct edge_shard *s, const Plane__SendRequest *m);
void edge_on_cancel(struct edge_shard *s, const Plane__CancelTxn *m);
/* The same about registered phones (edge_flow.c). */
void edge_on_ping(struct edge_shard *s, const Plane__Ping *m);
/** A reply goes out: pins its note to the connection it goes over. */
void edge_watch_flow(struct edge_shard *s, const Plane__SendReply *m);

#endif
