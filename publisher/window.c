#include "publisher/window.h"

#include "common/base/err.h"
#include "common/base/list.h"
#include "common/base/map.h"
#include <stdlib.h>

struct key {
    uint64_t seq;
    uint64_t shard;
};

struct entry {
    struct list order; /* as they came */
    struct map_node by_key;
    struct key key;
    struct window_event ev; /* its spans point into bytes */
    size_t size;            /* of bytes */
    uint64_t tag;           /* 0: not sent on this connection */
    bool returned;
    bool orphan; /* another event took its (shard, seq): nobody waits for this one's answer */
    char bytes[];
};

/* What is kept of a confirmed event. */
struct recent {
    struct map_node by_key;
    struct key key;
    uint64_t id_hash; /* of its message id: (shard, seq) alone is not enough after a new store */
};

struct shard {
    size_t count;
    size_t bytes;
};

struct window {
    struct list order;
    struct list *next; /* first unsent one, or &order */
    struct map by_key;
    struct entry **sent; /* by tag & mask */
    uint64_t mask;
    uint64_t oldest; /* no tag below it is unsettled */
    uint64_t newest; /* last tag given */
    size_t sent_cnt;
    size_t count;
    size_t bytes;
    struct map recent_by_key;
    struct recent *recent; /* a ring */
    size_t recent_cnt;     /* its size */
    size_t recent_at;      /* the oldest, overwritten next */
    uint32_t shard_cnt;
    struct shard shards[];
};

struct window *window_new(uint32_t shards)
{
    struct window *w = calloc(1, sizeof *w + shards * sizeof w->shards[0]);
    uint64_t slots = 1;
    while (slots < (uint64_t)shards * WINDOW_SHARD_CNT_MAX)
        slots *= 2;
    if (w != NULL) {
        w->recent_cnt = (size_t)shards * WINDOW_RECENT_MAX;
        w->recent = calloc(w->recent_cnt, sizeof w->recent[0]);
        w->sent = calloc(slots, sizeof(struct entry *));
    }
    if (w == NULL || w->sent == NULL || w->recent == NULL)
        die(EX_INTERNAL, "out of memory for the window");
    map_init(&w->recent_by_key);
    w->mask = slots - 1;
    w->shard_cnt = shards;
    w->oldest = 1;
    list_init(&w->order);
    w->next = &w->order;
    map_init(&w->by_key);
    return w;
}

static struct entry *entry_of(struct list *n)
{
    return LIST_ENTRY(n, struct entry, order);
}

static struct span key_span(const struct key *k)
{
    return span_of((const char *)k, sizeof *k);
}

static void drop(struct window *w, struct entry *e)
{
    struct shard *s = &w->shards[e->ev.shard];
    s->count--;
    s->bytes -= e->size;
    w->count--;
    w->bytes -= e->size;
    if (w->next == &e->order)
        w->next = e->order.next;
    if (e->tag != 0) {
        w->sent[e->tag & w->mask] = NULL;
        w->sent_cnt--;
    }
    if (!e->orphan)
        map_del(&w->by_key, &e->by_key);
    list_remove(&e->order);
    free(e);
}

void window_free(struct window *w)
{
    if (w == NULL)
        return;
    struct list *next;
    for (struct list *n = w->order.next; n != &w->order; n = next) {
        next = n->next;
        free(entry_of(n));
    }
    map_fini(&w->by_key);
    map_fini(&w->recent_by_key);
    free(w->recent);
    free(w->sent);
    free(w);
}

/* --- what was confirmed lately --- */

static struct recent *find_recent(const struct window *w, const struct key *key)
{
    struct map_node *n = map_get(&w->recent_by_key, key_span(key));
    return n != NULL ? MAP_ENTRY(n, struct recent, by_key) : NULL;
}

static void remember(struct window *w, const struct entry *e)
{
    struct recent *r = find_recent(w, &e->key);
    if (r == NULL) {
        r = &w->recent[w->recent_at];
        w->recent_at = (w->recent_at + 1) % w->recent_cnt;
        map_del(&w->recent_by_key, &r->by_key);
        r->key = e->key;
        (void)map_put(&w->recent_by_key, &r->by_key, key_span(&r->key));
    }
    r->id_hash = map_hash(e->ev.message_id);
}

static bool was_confirmed(const struct window *w, const struct key *key, struct span message_id)
{
    const struct recent *r = find_recent(w, key);
    return r != NULL && r->id_hash == map_hash(message_id);
}

/* --- taking --- */

static struct span copy_in(char **at, struct span s)
{
    struct span copy = span_of(*at, s.len);
    if (s.len > 0)
        memcpy(*at, s.p, s.len);
    *at += s.len;
    return copy;
}

static struct entry *entry_new(const struct window_event *ev)
{
    size_t size = ev->message_id.len + ev->key.len + ev->content_type.len + ev->body.len;
    struct entry *e = malloc(sizeof *e + size);
    if (e == NULL)
        die(EX_INTERNAL, "out of memory for an event");
    char *at = e->bytes;
    *e = (struct entry){.ev = *ev, .size = size, .key = {.seq = ev->seq, .shard = ev->shard}};
    e->ev.message_id = copy_in(&at, ev->message_id);
    e->ev.key = copy_in(&at, ev->key);
    e->ev.content_type = copy_in(&at, ev->content_type);
    e->ev.body = copy_in(&at, ev->body);
    list_init(&e->order);
    return e;
}

