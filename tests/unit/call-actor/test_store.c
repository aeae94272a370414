/*
 * The store and what machines do to it: power losses (what was not synced is lost in part and in no order), kills at
 * any write, damaged and foreign files, two processes.
 *
 * A power loss is the picture of the disk (disk_kit.h) with some of the writes since the last sync, in a directory of
 * its own.
 */
#include "tests/unit/call-actor/disk_kit.h"

#include "call-actor/store.h"
#include "common/base/clock.h"
#include "common/base/err.h"
#include "common/base/map.h"
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- what was committed --- */

#define KEYS 64u
#define COMMITS_MAX 4000u
#define CRASHES 12u

/* The rows after a commit: which commit wrote each; 0: not there. */
static uint32_t history[COMMITS_MAX + 1][KEYS];
static uint32_t begun, done; /* commits */

static struct crash {
    char dir[64];
    uint32_t begun, done;
} crash[CRASHES];
static size_t crash_cnt;

static char root[64];

static void write_file(const char *dir, int file, const char *bytes, size_t n)
{
    char path[160];
    (void)snprintf(path, sizeof path, "%s/%s", dir, file_names[file]);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    for (size_t at = 0; at < n;) {
        ssize_t rv = syscall(SYS_pwrite64, fd, bytes + at, n - at, (off_t)at);
        assert_true(rv > 0);
        at += (size_t)rv;
    }
    (void)close(fd);
}

/* The power goes now. Of what was not synced, each page is there in its newest form, in an older one, or not. */
static void lose_power(void)
{
    struct crash *c = &crash[crash_cnt];
    static char image[FILE_MAX];
    (void)snprintf(c->dir, sizeof c->dir, "%.40s/crash%zu", root, crash_cnt);
    assert_int_equal(mkdir(c->dir, 0700), 0);
    c->begun = begun;
    c->done = done;
    for (int file = 0; file < FILES; file++) {
        size_t len = disk.synced_len[file];
        memcpy(image, disk.synced[file], FILE_MAX);
        unsigned chance = (unsigned)rand() % 5; /* of 4: nothing was written, all was, or something between */
        for (size_t i = 0; i < disk.pending_cnt; i++) {
            const struct pending *p = &disk.pending[i];
            if (p->file != file || (unsigned)rand() % 4 >= chance)
                continue;
            memcpy(image + (size_t)p->page * PAGE, p->bytes, PAGE);
            if (((size_t)p->page + 1) * PAGE > len)
                len = ((size_t)p->page + 1) * PAGE;
        }
        write_file(c->dir, file, image, len);
    }
    crash_cnt++;
}

/* --- rows --- */

static size_t value_of(uint32_t key, uint32_t commit, char out[6000])
{
    size_t n = 8 + (key * 7919u + commit * 104729u) % 5900u; /* small rows and such that have pages of their own */
    memcpy(out, &key, 4);
    memcpy(out + 4, &commit, 4);
    for (size_t i = 8; i < n; i++)
        out[i] = (char)(key + commit + i);
    return n;
}

struct found {
    uint32_t row[KEYS];
};

static void take_row(void *user, uint64_t key, struct span v)
{
    struct found *f = user;
    char want[6000];
    uint32_t commit;
    assert_true(key < KEYS && v.len >= 8);
    memcpy(&commit, v.p + 4, 4);
    assert_int_equal(v.len, value_of((uint32_t)key, commit, want));
    assert_memory_equal(v.p, want, v.len);
    f->row[key] = commit;
}

static struct store *open_at(const char *dir, bool sync_commits, const char *boot)
{
    return store_open(
        &(struct store_args){.dir = dir, .max_mb = 16, .reserve_mb = 16, .sync_commits = sync_commits, .boot = boot});
}

/* The commit whose state the store is in. */
static uint32_t state_of(struct store *s)
{
    struct found f = {{0}};
    store_each(s, STORE_CALLS, take_row, &f);
    for (uint32_t c = begun; c + 1 > 0; c--)
        if (memcmp(f.row, history[c], sizeof f.row) == 0)
            return c;
    fail_msg("what is in the store was never committed");
    return 0;
}

