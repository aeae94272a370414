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

static void test_delays_are_drawn(void **state)
{
    (void)state;
    struct faults f;
    char fault[256];
    cJSON *root;
    unsigned seen[3] = {0};
    uint64_t dice = 1;
    load(&f, "{\"faults\":{\"First\":{\"delay_ms\":20,\"delay_max_ms\":22},\"Second\":{\"delay_ms\":7}}}", fault,
         &root);
    assert_string_equal(fault, "");
    for (unsigned i = 0; i < 300; i++, dice = dice * 6364136223846793005u + 1442695040888963407u) {
        int64_t delay_ms = faults_strike(&f, 0, dice)->delay_ms;
        assert_in_range(delay_ms, 20, 22);
        seen[delay_ms - 20]++;
        assert_int_equal(faults_strike(&f, 1, dice)->delay_ms, 7);
    }
    for (unsigned i = 0; i < 3; i++)
        assert_in_range(seen[i], 60, 140);
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
        {"{\"faults\":{\"First\":{\"delay_ms\":9,\"delay_max_ms\":8}}}",
         "faults.First: \"delay_max_ms\" is not a number from 9 to 600000"},
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
        cmocka_unit_test(test_delays_are_drawn),
        cmocka_unit_test(test_bad_ones_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
