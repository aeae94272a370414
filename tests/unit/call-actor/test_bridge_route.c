/* Where a call goes, as the machine does it: docs/routing.md. What each text leads to is test_route's. */
#include "tests/unit/call-actor/bridge_kit.h"

static const char *const guests[] = {"DP_GUEST", NULL};

static void route_conf(struct kit *k)
{
    bridge_conf(k);
    k->conf.route.trunk = "sip:trunk.example.net:5070";
    k->conf.route.guest_plans = guests;
}

static void call(struct kit *k, const char *uri)
{
    route_conf(k);
    KIT_REQUEST(k, .method = "INVITE", .cseq = 10, .branch = "z9hG4bKinvite", .uri = uri, .body = KIT_OFFER);
}

static bool asks_dialplan(struct kit *k)
{
    return kit_open_job(k, PLANE__RUN_JOB__KIND__SETUP) != NULL;
}

static void plan(struct kit *k, const char *id, const char *action, uint32_t port)
{
    k->plan_id = id;
    kit_setup_done(k, PLANE__JOB_DONE__RESULT__OK, port, action);
}

/* --- users --- */

static void a_user_is_rung_without_the_dialplan(void **s)
{
    struct kit *k = *s;
    call(k, "sip:bob@203.0.113.5");
    kit_assert_state(k, CALL_ST_SETUP);
    assert_string_equal(call_state_shown(k->c), "locating");
    assert_string_equal(bridge_who(k), "bob");
    assert_non_null(kit_effect(k, CALL_EFF_LOCATE, 0));
    assert_false(asks_dialplan(k));
    assert_non_null(kit_arm(k, CALL_TMR_SETUP));
    bridge_rings(k, &bridge_bob, 1);
    kit_assert_state(k, CALL_ST_RINGING);
    kit_assert_has(kit_event(k, "call.started"), "\"action\":\"BRIDGE_CALL\"");
    kit_assert_has(kit_event(k, "call.started"), "\"target\":\"bob\"");
    kit_assert_has(kit_event(k, "call.started"), "\"tenantId\":\"acme\"");
    assert_non_null(bridge_request(k, 1, "INVITE"));
}

static void a_user_who_is_away_is_480(void **s)
{
    struct kit *k = *s;
    call(k, "sip:1001@203.0.113.5");
    bridge_targets(k, "1001", NULL, 0, 480);
    kit_assert_reply(k, 480);
    kit_assert_state(k, CALL_ST_ENDED);
    assert_false(asks_dialplan(k));
    assert_null(kit_event(k, "call.ended"));
}

static void what_is_no_user_may_have_a_plan(void **s)
{
    static const unsigned why[] = {404, 503};
    (void)s;
    for (size_t i = 0; i < 2; i++) {
        struct kit k;
        kit_init(&k);
        call(&k, "sip:service@203.0.113.5");
        bridge_targets(&k, "service", NULL, 0, why[i]);
        kit_assert_state(&k, CALL_ST_SETUP);
        assert_int_equal(k.c->row->n_locating, 0);
        assert_string_equal(kit_job(&k, PLANE__RUN_JOB__KIND__SETUP)->job->destination, "service");
        assert_int_equal(kit_job(&k, PLANE__RUN_JOB__KIND__SETUP)->job->n_portless_plans, 0);
        kit_setup_ok(&k);
        kit_assert_state(&k, CALL_ST_ANSWERED);
        kit_fini(&k);
    }
}

/* A user dials a name that is nobody's, and the dialplan does not know it either. */
static void a_users_call_to_nobody(void **s)
{
    static const unsigned why[] = {404, 503};
    (void)s;
    for (size_t i = 0; i < 2; i++) {
        struct kit k;
        kit_init(&k);
        k.user = "alice";
        call(&k, "sip:nobody@203.0.113.5");
        bridge_targets(&k, "nobody", NULL, 0, why[i]);
        assert_int_equal(kit_job(&k, PLANE__RUN_JOB__KIND__SETUP)->job->n_portless_plans, 1);
        plan(&k, "DP_GUEST", "START_AI_CONVERSATION", 0);
        kit_assert_reply(&k, why[i]);
        kit_assert_state(&k, CALL_ST_ENDED);
        kit_fini(&k);
    }
}