static bool fits(const struct shard *s, const struct window_event *ev)
{
    return s->count < WINDOW_SHARD_CNT_MAX && (s->count == 0 || s->bytes + ev->body.len <= WINDOW_SHARD_BYTES_MAX);
}

static void enter(struct window *w, struct entry *e)
{
    struct shard *s = &w->shards[e->ev.shard];
    s->count++;
    s->bytes += e->size;
    w->count++;
    w->bytes += e->size;
    list_append(&w->order, &e->order);
    if (w->next == &w->order)
        w->next = &e->order;
    if (map_put(&w->by_key, &e->by_key, key_span(&e->key)) != 0)
        die(EX_INTERNAL, "out of memory for the window");
}

int window_put(struct window *w, const struct window_event *ev)
{
    if (ev->shard >= w->shard_cnt || ev->message_id.len > WINDOW_TEXT_MAX || ev->key.len > WINDOW_TEXT_MAX ||
        ev->content_type.len > WINDOW_TEXT_MAX)
        return -WINDOW_EBAD;
    struct key key = {.seq = ev->seq, .shard = ev->shard};
    struct map_node *n = map_get(&w->by_key, key_span(&key));
    struct entry *old = n != NULL ? MAP_ENTRY(n, struct entry, by_key) : NULL;
    if (old != NULL && span_eq(old->ev.message_id, ev->message_id))
        return WINDOW_KNOWN;
    if (old == NULL && was_confirmed(w, &key, ev->message_id))
        return WINDOW_DONE;
    if (!fits(&w->shards[ev->shard], ev))
        return -WINDOW_EFULL;
    if (old != NULL) {
        /* The actor counts from the start again, with an empty store. What it said before still goes out. */
        map_del(&w->by_key, &old->by_key);
        old->orphan = true;
    }
    enter(w, entry_new(ev));
    return WINDOW_TAKEN;
}

/* --- sending and settling --- */

const struct window_event *window_next(const struct window *w)
{
    /* A slot still taken: one early event is left unanswered while a whole window behind it is not. Wait for it. */
    bool slot_free = w->sent[(w->newest + 1) & w->mask] == NULL;
    return slot_free && w->next != &w->order ? &entry_of(w->next)->ev : NULL;
}

void window_sent(struct window *w, uint64_t tag)
{
    BUG_ON(w->next == &w->order || tag != w->newest + 1);
    struct entry *e = entry_of(w->next);
    e->tag = tag;
    w->newest = tag;
    BUG_ON(w->sent[tag & w->mask] != NULL);
    w->sent[tag & w->mask] = e;
    w->sent_cnt++;
    w->next = e->order.next;
}

bool window_returned(struct window *w, struct span message_id)
{
    /* The broker returns in the order we sent, each before its ack: the first candidate is nearly always the one. */
    for (struct list *n = w->order.next; n != w->next; n = n->next) {
        struct entry *e = entry_of(n);
        if (!e->returned && span_eq(e->ev.message_id, message_id)) {
            e->returned = true;
            return true;
        }
    }
    return false;
}

static void settle_one(struct window *w, uint64_t tag, bool ack, window_done_fn *done, void *user)
{
    struct entry *e = w->sent[tag & w->mask];
    if (e == NULL || e->tag != tag)
        return;
    enum window_outcome how = !ack ? WINDOW_NACKED : e->returned ? WINDOW_RETURNED : WINDOW_CONFIRMED;
    if (!e->orphan) {
        if (how == WINDOW_CONFIRMED)
            remember(w, e);
        done(user, e->ev.shard, e->ev.seq, how);
    }
    drop(w, e);
}

void window_settle(struct window *w, uint64_t tag, bool multiple, bool ack, window_done_fn *done, void *user)
{
    if (tag == 0 && multiple)
        tag = w->newest; /* AMQP 0-9-1 §1.8.3.13: all there are */
    if (tag > w->newest)
        return;
    for (uint64_t t = multiple ? w->oldest : tag; t <= tag; t++)
        settle_one(w, t, ack, done, user);
    while (w->oldest <= w->newest && w->sent[w->oldest & w->mask] == NULL)
        w->oldest++;
}

size_t window_rewind(struct window *w)
{
    size_t was_sent = w->sent_cnt;
    for (struct list *n = w->order.next; n != w->next; n = n->next) {
        struct entry *e = entry_of(n);
        w->sent[e->tag & w->mask] = NULL;
        e->tag = 0;
        e->returned = false;
    }
    w->next = w->order.next;
    w->sent_cnt = 0;
    w->oldest = 1;
    w->newest = 0;
    return was_sent;
}

size_t window_count(const struct window *w)
{
    return w->count;
}

size_t window_bytes(const struct window *w)
{
    return w->bytes;
}

size_t window_sent_count(const struct window *w)
{
    return w->sent_cnt;
}

size_t window_shard_count(const struct window *w, uint32_t shard)
{
    return w->shards[shard].count;
}
