#include "call-actor/store.h"
#include "call-actor/store_check.h"
#include "call-actor/store_snap.h"
#include "common/base/err.h"
#include "common/base/log.h"
#include "common/rt/killpoint.h"
#include "common/rt/work.h"
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#define SYNC_EVERY_NS 500000000L
#define SECOND_NS 1000000000L
#define PATH_SIZE 512
#define STORE_LOCK_WAIT_MS 5000 /* for a predecessor that is being killed */
#define SNAP_RESERVE_PART 4     /* of the reserve that may be used between two snapshots */
#define SNAP_TRIES 100          /* to read a meta page that commits write over */
#define STORE_FREE_AGAIN 16     /* a full store has room again when this part of the limit is free */

struct store {
    char path[PATH_SIZE];
    MDB_env *env;
    MDB_dbi dbi[STORE_TABLES];
    MDB_txn *txn;    /* the turn's, or NULL */
    MDB_txn *reader; /* open while a value read outside a turn is in use */
    bool sync_commits;
    bool full; /* as last found */
    uint64_t limit_bytes;
    uint64_t room_end; /* bytes from the file's beginning that the disk has given */
    struct store_snap snap;
    bool owner;           /* of the snapshot: nobody else has the store */
    MDB_txn *snap_reader; /* on the state of the snapshot: its pages stay */
    uint64_t snap_id;
    uint64_t snap_end; /* bytes ever used when it was taken */
    uint64_t grow_max; /* since then: what it keeps must not use up the reserve */
    pthread_mutex_t snap_lock;
    pthread_t syncer;
    bool has_syncer;
    pthread_mutex_t lock;
    pthread_cond_t stop_cond;
    bool stopping;
};

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

/* --- snapshots ------------------------------------------------------------------------------------------------------
 */

/* Bytes of the file that were ever used. */
static uint64_t end_of(const struct store *s)
{
    MDB_envinfo info = {.me_last_pgno = 0};
    MDB_stat st = {.ms_psize = 0};
    (void)mdb_env_info(s->env, &info);
    (void)mdb_env_stat(s->env, &st);
    return ((uint64_t)info.me_last_pgno + 1) * st.ms_psize;
}

static int fd_of(const struct store *s)
{
    mdb_filehandle_t fd = -1;
    (void)mdb_env_get_fd(s->env, &fd);
    return fd;
}

static uint32_t page_size_of(const struct store *s)
{
    MDB_stat st = {0};
    (void)mdb_env_stat(s->env, &st);
    return st.ms_psize;
}

/* A reader on the newest state, and that state's meta page. NULL: it moved too fast. */
static MDB_txn *read_newest(struct store *s)
{
    for (int i = 0; i < SNAP_TRIES; i++) {
        MDB_txn *r = NULL;
        if (mdb_txn_begin(s->env, NULL, MDB_RDONLY, &r) != 0)
            return NULL;
        if (store_snap_read(&s->snap, fd_of(s), page_size_of(s), mdb_txn_id(r)))
            return r;
        mdb_txn_abort(r);
    }
    return NULL;
}

static bool has_news(const struct store *s)
{
    MDB_envinfo info = {.me_last_txnid = 0};
    (void)mdb_env_info(s->env, &info);
    return s->snap_reader == NULL || info.me_last_txnid != s->snap_id;
}

/* First its pages, then what leads to them; the state before it is given up last. */
static void take_snapshot(struct store *s)
{
    if (!s->owner || s->sync_commits) {
        (void)mdb_env_sync(s->env, 1);
        return;
    }
    pthread_mutex_lock(&s->snap_lock);
    if (!has_news(s)) {
        pthread_mutex_unlock(&s->snap_lock);
        return;
    }
    MDB_txn *r = read_newest(s);
    int err = mdb_env_sync(s->env, 1);
    if (r != NULL && err == 0 && (err = store_snap_write(&s->snap)) == 0) {
        s->snap_id = mdb_txn_id(r);
        s->snap_end = end_of(s);
        if (s->snap_reader != NULL)
            mdb_txn_abort(s->snap_reader);
        s->snap_reader = r;
    } else if (r != NULL) {
        mdb_txn_abort(r);
        log_ev(LOG_ERROR, "the store could not be synced", log_z("why", mdb_strerror(err)));
    }
    pthread_mutex_unlock(&s->snap_lock);
}

/* --- background sync ---------------------------------------------------------------------------------------------- */

