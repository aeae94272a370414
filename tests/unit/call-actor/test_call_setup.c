/* From INVITE to 200. */
#include "tests/unit/call-actor/call_kit.h"

#include "call-actor/call_job.h"
#include "call-actor/leg.h"
#include "common/base/id.h"

/* --- the INVITE that is taken --- */

static void invite_asks_one_setup_job(void **s)
{
    struct kit *k = *s;
    kit_invite(k);
    kit_assert_state(k, CALL_ST_SETUP);
    assert_int_equal(kit_count(k, CALL_EFF_JOB), 1);
    assert_int_equal(kit_count(k, CALL_EFF_REPLY), 0); /* the edge has sent 100 */
    const Plane__RunJob *job = kit_job(k, PLANE__RUN_JOB__KIND__SETUP)->job;
    assert_string_equal(job->caller, "905321112233");
    assert_string_equal(job->caller_type, "phone");
    assert_string_equal(job->destination, "902121234567");
    assert_string_equal(job->call_id, "kit-call@192.0.2.1");
    assert_memory_equal(job->trace_id, "trace-", 6);
    assert_int_equal(job->budget_ms, 10000);
    assert_int_equal(job->n_portless_actions, 1);
    assert_string_equal(job->portless_actions[0], "BRIDGE_CALL");
    assert_int_equal(call_key_of(row_span(job->id)), KIT_KEY);
    assert_int_equal(id_shard(row_span(job->id)), 3);
    assert_int_equal(kit_arm(k, CALL_TMR_SETUP)->at_wall_ms, KIT_WALL + 10000);
}

static void invite_is_in_the_row_before_anything_is_said(void **s)
{
    struct kit *k = *s;
    kit_invite(k);
    const Store__CallRow *row = k->c->row;
    assert_true(k->c->dirty && k->c->storable);
    assert_int_equal(id_shard(span_cstr(row->a->local_tag)), 3);
    assert_true(strlen(row->a->local_tag) >= 3 + LEG_TAG_RANDOM);
    assert_string_equal(row->a->remote_tag, "ft1");
    assert_string_equal(row->a->remote_target, "sip:ali@192.0.2.1:5070");
    assert_string_equal(call_from(k->c), "\"Ali\" <sip:05321112233@192.0.2.1>;tag=ft1");
    assert_string_equal(call_to(k->c), "<sip:902121234567@203.0.113.5>");
    assert_int_equal(row->a->n_routes, 2); /* byte for byte, in order: RFC 3261 §12.1.1 */
    assert_string_equal(row->a->routes[0], "<sip:p2.example;lr;trasport=udp>");
    assert_string_equal(row->a->routes[1], "<sip:p1.example;lr>;ftag=x");
    assert_int_equal(row->a->remote_cseq, 10);
    assert_int_equal(row->invite_cseq, 10);
    assert_string_equal(row->caller_rtp, "192.0.2.10:40000");
    assert_string_equal(row->direction, "inbound");
    assert_true(call_is_busy(k->c) && call_is_live(k->c));
}

static void names_differ_between_calls(void **s)
{
    struct kit *k = *s;
    struct kit other;
    kit_invite(k);
    kit_init(&other);
    kit_invite(&other);
    assert_string_not_equal(k->c->row->a->local_tag, other.c->row->a->local_tag);
    assert_string_not_equal(k->c->row->trace_id, other.c->row->trace_id);
    kit_fini(&other);
}

static void repeated_invite_in_setup_says_nothing(void **s)
{
    struct kit *k = *s;
    kit_invite(k);
    kit_invite(k);
    assert_int_equal(k->fx.count, 0);
    assert_int_equal(k->c->row->n_jobs, 1);
    kit_assert_state(k, CALL_ST_SETUP);
}

static void merged_invite_gets_482(void **s)
{
    struct kit *k = *s;
    kit_invite(k);
    KIT_REQUEST(k, .method = "INVITE", .cseq = 10, .body = KIT_OFFER);
    (void)kit_assert_reply(k, 482);
    kit_assert_state(k, CALL_ST_SETUP);
}

static void destination_falls_back_to_to(void **s)
{
    struct kit *k = *s;
    KIT_REQUEST(k, .method = "INVITE", .cseq = 1, .uri = "sip:203.0.113.5", .to = "<sip:+902121230000@example.com>");
    assert_string_equal(k->c->row->destination, "902121230000");
}

