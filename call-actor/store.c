#include "call-actor/store.h"
#include "common/base/err.h"
#include "common/base/log.h"
#include "common/rt/killpoint.h"
#include "common/rt/work.h"
#include <errno.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#define STORE_SYNC_EVERY_SEC 1
#define PATH_SIZE 512
#define STORE_FREE_AGAIN 16 /* a full store has room again when this part of the limit is free */

struct store {
    MDB_env *env;
    MDB_dbi dbi[STORE_TABLES];
    MDB_txn *txn;    /* the turn's, or NULL */
    MDB_txn *reader; /* open while a value read outside a turn is in use */
    bool sync_commits;
    bool full; /* as last found */
    uint64_t limit_bytes;
    pthread_t syncer;
    bool has_syncer;
    pthread_mutex_t lock;
    pthread_cond_t stop_cond;
    bool stopping;
};

static const char *const table_names[STORE_TABLES] = {"calls", "outbox", "meta", "aors"};

static MDB_val key_val(const uint64_t *key)
{
    return (MDB_val){.mv_size = sizeof(*key), .mv_data = (void *)(uintptr_t)key};
}

static void must(int rc, const char *what)
{
    if (rc == MDB_MAP_FULL)
        die(EX_STORAGE, "store: %s: the reserve beyond STORE_MAX_MB is used up; the next start has another", what);
    if (rc != 0)
        die(EX_STORAGE, "store: %s: %s (is the disk full?)", what, mdb_strerror(rc));
}

/* --- background sync ---------------------------------------------------------------------------------------------- */

static void *sync_thread(void *arg)
{
    struct store *s = arg;
    pthread_mutex_lock(&s->lock);
    while (!s->stopping) {
        struct timespec at;
        clock_gettime(CLOCK_REALTIME, &at);
        at.tv_sec += STORE_SYNC_EVERY_SEC;
        if (pthread_cond_timedwait(&s->stop_cond, &s->lock, &at) == 0)
            continue;
        pthread_mutex_unlock(&s->lock);
        mdb_env_sync(s->env, 1); /* a failing disk shows at the next commit */
        pthread_mutex_lock(&s->lock);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

static int start_syncer(struct store *s)
{
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->stop_cond, NULL);
    s->has_syncer = !s->sync_commits && pthread_create(&s->syncer, NULL, sync_thread, s) == 0;
    return s->has_syncer || s->sync_commits ? 0 : -1;
}

static void stop_syncer(struct store *s)
{
    if (!s->has_syncer)
        return;
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    pthread_cond_signal(&s->stop_cond);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->syncer, NULL);
}

/* --- open --------------------------------------------------------------------------------------------------------- */

/* A map that is used up could not even be deleted from. */
static int add_reserve(struct store *s, uint64_t reserve_bytes)
{
    MDB_envinfo info;
    MDB_stat st;
    int rc = mdb_env_info(s->env, &info);
    if (rc == 0)
        rc = mdb_env_stat(s->env, &st);
    if (rc != 0)
        return rc;
    uint64_t wanted = ((uint64_t)info.me_last_pgno + 1) * st.ms_psize + reserve_bytes;
    return wanted > info.me_mapsize ? mdb_env_set_mapsize(s->env, wanted) : 0;
}

static int open_env(struct store *s, const struct store_args *a, const char *path)
{
    int rc = mdb_env_create(&s->env);
    if (rc != 0)
        return rc;
    mdb_env_set_maxdbs(s->env, STORE_TABLES);
    uint64_t reserve_bytes = (uint64_t)a->reserve_mb << 20;
    s->limit_bytes = (uint64_t)a->max_mb << 20;
    mdb_env_set_mapsize(s->env, s->limit_bytes + reserve_bytes);
    unsigned flags = MDB_NOSUBDIR | MDB_NOTLS | (a->sync_commits ? 0 : MDB_NOSYNC);
    rc = mdb_env_open(s->env, path, flags, 0600);
    return rc == 0 ? add_reserve(s, reserve_bytes) : rc;
}

/* flags: MDB_CREATE, or 0: MDB_NOTFOUND when one is missing. */
static int open_tables(struct store *s, unsigned flags)
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(s->env, NULL, 0, &txn);
    for (int t = 0; rc == 0 && t < STORE_TABLES; t++)
        rc = mdb_dbi_open(txn, table_names[t], flags | MDB_INTEGERKEY, &s->dbi[t]);
    if (rc != 0) {
        if (txn != NULL)
            mdb_txn_abort(txn);
        return rc;
    }
    return mdb_txn_commit(txn);
}

static void write_path(char out[PATH_SIZE], const char *dir, uint32_t shard)
{
    snprintf(out, PATH_SIZE, "%s/shard%u.mdb", dir, shard);
}

struct store *store_open(const struct store_args *a)
{
    char path[PATH_SIZE];
    write_path(path, a->dir, a->shard);
    struct store *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return NULL;
    s->sync_commits = a->sync_commits;
    int rc = open_env(s, a, path);
    if (rc == 0)
        rc = open_tables(s, MDB_CREATE);
    if (rc == 0 && start_syncer(s) != 0)
        rc = EAGAIN;
    if (rc == 0)
        return s;
    log_ev(LOG_ERROR, "cannot open the store", log_z("path", path), log_z("why", mdb_strerror(rc)),
           log_z("remedy", "make SIP_SIGNALING_SERVICE_STATE_DIR a directory this user may write, with free space"));
    if (s->env != NULL)
        mdb_env_close(s->env);
    free(s);
    return NULL;
}

