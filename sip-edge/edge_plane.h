/*
 * edge_plane: what the edge says to a call-actor, put into messages. Layer: sip-edge, private to it.
 * Each returns 0, -BUS_EDOWN or -BUS_EFULL, as edge_out.say does.
 */
#ifndef SIP_EDGE_EDGE_PLANE_H
#define SIP_EDGE_EDGE_PLANE_H

#include "sip-edge/edge.h"

struct edge_told_request {
    struct span txn;     /* empty: the ACK of a 2xx */
    struct span cancels; /* CANCEL: the INVITE's key */
    const struct sip_msg *msg;
    const struct edge_path *from;
    bool repeated;
};
int edge_tell_request(struct edge_shard *s, const struct edge_told_request *a);
int edge_tell_response(struct edge_shard *s, struct span txn, const struct sip_msg *m, const struct edge_path *from);
int edge_tell_failed(struct edge_shard *s, struct span txn, Plane__TxnFailed__Cause cause, const char *detail);
/** ended: it ended now; else there is none like that. */
int edge_tell_flow_gone(struct edge_shard *s, const struct edge_path *flow, struct span note, bool ended);

/** A destination the actor gave. false: no address literal, no port, or a transport that is not there. */
bool edge_path_from_plane(const Plane__Endpoint *ep, struct edge_path *out);
static inline struct span edge_span(ProtobufCBinaryData d)
{
    return span_of((const char *)d.data, d.len);
}

#endif
