/*
 * priv: directories are made for the service alone; what was there before is never changed.
 */
#include "tests/unit/testkit.h"

#include "common/rt/priv.h"
#include "common/rt/procstat.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEXT_MAX 4096

static char dir[] = "/tmp/priv.XXXXXX";

static int make_dirs(void **state)
{
    (void)state;
    return mkdtemp(dir) != NULL ? 0 : -1;
}

static int remove_dirs(void **state)
{
    char cmd[64];
    (void)state;
    (void)snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
    return system(cmd);
}

static unsigned mode_of(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return (unsigned)st.st_mode & 07777;
}

static int make(const char *name, struct buf *err)
{
    char path[256];
    struct priv_user me;
    buf_reset(err);
    assert_int_equal(priv_find(&me, "", err), 0);
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    return priv_make_dir(path, &me, err);
}

static void test_new_directories_are_private(void **state)
{
    (void)state;
    char path[256];
    struct buf err;
    buf_init(&err, TEXT_MAX);
    (void)umask(0);
    assert_int_equal(make("a/b/c", &err), 0);
    (void)snprintf(path, sizeof path, "%s/a/b/c", dir);
    assert_int_equal(mode_of(path), 0700);
    assert_int_equal(make("a/b/c", &err), 0); /* and again */
    assert_int_equal(priv_check_writable(path, &err), 0);
    buf_fini(&err);
}

static void test_what_is_there_is_never_changed(void **state)
{
    (void)state;
    static const struct {
        unsigned mode;
        int rc;
    } cases[] = {{0700, 0}, {0755, 0}, {0775, -1}, {0757, -1}, {01777, -1}};
    char path[256];
    struct buf err;
    buf_init(&err, TEXT_MAX);
    (void)snprintf(path, sizeof path, "%s/there", dir);
    assert_int_equal(mkdir(path, 0700), 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(chmod(path, cases[i].mode), 0);
        assert_int_equal(make("there", &err), cases[i].rc);
        assert_int_equal(mode_of(path), cases[i].mode);
    }
    if (geteuid() == 0) {
        assert_int_equal(chmod(path, 0700), 0);
        assert_int_equal(chown(path, 12345, 12345), 0);
        assert_int_equal(make("there", &err), -1);
        assert_non_null(strstr(buf_cstr(&err), "belongs to user 12345"));
    }
    buf_fini(&err);
}

static void test_what_is_no_directory(void **state)
{
    (void)state;
    char path[256];
    struct buf err;
    buf_init(&err, TEXT_MAX);
    (void)snprintf(path, sizeof path, "%s/file", dir);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    (void)fclose(f);
    assert_int_equal(make("file", &err), -1);
    assert_int_equal(make("file/under", &err), -1);
    buf_reset(&err);
    assert_int_equal(priv_check_writable("/nonexistent", &err), -1);
    assert_non_null(strstr(buf_cstr(&err), "/nonexistent cannot be written"));
    buf_fini(&err);
}

static void test_accounts(void **state)
{
    (void)state;
    struct priv_user u;
    struct buf err;
    buf_init(&err, TEXT_MAX);
    assert_int_equal(priv_find(&u, "", &err), 0);
    assert_false(u.set);
    assert_int_equal(priv_find(&u, "no-such-account", &err), -1);
    assert_non_null(strstr(buf_cstr(&err), "there is no account"));
    if (geteuid() == 0) {
        assert_int_equal(priv_find(&u, "nobody", &err), 0);
        assert_true(u.set && u.uid != 0);
    }
    buf_fini(&err);
}

/* In a child: it cannot be undone. */
static void become_nobody(void)
{
    struct priv_user u;
    struct buf err;
    buf_init(&err, TEXT_MAX);
    bool ok = priv_find(&u, "nobody", &err) == 0 && priv_drop(&u, &err) == 0 && getuid() == u.uid &&
              geteuid() == u.uid && getegid() == u.gid && setuid(0) != 0;
    _exit(ok ? 0 : 1);
}

static void test_drop_is_for_good(void **state)
{
    (void)state;
    char err[256];
    if (geteuid() != 0)
        skip();
    assert_int_equal(testkit_child(become_nobody, err, sizeof err), 0);
}

/* Each in a process of its own, which then says by its exit code what the kernel would do. */
static void drop_and_look(void)
{
    struct priv_user u;
    struct buf err;
    buf_init(&err, TEXT_MAX);
    bool ok = prctl(PR_GET_DUMPABLE) == 1 && priv_find(&u, geteuid() == 0 ? "nobody" : "", &err) == 0 &&
              priv_drop(&u, &err) == 0 && prctl(PR_GET_DUMPABLE) == 0;
    priv_allow_cores(true);
    ok = ok && prctl(PR_GET_DUMPABLE) == 1;
    priv_allow_cores(false);
    ok = ok && prctl(PR_GET_DUMPABLE) == 0;
    struct procstat self; /* what a process without a core still knows of itself */
    ok = ok && procstat_read((int)getpid(), &self) == 0 && self.rss_kb > 0 && procstat_open_fds() > 2;
    _exit(ok ? 0 : 1);
}

static void test_no_cores_unless_allowed(void **state)
{
    (void)state;
    char err[256];
    assert_int_equal(testkit_child(drop_and_look, err, sizeof err), 0);
}

static void test_more_descriptors(void **state)
{
    (void)state;
    struct rlimit before;
    struct rlimit after;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    unsigned long now = priv_raise_nofile();
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &after), 0);
    assert_int_equal(now, after.rlim_cur);
    assert_true(after.rlim_cur >= before.rlim_cur);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new_directories_are_private),
        cmocka_unit_test(test_what_is_there_is_never_changed),
        cmocka_unit_test(test_what_is_no_directory),
        cmocka_unit_test(test_accounts),
        cmocka_unit_test(test_drop_is_for_good),
        cmocka_unit_test(test_no_cores_unless_allowed),
        cmocka_unit_test(test_more_descriptors),
    };
    return cmocka_run_group_tests(tests, make_dirs, remove_dirs);
}
