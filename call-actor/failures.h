/*
 * failures: digests that were wrong, counted per source (an IPv4 address or an IPv6 /64), user and minute. Layer:
 * call-actor, pure.
 *
 * Fixed memory whatever strangers make up: two rows of counters under two hashes, the smaller of the two counts. It may
 * count somebody's failures for another (both hashes must collide), it never counts too few, and there is no entry
 * that could be pushed out.
 */
#ifndef CALL_ACTOR_FAILURES_H
#define CALL_ACTOR_FAILURES_H

#include "common/base/clock.h"
#include "common/base/span.h"

#define FAILURES_SLOTS 32768u /* a row */
#define FAILURES_ROWS 2

struct failures {
    uint32_t max; /* a minute; 0: nobody is ever throttled */
    int64_t minute;
    uint64_t key[FAILURES_ROWS][2];
    uint16_t count[FAILURES_ROWS][FAILURES_SLOTS];
};

/** seed: 32 random bytes, so that nobody can choose whom he collides with. */
void failures_init(struct failures *f, uint32_t max, const uint8_t seed[32]);
/** This source has had its failures with this user for this minute. */
bool failures_is_over(struct failures *f, struct span source, struct span user, struct now now);
/** Counts one. true: it was the last allowed one of this minute (said once, for the log). */
bool failures_add(struct failures *f, struct span source, struct span user, struct now now);

#endif
