/*
 * conf: the golden files of tests/golden/conf (NAME.in is the settings file; its lines "#env NAME=VALUE" are the
 * environment; NAME.ok is what conf_load says or, without faults, what conf_print prints but for defaults), and what
 * files cannot show.
 * GOLDEN_WRITE=1 writes the .ok files and the table in docs/operations.md anew, for review.
 */
#include "common/rt/conf_rows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define GOLDEN "tests/golden/conf/"
#define ENV_MAX 32
#define TEXT_MAX (64u * 1024u)

static char *const required_env[] = {
    "SIP_SIGNALING_SERVICE_PUBLIC_IP=192.0.2.1",
    "SIP_SIGNALING_SERVICE_CERT_PATH=/c.crt",
    "SIP_SIGNALING_SERVICE_KEY_PATH=/c.key",
    "GRPC_TLS_CA_PATH=/ca.crt",
    "USER_SERVICE_TARGET_GRPC_URL=u:1",
    "DIALPLAN_SERVICE_TARGET_GRPC_URL=d:1",
    "MEDIA_SERVICE_TARGET_GRPC_URL=m:1",
    "RABBITMQ_URL=amqp://guest:s3cret@127.0.0.1:5672/%2f",
    NULL,
};

static void slurp(const char *path, struct buf *out)
{
    char chunk[4096];
    size_t n;
    FILE *f = fopen(path, "r");
    if (f == NULL)
        return;
    while ((n = fread(chunk, 1, sizeof chunk, f)) > 0)
        buf_put(out, chunk, n);
    (void)fclose(f);
}

/* The "#env " lines of text, as an envp; the strings are the caller's to free. */
static void read_env(struct span text, char *envp[ENV_MAX + 1])
{
    size_t count = 0;
    while (text.len > 0) {
        size_t n = span_find(text, '\n');
        struct span line = span_of(text.p, n);
        if (span_starts(line, SPAN("#env "))) {
            assert_true(count < ENV_MAX);
            envp[count++] = span_dup(span_from(line, 5));
        }
        text = span_from(text, n + 1);
    }
    envp[count] = NULL;
}

/* Defaults are left out, so that a new setting does not change every file. */
static void drop_defaults(struct buf *text)
{
    struct buf kept;
    buf_init(&kept, TEXT_MAX);
    struct span rest = buf_span(text);
    while (rest.len > 0) {
        size_t head = span_find(rest, '\n') + 1;
        size_t both = head + span_find(span_from(rest, head), '\n') + 1;
        if (!span_starts(rest, SPAN("# default\n")))
            buf_put(&kept, rest.p, both);
        rest = span_from(rest, both);
    }
    buf_fini(text);
    *text = kept;
}

static void run_golden(const char *name)
{
    char in[128];
    char ok[128];
    char *envp[ENV_MAX + 1];
    struct conf c;
    struct buf text, got, want;
    (void)snprintf(in, sizeof in, GOLDEN "%s.in", name);
    (void)snprintf(ok, sizeof ok, GOLDEN "%s.ok", name);
    buf_init(&text, TEXT_MAX);
    buf_init(&got, TEXT_MAX);
    buf_init(&want, TEXT_MAX);
    conf_init(&c);
    slurp(in, &text);
    read_env(buf_span(&text), envp);
    if (conf_load(&c, in, envp, &got) == 0) {
        conf_print(&c, &got);
        drop_defaults(&got);
    }
    if (getenv("GOLDEN_WRITE") != NULL) {
        FILE *f = fopen(ok, "w");
        assert_non_null(f);
        (void)fwrite(got.p, 1, got.len, f);
        (void)fclose(f);
    }
    slurp(ok, &want);
    assert_string_equal(buf_cstr(&got), want.len > 0 ? buf_cstr(&want) : "");
    for (char **e = envp; *e != NULL; e++)
        free(*e);
    conf_fini(&c);
    buf_fini(&text);
    buf_fini(&got);
    buf_fini(&want);
}

