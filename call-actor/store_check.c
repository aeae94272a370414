#include "call-actor/store_check.h"
#include "common/rt/work.h"
#include <lmdb.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void look_at(const MDB_val *v)
{
    const volatile unsigned char *p = v->mv_data;
    for (size_t i = 0; i < v->mv_size; i++)
        (void)p[i];
    work_sign(); /* a large store takes long; the journal is shared with this process, too */
}

/* Counts it when it is there. */
static int walk_table(MDB_txn *txn, const char *name, int *there)
{
    MDB_dbi dbi;
    MDB_cursor *c;
    MDB_val k;
    MDB_val v;
    int rc = mdb_dbi_open(txn, name, MDB_INTEGERKEY, &dbi);
    if (rc == MDB_NOTFOUND)
        return 0;
    *there += rc == 0;
    if (rc == 0)
        rc = mdb_cursor_open(txn, dbi, &c);
    while (rc == 0 && (rc = mdb_cursor_get(c, &k, &v, MDB_NEXT)) == 0)
        look_at(&v);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static int walk(const char *path, const char *const *tables, int cnt)
{
    MDB_env *env;
    MDB_txn *txn;
    int there = 0;
    int rc = mdb_env_create(&env);
    if (rc == 0)
        rc = mdb_env_set_maxdbs(env, (MDB_dbi)cnt);
    if (rc == 0)
        rc = mdb_env_open(env, path, MDB_NOSUBDIR | MDB_NOTLS | MDB_RDONLY | MDB_NOLOCK, 0600);
    if (rc == 0)
        rc = mdb_txn_begin(env, NULL, MDB_RDONLY, &txn);
    for (int i = 0; rc == 0 && i < cnt; i++)
        rc = walk_table(txn, tables[i], &there);
    if (rc == 0 && there == 0 && mdb_txn_id(txn) > 0) /* the first commit of all made them */
        rc = MDB_CORRUPTED;
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

int store_check(const char *path, const char *const *tables, int cnt)
{
    int status = 0;
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        die_with(parent);
        die_of_anything();
        _exit(walk(path, tables, cnt) == 0 ? 0 : 1);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return 0; /* then it is seen when it is used */
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : MDB_CORRUPTED;
}
