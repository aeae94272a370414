/*
 * location: where users are. Layer: call-actor (shell).
 *
 * Whoever wants to know or change it goes through these functions and knows nothing of what is behind: here one shard's
 * table, its rows in the store (a change is in this turn's commit). Another that is shared by many machines would serve
 * the same functions. In memory a user is its packed row, not its fields: about half as big, and read only when asked
 * for. Bindings leave when their time is over, each user by its own timer; a clock that is set meanwhile shortens or
 * lengthens none.
 */
#ifndef CALL_ACTOR_LOCATION_H
#define CALL_ACTOR_LOCATION_H

#include "call-actor/aor.h"
#include "call-actor/store.h"
#include "common/rt/loop.h"

struct location;

struct location_args {
    struct loop *loop;
    struct store *store;
    size_t users_max;
    /* Which users are ours (id_shard_of_user); rows of others in our store are left alone. */
    uint32_t shard;
    uint32_t shards;
    /* Bindings of this user ran out. */
    void (*on_expired)(void *user, const char *name, unsigned cnt);
    /* Every tick_s (0: never) for each user that wants it, each in his own moment of that time, the same ones after a
     * restart: what is done for all of them is spread evenly. on_tick may not change the location. */
    uint32_t tick_s;
    bool (*wants_tick)(void *user, const Store__AorRow *row);
    void (*on_tick)(void *user, const Store__AorRow *row);
    void *user;
};

/** NULL when memory is out. */
struct location *location_new(const struct location_args *args);
/** Forgets what is in memory; the store keeps its rows. NULL is allowed. */
void location_free(struct location *l);
/** Takes up what the store has. */
void location_load(struct location *l);

/** A copy of the user's row without what is over; a new empty one when there is none. The caller frees it
 * (store__aor_row__free_unpacked), or gives it to location_put. */
Store__AorRow *location_get(struct location *l, struct span user);
/**
 * Takes the row (freed here) as the user's from now on; without bindings the user is forgotten.
 * returns 0, or -1: a new user, and there are users_max
 */
int location_put(struct location *l, Store__AorRow *row);

size_t location_bindings(const struct location *l);

typedef void location_each_fn(void *to, const Store__AorRow *row);
/**
 * Users in the order of their keys, from the one after `after` on, until max bindings were shown.
 * returns the key to go on from; 0: there are no more
 */
uint64_t location_each(struct location *l, uint64_t after, size_t max, location_each_fn *fn, void *to);

#endif
