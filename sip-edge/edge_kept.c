#include "sip-edge/edge_kept.h"

#include <stdlib.h>

void edge_kept_init(struct edge_kept *k, size_t cnt_max, size_t bytes_max)
{
    *k = (struct edge_kept){.cnt_max = cnt_max, .bytes_max = bytes_max};
    list_init(&k->all);
}

static void forget_oldest(struct edge_kept *k)
{
    struct edge_kept_one *o = LIST_ENTRY(list_take_first(&k->all), struct edge_kept_one, link);
    k->cnt--;
    k->bytes -= o->len;
    free(o);
}

void edge_kept_drop(struct edge_kept *k)
{
    while (k->cnt > 0)
        forget_oldest(k);
}

bool edge_kept_put(struct edge_kept *k, const struct edge_path *path, struct span bytes, int64_t now_ms)
{
    while (k->cnt == k->cnt_max || (k->cnt > 0 && k->bytes + bytes.len > k->bytes_max))
        forget_oldest(k);
    struct edge_kept_one *o = malloc(sizeof(*o) + bytes.len);
    if (o == NULL)
        return false;
    o->at_ms = now_ms;
    o->path = *path;
    o->path.name = SPAN("");
    o->len = bytes.len;
    memcpy(o->bytes, bytes.p, bytes.len);
    list_init(&o->link);
    list_append(&k->all, &o->link);
    k->cnt++;
    k->bytes += o->len;
    return true;
}

void edge_kept_age(struct edge_kept *k, int64_t now_ms)
{
    while (k->cnt > 0 && edge_kept_next(k, NULL)->at_ms < now_ms - EDGE_KEPT_MS)
        forget_oldest(k);
}

const struct edge_kept_one *edge_kept_next(const struct edge_kept *k, const struct edge_kept_one *after)
{
    const struct list *n = after != NULL ? after->link.next : k->all.next;
    return n != &k->all ? LIST_ENTRY(n, struct edge_kept_one, link) : NULL;
}
