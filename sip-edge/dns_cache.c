#include "sip-edge/dns_cache.h"
#include <stdio.h>
#include <stdlib.h>

struct entry {
    struct map_node node;
    struct list link;
    int64_t fresh_until_ms;
    int64_t usable_until_ms; /* in place of a failure */
    size_t bytes;
    struct dns_answer answer;
    char key[DNS_KEY_SIZE];
    struct dns_rec rec[];
};

struct span dns_question_key(const struct dns_question *q, char out[DNS_KEY_SIZE])
{
    int n = snprintf(out, DNS_KEY_SIZE, "%u %s", (unsigned)q->type, q->name);
    return span_of(out, (size_t)n);
}

void dns_cache_init(struct dns_cache *c)
{
    map_init(&c->map);
    list_init(&c->recent);
    c->bytes = 0;
}

static void drop(struct dns_cache *c, struct entry *e)
{
    map_del(&c->map, &e->node);
    list_remove(&e->link);
    c->bytes -= e->bytes;
    free(e);
}

void dns_cache_fini(struct dns_cache *c)
{
    for (struct list *n; (n = list_take_first(&c->recent)) != NULL;)
        drop(c, LIST_ENTRY(n, struct entry, link));
    map_fini(&c->map);
}

static struct entry *find(const struct dns_cache *c, const struct dns_question *q)
{
    char key[DNS_KEY_SIZE];
    struct map_node *n = map_get(&c->map, dns_question_key(q, key));
    return n != NULL ? MAP_ENTRY(n, struct entry, node) : NULL;
}

const struct dns_answer *dns_cache_get(struct dns_cache *c, const struct dns_question *q, struct now now)
{
    struct entry *e = find(c, q);
    if (e == NULL || now.mono_ms >= e->fresh_until_ms)
        return NULL;
    list_append(&c->recent, &e->link);
    return &e->answer;
}

static int64_t fresh_ms(const struct dns_answer *a)
{
    uint32_t s = a->ttl_s;
    if (a->status == DNS_FAILED)
        return DNS_FAILED_MS;
    if (a->status == DNS_NONE)
        s = s > DNS_NEGATIVE_MAX_S ? DNS_NEGATIVE_MAX_S : s;
    s = s > DNS_TTL_MAX_S ? DNS_TTL_MAX_S : s;
    return (int64_t)(s < DNS_TTL_MIN_S ? DNS_TTL_MIN_S : s) * 1000;
}

static void make_room(struct dns_cache *c, size_t bytes)
{
    struct list *n;
    while ((c->map.count >= DNS_CACHE_MAX || c->bytes + bytes > DNS_CACHE_BYTES_MAX) &&
           (n = list_take_first(&c->recent)) != NULL)
        drop(c, LIST_ENTRY(n, struct entry, link));
}

static struct entry *add(struct dns_cache *c, const struct dns_question *q, const struct dns_answer *a)
{
    size_t bytes = sizeof(struct entry) + a->cnt * sizeof(a->rec[0]);
    make_room(c, bytes);
    struct entry *e = calloc(1, bytes);
    if (e == NULL)
        return NULL;
    list_init(&e->link);
    e->bytes = bytes;
    e->answer = *a;
    e->answer.rec = a->cnt > 0 ? e->rec : NULL;
    if (a->cnt > 0)
        memcpy(e->rec, a->rec, a->cnt * sizeof(a->rec[0]));
    if (map_put(&c->map, &e->node, dns_question_key(q, e->key)) != 0) {
        free(e);
        return NULL;
    }
    c->bytes += bytes;
    list_append(&c->recent, &e->link);
    return e;
}

const struct dns_answer *dns_cache_put(struct dns_cache *c, const struct dns_question *q, const struct dns_answer *a,
                                       struct now now)
{
    struct entry *e = find(c, q);
    if (e != NULL && a->status == DNS_FAILED && e->answer.status != DNS_FAILED && now.mono_ms < e->usable_until_ms) {
        e->fresh_until_ms = now.mono_ms + DNS_STALE_AGAIN_MS;
        return &e->answer;
    }
    if (e != NULL)
        drop(c, e);
    e = add(c, q, a);
    if (e == NULL)
        return &dns_answer_failed;
    e->fresh_until_ms = now.mono_ms + fresh_ms(a);
    e->usable_until_ms = e->fresh_until_ms + DNS_STALE_MS;
    return &e->answer;
}