static void test_golden(void **state)
{
    (void)state;
    static const char *const names[] = {"least",  "aliases",      "precedence", "empty", "missing", "faults",
                                        "limits", "normal",       "twice",      "ports", "ignored", "brokers",
                                        "trunk",  "trunk_faults", "trunk_user", "hosts"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        run_golden(names[i]);
}

static void load_required(struct conf *c)
{
    struct buf err;
    buf_init(&err, TEXT_MAX);
    conf_init(c);
    if (conf_load(c, NULL, required_env, &err) != 0)
        fail_msg("%s", buf_cstr(&err));
    buf_fini(&err);
}

static void test_printed_settings_parse_back(void **state)
{
    (void)state;
    char path[] = "/tmp/test_conf.XXXXXX";
    char *const only_secret[] = {required_env[7], NULL};
    struct conf a, b;
    struct buf text, err;
    buf_init(&text, TEXT_MAX);
    buf_init(&err, TEXT_MAX);
    load_required(&a);
    conf_print(&a, &text);
    assert_null(strstr(buf_cstr(&text), "s3cret"));
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text.p, text.len), text.len);
    close(fd);
    conf_init(&b);
    assert_int_equal(conf_load(&b, path, only_secret, &err), 0);
    unlink(path);
    for (int i = 0; i < SETTING_COUNT; i++)
        assert_string_equal(conf_str(&a, (enum setting)i), conf_str(&b, (enum setting)i));
    conf_fini(&a);
    conf_fini(&b);
    buf_fini(&text);
    buf_fini(&err);
}

static int memory_file(struct span text)
{
    int fd = memfd_create("slice", 0);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text.p, text.len), text.len);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

static void test_slice_holds_only_its_rows(void **state)
{
    (void)state;
    struct conf c, w;
    struct buf slice;
    load_required(&c);
    buf_init(&slice, TEXT_MAX);
    conf_slice(&c, CONF_EDGE, &slice);
    assert_null(strstr(buf_cstr(&slice), "s3cret"));
    conf_init(&w);
    assert_int_equal(conf_read_slice(&w, memory_file(buf_span(&slice))), 0);
    assert_int_equal(conf_u32(&w, SET_SIP_PORT), 5060);
    assert_string_equal(conf_str(&w, SET_PUBLIC_IP), "192.0.2.1");
    assert_null(w.value[SET_RABBITMQ_URL]);
    assert_null(w.value[SET_STORE_SYNC]);
    conf_fini(&w);
    buf_reset(&slice);
    conf_slice(&c, CONF_PUB, &slice);
    assert_int_equal(conf_read_slice(&w, memory_file(buf_span(&slice))), 0);
    assert_string_equal(conf_str(&w, SET_RABBITMQ_URL), "amqp://guest:s3cret@127.0.0.1:5672/%2f");
    conf_fini(&w);
    conf_fini(&c);
    buf_fini(&slice);
}

static void test_slice_of_another_version(void **state)
{
    (void)state;
    struct conf w;
    conf_init(&w);
    /* A supervisor that does not know T1 yet, and one that knows more than we do. */
    const char *text =
        "#slice 2\nSIP_SIGNALING_SERVICE_PUBLIC_IP=192.0.2.1\nSIP_SIGNALING_SERVICE_CERT_PATH=/a\n"
        "SIP_SIGNALING_SERVICE_KEY_PATH=/b\nGRPC_TLS_CA_PATH=/c\nSIP_SIGNALING_SERVICE_FROM_TOMORROW=1\n";
    assert_int_equal(conf_read_slice(&w, memory_file(span_cstr(text))), 0);
    assert_int_equal(conf_u32(&w, SET_SIP_T1_MS), 500);
    assert_null(w.value[SET_REALM]);
    conf_fini(&w);
}

static void test_what_is_no_slice(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "\n",
        "#slice\n",
        "#slice x\n",
        "#slice 99999\n",
        "SIP_SIGNALING_SERVICE_SIP_PORT=1\n",
        "#slice 2\nrubbish\n",
        "#slice 2\n\n",
        "#slice 2\nSIP_SIGNALING_SERVICE_SIP_PORT=abc\n",
        "#slice 2\n" /* required rows are not there */,
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct conf w;
        conf_init(&w);
        assert_int_equal(conf_read_slice(&w, memory_file(span_cstr(bad[i]))), -1);
        conf_fini(&w);
    }
    struct conf w;
    conf_init(&w);
    assert_int_equal(conf_read_slice(&w, -1), -1);
    conf_fini(&w);
}

