/* The small pure parts: texts, kept answers, and what a failed connection means. */
#include "tests/unit/testkit.h"

#include "orchestrator/answers.h"
#include "orchestrator/grpc_may.h"
#include "orchestrator/link_why.h"
#include "orchestrator/rpc_code.h"
#include "orchestrator/set_back.h"
#include "orchestrator/text.h"
#include "proto/plane.pb-c.h"
#include <stdio.h>
#include <string.h>

/* --- rights --------------------------------------------------------------------------------------------------------
 */

static void test_may_name(void **state)
{
    (void)state;
    static const struct {
        const char *names, *name;
        bool may;
    } rows[] = {
        {"agent-service", "agent-service", true},
        {"agent-service", "Agent-Service", true}, /* RFC 4343 */
        {"agent-service", "agent-servic", false},
        {"agent-service", "agent-service2", false},
        {"a, agent-service ,b", "agent-service", true},
        {"a,b", "a,b", false},
        {"", "a", false},
        {",,", "", false},
        {"a,", "", false},
        {"*", "anybody", true},
        {"b,*", "anybody", true},
        {"*.sentiric.cloud", "api.sentiric.cloud", true},
        {"*.sentiric.cloud", "a.b.Sentiric.cloud", true},
        {"*.sentiric.cloud", "sentiric.cloud", false},
        {"*.sentiric.cloud", ".sentiric.cloud", false},
        {"*.sentiric.cloud", "evilsentiric.cloud", false},
        {"agent-*", "agent-service", false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(may_name(rows[i].names, span_cstr(rows[i].name)), rows[i].may);
}

/* --- text ----------------------------------------------------------------------------------------------------------
 */

static void test_utf8(void **state)
{
    (void)state;
    static const struct {
        struct span s;
        bool ok;
    } rows[] = {
        {SPAN_INIT(""), true},
        {SPAN_INIT("plain"), true},
        {SPAN_INIT("\xc3\xa7\xe2\x82\xac\xf0\x9f\x98\x80"), true},
        {SPAN_INIT("\x80"), false},             /* a continuation alone */
        {SPAN_INIT("\xc3"), false},             /* cut */
        {SPAN_INIT("\xc0\xaf"), false},         /* overlong */
        {SPAN_INIT("\xe0\x80\xaf"), false},     /* overlong */
        {SPAN_INIT("\xed\xa0\x80"), false},     /* surrogate */
        {SPAN_INIT("\xf4\x90\x80\x80"), false}, /* past U+10FFFF */
        {SPAN_INIT("\xff"), false},
        {SPAN_INIT("a\0b"), false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(text_is_utf8(rows[i].s), rows[i].ok);
}

static void test_message_texts(void **state)
{
    (void)state;
    Plane__Contact c = PLANE__CONTACT__INIT;
    Plane__Contact *list[] = {&c};
    Plane__User u = PLANE__USER__INIT;
    u.n_contacts = 1;
    u.contacts = list;
    Plane__Plan p = PLANE__PLAN__INIT;
    p.matched_user = &u;
    assert_true(text_message_ok(&p.base));
    c.value = (char *)"\xff";
    assert_false(text_message_ok(&p.base));
}

static void test_trace_id(void **state)
{
    (void)state;
    char out[TEXT_TRACE_ID_MAX + 1];
    text_trace_id("trace 1\r\n\xff@x", out);
    assert_string_equal(out, "trace_1___@x");
    char longer[400];
    memset(longer, 'a', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    text_trace_id(longer, out);
    assert_int_equal(strlen(out), TEXT_TRACE_ID_MAX);
}

static void test_traceparent(void **state)
{
    (void)state;
    char out[TEXT_TRACEPARENT_SIZE];
    text_traceparent("trace-0AF76519-16cd-43dd-8448-eb211c80319c", 0xb7ad6b7169203331ULL, out);
    assert_string_equal(out, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    static const char *const hashed[] = {"", "call-1@host", "00000000000000000000000000000000", "0af7651916cd43dd"};
    for (size_t i = 0; i < 4; i++) {
        char again[TEXT_TRACEPARENT_SIZE];
        text_traceparent(hashed[i], 1, out);
        text_traceparent(hashed[i], 1, again);
        assert_string_equal(out, again);
        assert_int_equal(strlen(out), TEXT_TRACEPARENT_SIZE - 1);
        assert_int_equal(strspn(out + 3, "0123456789abcdef"), 32);
        assert_true(strspn(out + 3, "0") < 32);
    }
}

/* --- answers -------------------------------------------------------------------------------------------------------
 */

static uint32_t orphans[8];
static size_t orphan_cnt;

static void on_orphan(void *user, uint32_t port, uint64_t owner)
{
    (void)user;
    assert_int_equal(owner, port + 1);
    orphans[orphan_cnt++] = port;
}

static struct answer *put(struct answers *a, struct span key, struct span body, uint32_t port, int64_t now_ms)
{
    return answers_put(a, &(struct answer_args){.key = key, .body = body, .asker = 2, .port = port, .owner = port + 1},
                       now_ms);
}

static void test_answers(void **state)
{
    (void)state;
    struct answers a;
    orphan_cnt = 0;
    answers_init(&a, 3, on_orphan, NULL);
    struct answer *x = put(&a, SPAN("one"), SPAN("body1"), 40000, 0);
    assert_ptr_equal(answers_waiting(&a, 2), x);
    assert_null(answers_waiting(&a, 1)); /* not that asker's */
    answers_delivered(x);
    assert_null(answers_waiting(&a, 2));
    (void)put(&a, SPAN("two"), SPAN("body2"), 40002, 10);
    (void)put(&a, SPAN("three"), SPAN(""), 0, 20);
    assert_true(span_eq(answers_get(&a, SPAN("one"))->body, SPAN("body1")));
    assert_null(answers_get(&a, SPAN("four")));
    (void)put(&a, SPAN("four"), SPAN("body4"), 40004, 30); /* "one" goes; its actor has it */
    assert_int_equal(a.cnt, 3);
    assert_null(answers_get(&a, SPAN("one")));
    assert_int_equal(orphan_cnt, 0);
    (void)put(&a, SPAN("five"), SPAN("body5"), 0, 40); /* "two" goes, and nobody has heard of its port */
    assert_int_equal(orphan_cnt, 1);
    assert_int_equal(orphans[0], 40002);
    answers_expire(&a, ANSWERS_KEEP_MS + 20);
    assert_null(answers_get(&a, SPAN("three")));
    assert_non_null(answers_get(&a, SPAN("four")));
    answers_expire(&a, ANSWERS_KEEP_MS + 40);
    assert_int_equal(a.cnt, 0);
    assert_int_equal(orphan_cnt, 2);
    assert_int_equal(orphans[1], 40004);
    answers_fini(&a);
}

static void test_answer_replaced(void **state)
{
    (void)state;
    struct answers a;
    answers_init(&a, 3, on_orphan, NULL);
    (void)put(&a, SPAN("one"), SPAN("old"), 0, 0);
    (void)put(&a, SPAN("one"), SPAN("new"), 0, 5);
    assert_int_equal(a.cnt, 1);
    assert_true(span_eq(answers_get(&a, SPAN("one"))->body, SPAN("new")));
    testkit_fail_alloc(0);
    assert_null(put(&a, SPAN("two"), SPAN("x"), 0, 5));
    assert_true(testkit_alloc_failed());
    answers_fini(&a);
}

/* --- why -----------------------------------------------------------------------------------------------------------
 */

#define LAST "failed to connect to all addresses; last error: "

static void test_why(void **state)
{
    (void)state;
    static const struct {
        const char *status, *fault, *begin;
        bool lasting;
    } rows[] = {
        {LAST "UNKNOWN: ipv4:127.0.0.1:1: Failed to connect to remote host: Connection refused", "",
         "connection refused (ipv4:127.0.0.1:1: Failed to connect", false},
        {LAST "UNKNOWN: ipv4:127.0.0.1:2: Custom verification check failed with error: UNAUTHENTICATED: Hostname "
              "Verification Check failed.",
         "", "the server's certificate is not for the expected name (ipv4", true},
        {LAST
         "UNKNOWN: ipv4:127.0.0.1:3: Ssl handshake failed: SSL_ERROR_SSL: error:0A000086:SSL routines::certificate "
         "verify failed",
         "", "the server's certificate is not signed by our CA, or has expired", true},
        {LAST "UNAVAILABLE: ipv4:127.0.0.1:4: Socket closed", "",
         "closed right after the handshake: the server may refuse our client certificate", true},
        {LAST "UNAVAILABLE: ipv4:127.0.0.1:4: Endpoint read failed",
         "error:0A000418:SSL routines::tlsv1 alert unknown ca",
         "the server refuses our client certificate: it does not know our CA (ipv4:127.0.0.1:4: Endpoint read failed; "
         "tlsv1 alert unknown ca",
         true},
        {"DNS resolution failed for nosuch.invalid:1: not found", "", "the host name cannot be resolved", false},
        {"something new", "", "cannot connect (something new; name expected: media-service)", false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char out[LINK_WHY_SIZE];
        struct link_why_args a = {.status = rows[i].status, .tls_fault = rows[i].fault, .tls_name = "media-service"};
        assert_int_equal(link_why(&a, out), rows[i].lasting);
        if (strncmp(out, rows[i].begin, strlen(rows[i].begin)) != 0)
            fail_msg("%s", out);
    }
    char huge[2000];
    memset(huge, 'z', sizeof huge - 1);
    huge[sizeof huge - 1] = '\0';
    char out[LINK_WHY_SIZE];
    (void)link_why(&(struct link_why_args){.status = huge, .tls_fault = huge, .tls_name = huge}, out);
    assert_true(strlen(out) < sizeof out);
}

static void test_code_names(void **state)
{
    (void)state;
    for (int c = 0; c < RPC_CODES; c++)
        assert_true(rpc_code_name(c)[0] >= 'A');
    assert_string_equal(rpc_code_name(-1), "UNKNOWN");
    assert_string_equal(rpc_code_name(17), "UNKNOWN");
    assert_string_equal(rpc_code_name(RPC_UNAVAILABLE), "UNAVAILABLE");
}

/* --- the wall clock --------------------------------------------------------------------------------------------- */

static void test_set_back(void **state)
{
    (void)state;
    struct set_back s = {0};
    struct now now = {.mono_ms = 5000, .wall_ms = 1700000000000};
    static const struct {
        int64_t mono_ms, wall_ms; /* that pass until the next look */
        int64_t by_ms;
    } rows[] = {
        {0, 0, 0},         {250, 250, 0},     {250, 3600250, 0},        {250, 250, 0},
        {250, -749, 0},    {250, -750, 1000}, {250, -3600000, 3600250}, {250, 250, 0},
        {60000, 59999, 0}, {250, 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        now.mono_ms += rows[i].mono_ms;
        now.wall_ms += rows[i].wall_ms;
        assert_int_equal(set_back_by(&s, now), rows[i].by_ms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_may_name),        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_message_texts),   cmocka_unit_test(test_trace_id),
        cmocka_unit_test(test_traceparent),     cmocka_unit_test(test_answers),
        cmocka_unit_test(test_answer_replaced), cmocka_unit_test(test_why),
        cmocka_unit_test(test_code_names),      cmocka_unit_test(test_set_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