static void one_commit(struct store *s)
{
    char bytes[6000];
    begun++;
    assert_true(begun <= COMMITS_MAX);
    memcpy(history[begun], history[begun - 1], sizeof history[0]);
    for (unsigned i = 1 + (unsigned)rand() % 8; i > 0; i--) {
        uint32_t key = (uint32_t)rand() % KEYS;
        if (rand() % 4 == 0) {
            store_del(s, STORE_CALLS, key);
            history[begun][key] = 0;
        } else {
            store_put(s, STORE_CALLS, key, span_of(bytes, value_of(key, begun, bytes)));
            history[begun][key] = begun;
        }
    }
    store_commit(s);
    done = begun;
}

static int open_root(void **state)
{
    (void)state;
    (void)snprintf(root, sizeof root, "/tmp/test_store.XXXXXX");
    begun = done = 0;
    crash_cnt = 0;
    memset(history, 0, sizeof history);
    return mkdtemp(root) != NULL ? 0 : -1;
}

static int close_root(void **state)
{
    (void)state;
    char cmd[128];
    (void)snprintf(cmd, sizeof cmd, "rm -r %s", root);
    return system(cmd);
}

/* --- power losses --- */

/* STORE_SEED, or another one each time. */
static unsigned a_seed(void)
{
    const char *text = getenv("STORE_SEED");
    unsigned seed = text != NULL ? (unsigned)strtoul(text, NULL, 10) : (unsigned)time(NULL);
    print_message("STORE_SEED=%u\n", seed);
    return seed;
}

static void run_and_lose_power(bool sync_commits)
{
    srand(a_seed());
    disk_open(root);
    struct store *s = open_at(root, sync_commits, "boot-1");
    assert_non_null(s);
    store_opened(s);
    disk.at = lose_power;
    while (crash_cnt < CRASHES) {
        disk.countdown = 1 + (unsigned)rand() % 400; /* in the middle of a commit as well as between two */
        size_t before = crash_cnt;
        while (crash_cnt == before)
            one_commit(s);
        if (rand() % 2 == 0)
            store_sync(s); /* as the thread does */
    }
    store_close(s);
    disk_close();
}

static void a_power_loss_takes_nothing_from_the_durable_store(void **state)
{
    (void)state;
    run_and_lose_power(true);
    for (size_t i = 0; i < crash_cnt; i++) {
        struct store *s = open_at(crash[i].dir, true, "boot-2");
        assert_non_null(s);
        uint32_t c = state_of(s);
        assert_true(c >= crash[i].done && c <= crash[i].begun);
        store_close(s);
    }
}

/* How far each went back: nothing was said of it that is not told by a repetition, but a person may want to know. */
static void a_power_loss_takes_the_other_back_to_a_state_that_was_committed(void **state)
{
    (void)state;
    run_and_lose_power(false);
    for (size_t i = 0; i < crash_cnt; i++) {
        struct store *s = open_at(crash[i].dir, false, "boot-2");
        assert_non_null(s);
        assert_true(state_of(s) <= crash[i].begun);
        one_commit(s); /* and it goes on from there */
        store_close(s);
        begun = done = crash[crash_cnt - 1].begun;
        s = open_at(crash[i].dir, false, "boot-3");
        assert_non_null(s);
        store_close(s);
    }
}

/* What was synced before the loss is there after it. */
static void what_was_synced_is_not_taken_back(void **state)
{
    (void)state;
    srand(7);
    disk_open(root);
    struct store *s = open_at(root, false, "boot-1");
    for (int i = 0; i < 100; i++)
        one_commit(s);
    store_sync(s);
    uint32_t synced = done;
    for (int i = 0; i < 100; i++)
        one_commit(s);
    pthread_mutex_lock(&disk_lock);
    lose_power();
    pthread_mutex_unlock(&disk_lock);
    store_close(s);
    disk_close();
    s = open_at(crash[0].dir, false, "boot-2");
    assert_non_null(s);
    assert_true(state_of(s) >= synced);
    store_close(s);
}

/* --- kills --- */

