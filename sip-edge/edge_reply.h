/*
 * edge_reply: messages the edge writes itself: replies without an actor, ACK, CANCEL. Layer: sip-edge, private to it.
 */
#ifndef SIP_EDGE_EDGE_REPLY_H
#define SIP_EDGE_EDGE_REPLY_H

#include "sip-edge/edge.h"

#define EDGE_RETRY_MIN_S 5
#define EDGE_RETRY_SPREAD_S 11 /* 5..15: callers that were refused together do not come back together */

struct edge_reply {
    const struct sip_msg *req;
    const struct edge_path *from; /* where req came from */
    unsigned status;
    struct span reason;                     /* empty: the registered phrase */
    struct span why;                        /* what the log says of it; empty: the reason */
    uint32_t retry_after_s;                 /* 503: base; 0: EDGE_RETRY_MIN_S */
    uint32_t delay_ms;                      /* 100: since req came (§8.2.6.1) */
    const struct edge_challenge *challenge; /* 401 */
};

/** Writes it into `out` (emptied first), with Allow, Retry-After … as the status asks. out->failed when it is too long.
 */
void edge_reply_write(struct edge *e, struct buf *out, const struct edge_reply *r);
/** The same, sent at once, with no transaction (RFC 3261 §8.2.7): the same request gets the same reply again. */
void edge_reply_stateless(struct edge *e, const struct edge_reply *r);
/** The port replies to m go to (RFC 3261 §18.2.2; rport: RFC 3581 §4). maddr is not followed; see docs/transactions.md.
 */
uint16_t edge_reply_port(const struct sip_msg *m, const struct edge_path *from);

/** ACK for a 300-699 response (RFC 3261 §17.1.1.3). invite: as it was sent. */
void edge_ack_write(struct buf *out, const struct sip_msg *invite, const struct sip_msg *response);
/** CANCEL for an INVITE (§9.1). reason: value of a Reason header, or empty. */
void edge_cancel_write(struct buf *out, const struct sip_msg *invite, struct span reason);
/** Another transport in the Via that edge_via_insert wrote; UDP and TCP only: they are as long. */
void edge_via_set_transport(char *request, size_t len, enum sip_transport t);
/** Our Via with this branch, put after the request line of `raw`. out->failed when raw has no line or is too long. */
void edge_via_insert(const struct edge *e, struct buf *out, struct span raw, struct span branch,
                     const struct edge_path *to);

#endif
