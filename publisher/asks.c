#include "publisher/asks.h"

#include "common/base/err.h"
#include <stdlib.h>

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

static void settle(struct asks *a, struct ask *k, enum asks_outcome how, const char *detail)
{
    struct ask gone = *k; /* `done` may add a command to the free place */
    k->used = false;
    a->count--;
    a->done(a->user, &gone, how, detail);
}

static void ask_shard(struct asks *a, const struct ask *k, uint32_t shard)
{
    if ((k->asked & bit(shard)) != 0 && (k->answered & bit(shard)) == 0)
        (void)a->send(a->user, shard, k);
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

/* A call that is still to be goes where its key says, the same each time it is asked for. */
static uint32_t whom(const struct asks *a, const struct command *c)
{
    if (c->kind == COMMAND_INITIATE)
        return bit(id_shard_of_user(span_cstr(c->key), a->shards));
    return (uint32_t)((UINT64_C(1) << a->shards) - 1);
}

int asks_add(struct asks *a, const struct asks_from *from, const struct command *c, int64_t now_ms)
{
    struct ask *k = free_place(a);
    if (k == NULL)
        return -1;
    *k = (struct ask){.used = true, .tag = from->tag, .until_ms = now_ms + ASKS_GIVE_UP_MS, .command = *c};
    k->asked = whom(a, c);
    id_uuid(k->id);
    if (c->call_id[0] == '\0')
        id_uuid(k->command.call_id);
    (void)span_copy(k->reply_to, sizeof k->reply_to, from->reply_to);
    (void)span_copy(k->correlation, sizeof k->correlation, from->correlation);
    a->count++;
    ask_all(a, k);
    return 0;
}

static struct ask *find(struct asks *a, ProtobufCBinaryData id, uint32_t shard)
{
    struct span wanted = span_of((const char *)id.data, id.len);
    for (size_t i = 0; i < ASKS_MAX && shard < a->shards; i++) {
        if (a->list[i].used && span_eq(wanted, span_cstr(a->list[i].id)))
            return &a->list[i];
    }
    return NULL;
}

static void not_here(struct asks *a, struct ask *k, uint32_t shard, const char *detail)
{
    k->answered |= bit(shard);
    if ((k->answered & k->asked) == k->asked)
        settle(a, k, ASKS_NOT_FOUND, detail);
}

/* Busy, or a word of a later version: asked again at the next tick. */
void asks_terminated(struct asks *a, uint32_t shard, const Plane__Terminated *answer)
{
    struct ask *k = find(a, answer->id, shard);
    if (k == NULL)
        return;
    if (answer->result == PLANE__TERMINATED__RESULT__ENDING)
        settle(a, k, ASKS_DONE, answer->detail);
    else if (answer->result == PLANE__TERMINATED__RESULT__NOT_FOUND)
        not_here(a, k, shard, answer->detail);
}

void asks_controlled(struct asks *a, uint32_t shard, const Plane__Controlled *answer)
{
    struct ask *k = find(a, answer->id, shard);
    if (k == NULL)
        return;
    switch (answer->result) {
    case PLANE__CONTROLLED__RESULT__OK:
        (void)span_copy(k->command.call_id, sizeof k->command.call_id,
                        span_cstr(answer->call_id)); /* of the first time */
        settle(a, k, ASKS_DONE, answer->detail);
        break;
    case PLANE__CONTROLLED__RESULT__NOT_FOUND:
        not_here(a, k, shard, answer->detail);
        break;
    case PLANE__CONTROLLED__RESULT__INVALID:
        settle(a, k, ASKS_INVALID, answer->detail);
        break;
    case PLANE__CONTROLLED__RESULT__EXISTS:
    case PLANE__CONTROLLED__RESULT__REFUSED:
    case PLANE__CONTROLLED__RESULT__FAILED:
        settle(a, k, ASKS_REFUSED, answer->detail);
        break;
    default: /* full, unavailable, a word of a later version: asked again at the next tick */
        break;
    }
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
            settle(a, k, ASKS_NO_ANSWER, "");
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