static void names_are_asked_as_names(void **s)
{
    struct kit *k = *s;
    KIT_REQUEST(k, .method = "INVITE", .cseq = 1, .uri = "sip:service@203.0.113.5",
                .from = "sipp <sip:sipp@192.0.2.1>;tag=1");
    assert_string_equal(k->c->row->destination, "service");
    struct call_input in = {.type = CALL_IN_TARGETS, .who = SPAN("service"), .status = 404};
    kit_step(k, &in); /* nobody is called so: the dialplan may know */
    assert_string_equal(kit_job(k, PLANE__RUN_JOB__KIND__SETUP)->job->caller_type, "sip");
}

static void caller_without_number_is_anonymous(void **s)
{
    struct kit *k = *s;
    KIT_REQUEST(k, .method = "INVITE", .cseq = 1, .from = "<sip:192.0.2.1>;tag=1");
    assert_string_equal(k->c->row->caller, "anonymous");
    assert_string_equal(kit_job(k, PLANE__RUN_JOB__KIND__SETUP)->job->caller_type, ""); /* nobody to look up */
}

static void step_is_shown_but_not_stored(void **s)
{
    struct kit *k = *s;
    kit_invite(k);
    k->c->dirty = false;
    Plane__JobStep step = PLANE__JOB_STEP__INIT;
    step.id = k->c->row->jobs[0]->id;
    step.step = (char *)(uintptr_t) "dialplan";
    step.outcome = (char *)(uintptr_t) "started";
    struct call_input in = {.type = CALL_IN_JOB_STEP, .step = &step};
    kit_step(k, &in);
    assert_string_equal(k->c->row->step, "dialplan");
    assert_false(k->c->dirty);
    step.step = (char *)(uintptr_t) "user";
    step.outcome = (char *)(uintptr_t) "found"; /* came, and is not what it waits for */
    kit_step(k, &in);
    assert_string_equal(k->c->row->step, "dialplan");
    step.outcome = (char *)(uintptr_t) "started";
    step.id.len--; /* somebody else's */
    step.step = (char *)(uintptr_t) "media";
    kit_step(k, &in);
    assert_string_equal(k->c->row->step, "dialplan");
}

/* --- the answer --- */

static void setup_ok_answers(void **s)
{
    struct kit *k = *s;
    kit_invite(k);
    kit_setup_ok(k);
    kit_assert_state(k, CALL_ST_ANSWERED);
    /* the order on the wire, and call.started before both */
    assert_int_equal(k->fx.list[0].type, CALL_EFF_PUBLISH);
    assert_string_equal(k->fx.list[0].routing_key, "call.started");
    assert_int_equal(kit_count(k, CALL_EFF_REPLY), 2);
    assert_int_equal(kit_effect(k, CALL_EFF_REPLY, 0)->status, 180);
    assert_int_equal(kit_effect(k, CALL_EFF_REPLY, 1)->status, 200);
    assert_int_equal(kit_arm(k, CALL_TMR_SETUP)->at_wall_ms, 0);
    assert_int_equal(kit_arm(k, CALL_TMR_2XX)->at_wall_ms, KIT_WALL + KIT_T1);
    assert_int_equal(kit_arm(k, CALL_TMR_NO_ACK)->at_wall_ms, KIT_WALL + 64 * KIT_T1);
    assert_int_equal(k->c->row->port_state, STORE__PORT_STATE__PORT_HELD);
    assert_int_equal(k->c->row->rtp_port, KIT_PORT);
    assert_int_equal(k->c->row->n_jobs, 0);
    assert_int_equal(k->c->row->offer.len, 0);
    assert_int_equal(k->c->row->server_txns[0]->head.len, 0); /* the reply is there: what made it is not needed */
    assert_true(k->c->row->started_published && !k->c->row->answered_published);
}

#define VIAS                                                                                                           \
    "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKinvite;rport=5062;received=198.51.100.7\r\n"                        \
    "Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKinner\r\n"

