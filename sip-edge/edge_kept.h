/*
 * edge_kept: what was told to a call-actor lately, to be told again should it have died before it wrote that down.
 * Layer: sip-edge, private. Pure. Bounded: the oldest go first.
 */
#ifndef SIP_EDGE_EDGE_KEPT_H
#define SIP_EDGE_EDGE_KEPT_H

#include "common/base/list.h"
#include "sip-edge/edge_addr.h"

#define EDGE_KEPT_MS 1000 /* while the actor is there; while it is away they wait for it */

struct edge_kept {
    struct list all; /* oldest first */
    size_t cnt;
    size_t bytes;
    size_t cnt_max;
    size_t bytes_max;
};

struct edge_kept_one {
    struct list link;
    int64_t at_ms;
    struct edge_path path; /* without name */
    size_t len;
    char bytes[];
};

void edge_kept_init(struct edge_kept *k, size_t cnt_max, size_t bytes_max);
/** Forgets all. */
void edge_kept_drop(struct edge_kept *k);
/** Keeps a copy. false: no memory. */
bool edge_kept_put(struct edge_kept *k, const struct edge_path *path, struct span bytes, int64_t now_ms);
/** Forgets what is older than EDGE_KEPT_MS. */
void edge_kept_age(struct edge_kept *k, int64_t now_ms);
/** The one behind `after` (NULL: the first), or NULL. */
const struct edge_kept_one *edge_kept_next(const struct edge_kept *k, const struct edge_kept_one *after);
static inline struct span edge_kept_bytes(const struct edge_kept_one *o)
{
    return span_of(o->bytes, o->len);
}

#endif
