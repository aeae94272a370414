/*
 * sigctl's tables: what a stranger put into a header or name must not reach the terminal as a command.
 */
#include "tests/unit/testkit.h"

#include "supervisor/sigctl_show.h"
#include "supervisor/sigctl_top.h"
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

static void test_upgrade(void **state)
{
    (void)state;
    assert_string_equal(
        show(CONTROL_UPGRADE, "{\"upgrade\":{\"state\":\"idle\",\"current\":\"/opt/a\",\"workers\":[]}}"),
        "no upgrade since the start: programs of /opt/a\n");
    assert_string_equal(show(CONTROL_UPGRADE, "{\"upgrade\":{\"state\":\"replacing\",\"workers\":["
                                              "{\"name\":\"sip-edge\",\"state\":\"new\",\"ms\":12},"
                                              "{\"name\":\"publisher\",\"state\":\"watched\"},"
                                              "{\"name\":\"call-actor\",\"state\":\"old\"}]}}"),
                        "sip-edge: new after 12 ms\npublisher: watched\nit goes on\n");
    assert_string_equal(show(CONTROL_UPGRADE,
                             "{\"upgrade\":{\"state\":\"done\",\"version\":\"2.0\",\"current\":\"/opt/b\","
                             "\"workers\":[]}}"),
                        "done: version 2.0, programs of /opt/b\n");
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

static void test_a_list_that_is_cut_says_so(void **state)
{
    (void)state;
    const char *text = show(CONTROL_CALLS, "{\"calls\":[{\"call_id\":\"a\"}],\"total\":7,\"truncated\":true}");
    assert_non_null(strstr(text, "1 of 7 calls are shown\n"));
    assert_null(strstr(show(CONTROL_CALLS, "{\"calls\":[{\"call_id\":\"a\"}],\"total\":1}"), " of "));
}

#define LADDER                                                                                                         \
    "{\"call_id\":\"x@y\",\"trace_id\":\"t-1\",\"state\":\"ended\",\"parties\":[\"caller\",\"call-actor\","            \
    "\"platform\","                                                                                                    \
    "\"broker\"],\"ladder\":[{\"at_ms\":0,\"from\":\"caller\",\"to\":\"call-actor\",\"message\":\"INVITE\"},"          \
    "{\"at_ms\":0,\"note\":\"new -> setup: INVITE\"},"                                                                 \
    "{\"at_ms\":7,\"from\":\"call-actor\",\"to\":\"caller\",\"message\":\"481 Call/Transaction Does Not Exist\"},"     \
    "{\"at_ms\":7,\"from\":\"call-actor\",\"to\":\"broker\",\"message\":\"call.ended\"}]}"

static void test_ladder(void **state)
{
    (void)state;
    const char *text = show(CONTROL_LADDER, LADDER);
    static const char *const lines[] = {
        "call x@y  trace t-1  ended\n",
        "         caller                  call-actor                 platform                   broker\n",
        "+0 ms       |-------- INVITE -------->|                         |                         |\n",
        "            |                         | [new -> setup: INVITE]  |                         |\n",
        "+7 ms       |< 481 Call/Transaction --|                         |                         |\n",
        "            |                         |------------------- call.ended ------------------->|\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        if (strstr(text, lines[i]) == NULL)
            fail_msg("not there: %s\n%s", lines[i], text);
    }
}

/* Whatever a worker of another version says: no crash, no control characters. */
static void test_odd_ladders(void **state)
{
    static const char *const odd[] = {
        "",
        "[]",
        "{}",
        "{\"ladder\":[{}]}",
        "{\"parties\":7,\"ladder\":[1,null,{\"from\":1}]}",
        "{\"parties\":[\"a\"],\"ladder\":[{\"from\":\"a\",\"to\":\"a\",\"message\":\"m\"},{\"from\":\"a\",\"to\":\"z\"}"
        "]}",
        "{\"parties\":[\"a\",\"b\",\"c\",\"d\",\"e\",\"f\",\"g\",\"h\"],\"ladder\":[{\"at_ms\":1e300,\"from\":\"a\","
        "\"to\":\"f\","
        "\"message\":\"\\u001b[31m\\n\"},{\"note\":\"\\u001b]0;\"}]}",
    };
    (void)state;
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++)
        assert_null(strchr(show(CONTROL_LADDER, odd[i]), '\x1b'));
    struct buf reply;
    buf_init(&reply, 1 << 20);
    buf_puts(&reply, "{\"parties\":[\"a\",\"b\"],\"ladder\":[{\"from\":\"b\",\"to\":\"a\",\"message\":\"");
    for (int i = 0; i < 5000; i++)
        buf_putc(&reply, 'x');
    buf_puts(&reply, "\"}]}");
    assert_true(strlen(show(CONTROL_LADDER, buf_cstr(&reply))) < 1000);
    buf_fini(&reply);
}

#define TOP(calls, cpu)                                                                                                \
    "{\"ready\":true,\"calls\":3,\"workers\":[{\"name\":\"sip-edge\",\"pid\":7,\"cpu_ms\":" cpu                        \
    ",\"rss_kb\":900,\"state\":\"running\"}],\"dependencies\":[{\"name\":\"rabbitmq\",\"state\":\"failed\"}],"         \
    "\"counters\":{\"sip_signaling_calls_total\":" calls "}}"

static void test_top(void **state)
{
    (void)state;
    struct buf out;
    struct top_look l = {.before = SPAN(TOP("100", "5000")),
                         .after = SPAN(TOP("125", "5500")),
                         .calls = SPAN("{\"calls\":[{\"call_id\":\"x@y\"}]}"),
                         .ms = 2000};
    buf_init(&out, 1 << 20);
    assert_int_equal(top_show(&l, false, &out), 0);
    const char *text = buf_cstr(&out);
    assert_non_null(strstr(text, "per second:  calls 12.5"));
    assert_non_null(strstr(text, "sip-edge  7    running  25     900"));
    assert_non_null(strstr(text, "rabbitmq    failed"));
    assert_non_null(strstr(text, "x@y"));
    buf_reset(&out);
    assert_int_equal(top_show(&l, true, &out), 0);
    assert_non_null(strstr(buf_cstr(&out), "\"rates\":{\"calls\":12.5,"));
    assert_non_null(strstr(buf_cstr(&out), "\"cpu_percent\":25"));
    l.before = SPAN(TOP("900", "5000")); /* the worker began anew meanwhile */
    buf_reset(&out);
    assert_int_equal(top_show(&l, true, &out), 0);
    assert_non_null(strstr(buf_cstr(&out), "\"calls\":62.5,"));
    l.calls = SPAN("rubbish");
    assert_int_equal(top_show(&l, true, &out), -1);
    l.ms = 0;
    l.calls = SPAN("{}");
    assert_int_equal(top_show(&l, false, &out), 0);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls),
        cmocka_unit_test(test_upgrade),
        cmocka_unit_test(test_long_cells_are_cut),
        cmocka_unit_test(test_status),
        cmocka_unit_test(test_other_replies),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_a_list_that_is_cut_says_so),
        cmocka_unit_test(test_ladder),
        cmocka_unit_test(test_odd_ladders),
        cmocka_unit_test(test_top),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
