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
#define EDGE_FLOWS_KEPT_MAX 32768u           /* ends of connections kept for one actor */
#define EDGE_FLOWS_KEPT_BYTES_MAX (4u << 20) /* what was pinned to them, together */
void edge_flows_init(struct edge_shard *s);
/** The actor is back: the connections that ended meanwhile, and a moment before. */
void edge_flows_tell_again(struct edge_shard *s);

#endif