static void test_url_masks(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"amqp://guest:s3cret@host:5672/%2f", "amqp://guest:***@host:5672/%2f"},
        {"amqp://guest@host", "amqp://guest@host"},
        {"amqp://host:5672", "amqp://host:5672"},
        {"amqp://u:s3@cret@host/v", "amqp://u:***@host/v"},
        {"amqp://u:s3/cret@host/v", "amqp://***"},
        {"amqp://u:s@3/cret@host/v", "amqp://***"},
        {"u:s3cret@host", "u:***@host"},
        {"", ""},
    };
    char out[64];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        conf_mask_url(cases[i][0], out, sizeof out);
        assert_string_equal(out, cases[i][1]);
    }
    conf_mask_url("amqp://guest:s3cret@host:5672/", out, 10);
    assert_string_equal(out, "amqp://gu");
}

static void test_file_faults(void **state)
{
    (void)state;
    struct conf c;
    struct buf err;
    conf_init(&c);
    buf_init(&err, TEXT_MAX);
    assert_int_equal(conf_load(&c, "/nonexistent/x", required_env, &err), -1);
    assert_non_null(strstr(buf_cstr(&err), "/nonexistent/x: settings cannot be read: No such file"));
    buf_reset(&err);
    assert_int_equal(conf_load(&c, "/", required_env, &err), -1);
    assert_non_null(strstr(buf_cstr(&err), "Is a directory"));
    buf_reset(&err);
    assert_int_equal(conf_load(&c, "/dev/zero", required_env, &err), -1); /* without end: the cap holds */
    assert_non_null(strstr(buf_cstr(&err), "File too large"));
    buf_reset(&err);
    assert_int_equal(conf_load(&c, NULL, required_env, &err), 0);
    assert_int_equal(conf_check_files(&c, &err), -1);
    assert_non_null(
        strstr(buf_cstr(&err), "environment: SIP_SIGNALING_SERVICE_KEY_PATH names /c.key, which cannot be"));
    assert_non_null(strstr(buf_cstr(&err), "GRPC_TLS_CA_PATH names /ca.crt"));
    conf_fini(&c);
    buf_fini(&err);
}

static void test_the_secret_is_the_files_first_line(void **state)
{
    (void)state;
    static char long_line[300];
    memset(long_line, 'x', sizeof(long_line) - 1);
    static char *const nul = "a\0b\n";
    const struct {
        const char *text;
        size_t len;
        const char *secret; /* NULL: refused */
    } rows[] = {{"hush\n", 5, "hush"}, {"hush", 4, "hush"},         {" hu sh \r\nmore\n", 14, "hu sh"},
                {"", 0, NULL},         {"\nhush\n", 6, NULL},       {"   \n", 4, NULL},
                {nul, 4, NULL},        {long_line, 256, long_line}, {long_line, 257, NULL}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct conf c;
        struct buf err, secret;
        char path[] = "/tmp/test_conf.XXXXXX";
        int fd = mkstemp(path);
        assert_int_equal(write(fd, rows[i].text, rows[i].len), rows[i].len);
        (void)close(fd);
        load_required(&c);
        for (size_t r = 0; r < SETTING_COUNT; r++) {
            if (conf_rows[r].kind == KIND_PATH && r != SET_TRUNK_SECRET_FILE)
                assert_int_equal(conf_set(&c, (enum setting)r, "/dev/null", "test"), 0);
        }
        assert_int_equal(conf_set(&c, SET_TRUNK_SECRET_FILE, path, "test"), 0);
        buf_init(&err, TEXT_MAX);
        buf_init_whole(&secret, 256);
        assert_int_equal(conf_check_files(&c, &err), rows[i].secret != NULL ? 0 : -1);
        assert_int_equal(conf_read_line(&c, SET_TRUNK_SECRET_FILE, &secret), rows[i].secret != NULL ? 0 : -1);
        if (rows[i].secret != NULL)
            assert_memory_equal(secret.p, rows[i].secret, secret.len);
        else
            assert_null(strstr(buf_cstr(&err), "hush"));
        (void)unlink(path);
        buf_wipe(&secret);
        buf_fini(&err);
        conf_fini(&c);
    }
}

