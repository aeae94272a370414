/* From INVITE to 200, and every way in which that fails. */
#include "tests/unit/call-actor/call_kit.h"

#include "call-actor/call_job.h"
#include "call-actor/dialog.h"
#include "call-actor/leg.h"
#include "common/base/id.h"

static int setup(void **s)
{
    struct kit *k = malloc(sizeof(*k));
    kit_init(k);
    *s = k;
    return 0;
}

static int teardown(void **s)
{
    kit_fini(*s);
    free(*s);
    return 0;
}

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
    struct call_input in = {.type = CALL_IN_JOB_STEP, .step = &step};
    kit_step(k, &in);
    assert_string_equal(k->c->row->step, "dialplan");
    assert_false(k->c->dirty);
    step.id.len--; /* somebody else's */
    step.step = (char *)(uintptr_t) "media";
    kit_step(k, &in);
    assert_string_equal(k->c->row->step, "dialplan");
}

/* --- refused at once --- */

static void assert_turned_away(struct kit *k, unsigned status)
{
    struct call_effect *e = kit_assert_reply(k, status);
    kit_assert_has(e, ";tag=a3-");
    kit_assert_hasnt(e, "Record-Route");
    assert_true(k->forgotten); /* nothing is left of it */
    assert_false(k->c->storable || k->c->dirty);
    assert_int_equal(kit_count(k, CALL_EFF_JOB), 0);
    kit_assert_state(k, CALL_ST_ENDED);
}

static void unknown_extension_gets_420(void **s)
{
    struct kit *k = *s;
    KIT_REQUEST(k, .method = "INVITE", .cseq = 1, .more = "Require: 100rel, foo\r\nRequire: bar\r\n");
    assert_turned_away(k, 420);
    struct call_effect *e = kit_effect(k, CALL_EFF_REPLY, 0);
    kit_assert_has(e, "Unsupported: 100rel\r\n");
    kit_assert_has(e, "Unsupported: foo\r\n");
    kit_assert_has(e, "Unsupported: bar\r\n");
}

static void other_body_gets_415(void **s)
{
    struct kit *k = *s;
    KIT_REQUEST(k, .method = "INVITE", .cseq = 1, .body = "hi", .type = "text/plain");
    assert_turned_away(k, 415);
    kit_assert_has(kit_effect(k, CALL_EFF_REPLY, 0), "Accept: application/sdp\r\n");
}

static void untyped_body_gets_415(void **s)
{
    struct kit *k = *s;
    KIT_REQUEST(k, .method = "INVITE", .cseq = 1, .body = KIT_OFFER, .type = "");
    assert_turned_away(k, 415);
}

static void encoded_body_gets_415(void **s)
{
    struct kit *k = *s;
    KIT_REQUEST(k, .method = "INVITE", .cseq = 1, .body = KIT_OFFER, .more = "Content-Encoding: gzip\r\n");
    assert_turned_away(k, 415);
}

static void malformed_type_gets_400(void **s)
{
    struct kit *k = *s;
    KIT_REQUEST(k, .method = "INVITE", .cseq = 1, .body = KIT_OFFER, .type = "application");
    assert_turned_away(k, 400);
}

static void optional_body_is_passed_over(void **s)
{
    struct kit *k = *s;
    KIT_REQUEST(k, .method = "INVITE", .cseq = 1, .body = "hi", .type = "text/plain",
                .more = "Content-Disposition: render;handling=optional\r\n");
    kit_assert_state(k, CALL_ST_SETUP);
    assert_true(k->c->row->delayed_offer);
}

static void offer_in_a_multipart_is_found(void **s)
{
    struct kit *k = *s;
    KIT_REQUEST(
        k, .method = "INVITE", .cseq = 1, .type = "multipart/mixed;boundary=b1",
        .body = "--b1\r\nContent-Type: text/plain\r\n\r\nhi\r\n--b1\r\nContent-Type: application/sdp\r\n\r\n" KIT_OFFER
                "\r\n--b1--\r\n");
    kit_assert_state(k, CALL_ST_SETUP);
    assert_string_equal(k->c->row->caller_rtp, "192.0.2.10:40000");
}

static void multipart_without_an_offer_gets_415(void **s)
{
    struct kit *k = *s;
    KIT_REQUEST(k, .method = "INVITE", .cseq = 1, .type = "multipart/mixed;boundary=b1",
                .body = "--b1\r\nContent-Type: text/plain\r\n\r\nhi\r\n--b1--\r\n");
    assert_turned_away(k, 415);
}

static void broken_multipart_gets_400(void **s)
{
    struct kit *k = *s;
    KIT_REQUEST(k, .method = "INVITE", .cseq = 1, .type = "multipart/mixed;boundary=b1", .body = "nothing of the kind");
    assert_turned_away(k, 400);
}

