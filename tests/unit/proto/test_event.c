#include "tests/unit/proto/event_kit.h"

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

static void dtmf_in_both_forms(void **state)
{
    (void)state;
    struct event_call c = a_call();
    c.digit = '#';
    c.duration_ms = 160;
    c.party = SPAN("callee");
    cJSON *json = build_json(EVENT_CALL_DTMF, &c, 0);
    is_text(json, "eventType", "call.dtmf.received");
    is_text(json, "callId", CALL_ID);
    is_text(json, "digit", "#");
    is_number(json, "duration", 160);
    is_text(json, "party", "callee");
    assert_non_null(cJSON_GetObjectItem(json, "traceId"));
    assert_non_null(cJSON_GetObjectItem(json, "timestamp"));
    cJSON_Delete(json);
    buf_reset(&out);
    assert_int_equal(event_build(&out, EVENT_CALL_DTMF, EVENT_PROTOBUF, EVENT_SHAPE_NEW, &c), 0);
    Sentiric__Event__V1__GenericEvent *g =
        sentiric__event__v1__generic_event__unpack(NULL, out.len, (const uint8_t *)out.p);
    assert_non_null(g);
    assert_string_equal(g->event_type, "call.dtmf.received");
    assert_string_equal(g->trace_id, CALL_ID);
    assert_string_equal(g->payload_json,
                        "{\"callId\":\"" CALL_ID "\",\"digit\":\"#\",\"duration\":160,\"party\":\"callee\"}");
    sentiric__event__v1__generic_event__free_unpacked(g, NULL);
}

static void names(void **state)
{
    (void)state;
    assert_string_equal(event_key(EVENT_CALL_STARTED), "call.started");
    assert_string_equal(event_key(EVENT_CALL_ANSWERED), "call.answered");
    assert_string_equal(event_key(EVENT_CALL_ENDED), "call.ended");
    assert_string_equal(event_key(EVENT_CALL_DTMF), "call.dtmf.received");
    assert_string_equal(event_key(EVENT_TRANSFER_STARTED), "call.transfer.started");
    assert_string_equal(event_key(EVENT_TRANSFER_COMPLETED), "call.transfer.completed");
    assert_string_equal(event_key(EVENT_TRANSFER_FAILED), "call.transfer.failed");
    for (unsigned kind = 0; kind < EVENT_KINDS; kind++)
        assert_int_equal(event_is_optional((enum event_kind)kind), kind > EVENT_CALL_ENDED);
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
        cmocka_unit_test_setup_teardown(started_protobuf, set_up, tear_down),
        cmocka_unit_test_setup_teardown(started_protobuf_of_the_old_shape, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_type_is_derived_from_the_text, set_up, tear_down),
        cmocka_unit_test_setup_teardown(answered_and_ended_protobuf, set_up, tear_down),
        cmocka_unit_test_setup_teardown(dtmf_in_both_forms, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("event", tests, NULL, NULL);
}
