#include "sip-edge/source.h"
#include "common/base/err.h"
#include "sip-edge/edge_addr.h"
#include <stdlib.h>

#define TOKEN 1000000          /* millionths */
#define REFILL_MAX_MS 86400000 /* more time than this changes nothing, and could overflow */

void sources_init(struct sources *t, uint32_t rate, size_t max)
{
    const double R = rate;
    const struct {
        double rate, burst;
    } rows[SOURCE_BUCKETS] = {
#define SOURCE_BUCKET_ROW(id, rate_, burst_) [SOURCE_##id] = {(rate_), (burst_)},
        SOURCE_BUCKET_LIST(SOURCE_BUCKET_ROW)
#undef SOURCE_BUCKET_ROW
    };
    BUG_ON(max == 0 || max > SOURCES_MAX);
    *t = (struct sources){.max = max};
    for (unsigned b = 0; b < SOURCE_BUCKETS; b++) {
        t->bucket[b].milli_per_s = (int64_t)(rows[b].rate * 1000);
        t->bucket[b].most = (int64_t)(rows[b].burst * TOKEN);
        t->bucket[b].off = t->bucket[b].most == 0;
    }
    map_init(&t->map);
    list_init(&t->free);
    list_init(&t->plain);
    list_init(&t->vouched);
    t->pool = calloc(max, sizeof(*t->pool));
    if (t->pool == NULL)
        die(EX_INTERNAL, "no memory for the table of sources");
}

void sources_fini(struct sources *t)
{
    map_fini(&t->map);
    free(t->pool);
    t->pool = NULL;
}

struct source_id source_id_of(const struct in6_addr *ip)
{
    struct source_id id;
    edge_addr_words(ip, id.w);
    if (!edge_addr_is_v4(ip))
        id.w[1] = 0;
    return id;
}

static struct span key_of(const struct source_id *id)
{
    return span_of((const char *)id->w, sizeof(id->w));
}

static void refill(const struct sources *t, struct source *s, int64_t now_ms)
{
    int64_t ms = now_ms - s->seen_ms;
    if (ms <= 0)
        return;
    if (ms > REFILL_MAX_MS)
        ms = REFILL_MAX_MS;
    for (unsigned b = 0; b < SOURCE_BUCKETS; b++) {
        int64_t level = s->level[b] + ms * t->bucket[b].milli_per_s;
        s->level[b] = level < t->bucket[b].most ? level : t->bucket[b].most;
    }
    s->seen_ms = now_ms;
}

static struct source *make_room(struct sources *t)
{
    struct list *n = list_first(&t->free);
    if (n == NULL && t->begun < t->max) {
        n = &t->pool[t->begun++].lru;
        list_init(n);
    }
    if (n == NULL && (n = list_first(&t->plain)) == NULL)
        n = list_first(&t->vouched);
    struct source *s = LIST_ENTRY(n, struct source, lru);
    map_del(&t->map, &s->node);
    return s;
}

static struct source *add(struct sources *t, struct source_id id, int64_t now_ms)
{
    struct source *s = make_room(t);
    s->id = id;
    s->seen_ms = now_ms;
    s->vouched = false;
    for (unsigned b = 0; b < SOURCE_BUCKETS; b++)
        s->level[b] = t->bucket[b].most;
    if (map_put(&t->map, &s->node, key_of(&s->id)) != 0) {
        list_append(&t->free, &s->lru);
        return NULL;
    }
    return s;
}

struct source *source_touch(struct sources *t, struct source_id id, int64_t now_ms)
{
    struct map_node *n = map_get(&t->map, key_of(&id));
    struct source *s = n != NULL ? MAP_ENTRY(n, struct source, node) : add(t, id, now_ms);
    if (s == NULL)
        return NULL;
    refill(t, s, now_ms);
    s->vouched = source_is_vouched(s, now_ms);
    list_append(s->vouched ? &t->vouched : &t->plain, &s->lru);
    return s;
}

bool source_take(struct sources *t, struct source *s, enum source_bucket b, int64_t n)
{
    if (t->bucket[b].off)
        return true;
    if (s->level[b] < n * TOKEN)
        return false;
    s->level[b] -= n * TOKEN;
    return true;
}

void source_give(struct sources *t, struct source *s, enum source_bucket b, int64_t n)
{
    int64_t level = s->level[b] + n * TOKEN;
    s->level[b] = level < t->bucket[b].most ? level : t->bucket[b].most;
}

void source_vouch(struct sources *t, struct source *s, int64_t now_ms)
{
    s->vouched = true;
    s->vouched_ms = now_ms;
    list_append(&t->vouched, &s->lru);
}

bool source_is_vouched(const struct source *s, int64_t now_ms)
{
    return s->vouched && now_ms - s->vouched_ms < SOURCE_VOUCH_MS;
}
