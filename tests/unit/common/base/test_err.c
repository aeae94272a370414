#include "tests/unit/testkit.h"

#include "common/base/err.h"
#include "common/base/log.h"
#include <string.h>

static void bug(void)
{
    int calls = -1;
    BUG_ON(calls < 0);
}

static void no_bug(void)
{
    BUG_ON(false);
}

static void die_storage(void)
{
    die(EX_STORAGE, "state directory %s: %s", "/nowhere", "read-only");
}

static void die_long(void)
{
    char z[LOG_VALUE_MAX * 2];
    memset(z, 'z', sizeof z - 1);
    z[sizeof z - 1] = '\0';
    die(EX_INTERNAL, "%s", z);
}

static void bugs_abort_and_say_where(void **state)
{
    char err[512];
    (void)state;
    testkit_assert_bug(bug, "cond=\"calls < 0\"");
    testkit_assert_bug(bug, "test_err.c line=");
    assert_int_equal(testkit_child(no_bug, err, sizeof err), 0);
    assert_string_equal(err, "");
}

static void die_leaves_with_its_code(void **state)
{
    (void)state;
    testkit_assert_dies(die_storage, EX_STORAGE, "error state directory /nowhere: read-only exit=5\n");
    testkit_assert_dies(die_long, EX_INTERNAL, "zzz… exit=7\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bugs_abort_and_say_where),
        cmocka_unit_test(die_leaves_with_its_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
