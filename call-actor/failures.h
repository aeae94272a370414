/*
 * failures: digests that were wrong, counted per source, user and minute. Layer: call-actor, pure.
 *
 * The source is who got the challenge that was answered (nonce_text_origin: an IPv4 address or an IPv6 /64), not what
 * the answer says it comes from: over UDP anybody can write that, and would fail in another's name.
 *
 * Fixed memory whatever strangers make up: rows of counters under as many hashes, the smallest counts. It may count
 * somebody's failures for another (all hashes must collide), it never counts too few, and there is no entry that could
 * be pushed out. Who wants to fill it so that everybody is throttled must fail about FAILURES_SLOTS times the limit
 * within a minute, each time with another user or source: docs/registrar.md has the figures.
 */
#ifndef CALL_ACTOR_FAILURES_H
#define CALL_ACTOR_FAILURES_H

#include "common/base/clock.h"
#include "common/base/span.h"

#define FAILURES_SLOTS 65536u /* a row */
#define FAILURES_ROWS 4

struct failures {
    uint32_t max; /* a minute; 0: nobody is ever throttled */
    int64_t minute;
    uint64_t key[2];
    uint16_t count[FAILURES_ROWS][FAILURES_SLOTS];
};

/* Whose failures. */
struct failures_of {
    uint32_t origin;
    bool registered; /* sent from where this user is registered: counted for itself */
    struct span user;
};

/** seed: random bytes, so that nobody can choose whom he collides with. */
void failures_init(struct failures *f, uint32_t max, const uint8_t seed[16]);
/** This source has had its failures with this user for this minute. */
bool failures_is_over(struct failures *f, const struct failures_of *of, struct now now);
/** Counts one. true: it was the last allowed one of this minute (said once, for the log). */
bool failures_add(struct failures *f, const struct failures_of *of, struct now now);

#endif
