/*
 * edge_inbox: the receiving half of a stream: bytes in as they come, messages out. Layer: sip-edge. Pure.
 * RFC 3261 §18.3; keep-alives: RFC 5626 §3.5.1.
 *
 * A message that lies whole in what was read is handed on where it lies; only one that was cut is put together here. So
 * a connection that is between messages holds no memory.
 */
#ifndef SIP_EDGE_EDGE_INBOX_H
#define SIP_EDGE_EDGE_INBOX_H

#include "common/base/buf.h"
#include "common/sip/sip_frame.h"

struct edge_inbox {
    struct sip_frame frame; /* of the message in `part` */
    struct buf part;        /* its beginning */
};

/* Who hears of it. What is given is borrowed for the call. */
struct edge_inbox_sink {
    void *user;
    /* false: no more is wanted; the rest is dropped. */
    bool (*on_msg)(void *user, struct span msg);
    /* CRLFCRLF: wants CRLF back. */
    void (*on_ping)(void *user);
};

void edge_inbox_init(struct edge_inbox *in);
void edge_inbox_fini(struct edge_inbox *in);
/**
 * Bytes of the stream, in order.
 * head     after a fault: start line and headers of the message that cannot be followed, as far as a head may reach, or
 *          empty; borrows in->part or `bytes`
 * returns  0, or the stream cannot be followed and must be closed: a fault of sip_frame_next,
 * -SIP_ESTARTLINE (this is no SIP), -SIP_ESPACE (no memory)
 */
int edge_inbox_take(struct edge_inbox *in, struct span bytes, const struct edge_inbox_sink *sink, struct span *head);
/** A message has begun and is not whole yet. */
static inline bool edge_inbox_is_waiting(const struct edge_inbox *in)
{
    return in->part.len > 0;
}

#endif
