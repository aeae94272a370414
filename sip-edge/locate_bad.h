/*
 * locate_bad: addresses that failed a moment ago, so that not every request finds out anew. Layer: sip-edge. Pure.
 *
 * A candidate in it is not left out, only tried after the others: when all have failed the order is as before. Bounded;
 * when it is full the one that would be forgiven first makes room.
 */
#ifndef SIP_EDGE_LOCATE_BAD_H
#define SIP_EDGE_LOCATE_BAD_H

#include "common/base/clock.h"
#include "sip-edge/locate.h"

#define LOCATE_BAD_MAX 64
#define LOCATE_BAD_MS 30000 /* as long as timer B: a call does not wait for it twice */

struct locate_bad {
    struct {
        struct locate_candidate who;
        int64_t until_ms;
    } entry[LOCATE_BAD_MAX];
    unsigned cnt;
};

void locate_bad_note(struct locate_bad *b, const struct locate_candidate *who, struct now now);
/** It answered: forgiven. */
void locate_bad_clear(struct locate_bad *b, const struct locate_candidate *who);
bool locate_bad_has(const struct locate_bad *b, const struct locate_candidate *who, struct now now);
/** Those that failed go behind the others; among each the order stays. */
void locate_bad_sort(const struct locate_bad *b, struct locate_candidate *c, unsigned cnt, struct now now);

#endif
