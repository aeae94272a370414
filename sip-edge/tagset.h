/*
 * tagset: the dialog tags that actors of ours have been seen to use. Layer: sip-edge. Pure.
 *
 * A request with a To tag of our shape claims to belong to a dialog; anybody can make up such a tag, but nobody can
 * guess one that is in use. So a tag from this set is proof, and what carries it is served when its source is blocked
 * or over its limits. Memory is fixed: sets of TAGSET_WAYS, the oldest tag of a full set makes room. Not in the set
 * (after a restart, or more dialogs than it holds) means only that the source's limit for claims applies.
 */
#ifndef SIP_EDGE_TAGSET_H
#define SIP_EDGE_TAGSET_H

#include "common/base/span.h"

#define TAGSET_SETS 65536 /* a power of two; with 4 ways 262,144 dialogs */
#define TAGSET_WAYS 4
#define TAGSET_PER_S 32 /* messages a second that a tag is proof for: whoever is in a call cannot flood by it */

struct tagset {
    struct tagset_slot {
        uint32_t check; /* half of the tag's hash; 0: empty */
        uint16_t sec;   /* the second, modulo 65536, that `used` is of */
        uint16_t used;
    } * slots;
};

/** In place. Dies when memory is out. */
void tagset_init(struct tagset *t);
void tagset_fini(struct tagset *t);
/** An actor uses it. */
void tagset_learn(struct tagset *t, struct span tag);
/** Is it known? */
bool tagset_has(const struct tagset *t, struct span tag);
/** Is it known, and not used too often in this second? Counts as one use. */
bool tagset_take(struct tagset *t, struct span tag, int64_t now_ms);

#endif
