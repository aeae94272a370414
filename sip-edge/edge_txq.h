/*
 * edge_txq: the sending half of a stream: bytes that wait, and who wants to hear when they could not be sent.
 * Layer: sip-edge. Pure.
 */
#ifndef SIP_EDGE_EDGE_TXQ_H
#define SIP_EDGE_EDGE_TXQ_H

#include "common/base/buf.h"

#define EDGE_TXQ_BYTES_MAX (512u << 10) /* waiting for one peer; one that reads too slowly for it is given up */

struct edge_txq {
    struct buf bytes;
    size_t at;         /* of `bytes` already written */
    uint64_t gone;     /* bytes written before the first of `bytes` */
    struct buf owners; /* one note a message that has an owner; see edge_txq.c */
};

typedef void edge_txq_owner_fn(void *user, struct span owner, bool is_server);

void edge_txq_init(struct edge_txq *q);
void edge_txq_fini(struct edge_txq *q);
/** Append a message, whole or not at all. owner: may be empty. false: full, or out of memory. */
bool edge_txq_put(struct edge_txq *q, struct span bytes, struct span owner, bool is_server);
/** What is to be written next. */
static inline struct span edge_txq_front(const struct edge_txq *q)
{
    return span_of(q->bytes.p + q->at, q->bytes.len - q->at);
}
static inline size_t edge_txq_len(const struct edge_txq *q)
{
    return q->bytes.len - q->at;
}
/** n bytes of the front were written. An empty queue holds no memory. */
void edge_txq_wrote(struct edge_txq *q, size_t n);
/** Names the owner of every message that was not written whole, and empties the queue. */
void edge_txq_give_up(struct edge_txq *q, edge_txq_owner_fn *fn, void *user);

#endif