static void setup_is_told_in_the_row(void **s)
{
    struct kit *k = *s;
    char session[32];
    kit_invite(k);
    kit_assert_say(k, CALL_SAY_BEGUN);
    assert_string_equal(call_state_shown(k->c), "user_lookup");
    row_text(&k->c->row->step, SPAN("media"));
    assert_string_equal(call_state_shown(k->c), "media");
    Plane__User user = PLANE__USER__INIT;
    Plane__Plan plan = PLANE__PLAN__INIT;
    Plane__JobDone done = PLANE__JOB_DONE__INIT;
    user.id = (char *)(uintptr_t) "u-1";
    plan.tenant_id = (char *)(uintptr_t) "acme";
    plan.dialplan_id = (char *)(uintptr_t) "DP_1";
    plan.action = (char *)(uintptr_t) "ECHO";
    done.id = k->c->row->jobs[0]->id;
    done.user = &user;
    done.plan = &plan;
    done.rtp_port = KIT_PORT;
    k->now.wall_ms += 321;
    struct call_input in = {.type = CALL_IN_JOB_DONE, .done = &done};
    kit_step(k, &in);
    const Store__CallRow *row = k->c->row;
    assert_string_equal(row->user_id, "u-1");
    assert_string_equal(row->tenant_id, "acme");
    assert_string_equal(row->dialplan_id, "DP_1");
    assert_string_equal(row->action, "ECHO");
    assert_string_equal(row->step, "");
    assert_int_equal(row->answered_wall_ms, KIT_WALL + 321);
    assert_string_equal(call_state_shown(k->c), "answered");
    kit_assert_say(k, CALL_SAY_ANSWERED);
    (void)snprintf(session, sizeof(session), "o=- %llu 1 IN", (unsigned long long)row->sdp_session);
    assert_true(row->sdp_session != 0 && row->sdp_session <= INT64_MAX);
    kit_assert_has(kit_effect(k, CALL_EFF_REPLY, 1), session);
}

static void user_of_the_plan_stands_in(void **s)
{
    struct kit *k = *s;
    Plane__User user = PLANE__USER__INIT;
    Plane__Plan plan = PLANE__PLAN__INIT;
    Plane__JobDone done = PLANE__JOB_DONE__INIT;
    kit_invite(k);
    user.id = (char *)(uintptr_t) "u-2";
    plan.matched_user = &user;
    done.id = k->c->row->jobs[0]->id;
    done.plan = &plan;
    done.rtp_port = KIT_PORT;
    struct call_input in = {.type = CALL_IN_JOB_DONE, .done = &done};
    kit_step(k, &in);
    assert_string_equal(k->c->row->user_id, "u-2");
}

static void replies_open_the_dialog(void **s)
{
    struct kit *k = *s;
    static const char *const in_both[] = {
        VIAS,
        "Record-Route: <sip:p2.example;lr;trasport=udp>, <sip:p1.example;lr>;ftag=x\r\n",
        "From: \"Ali\" <sip:05321112233@192.0.2.1>;tag=ft1\r\n",
        "CSeq: 10 INVITE\r\n",
        "Contact: <sip:sentiric@203.0.113.5:5060>\r\n",
        "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, REGISTER, UPDATE, PRACK, INFO, REFER\r\n",
        "Supported: 100rel, timer, replaces, norefersub, tdialog\r\n",
        "Server: sig/1\r\n",
    };
    char to[128];
    kit_invite(k);
    kit_setup_ok(k);
    (void)snprintf(to, sizeof(to), "To: <sip:902121234567@203.0.113.5>;tag=%s\r\n", k->c->row->a->local_tag);
    for (size_t i = 0; i < 2; i++) {
        struct call_effect *e = kit_effect(k, CALL_EFF_REPLY, i);
        for (size_t w = 0; w < sizeof(in_both) / sizeof(in_both[0]); w++)
            kit_assert_has(e, in_both[w]);
        kit_assert_has(e, to);
        assert_string_equal(e->peer.addr, "198.51.100.7");
        assert_int_equal(e->peer.port, 5062);
        assert_true(span_eq(span_of(e->txn, e->txn_len), row_span(k->c->row->invite_key)));
    }
    kit_assert_hasnt(kit_effect(k, CALL_EFF_REPLY, 0), "application/sdp");
    kit_assert_has(kit_effect(k, CALL_EFF_REPLY, 1), "Content-Type: application/sdp\r\n");
    kit_assert_has(kit_effect(k, CALL_EFF_REPLY, 1), "m=audio 10050 RTP/AVP 8 0 101\r\n");
    kit_assert_has(kit_effect(k, CALL_EFF_REPLY, 1), "c=IN IP4 203.0.113.6\r\n");
}