static void test_reload_takes_only_its_rows(void **state)
{
    (void)state;
    struct conf c, fresh;
    struct buf later;
    load_required(&c);
    load_required(&fresh);
    buf_init(&later, TEXT_MAX);
    assert_int_equal(conf_take_reload(&c, &fresh, &later), 0);
    assert_int_equal(later.len, 0);
    free(fresh.value[SET_LOG_LEVEL]);
    fresh.value[SET_LOG_LEVEL] = span_dup(SPAN("debug"));
    free(fresh.value[SET_SIP_PORT]);
    fresh.value[SET_SIP_PORT] = span_dup(SPAN("5090"));
    assert_int_equal(conf_take_reload(&c, &fresh, &later), 1);
    assert_true(conf_is(&c, SET_LOG_LEVEL, "debug"));
    assert_int_equal(conf_u32(&c, SET_SIP_PORT), 5060);
    assert_string_equal(buf_cstr(&later), "SIP_SIGNALING_SERVICE_SIP_PORT");
    conf_fini(&c);
    conf_fini(&fresh);
    buf_fini(&later);
}

/* Values that only a worker used to look into. */
static void test_values_as_workers_want_them(void **state)
{
    (void)state;
    static const struct {
        enum setting s;
        const char *in;
        const char *normal; /* NULL: refused */
    } cases[] = {
        {SET_CODECS, "pcma, telephone-EVENT", "PCMA,telephone-event"},
        {SET_CODECS, "G729", "G729"},
        {SET_CODECS, "FOO,BAR", NULL},
        {SET_CODECS, "telephone-event", NULL},
        {SET_CODECS, "PCMU,PCMU", NULL},
        {SET_CODECS, "PCMU,", NULL},
        {SET_CODECS, "", NULL},
        {SET_RABBITMQ_URL, "amqp://u:p@h:5672/%2f?heartbeat=5", "amqp://u:p@h:5672/%2f?heartbeat=5"},
        {SET_RABBITMQ_URL, "amqp://h?heartbeat=5", "amqp://h?heartbeat=5"},
        {SET_RABBITMQ_URL, "amqp://u:a@b@h", "amqp://u:a@b@h"},
        {SET_RABBITMQ_URL, "amqp://h/v?heartbeat=5000", NULL},
        {SET_RABBITMQ_URL, "amqp://u:50%@h", NULL},
        {SET_RABBITMQ_URL, "amqp://h/%zz", NULL},
        {SET_RABBITMQ_URL, "amqp://u:p/q@h/", NULL},
        {SET_RABBITMQ_URL, "amqp://a b/", NULL},
        {SET_RABBITMQ_URL, "amqp://", NULL},
        {SET_OUTBOUND_TRUNK, "sip:trunk.example.com:5060;transport=tcp", "sip:trunk.example.com:5060;transport=tcp"},
        {SET_OUTBOUND_TRUNK, "sips:us@[2001:db8::1]", "sips:us@[2001:db8::1]"},
        {SET_PUBLIC_IP, "2001:db8::1 ,192.0.2.1", "2001:db8::1,192.0.2.1"},
        {SET_PUBLIC_IP, "[2001:db8::1]", "2001:db8::1"},
        {SET_PUBLIC_IP, "192.0.2.1,192.0.2.2", NULL},
        {SET_PUBLIC_IP, "192.0.2.1,::", NULL},
        {SET_PUBLIC_IP, "192.0.2.1,", NULL},
        {SET_PUBLIC_IP, "192.0.2.1,2001:db8::1,192.0.2.2", NULL},
        {SET_OUTBOUND_TRUNK, "sip:@", NULL},
        {SET_OUTBOUND_TRUNK, "sip:trunk:99999", NULL},
    };
    struct buf out;
    buf_init(&out, TEXT_MAX);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int rc = conf_check_value(&conf_rows[cases[i].s], span_cstr(cases[i].in), &out);
        if (rc != (cases[i].normal != NULL ? 0 : -1))
            fail_msg("%s: %s", conf_name(cases[i].s), cases[i].in);
        if (rc == 0)
            assert_string_equal(buf_cstr(&out), cases[i].normal);
    }
    buf_fini(&out);
}

