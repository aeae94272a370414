#include "call-actor/location.h"

#include "call-actor/call_row.h"
#include "call-actor/clock_mark.h"
#include "common/base/err.h"
#include "common/base/id.h"
#include "common/base/list.h"
#include "common/base/log.h"
#include "common/base/map.h"
#include <stdlib.h>

struct place {
    struct map_node by_user;
    struct list all;
    struct timer timer;
    struct location *location;
    uint64_t key;
    uint32_t bindings;
    uint32_t len;
    uint8_t *packed;
    uint16_t user_len;
    bool ticks;
    char user[];
};

struct location {
    struct location_args args;
    struct map by_user;
    struct list all;            /* by key */
    const struct place *cursor; /* where the last page ended, while it is there */
    uint64_t last_key;
    size_t bindings;
    int64_t clock_ms; /* the wall clock at monotonic 0, as last seen */
    struct buf pack;
};

/* --- rows, packed and not --- */

static Store__AorRow *unpack(const struct place *p)
{
    Store__AorRow *row = store__aor_row__unpack(NULL, p->len, p->packed);
    if (row == NULL)
        die(EX_INTERNAL, "out of memory: a user's bindings");
    return row;
}

static int64_t tick_ms(const struct location *l)
{
    return (int64_t)l->args.tick_s * 1000;
}

/* A user's moment within each tick. Keys follow one another in time; this does not. */
static int64_t tick_moment(const struct place *p)
{
    static const uint64_t any[2] = {UINT64_C(0x6c6f636174696f6e), UINT64_C(0x7469636b20746f63)};
    return (int64_t)(map_siphash(any, span_of((const char *)&p->key, sizeof(p->key))) % (uint64_t)tick_ms(p->location));
}

static bool is_tick(const struct place *p, int64_t at_ms)
{
    return p->ticks && (at_ms - tick_moment(p)) % tick_ms(p->location) == 0;
}

static int64_t next_tick(const struct place *p, int64_t mono_ms)
{
    int64_t every = tick_ms(p->location);
    return mono_ms + every - (mono_ms - tick_moment(p) + every) % every;
}

/* One timer for both: its moment tells which it was (is_tick). */
static void arm(struct place *p, const Store__AorRow *row)
{
    struct location *l = p->location;
    struct now now = loop_now(l->args.loop);
    int64_t at_ms = now.mono_ms + ((int64_t)aor_next_wall_ms(row) - now.wall_ms);
    int64_t tick = p->ticks ? next_tick(p, now.mono_ms) : at_ms;
    loop_timer_at(l->args.loop, &p->timer, tick < at_ms ? tick : at_ms);
}

/* Keeps the packed form, for memory and (stored: it is there already) for the store. */
static void keep(struct place *p, const Store__AorRow *row, bool stored)
{
    struct location *l = p->location;
    Store__AorRow marked = *row;
    marked.clock = clock_mark(l->clock_ms);
    buf_reset(&l->pack);
    size_t n = store__aor_row__get_packed_size(&marked);
    char *bytes = buf_reserve(&l->pack, n);
    if (bytes == NULL)
        die(EX_INTERNAL, "a user's row has grown to %zu bytes", n);
    (void)store__aor_row__pack(&marked, (uint8_t *)bytes);
    uint8_t *mine = realloc(p->packed, n);
    if (mine == NULL)
        die(EX_INTERNAL, "out of memory: a user's bindings");
    memcpy(mine, bytes, n);
    p->packed = mine;
    p->len = (uint32_t)n;
    l->bindings += row->n_bindings - p->bindings;
    p->bindings = (uint32_t)row->n_bindings;
    p->ticks = l->args.tick_s > 0 && l->args.wants_tick(l->args.user, row);
    if (!stored)
        store_put(l->args.store, STORE_AORS, p->key, span_of(bytes, n));
    arm(p, row);
}

