#include "tests/unit/testkit.h"

#include "common/base/log.h"
#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define LOG_LINE_FIELDS 1000 /* more than a line holds */

/* Each test: begin(), log, end(): what came out of stderr stands in `out`. */
static char out[65536];
static int was_stderr;
static int file;

static void begin(bool json)
{
    was_stderr = dup(STDERR_FILENO);
    file = memfd_create("log", MFD_CLOEXEC);
    assert_true(was_stderr >= 0 && file >= 0);
    (void)dup2(file, STDERR_FILENO);
    log_init("test.0", json, LOG_INFO);
}

static size_t end(void)
{
    (void)dup2(was_stderr, STDERR_FILENO);
    (void)close(was_stderr);
    ssize_t n = pread(file, out, sizeof out - 1, 0);
    (void)close(file);
    assert_true(n >= 0);
    out[n] = '\0';
    return (size_t)n;
}

/* What stands after the time: "2026-01-02T03:04:05.678Z" is 24 characters wide. */
static const char *after_time(size_t skip)
{
    assert_true(strlen(out) > skip + 24);
    assert_int_equal(out[skip + 23], 'Z');
    return out + skip + 24;
}

/* The one line of JSON in out, parsed; the caller deletes it. */
static cJSON *parsed(void)
{
    const char *stop = NULL;
    cJSON *o = cJSON_ParseWithOpts(out, &stop, 0);
    assert_non_null(o);
    assert_string_equal(stop, "\n");
    return o;
}

static void assert_str(const cJSON *o, const char *key, const char *want)
{
    assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, key)), want);
}

static void text_line(void **state)
{
    (void)state;
    begin(false);
    log_ev(LOG_INFO, "call ended", log_z("call_id", "a0-kq3v"), log_n("ms", -12), log_z("why", "not found"),
           log_z("none", NULL));
    end();
    assert_string_equal(after_time(0), " test.0 info  call ended call_id=a0-kq3v ms=-12 why=\"not found\" none=\"\"\n");
    begin(false);
    log_ev(LOG_ERROR, "no fields");
    log_line(LOG_WARN, "%d of %d", 1, 2);
    end();
    assert_non_null(strstr(out, "Z test.0 error no fields\n"));
    assert_non_null(strstr(out, "Z test.0 warn  1 of 2\n"));
}

static void json_line(void **state)
{
    (void)state;
    begin(true);
    log_ev(LOG_WARN, "call ended", log_z("call_id", "a0-kq3v"), log_n("ms", INT64_MIN), log_z("none", NULL));
    end();
    assert_memory_equal(out, "{\"timestamp\":\"", 14);
    assert_string_equal(after_time(14), "\",\"level\":\"warn\",\"service\":\"sip-signaling-service\","
                                        "\"process\":\"test.0\",\"message\":\"call ended\","
                                        "\"call_id\":\"a0-kq3v\",\"ms\":-9223372036854775808,\"none\":\"\"}\n");
    cJSON_Delete(parsed());
}

static void a_gate_lets_so_many_pass(void **state)
{
    (void)state;
    struct log_gate g = {0};
    uint32_t held;
    for (int i = 0; i < 5; i++)
        assert_int_equal(log_gate_pass(&g, 3, 1000 + i, &held), i < 3);
    assert_int_equal(held, 0);
    assert_true(log_gate_pass(&g, 3, 2000, &held));
    assert_int_equal(held, 2);
    assert_true(log_gate_pass(&g, 3, 2001, &held));
    assert_int_equal(held, 0);
}

static void hostile_text_in_json(void **state)
{
    (void)state;
    begin(true);
    log_ev(LOG_INFO, "q\"\\\n", log_s("ctl", SPAN("a\0b\r\n\x1b[2J\x7f")),
           log_s("utf8", SPAN("\xc3\xa7\xe2\x82\xac\xf0\x9f\x98\x80")),
           log_s("bad", SPAN("\xff|\xc3|\xe2\x82|\xc0\xaf|\xed\xa0\x80|\xf4\x90\x80\x80|\x80")),
           log_s("c1", SPAN("\xc2\x9b|\xe2\x80\xae|\xe2\x80\xa8")));
    end();
    assert_non_null(strstr(out, "\"message\":\"q\\\"\\\\\\u000a\""));
    assert_non_null(strstr(out, "\"ctl\":\"a\\u0000b\\u000d\\u000a\\u001b[2J\\u007f\""));
    assert_non_null(strstr(out, "\"utf8\":\"\xc3\xa7\xe2\x82\xac\xf0\x9f\x98\x80\""));
    assert_non_null(strstr(out, "\"bad\":\"\\ufffd|\\ufffd|\\ufffd\\ufffd|\\ufffd\\ufffd|\\ufffd\\ufffd\\ufffd|"
                                "\\ufffd\\ufffd\\ufffd\\ufffd|\\ufffd\""));
    assert_non_null(strstr(out, "\"c1\":\"\\u009b|\\u202e|\\u2028\""));
    cJSON_Delete(parsed());
}

