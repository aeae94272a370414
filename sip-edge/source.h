/*
 * source: what untrusted senders have left of their allowances. Layer: sip-edge. Pure.
 *
 * A source is an IPv4 address or an IPv6 /64 (who has one address of a /64 has them all). Each has a row of token
 * buckets. The table is bounded: the source that was silent longest makes room, and one that takes part in calls only
 * when all do. A source that was forgotten begins with full buckets.
 */
#ifndef SIP_EDGE_SOURCE_H
#define SIP_EDGE_SOURCE_H

#include "common/base/list.h"
#include "common/base/map.h"
#include <netinet/in.h>

#define SOURCES_MAX 16384
#define SOURCE_VOUCH_MS 3600000 /* one that took part in a call may not be blocked for so long */

/* The buckets. id, tokens a second, tokens at most. R: _RATE_LIMIT; 0 there: that bucket is never empty */
#define SOURCE_BUCKET_LIST(X)                                                                                          \
    X(NEW, R, R)              /* requests that open something */                                                       \
    X(CLAIM, 5 * R, 10 * R)   /* messages that claim to belong to a dialog or transaction of ours */                   \
    X(REFUSAL, 0.2, 3)        /* answers that say the limit is reached; beyond them silence */                         \
    X(FAULT, 1, 60)           /* malformed requests and ones that found nothing; empty: a scanner */                   \
    X(BYTES, 1024, 16 * 1024) /* by which our own answers may exceed what came, so that nobody uses us to amplify */

enum source_bucket {
#define SOURCE_BUCKET_ENUM(id, rate, burst) SOURCE_##id,
    SOURCE_BUCKET_LIST(SOURCE_BUCKET_ENUM)
#undef SOURCE_BUCKET_ENUM
        SOURCE_BUCKETS
};

struct source_id {
    uint64_t w[2];
};

struct source {
    struct map_node node;
    struct list lru; /* in sources.free, .plain or .vouched */
    struct source_id id;
    int64_t seen_ms;
    int64_t vouched_ms;            /* when it last took part in a call */
    int64_t level[SOURCE_BUCKETS]; /* millionths of a token */
    bool vouched;
};

struct sources {
    struct map map;
    struct source *pool; /* SOURCES_MAX */
    size_t max;
    size_t begun; /* of the pool: the rest was never used, and takes no memory */
    struct list free;
    struct list plain;   /* longest silent first */
    struct list vouched; /* the same, of those that take part in calls */
    struct {
        int64_t milli_per_s; /* thousandths of a token a second */
        int64_t most;        /* millionths */
        bool off;
    } bucket[SOURCE_BUCKETS];
};

/** In place. rate: _RATE_LIMIT, 0: no limit on requests. max: sources at once, at most SOURCES_MAX. Dies when memory is
 * out. */
void sources_init(struct sources *t, uint32_t rate, size_t max);
void sources_fini(struct sources *t);

struct source_id source_id_of(const struct in6_addr *ip);
/**
 * The source of a message that came now: its buckets refilled, made when it is new.
 * returns NULL only when memory for the map is out. The pointer is good until the next call.
 */
struct source *source_touch(struct sources *t, struct source_id id, int64_t now_ms);
/** Takes n tokens, or nothing and returns false. */
bool source_take(struct sources *t, struct source *s, enum source_bucket b, int64_t n);
/** Gives n tokens, up to what the bucket holds. */
void source_give(struct sources *t, struct source *s, enum source_bucket b, int64_t n);
/** It takes part in a call now. */
void source_vouch(struct sources *t, struct source *s, int64_t now_ms);
bool source_is_vouched(const struct source *s, int64_t now_ms);
static inline size_t sources_count(const struct sources *t)
{
    return t->map.count;
}

#endif