/* RFC 3261 §18.2.1, RFC 3581 §4 */
static void received_and_rport_as_needed(void **s)
{
    (void)s;
    static const char *const cases[][2] = {
        {"192.0.2.1:5060;branch=z9hG4bKx", "192.0.2.1:5060;branch=z9hG4bKx;received=198.51.100.7\r\n"},
        {"198.51.100.7;branch=z9hG4bKx", "198.51.100.7;branch=z9hG4bKx\r\n"},
        {"198.51.100.7;branch=z9hG4bKx;rport", "198.51.100.7;branch=z9hG4bKx;rport=5062;received=198.51.100.7\r\n"},
        {"[2001:db8::7];branch=z9hG4bKx", "[2001:db8::7];branch=z9hG4bKx;received=198.51.100.7\r\n"},
    };
    for (size_t i = 0; i < 4; i++) {
        struct kit k;
        kit_init(&k);
        KIT_REQUEST(&k, .method = "INVITE", .cseq = 1, .contact = "", .via = cases[i][0]);
        kit_assert_has(kit_effect(&k, CALL_EFF_REPLY, 0), cases[i][1]);
        kit_fini(&k);
    }
    struct kit k;
    kit_init(&k);
    k.source.addr = (char *)(uintptr_t) "2001:db8::7";
    KIT_REQUEST(&k, .method = "INVITE", .cseq = 1, .contact = "", .via = cases[3][0]);
    kit_assert_has(kit_effect(&k, CALL_EFF_REPLY, 0), "[2001:db8::7];branch=z9hG4bKx\r\n");
    kit_fini(&k);
}

static void contact_tells_a_stream_transport(void **s)
{
    struct kit *k = *s;
    k->source.transport = (char *)(uintptr_t) "TCP";
    k->conf.contact_addr = "2001:db8::5";
    kit_answered(k);
    kit_assert_has(kit_effect(k, CALL_EFF_REPLY, 1), "Contact: <sip:sentiric@[2001:db8::5]:5060;transport=tcp>\r\n");
}

/* RFC 3261 §8.1.1.8: one the peer can reach. */
static void contact_is_of_the_peers_family(void **state)
{
    static const struct {
        const char *peer, *local, *first, *other, *contact;
    } rows[] = {
        {"192.0.2.7", "10.0.0.1", "203.0.113.5", "2001:db8::5", "<sip:sentiric@203.0.113.5:5060>"},
        {"2001:db8::7", "2001:db8::1", "203.0.113.5", "2001:db8::5", "<sip:sentiric@[2001:db8::5]:5060>"},
        {"2001:db8::7", "2001:db8::1", "203.0.113.5", "", "<sip:sentiric@[2001:db8::1]:5070>"},
        {"2001:db8::7", "", "203.0.113.5", "", "<sip:sentiric@203.0.113.5:5060>"},
        {"192.0.2.7", "10.0.0.1", "2001:db8::5", "", "<sip:sentiric@10.0.0.1:5070>"},
        {"192.0.2.7", "10.0.0.1", "2001:db8::5", "203.0.113.5", "<sip:sentiric@203.0.113.5:5060>"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct kit k;
        kit_init(&k);
        k.source.addr = (char *)(uintptr_t)rows[i].peer;
        k.source.local = (char *)(uintptr_t)rows[i].local;
        k.conf.contact_addr = rows[i].first;
        k.conf.contact_addr_other = rows[i].other;
        k.conf.listen_port = 5070;
        kit_answered(&k);
        kit_assert_has(kit_effect(&k, CALL_EFF_REPLY, 1), rows[i].contact);
        kit_fini(&k);
    }
}

static void started_tells_all(void **s)
{
    struct kit *k = *s;
    kit_answered(k);
    struct call_effect *e = kit_event(k, "call.started");
    assert_string_equal(e->content_type, "application/json");
    kit_assert_has(e, "\"callId\":\"kit-call@192.0.2.1\"");
    kit_assert_has(e, "START_AI_CONVERSATION");
    kit_assert_has(e, "10050");
    kit_assert_has(e, "192.0.2.10:40000");
    kit_assert_has(e, "\\\"Ali\\\" <sip:05321112233@192.0.2.1>;tag=ft1");
}

static void both_formats_are_two_events(void **s)
{
    struct kit *k = *s;
    k->conf.events_protobuf = true;
    kit_answered(k);
    assert_int_equal(kit_count(k, CALL_EFF_PUBLISH), 2);
    assert_string_equal(kit_effect(k, CALL_EFF_PUBLISH, 0)->content_type, "application/json");
    assert_string_equal(kit_effect(k, CALL_EFF_PUBLISH, 1)->content_type, "application/protobuf");
    k->conf.events_json = false;
    kit_ack(k, 10);
    assert_int_equal(kit_count(k, CALL_EFF_PUBLISH), 1);
    assert_string_equal(kit_effect(k, CALL_EFF_PUBLISH, 0)->content_type, "application/protobuf");
}

/* cdr-service sorts by tenant. */
static void answered_tells_the_tenant(void **s)
{
    struct kit *k = *s;
    k->conf.events_json = false;
    k->conf.events_protobuf = true;
    kit_answered(k);
    kit_ack(k, 10);
    kit_assert_has(kit_event(k, "call.answered"), "acme");
}

static void plan_too_large_to_publish_is_said(void **s)
{
    struct kit *k = *s;
    size_t size = PLANE_BODY_MAX - 2000u; /* as much as an answer of the orchestrator can bring */
    char *text = malloc(size + 1);
    Plane__Pair pair = PLANE__PAIR__INIT, *pairs[] = {&pair};
    Plane__Plan plan = PLANE__PLAN__INIT;
    Plane__JobDone done = PLANE__JOB_DONE__INIT;
    assert_non_null(text);
    memset(text, 'x', size);
    text[size] = '\0';
    pair.key = (char *)(uintptr_t) "definition";
    pair.value = text;
    plan.action = (char *)(uintptr_t) "ECHO";
    plan.action_data = pairs;
    plan.n_action_data = 1;
    kit_invite(k);
    done.id = k->c->row->jobs[0]->id;
    done.plan = &plan;
    done.rtp_port = KIT_PORT;
    struct call_input in = {.type = CALL_IN_JOB_DONE, .done = &done};
    kit_step(k, &in);
    kit_assert_state(k, CALL_ST_ANSWERED);
    assert_true(kit_event(k, "call.started")->raw_len <= PLANE_BODY_MAX);
    kit_assert_log(k, CALL_LOG_WARN, "call.started is published without its whole plan");
    free(text);
}

static void any_action_with_a_port_is_answered(void **s)
{
    static const char *const actions[] = {"PROCESS_GUEST_CALL",
                                          "PLAY_ANNOUNCEMENT",
                                          "PLAY_STATIC_ANNOUNCEMENT",
                                          "ECHO_TEST",
                                          "ECHO",
                                          "ENQUEUE_CALL",
                                          "SOMETHING_NOBODY_KNOWS_1",
                                          ""};
    (void)s;
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
        struct kit k;
        kit_init(&k);
        kit_invite(&k);
        kit_setup_done(&k, PLANE__JOB_DONE__RESULT__OK, KIT_PORT, actions[i]);
        kit_assert_state(&k, CALL_ST_ANSWERED);
        kit_fini(&k);
    }
}

