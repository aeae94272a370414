/* The store in memory: rows in order of their keys, and what must be undone when the turn is not committed. */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/virt.h"

#define ROWS_MAX 4096

struct row {
    uint64_t key;
    char *p; /* NULL in the undo log: there was none */
    size_t len;
    enum store_table table;
};

struct store {
    struct row row[STORE_TABLES][ROWS_MAX];
    size_t cnt[STORE_TABLES];
    struct row undo[ROWS_MAX];
    size_t undo_cnt;
};

static struct store stores[VIRT_SHARDS_MAX];

static char *bytes_dup(struct span s)
{
    char *p = malloc(s.len > 0 ? s.len : 1);
    FUZZ_ASSERT(p != NULL);
    if (s.len > 0)
        memcpy(p, s.p, s.len);
    return p;
}

/* The place of the first row with this key or a greater one. */
static size_t place(const struct store *s, enum store_table t, uint64_t key)
{
    size_t at = 0;
    while (at < s->cnt[t] && s->row[t][at].key < key)
        at++;
    return at;
}

static bool is_at(const struct store *s, enum store_table t, size_t at, uint64_t key)
{
    return at < s->cnt[t] && s->row[t][at].key == key;
}

/* Takes the row out and remembers it. */
static void take_out(struct store *s, enum store_table t, uint64_t key)
{
    size_t at = place(s, t, key);
    FUZZ_ASSERT(s->undo_cnt < ROWS_MAX);
    struct row *u = &s->undo[s->undo_cnt++];
    *u = (struct row){.table = t, .key = key};
    if (!is_at(s, t, at, key))
        return;
    u->p = s->row[t][at].p;
    u->len = s->row[t][at].len;
    memmove(&s->row[t][at], &s->row[t][at + 1], (s->cnt[t] - at - 1) * sizeof(struct row));
    s->cnt[t]--;
}

static void put_in(struct store *s, enum store_table t, uint64_t key, char *p, size_t len)
{
    size_t at = place(s, t, key);
    FUZZ_ASSERT(s->cnt[t] < ROWS_MAX && !is_at(s, t, at, key));
    memmove(&s->row[t][at + 1], &s->row[t][at], (s->cnt[t] - at) * sizeof(struct row));
    s->row[t][at] = (struct row){.table = t, .key = key, .p = p, .len = len};
    s->cnt[t]++;
}

struct store *store_open(const struct store_args *args)
{
    FUZZ_ASSERT(args->shard < VIRT_SHARDS_MAX && stores[args->shard].undo_cnt == 0);
    return &stores[args->shard];
}

/* There were never more shards than now. */
bool store_open_other(const char *dir, uint32_t shard, struct store **out)
{
    (void)dir;
    (void)shard;
    *out = NULL;
    return true;
}

const char *store_path(const struct store *s)
{
    (void)s;
    return "memory";
}

void store_sync(struct store *s)
{
    (void)s;
}

void store_close(struct store *s)
{
    (void)s;
}

void store_put(struct store *s, enum store_table t, uint64_t key, struct span value)
{
    take_out(s, t, key);
    put_in(s, t, key, bytes_dup(value), value.len);
}

void store_del(struct store *s, enum store_table t, uint64_t key)
{
    take_out(s, t, key);
}

void store_commit(struct store *s)
{
    for (size_t i = 0; i < s->undo_cnt; i++)
        free(s->undo[i].p);
    s->undo_cnt = 0;
}

bool store_is_changed(const struct store *s)
{
    return s->undo_cnt > 0;
}

struct span store_get(struct store *s, enum store_table t, uint64_t key)
{
    size_t at = place(s, t, key);
    return is_at(s, t, at, key) ? span_of(s->row[t][at].p, s->row[t][at].len) : (struct span){NULL, 0};
}

struct store_use store_use(struct store *s)
{
    (void)s;
    return (struct store_use){0};
}

void store_each(struct store *s, enum store_table t, store_each_fn *fn, void *user)
{
    for (size_t i = 0; i < s->cnt[t]; i++)
        fn(user, s->row[t][i].key, span_of(s->row[t][i].p, s->row[t][i].len));
}

bool store_is_full(struct store *s)
{
    (void)s;
    return false;
}

bool store_keep_room(struct store *s, uint64_t bytes)
{
    (void)s;
    (void)bytes;
    return true;
}

void store_opened(struct store *s)
{
    (void)s;
}

bool virt_store_is_committed(unsigned shard)
{
    return stores[shard].undo_cnt == 0;
}

void virt_store_roll_back(unsigned shard)
{
    struct store *s = &stores[shard];
    while (s->undo_cnt > 0) {
        struct row u = s->undo[--s->undo_cnt];
        size_t at = place(s, u.table, u.key);
        if (is_at(s, u.table, at, u.key)) {
            free(s->row[u.table][at].p);
            memmove(&s->row[u.table][at], &s->row[u.table][at + 1], (s->cnt[u.table] - at - 1) * sizeof(struct row));
            s->cnt[u.table]--;
        }
        if (u.p != NULL)
            put_in(s, u.table, u.key, u.p, u.len);
    }
}

static void wipe(struct store *s)
{
    store_commit(s);
    for (int t = 0; t < STORE_TABLES; t++) {
        for (size_t i = 0; i < s->cnt[t]; i++)
            free(s->row[t][i].p);
        s->cnt[t] = 0;
    }
}

void virt_store_wipe(void)
{
    for (unsigned i = 0; i < VIRT_SHARDS_MAX; i++)
        wipe(&stores[i]);
}

size_t virt_store_rows(unsigned shard, enum store_table t)
{
    return stores[shard].cnt[t];
}
