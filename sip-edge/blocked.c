#include "sip-edge/blocked.h"
#include "common/base/err.h"
#include <stdlib.h>

void blocked_init(struct blocked *b, size_t max)
{
    BUG_ON(max == 0 || max > BLOCKED_MAX);
    *b = (struct blocked){.pool = calloc(max, sizeof(*b->pool)), .max = max};
    if (b->pool == NULL)
        die(EX_INTERNAL, "no memory for the table of blocked sources");
    map_init(&b->map);
    list_init(&b->free);
    list_init(&b->begun);
}

void blocked_fini(struct blocked *b)
{
    map_fini(&b->map);
    free(b->pool);
    b->pool = NULL;
}

static struct span key_of(const struct source_id *id)
{
    return span_of((const char *)id->w, sizeof(id->w));
}

static void take_out(struct blocked *b, struct blocked_source *s)
{
    map_del(&b->map, &s->node);
    list_append(&b->free, &s->age);
}

struct blocked_source *blocked_find(struct blocked *b, struct source_id id, int64_t now_ms)
{
    struct map_node *n = map_get(&b->map, key_of(&id));
    if (n == NULL)
        return NULL;
    struct blocked_source *s = MAP_ENTRY(n, struct blocked_source, node);
    if (now_ms < s->until_ms)
        return s;
    take_out(b, s);
    return NULL;
}

static struct blocked_source *make_room(struct blocked *b)
{
    if (list_empty(&b->free) && b->used < b->max) {
        struct list *n = &b->pool[b->used++].age;
        list_init(n);
        list_append(&b->free, n);
    }
    if (list_empty(&b->free))
        take_out(b, LIST_ENTRY(list_first(&b->begun), struct blocked_source, age));
    return LIST_ENTRY(list_first(&b->free), struct blocked_source, age);
}

void blocked_add(struct blocked *b, const struct in6_addr *ip, enum blocked_why why, int64_t for_ms, struct now now)
{
    struct source_id id = source_id_of(ip);
    (void)blocked_remove(b, id, now.mono_ms);
    struct blocked_source *s = make_room(b);
    s->id = id;
    s->ip = *ip;
    s->why = (uint8_t)why;
    s->since_wall_ms = now.wall_ms;
    s->until_ms = now.mono_ms + for_ms;
    s->dropped = 0;
    if (map_put(&b->map, &s->node, key_of(&s->id)) == 0)
        list_append(&b->begun, &s->age);
}

bool blocked_remove(struct blocked *b, struct source_id id, int64_t now_ms)
{
    struct blocked_source *s = blocked_find(b, id, now_ms);
    if (s == NULL)
        return false;
    take_out(b, s);
    return true;
}

/* Blocks end in the order they began, because all last equally long. */
size_t blocked_sweep(struct blocked *b, int64_t now_ms)
{
    for (struct list *n; (n = list_first(&b->begun)) != NULL;) {
        struct blocked_source *s = LIST_ENTRY(n, struct blocked_source, age);
        if (now_ms < s->until_ms)
            break;
        take_out(b, s);
    }
    return b->map.count;
}

const char *blocked_why_text(enum blocked_why why)
{
    static const char *const text[] = {
#define BLOCKED_WHY_TEXT(id, label) [BLOCKED_##id] = (label),
        BLOCKED_WHY_LIST(BLOCKED_WHY_TEXT)
#undef BLOCKED_WHY_TEXT
    };
    return text[why];
}
