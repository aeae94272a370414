/*
 * asks: call.terminate.request on its way: which shard was asked, which has answered. Layer: publisher. Pure.
 *
 * Nobody here knows which shard has the call, so all are asked. The first that ends it settles the command; so do all
 * of them together by not knowing it. A shard that is busy, or not there, is asked again until ASKS_GIVE_UP_MS.
 */
#ifndef PUBLISHER_ASKS_H
#define PUBLISHER_ASKS_H

#include "proto/plane.pb-c.h"
#include "publisher/command.h"

#define ASKS_MAX 64u        /* as many as the broker delivers before we answer */
#define ASKS_SHARDS_MAX 32u /* bits of a set */
#define ASKS_AGAIN_MS 1000  /* pace of asks_tick */
#define ASKS_GIVE_UP_MS 30000

enum asks_outcome {
    ASKS_ENDING = 0,    /* a shard ends the call */
    ASKS_NOT_FOUND = 1, /* no shard knows it */
    ASKS_NO_ANSWER = 2, /* some shard did not say in time; no other knows it */
};

struct asks;

/** Put the request to one shard. returns false when it cannot be told now; asks_tick or asks_shard_up tries again */
typedef bool asks_send_fn(void *user, uint32_t shard, const Plane__Terminate *request);
/** A command is settled and forgotten. tag: the broker's */
typedef void asks_done_fn(void *user, uint64_t tag, const char *call_id, enum asks_outcome how);

/** Dies when memory is out. */
struct asks *asks_new(uint32_t shards, asks_send_fn *send, asks_done_fn *done, void *user);
void asks_free(struct asks *a);

/** Ask all shards. returns 0, or -1 when ASKS_MAX are under way */
int asks_add(struct asks *a, uint64_t tag, const struct command *c, int64_t now_ms);
/** An answer from a shard. Unknown ids are late or doubled answers, and nothing. */
void asks_answer(struct asks *a, uint32_t shard, const Plane__Terminated *answer);
/** A shard came (back): it is asked everything it has not answered. */
void asks_shard_up(struct asks *a, uint32_t shard);
/** Every ASKS_AGAIN_MS while asks_count is not 0. */
void asks_tick(struct asks *a, int64_t now_ms);
/** The broker will deliver them again: forget all. */
void asks_clear(struct asks *a);
size_t asks_count(const struct asks *a);

#endif