/* The same boot: whatever the process was doing, every commit that came back is there. */
static void a_kill_takes_nothing(void **state)
{
    (void)state;
    int fds[2];
    for (int round = 0; round < 20; round++) {
        assert_int_equal(pipe(fds), 0);
        unsigned seed = (unsigned)rand();
        pid_t pid = fork();
        if (pid == 0) {
            struct store *s = open_at(root, round % 2 == 0, "boot-1");
            srand(seed);
            for (uint32_t i = done + 1;; i++) {
                char bytes[6000];
                store_put(s, STORE_CALLS, 0, span_of(bytes, value_of(0, i, bytes)));
                store_put(s, STORE_CALLS, 1 + i % 8, span_of(bytes, value_of(1 + i % 8, i, bytes)));
                store_commit(s);
                if (syscall(SYS_write, fds[1], &i, sizeof i) != (long)sizeof i)
                    _exit(1);
            }
        }
        (void)close(fds[1]);
        uint32_t said = done;
        uint32_t until = done + 5 + (uint32_t)rand() % 60;
        while (said < until)
            assert_int_equal(read(fds[0], &said, sizeof said), sizeof said);
        (void)kill(pid, SIGKILL);
        while (read(fds[0], &said, sizeof said) == (ssize_t)sizeof said)
            ;
        (void)close(fds[0]);
        (void)waitpid(pid, NULL, 0);
        struct store *s = open_at(root, round % 2 == 0, "boot-1");
        assert_non_null(s);
        struct found f = {{0}};
        store_each(s, STORE_CALLS, take_row, &f);
        assert_true(f.row[0] == said || f.row[0] == said + 1);
        assert_int_equal(f.row[1 + f.row[0] % 8], f.row[0]); /* both rows of a commit, or none */
        done = f.row[0];
        store_close(s);
    }
}

/* --- files that are none of ours --- */

static void fill(void)
{
    struct store *s = open_at(root, false, "boot-1");
    for (int i = 0; i < 100; i++)
        one_commit(s);
    store_close(s);
}

static const char *file_path(void)
{
    static char path[128];
    (void)snprintf(path, sizeof path, "%.60s/shard0.mdb", root);
    return path;
}

static void damage(off_t at, size_t n, const char *pattern)
{
    int fd = open(file_path(), O_WRONLY);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(syscall(SYS_pwrite64, fd, pattern + i % strlen(pattern), 1, at + (off_t)i), 1);
    (void)close(fd);
}

static void cut(off_t len)
{
    assert_int_equal(truncate(file_path(), len), 0);
}

static void a_file_that_is_no_store_is_refused(void **state)
{
    (void)state;
    fill();
    damage(0, 2 * PAGE, "this is no store at all ");
    assert_null(open_at(root, false, "boot-1"));
    struct store *s = open_at(root, false, "boot-2"); /* the snapshot leads to the pages again */
    assert_non_null(s);
    assert_int_equal(state_of(s), done);
    store_close(s);
    cut(0);
    damage(0, 2 * PAGE, "this is no store at all ");
    assert_null(open_at(root, true, "boot-2"));
}

static void a_file_that_was_cut_off_is_refused(void **state)
{
    (void)state;
    fill();
    cut(5 * PAGE);
    assert_null(open_at(root, false, "boot-1"));
    cut(5);
    assert_null(open_at(root, false, "boot-2"));
}

/* The first start dies of it, or worse; the second one looks first. */
static void damaged_pages_are_found_by_the_start_after_the_one_that_died(void **state)
{
    (void)state;
    fill();
    struct stat st;
    assert_int_equal(stat(file_path(), &st), 0);
    pid_t pid = fork();
    if (pid == 0) { /* dies while it is being opened */
        (void)open_at(root, false, "boot-1");
        _exit(1);
    }
    (void)waitpid(pid, NULL, 0);
    struct store *s = open_at(root, false, "boot-1"); /* it was sound, and is used */
    assert_non_null(s);
    store_close(s);
    pid = fork();
    if (pid == 0) {
        (void)open_at(root, false, "boot-1");
        _exit(1);
    }
    (void)waitpid(pid, NULL, 0);
    damage(2 * PAGE, (size_t)st.st_size - 2 * PAGE, "\xff\xfe\x01");
    assert_null(open_at(root, false, "boot-1"));
}

/* --- looking takes long, and whoever looks is killed --- */

static int looks[2]; /* a pipe: somebody looks at pages, and gets no further */
static bool is_slow;

int __real_mdb_cursor_get(MDB_cursor *c, MDB_val *k, MDB_val *v, MDB_cursor_op op);
int __wrap_mdb_cursor_get(MDB_cursor *c, MDB_val *k, MDB_val *v, MDB_cursor_op op);
int __wrap_mdb_cursor_get(MDB_cursor *c, MDB_val *k, MDB_val *v, MDB_cursor_op op)
{
    while (is_slow && syscall(SYS_write, looks[1], "x", 1) == 1)
        (void)pause();
    return __real_mdb_cursor_get(c, k, v, op);
}