static void no_contact_gets_400(void **s)
{
    struct kit *k = *s;
    KIT_REQUEST(k, .method = "INVITE", .cseq = 1, .contact = "");
    assert_turned_away(k, 400);
}

static void two_contacts_get_400(void **s)
{
    struct kit *k = *s;
    KIT_REQUEST(k, .method = "INVITE", .cseq = 1, .contact = "Contact: <sip:a@h>, <sip:b@h>\r\n");
    assert_turned_away(k, 400);
}

static void contact_of_another_scheme_gets_400(void **s)
{
    struct kit *k = *s;
    KIT_REQUEST(k, .method = "INVITE", .cseq = 1, .contact = "Contact: <tel:+90212>\r\n");
    assert_turned_away(k, 400);
}

static void unreadable_route_gets_400(void **s)
{
    struct kit *k = *s;
    KIT_REQUEST(k, .method = "INVITE", .cseq = 1, .more = "Record-Route: <sip:p;lr\r\n");
    assert_turned_away(k, 400);
}

static void too_many_routes_get_513(void **s)
{
    struct kit *k = *s;
    char more[40 * (DIALOG_ROUTES_MAX + 1)] = "";
    for (unsigned i = 0; i < DIALOG_ROUTES_MAX; i++)
        strcat(more, "Record-Route: <sip:p.example;lr>\r\n");
    struct kit fits;
    kit_init(&fits);
    KIT_REQUEST(&fits, .method = "INVITE", .cseq = 1, .more = more);
    kit_assert_state(&fits, CALL_ST_SETUP);
    kit_fini(&fits);
    strcat(more, "Record-Route: <sip:p.example;lr>\r\n");
    KIT_REQUEST(k, .method = "INVITE", .cseq = 1, .more = more);
    assert_turned_away(k, 513);
}

static void long_value_gets_513(void **s)
{
    struct kit *k = *s;
    char from[DIALOG_VALUE_BYTES_MAX + 64];
    memset(from, 'a', sizeof(from));
    (void)snprintf(from + DIALOG_VALUE_BYTES_MAX, 64, " <sip:a@h>;tag=1");
    KIT_REQUEST(k, .method = "INVITE", .cseq = 1, .from = from);
    assert_turned_away(k, 513);
}

static void other_scheme_gets_416(void **s)
{
    struct kit *k = *s;
    KIT_REQUEST(k, .method = "INVITE", .cseq = 1, .uri = "http://example.com/");
    assert_turned_away(k, 416);
}

static void no_destination_gets_484(void **s)
{
    struct kit *k = *s;
    KIT_REQUEST(k, .method = "INVITE", .cseq = 1, .uri = "sip:203.0.113.5", .to = "<sip:203.0.113.5>");
    assert_turned_away(k, 484);
}

static void impossible_destination_gets_404(void **s)
{
    struct kit *k = *s;
    KIT_REQUEST(k, .method = "INVITE", .cseq = 1, .uri = "sip:%c3%bc@203.0.113.5");
    assert_turned_away(k, 404);
}