static void test_ignored_names(void **state)
{
    (void)state;
    char *envp[sizeof required_env / sizeof required_env[0] + 2];
    size_t n = sizeof required_env / sizeof required_env[0] - 1;
    struct conf c;
    struct buf text;
    memcpy(envp, required_env, n * sizeof envp[0]);
    envp[n] = "SIP_SIGNALING_SERVICE_WS_PORT=13023";
    envp[n + 1] = "SIP_SIGNALING_SERVICE_DNS_NAME=";
    envp[n + 2] = NULL;
    conf_init(&c);
    buf_init(&text, TEXT_MAX);
    assert_int_equal(conf_load(&c, NULL, envp, &text), 0);
    conf_put_ignored(&c, &text);
    assert_string_equal(buf_cstr(&text), "SIP_SIGNALING_SERVICE_WS_PORT SIP_SIGNALING_SERVICE_DNS_NAME");
    conf_fini(&c);
    buf_fini(&text);
}

/* The table itself: names and aliases are there once, defaults pass their own check, names fit the suggestion. */
static void test_rows_are_sound(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, TEXT_MAX);
    for (int i = 0; i < SETTING_COUNT; i++) {
        const struct conf_row *r = &conf_rows[i];
        assert_non_null(r->name);
        assert_true(strlen(r->name) < CONF_NAME_MAX);
        if (r->def != NULL && r->def[0] != '\0' && conf_check_value(r, span_cstr(r->def), &b) != 0)
            fail_msg("the default of %s is wrong", r->name);
        assert_true((r->flags & ROW_REQUIRED) != 0 ? r->def == NULL : r->def != NULL);
        for (int j = 0; j < i; j++)
            assert_string_not_equal(r->name, conf_rows[j].name);
    }
    buf_reset(&b);
    conf_help(&b, false);
    assert_non_null(strstr(buf_cstr(&b), "SIP_SIGNALING_SERVICE_SIP_T1_MS"));
    assert_non_null(strstr(buf_cstr(&b), "a number from 10 to 5000; default: 500"));
    buf_reset(&b);
    conf_help(&b, true);
    assert_non_null(strstr(buf_cstr(&b), "| `RABBITMQ_URL` |"));
    buf_fini(&b);
}

#define MANUAL "docs/operations.md"

/* The manual's table of settings is the one the rows make. */
static void test_manual_has_the_settings(void **state)
{
    (void)state;
    struct buf text, want, head;
    buf_init(&text, TEXT_MAX);
    buf_init(&want, TEXT_MAX);
    buf_init(&head, TEXT_MAX);
    slurp(MANUAL, &text);
    struct span all = buf_span(&text);
    size_t begin = span_find_span(all, SPAN("<!-- settings: begin"));
    begin += span_find(span_from(all, begin), '\n') + 1;
    size_t end = span_find_span(all, SPAN("<!-- settings: end"));
    assert_true(begin <= end && end < all.len);
    conf_help(&want, true);
    if (getenv("GOLDEN_WRITE") != NULL) {
        buf_put(&head, all.p, begin);
        buf_put_span(&head, buf_span(&want));
        buf_put_span(&head, span_from(all, end));
        FILE *f = fopen(MANUAL, "w");
        assert_non_null(f);
        (void)fwrite(head.p, 1, head.len, f);
        (void)fclose(f);
    } else {
        assert_true(span_eq(span_of(all.p + begin, end - begin), buf_span(&want)));
    }
    buf_fini(&text);
    buf_fini(&want);
    buf_fini(&head);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_printed_settings_parse_back),
        cmocka_unit_test(test_slice_holds_only_its_rows),
        cmocka_unit_test(test_slice_of_another_version),
        cmocka_unit_test(test_what_is_no_slice),
        cmocka_unit_test(test_url_masks),
        cmocka_unit_test(test_file_faults),
        cmocka_unit_test(test_the_secret_is_the_files_first_line),
        cmocka_unit_test(test_reload_takes_only_its_rows),
        cmocka_unit_test(test_values_as_workers_want_them),
        cmocka_unit_test(test_ignored_names),
        cmocka_unit_test(test_rows_are_sound),
        cmocka_unit_test(test_manual_has_the_settings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
