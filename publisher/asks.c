#include "publisher/asks.h"

#include "common/base/err.h"
#include "common/base/id.h"
#include <stdlib.h>

#define ID_CHARS 20

struct ask {
    bool used;
    uint64_t tag;
    uint32_t answered; /* set of shards that do not know the call */
    int64_t until_ms;
    char id[ID_CHARS + 1]; /* stable across repeats */
    char call_id[COMMAND_TEXT_MAX];
    char reason[COMMAND_TEXT_MAX];
};

struct asks {
    uint32_t shards;
    asks_send_fn *send;
    asks_done_fn *done;
    void *user;
    size_t count;
    struct ask list[ASKS_MAX];
};

struct asks *asks_new(uint32_t shards, asks_send_fn *send, asks_done_fn *done, void *user)
{
    BUG_ON(shards == 0 || shards > ASKS_SHARDS_MAX);
    struct asks *a = calloc(1, sizeof *a);
    if (a == NULL)
        die(EX_INTERNAL, "out of memory for commands");
    a->shards = shards;
    a->send = send;
    a->done = done;
    a->user = user;
    return a;
}

void asks_free(struct asks *a)
{
    free(a);
}

static uint32_t bit(uint32_t shard)
{
    return UINT32_C(1) << shard;
}

static bool all_answered(const struct asks *a, const struct ask *k)
{
    return k->answered == (uint32_t)((UINT64_C(1) << a->shards) - 1);
}

static void settle(struct asks *a, struct ask *k, enum asks_outcome how)
{
    struct ask gone = *k; /* `done` may add a command to the free place */
    k->used = false;
    a->count--;
    a->done(a->user, gone.tag, gone.call_id, how);
}

static void ask_shard(struct asks *a, const struct ask *k, uint32_t shard)
{
    Plane__Terminate t = PLANE__TERMINATE__INIT;
    if ((k->answered & bit(shard)) != 0)
        return;
    t.id.data = (uint8_t *)(uintptr_t)k->id;
    t.id.len = ID_CHARS;
    t.call_id = (char *)(uintptr_t)k->call_id;
    t.reason = (char *)(uintptr_t)k->reason;
    t.asked_by = (char *)(uintptr_t) "amqp";
    (void)a->send(a->user, shard, &t);
}

static void ask_all(struct asks *a, const struct ask *k)
{
    for (uint32_t shard = 0; shard < a->shards; shard++)
        ask_shard(a, k, shard);
}

static struct ask *free_place(struct asks *a)
{
    for (size_t i = 0; i < ASKS_MAX; i++) {
        if (!a->list[i].used)
            return &a->list[i];
    }
    return NULL;
}

int asks_add(struct asks *a, uint64_t tag, const struct command *c, int64_t now_ms)
{
    struct ask *k = free_place(a);
    if (k == NULL)
        return -1;
    *k = (struct ask){.used = true, .tag = tag, .until_ms = now_ms + ASKS_GIVE_UP_MS};
    id_random(k->id, ID_CHARS);
    memcpy(k->call_id, c->call_id, sizeof k->call_id);
    memcpy(k->reason, c->reason, sizeof k->reason);
    a->count++;
    ask_all(a, k);
    return 0;
}

static struct ask *find(struct asks *a, ProtobufCBinaryData id)
{
    struct span wanted = span_of((const char *)id.data, id.len);
    for (size_t i = 0; i < ASKS_MAX; i++) {
        if (a->list[i].used && span_eq(wanted, span_of(a->list[i].id, ID_CHARS)))
            return &a->list[i];
    }
    return NULL;
}

void asks_answer(struct asks *a, uint32_t shard, const Plane__Terminated *answer)
{
    struct ask *k = find(a, answer->id);
    if (k == NULL || shard >= a->shards)
        return;
    if (answer->result == PLANE__TERMINATED__RESULT__ENDING) {
        settle(a, k, ASKS_ENDING);
    } else if (answer->result == PLANE__TERMINATED__RESULT__NOT_FOUND) {
        k->answered |= bit(shard);
        if (all_answered(a, k))
            settle(a, k, ASKS_NOT_FOUND);
    }
    /* Busy, or a word of a later version: asked again at the next tick. */
}

void asks_shard_up(struct asks *a, uint32_t shard)
{
    for (size_t i = 0; i < ASKS_MAX; i++) {
        if (a->list[i].used)
            ask_shard(a, &a->list[i], shard);
    }
}

void asks_tick(struct asks *a, int64_t now_ms)
{
    for (size_t i = 0; i < ASKS_MAX; i++) {
        struct ask *k = &a->list[i];
        if (!k->used)
            continue;
        if (now_ms >= k->until_ms)
            settle(a, k, ASKS_NO_ANSWER);
        else
            ask_all(a, k);
    }
}

void asks_clear(struct asks *a)
{
    for (size_t i = 0; i < ASKS_MAX; i++)
        a->list[i].used = false;
    a->count = 0;
}

size_t asks_count(const struct asks *a)
{
    return a->count;
}
