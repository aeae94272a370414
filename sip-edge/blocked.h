/*
 * blocked: sources that are not listened to for a while. Layer: sip-edge. Pure.
 * Bounded: a full table gives up the block that began first. A restart of the process forgets all.
 */
#ifndef SIP_EDGE_BLOCKED_H
#define SIP_EDGE_BLOCKED_H

#include "common/base/clock.h"
#include "sip-edge/source.h"

#define BLOCKED_MAX 16384

/* Why. id, label in metrics and `sigctl blocked` */
#define BLOCKED_WHY_LIST(X)                                                                                            \
    X(SCANNER, "scanner") /* said so in User-Agent */                                                                  \
    X(FAULTS, "faults")   /* too many requests that were malformed or found nothing */

enum blocked_why {
#define BLOCKED_WHY_ENUM(id, label) BLOCKED_##id,
    BLOCKED_WHY_LIST(BLOCKED_WHY_ENUM)
#undef BLOCKED_WHY_ENUM
        BLOCKED_WHYS
};

struct blocked_source {
    struct map_node node;
    struct list age; /* in blocked.free or .begun */
    struct source_id id;
    struct in6_addr ip; /* the one that did it */
    int64_t since_wall_ms;
    int64_t until_ms;
    uint64_t dropped; /* messages, since it is blocked */
    uint8_t why;      /* enum blocked_why */
};

struct blocked {
    struct map map;
    struct blocked_source *pool;
    size_t max;
    size_t used; /* of the pool: the rest was never used, and takes no memory */
    struct list free;
    struct list begun; /* oldest first */
};

/** In place; max at most BLOCKED_MAX. Dies when memory is out. */
void blocked_init(struct blocked *b, size_t max);
void blocked_fini(struct blocked *b);
/** Blocks the source of `ip` for for_ms from now; one that is blocked already begins anew. */
void blocked_add(struct blocked *b, const struct in6_addr *ip, enum blocked_why why, int64_t for_ms, struct now now);
/** NULL: not blocked (any more). */
struct blocked_source *blocked_find(struct blocked *b, struct source_id id, int64_t now_ms);
/** false: it was not blocked. */
bool blocked_remove(struct blocked *b, struct source_id id, int64_t now_ms);
/** Takes out what has expired; returns how many are left. */
size_t blocked_sweep(struct blocked *b, int64_t now_ms);
const char *blocked_why_text(enum blocked_why why);

#endif
