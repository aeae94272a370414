/* A store that another version of the program has written, an older or a newer one. */
#include "tests/unit/testkit.h"

#include "call-actor/store_mark.h"
#include "common/base/map.h"
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROWS 100u

static char root[64];
static char path[96];

static struct store *open_it(void)
{
    return store_open(&(struct store_args){.dir = root, .max_mb = 16, .reserve_mb = 16});
}

/* shards: what its writer's mark says; it has no mark when it is negative */
static void fill_as(int shards)
{
    struct store *s = open_it();
    assert_non_null(s);
    if (shards >= 0)
        store_mark_put(s, (uint32_t)shards);
    for (uint64_t key = 0; key < ROWS; key++)
        store_put(s, STORE_CALLS, key, span_of((const char *)&key, sizeof(key)));
    store_commit(s);
    store_close(s);
}

static void fill(void)
{
    fill_as(-1);
}

static void count(void *user, uint64_t key, struct span value)
{
    assert_int_equal(value.len, sizeof(key));
    assert_memory_equal(value.p, &key, sizeof(key));
    ++*(unsigned *)user;
}

static void assert_filled(struct store *s)
{
    unsigned rows = 0;
    assert_non_null(s);
    store_each(s, STORE_CALLS, count, &rows);
    assert_int_equal(rows, ROWS);
}

static void remove_files(void)
{
    static const char *const ends[] = {"", ".snap", "-lock"};
    char file[128];
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        (void)snprintf(file, sizeof(file), "%s%s", path, ends[i]);
        (void)unlink(file);
    }
}

/* The next start looks at every page. */
static void die_opening(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        (void)open_it();
        _exit(1);
    }
    (void)waitpid(pid, NULL, 0);
}

/* As an older version left it, which did not have all the tables of this one. */
static void drop_tables(const char *const *names, size_t cnt)
{
    MDB_env *env;
    MDB_txn *txn;
    assert_int_equal(mdb_env_create(&env), 0);
    assert_int_equal(mdb_env_set_maxdbs(env, STORE_TABLES), 0);
    assert_int_equal(mdb_env_open(env, path, MDB_NOSUBDIR, 0600), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
    for (size_t i = 0; i < cnt; i++) {
        MDB_dbi dbi;
        assert_int_equal(mdb_dbi_open(txn, names[i], 0, &dbi), 0);
        assert_int_equal(mdb_drop(txn, dbi, 1), 0);
    }
    assert_int_equal(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
}

static void a_store_of_an_older_version_gets_the_tables_it_lacks(void **state)
{
    static const char *const lacks[] = {"aors"};
    (void)state;
    fill_as(0); /* such a version knew of no shards */
    die_opening();
    drop_tables(lacks, 1);
    struct store *s = open_it(); /* every page is looked at first */
    assert_filled(s);
    store_put(s, STORE_AORS, 7, span_of("seven", 5));
    store_commit(s);
    assert_int_equal(store_get(s, STORE_AORS, 7).len, 5);
    store_close(s);
}

static void a_store_without_any_table_is_none(void **state)
{
    static const char *const all[] = {"aors", "calls", "meta", "outbox"};
    (void)state;
    fill();
    die_opening();
    drop_tables(all, 4);
    assert_null(open_it());
}

static void what_its_writer_had_is_lost_when_it_is_not_there(void **state)
{
    static const char *const names[] = {"calls", "outbox", "meta", "aors"};
    struct store *other = NULL;
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        fill_as(1);
        drop_tables(&names[i], 1);
        assert_null(open_it());
        assert_null(open_it()); /* nor has the first try made it */
        assert_false(store_open_other(root, 0, &other));
        assert_null(other);
        remove_files();
    }
    fill();
    drop_tables(&names[STORE_OUTBOX], 1);
    assert_null(open_it()); /* without a mark, too: every version had it */
}

static void another_shards_store_of_an_older_version_is_read(void **state)
{
    static const char *const lacks[] = {"aors"};
    struct store *other = NULL;
    (void)state;
    fill();
    drop_tables(lacks, 1);
    assert_true(store_open_other(root, 0, &other));
    assert_filled(other);
    store_close(other);
}

static const char newer[] = "\x08\x02\x12\x03"
                            "9.9"; /* schema 2, version 9.9 */

static struct span newer_mark(void)
{
    return span_of(newer, sizeof newer - 1);
}

static void what_a_newer_version_wrote_is_refused_with_a_remedy(void **state)
{
    char why[STORE_MARK_WHY_SIZE];
    (void)state;
    assert_int_equal(STORE_SCHEMA, 1);
    assert_true(store_mark_fits(span_of(NULL, 0), path, why)); /* nobody has written */
    struct store *s = open_it();
    store_mark_put(s, 3);
    assert_true(store_mark_fits(store_get(s, STORE_META, STORE_META_WRITER), path, why));
    assert_int_equal(store_mark_shards(s), 3);
    store_close(s);
    assert_false(store_mark_fits(newer_mark(), path, why));
    assert_non_null(strstr(why, path));
    assert_non_null(strstr(why, "version 9.9 with schema 2"));
    assert_non_null(strstr(why, "knows up to 1"));
    assert_non_null(strstr(why, "run that version"));
}

static uint64_t hash_of_file(void)
{
    static const uint64_t key[2] = {1, 2};
    static char bytes[1 << 20];
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    size_t n = fread(bytes, 1, sizeof bytes, f);
    assert_true(n > 0 && n < sizeof bytes);
    (void)fclose(f);
    return map_siphash(key, span_of(bytes, n));
}

/* Not even a table that it does without is made. */
static void and_is_left_as_it_is(void **state)
{
    static const char *const lacks[] = {"aors", "outbox"};
    struct store *other = NULL;
    (void)state;
    fill();
    struct store *s = open_it();
    store_put(s, STORE_META, STORE_META_WRITER, newer_mark());
    store_commit(s);
    store_close(s);
    drop_tables(lacks, 2);
    uint64_t before = hash_of_file();
    assert_null(open_it());
    assert_false(store_open_other(root, 0, &other));
    assert_null(other);
    assert_true(hash_of_file() == before);
}

static int open_root(void **state)
{
    (void)state;
    (void)snprintf(root, sizeof(root), "/tmp/test_store_version.XXXXXX");
    assert_non_null(mkdtemp(root));
    (void)snprintf(path, sizeof(path), "%.60s/shard0.mdb", root);
    return 0;
}

static int close_root(void **state)
{
    (void)state;
    remove_files();
    return rmdir(root);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, open_root, close_root)
    const struct CMUnitTest tests[] = {
        CASE(a_store_of_an_older_version_gets_the_tables_it_lacks),
        CASE(a_store_without_any_table_is_none),
        CASE(what_its_writer_had_is_lost_when_it_is_not_there),
        CASE(another_shards_store_of_an_older_version_is_read),
        CASE(what_a_newer_version_wrote_is_refused_with_a_remedy),
        CASE(and_is_left_as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
