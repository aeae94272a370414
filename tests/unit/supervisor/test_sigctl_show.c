/*
 * sigctl's tables: what a stranger put into a header or name must not reach the terminal as a command.
 */
#include "tests/unit/testkit.h"

#include "supervisor/sigctl_show.h"
#include <string.h>

static const char *show(enum control_id cmd, const char *reply)
{
    static struct buf out;
    buf_fini(&out);
    buf_init(&out, 1 << 20);
    sigctl_show(cmd, span_cstr(reply), &out);
    return buf_cstr(&out) != NULL ? buf_cstr(&out) : "";
}

static void test_calls(void **state)
{
    (void)state;
    assert_string_equal(show(CONTROL_CALLS, "{\"v\":1,\"ok\":true,\"calls\":[]}"), "no calls\n");
    const char *text =
        show(CONTROL_CALLS,
             "{\"calls\":[{\"call_id\":\"a\\u001b]0;x\\u0007\",\"state\":\"up\",\"from\":\"\\\"J\xc3\xbcrgen\\\"\","
             "\"to\":\"x\\ny\",\"rtp_port\":10000},{\"call_id\":\"b\"}],\"missing\":[\"call-actor.1\"]}");
    assert_null(strchr(text, '\x1b'));
    assert_null(strchr(text, '\x07'));
    assert_non_null(strstr(text, "a\\x1b]0;x\\x07  up"));
    assert_non_null(strstr(text, "\"J\xc3\xbcrgen\""));
    assert_non_null(strstr(text, "x y")); /* a row stays a row */
    assert_non_null(strstr(text, "without the answer of call-actor.1\n"));
}

static void test_long_cells_are_cut(void **state)
{
    (void)state;
    struct buf reply;
    buf_init(&reply, 1 << 20);
    buf_puts(&reply, "{\"calls\":[{\"call_id\":\"");
    for (int i = 0; i < 100000; i++)
        buf_putc(&reply, 'x');
    buf_puts(&reply, "\"}]}");
    const char *text = show(CONTROL_CALLS, buf_cstr(&reply));
    assert_true(strlen(text) < 1000);
    assert_non_null(strstr(text, "xxx..."));
    buf_fini(&reply);
}

static void test_status(void **state)
{
    (void)state;
    const char *text =
        show(CONTROL_STATUS,
             "{\"ready\":false,\"why\":\"publisher is failed\",\"workers\":[{\"name\":\"publisher\",\"pid\":0,"
             "\"state\":\"failed\",\"restarts\":7,\"uptime_s\":0,\"deaths\":[{\"why\":\"exit 5\",\"pid\":12,"
             "\"uptime_ms\":3,\"at\":\"2026-01-02T03:04:05.678Z\"}]}],\"dependencies\":[],\"calls\":1}");
    assert_non_null(strstr(text, "NOT READY: publisher is failed\n"));
    assert_non_null(strstr(text, "publisher  0    failed  7"));
    assert_non_null(strstr(text, "publisher pid 12 after 3 ms: exit 5"));
    assert_non_null(strstr(show(CONTROL_STATUS, "{\"ready\":true}"), "ready\n"));
}

static void test_other_replies(void **state)
{
    (void)state;
    assert_string_equal(show(CONTROL_HANGUP, "{\"ok\":true}"), "done\n");
    assert_string_equal(show(CONTROL_METRICS, "{\"metrics\":\"a 1\\nb 2\\n\"}"), "a 1\nb 2\n");
    assert_non_null(strstr(show(CONTROL_CALL, "{\"call_id\":\"\\u009b31m\"}"), "\\xc2\\x9b31m"));
    assert_string_equal(show(CONTROL_CALLS, "no JSON"), "");
    assert_string_equal(show(CONTROL_CALLS, "[]"), "no calls\n");
}

static void test_errors(void **state)
{
    (void)state;
    struct buf error;
    buf_init(&error, 4096);
    assert_true(sigctl_reply_ok(SPAN("{\"v\":1,\"ok\":true}"), &error));
    assert_false(sigctl_reply_ok(SPAN("{\"ok\":false,\"error\":\"not_found\",\"message\":\"no \\u001bone\"}"), &error));
    assert_string_equal(buf_cstr(&error), "not_found: no \\x1bone");
    assert_false(sigctl_reply_ok(SPAN("rubbish"), &error));
    assert_false(sigctl_reply_ok(SPAN(""), &error));
    buf_fini(&error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls),  cmocka_unit_test(test_long_cells_are_cut),
        cmocka_unit_test(test_status), cmocka_unit_test(test_other_replies),
        cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