static void *sync_thread(void *arg)
{
    struct store *s = arg;
    pthread_mutex_lock(&s->lock);
    while (!s->stopping) {
        struct timespec at;
        clock_gettime(CLOCK_MONOTONIC, &at); /* the other may be set back, and is waited for */
        at.tv_nsec += SYNC_EVERY_NS;
        at.tv_sec += at.tv_nsec / SECOND_NS;
        at.tv_nsec %= SECOND_NS;
        if (pthread_cond_clockwait(&s->stop_cond, &s->lock, CLOCK_MONOTONIC, &at) == 0)
            continue;
        pthread_mutex_unlock(&s->lock);
        take_snapshot(s);
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
    int rc = mdb_env_info(s->env, &info);
    if (rc != 0)
        return rc;
    uint64_t wanted = end_of(s) + reserve_bytes;
    return wanted > info.me_mapsize ? mdb_env_set_mapsize(s->env, wanted) : 0;
}

static int open_env(struct store *s, const struct store_args *a)
{
    int rc = mdb_env_create(&s->env);
    if (rc != 0)
        return rc;
    mdb_env_set_maxdbs(s->env, STORE_TABLES);
    uint64_t reserve_bytes = (uint64_t)a->reserve_mb << 20;
    s->limit_bytes = (uint64_t)a->max_mb << 20;
    s->grow_max = reserve_bytes / SNAP_RESERVE_PART;
    mdb_env_set_mapsize(s->env, s->limit_bytes + reserve_bytes);
    unsigned flags = MDB_NOSUBDIR | MDB_NOTLS | (a->sync_commits ? 0 : MDB_NOSYNC);
    rc = mdb_env_open(s->env, s->path, flags, 0600);
    return rc == 0 ? add_reserve(s, reserve_bytes) : rc;
}

static int open_tables(struct store *s, bool make, char newer[STORE_MARK_WHY_SIZE])
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(s->env, NULL, 0, &txn);
    if (rc != 0)
        return rc;
    rc = store_check_open(txn, s->path, make, s->dbi, newer);
    if (rc == 0)
        return mdb_txn_commit(txn);
    mdb_txn_abort(txn);
    return rc;
}

/* A file that is cut off would end us at the first page that is not there. */
static int check_size(const struct store *s)
{
    struct stat st;
    if (fstat(fd_of(s), &st) != 0)
        return errno;
    return (uint64_t)st.st_size < end_of(s) ? MDB_CORRUPTED : 0;
}

static bool is_there(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && st.st_size > 0;
}

/* Nobody else may have it from here on; what a power loss left is put in order. */
static int own(struct store *s, const char *boot, int64_t wait_ms)
{
    const char *path = s->path;
    uint64_t back_to = 0;
    int rc = store_snap_open(&s->snap, path, boot, wait_ms);
    if (rc != 0)
        return rc;
    s->owner = true;
    rc = store_snap_restore(&s->snap, path, &back_to);
    if (back_to != 0)
        log_ev(LOG_WARN, "the machine went down: the store is as it was when it was synced last", log_z("path", path),
               log_n("state", (int64_t)back_to));
    /* Who is killed while he looks was slow, and died of no page: the next one does not look again. */
    bool died = store_snap_opening(&s->snap, false);
    if (rc == 0 && died && is_there(path))
        rc = store_check(path);
    (void)store_snap_opening(&s->snap, true);
    return rc;
}

static const char *remedy_of(int rc)
{
    switch (rc) {
    case MDB_INVALID:
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_VERSION_MISMATCH:
        return "the file is damaged or no store of ours: put a copy in its place, or move it away (with its .snap) and "
               "start anew; "
               "then calls in progress, bindings and events in it are lost, and the ports of its calls are given back";
    case EWOULDBLOCK:
        return "another call-actor uses it: stop that one";
    default:
        return "make SIP_SIGNALING_SERVICE_STATE_DIR a directory this user may write, with free space";
    }
}

/* newer: what is to be said of a store that a newer version has written */
static void say_refused(const struct store *s, const char *what, int rc, const char *newer)
{
    if (rc == STORE_CHECK_ENEWER)
        log_ev(LOG_ERROR, what, log_z("why", newer));
    else
        log_ev(LOG_ERROR, what, log_z("path", s->path), log_z("why", mdb_strerror(rc)), log_z("remedy", remedy_of(rc)));
}

static struct store *store_new(const char *dir, uint32_t shard, bool sync_commits)
{
    struct store *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return NULL;
    snprintf(s->path, sizeof(s->path), "%s/shard%u.mdb", dir, shard);
    s->sync_commits = sync_commits;
    s->snap.fd = -1;
    pthread_mutex_init(&s->snap_lock, NULL);
    return s;
}

static void store_free(struct store *s)
{
    if (s->snap_reader != NULL)
        mdb_txn_abort(s->snap_reader);
    if (s->env != NULL)
        mdb_env_close(s->env);
    store_snap_close(&s->snap);
    free(s);
}

