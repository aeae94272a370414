#include "tests/unit/testkit.h"

#include "publisher/unroutable.h"
#include <stdio.h>
#include <string.h>

static void a_line_a_key_and_minute(void **state)
{
    (void)state;
    struct unroutable u = {0};
    assert_true(unroutable_note(&u, SPAN("call.started"), 1000));
    assert_false(unroutable_note(&u, SPAN("call.started"), 1001));
    assert_true(unroutable_note(&u, SPAN("call.ended"), 1002));
    assert_false(unroutable_note(&u, SPAN("call.started"), 1000 + UNROUTABLE_LINE_MS - 1));
    assert_true(unroutable_note(&u, SPAN("call.started"), 1000 + UNROUTABLE_LINE_MS));
    assert_false(unroutable_note(&u, SPAN("call.started"), 1001 + UNROUTABLE_LINE_MS));
}

static void it_is_shown_while_they_come(void **state)
{
    (void)state;
    struct unroutable u = {0};
    char text[128];
    assert_false(unroutable_now(&u, 0, text, sizeof text));
    unroutable_note(&u, SPAN("call.started"), 1000);
    unroutable_note(&u, SPAN("call.ended"), 9000);
    assert_true(unroutable_now(&u, 10000, text, sizeof text));
    assert_string_equal(text, "no queue is bound for call.started, call.ended");
    assert_true(unroutable_now(&u, 1000 + UNROUTABLE_SHOWN_MS, text, sizeof text));
    assert_string_equal(text, "no queue is bound for call.ended");
    assert_false(unroutable_now(&u, 9000 + UNROUTABLE_SHOWN_MS, text, sizeof text));
    assert_true(unroutable_now(&u, 10000, text, 12));
    assert_int_equal(strlen(text), 11);
}

static void many_and_long_keys_are_bounded(void **state)
{
    (void)state;
    struct unroutable u = {0};
    char key[300];
    char text[1024];
    for (int i = 0; i < 100; i++) {
        (void)snprintf(key, sizeof key, "key.%d", i);
        assert_true(unroutable_note(&u, span_cstr(key), 1000 + i));
    }
    assert_true(unroutable_now(&u, 1100, text, sizeof text));
    assert_null(strstr(text, "key.91"));
    assert_non_null(strstr(text, "key.92"));
    assert_non_null(strstr(text, "key.99"));
    memset(key, 'k', sizeof key);
    assert_true(unroutable_note(&u, span_of(key, sizeof key), 1200));
    assert_false(unroutable_note(&u, span_of(key, sizeof key), 1201));
    assert_true(unroutable_note(&u, SPAN(""), 1202));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_a_key_and_minute),
        cmocka_unit_test(it_is_shown_while_they_come),
        cmocka_unit_test(many_and_long_keys_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
