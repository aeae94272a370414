/*
 * asks: commands on their way: which shard was asked, which has answered. Layer: publisher. Pure.
 *
 * Nobody here knows which shard has a call, so all are asked. The first that takes the command settles it; so do all
 * of them together by not knowing the call. A new call has the shard that its key names. A shard that is busy, or not
 * there, is asked again until ASKS_GIVE_UP_MS.
 */
#ifndef PUBLISHER_ASKS_H
#define PUBLISHER_ASKS_H

#include "common/base/id.h"
#include "proto/plane.pb-c.h"
#include "publisher/command.h"

#define ASKS_MAX 64u        /* as many as the broker delivers before we answer */
#define ASKS_SHARDS_MAX 32u /* bits of a set */
#define ASKS_AGAIN_MS 1000  /* pace of asks_tick */
#define ASKS_GIVE_UP_MS 30000
#define ASKS_REPLY_MAX 256u /* AMQP short strings, NUL included */

enum asks_outcome {
    ASKS_DONE = 0,      /* a shard has taken it */
    ASKS_NOT_FOUND = 1, /* no shard knows the call */
    ASKS_NO_ANSWER = 2, /* some shard did not say in time; no other knows it */
    ASKS_REFUSED = 3,   /* a shard has, and will not */
    ASKS_INVALID = 4,   /* … because it makes no sense */
};

/* One command on its way. */
struct ask {
    bool used;                     /* private, */
    uint32_t asked;                /* set of shards that are to know of it, */
    uint32_t answered;             /* set of those that do not know the call, */
    int64_t until_ms;              /* these four */
    uint64_t tag;                  /* the broker's */
    char id[ID_UUID_SIZE];         /* stable across repeats */
    char reply_to[ASKS_REPLY_MAX]; /* queue of who wants an answer; empty: nobody does */
    char correlation[ASKS_REPLY_MAX];
    struct command command; /* of an INITIATE without a call id: one was made */
};

struct asks;

/** Put the command to one shard. returns false when it cannot be told now; asks_tick or asks_shard_up tries again */
typedef bool asks_send_fn(void *user, uint32_t shard, const struct ask *k);
/** A command is settled and forgotten. detail: the shard's words, or "" */
typedef void asks_done_fn(void *user, const struct ask *k, enum asks_outcome how, const char *detail);

/** Dies when memory is out. */
struct asks *asks_new(uint32_t shards, asks_send_fn *send, asks_done_fn *done, void *user);
void asks_free(struct asks *a);

/* What comes with a command beside it. */
struct asks_from {
    uint64_t tag;
    struct span reply_to; /* over ASKS_REPLY_MAX: nobody is answered */
    struct span correlation;
};

/** Ask the shards. returns 0, or -1 when ASKS_MAX are under way */
int asks_add(struct asks *a, const struct asks_from *from, const struct command *c, int64_t now_ms);
/** An answer from a shard. Unknown ids are late or doubled answers, and nothing. */
void asks_terminated(struct asks *a, uint32_t shard, const Plane__Terminated *answer);
void asks_controlled(struct asks *a, uint32_t shard, const Plane__Controlled *answer);
/** A shard came (back): it is asked everything it has not answered. */
void asks_shard_up(struct asks *a, uint32_t shard);
/** Every ASKS_AGAIN_MS while asks_count is not 0. */
void asks_tick(struct asks *a, int64_t now_ms);
/** The broker will deliver them again: forget all. */
void asks_clear(struct asks *a);
size_t asks_count(const struct asks *a);

#endif
