/*
 * dns_cache: answers of the DNS until they expire. Layer: sip-edge. Pure: the caller brings now.
 *
 * Bounded by entries and bytes; what was not asked for longest goes first. "There is no such thing" is kept too
 * (RFC 2308), failures for a moment only, so that a name server that is down is not asked once a message. When a
 * question cannot be answered, the answer that expired less than DNS_STALE_MS ago serves on (RFC 8767).
 */
#ifndef SIP_EDGE_DNS_CACHE_H
#define SIP_EDGE_DNS_CACHE_H

#include "common/base/clock.h"
#include "common/base/list.h"
#include "common/base/map.h"
#include "sip-edge/dns_msg.h"

#define DNS_CACHE_MAX 4096             /* entries */
#define DNS_CACHE_BYTES_MAX (8u << 20) /* of their memory together */
#define DNS_TTL_MIN_S 1                /* TTL 0 serves the calls of one second: what else bounds the questions? */
#define DNS_TTL_MAX_S 3600             /* a change of an operator shows within the hour, whatever its zone says */
#define DNS_NEGATIVE_MAX_S 60          /* DNS_NONE; without a SOA too */
#define DNS_FAILED_MS 5000             /* DNS_FAILED */
#define DNS_STALE_MS INT64_C(3600000)  /* how long after its end an answer may stand in for a failure */
#define DNS_STALE_AGAIN_MS 30000       /* … and for how long before the servers are asked again */

struct dns_cache {
    struct map map;
    struct list recent; /* asked for longest ago first */
    size_t bytes;
};

void dns_cache_init(struct dns_cache *c);
void dns_cache_fini(struct dns_cache *c);
/** The answer, borrowed until the cache is changed; NULL: ask. */
const struct dns_answer *dns_cache_get(struct dns_cache *c, const struct dns_question *q, struct now now);
/**
 * Keep a copy of an answer that has just come (any status).
 * returns what the question's asker should get, borrowed as above: the kept answer, or for DNS_FAILED perhaps an older
 *         one; without memory dns_answer_failed
 */
const struct dns_answer *dns_cache_put(struct dns_cache *c, const struct dns_question *q, const struct dns_answer *a,
                                       struct now now);
static inline size_t dns_cache_count(const struct dns_cache *c)
{
    return c->map.count;
}
/** The key of a question for a map: its type and name, in `out`; the span lives as long as `out`. */
#define DNS_KEY_SIZE (DNS_NAME_SIZE + 8)
struct span dns_question_key(const struct dns_question *q, char out[DNS_KEY_SIZE]);

#endif
