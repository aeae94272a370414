#include "call-actor/outbox.h"
#include "common/base/err.h"
#include "common/base/log.h"
#include "common/base/map.h"
#include "common/base/stat.h"
#include "common/rt/killpoint.h"
#include <stdlib.h>

enum entry_state { ENTRY_WAITING = 0, ENTRY_SENT = 1, ENTRY_REFUSED = 2 };

/* One event. Its call's events form a chain; only the chain's first is ever `ready`, sent or refused. */
struct entry {
    struct map_node by_seq;
    struct map_node by_call; /* only the first of a chain is in the map */
    struct list all;         /* in order of seq */
    struct list queue;       /* ready, sent or refused */
    struct entry *next;      /* of the same call */
    struct entry *last;      /* of the chain; kept in its first */
    uint64_t seq;
    uint64_t call_key;
    char *packed; /* OutboxRow, or NULL: in the store only */
    size_t packed_len;
    enum entry_state state;
    int64_t again_ms;
};

struct outbox {
    struct store *store;
    size_t max;
    struct map by_seq;
    struct map by_call;
    struct list all;
    struct list ready;
    struct list sent;
    struct list refused; /* in order of again_ms: the delay is the same for all */
    size_t sent_cnt;
    size_t mem;
    struct list *bodies; /* in `all`: whatever stands before it has no body in memory; &all: nothing has one */
    uint64_t last_seq;
};

static struct stat_series stat_added = {.name = "sip_signaling_events_total", .help = "events put into the outbox"};
static struct stat_series stat_confirmed = {.name = "sip_signaling_events_confirmed_total",
                                            .help = "events the broker confirmed"};
static struct stat_series stat_refused = {.name = "sip_signaling_events_refused_total",
                                          .help = "events returned or nacked; sent again later"};

struct outbox *outbox_new(struct store *st, size_t events_max)
{
    struct outbox *o = calloc(1, sizeof(*o));
    if (o == NULL)
        die(EX_INTERNAL, "out of memory for the outbox");
    o->store = st;
    o->max = events_max;
    map_init(&o->by_seq);
    map_init(&o->by_call);
    list_init(&o->all);
    o->bodies = &o->all;
    list_init(&o->ready);
    list_init(&o->sent);
    list_init(&o->refused);
    stat_register(&stat_added);
    stat_register(&stat_confirmed);
    stat_register(&stat_refused);
    return o;
}

static void drop_bytes(struct outbox *o, struct entry *e)
{
    o->mem -= e->packed_len;
    free(e->packed);
    e->packed = NULL;
    e->packed_len = 0;
}

static void entry_free(struct outbox *o, struct entry *e)
{
    drop_bytes(o, e);
    if (o->bodies == &e->all)
        o->bodies = e->all.next;
    map_del(&o->by_seq, &e->by_seq);
    map_del(&o->by_call, &e->by_call);
    list_remove(&e->all);
    list_remove(&e->queue);
    free(e);
}

void outbox_free(struct outbox *o)
{
    if (o == NULL)
        return;
    struct list *n;
    while ((n = list_first(&o->all)) != NULL)
        entry_free(o, LIST_ENTRY(n, struct entry, all));
    map_fini(&o->by_seq);
    map_fini(&o->by_call);
    free(o);
}

static struct entry *find_seq(const struct outbox *o, uint64_t seq)
{
    struct map_node *n = map_get(&o->by_seq, span_of((const char *)&seq, sizeof(seq)));
    return n != NULL ? MAP_ENTRY(n, struct entry, by_seq) : NULL;
}

static void make_ready(struct outbox *o, struct entry *e)
{
    e->state = ENTRY_WAITING;
    list_append(&o->ready, &e->queue);
}

static void chain_head(struct outbox *o, struct entry *e)
{
    if (map_put(&o->by_call, &e->by_call, span_of((const char *)&e->call_key, sizeof(e->call_key))) != 0)
        die(EX_INTERNAL, "out of memory for the outbox");
    make_ready(o, e);
}

static struct entry *enter(struct outbox *o, uint64_t seq, uint64_t call_key)
{
    struct entry *e = calloc(1, sizeof(*e));
    if (e == NULL)
        die(EX_INTERNAL, "out of memory for the outbox");
    e->seq = seq;
    e->call_key = call_key;
    e->last = e;
    list_init(&e->all);
    list_init(&e->queue);
    list_append(&o->all, &e->all);
    if (map_put(&o->by_seq, &e->by_seq, span_of((const char *)&e->seq, sizeof(e->seq))) != 0)
        die(EX_INTERNAL, "out of memory for the outbox");
    struct map_node *n = map_get(&o->by_call, span_of((const char *)&call_key, sizeof(call_key)));
    if (n == NULL) {
        chain_head(o, e);
    } else {
        struct entry *head = MAP_ENTRY(n, struct entry, by_call);
        head->last->next = e;
        head->last = e;
    }
    if (seq > o->last_seq)
        o->last_seq = seq;
    return e;
}

static void load_one(void *user, uint64_t key, struct span value)
{
    struct outbox *o = user;
    Store__OutboxRow *row = store__outbox_row__unpack(NULL, value.len, (const uint8_t *)value.p);
    if (row == NULL || row->event == NULL) {
        log_ev(LOG_ERROR, "an event in the store cannot be read", log_n("seq", (int64_t)key));
        return; /* kept on disk for a person to look at */
    }
    (void)enter(o, key, row->call_key);
    store__outbox_row__free_unpacked(row, NULL);
}

void outbox_load(struct outbox *o)
{
    store_each(o->store, STORE_OUTBOX, load_one, o);
}

