#include "tests/unit/testkit.h"

#include "common/base/id.h"
#include "proto/event.h"
#include "proto/platform/event.pb-c.h"
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FROM "\"Ayşe \\\"A\\\"\" <sip:905551112233@192.0.2.1>;tag=x1"
#define TO "<sip:902121234567@example.org>"
#define CALL_ID "a84b4c76e66710@pc33"
#define WALL_MS INT64_C(1758880800123) /* 2025-09-26T10:00:00.123Z */

static Plane__Pair data_1 = PLANE__PAIR__INIT;
static Plane__Pair data_2 = PLANE__PAIR__INIT;
static Plane__Pair *data[] = {&data_1, &data_2};
static Plane__Contact contact = PLANE__CONTACT__INIT;
static Plane__Contact *contacts[] = {&contact, &contact};
static Plane__User user = PLANE__USER__INIT;
static Plane__InboundRoute route = PLANE__INBOUND_ROUTE__INIT;
static Plane__Plan plan = PLANE__PLAN__INIT;
static struct buf out;

static char *z(const char *text)
{
    return (char *)(uintptr_t)text;
}

static int set_up(void **state)
{
    (void)state;
    data_1.key = z("welcome_announcement_id");
    data_1.value = z("ANNOUNCE_\"1\"");
    data_2.key = z("record");
    data_2.value = z("true");
    contact.id = 17;
    contact.user_id = z("u-1");
    contact.type = z("phone");
    contact.value = z("905551112233");
    contact.is_primary = true;
    user.id = z("u-1");
    user.name = z("Ayşe");
    user.tenant_id = z("sentiric_demo");
    user.user_type = z("caller");
    user.contacts = contacts;
    user.n_contacts = 2;
    user.language = z("tr");
    route.phone_number = z("902121234567");
    route.tenant_id = z("sentiric_demo");
    route.active_dialplan_id = z("DP_1");
    route.failsafe_dialplan_id = z("DP_SYSTEM_FAILSAFE");
    route.default_language_code = z("tr");
    plan.dialplan_id = z("DP_1");
    plan.tenant_id = z("sentiric_demo");
    plan.action = z("START_AI_CONVERSATION");
    plan.action_type = 1;
    plan.action_data = data;
    plan.n_action_data = 2;
    plan.matched_user = &user;
    plan.matched_contact = &contact;
    plan.inbound_route = &route;
    buf_init(&out, 1 << 20);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    buf_fini(&out);
    return 0;
}

static struct event_call a_call(void)
{
    return (struct event_call){.call_id = SPAN(CALL_ID),
                               .trace_id = SPAN("trace-abcdef123456"),
                               .from = SPAN(FROM),
                               .to = SPAN(TO),
                               .direction = SPAN("inbound"),
                               .wall_ms = WALL_MS,
                               .plan = &plan,
                               .caller_rtp_addr = SPAN("192.0.2.10:40000"),
                               .server_rtp_port = 10050};
}

/* --- JSON --- */

static cJSON *build_json(enum event_kind kind, const struct event_call *c, int expect)
{
    buf_reset(&out);
    assert_int_equal(event_build(&out, kind, EVENT_JSON, EVENT_SHAPE_NEW, c), expect);
    cJSON *json = cJSON_ParseWithLength(out.p, out.len);
    assert_non_null(json);
    return json;
}

/* "media.server_rtp_port" -> the item, or NULL */
static const cJSON *at(const cJSON *json, const char *path)
{
    char copy[128];
    char *save = NULL;
    (void)snprintf(copy, sizeof copy, "%s", path);
    for (char *key = strtok_r(copy, ".", &save); key != NULL && json != NULL; key = strtok_r(NULL, ".", &save))
        json = cJSON_IsArray(json) ? cJSON_GetArrayItem(json, atoi(key)) : cJSON_GetObjectItemCaseSensitive(json, key);
    return json;
}

static void is_text(const cJSON *json, const char *path, const char *value)
{
    const cJSON *item = at(json, path);
    if (!cJSON_IsString(item))
        fail_msg("%s is not a string", path);
    assert_string_equal(item->valuestring, value);
}

