#include "tests/unit/testkit.h"

#include "proto/platform/event.pb-c.h"
#include "publisher/command.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TERMINATE SPAN("call.terminate.request")
#define TRANSFER SPAN("call.transfer.request")

static struct command parse(struct span key, const char *body)
{
    struct command c;
    command_parse(&c, &(struct command_message){.routing_key = key, .body = span_cstr(body)});
    return c;
}

static void expect(struct span key, const char *body, enum command_kind kind, const char *call_id, const char *reason)
{
    struct command c = parse(key, body);
    assert_int_equal(c.kind, kind);
    assert_null(c.why);
    assert_string_equal(c.call_id, call_id);
    assert_string_equal(c.reason, reason);
}

static void json_forms(void **state)
{
    (void)state;
    expect(TERMINATE, "{\"callId\":\"a@b\"}", COMMAND_TERMINATE, "a@b", "");
    expect(TERMINATE, " \r\n{\"callId\":\"x\",\"reason\":\"r\"}\n", COMMAND_TERMINATE, "x", "r");
    expect(TERMINATE, "{\"eventType\":\"something\",\"callId\":\"x\",\"n\":[1,{}]}", COMMAND_TERMINATE, "x", "");
    expect(TERMINATE, "{\"callId\":\"x\",\"reason\":7}", COMMAND_TERMINATE, "x", "");
    expect(TRANSFER, "{\"callId\":\"x\",\"target\":\"1002\"}", COMMAND_TRANSFER, "x", "");
    /* Put into the queue directly: the key is the queue's name, the body says what it is. */
    expect(SPAN("sentiric.queue"), "{\"eventType\":\"call.terminate.request\",\"callId\":\"x\"}", COMMAND_TERMINATE,
           "x", "");
    expect(SPAN(""), "{\"eventType\":\"call.transfer.request\",\"callId\":\"x\",\"to\":\"1002\"}", COMMAND_TRANSFER,
           "x", "");
}

static struct command parse_generic(struct span key, const char *type, const char *trace, const char *payload)
{
    Sentiric__Event__V1__GenericEvent e = SENTIRIC__EVENT__V1__GENERIC_EVENT__INIT;
    Sentiric__Event__V1__Timestamp t = SENTIRIC__EVENT__V1__TIMESTAMP__INIT;
    uint8_t bytes[2048];
    struct command c;
    t.seconds = 1764000000;
    e.event_type = (char *)(uintptr_t)type;
    e.trace_id = (char *)(uintptr_t)trace;
    e.tenant_id = (char *)(uintptr_t) "tenant";
    e.payload_json = (char *)(uintptr_t)payload;
    e.timestamp = &t;
    size_t n = sentiric__event__v1__generic_event__pack(&e, bytes);
    command_parse(&c, &(struct command_message){.routing_key = key, .body = span_of((const char *)bytes, n)});
    return c;
}

static void protobuf_forms(void **state)
{
    (void)state;
    struct command c =
        parse_generic(TERMINATE, "call.terminate.request", "trace", "{\"callId\":\"x\",\"reason\":\"BROKEN\"}");
    assert_int_equal(c.kind, COMMAND_TERMINATE);
    assert_string_equal(c.call_id, "x");
    assert_string_equal(c.reason, "BROKEN");
    c = parse_generic(TERMINATE, "call.terminate.request", "trace", "");
    assert_string_equal(c.call_id, "trace");
    c = parse_generic(TERMINATE, "", "trace", "{\"reason\":\"r\"}");
    assert_string_equal(c.call_id, "trace");
    assert_string_equal(c.reason, "r");
    c = parse_generic(SPAN("other"), "call.terminate.request", "trace", "{}");
    assert_int_equal(c.kind, COMMAND_TERMINATE);
    c = parse_generic(SPAN("other"), "call.started", "trace", "{}");
    assert_int_equal(c.kind, COMMAND_BAD);
    c = parse_generic(TERMINATE, "", "trace", "no json");
    assert_int_equal(c.kind, COMMAND_BAD);
}

static void malformed(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "",
        "{",
        "{}",
        "[]",
        "null",
        "\"x\"",
        "{\"callId\":5}",
        "{\"callId\":\"\"}",
        "{\"callId\":null}",
        "{\"callId\":\"a b\"}",
        "{\"callId\":\"a\\nb\"}",
        "{\"callId\":\"a\\u0000b\"}",
        "{\"callId\":\"x\"",
        "{\"callId\":\"x\"}}}x{",
        "\x0a\xff\xff\xff\xff\x7f",
        "\x12\x05\x61\x62",
        "{\"callid\":\"x\"}",
        "{\"a\":{\"callId\":\"x\"}}",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        struct command c = parse(TERMINATE, bodies[i]);
        if (i == 13) {
            assert_int_equal(c.kind, COMMAND_TERMINATE); /* cJSON stops at the end of the object */
            continue;
        }
        assert_int_equal(c.kind, COMMAND_BAD);
        assert_non_null(c.why);
    }
}

static void call_id_length(void **state)
{
    (void)state;
    char body[2 * COMMAND_TEXT_MAX];
    char id[COMMAND_TEXT_MAX + 1];
    memset(id, 'x', sizeof id);
    (void)snprintf(body, sizeof body, "{\"callId\":\"%.*s\"}", COMMAND_TEXT_MAX - 1, id);
    assert_int_equal(parse(TERMINATE, body).kind, COMMAND_TERMINATE);
    (void)snprintf(body, sizeof body, "{\"callId\":\"%.*s\"}", COMMAND_TEXT_MAX, id);
    assert_int_equal(parse(TERMINATE, body).kind, COMMAND_BAD);
    (void)snprintf(body, sizeof body, "{\"callId\":\"x\",\"reason\":\"%.*s\"}", COMMAND_TEXT_MAX, id);
    struct command c = parse(TERMINATE, body);
    assert_int_equal(c.kind, COMMAND_TERMINATE);
    assert_int_equal(strlen(c.reason), COMMAND_TEXT_MAX - 1);
}