static void asked_again_after_a_restart(void **s)
{
    struct kit *k = *s;
    call(k, "sip:bob@203.0.113.5");
    call_effects_clear(&k->fx);
    call_ask_again(k->c, PLANE__PROC__PROC_NONE, &k->fx, k->now);
    struct call_effect *e = kit_effect(k, CALL_EFF_LOCATE, 0);
    assert_non_null(e);
    assert_memory_equal(e->raw, "bob", 3);
}

static void given_up_while_he_is_looked_for(void **s)
{
    struct kit *k = *s;
    call(k, "sip:bob@203.0.113.5");
    kit_cancel(k);
    kit_assert_state(k, CALL_ST_ENDED);
    bridge_targets(k, "bob", &bridge_bob, 1, 0); /* too late */
    kit_assert_state(k, CALL_ST_ENDED);
    assert_null(bridge_request(k, 1, "INVITE"));
}

static void it_takes_too_long_to_find_him(void **s)
{
    struct kit *k = *s;
    call(k, "sip:bob@203.0.113.5");
    kit_timer(k, CALL_TMR_SETUP);
    kit_assert_reply(k, 503);
    kit_assert_state(k, CALL_ST_ENDED);
}

/* --- plans --- */

static void a_plan_names_a_uri_elsewhere(void **s)
{
    struct kit *k = *s;
    k->bridge_to = "sip:carol@example.org;transport=tcp";
    call(k, "sip:902121234567@203.0.113.5");
    assert_true(asks_dialplan(k));
    plan(k, "DP_1", "BRIDGE_CALL", 0);
    kit_assert_state(k, CALL_ST_RINGING);
    struct call_effect *invite = bridge_request(k, 1, "INVITE");
    kit_assert_has(invite, "INVITE sip:carol@example.org;transport=tcp SIP/2.0\r\n");
    assert_string_equal(invite->next_hop, "sip:carol@example.org;transport=tcp");
    assert_int_equal(k->c->row->n_jobs, 0);
    kit_assert_has(kit_event(k, "call.started"), "\"dialplanId\":\"DP_1\"");
}

static void a_plan_names_a_number(void **s)
{
    struct kit *k = *s;
    k->bridge_to = "905559999999";
    call(k, "sip:902121234567@203.0.113.5");
    plan(k, "DP_1", "BRIDGE_CALL", 0);
    kit_assert_has(bridge_request(k, 1, "INVITE"), "INVITE sip:905559999999@trunk.example.net:5070 SIP/2.0\r\n");
    assert_true(bridge_leg(k, 1)->target->trunk);
}

static void without_a_trunk_a_number_is_nobodys(void **s)
{
    struct kit *k = *s;
    k->bridge_to = "905559999999";
    call(k, "sip:902121234567@203.0.113.5");
    k->conf.route.trunk = "";
    plan(k, "DP_1", "BRIDGE_CALL", KIT_PORT); /* an orchestrator of before took a port */
    kit_assert_reply(k, 404);
    assert_non_null(kit_job(k, PLANE__RUN_JOB__KIND__RELEASE_PORT));
    kit_assert_state(k, CALL_ST_ENDED);
}

static void a_users_number_goes_to_the_trunk(void **s)
{
    struct kit *k = *s;
    k->user = "alice";
    call(k, "sip:05551112233@203.0.113.5");
    Plane__RunJob *job = kit_job(k, PLANE__RUN_JOB__KIND__SETUP)->job;
    assert_int_equal(job->n_portless_plans, 1);
    assert_string_equal(job->portless_plans[0], "DP_GUEST");
    plan(k, "DP_GUEST", "START_AI_CONVERSATION", 0);
    kit_assert_state(k, CALL_ST_RINGING);
    struct call_effect *invite = bridge_request(k, 1, "INVITE");
    kit_assert_has(invite, "INVITE sip:905551112233@trunk.example.net:5070 SIP/2.0\r\n");
    kit_assert_has(invite, "\r\nP-Asserted-Identity: <sip:alice@example.org>\r\n");
}