static void forget(struct place *p)
{
    struct location *l = p->location;
    loop_timer_cancel(l->args.loop, &p->timer);
    if (l->cursor == p)
        l->cursor = NULL;
    l->bindings -= p->bindings;
    map_del(&l->by_user, &p->by_user);
    list_remove(&p->all);
    free(p->packed);
    free(p);
}

static struct place *find(const struct location *l, struct span user)
{
    struct map_node *n = map_get(&l->by_user, user);
    return n != NULL ? MAP_ENTRY(n, struct place, by_user) : NULL;
}

static void on_time(struct timer *t, int64_t now_ms);

/* --- the clock is set --- */

static uint64_t moved(uint64_t wall_ms, int64_t by_ms)
{
    int64_t to = (int64_t)wall_ms + by_ms;
    return to > 0 ? (uint64_t)to : 1;
}

static void move_row(Store__AorRow *row, int64_t by_ms)
{
    for (size_t i = 0; i < row->n_bindings; i++)
        row->bindings[i]->expires_wall_ms = moved(row->bindings[i]->expires_wall_ms, by_ms);
}

static void move_times(struct place *p, int64_t by_ms)
{
    Store__AorRow *row = unpack(p);
    move_row(row, by_ms);
    keep(p, row, false);
    store__aor_row__free_unpacked(row, NULL);
}

/* A phone counts seconds. What stands in the store is wall-clock time, for it must outlive the machine; when that clock
 * is set, all of it goes along, before anybody looks. */
static void follow_clock(struct location *l)
{
    struct now now = loop_now(l->args.loop);
    int64_t by_ms = now.wall_ms - now.mono_ms - l->clock_ms;
    l->clock_ms += by_ms;
    if (by_ms > -CLOCK_STEP_MS && by_ms < CLOCK_STEP_MS)
        return;
    log_ev(LOG_WARN, "the clock was set: registrations last as long as they did", log_n("by_ms", by_ms),
           log_n("users", (int64_t)l->by_user.count));
    for (struct list *n = l->all.next; n != &l->all; n = n->next)
        move_times(LIST_ENTRY(n, struct place, all), by_ms);
}

static struct place *place_new(struct location *l, const Store__AorRow *row)
{
    size_t len = strlen(row->user);
    struct place *p = calloc(1, sizeof(*p) + len);
    if (p == NULL)
        die(EX_INTERNAL, "out of memory: a user's bindings");
    p->location = l;
    p->key = row->key;
    p->user_len = (uint16_t)len;
    memcpy(p->user, row->user, len);
    timer_init(&p->timer, on_time, p);
    list_init(&p->all);
    if (map_put(&l->by_user, &p->by_user, span_of(p->user, len)) != 0)
        die(EX_INTERNAL, "out of memory: the table of users");
    list_append(&l->all, &p->all);
    if (p->key > l->last_key)
        l->last_key = p->key;
    return p;
}

/* --- time --- */

static void on_time(struct timer *t, int64_t now_ms)
{
    (void)now_ms;
    struct place *p = t->owner;
    struct location *l = p->location;
    bool tick = is_tick(p, t->at_ms);
    follow_clock(l);
    struct now now = loop_now(l->args.loop);
    Store__AorRow *row = unpack(p);
    unsigned cnt = aor_expire(row, now);
    if (tick)
        l->args.on_tick(l->args.user, row);
    if (cnt == 0) { /* a tick; or the wall clock was set back */
        arm(p, row);
        store__aor_row__free_unpacked(row, NULL);
        return;
    }
    char user[AOR_USER_MAX + 1];
    (void)span_copy(user, sizeof(user), span_cstr(row->user));
    (void)location_put(l, row); /* p may be gone */
    if (l->args.on_expired != NULL)
        l->args.on_expired(l->args.user, user, cnt);
}

/* --- the interface --- */

struct location *location_new(const struct location_args *args)
{
    struct location *l = calloc(1, sizeof(*l));
    if (l == NULL)
        return NULL;
    l->args = *args;
    map_init(&l->by_user);
    list_init(&l->all);
    struct now now = loop_now(args->loop);
    l->clock_ms = now.wall_ms - now.mono_ms;
    buf_init(&l->pack, AOR_ROW_BYTES_MAX);
    return l;
}