static void no_common_codec_gets_488(void **s)
{
    struct kit *k = *s;
    KIT_REQUEST(
        k, .method = "INVITE", .cseq = 1,
        .body = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 18\r\n");
    assert_turned_away(k, 488);
    kit_assert_has(kit_effect(k, CALL_EFF_REPLY, 0), "Warning: 305 203.0.113.5 \"no codec in common\"\r\n");
}

static void unreadable_offer_gets_400(void **s)
{
    struct kit *k = *s;
    KIT_REQUEST(k, .method = "INVITE", .cseq = 1, .body = "v=1\r\n");
    assert_turned_away(k, 400);
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
    kit_assert_log(k, LOG_INFO, "call from 905321112233 to 902121234567");
    k->c->row->step = strdup("media");
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
    kit_assert_log(k, LOG_INFO, "answered: ECHO, plan DP_1, port 10050");
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
        "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS\r\n",
        "Supported: \r\n",
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

static void contact_tells_a_stream_transport(void **s)
{
    struct kit *k = *s;
    k->source.transport = (char *)(uintptr_t) "TCP";
    k->conf.contact_addr = "2001:db8::5";
    kit_answered(k);
    kit_assert_has(kit_effect(k, CALL_EFF_REPLY, 1), "Contact: <sip:sentiric@[2001:db8::5]:5060;transport=tcp>\r\n");
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

/* --- set-up that fails --- */

static void assert_setup_ends(struct kit *k, unsigned status)
{
    struct call_effect *e = kit_assert_reply(k, status);
    kit_assert_hasnt(e, "Record-Route");
    kit_assert_has(e, ";tag=a3-");
    kit_assert_state(k, CALL_ST_ENDED);
    assert_int_equal(kit_count(k, CALL_EFF_PUBLISH), 0); /* call.started was not, so nothing is */
    assert_int_equal(kit_arm(k, CALL_TMR_SETUP)->at_wall_ms, 0);
    assert_int_equal(kit_arm(k, CALL_TMR_LINGER)->at_wall_ms, (uint64_t)k->now.wall_ms + 64 * KIT_T1);
    assert_int_equal(k->c->row->end_status, status);
    assert_string_equal(k->c->row->end_stage, "setup");
    assert_false(call_is_live(k->c));
}

static void unavailable_gets_503(void **s)
{
    struct kit *k = *s;
    kit_invite(k);
    kit_setup_done(k, PLANE__JOB_DONE__RESULT__UNAVAILABLE, 0, NULL);
    assert_setup_ends(k, 503);
    const struct call_effect *e = kit_effect(k, CALL_EFF_REPLY, 0);
    const char *retry = memmem(e->raw, e->raw_len, "Retry-After: ", 13);
    assert_non_null(retry);
    assert_in_range(atoi(retry + 13), LEG_RETRY_MIN_S, LEG_RETRY_MIN_S + LEG_RETRY_SPREAD_S);
    assert_string_equal(k->c->row->end_reason, "failure");
    assert_string_equal(k->c->row->ended_by, "service");
    assert_string_equal(k->c->row->end_detail, "as told");
    kit_assert_log(k, LOG_WARN, "refused with 503: set-up failed at media: UNAVAILABLE as told");
    kit_assert_log(k, LOG_INFO, "ended: failure by service while setup, status 503");
    assert_false(call_is_busy(k->c));
}

static void denied_gets_403(void **s)
{
    struct kit *k = *s;
    kit_invite(k);
    kit_setup_done(k, PLANE__JOB_DONE__RESULT__DENIED, 0, NULL);
    assert_setup_ends(k, 403);
    kit_assert_log(k, LOG_INFO, "refused with 403");
    kit_assert_hasnt(kit_effect(k, CALL_EFF_REPLY, 0), "Retry-After");
}

static void failed_gets_500(void **s)
{
    struct kit *k = *s;
    kit_invite(k);
    kit_setup_done(k, PLANE__JOB_DONE__RESULT__FAILED, 0, NULL);
    assert_setup_ends(k, 500);
}

static void a_port_with_a_failure_goes_back(void **s)
{
    struct kit *k = *s;
    kit_invite(k);
    kit_setup_done(k, PLANE__JOB_DONE__RESULT__FAILED, KIT_PORT, NULL);
    assert_setup_ends(k, 500);
    assert_int_equal(kit_job(k, PLANE__RUN_JOB__KIND__RELEASE_PORT)->job->rtp_port, KIT_PORT);
    assert_true(call_is_busy(k->c));
}

static void bridge_gets_501_and_no_port(void **s)
{
    struct kit *k = *s;
    kit_invite(k);
    kit_setup_done(k, PLANE__JOB_DONE__RESULT__OK, 0, "BRIDGE_CALL");
    assert_setup_ends(k, 501);
    kit_assert_log(k, LOG_WARN, "refused with 501: plan action BRIDGE_CALL, port 0");
    assert_null(kit_job(k, PLANE__RUN_JOB__KIND__RELEASE_PORT));
}

static void bridge_with_a_port_gives_it_back(void **s)
{
    struct kit *k = *s;
    kit_invite(k);
    kit_setup_done(k, PLANE__JOB_DONE__RESULT__OK, KIT_PORT, "BRIDGE_CALL");
    assert_setup_ends(k, 501);
    assert_non_null(kit_job(k, PLANE__RUN_JOB__KIND__RELEASE_PORT));
}

static void no_plan_or_no_port_gets_500(void **s)
{
    struct kit *k = *s;
    struct kit other;
    kit_invite(k);
    kit_setup_done(k, PLANE__JOB_DONE__RESULT__OK, KIT_PORT, NULL);
    assert_setup_ends(k, 500);
    assert_non_null(kit_job(k, PLANE__RUN_JOB__KIND__RELEASE_PORT));
    kit_init(&other);
    kit_invite(&other);
    kit_setup_done(&other, PLANE__JOB_DONE__RESULT__OK, 0, "ECHO");
    assert_setup_ends(&other, 500);
    kit_fini(&other);
}

static void settings_that_changed_refuse_an_old_offer(void **s)
{
    struct kit *k = *s;
    struct span bad;
    kit_invite(k);
    assert_int_equal(codecs_parse(&k->conf.codecs, SPAN("G729"), &bad), 0); /* in the offer */
    k->conf.media_addr = "2001:db8::6";
    kit_setup_ok(k);
    assert_setup_ends(k, 488);
    assert_non_null(kit_job(k, PLANE__RUN_JOB__KIND__RELEASE_PORT));
}

static void overdue_setup_gets_503_and_is_cancelled(void **s)
{
    struct kit *k = *s;
    kit_invite(k);
    kit_timer(k, CALL_TMR_SETUP);
    assert_int_equal(kit_count(k, CALL_EFF_CANCEL_JOB), 1);
    struct call_effect *e = kit_effect(k, CALL_EFF_REPLY, 0);
    assert_int_equal(e->status, 503);
    kit_assert_has(e, "Retry-After: ");
    kit_assert_state(k, CALL_ST_ENDED);
    assert_string_equal(k->c->row->ended_by, "timer");
    assert_string_equal(k->c->row->end_reason, "failure");
    kit_assert_log(k, LOG_WARN, "set-up took longer than 10000 ms");
    kit_setup_ok(k); /* late: the port goes back, and nothing else happens */
    assert_int_equal(kit_count(k, CALL_EFF_REPLY), 0);
    assert_int_equal(kit_count(k, CALL_EFF_PUBLISH), 0);
    assert_int_equal(kit_job(k, PLANE__RUN_JOB__KIND__RELEASE_PORT)->job->rtp_port, KIT_PORT);
}

static void repeated_invite_gets_the_refusal_again(void **s)
{
    struct kit *k = *s;
    char first[2048];
    kit_invite(k);
    kit_setup_done(k, PLANE__JOB_DONE__RESULT__FAILED, 0, NULL);
    struct call_effect *e = kit_effect(k, CALL_EFF_REPLY, 0);
    (void)snprintf(first, sizeof(first), "%.*s", (int)e->raw_len, e->raw);
    kit_invite(k);
    e = kit_assert_reply(k, 500);
    assert_int_equal(e->raw_len, strlen(first));
    assert_memory_equal(e->raw, first, e->raw_len);
    assert_int_equal(k->fx.count, 1);
}

static void repeated_invite_gets_the_answer_again(void **s)
{
    struct kit *k = *s;
    char first[4096];
    kit_answered(k);
    struct call_effect *e = kit_effect(k, CALL_EFF_REPLY, 1);
    (void)snprintf(first, sizeof(first), "%.*s", (int)e->raw_len, e->raw);
    kit_invite(k);
    e = kit_assert_reply(k, 200);
    assert_string_equal(strndupa(e->raw, e->raw_len), first);
    kit_ack(k, 10);
    assert_true(call_knows(k->c, row_span(k->c->row->invite_key)));
    assert_false(call_knows(k->c, SPAN("")) || call_knows(k->c, SPAN("z9hG4bKother;h:5060;INVITE")));
    kit_invite(k); /* the caller has its answer: RFC 6026 */
    assert_int_equal(k->fx.count, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(invite_asks_one_setup_job),
        T(invite_is_in_the_row_before_anything_is_said),
        T(names_differ_between_calls),
        T(repeated_invite_in_setup_says_nothing),
        T(merged_invite_gets_482),
        T(destination_falls_back_to_to),
        T(names_are_asked_as_names),
        T(caller_without_number_is_anonymous),
        T(step_is_shown_but_not_stored),
        T(unknown_extension_gets_420),
        T(other_body_gets_415),
        T(untyped_body_gets_415),
        T(encoded_body_gets_415),
        T(malformed_type_gets_400),
        T(optional_body_is_passed_over),
        T(offer_in_a_multipart_is_found),
        T(multipart_without_an_offer_gets_415),
        T(broken_multipart_gets_400),
        T(no_contact_gets_400),
        T(two_contacts_get_400),
        T(contact_of_another_scheme_gets_400),
        T(unreadable_route_gets_400),
        T(too_many_routes_get_513),
        T(long_value_gets_513),
        T(other_scheme_gets_416),
        T(no_destination_gets_484),
        T(impossible_destination_gets_404),
        T(no_common_codec_gets_488),
        T(unreadable_offer_gets_400),
        T(setup_ok_answers),
        T(setup_is_told_in_the_row),
        T(user_of_the_plan_stands_in),
        T(replies_open_the_dialog),
        T(contact_tells_a_stream_transport),
        T(started_tells_all),
        T(both_formats_are_two_events),
        T(any_action_with_a_port_is_answered),
        T(punch_is_asked_and_not_waited_for),
        T(punch_can_be_off),
        T(unavailable_gets_503),
        T(denied_gets_403),
        T(failed_gets_500),
        T(a_port_with_a_failure_goes_back),
        T(bridge_gets_501_and_no_port),
        T(bridge_with_a_port_gives_it_back),
        T(no_plan_or_no_port_gets_500),
        T(settings_that_changed_refuse_an_old_offer),
        T(overdue_setup_gets_503_and_is_cancelled),
        T(repeated_invite_gets_the_refusal_again),
        T(repeated_invite_gets_the_answer_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