static void is_number(const cJSON *json, const char *path, double value)
{
    const cJSON *item = at(json, path);
    if (!cJSON_IsNumber(item))
        fail_msg("%s is not a number", path);
    assert_true(item->valuedouble > value - 0.5 && item->valuedouble < value + 0.5);
}

static void is_bool(const cJSON *json, const char *path, bool value)
{
    const cJSON *item = at(json, path);
    if (!cJSON_IsBool(item) || cJSON_IsTrue(item) != value)
        fail_msg("%s is not %d", path, value);
}

static void is_absent(const cJSON *json, const char *path)
{
    if (at(json, path) != NULL)
        fail_msg("%s should not be there", path);
}

struct named {
    const char *camel, *snake, *value;
};

/* Every text of a resolution, in one spelling, under `root`. */
static void has_resolution(const cJSON *json, const char *root, bool snake)
{
    static const struct named texts[] = {
        {"dialplanId", "dialplan_id", "DP_1"},
        {"tenantId", "tenant_id", "sentiric_demo"},
        {"action.action", "action.action", "START_AI_CONVERSATION"},
        {"action.actionData.data.welcome_announcement_id", "action.action_data.data.welcome_announcement_id",
         "ANNOUNCE_\"1\""},
        {"action.actionData.data.record", "action.action_data.data.record", "true"},
        {"matchedUser.id", "matched_user.id", "u-1"},
        {"matchedUser.name", "matched_user.name", "Ayşe"},
        {"matchedUser.tenantId", "matched_user.tenant_id", "sentiric_demo"},
        {"matchedUser.userType", "matched_user.user_type", "caller"},
        {"matchedUser.preferredLanguageCode", "matched_user.preferred_language_code", "tr"},
        {"matchedUser.contacts.1.contactValue", "matched_user.contacts.1.contact_value", "905551112233"},
        {"matchedContact.userId", "matched_contact.user_id", "u-1"},
        {"matchedContact.contactType", "matched_contact.contact_type", "phone"},
        {"matchedContact.contactValue", "matched_contact.contact_value", "905551112233"},
        {"inboundRoute.phoneNumber", "inbound_route.phone_number", "902121234567"},
        {"inboundRoute.tenantId", "inbound_route.tenant_id", "sentiric_demo"},
        {"inboundRoute.activeDialplanId", "inbound_route.active_dialplan_id", "DP_1"},
        {"inboundRoute.failsafeDialplanId", "inbound_route.failsafe_dialplan_id", "DP_SYSTEM_FAILSAFE"},
        {"inboundRoute.defaultLanguageCode", "inbound_route.default_language_code", "tr"},
    };
    char path[128];
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        (void)snprintf(path, sizeof path, "%s.%s", root, snake ? texts[i].snake : texts[i].camel);
        is_text(json, path, texts[i].value);
    }
    (void)snprintf(path, sizeof path, "%s.%s", root, snake ? "matched_contact.is_primary" : "matchedContact.isPrimary");
    is_bool(json, path, true);
    (void)snprintf(path, sizeof path, "%s.%s", root, snake ? "matched_contact.id" : "matchedContact.id");
    is_number(json, path, 17);
    (void)snprintf(path, sizeof path, "%s.%s", root,
                   snake ? "inbound_route.is_maintenance_mode" : "inboundRoute.isMaintenanceMode");
    is_bool(json, path, false);
}

