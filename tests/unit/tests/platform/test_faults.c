#include "tests/unit/testkit.h"

#include "tests/platform/faults.h"
#include <string.h>

static const char *const names[] = {"First", "Second"};

static void load(struct faults *f, const char *json, char *fault, cJSON **root)
{
    struct jsonx j = {.fault = ""};
    *root = cJSON_Parse(json);
    assert_non_null(*root);
    faults_load(f, &j, *root, names, 2);
    strcpy(fault, j.fault);
}

static void test_counted(void **state)
{
    (void)state;
    struct faults f;
    char fault[256];
    cJSON *root;
    load(&f, "{\"faults\":{\"Second\":{\"status\":\"UNAVAILABLE\",\"count\":2,\"message\":\"m\"}}}", fault, &root);
    assert_string_equal(fault, "");
    assert_null(faults_strike(&f, 0, 0));
    const struct rpc_fault *what = faults_strike(&f, 1, 0);
    assert_non_null(what);
    assert_int_equal(what->status, 14);
    assert_string_equal(what->message, "m");
    assert_non_null(faults_strike(&f, 1, UINT64_MAX));
    assert_null(faults_strike(&f, 1, 0));
    cJSON_Delete(root);
}

static void test_probability(void **state)
{
    (void)state;
    struct faults f;
    char fault[256];
    cJSON *root;
    load(&f, "{\"faults\":{\"First\":{\"hang\":true,\"probability\":0.25}}}", fault, &root);
    assert_non_null(faults_strike(&f, 0, 0));
    assert_non_null(faults_strike(&f, 0, UINT64_MAX / 4 - 4096));
    assert_null(faults_strike(&f, 0, UINT64_MAX / 4 + 4096));
    assert_null(faults_strike(&f, 0, UINT64_MAX));
    cJSON_Delete(root);
}

static void test_bad_ones_are_named(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"{\"faults\":{\"Third\":{}}}", "faults: no RPC is called \"Third\""},
        {"{\"faults\":{\"First\":{\"status\":\"BAD\"}}}", "faults.First: \"BAD\" is no gRPC status"},
        {"{\"faults\":{\"First\":{\"delay\":1}}}", "faults.First: unknown name \"delay\""},
        {"{\"faults\":{\"First\":{\"probability\":2}}}", "faults.First: \"probability\" is not a number from 0 to 1"},
        {"{\"faults\":{\"First\":1}}", "faults.First: is not an object"},
        {"{\"faults\":[]}", "file: \"faults\" is not an object"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct faults f;
        char fault[256];
        cJSON *root;
        load(&f, cases[i][0], fault, &root);
        assert_string_equal(fault, cases[i][1]);
        cJSON_Delete(root);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counted),
        cmocka_unit_test(test_probability),
        cmocka_unit_test(test_bad_ones_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