/* The size of its map is what its own process has set. */
static int open_as_it_is(struct store *s, const char *path)
{
    int rc = mdb_env_create(&s->env);
    if (rc != 0)
        return rc;
    mdb_env_set_maxdbs(s->env, STORE_TABLES);
    rc = mdb_env_open(s->env, path, MDB_NOSUBDIR | MDB_NOTLS | MDB_NOSYNC, 0600);
    return rc == 0 ? open_tables(s, 0) : rc;
}

static bool is_there(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && st.st_size > 0;
}

bool store_open_other(const char *dir, uint32_t shard, struct store **out)
{
    char path[PATH_SIZE];
    *out = NULL;
    write_path(path, dir, shard);
    if (!is_there(path))
        return true;
    struct store *s = calloc(1, sizeof(*s));
    int rc = s != NULL ? open_as_it_is(s, path) : ENOMEM;
    if (rc == 0) {
        *out = s;
        return true;
    }
    if (s != NULL && s->env != NULL)
        mdb_env_close(s->env);
    free(s);
    if (rc == MDB_NOTFOUND)
        return true; /* its process is making it just now */
    log_ev(LOG_ERROR, "the store of another shard cannot be read", log_z("path", path), log_z("why", mdb_strerror(rc)));
    return false;
}

void store_sync(struct store *s)
{
    must(mdb_env_sync(s->env, 1), "sync");
}

void store_close(struct store *s)
{
    if (s == NULL)
        return;
    stop_syncer(s);
    if (s->txn != NULL)
        mdb_txn_abort(s->txn);
    if (s->reader != NULL)
        mdb_txn_abort(s->reader);
    mdb_env_sync(s->env, 1);
    mdb_env_close(s->env);
    free(s);
}

/* --- a turn ------------------------------------------------------------------------------------------------------- */

static void end_read(struct store *s)
{
    if (s->reader != NULL)
        mdb_txn_abort(s->reader);
    s->reader = NULL;
}

static MDB_txn *writer(struct store *s)
{
    end_read(s);
    if (s->txn == NULL)
        must(mdb_txn_begin(s->env, NULL, 0, &s->txn), "begin");
    return s->txn;
}

void store_put(struct store *s, enum store_table t, uint64_t key, struct span value)
{
    MDB_val k = key_val(&key);
    MDB_val v = {.mv_size = value.len, .mv_data = (void *)(uintptr_t)value.p};
    must(mdb_put(writer(s), s->dbi[t], &k, &v, 0), "put");
}

void store_del(struct store *s, enum store_table t, uint64_t key)
{
    MDB_val k = key_val(&key);
    int rc = mdb_del(writer(s), s->dbi[t], &k, NULL);
    must(rc == MDB_NOTFOUND ? 0 : rc, "delete");
}

void store_commit(struct store *s)
{
    end_read(s);
    if (s->txn == NULL)
        return;
    MDB_txn *txn = s->txn;
    s->txn = NULL;
    KILL_POINT("store.commit");
    must(mdb_txn_commit(txn), "commit");
    KILL_POINT("store.committed");
}

static MDB_txn *reader(struct store *s)
{
    if (s->txn != NULL)
        return s->txn;
    end_read(s);
    must(mdb_txn_begin(s->env, NULL, MDB_RDONLY, &s->reader), "begin read");
    return s->reader;
}

struct span store_get(struct store *s, enum store_table t, uint64_t key)
{
    MDB_val k = key_val(&key);
    MDB_val v;
    int rc = mdb_get(reader(s), s->dbi[t], &k, &v);
    if (rc == MDB_NOTFOUND)
        return span_of(NULL, 0);
    must(rc, "get");
    return span_of(v.mv_data, v.mv_size);
}

/* A row that killed the process twice as it was read stays where it is, and is passed over. */
static void visit(enum store_table t, uint64_t key, struct span row, store_each_fn *fn, void *user)
{
    uint64_t id[] = {t, key};
    if (work_begin(WORK_ROW, span_of((const char *)id, sizeof(id)), row) == WORK_GO)
        fn(user, key, row);
    else
        log_ev(LOG_ERROR, "a row of the store is set aside: it killed the call-actor twice", log_n("table", t),
               log_n("key", (int64_t)key));
    work_end();
    work_turn_done();
}

void store_each(struct store *s, enum store_table t, store_each_fn *fn, void *user)
{
    MDB_cursor *c;
    must(mdb_cursor_open(reader(s), s->dbi[t], &c), "walk");
    MDB_val k;
    MDB_val v;
    int rc;
    while ((rc = mdb_cursor_get(c, &k, &v, MDB_NEXT)) == 0) {
        uint64_t key;
        if (k.mv_size != sizeof(key))
            continue;
        memcpy(&key, k.mv_data, sizeof(key));
        visit(t, key, span_of(v.mv_data, v.mv_size), fn, user);
    }
    mdb_cursor_close(c);
    must(rc == MDB_NOTFOUND ? 0 : rc, "walk");
}

struct store_use store_use(struct store *s)
{
    MDB_envinfo info;
    MDB_stat st = {0};
    uint64_t pages = 0;
    for (int t = 0; t < STORE_TABLES; t++) {
        must(mdb_stat(reader(s), s->dbi[t], &st), "stat");
        pages += st.ms_branch_pages + st.ms_leaf_pages + st.ms_overflow_pages;
    }
    end_read(s); /* an idle reader would keep old pages from being used again */
    must(mdb_env_info(s->env, &info), "info");
    return (struct store_use){.rows_bytes = pages * st.ms_psize,
                              .file_bytes = (info.me_last_pgno + 1) * st.ms_psize,
                              .limit_bytes = s->limit_bytes};
}

bool store_is_full(struct store *s)
{
    uint64_t free_again = s->full ? s->limit_bytes / STORE_FREE_AGAIN : 0;
    s->full = store_use(s).rows_bytes + free_again >= s->limit_bytes;
    return s->full;
}
