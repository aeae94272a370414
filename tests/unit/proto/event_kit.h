/* One call with everything a plan can have, and looking into the JSON made of it. Included by test_event*.c alone. */
#ifndef TESTS_UNIT_PROTO_EVENT_KIT_H
#define TESTS_UNIT_PROTO_EVENT_KIT_H

#include "tests/unit/testkit.h"

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

static inline char *z(const char *text)
{
    return (char *)(uintptr_t)text;
}

static inline void fill_plan(void)
{
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
}

static inline int set_up(void **state)
{
    (void)state;
    fill_plan();
    buf_init(&out, 1 << 20);
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    buf_fini(&out);
    return 0;
}

static inline struct event_call a_call(void)
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

static inline cJSON *build_json(enum event_kind kind, const struct event_call *c, int expect)
{
    buf_reset(&out);
    assert_int_equal(event_build(&out, kind, EVENT_JSON, EVENT_SHAPE_NEW, c), expect);
    cJSON *json = cJSON_ParseWithLength(out.p, out.len);
    assert_non_null(json);
    return json;
}

/* "media.server_rtp_port" -> the item, or NULL */
static inline const cJSON *at(const cJSON *json, const char *path)
{
    char copy[128];
    char *save = NULL;
    (void)snprintf(copy, sizeof copy, "%s", path);
    for (char *key = strtok_r(copy, ".", &save); key != NULL && json != NULL; key = strtok_r(NULL, ".", &save))
        json = cJSON_IsArray(json) ? cJSON_GetArrayItem(json, atoi(key)) : cJSON_GetObjectItemCaseSensitive(json, key);
    return json;
}

static inline void is_text(const cJSON *json, const char *path, const char *value)
{
    const cJSON *item = at(json, path);
    if (!cJSON_IsString(item))
        fail_msg("%s is not a string", path);
    assert_string_equal(item->valuestring, value);
}

static inline void is_number(const cJSON *json, const char *path, double value)
{
    const cJSON *item = at(json, path);
    if (!cJSON_IsNumber(item))
        fail_msg("%s is not a number", path);
    assert_true(item->valuedouble > value - 0.5 && item->valuedouble < value + 0.5);
}

static inline void is_bool(const cJSON *json, const char *path, bool value)
{
    const cJSON *item = at(json, path);
    if (!cJSON_IsBool(item) || cJSON_IsTrue(item) != value)
        fail_msg("%s is not %d", path, value);
}

static inline void is_absent(const cJSON *json, const char *path)
{
    if (at(json, path) != NULL)
        fail_msg("%s should not be there", path);
}

#endif
