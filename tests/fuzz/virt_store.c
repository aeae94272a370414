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

static struct store store;

static char *bytes_dup(struct span s)
{
    char *p = malloc(s.len > 0 ? s.len : 1);
    FUZZ_ASSERT(p != NULL);
    if (s.len > 0)
        memcpy(p, s.p, s.len);
    return p;
}

/* The place of the first row with this key or a greater one. */
static size_t place(enum store_table t, uint64_t key)
{
    size_t at = 0;
    while (at < store.cnt[t] && store.row[t][at].key < key)
        at++;
    return at;
}

static bool is_at(enum store_table t, size_t at, uint64_t key)
{
    return at < store.cnt[t] && store.row[t][at].key == key;
}

/* Takes the row out and remembers it. */
static void take_out(enum store_table t, uint64_t key)
{
    size_t at = place(t, key);
    FUZZ_ASSERT(store.undo_cnt < ROWS_MAX);
    struct row *u = &store.undo[store.undo_cnt++];
    *u = (struct row){.table = t, .key = key};
    if (!is_at(t, at, key))
        return;
    u->p = store.row[t][at].p;
    u->len = store.row[t][at].len;
    memmove(&store.row[t][at], &store.row[t][at + 1], (store.cnt[t] - at - 1) * sizeof(struct row));
    store.cnt[t]--;
}

static void put_in(enum store_table t, uint64_t key, char *p, size_t len)
{
    size_t at = place(t, key);
    FUZZ_ASSERT(store.cnt[t] < ROWS_MAX && !is_at(t, at, key));
    memmove(&store.row[t][at + 1], &store.row[t][at], (store.cnt[t] - at) * sizeof(struct row));
    store.row[t][at] = (struct row){.table = t, .key = key, .p = p, .len = len};
    store.cnt[t]++;
}

struct store *store_open(const struct store_args *args)
{
    (void)args;
    FUZZ_ASSERT(store.undo_cnt == 0);
    return &store;
}

/* There is one shard, now and before. */
bool store_open_other(const char *dir, uint32_t shard, struct store **out)
{
    (void)dir;
    (void)shard;
    *out = NULL;
    return true;
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
    (void)s;
    take_out(t, key);
    put_in(t, key, bytes_dup(value), value.len);
}

void store_del(struct store *s, enum store_table t, uint64_t key)
{
    (void)s;
    take_out(t, key);
}

void store_commit(struct store *s)
{
    for (size_t i = 0; i < s->undo_cnt; i++)
        free(s->undo[i].p);
    s->undo_cnt = 0;
}

struct span store_get(struct store *s, enum store_table t, uint64_t key)
{
    size_t at = place(t, key);
    return is_at(t, at, key) ? span_of(s->row[t][at].p, s->row[t][at].len) : (struct span){NULL, 0};
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

bool virt_store_is_committed(void)
{
    return store.undo_cnt == 0;
}

void virt_store_roll_back(void)
{
    while (store.undo_cnt > 0) {
        struct row u = store.undo[--store.undo_cnt];
        size_t at = place(u.table, u.key);
        if (is_at(u.table, at, u.key)) {
            free(store.row[u.table][at].p);
            memmove(&store.row[u.table][at], &store.row[u.table][at + 1],
                    (store.cnt[u.table] - at - 1) * sizeof(struct row));
            store.cnt[u.table]--;
        }
        if (u.p != NULL)
            put_in(u.table, u.key, u.p, u.len);
    }
}

void virt_store_wipe(void)
{
    store_commit(&store);
    for (int t = 0; t < STORE_TABLES; t++) {
        for (size_t i = 0; i < store.cnt[t]; i++)
            free(store.row[t][i].p);
        store.cnt[t] = 0;
    }
}

size_t virt_store_rows(enum store_table t)
{
    return store.cnt[t];
}