static void started_json_is_the_superset(void **state)
{
    (void)state;
    struct event_call c = a_call();
    cJSON *json = build_json(EVENT_CALL_STARTED, &c, 0);
    static const char *const texts[][2] = {
        {"eventType", "call.started"},
        {"traceId", "trace-abcdef123456"},
        {"callId", CALL_ID},
        {"from", FROM},
        {"fromUri", FROM},
        {"to", TO},
        {"toUri", TO},
        {"direction", "inbound"},
        {"timestamp", "2025-09-26T10:00:00.123Z"},
        {"media.caller_rtp_addr", "192.0.2.10:40000"},
        {"mediaInfo.callerRtpAddr", "192.0.2.10:40000"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        is_text(json, texts[i][0], texts[i][1]);
    is_number(json, "media.server_rtp_port", 10050);
    is_number(json, "mediaInfo.serverRtpPort", 10050);
    has_resolution(json, "dialplan", false);
    has_resolution(json, "dialplan", true);
    has_resolution(json, "dialplanResolution", false);
    is_absent(json, "dialplanResolution.action.action_data");
    is_absent(json, "dialplanResolution.inboundRoute.offHoursDialplanId"); /* optional and unknown */
    is_absent(json, "reduced");
    cJSON_Delete(json);
}

static void started_json_with_nothing_known(void **state)
{
    (void)state;
    struct event_call c = {.call_id = SPAN(CALL_ID)};
    cJSON *json = build_json(EVENT_CALL_STARTED, &c, 0);
    is_text(json, "traceId", CALL_ID);
    is_text(json, "media.caller_rtp_addr", ""); /* text, never null: a consumer falls over it */
    is_text(json, "mediaInfo.callerRtpAddr", "");
    is_number(json, "mediaInfo.serverRtpPort", 0);
    is_text(json, "timestamp", "1970-01-01T00:00:00.000Z");
    is_absent(json, "dialplan");
    is_absent(json, "direction");
    cJSON_Delete(json);
    Plane__Plan bare = PLANE__PLAN__INIT;
    c.plan = &bare;
    json = build_json(EVENT_CALL_STARTED, &c, 0);
    assert_true(cJSON_IsObject(at(json, "dialplanResolution.action.actionData.data")));
    is_absent(json, "dialplanResolution.matchedUser");
    is_absent(json, "dialplan.matched_user");
    cJSON_Delete(json);
}

static void answered_json(void **state)
{
    (void)state;
    struct event_call c = a_call();
    cJSON *json = build_json(EVENT_CALL_ANSWERED, &c, 0);
    is_text(json, "eventType", "call.answered");
    is_text(json, "traceId", "trace-abcdef123456");
    is_text(json, "callId", CALL_ID);
    is_text(json, "timestamp", "2025-09-26T10:00:00.123Z");
    is_absent(json, "dialplan");
    cJSON_Delete(json);
}

static void ended_json(void **state)
{
    (void)state;
    struct event_call c = a_call();
    c.reason = SPAN("normal_clearing");
    c.ended_by = SPAN("caller");
    c.stage = SPAN("established");
    c.q850_cause = 16;
    c.started_wall_ms = WALL_MS - 61000;
    c.answered_wall_ms = WALL_MS - 60000;
    cJSON *json = build_json(EVENT_CALL_ENDED, &c, 0);
    is_text(json, "eventType", "call.ended");
    is_text(json, "reason", "normal_clearing");
    is_text(json, "endedBy", "caller");
    is_text(json, "stage", "established");
    is_number(json, "q850Cause", 16);
    is_number(json, "durationMs", 61000);
    is_number(json, "talkMs", 60000);
    is_text(json, "answeredAt", "2025-09-26T09:59:00.123Z");
    is_absent(json, "sipCode");
    is_absent(json, "mediaInfo"); /* its consumer would release a port that is ours */
    cJSON_Delete(json);
    c.answered_wall_ms = 0;
    c.started_wall_ms = WALL_MS + 5; /* the clock was set back */
    c.sip_code = 486;
    json = build_json(EVENT_CALL_ENDED, &c, 0);
    is_number(json, "sipCode", 486);
    is_number(json, "durationMs", 0);
    is_absent(json, "talkMs");
    is_absent(json, "answeredAt");
    cJSON_Delete(json);
}

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
        for (enum event_kind kind = EVENT_CALL_STARTED; kind <= EVENT_CALL_ENDED; kind++) {
            cJSON *json = build_json(kind, &c, 0);
            assert_true(valid_utf8(at(json, "callId")->valuestring));
            cJSON_Delete(json);
            buf_reset(&out);
            assert_int_equal(event_build(&out, kind, EVENT_PROTOBUF, EVENT_SHAPE_OLD, &c), 0);
        }
    }
    (void)set_up(NULL);
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
    for (enum event_kind kind = EVENT_CALL_STARTED; kind <= EVENT_CALL_ENDED; kind++) {
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
        for (int kind = EVENT_CALL_STARTED; kind <= EVENT_CALL_ENDED; kind++) {
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

/* --- protobuf --- */

static Sentiric__Event__V1__CallStartedEvent *build_started(enum event_shape shape)
{
    struct event_call c = a_call();
    buf_reset(&out);
    assert_int_equal(event_build(&out, EVENT_CALL_STARTED, EVENT_PROTOBUF, shape, &c), 0);
    Sentiric__Event__V1__CallStartedEvent *e =
        sentiric__event__v1__call_started_event__unpack(NULL, out.len, (const uint8_t *)out.p);
    assert_non_null(e);
    return e;
}

static void started_protobuf(void **state)
{
    (void)state;
    Sentiric__Event__V1__CallStartedEvent *e = build_started(EVENT_SHAPE_NEW);
    assert_string_equal(e->event_type, "call.started");
    assert_string_equal(e->trace_id, CALL_ID); /* not the trace id: consumers look the call up by it */
    assert_string_equal(e->call_id, CALL_ID);
    assert_string_equal(e->from_uri, FROM);
    assert_string_equal(e->to_uri, TO);
    assert_int_equal(e->timestamp->seconds, WALL_MS / 1000);
    assert_int_equal(e->timestamp->nanos, 123000000);
    assert_string_equal(e->media_info->caller_rtp_addr, "192.0.2.10:40000");
    assert_int_equal(e->media_info->server_rtp_port, 10050);
    Sentiric__Dialplan__V1__ResolveDialplanResponse *r = e->dialplan_resolution;
    assert_string_equal(r->dialplan_id, "DP_1");
    assert_string_equal(r->tenant_id, "sentiric_demo");
    assert_string_equal(r->matched_user->name, "Ayşe");
    assert_int_equal(r->matched_user->n_contacts, 2);
    assert_int_equal(r->matched_contact->id, 17);
    assert_string_equal(r->inbound_route->default_language_code, "tr");
    Sentiric__Dialplan__V1__DialplanActionTyped *a =
        sentiric__dialplan__v1__dialplan_action_typed__unpack(NULL, r->action.len, r->action.data);
    assert_non_null(a);
    assert_string_equal(a->action, "START_AI_CONVERSATION");
    assert_int_equal(a->type, 1);
    assert_int_equal(a->n_action_data, 2);
    assert_string_equal(a->action_data[1]->key, "record");
    assert_string_equal(a->action_data[1]->value, "true");
    sentiric__dialplan__v1__dialplan_action_typed__free_unpacked(a, NULL);
    sentiric__event__v1__call_started_event__free_unpacked(e, NULL);
}

static void started_protobuf_of_the_old_shape(void **state)
{
    (void)state;
    Sentiric__Event__V1__CallStartedEvent *e = build_started(EVENT_SHAPE_OLD);
    ProtobufCBinaryData bytes = e->dialplan_resolution->action;
    Sentiric__Dialplan__V1__DialplanActionLegacy *a =
        sentiric__dialplan__v1__dialplan_action_legacy__unpack(NULL, bytes.len, bytes.data);
    assert_non_null(a);
    assert_string_equal(a->action, "START_AI_CONVERSATION");
    assert_int_equal(a->action_data->n_data, 2);
    assert_string_equal(a->action_data->data[0]->value, "ANNOUNCE_\"1\"");
    sentiric__dialplan__v1__dialplan_action_legacy__free_unpacked(a, NULL);
    sentiric__event__v1__call_started_event__free_unpacked(e, NULL);
}

static int type_of(const char *action)
{
    plan.action = z(action);
    plan.action_type = 0;
    Sentiric__Event__V1__CallStartedEvent *e = build_started(EVENT_SHAPE_NEW);
    Sentiric__Dialplan__V1__DialplanActionTyped *a = sentiric__dialplan__v1__dialplan_action_typed__unpack(
        NULL, e->dialplan_resolution->action.len, e->dialplan_resolution->action.data);
    assert_non_null(a);
    int type = (int)a->type;
    sentiric__dialplan__v1__dialplan_action_typed__free_unpacked(a, NULL);
    sentiric__event__v1__call_started_event__free_unpacked(e, NULL);
    return type;
}

static void the_type_is_derived_from_the_text(void **state)
{
    (void)state;
    assert_int_equal(type_of("START_AI_CONVERSATION"), 1);
    assert_int_equal(type_of("BRIDGE_CALL"), 2);
    assert_int_equal(type_of("ECHO_TEST"), 3);
    assert_int_equal(type_of("ECHO"), 3);
    assert_int_equal(type_of("PLAY_STATIC_ANNOUNCEMENT"), 4);
    assert_int_equal(type_of("PLAY_ANNOUNCEMENT"), 4);
    assert_int_equal(type_of("ENQUEUE_CALL"), 5);
    assert_int_equal(type_of("PROCESS_GUEST_CALL"), 0);
}

static void answered_and_ended_protobuf(void **state)
{
    (void)state;
    struct event_call c = a_call();
    c.reason = SPAN("busy");
    buf_reset(&out);
    assert_int_equal(event_build(&out, EVENT_CALL_ANSWERED, EVENT_PROTOBUF, EVENT_SHAPE_NEW, &c), 0);
    Sentiric__Event__V1__GenericEvent *g =
        sentiric__event__v1__generic_event__unpack(NULL, out.len, (const uint8_t *)out.p);
    assert_non_null(g);
    assert_string_equal(g->event_type, "call.answered");
    assert_string_equal(g->trace_id, CALL_ID);
    assert_string_equal(g->tenant_id, "sentiric_demo");
    assert_string_equal(g->payload_json, "{\"callId\":\"" CALL_ID "\"}");
    assert_int_equal(g->timestamp->seconds, WALL_MS / 1000);
    sentiric__event__v1__generic_event__free_unpacked(g, NULL);
    buf_reset(&out);
    assert_int_equal(event_build(&out, EVENT_CALL_ENDED, EVENT_PROTOBUF, EVENT_SHAPE_NEW, &c), 0);
    Sentiric__Event__V1__CallEndedEvent *e =
        sentiric__event__v1__call_ended_event__unpack(NULL, out.len, (const uint8_t *)out.p);
    assert_non_null(e);
    assert_string_equal(e->event_type, "call.ended");
    assert_string_equal(e->trace_id, CALL_ID);
    assert_string_equal(e->call_id, CALL_ID);
    assert_string_equal(e->reason, "busy");
    sentiric__event__v1__call_ended_event__free_unpacked(e, NULL);
}

static void names(void **state)
{
    (void)state;
    assert_string_equal(event_key(EVENT_CALL_STARTED), "call.started");
    assert_string_equal(event_key(EVENT_CALL_ANSWERED), "call.answered");
    assert_string_equal(event_key(EVENT_CALL_ENDED), "call.ended");
    assert_string_equal(event_content_type(EVENT_JSON), "application/json");
    assert_string_equal(event_content_type(EVENT_PROTOBUF), "application/protobuf");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(started_json_is_the_superset, set_up, tear_down),
        cmocka_unit_test_setup_teardown(started_json_with_nothing_known, set_up, tear_down),
        cmocka_unit_test_setup_teardown(answered_json, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ended_json, set_up, tear_down),
        cmocka_unit_test_setup_teardown(hostile_text, set_up, tear_down),
        cmocka_unit_test_setup_teardown(random_bytes_everywhere, set_up, tear_down),
        cmocka_unit_test_setup_teardown(long_text_is_cut_between_characters, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_plan_that_does_not_fit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_worst_text_fits_into_the_least_buffer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_room_leaves_the_buffer_as_it_was, set_up, tear_down),
        cmocka_unit_test_setup_teardown(memory_that_runs_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(started_protobuf, set_up, tear_down),
        cmocka_unit_test_setup_teardown(started_protobuf_of_the_old_shape, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_type_is_derived_from_the_text, set_up, tear_down),
        cmocka_unit_test_setup_teardown(answered_and_ended_protobuf, set_up, tear_down),
        cmocka_unit_test(names),
    };
    return cmocka_run_group_tests_name("event", tests, NULL, NULL);
}