static void a_strangers_number_is_answered(void **s)
{
    struct kit *k = *s;
    call(k, "sip:05551112233@203.0.113.5");
    assert_int_equal(kit_job(k, PLANE__RUN_JOB__KIND__SETUP)->job->n_portless_plans, 0);
    plan(k, "DP_GUEST", "START_AI_CONVERSATION", KIT_PORT);
    kit_assert_state(k, CALL_ST_ANSWERED);
}

static void a_users_number_that_is_served_is_answered(void **s)
{
    struct kit *k = *s;
    k->user = "alice";
    call(k, "sip:902121234567@203.0.113.5");
    plan(k, "DP_AI", "START_AI_CONVERSATION", KIT_PORT);
    kit_assert_state(k, CALL_ST_ANSWERED);
    assert_int_equal(k->c->row->n_out_legs, 0);
}

static void an_answer_of_ours_needs_a_port(void **s)
{
    struct kit *k = *s;
    call(k, "sip:902121234567@203.0.113.5");
    plan(k, "DP_AI", "START_AI_CONVERSATION", 0);
    kit_assert_reply(k, 503);
}

static void hops_and_privacy_bound_a_planned_uri(void **s)
{
    static const struct {
        const char *more;
        unsigned status;
    } rows[] = {{"Max-Breadth: 0\r\n", 440}, {"Privacy: session;critical\r\n", 500}};
    (void)s;
    for (size_t i = 0; i < 2; i++) {
        struct kit k;
        kit_init(&k);
        route_conf(&k);
        k.bridge_to = "sip:carol@example.org";
        KIT_REQUEST(&k, .method = "INVITE", .cseq = 10, .body = KIT_OFFER, .more = rows[i].more);
        plan(&k, "DP_1", "BRIDGE_CALL", 0);
        kit_assert_reply(&k, rows[i].status);
        kit_assert_state(&k, CALL_ST_ENDED);
        kit_fini(&k);
    }
}

/* --- who calls --- */

static void a_trusted_peer_says_who_calls(void **s)
{
    struct kit *k = *s;
    k->trusted = true;
    route_conf(k);
    KIT_REQUEST(k, .method = "INVITE", .cseq = 10, .from = "<sip:gw.example>;tag=ft1", .body = KIT_OFFER,
                .more = "P-Asserted-Identity: <sip:+902129876543@gw.example>\r\n");
    assert_string_equal(k->c->row->caller, "902129876543");
    assert_string_equal(kit_job(k, PLANE__RUN_JOB__KIND__SETUP)->job->caller, "902129876543");
}

static void a_stranger_does_not(void **s)
{
    struct kit *k = *s;
    route_conf(k);
    KIT_REQUEST(k, .method = "INVITE", .cseq = 10, .from = "<sip:gw.example>;tag=ft1", .body = KIT_OFFER,
                .more = "P-Asserted-Identity: <sip:+902129876543@gw.example>\r\n");
    assert_string_equal(k->c->row->caller, "anonymous");
    assert_string_equal(k->c->row->asserted, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        KIT_TEST(a_user_is_rung_without_the_dialplan),
        KIT_TEST(a_user_who_is_away_is_480),
        KIT_TEST(what_is_no_user_may_have_a_plan),
        KIT_TEST(a_users_call_to_nobody),
        KIT_TEST(asked_again_after_a_restart),
        KIT_TEST(given_up_while_he_is_looked_for),
        KIT_TEST(it_takes_too_long_to_find_him),
        KIT_TEST(a_plan_names_a_uri_elsewhere),
        KIT_TEST(a_plan_names_a_number),
        KIT_TEST(without_a_trunk_a_number_is_nobodys),
        KIT_TEST(a_users_number_goes_to_the_trunk),
        KIT_TEST(a_strangers_number_is_answered),
        KIT_TEST(a_users_number_that_is_served_is_answered),
        KIT_TEST(an_answer_of_ours_needs_a_port),
        KIT_TEST(hops_and_privacy_bound_a_planned_uri),
        KIT_TEST(a_trusted_peer_says_who_calls),
        KIT_TEST(a_stranger_does_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