static void punch_is_asked_and_not_waited_for(void **s)
{
    struct kit *k = *s;
    kit_answered(k);
    const Plane__RunJob *job = kit_job(k, PLANE__RUN_JOB__KIND__PUNCH)->job;
    assert_int_equal(job->rtp_port, KIT_PORT);
    assert_int_equal(job->budget_ms, JOB_PUNCH_BUDGET_MS);
    assert_string_equal(job->rtp_target, "192.0.2.10:40000");
    assert_int_equal(call_key_of(row_span(job->id)), KIT_KEY);
    assert_int_equal(k->c->row->n_jobs, 0);
    k->c->dirty = false;
    kit_done_id(k, job->id, PLANE__JOB_DONE__RESULT__FAILED, 0, NULL); /* its outcome changes nothing */
    assert_int_equal(k->fx.count, 0);
    assert_false(k->c->dirty);
}

static void punch_can_be_off(void **s)
{
    struct kit *k = *s;
    k->conf.hole_punch = false;
    kit_answered(k);
    assert_null(kit_job(k, PLANE__RUN_JOB__KIND__PUNCH));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        KIT_TEST(invite_asks_one_setup_job),
        KIT_TEST(invite_is_in_the_row_before_anything_is_said),
        KIT_TEST(names_differ_between_calls),
        KIT_TEST(repeated_invite_in_setup_says_nothing),
        KIT_TEST(merged_invite_gets_482),
        KIT_TEST(destination_falls_back_to_to),
        KIT_TEST(names_are_asked_as_names),
        KIT_TEST(caller_without_number_is_anonymous),
        KIT_TEST(step_is_shown_but_not_stored),
        KIT_TEST(setup_ok_answers),
        KIT_TEST(setup_is_told_in_the_row),
        KIT_TEST(user_of_the_plan_stands_in),
        KIT_TEST(replies_open_the_dialog),
        KIT_TEST(received_and_rport_as_needed),
        KIT_TEST(contact_tells_a_stream_transport),
        cmocka_unit_test(contact_is_of_the_peers_family),
        KIT_TEST(started_tells_all),
        KIT_TEST(both_formats_are_two_events),
        KIT_TEST(answered_tells_the_tenant),
        KIT_TEST(plan_too_large_to_publish_is_said),
        KIT_TEST(any_action_with_a_port_is_answered),
        KIT_TEST(punch_is_asked_and_not_waited_for),
        KIT_TEST(punch_can_be_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
