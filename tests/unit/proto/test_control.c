/*
 * control: requests from strangers, and text that must neither break a line of JSON nor drive a terminal.
 */
#include "tests/unit/testkit.h"

#include "proto/control.h"
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int parse(const char *line, struct control_request *r, const char **error)
{
    const char *message = NULL;
    int rc = control_parse(span_cstr(line), r, error, &message);
    assert_true(rc == 0 || (*error != NULL && message != NULL));
    return rc;
}

/* Else what stands behind the NUL would be passed over. */
static void test_no_nul(void **state)
{
    (void)state;
    struct control_request r;
    const char *error = NULL;
    const char *message = NULL;
    assert_int_equal(parse("{\"cmd\":\"calls\\u0000x\"}", &r, &error), -1);
    assert_string_equal(error, CONTROL_EBADREQUEST);
    assert_int_equal(parse("{\"cmd\":\"call\",\"id\":\"a\\u0000\"}", &r, &error), -1);
    assert_int_equal(parse("{\"cmd\":\"call\",\"id\":\"a\\\\u0000\"}", &r, &error), 0); /* a backslash and a text */
    assert_string_equal(r.arg[0], "a\\u0000");
    assert_int_equal(control_parse(span_of("{\"cmd\":\"calls\0x\"}", 17), &r, &error, &message), -1);
}

static void test_good_requests(void **state)
{
    (void)state;
    struct control_request r;
    const char *error = NULL;
    assert_int_equal(parse("{\"cmd\":\"status\"}", &r, &error), 0);
    assert_int_equal(r.cmd, CONTROL_STATUS);
    assert_int_equal(parse(" {\"id\":\"a0-x\", \"cmd\":\"call\", \"more\":[1,{}]} ", &r, &error), 0);
    assert_int_equal(r.cmd, CONTROL_CALL);
    assert_string_equal(r.arg[0], "a0-x");
    assert_int_equal(parse("{\"cmd\":\"restart\",\"worker\":\"sip-edge\",\"kill\":true}", &r, &error), 0);
    assert_true(r.flag);
    assert_int_equal(parse("{\"cmd\":\"log\",\"level\":\"debug\",\"worker\":null}", &r, &error), 0);
    assert_string_equal(r.arg[1], "");
    assert_int_equal(parse("{\"cmd\":\"drain\",\"off\":false}", &r, &error), 0);
    assert_false(r.flag);
}

static void test_bad_requests(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", CONTROL_EBADREQUEST},
        {"status", CONTROL_EBADREQUEST},
        {"[]", CONTROL_EBADREQUEST},
        {"\"cmd\"", CONTROL_EBADREQUEST},
        {"null", CONTROL_EBADREQUEST},
        {"{}", CONTROL_EBADREQUEST},
        {"{\"cmd\":1}", CONTROL_EBADREQUEST},
        {"{\"cmd\":\"status\"", CONTROL_EBADREQUEST},
        {"{\"cmd\":\"status\"} {\"cmd\":\"stop\"}", CONTROL_EBADREQUEST},
        {"{\"cmd\":\"status\"}x", CONTROL_EBADREQUEST},
        {"{\"cmd\":\"statu\"}", CONTROL_EUNKNOWN},
        {"{\"cmd\":\"\"}", CONTROL_EUNKNOWN},
        {"{\"CMD\":\"status\"}", CONTROL_EBADREQUEST},
        {"{\"cmd\":\"call\"}", CONTROL_EBADREQUEST},
        {"{\"cmd\":\"call\",\"id\":\"\"}", CONTROL_EBADREQUEST},
        {"{\"cmd\":\"call\",\"id\":5}", CONTROL_EBADREQUEST},
        {"{\"cmd\":\"call\",\"id\":\"\xff\"}", CONTROL_EBADREQUEST}, /* no UTF-8 */
        {"{\"cmd\":\"call\",\"id\":{\"cmd\":\"stop\"}}", CONTROL_EBADREQUEST},
        {"{\"cmd\":\"restart\",\"worker\":\"x\",\"kill\":\"yes\"}", CONTROL_EBADREQUEST},
        {"{\"cmd\":\"drain\",\"off\":1}", CONTROL_EBADREQUEST},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct control_request r;
        const char *error = NULL;
        if (parse(cases[i][0], &r, &error) == 0)
            fail_msg("accepted: %s", cases[i][0]);
        assert_string_equal(error, cases[i][1]);
    }
}