/* Those of dead processes would keep old pages for ever. */
static void forget_dead_readers(struct store *s)
{
    int dead = 0;
    (void)mdb_reader_check(s->env, &dead);
}

struct store *store_open(const struct store_args *a)
{
    struct store *s = store_new(a->dir, a->shard, a->sync_commits);
    if (s == NULL)
        return NULL;
    char newer[STORE_MARK_WHY_SIZE] = "";
    int rc = own(s, a->boot, STORE_LOCK_WAIT_MS);
    if (rc == 0)
        rc = open_env(s, a);
    if (rc == 0)
        rc = check_size(s);
    if (rc == 0)
        rc = open_tables(s, true, newer);
    if (rc == 0 && s->sync_commits)
        rc = store_snap_drop(&s->snap);
    if (rc == 0) {
        forget_dead_readers(s);
        take_snapshot(s);
        if (start_syncer(s) == 0)
            return s;
        rc = EAGAIN;
    }
    say_refused(s, "cannot open the store", rc, newer);
    store_free(s);
    return NULL;
}

void store_opened(struct store *s)
{
    if (s->owner)
        (void)store_snap_opening(&s->snap, false);
}

/* The size of its map is what its own process has set. */
static int open_as_it_is(struct store *s, char newer[STORE_MARK_WHY_SIZE])
{
    int rc = mdb_env_create(&s->env);
    if (rc != 0)
        return rc;
    mdb_env_set_maxdbs(s->env, STORE_TABLES);
    rc = mdb_env_open(s->env, s->path, MDB_NOSUBDIR | MDB_NOTLS | MDB_NOSYNC, 0600);
    return rc == 0 ? open_tables(s, s->owner, newer) : rc; /* its own process makes what is missing */
}

bool store_open_other(const char *dir, uint32_t shard, struct store **out)
{
    *out = NULL;
    struct store *s = store_new(dir, shard, false);
    if (s == NULL)
        return false;
    if (!is_there(s->path)) {
        store_free(s);
        return true;
    }
    char newer[STORE_MARK_WHY_SIZE] = "";
    int rc = own(s, NULL, 0);
    if (rc == 0 || rc == EWOULDBLOCK) /* its own process has it, and takes its snapshots */
        rc = open_as_it_is(s, newer);
    if (rc == 0) {
        take_snapshot(s);
        store_opened(s);
        *out = s;
        return true;
    }
    if (rc != MDB_NOTFOUND) /* its process is making it just now */
        say_refused(s, "the store of another shard cannot be read", rc, newer);
    store_free(s);
    return rc == MDB_NOTFOUND;
}

const char *store_path(const struct store *s)
{
    return s->path;
}

void store_sync(struct store *s)
{
    take_snapshot(s);
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
    take_snapshot(s);
    store_opened(s);
    store_free(s);
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
    if (s->owner && !s->sync_commits && end_of(s) > s->snap_end + s->grow_max)
        take_snapshot(s); /* pages that were given up since the last one can be used again behind it */
}

bool store_is_changed(const struct store *s)
{
    return s->txn != NULL;
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
    MDB_stat st = {0};
    uint64_t pages = 0;
    for (int t = 0; t < STORE_TABLES; t++) {
        must(mdb_stat(reader(s), s->dbi[t], &st), "stat");
        pages += st.ms_branch_pages + st.ms_leaf_pages + st.ms_overflow_pages;
    }
    end_read(s); /* an idle reader would keep old pages from being used again */
    return (struct store_use){
        .rows_bytes = pages * st.ms_psize, .file_bytes = end_of(s), .limit_bytes = s->limit_bytes};
}

bool store_is_full(struct store *s)
{
    uint64_t free_again = s->full ? s->limit_bytes / STORE_FREE_AGAIN : 0;
    s->full = store_use(s).rows_bytes + free_again >= s->limit_bytes;
    return s->full;
}

bool store_keep_room(struct store *s, uint64_t bytes)
{
    uint64_t used = end_of(s);
    if (used + bytes <= s->room_end)
        return true;
    const uint64_t ends[] = {used + bytes + bytes / 2,
                             used + bytes}; /* more, so that it is not asked for at every look */
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        if (fallocate(fd_of(s), FALLOC_FL_KEEP_SIZE, 0, (off_t)ends[i]) == 0) {
            s->room_end = ends[i];
            return true;
        }
    }
    struct statvfs v;
    bool cannot = errno == EOPNOTSUPP || errno == ENOSYS; /* then the free space is all there is to look at */
    return cannot && fstatvfs(fd_of(s), &v) == 0 && (uint64_t)v.f_bavail * v.f_frsize > bytes;
}