static void deep_json_does_not_exhaust_the_stack(void **state)
{
    (void)state;
    enum { DEPTH = 65536 };
    char *deep = malloc(DEPTH + 1);
    assert_non_null(deep);
    memset(deep, '[', DEPTH);
    deep[DEPTH] = '\0';
    memcpy(deep, "{\"a\":", 5);
    assert_int_equal(parse(TERMINATE, deep).kind, COMMAND_BAD);
    free(deep);
}

/* Every cut and every changed byte of good bodies: no crash, and never a usable command without a call id. */
static void cuts_and_flips(void **state)
{
    (void)state;
    static const char *const good[] = {"{\"eventType\":\"call.terminate.request\",\"callId\":\"abc\",\"reason\":\"r\"}",
                                       "\x0a\x16"
                                       "call.terminate.request\x12\x03"
                                       "abc\x2a\x02{}"};
    for (size_t g = 0; g < 2; g++) {
        size_t n = strlen(good[g]);
        for (size_t cut = 0; cut <= n; cut++) {
            for (int flip = 0; flip < 256; flip += 5) {
                char *body = malloc(n + 1); /* of its own, so that an overread is seen */
                struct command c;
                assert_non_null(body);
                memcpy(body, good[g], n);
                if (cut < n)
                    body[cut] = (char)(body[cut] ^ flip);
                command_parse(&c, &(struct command_message){.routing_key = TERMINATE,
                                                            .body = span_of(body, flip == 0 ? cut : n)});
                assert_true(c.kind == COMMAND_BAD ? c.why != NULL : c.call_id[0] != '\0');
                free(body);
            }
        }
    }
}

static void what_a_transfer_and_a_call_need(void **state)
{
    (void)state;
    struct command c = parse(TRANSFER, "{\"callId\":\"x\",\"transferTargetUri\":\"sip:1002@h\",\"stays\":\"callee\","
                                       "\"idempotencyKey\":\"k\"}");
    assert_int_equal(c.kind, COMMAND_TRANSFER);
    assert_string_equal(c.to, "sip:1002@h");
    assert_string_equal(c.stays, "callee");
    assert_string_equal(c.key, "k");
    c = parse(SPAN("call.initiate.request"), "{\"from\":\"1001\",\"to\":\"1002\"}");
    assert_int_equal(c.kind, COMMAND_INITIATE);
    assert_string_equal(c.call_id, "");
    assert_string_equal(parse(TRANSFER, "{\"callId\":\"x\"}").why, "no target");
    assert_string_equal(parse(TRANSFER, "{\"target\":\"x\"}").why, "no usable call id");
    assert_string_equal(parse(SPAN("call.initiate.request"), "{\"to\":\"x\"}").why, "no from");
    assert_string_equal(parse(SPAN("call.initiate.request"), "{\"from\":\"x\"}").why, "no target");
}

/* Delivered twice, it is the same. */
static void the_key_is_told_or_follows(void **state)
{
    (void)state;
    const char *body = "{\"callId\":\"x\",\"target\":\"1002\"}";
    struct command a = parse(TRANSFER, body), b = parse(TRANSFER, body);
    struct command other = parse(TRANSFER, "{\"callId\":\"x\",\"target\":\"1003\"}");
    assert_string_equal(a.key, b.key);
    assert_string_not_equal(a.key, other.key);
    command_parse(
        &a, &(struct command_message){.routing_key = TRANSFER, .message_id = SPAN("m1"), .body = span_cstr(body)});
    assert_string_equal(a.key, "m1");
}

static void a_text_that_is_too_long_is_malformed(void **state)
{
    (void)state;
    char body[COMMAND_TEXT_MAX + 64], target[COMMAND_TEXT_MAX + 1];
    memset(target, 'a', sizeof target);
    for (size_t len = COMMAND_TEXT_MAX - 1; len <= COMMAND_TEXT_MAX; len++) {
        (void)snprintf(body, sizeof body, "{\"callId\":\"x\",\"target\":\"%.*s\"}", (int)len, target);
        assert_int_equal(parse(TRANSFER, body).kind, len < COMMAND_TEXT_MAX ? COMMAND_TRANSFER : COMMAND_BAD);
    }
}

static void memory_that_runs_out_is_a_malformed_command(void **state)
{
    (void)state;
    for (unsigned n = 0;; n++) {
        testkit_fail_alloc(n);
        struct command c = parse(TERMINATE, "{\"callId\":\"x\",\"reason\":\"r\"}");
        bool failed = testkit_alloc_failed();
        assert_true(c.kind == COMMAND_BAD ? failed : strcmp(c.call_id, "x") == 0);
        if (!failed)
            return;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_forms),
        cmocka_unit_test(protobuf_forms),
        cmocka_unit_test(malformed),
        cmocka_unit_test(call_id_length),
        cmocka_unit_test(what_a_transfer_and_a_call_need),
        cmocka_unit_test(the_key_is_told_or_follows),
        cmocka_unit_test(a_text_that_is_too_long_is_malformed),
        cmocka_unit_test(deep_json_does_not_exhaust_the_stack),
        cmocka_unit_test(cuts_and_flips),
        cmocka_unit_test(memory_that_runs_out_is_a_malformed_command),
    };
    return cmocka_run_group_tests_name("command", tests, NULL, NULL);
}