static void hostile_text_in_text(void **state)
{
    (void)state;
    begin(false);
    log_ev(LOG_INFO, "a\nb", log_s("v", SPAN("x\" call=\"y")), log_s("bad", SPAN("\xff\x1b")), log_z("eq", "a=b"));
    end();
    assert_string_equal(after_time(0),
                        " test.0 info  a\\u000ab v=\"x\\\" call=\\\"y\" bad=\"\\xff\\u001b\" eq=\"a=b\"\n");
}

/* The span ends inside a character that goes on in the bytes behind it. */
static void nothing_behind_a_value_is_shown(void **state)
{
    static const char euro_x[] = "\xe2\x82\xacx";
    (void)state;
    begin(true);
    log_ev(LOG_INFO, "e", log_s("v", span_of(euro_x, 2)), log_s("w", span_of(euro_x, 3)));
    end();
    assert_non_null(strstr(out, "\"v\":\"\\ufffd\\ufffd\",\"w\":\"\xe2\x82\xac\"}"));
}

/* Every single byte, and every byte after a lead byte: always one line, always JSON. */
static void any_bytes_make_one_json_line(void **state)
{
    static const unsigned char leads[] = {'a', 0xc3, 0xe2, 0xed, 0xf0, 0xf4, 0xff};
    (void)state;
    for (size_t i = 0; i < sizeof leads; i++) {
        for (int c = 0; c < 256; c++) {
            char v[3] = {(char)leads[i], (char)c, (char)leads[i]};
            begin(true);
            log_ev(LOG_INFO, "e", log_s("v", span_of(v, sizeof v)));
            size_t n = end();
            assert_int_equal(strlen(out), n);
            assert_ptr_equal(strchr(out, '\n'), out + n - 1);
            cJSON_Delete(parsed());
        }
    }
}

static void long_values_are_cut(void **state)
{
    char v[LOG_VALUE_MAX * 4 + 1];
    char want[LOG_VALUE_MAX + 8];
    (void)state;
    memset(v, 'v', sizeof v);
    memset(want, 'v', sizeof want);
    begin(true);
    log_ev(LOG_INFO, "e", log_s("whole", span_of(v, LOG_VALUE_MAX)), log_s("over", span_of(v, LOG_VALUE_MAX + 1)));
    end();
    cJSON *o = parsed();
    want[LOG_VALUE_MAX] = '\0';
    assert_str(o, "whole", want);
    memcpy(want + LOG_VALUE_MAX, "…", sizeof "…");
    assert_str(o, "over", want);
    cJSON_Delete(o);

    /* a character of three bytes across the cut goes as a whole */
    memcpy(v + LOG_VALUE_MAX - 2, "\xe2\x82\xac", 3);
    begin(true);
    log_ev(LOG_INFO, "e", log_s("over", span_of(v, sizeof v)));
    end();
    o = parsed();
    memcpy(want + LOG_VALUE_MAX - 2, "…", sizeof "…");
    assert_str(o, "over", want);
    cJSON_Delete(o);

    begin(false);
    v[LOG_VALUE_MAX + 100] = '\0';
    memset(v, 'v', LOG_VALUE_MAX + 100);
    log_line(LOG_INFO, "%s", v);
    end();
    assert_non_null(strstr(out, "vvv…\n"));
}

/* The worst that fits nowhere: each byte six wide, in the event, in each value and without end. */
static void a_line_has_one_size(void **state)
{
    char v[LOG_VALUE_MAX + 1];
    (void)state;
    memset(v, 1, sizeof v);
    v[LOG_VALUE_MAX] = '\0';
    for (int json = 0; json < 2; json++) {
        begin(json != 0);
        log_ev(LOG_INFO, v, log_z("a", v), log_z("b", v));
        size_t n = end();
        assert_true(n > LOG_VALUE_MAX * 6 && n <= PIPE_BUF);
        assert_non_null(strstr(out, json != 0 ? ",\"cut\":true}\n" : " cut=true\n"));
        assert_null(strstr(out, "\"a\""));
        if (json != 0)
            cJSON_Delete(parsed());
    }
    begin(true);
    log_ev(LOG_INFO, "e", log_n("n", 1), log_z("a", v), log_z("b", v), log_n("m", 2));
    end();
    cJSON *o = parsed();
    assert_non_null(cJSON_GetObjectItem(o, "a"));
    assert_null(cJSON_GetObjectItem(o, "b"));
    cJSON_Delete(o);
}

