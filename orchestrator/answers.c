#include "orchestrator/answers.h"
#include <stdlib.h>

void answers_init(struct answers *a, size_t max, void (*on_orphan)(void *user, uint32_t port, uint64_t owner),
                  void *user)
{
    *a = (struct answers){.max = max, .on_orphan = on_orphan, .user = user};
    map_init(&a->by_key);
    list_init(&a->by_age);
    for (size_t i = 0; i < ANSWERS_ASKERS_MAX; i++)
        list_init(&a->waiting[i]);
}

static void drop(struct answers *a, struct answer *x)
{
    map_del(&a->by_key, &x->by_key);
    list_remove(&x->by_age);
    list_remove(&x->waiting);
    a->cnt--;
    free(x);
}

static struct answer *oldest(struct answers *a)
{
    struct list *n = list_first(&a->by_age);
    return n != NULL ? LIST_ENTRY(n, struct answer, by_age) : NULL;
}

void answers_fini(struct answers *a)
{
    for (struct answer *x; (x = oldest(a)) != NULL;)
        drop(a, x);
    map_fini(&a->by_key);
}

static void forget(struct answers *a, struct answer *x)
{
    uint32_t orphan = list_empty(&x->waiting) ? 0 : x->port;
    uint64_t owner = x->owner;
    drop(a, x);
    if (orphan != 0)
        a->on_orphan(a->user, orphan, owner);
}

static struct answer *answer_new(const struct answer_args *args, int64_t now_ms)
{
    struct answer *x = malloc(sizeof *x + args->key.len + args->body.len);
    if (x == NULL)
        return NULL;
    char *bytes = (char *)(x + 1);
    memcpy(bytes, args->key.p, args->key.len);
    if (args->body.len > 0)
        memcpy(bytes + args->key.len, args->body.p, args->body.len);
    *x = (struct answer){
        .at_ms = now_ms,
        .port = args->port,
        .owner = args->owner,
        .key = span_of(bytes, args->key.len),
        .body = span_of(bytes + args->key.len, args->body.len),
    };
    list_init(&x->by_age);
    list_init(&x->waiting);
    return x;
}

struct answer *answers_put(struct answers *a, const struct answer_args *args, int64_t now_ms)
{
    struct answer *x = answer_new(args, now_ms);
    if (x == NULL)
        return NULL;
    struct answer *old = answers_get(a, args->key);
    if (old != NULL)
        drop(a, old);
    if (map_put(&a->by_key, &x->by_key, x->key) != 0) {
        free(x);
        return NULL;
    }
    list_append(&a->by_age, &x->by_age);
    list_append(&a->waiting[args->asker], &x->waiting);
    a->cnt++;
    if (a->cnt > a->max)
        forget(a, oldest(a));
    return x;
}

struct answer *answers_get(const struct answers *a, struct span key)
{
    struct map_node *n = map_get(&a->by_key, key);
    return n != NULL ? MAP_ENTRY(n, struct answer, by_key) : NULL;
}

void answers_delivered(struct answer *x)
{
    list_remove(&x->waiting);
}

struct answer *answers_waiting(struct answers *a, uint32_t asker)
{
    struct list *n = list_first(&a->waiting[asker]);
    return n != NULL ? LIST_ENTRY(n, struct answer, waiting) : NULL;
}

void answers_expire(struct answers *a, int64_t now_ms)
{
    for (struct answer *x; (x = oldest(a)) != NULL && now_ms - x->at_ms >= ANSWERS_KEEP_MS;)
        forget(a, x);
}
