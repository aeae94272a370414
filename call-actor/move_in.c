#include "call-actor/move_in.h"

#include "call-actor/store_mark.h"
#include "common/base/err.h"
#include "common/base/id.h"
#include "common/base/log.h"
#include <stdlib.h>

#define KEYS_BYTES_MAX (1u << 30) /* above REGISTRATIONS_MAX keys */

struct visit {
    const struct move_in_args *args;
    struct buf keys; /* of what was taken */
    int users;
};

/* --- users --- */

static bool is_here(struct location *l, struct span user)
{
    Store__AorRow *row = location_get(l, user);
    bool is = row->n_bindings > 0;
    store__aor_row__free_unpacked(row, NULL);
    return is;
}

static void take(void *user, uint64_t key, struct span value)
{
    struct visit *v = user;
    const struct move_in_args *a = v->args;
    Store__AorRow *row = store__aor_row__unpack(NULL, value.len, (const uint8_t *)value.p);
    if (row == NULL || id_shard_of_user(span_cstr(row->user), a->shards) != a->shard) {
        if (row != NULL)
            store__aor_row__free_unpacked(row, NULL);
        return;
    }
    if (is_here(a->location, span_cstr(row->user))) {
        store__aor_row__free_unpacked(row, NULL);
    } else if (location_put(a->location, row) == 0) {
        v->users++;
    } else {
        return; /* there are too many users here: it stays where it is */
    }
    buf_put(&v->keys, (const char *)&key, sizeof(key));
    if (v->keys.failed)
        die(EX_INTERNAL, "out of memory: bindings of another shard");
}

static void leave(struct store *other, const struct buf *keys)
{
    for (size_t at = 0; at < keys->len; at += sizeof(uint64_t)) {
        uint64_t key;
        memcpy(&key, keys->p + at, sizeof(key));
        store_del(other, STORE_AORS, key);
    }
    store_commit(other);
}

static void count(void *user, uint64_t key, struct span value)
{
    int64_t *cnt = user;
    (void)key;
    (void)value;
    (*cnt)++;
}

/* Calls and events have the number of their shard in their names: they wait until it is there again. */
static void look_at_what_stays(struct store *other, unsigned shard)
{
    int64_t calls = 0;
    int64_t events = 0;
    store_each(other, STORE_CALLS, count, &calls);
    store_each(other, STORE_OUTBOX, count, &events);
    if (calls > 0 || events > 0)
        log_ev(LOG_WARN, "the store of a shard that is no more has calls or events: with more shards they go on",
               log_n("shard", shard), log_n("calls", calls), log_n("events", events));
}

static void move_from(struct visit *v, struct store *other, unsigned shard)
{
    const struct move_in_args *a = v->args;
    buf_reset(&v->keys);
    store_each(other, STORE_AORS, take, v);
    store_commit(a->store);
    store_sync(a->store);
    leave(other, &v->keys);
    if (shard < a->shards)
        return;
    store_mark_put(other, 0); /* should it come back, it looks for its users */
    if (a->shard == 0)
        look_at_what_stays(other, shard);
}

int move_in(const struct move_in_args *args)
{
    struct visit v = {.args = args};
    bool read_all = true;
    buf_init(&v.keys, KEYS_BYTES_MAX);
    for (unsigned i = 0; i < STORE_SHARDS_MAX; i++) {
        struct store *other = NULL;
        if (i == args->shard)
            continue;
        if (!store_open_other(args->dir, i, &other))
            read_all = false;
        if (other == NULL)
            continue;
        move_from(&v, other, i);
        store_close(other);
    }
    buf_fini(&v.keys);
    if (v.users > 0)
        log_ev(LOG_INFO, "bindings moved in from other shards", log_n("users", v.users));
    return read_all ? v.users : -1;
}
