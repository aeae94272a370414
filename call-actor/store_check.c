#include "call-actor/store_check.h"
#include "common/base/log.h"
#include "common/rt/work.h"
#include <lmdb.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define FIRST_TXN 1u /* that writes: nothing was committed before it */

static const char *const table_names[STORE_TABLES] = {"calls", "outbox", "meta", "aors"};

/* --- its pages ---------------------------------------------------------------------------------------------------- */

static void look_at(const MDB_val *v)
{
    const volatile unsigned char *p = v->mv_data;
    for (size_t i = 0; i < v->mv_size; i++)
        (void)p[i];
    work_sign(); /* a large store takes long; the journal is shared with this process, too */
}

static int walk_table(MDB_txn *txn, const char *name)
{
    MDB_dbi dbi;
    MDB_cursor *c;
    MDB_val k;
    MDB_val v;
    int rc = mdb_dbi_open(txn, name, MDB_INTEGERKEY, &dbi);
    if (rc == MDB_NOTFOUND)
        return 0;
    if (rc == 0)
        rc = mdb_cursor_open(txn, dbi, &c);
    while (rc == 0 && (rc = mdb_cursor_get(c, &k, &v, MDB_NEXT)) == 0)
        look_at(&v);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static int walk(const char *path)
{
    MDB_env *env;
    MDB_txn *txn;
    int rc = mdb_env_create(&env);
    if (rc == 0)
        rc = mdb_env_set_maxdbs(env, STORE_TABLES);
    if (rc == 0)
        rc = mdb_env_open(env, path, MDB_NOSUBDIR | MDB_NOTLS | MDB_RDONLY | MDB_NOLOCK, 0600);
    if (rc == 0)
        rc = mdb_txn_begin(env, NULL, MDB_RDONLY, &txn);
    for (int i = 0; rc == 0 && i < STORE_TABLES; i++)
        rc = walk_table(txn, table_names[i]);
    return rc;
}

/* Whoever handles these is another process. */
static void die_of_anything(void)
{
    static const int deaths[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};
    for (size_t i = 0; i < sizeof deaths / sizeof deaths[0]; i++)
        (void)signal(deaths[i], SIG_DFL);
}

/* It has the store's lock, too: left behind it would keep the next process out. */
static void die_with(pid_t parent)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
}

int store_check(const char *path)
{
    int status = 0;
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        die_with(parent);
        die_of_anything();
        _exit(walk(path) == 0 ? 0 : 1);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return 0; /* then it is seen when it is used */
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : MDB_CORRUPTED;
}

/* --- its tables --------------------------------------------------------------------------------------------------- */

static int open_table(struct MDB_txn *txn, enum store_table t, unsigned flags, unsigned dbi[STORE_TABLES])
{
    return mdb_dbi_open(txn, table_names[t], flags | MDB_INTEGERKEY, &dbi[t]);
}

static int make_all(struct MDB_txn *txn, unsigned dbi[STORE_TABLES])
{
    int rc = 0;
    for (enum store_table t = 0; rc == 0 && t < STORE_TABLES; t++)
        rc = open_table(txn, t, MDB_CREATE, dbi);
    return rc;
}

/* All of them were made in one commit, or by the start of the version that brought one. */
static int say_lost(const char *path, enum store_table t)
{
    log_ev(LOG_ERROR, "a table of the store is lost", log_z("path", path), log_z("table", table_names[t]));
    return MDB_CORRUPTED;
}

/* Of length 0 when its first writer died before he left one. */
static int read_mark(struct MDB_txn *txn, MDB_dbi meta, struct span *mark)
{
    uint64_t key = STORE_META_WRITER;
    MDB_val k = {.mv_size = sizeof(key), .mv_data = &key};
    MDB_val v = {0};
    int rc = mdb_get(txn, meta, &k, &v);
    *mark = span_of(v.mv_data, v.mv_size);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

/* Who knew no bindings did not say either for how many shards they are in order. */
static bool may_lack(enum store_table t, struct span mark)
{
    return t == STORE_AORS && store_mark_shards_of(mark) == 0;
}

static int open_those_there(struct MDB_txn *txn, const char *path, struct span mark, bool make,
                            unsigned dbi[STORE_TABLES])
{
    bool lacks[STORE_TABLES] = {false};
    for (enum store_table t = 0; t < STORE_TABLES; t++) {
        int rc = open_table(txn, t, 0, dbi);
        lacks[t] = rc == MDB_NOTFOUND;
        if (lacks[t] && !may_lack(t, mark))
            return say_lost(path, t);
        if (rc != 0 && (!lacks[t] || !make))
            return rc;
    }
    int rc = 0;
    for (enum store_table t = 0; rc == 0 && t < STORE_TABLES; t++)
        if (lacks[t])
            rc = open_table(txn, t, MDB_CREATE, dbi);
    return rc;
}

int store_check_open(struct MDB_txn *txn, const char *path, bool make, unsigned dbi[STORE_TABLES],
                     char why[STORE_MARK_WHY_SIZE])
{
    struct span mark;
    if (mdb_txn_id(txn) == FIRST_TXN)
        return make ? make_all(txn, dbi) : MDB_NOTFOUND;
    int rc = open_table(txn, STORE_META, 0, dbi);
    if (rc == MDB_NOTFOUND)
        return say_lost(path, STORE_META);
    if (rc == 0)
        rc = read_mark(txn, dbi[STORE_META], &mark);
    if (rc != 0)
        return rc;
    if (!store_mark_fits(mark, path, why))
        return STORE_CHECK_ENEWER;
    return open_those_there(txn, path, mark, make, dbi);
}
