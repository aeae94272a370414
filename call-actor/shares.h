/*
 * shares: room that sources have a part of, none of them all. Layer: call-actor, pure.
 *
 * Nobody gets more than what is left free by everybody: who is alone has half, two a third each, and whoever comes
 * next finds as much as any of those before him. Sources are counted by slots of their names, so memory is fixed; two
 * that share a slot share their part.
 */
#ifndef CALL_ACTOR_SHARES_H
#define CALL_ACTOR_SHARES_H

#include "common/base/span.h"

#define SHARES_SLOTS 4096u

struct share {
    uint32_t cnt;
    size_t bytes;
};

struct shares {
    struct share max;
    struct share all;
    struct share of[SHARES_SLOTS];
};

/** max: of all together. */
void shares_init(struct shares *s, struct share max);
/** One more of so many bytes. origin: nonce_text_origin, so that nobody can choose whom he collides with. false: no. */
bool shares_take(struct shares *s, uint32_t origin, size_t bytes);
/** What was taken is free again. */
void shares_give(struct shares *s, uint32_t origin, size_t bytes);

#endif