/* However the fields fill the line, to the last byte, its end has room. */
static void the_end_of_a_line_always_fits(void **state)
{
    struct log_field fields[LOG_LINE_FIELDS + 1] = {0};
    char v[64];
    (void)state;
    memset(v, 'v', sizeof v);
    for (size_t i = 1; i < LOG_LINE_FIELDS; i++)
        fields[i] = log_n("n", 1);
    for (size_t first = 0; first < sizeof v; first++) {
        fields[0] = log_s("v", span_of(v, first));
        begin(true);
        log_write(LOG_INFO, "e", fields);
        size_t n = end();
        assert_true(n > PIPE_BUF - 32 && n <= PIPE_BUF);
        assert_string_equal(out + n - strlen(",\"cut\":true}\n"), ",\"cut\":true}\n");
        cJSON_Delete(parsed());
    }
}

static int evaluated;

static int64_t count_evaluation(void)
{
    return ++evaluated;
}

static void levels(void **state)
{
    (void)state;
    assert_int_equal(log_level_parse(SPAN("error")), LOG_ERROR);
    assert_int_equal(log_level_parse(SPAN("debug")), LOG_DEBUG);
    assert_int_equal(log_level_parse(SPAN("DEBUG")), -1);
    assert_int_equal(log_level_parse((struct span){NULL, 0}), -1);
    assert_string_equal(log_level_name(LOG_WARN), "warn");
    begin(true);
    log_ev(LOG_DEBUG, "off", log_n("n", count_evaluation()));
    log_line(LOG_DEBUG, "off");
    assert_int_equal(end(), 0);
    assert_int_equal(evaluated, 0);
    begin(true);
    log_set_level(LOG_DEBUG);
    assert_int_equal(log_get_level(), LOG_DEBUG);
    log_ev(LOG_DEBUG, "on", log_n("n", count_evaluation()));
    assert_true(end() > 0);
    assert_int_equal(evaluated, 1);
}

static void errno_survives(void **state)
{
    (void)state;
    begin(true);
    int broken = dup(STDERR_FILENO);
    (void)close(STDERR_FILENO); /* the write fails and sets errno */
    errno = ENOENT;
    log_ev(LOG_ERROR, "e", log_n("n", 1));
    assert_int_equal(errno, ENOENT);
    log_line(LOG_ERROR, "e %s", "x");
    assert_int_equal(errno, ENOENT);
    (void)dup2(broken, STDERR_FILENO);
    (void)close(broken);
    assert_int_equal(end(), 0);
}

/* Lines to a reader that is behind: none waits, what is lost is counted, and is told when he reads again. */
static void a_reader_that_stalls(void **state)
{
    const bool *socket = *state;
    int end_of[2];
    assert_int_equal(*socket ? socketpair(AF_UNIX, SOCK_STREAM, 0, end_of) : pipe(end_of), 0);
    was_stderr = dup(STDERR_FILENO);
    uint64_t lost = log_lost();
    (void)dup2(end_of[1], STDERR_FILENO);
    log_init("test.0", false, LOG_INFO);
    (void)alarm(20); /* one that waits dies */
    for (int i = 0; i < 20000 || log_lost() == lost; i++)
        log_line(LOG_INFO, "a line of no great length that nobody reads: %d", i);
    assert_int_equal(fcntl(end_of[1], F_GETFL) & O_NONBLOCK, 0); /* for who shares it with us it is as it was */
    assert_int_equal(fcntl(end_of[0], F_SETFL, O_NONBLOCK), 0);
    while (read(end_of[0], out, sizeof out) > 0)
        ;
    log_line(LOG_INFO, "he reads again");
    (void)dup2(was_stderr, STDERR_FILENO);
    (void)close(was_stderr);
    log_init("test.0", false, LOG_INFO);
    ssize_t n = read(end_of[0], out, sizeof out - 1);
    (void)alarm(0);
    assert_true(n > 0);
    out[n] = '\0';
    char want[64];
    (void)snprintf(want, sizeof want, " count=%llu\n", (unsigned long long)(log_lost() - lost));
    assert_non_null(strstr(out, "he reads again\n"));
    assert_non_null(strstr(out, "log lines were lost"));
    assert_non_null(strstr(out, want));
    (void)close(end_of[0]);
    (void)close(end_of[1]);
}

static bool is_pipe = false;
static bool is_socket = true;

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_line),
        cmocka_unit_test(json_line),
        cmocka_unit_test(a_gate_lets_so_many_pass),
        cmocka_unit_test(hostile_text_in_json),
        cmocka_unit_test(hostile_text_in_text),
        cmocka_unit_test(nothing_behind_a_value_is_shown),
        cmocka_unit_test(any_bytes_make_one_json_line),
        cmocka_unit_test(long_values_are_cut),
        cmocka_unit_test(a_line_has_one_size),
        cmocka_unit_test(the_end_of_a_line_always_fits),
        cmocka_unit_test(levels),
        cmocka_unit_test(errno_survives),
        cmocka_unit_test_prestate(a_reader_that_stalls, &is_pipe),
        cmocka_unit_test_prestate(a_reader_that_stalls, &is_socket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