static void die_opening(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        (void)open_at(root, false, "boot-1");
        _exit(1);
    }
    (void)waitpid(pid, NULL, 0);
}

static void who_is_killed_while_he_looks_leaves_nobody_behind(void **state)
{
    (void)state;
    char byte;
    fill();
    die_opening();
    assert_int_equal(pipe(looks), 0);
    pid_t pid = fork();
    if (pid == 0) {
        (void)setpgid(0, 0);
        is_slow = true;
        (void)open_at(root, false, "boot-1");
        _exit(1);
    }
    (void)close(looks[1]);
    assert_int_equal(read(looks[0], &byte, 1), 1);
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    struct store *s = open_at(root, false, "boot-1"); /* nobody has its lock */
    (void)kill(-pid, SIGKILL);
    assert_non_null(s);
    assert_int_equal(state_of(s), done);
    store_close(s);
    (void)close(looks[0]);
}

/* --- clocks --- */

static time_t ahead_s; /* the wall clock, of where it will be set back to */

int __real_clock_gettime(clockid_t id, struct timespec *t);
int __wrap_clock_gettime(clockid_t id, struct timespec *t);
int __wrap_clock_gettime(clockid_t id, struct timespec *t)
{
    int rv = __real_clock_gettime(id, t);
    if (id == CLOCK_REALTIME)
        t->tv_sec += ahead_s;
    return rv;
}

static uint64_t snapshot(void)
{
    static const uint64_t key[2] = {1, 2};
    static char bytes[256 << 10];
    char path[160];
    (void)snprintf(path, sizeof path, "%.60s/shard0.mdb.snap", root);
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    ssize_t n = read(fd, bytes, sizeof bytes);
    (void)close(fd);
    assert_true(n > 0);
    return map_siphash(key, span_of(bytes, (size_t)n));
}

/* By an hour, after the thread that syncs has looked at it. */
static void a_clock_that_is_set_back_stops_no_sync(void **state)
{
    (void)state;
    ahead_s = 3600;
    struct store *s = open_at(root, false, "boot-1");
    assert_non_null(s);
    uint64_t before = snapshot();
    one_commit(s);
    int64_t until_ms = clock_mono_ms() + 10000;
    while (snapshot() == before && clock_mono_ms() < until_ms)
        (void)usleep(20000);
    assert_true(snapshot() != before);
    store_close(s);
    ahead_s = 0;
}

static void two_cannot_have_it(void **state)
{
    (void)state;
    struct store *s = open_at(root, false, "boot-1");
    assert_non_null(s);
    assert_null(open_at(root, false, "boot-1")); /* after it has waited */
    store_close(s);
    s = open_at(root, false, "boot-1");
    assert_non_null(s);
    store_close(s);
}

/* From one way of syncing to the other, over a power loss. */
static void the_setting_may_change(void **state)
{
    (void)state;
    fill();
    struct store *s = open_at(root, true, "boot-2");
    assert_int_equal(state_of(s), done);
    one_commit(s);
    store_close(s);
    s = open_at(root, false, "boot-3"); /* no snapshot of before takes that back */
    assert_int_equal(state_of(s), done);
    store_close(s);
}

static void room_is_kept(void **state)
{
    (void)state;
    struct store *s = open_at(root, false, "boot-1");
    struct stat st;
    assert_true(store_keep_room(s, 1 << 20));
    assert_int_equal(stat(file_path(), &st), 0);
    assert_true((uint64_t)st.st_blocks * 512 >= 1 << 20);
    assert_true(st.st_size < 1 << 20);
    assert_false(store_keep_room(s, UINT64_C(1) << 55));
    assert_true(store_keep_room(s, 1 << 20));
    store_close(s);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, open_root, close_root)
    const struct CMUnitTest tests[] = {
        CASE(a_power_loss_takes_nothing_from_the_durable_store),
        CASE(a_power_loss_takes_the_other_back_to_a_state_that_was_committed),
        CASE(what_was_synced_is_not_taken_back),
        CASE(a_kill_takes_nothing),
        CASE(a_file_that_is_no_store_is_refused),
        CASE(a_file_that_was_cut_off_is_refused),
        CASE(damaged_pages_are_found_by_the_start_after_the_one_that_died),
        CASE(who_is_killed_while_he_looks_leaves_nobody_behind),
        CASE(a_clock_that_is_set_back_stops_no_sync),
        CASE(two_cannot_have_it),
        CASE(the_setting_may_change),
        CASE(room_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
