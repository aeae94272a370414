/*
 * call_id: the ids a call makes: branches, tags, Call-IDs, job ids. Layer: call-actor, pure.
 *
 * Each is `before`, the shard, the key of the call's row, and random text: whatever comes back with one finds its call
 * without a table, and none is ever used twice or can be guessed.
 */
#ifndef CALL_ACTOR_CALL_ID_H
#define CALL_ACTOR_CALL_ID_H

#include "call-actor/call.h"

#define CALL_ID_SIZE 64          /* of any of them, NUL included */
#define CALL_ID_COOKIE "z9hG4bK" /* before a branch: RFC 3261 §8.1.1.7 */
#define CALL_ID_BRANCH 8         /* random characters of a branch, */
#define CALL_ID_TAG 16           /* of a tag or Call-ID: 80 bits (§19.3 asks for 32 in a tag), */
#define CALL_ID_JOB 6            /* of a job */

/** before, mark: short texts; mark stands in front of the random text. */
void call_id_make(char out[CALL_ID_SIZE], const struct call *c, const char *before, const char *mark, size_t random);

#endif