void location_free(struct location *l)
{
    if (l == NULL)
        return;
    struct map_node *n;
    while ((n = map_next(&l->by_user, NULL)) != NULL)
        forget(MAP_ENTRY(n, struct place, by_user));
    map_fini(&l->by_user);
    buf_fini(&l->pack);
    free(l);
}

static void load_row(void *user, uint64_t key, struct span value)
{
    struct location *l = user;
    Store__AorRow *row = store__aor_row__unpack(NULL, value.len, (const uint8_t *)value.p);
    if (key > l->last_key)
        l->last_key = key;
    if (row == NULL || row->key != key || row->n_bindings == 0 || find(l, span_cstr(row->user)) != NULL)
        log_ev(LOG_ERROR, "a user's bindings in the store cannot be read", log_n("key", (int64_t)key));
    else if (id_shard_of_user(span_cstr(row->user), l->args.shards) == l->args.shard) {
        move_row(row, clock_mark_moved(row->clock, l->clock_ms)); /* set before we, or our predecessor, had noticed */
        keep(place_new(l, row), row, true);
    }
    if (row != NULL)
        store__aor_row__free_unpacked(row, NULL);
}

void location_load(struct location *l)
{
    store_each(l->args.store, STORE_AORS, load_row, l);
}

static Store__AorRow *new_row(struct span user)
{
    Store__AorRow *row = row_alloc(sizeof(*row));
    store__aor_row__init(row);
    row_text(&row->user, user);
    return row;
}

Store__AorRow *location_get(struct location *l, struct span user)
{
    follow_clock(l);
    const struct place *p = find(l, user);
    if (p == NULL)
        return new_row(user);
    Store__AorRow *row = unpack(p);
    (void)aor_expire(row, loop_now(l->args.loop)); /* its timer says it to everybody else */
    return row;
}

static uint64_t next_key(struct location *l)
{
    uint64_t by_clock = (uint64_t)loop_now(l->args.loop).wall_ms << 20;
    return by_clock > l->last_key ? by_clock : l->last_key + 1;
}

int location_put(struct location *l, Store__AorRow *row)
{
    struct place *p = find(l, span_cstr(row->user));
    int rv = 0;
    if (row->n_bindings == 0) {
        if (p != NULL) {
            store_del(l->args.store, STORE_AORS, p->key);
            forget(p);
        }
    } else if (p == NULL && l->by_user.count >= l->args.users_max) {
        rv = -1;
    } else {
        if (p == NULL) {
            row->key = next_key(l);
            p = place_new(l, row);
        }
        keep(p, row, false);
    }
    store__aor_row__free_unpacked(row, NULL);
    return rv;
}

size_t location_bindings(const struct location *l)
{
    return l->bindings;
}

/* The list's place behind this key: the user may be gone by now. */
static struct list *after_key(struct location *l, uint64_t after)
{
    if (l->cursor != NULL && l->cursor->key == after)
        return l->cursor->all.next;
    struct list *n = l->all.next;
    while (n != &l->all && LIST_ENTRY(n, struct place, all)->key <= after)
        n = n->next;
    return n;
}

uint64_t location_each(struct location *l, uint64_t after, size_t max, location_each_fn *fn, void *to)
{
    size_t shown = 0;
    const struct place *last = NULL;
    follow_clock(l);
    struct list *n = after_key(l, after);
    for (; n != &l->all && shown < max; n = n->next) {
        const struct place *p = LIST_ENTRY(n, struct place, all);
        Store__AorRow *row = unpack(p);
        fn(to, row);
        shown += row->n_bindings;
        last = p;
        store__aor_row__free_unpacked(row, NULL);
    }
    l->cursor = last;
    return n != &l->all && last != NULL ? last->key : 0;
}
