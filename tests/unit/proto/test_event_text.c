#include "tests/unit/proto/event_kit.h"

#include "common/base/id.h"

/* --- hostile text --- */

static bool valid_utf8(const char *text)
{
    const unsigned char *p = (const unsigned char *)text;
    while (*p != 0) {
        uint32_t c = *p;
        int more = c < 0x80 ? 0 : c < 0xC0 ? -1 : c < 0xE0 ? 1 : c < 0xF0 ? 2 : c < 0xF8 ? 3 : -1;
        static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
        if (more < 0)
            return false;
        c &= more == 0 ? 0x7Fu : 0x3Fu >> more;
        for (int i = 1; i <= more; i++) {
            if ((p[i] & 0xC0) != 0x80)
                return false;
            c = c << 6 | (p[i] & 0x3F);
        }
        if (c < least[more] || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF))
            return false;
        p += more + 1;
    }
    return true;
}

struct text_case {
    struct span in;
    const char *expect;
};

#define BAD "\xEF\xBF\xBD"

static void hostile_text(void **state)
{
    (void)state;
    static const struct text_case cases[] = {
        {SPAN_INIT("\"\\/\b\f\n\r\t\x1b[2J\x7f"), "\"\\/\b\f\n\r\t\x1b[2J\x7f"},
        {SPAN_INIT("a\0b"), "a" BAD "b"},
        {SPAN_INIT("\xff\xfe"), BAD BAD},
        {SPAN_INIT("\xc3"), BAD},
        {SPAN_INIT("\xc3("), BAD "("},
        {SPAN_INIT("\xc0\xaf"), BAD BAD},                 /* overlong */
        {SPAN_INIT("\xe0\x80\xaf"), BAD BAD BAD},         /* overlong */
        {SPAN_INIT("\xf0\x80\x80\xaf"), BAD BAD BAD BAD}, /* overlong */
        {SPAN_INIT("\xed\xa0\x80"), BAD BAD BAD},         /* surrogate */
        {SPAN_INIT("\xf4\x90\x80\x80"), BAD BAD BAD BAD}, /* past U+10FFFF */
        {SPAN_INIT("\xf8\x88\x80\x80\x80"), BAD BAD BAD BAD BAD},
        {SPAN_INIT("\x80"), BAD},
        {SPAN_INIT("ğ€😀"), "ğ€😀"},
        {SPAN_INIT("\xf0\x9f\x98"), BAD BAD BAD}, /* cut short */
        {SPAN_INIT("</script>\xe2\x80\xa8"), "</script>\xe2\x80\xa8"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct event_call c = a_call();
        c.from = cases[i].in;
        cJSON *json = build_json(EVENT_CALL_STARTED, &c, 0);
        is_text(json, "from", cases[i].expect);
        is_text(json, "fromUri", cases[i].expect);
        cJSON_Delete(json);
        buf_reset(&out);
        assert_int_equal(event_build(&out, EVENT_CALL_STARTED, EVENT_PROTOBUF, EVENT_SHAPE_NEW, &c), 0);
        Sentiric__Event__V1__CallStartedEvent *e =
            sentiric__event__v1__call_started_event__unpack(NULL, out.len, (const uint8_t *)out.p);
        assert_non_null(e);
        assert_string_equal(e->from_uri, cases[i].expect);
        assert_true(valid_utf8(e->from_uri));
        sentiric__event__v1__call_started_event__free_unpacked(e, NULL);
    }
}

static void random_bytes_everywhere(void **state)
{
    (void)state;
    char noise[300];
    for (int i = 0; i < 300; i++) {
        struct event_call c = a_call();
        id_random_bytes(noise, sizeof noise);
        noise[sizeof noise - 1] = '\0';
        c.call_id = c.trace_id = c.to = c.caller_rtp_addr = c.reason = c.ended_by = span_of(noise, sizeof noise);
        data_1.key = data_2.value = user.name = plan.action = noise;
        for (enum event_kind kind = EVENT_CALL_STARTED; kind < EVENT_KINDS; kind++) {
            cJSON *json = build_json(kind, &c, 0);
            assert_true(valid_utf8(at(json, "callId")->valuestring));
            cJSON_Delete(json);
            buf_reset(&out);
            assert_int_equal(event_build(&out, kind, EVENT_PROTOBUF, EVENT_SHAPE_OLD, &c), 0);
        }
    }
    fill_plan();
}

static void long_text_is_cut_between_characters(void **state)
{
    (void)state;
    static char text[3 * EVENT_TEXT_MAX];
    static const char *const units[] = {"x", "ğ", "€", "😀"};
    for (size_t u = 0; u < 4; u++) {
        for (size_t shift = 0; shift < 4; shift++) {
            size_t n = shift;
            memset(text, 'a', shift);
            while (n + 4 < sizeof text) {
                memcpy(text + n, units[u], strlen(units[u]));
                n += strlen(units[u]);
            }
            struct event_call c = a_call();
            c.to = span_of(text, n);
            cJSON *json = build_json(EVENT_CALL_STARTED, &c, 0);
            const char *got = at(json, "to")->valuestring;
            assert_true(strlen(got) <= EVENT_TEXT_MAX && strlen(got) > EVENT_TEXT_MAX - 4);
            assert_null(strstr(got, BAD));
            cJSON_Delete(json);
        }
    }
}

/* --- size and memory --- */

static void a_plan_that_does_not_fit(void **state)
{
    (void)state;
    enum { BIG = 450 << 10 };
    struct event_call c = a_call();
    char *big = malloc(BIG);
    assert_non_null(big);
    memset(big, 'w', BIG - 1);
    big[BIG - 1] = '\0';
    data_1.value = big;
    cJSON *json = build_json(EVENT_CALL_STARTED, &c, EVENT_REDUCED); /* three copies are over the buffer's 1 MiB */
    is_absent(json, "dialplan");
    is_text(json, "dialplanResolution.action.actionData.data.welcome_announcement_id", big);
    is_bool(json, "reduced", true);
    cJSON_Delete(json);
    buf_fini(&out);
    buf_init(&out, EVENT_BODY_MIN);
    json = build_json(EVENT_CALL_STARTED, &c, EVENT_REDUCED);
    is_absent(json, "dialplan");
    is_absent(json, "dialplanResolution");
    is_text(json, "callId", CALL_ID);
    is_bool(json, "reduced", true);
    cJSON_Delete(json);
    buf_reset(&out);
    assert_int_equal(event_build(&out, EVENT_CALL_STARTED, EVENT_PROTOBUF, EVENT_SHAPE_NEW, &c), EVENT_REDUCED);
    free(big);
}

static void the_worst_text_fits_into_the_least_buffer(void **state)
{
    (void)state;
    static char worst[EVENT_TEXT_MAX];
    memset(worst, '\x01', sizeof worst); /* six bytes each */
    struct event_call c = {
        .wall_ms = WALL_MS, .started_wall_ms = 1, .answered_wall_ms = 1, .sip_code = 999, .q850_cause = 127};
    c.call_id = c.trace_id = c.from = c.to = c.direction = c.caller_rtp_addr = c.reason = c.ended_by = c.stage =
        span_of(worst, sizeof worst);
    buf_fini(&out);
    buf_init(&out, EVENT_BODY_MIN);
    for (enum event_kind kind = EVENT_CALL_STARTED; kind < EVENT_KINDS; kind++) {
        cJSON_Delete(build_json(kind, &c, 0));
        buf_reset(&out);
        assert_int_equal(event_build(&out, kind, EVENT_PROTOBUF, EVENT_SHAPE_NEW, &c), 0);
    }
}

static void no_room_leaves_the_buffer_as_it_was(void **state)
{
    (void)state;
    struct event_call c = a_call();
    buf_fini(&out);
    buf_init(&out, 300);
    buf_puts(&out, "before");
    assert_int_equal(event_build(&out, EVENT_CALL_STARTED, EVENT_JSON, EVENT_SHAPE_NEW, &c), -EVENT_EFULL);
    assert_int_equal(event_build(&out, EVENT_CALL_STARTED, EVENT_PROTOBUF, EVENT_SHAPE_NEW, &c), EVENT_REDUCED);
    out.len = 6;
    assert_true(span_eq(buf_span(&out), SPAN("before")));
    assert_false(out.failed);
}

static void memory_that_runs_out(void **state)
{
    (void)state;
    static const enum event_format formats[] = {EVENT_JSON, EVENT_PROTOBUF};
    struct event_call c = a_call();
    for (size_t f = 0; f < 2; f++) {
        for (int kind = EVENT_CALL_STARTED; kind < EVENT_KINDS; kind++) {
            for (unsigned n = 0;; n++) {
                buf_fini(&out);
                buf_init(&out, 1 << 20);
                testkit_fail_alloc(n);
                int rc = event_build(&out, (enum event_kind)kind, formats[f], EVENT_SHAPE_OLD, &c);
                bool failed = testkit_alloc_failed();
                assert_true(rc == 0 || failed);
                assert_true(rc >= 0 || out.len == 0);
                if (!failed)
                    break;
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(hostile_text, set_up, tear_down),
        cmocka_unit_test_setup_teardown(random_bytes_everywhere, set_up, tear_down),
        cmocka_unit_test_setup_teardown(long_text_is_cut_between_characters, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_plan_that_does_not_fit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_worst_text_fits_into_the_least_buffer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_room_leaves_the_buffer_as_it_was, set_up, tear_down),
        cmocka_unit_test_setup_teardown(memory_that_runs_out, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("event_text", tests, NULL, NULL);
}
