#include "tests/unit/testkit.h"

#include "tests/platform/action.h"
#include <string.h>

static void pack(struct buf *out, enum action_shape shape, const char *json, char *fault)
{
    struct jsonx j = {.fault = ""};
    cJSON *plan = cJSON_Parse(json);
    assert_non_null(plan);
    jsonx_at(&j, "plans", 0);
    buf_init(out, ACTION_BYTES_MAX);
    action_pack(out, shape, &j, plan);
    strcpy(fault, j.fault);
    cJSON_Delete(plan);
}

/* The wire bytes themselves, because the two shapes differ in nothing else. */
static void test_shapes_on_the_wire(void **state)
{
    (void)state;
    static const char plan[] = "{\"action\":\"ECHO\",\"data\":{\"k\":\"v\"}}";
    static const char old_bytes[] = "\x0a\x04"
                                    "ECHO"
                                    "\x12\x08\x0a\x06\x0a\x01k\x12\x01v";
    static const char new_bytes[] = "\x0a\x04"
                                    "ECHO"
                                    "\x10\x03\x1a\x06\x0a\x01k\x12\x01v";
    char fault[256];
    struct buf b;
    pack(&b, ACTION_OLD, plan, fault);
    assert_string_equal(fault, "");
    assert_int_equal(b.len, sizeof old_bytes - 1);
    assert_memory_equal(b.p, old_bytes, b.len);
    buf_fini(&b);
    pack(&b, ACTION_NEW, plan, fault);
    assert_int_equal(b.len, sizeof new_bytes - 1);
    assert_memory_equal(b.p, new_bytes, b.len);
    buf_fini(&b);
}

static void test_type_of_text(void **state)
{
    (void)state;
    assert_int_equal(action_type_of("START_AI_CONVERSATION"), 1);
    assert_int_equal(action_type_of("BRIDGE_CALL"), 2);
    assert_int_equal(action_type_of("ECHO_TEST"), 3);
    assert_int_equal(action_type_of("PLAY_ANNOUNCEMENT"), 4);
    assert_int_equal(action_type_of("PLAY_STATIC_ANNOUNCEMENT"), 4);
    assert_int_equal(action_type_of("ENQUEUE_CALL"), 0);
    assert_int_equal(action_type_of(""), 0);
}

static void test_faults_are_named(void **state)
{
    (void)state;
    char fault[256];
    struct buf b;
    pack(&b, ACTION_NEW, "{\"action\":\"X\",\"data\":{\"k\":1}}", fault);
    assert_string_equal(fault, "plans[0]: data value \"k\" is not a string");
    buf_fini(&b);
    pack(&b, ACTION_NEW, "{\"action\":\"X\",\"type\":6}", fault);
    assert_string_equal(fault, "plans[0]: \"type\" is not a number from 0 to 5");
    buf_fini(&b);
    pack(&b, ACTION_NEW, "{}", fault);
    assert_string_equal(fault, "plans[0]: \"action\" is missing");
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes_on_the_wire),
        cmocka_unit_test(test_type_of_text),
        cmocka_unit_test(test_faults_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
