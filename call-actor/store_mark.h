/*
 * store_mark: what the last writer of a store has left about itself. Layer: call-actor (shell).
 */
#ifndef CALL_ACTOR_STORE_MARK_H
#define CALL_ACTOR_STORE_MARK_H

#include "call-actor/store.h"

#define STORE_MARK_WHY_SIZE 512

/**
 * May this program use the rows? Not when a newer one has written what this one could not live with (STORE_SCHEMA).
 * mark: as it stands in the store (STORE_META_WRITER); empty: nobody has left one
 * path: the file, for people
 * why: written when it may not: the file, both schemas, who wrote it, and what to do
 */
bool store_mark_fits(struct span mark, const char *path, char why[STORE_MARK_WHY_SIZE]);
/** As store_mark_shards, of a mark as it stands in the store. */
uint32_t store_mark_shards_of(struct span mark);
/** The number of shards that its rows were last put in order for (move_in.h); 0: not known. */
uint32_t store_mark_shards(struct store *s);
/** We wrote last. Commits. */
void store_mark_put(struct store *s, uint32_t shards);

#endif