static void test_limits(void **state)
{
    (void)state;
    struct control_request r;
    const char *error = NULL;
    const char *message = NULL;
    struct buf line;
    buf_init(&line, 4L * CONTROL_LINE_MAX);
    for (size_t id = CONTROL_ARG_MAX - 1; id <= CONTROL_ARG_MAX; id++) {
        buf_reset(&line);
        buf_puts(&line, "{\"cmd\":\"call\",\"id\":\"");
        for (size_t i = 0; i < id; i++)
            buf_putc(&line, 'x');
        buf_puts(&line, "\"}");
        assert_int_equal(control_parse(buf_span(&line), &r, &error, &message), id < CONTROL_ARG_MAX ? 0 : -1);
    }
    buf_reset(&line);
    buf_puts(&line, "{\"cmd\":\"status\"}");
    while (line.len < CONTROL_LINE_MAX)
        buf_putc(&line, ' ');
    assert_int_equal(control_parse(buf_span(&line), &r, &error, &message), 0);
    buf_putc(&line, ' ');
    assert_int_equal(control_parse(buf_span(&line), &r, &error, &message), -1);
    buf_reset(&line); /* as deep as a line can be */
    for (size_t i = 0; i < CONTROL_LINE_MAX; i++)
        buf_putc(&line, '[');
    assert_int_equal(control_parse(buf_span(&line), &r, &error, &message), -1);
    buf_fini(&line);
}

/* What sigctl writes is what the supervisor reads. */
static void test_requests_come_through(void **state)
{
    (void)state;
    struct buf line;
    buf_init(&line, CONTROL_LINE_MAX);
    for (int cmd = 0; cmd < CONTROL_CMDS; cmd++) {
        const struct control_cmd *row = &control_cmds[cmd];
        struct control_request in = {.cmd = (enum control_id)cmd, .flag = row->flag != NULL};
        struct control_request out;
        const char *error = NULL;
        const char *message = NULL;
        for (size_t i = 0; i < CONTROL_ARGS && row->key[i] != NULL; i++)
            (void)snprintf(in.arg[i], CONTROL_ARG_MAX, "a\"\\\x01 %s", "\xc3\xbc");
        buf_reset(&line);
        control_put_request(&line, &in);
        assert_int_equal(line.p[line.len - 1], '\n');
        assert_int_equal(control_parse(span_of(line.p, line.len - 1), &out, &error, &message), 0);
        assert_int_equal(out.cmd, in.cmd);
        assert_int_equal(out.flag, in.flag);
        for (size_t i = 0; i < CONTROL_ARGS; i++)
            assert_string_equal(out.arg[i], in.arg[i]);
    }
    buf_fini(&line);
}

static void test_any_bytes_make_one_json_string(void **state)
{
    (void)state;
    char bytes[512];
    struct buf out;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i * 167 + 1 + i / 256);
    for (size_t len = 0; len <= sizeof bytes; len++) {
        buf_init(&out, 16384);
        control_put_string(&out, span_of(bytes, len));
        assert_null(memchr(out.p, '\n', out.len));
        cJSON *s = cJSON_ParseWithLength(out.p, out.len);
        assert_true(cJSON_IsString(s));
        cJSON_Delete(s);
        buf_fini(&out);
    }
}

static void test_nothing_drives_the_terminal(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"plain \xc3\xbc\n", "plain \xc3\xbc\n"},
        {"\x1b[31m", "\\x1b[31m"},
        {"\xc2\x9b"
         "31m",
         "\\xc2\\x9b31m"},                   /* C1 CSI */
        {"\xe2\x80\xae", "\\xe2\\x80\\xae"}, /* right-to-left override */
        {"a\rb\tc\x7f", "a\\x0db\\x09c\\x7f"},
        {"\xff\xc3", "\\xff\\xc3"},
        {"\xed\xa0\x80", "\\xed\\xa0\\x80"}, /* half a surrogate pair */
        {"\xc0\xaf", "\\xc0\\xaf"},          /* overlong */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf out;
        buf_init(&out, 256);
        control_put_printable(&out, span_cstr(cases[i][0]));
        assert_string_equal(buf_cstr(&out), cases[i][1]);
        buf_fini(&out);
    }
}

static void test_help_names_every_command(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 16384);
    control_put_help(&out);
    for (size_t i = 0; i < CONTROL_CMDS; i++) {
        assert_non_null(strstr(buf_cstr(&out), control_cmds[i].help));
        assert_int_equal(control_find(span_cstr(control_cmds[i].name)), i);
    }
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_requests),
        cmocka_unit_test(test_bad_requests),
        cmocka_unit_test(test_no_nul),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_requests_come_through),
        cmocka_unit_test(test_any_bytes_make_one_json_string),
        cmocka_unit_test(test_nothing_drives_the_terminal),
        cmocka_unit_test(test_help_names_every_command),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
