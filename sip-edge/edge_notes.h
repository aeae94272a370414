/*
 * edge_notes: what call-actors pin to a connection, to hear of its end: each note comes back to who pinned it. Layer:
 * sip-edge. Pure. The edge does not know what they mean.
 */
#ifndef SIP_EDGE_EDGE_NOTES_H
#define SIP_EDGE_EDGE_NOTES_H

#include "common/base/buf.h"

#define EDGE_NOTES_BYTES_MAX 2048u /* of one connection; who comes later hears nothing */

struct edge_notes {
    struct buf bytes;
};

/* What is pinned with a reply. */
struct edge_pin {
    unsigned shard; /* of who pins it */
    struct span note;
    int64_t hold_ms; /* for so long the connection is not idle, though nothing is said on it */
};

/** In place; allocates nothing yet. */
void edge_notes_init(struct edge_notes *n);
void edge_notes_fini(struct edge_notes *n);
/** Keeps a copy, once however often it is put. false: there is no room. */
bool edge_notes_put(struct edge_notes *n, unsigned shard, struct span note);
/** Takes the next one off *rest (begin with edge_notes_all); false at the end. *note borrows from n. */
bool edge_notes_next(struct span *rest, unsigned *shard, struct span *note);
static inline struct span edge_notes_all(const struct edge_notes *n)
{
    return buf_span(&n->bytes);
}

#endif