/* Grows with time, so that a number is not used twice even when the outbox was empty at a restart. */
static uint64_t next_seq(struct outbox *o, struct now now)
{
    uint64_t by_clock = (uint64_t)now.wall_ms << 20;
    return by_clock > o->last_seq ? by_clock : o->last_seq + 1;
}

void outbox_add(struct outbox *o, Store__OutboxRow *row, struct now now)
{
    uint64_t seq = next_seq(o, now);
    row->event->seq = seq;
    struct entry *e = enter(o, seq, row->call_key);
    size_t n = store__outbox_row__get_packed_size(row);
    e->packed = malloc(n);
    if (e->packed == NULL)
        die(EX_INTERNAL, "out of memory for an event");
    e->packed_len = store__outbox_row__pack(row, (uint8_t *)e->packed);
    o->mem += e->packed_len;
    if (o->bodies == &o->all)
        o->bodies = &e->all;
    store_put(o->store, STORE_OUTBOX, seq, span_of(e->packed, e->packed_len));
    KILL_POINT("outbox.added");
    stat_inc(&stat_added);
}

static int send_entry(struct outbox *o, struct entry *e, struct bus_link *pub)
{
    struct span bytes =
        e->packed != NULL ? span_of(e->packed, e->packed_len) : store_get(o->store, STORE_OUTBOX, e->seq);
    Store__OutboxRow *row = store__outbox_row__unpack(NULL, bytes.len, (const uint8_t *)bytes.p);
    if (row == NULL || row->event == NULL)
        die(EX_STORAGE, "store: event %llu is damaged", (unsigned long long)e->seq);
    int rv = bus_send_later(pub, PLANE_PUB_EVENT, &row->event->base);
    KILL_POINT("outbox.told");
    store__outbox_row__free_unpacked(row, NULL);
    return rv;
}

static void wake_refused(struct outbox *o, struct now now)
{
    struct list *n;
    while ((n = list_first(&o->refused)) != NULL) {
        struct entry *e = LIST_ENTRY(n, struct entry, queue);
        if (e->again_ms > now.mono_ms)
            return;
        make_ready(o, e);
    }
}

/* Bodies that cannot leave now are let go of when they are many; the store has them. */
static void trim_memory(struct outbox *o)
{
    for (; o->bodies != &o->all && o->mem > OUTBOX_MEM_BYTES; o->bodies = o->bodies->next)
        drop_bytes(o, LIST_ENTRY(o->bodies, struct entry, all));
}

void outbox_pump(struct outbox *o, struct bus_link *pub, struct now now)
{
    wake_refused(o, now);
    struct list *n;
    while (bus_link_is_up(pub) && o->sent_cnt < OUTBOX_INFLIGHT_MAX && (n = list_first(&o->ready)) != NULL) {
        struct entry *e = LIST_ENTRY(n, struct entry, queue);
        if (send_entry(o, e, pub) != 0)
            break;
        e->state = ENTRY_SENT;
        list_append(&o->sent, &e->queue);
        o->sent_cnt++;
    }
    if (o->mem > OUTBOX_MEM_BYTES)
        trim_memory(o);
}

static void unsend_all(struct outbox *o)
{
    /* Back to the front of the queue, oldest first. */
    while (!list_empty(&o->sent)) {
        struct entry *e = LIST_ENTRY(o->sent.prev, struct entry, queue);
        e->state = ENTRY_WAITING;
        list_remove(&e->queue);
        list_append(o->ready.next, &e->queue); /* before the first of `ready` */
    }
    o->sent_cnt = 0;
}

void outbox_peer_up(struct outbox *o)
{
    unsend_all(o);
}

void outbox_peer_down(struct outbox *o)
{
    unsend_all(o);
}

static void leave_sent(struct outbox *o, struct entry *e)
{
    if (e->state == ENTRY_SENT)
        o->sent_cnt--;
    list_remove(&e->queue);
}

void outbox_confirmed(struct outbox *o, uint64_t seq)
{
    struct entry *e = find_seq(o, seq);
    if (e == NULL)
        return;
    KILL_POINT("outbox.confirmed");
    leave_sent(o, e);
    store_del(o->store, STORE_OUTBOX, seq);
    stat_inc(&stat_confirmed);
    struct entry *next = e->next;
    if (next != NULL)
        next->last = e->last;
    entry_free(o, e);
    if (next != NULL)
        chain_head(o, next);
}

void outbox_refused(struct outbox *o, uint64_t seq, struct now now)
{
    struct entry *e = find_seq(o, seq);
    if (e == NULL || e->state != ENTRY_SENT)
        return;
    leave_sent(o, e);
    e->state = ENTRY_REFUSED;
    e->again_ms = now.mono_ms + OUTBOX_AGAIN_MS;
    list_append(&o->refused, &e->queue);
    stat_inc(&stat_refused);
}

size_t outbox_count(const struct outbox *o)
{
    return o->by_seq.count;
}

bool outbox_is_full(const struct outbox *o)
{
    return o->by_seq.count >= o->max;
}

int64_t outbox_next_ms(const struct outbox *o)
{
    if (list_empty(&o->refused))
        return INT64_MAX;
    return LIST_ENTRY(o->refused.next, struct entry, queue)->again_ms;
}

void outbox_each(struct outbox *o, size_t max, outbox_each_fn *fn, void *user)
{
    static const char *const names[] = {"waiting", "sent", "refused"};
    for (struct list *n = o->all.next; n != &o->all && max > 0; n = n->next, max--) {
        const struct entry *e = LIST_ENTRY(n, struct entry, all);
        fn(user, e->seq, e->call_key, names[e->state]);
    }
}
