/*
 * id: identifiers that carry their shard. Layer: common/base.
 *
 * A local tag, Call-ID or branch of ours is  <shard letter-digit prefix> '-' <random text>:  "a0-kq3v…" for shard 0.
 * The edge reads the shard back from it and so needs no table to find the actor of a call. Random text is [a-z0-9], 5
 * bits a character, from getrandom(2), buffered.
 */
#ifndef COMMON_BASE_ID_H
#define COMMON_BASE_ID_H

#include "common/base/span.h"

#define ID_MAX 48        /* bytes of any id made here, NUL included */
#define ID_SHARD_MAX 255 /* the highest shard an id can name */

/** n random characters [a-z0-9] and a NUL into out (n + 1 bytes). */
void id_random(char *out, size_t n);
/** "a<shard>-" and n random characters; out has ID_MAX bytes, 1 <= n <= 32, shard <= ID_SHARD_MAX. */
void id_make(char *out, unsigned shard, size_t n);
/**
 * The shard in an id of ours, or -1 for anything else. Only the prefix is looked at, so a stranger can make one up: the
 * caller checks the shard against how many there are, and the actor knows its ids.
 */
int id_shard(struct span id);
#define ID_UUID_SIZE 37
/** A random UUID (RFC 9562 §5.4) as text. */
void id_uuid(char out[ID_UUID_SIZE]);
/** The shard that owns a user's registrations: the same in every process and run. user: unescaped user part. */
unsigned id_shard_of_user(struct span user, unsigned shard_cnt);
/** Random bytes for keys. Dies when the kernel has none. */
void id_random_bytes(void *out, size_t n);
uint64_t id_random_u64(void);

#endif
