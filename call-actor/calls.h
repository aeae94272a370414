/*
 * calls: the shard's table of calls, found by row key, dialog, Call-ID or trace id. Layer: call-actor (shell).
 */
#ifndef CALL_ACTOR_CALLS_H
#define CALL_ACTOR_CALLS_H

#include "call-actor/call.h"
#include "common/base/list.h"
#include "common/base/map.h"
#include "common/rt/timer.h"

/* A call with its places in the indexes and its armed timers. */
struct entry {
    struct call *call;
    struct map_node by_key;
    struct map_node by_dialog;  /* Call-ID and the caller's tag: what requests from the caller carry */
    struct map_node by_call_id; /* the newest call with this Call-ID */
    struct map_node by_trace;
    char *dialog_text;
    struct list all;
    struct list dirty; /* to be committed at this turn's end */
    struct timer timers[CALL_TIMERS];
    void *owner; /* the actor, for the timers' functions */
    bool live;   /* as last counted */
    bool stored; /* its row is in the store */
    bool gone;   /* forgotten in this turn; freed after the commit */
};

struct calls {
    struct map by_key;
    struct map by_dialog;
    struct map by_call_id;
    struct map by_trace;
    struct list all; /* oldest first */
    uint64_t last_key;
};

void calls_init(struct calls *cs);
/** Frees every call. Timers must have been cancelled. */
void calls_fini(struct calls *cs);

/** A row key that was never used before: grows with time, so that rows stand in the store in order of age. */
uint64_t calls_next_key(struct calls *cs, struct now now);
/** Takes ownership of `c`. NULL when memory is out (the call is freed). Indexed by row key only until calls_index. */
struct entry *calls_add(struct calls *cs, struct call *c);
/** Enter a call's dialog, Call-ID and trace id, once its machine has set them. A newer call takes an older one's place.
 */
void calls_index(struct calls *cs, struct entry *e);
/** Leaves every index and is freed, the call with it. */
void calls_remove(struct calls *cs, struct entry *e);

struct entry *calls_by_key(const struct calls *cs, uint64_t key);
struct entry *calls_by_dialog(const struct calls *cs, struct span call_id, struct span remote_tag);
/** By Call-ID or trace id: what people and services know. */
struct entry *calls_by_name(const struct calls *cs, struct span name);
static inline size_t calls_count(const struct calls *cs)
{
    return cs->by_key.count;
}

#endif
