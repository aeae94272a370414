/*
 * move_in: bindings of users who belonged to another shard before _CALL_ACTORS was changed. Layer: call-actor (shell).
 *
 * Which shard a user belongs to depends on how many there are (id_shard_of_user), and each has a store of its own. A
 * shard that starts with another number than before looks through the stores of all others, also of those that are no
 * more, for users who are its own now: each is put here, committed and synced, and then taken out there. What is in two
 * stores after a kill is here already, and goes there. This is the one thing a shard does in another's store; that one
 * leaves rows alone that are not its own (location.h).
 */
#ifndef CALL_ACTOR_MOVE_IN_H
#define CALL_ACTOR_MOVE_IN_H

#include "call-actor/location.h"

struct move_in_args {
    const char *dir;
    struct store *store; /* ours */
    struct location *location;
    uint32_t shard;
    uint32_t shards;
};

/** Before anything is served. returns how many users moved in, or -1: a store could not be read, which was logged; then
 * the next start looks again. */
int move_in(const struct move_in_args *args);

#endif
