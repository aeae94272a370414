/* A call that we place: docs/control.md. */
#include "tests/unit/call-actor/bridge_kit.h"

#include "call-actor/call_check.h"
#include "call-actor/control.h"
#include "call-actor/dial.h"
#include "call-actor/session_timer.h"

#define FROM_LINE "sip:902121234567@example.org"
#define ANSWER                                                                                                         \
    "v=0\r\no=bob 7 7 IN IP4 198.51.100.20\r\ns=-\r\nc=IN IP4 198.51.100.20\r\nt=0 0\r\nm=audio 6000 RTP/AVP 0\r\n"

static const char *const domains[] = {"example.org", NULL};

static struct kit *ours(void **state)
{
    struct kit *k = *state;
    bridge_conf(k);
    k->conf.route.domains = domains;
    return k;
}

static Plane__Control question(const char *id, const char *from, const char *to, const char *key)
{
    Plane__Control m = PLANE__CONTROL__INIT;
    m.op = PLANE__CONTROL__OP__DIAL;
    m.id = (ProtobufCBinaryData){.len = strlen(id), .data = (uint8_t *)(uintptr_t)id};
    m.call_id = (char *)(uintptr_t) "out-1";
    m.from = (char *)(uintptr_t)from;
    m.to = (char *)(uintptr_t)to;
    m.key = (char *)(uintptr_t)key;
    m.asked_by = (char *)(uintptr_t) "grpc:agent-service";
    return m;
}

static void ask(struct kit *k, const char *id, const char *from, const char *to)
{
    Plane__Control m = question(id, from, to, "key");
    struct call_input in = {.type = CALL_IN_CONTROL, .control = &m, .asker = PLANE__PROC__PROC_ORCH};
    kit_step(k, &in);
}

static void assert_told(struct kit *k, const char *id, Plane__Controlled__Result result)
{
    for (size_t i = 0; i < k->fx.count; i++) {
        const struct call_effect *e = &k->fx.list[i];
        if (e->type == CALL_EFF_TELL && span_eq(span_of(e->txn, e->txn_len), span_cstr(id))) {
            assert_int_equal(e->result, result);
            assert_int_equal(e->asker, PLANE__PROC__PROC_ORCH);
            return;
        }
    }
    fail_msg("%s was told nothing", id);
}

static void bob_is_there(struct kit *k)
{
    assert_string_equal(bridge_who(k), "bob");
    bridge_rings(k, &bridge_bob, 1);
}

static void rings_bob(struct kit *k)
{
    ask(k, "q1", FROM_LINE, "sip:bob@example.org");
    bob_is_there(k);
    assert_int_equal(kit_count(k, CALL_EFF_TELL), 0);
    kit_setup_done(k, PLANE__JOB_DONE__RESULT__OK, 20000, "START_AI_CONVERSATION");
}

static void it_rings_once_there_is_a_port(void **state)
{
    struct kit *k = ours(state);
    ask(k, "q1", FROM_LINE, "sip:bob@example.org");
    assert_int_equal(call_state(k->c), CALL_ST_SETUP);
    bob_is_there(k);
    const struct call_effect *job = kit_effect(k, CALL_EFF_JOB, 0);
    assert_string_equal(job->job->caller, "bob"); /* whose plan it is, as if he had called our number */
    assert_string_equal(job->job->destination, "902121234567");
    assert_int_equal(job->job->n_portless_actions + job->job->n_portless_plans, 0);
    kit_setup_done(k, PLANE__JOB_DONE__RESULT__OK, 20000, "BRIDGE_CALL");
    assert_int_equal(call_state(k->c), CALL_ST_RINGING);
    const struct call_effect *invite = bridge_request(k, 1, "INVITE");
    kit_assert_hasnt(invite, "100rel"); /* nobody would be told, and nobody would say PRACK */
    assert_non_null(strstr(invite->raw, "Call-ID: out-1\r\n"));
    assert_non_null(strstr(invite->raw, "m=audio 20000 RTP/AVP"));
    assert_string_equal(k->c->row->action, "START_AI_CONVERSATION"); /* not what is done with callers */
    assert_told(k, "q1", PLANE__CONTROLLED__RESULT__OK);
}

static void who_answers_is_the_a_leg(void **state)
{
    struct kit *k = ours(state);
    rings_bob(k);
    BRIDGE_SAYS(k, 1, .status = 200, .body = ANSWER);
    assert_int_equal(call_state(k->c), CALL_ST_ESTABLISHED);
    assert_non_null(bridge_request(k, 1, "ACK"));
    bridge_assert_leg(k, 1, OUT_LEG_OVER);
    assert_string_equal(k->c->row->a->remote_tag, "b1");
    assert_string_equal(k->c->row->caller_rtp, "198.51.100.20:6000");
    assert_false(side_is_bridged(k->c));
    assert_true(k->c->row->answered_published);
    BRIDGE_SAYS(k, 1, .status = 200, .body = ANSWER); /* once more */
    assert_non_null(bridge_request(k, 1, "ACK"));
    struct call_input in = {.type = CALL_IN_TERMINATE, .reason = "x", .asked_by = "amqp"};
    kit_step(k, &in);
    assert_int_equal(call_state(k->c), CALL_ST_ENDING);
    assert_non_null(bridge_request(k, 0, "BYE"));
    assert_null(bridge_request(k, 1, "BYE"));
}

static void what_cannot_be_used_is_ended(void **state)
{
    struct kit *k = ours(state);
    rings_bob(k);
    BRIDGE_SAYS(k, 1, .status = 200, .body = BRIDGE_OFFER); /* no codec of ours */
    assert_int_equal(call_state(k->c), CALL_ST_ENDED);
    assert_non_null(bridge_request(k, 1, "BYE"));
}

static void who_asks_again_is_told_the_same(void **state)
{
    struct kit *k = ours(state);
    ask(k, "q1", FROM_LINE, "sip:bob@example.org");
    ask(k, "q2", FROM_LINE, "sip:bob@example.org"); /* while it is under way */
    ask(k, "q1", FROM_LINE, "sip:bob@example.org");
    bob_is_there(k);
    kit_setup_done(k, PLANE__JOB_DONE__RESULT__OK, 20000, "ECHO");
    assert_int_equal(kit_count(k, CALL_EFF_TELL), 2);
    assert_told(k, "q1", PLANE__CONTROLLED__RESULT__OK);
    assert_told(k, "q2", PLANE__CONTROLLED__RESULT__OK);
    ask(k, "q3", FROM_LINE, "sip:bob@example.org");
    assert_int_equal(k->fx.count, 1);
    assert_told(k, "q3", PLANE__CONTROLLED__RESULT__OK);
    BRIDGE_SAYS(k, 1, .status = 486);
    ask(k, "q4", FROM_LINE, "sip:bob@example.org");
    assert_told(k, "q4", PLANE__CONTROLLED__RESULT__OK);
}

static void askers_are_bounded(void **state)
{
    struct kit *k = ours(state);
    for (unsigned i = 0; i < 3 * CONTROL_ASKERS_MAX; i++) {
        char id[16];
        (void)snprintf(id, sizeof(id), "q%u", i);
        ask(k, id, FROM_LINE, "sip:bob@example.org");
    }
    assert_int_equal(k->c->row->n_controls, 1);
    assert_int_equal(k->c->row->controls[0]->n_askers, CONTROL_ASKERS_MAX);
}

static void nobody_there(void **state)
{
    struct kit *k = ours(state);
    ask(k, "q1", FROM_LINE, "sip:bob@example.org");
    bridge_targets(k, "bob", NULL, 0, 480);
    assert_int_equal(call_state(k->c), CALL_ST_ENDED);
    assert_told(k, "q1", PLANE__CONTROLLED__RESULT__NOT_FOUND);
    assert_int_equal(kit_count(k, CALL_EFF_JOB), 0);
}

static void no_port(void **state)
{
    struct kit *k = ours(state);
    ask(k, "q1", FROM_LINE, "sip:bob@example.org");
    bob_is_there(k);
    kit_setup_done(k, PLANE__JOB_DONE__RESULT__UNAVAILABLE, 0, "");
    assert_int_equal(call_state(k->c), CALL_ST_ENDED);
    assert_told(k, "q1", PLANE__CONTROLLED__RESULT__UNAVAILABLE);
}

static void from_is_unknown_or_away_then_to_is_called(void **state)
{
    struct kit *k = ours(state);
    ask(k, "q1", "sip:0d5c1f6a-77aa-4c0e-9c77-0a2b3c4d5e6f@example.org", "sip:bob@example.org");
    bridge_targets(k, bridge_who(k), NULL, 0, 404);
    assert_int_equal(call_state(k->c), CALL_ST_SETUP);
    bob_is_there(k);
    assert_false(k->c->row->dial->joins);
}

static const struct bridge_target ann = {.uri = "sip:ann@198.51.100.30:5062", .q = 1000, .addr = "198.51.100.30"};

/* Bob has answered, ann rings, she answers, and bob is asked to take her media. */
static void is_being_joined(struct kit *k)
{
    ask(k, "q1", "sip:bob@example.org", "sip:ann@example.org");
    bob_is_there(k);
    kit_setup_done(k, PLANE__JOB_DONE__RESULT__OK, 20000, "ECHO");
    BRIDGE_SAYS(k, 1, .status = 200, .body = ANSWER);
    assert_string_equal(bridge_who(k), "ann");
    bridge_rings(k, &ann, 1);
    BRIDGE_SAYS(k, 2, .status = 200, .body = ANSWER);
    assert_non_null(bridge_request(k, 0, "INVITE"));
}

static void joined_says(struct kit *k, unsigned status, const char *body)
{
    const Store__ClientTxn *txn = k->c->row->a->session->request;
    bridge_response_to(k, row_span(txn->branch), "out-1",
                       &(struct bridge_rsp){.status = status, .tag = "b1", .body = body});
}

/* The first asks what we have while the second rings: that one has had an offer all the same. */
static void an_offerless_reinvite_of_the_first_is_none_of_the_seconds(void **state)
{
    struct kit *k = ours(state);
    ask(k, "q1", "sip:bob@example.org", "sip:ann@example.org");
    bob_is_there(k);
    kit_setup_done(k, PLANE__JOB_DONE__RESULT__OK, 20000, "ECHO");
    BRIDGE_SAYS(k, 1, .status = 200, .body = ANSWER);
    bridge_rings(k, &ann, 1);
    bridge_asks(k, 1, "INVITE", 1, "", NULL);
    kit_assert_reply(k, 200);
    bridge_asks(k, 1, "ACK", 1, ANSWER, NULL);
    BRIDGE_SAYS(k, 2, .status = 200, .body = ANSWER);
    assert_non_null(bridge_request(k, 2, "ACK"));
    assert_non_null(bridge_request(k, 0, "INVITE"));
}

/* A refresh of the first is out when the second answers: what the first says to it joins nobody. */
static void what_was_out_before_does_not_join_them(void **state)
{
    struct kit *k = ours(state);
    static const char timed[] = "Contact: <sip:bob@198.51.100.20:5062>\r\nSession-Expires: 90;refresher=uac\r\n";
    k->conf.session = (struct session_rules){.expires_s = 90, .min_se_s = 90, .t1_ms = KIT_T1};
    ask(k, "q1", "sip:bob@example.org", "sip:ann@example.org");
    bob_is_there(k);
    kit_setup_done(k, PLANE__JOB_DONE__RESULT__OK, 20000, "ECHO");
    BRIDGE_SAYS(k, 1, .status = 200, .body = ANSWER, .more = timed);
    bridge_rings(k, &ann, 1);
    kit_timer(k, CALL_TMR_SESSION);
    assert_non_null(bridge_request(k, 0, "INVITE"));
    BRIDGE_SAYS(k, 2, .status = 200, .body = ANSWER);
    assert_null(bridge_request(k, 0, "INVITE")); /* one exchange at a time */
    joined_says(k, 200, ANSWER);
    assert_true(dial_is_at(k->c, DIAL_JOINING));
    assert_false(k->c->row->answered_published);
    kit_timer(k, CALL_TMR_SESSION);
    assert_non_null(bridge_request(k, 0, "INVITE"));
    joined_says(k, 200, ANSWER);
    assert_true(dial_is_at(k->c, DIAL_JOINED));
    assert_true(k->c->row->answered_published);
}

/* Until the two are joined what the first says is not for the second: it would take the place of what joins them. */
static void an_offer_that_meets_ours_waits_until_they_are_joined(void **state)
{
    struct kit *k = ours(state);
    is_being_joined(k);
    joined_says(k, 491, "");
    bridge_asks(k, 1, "INVITE", 1, ANSWER, NULL);
    assert_null(bridge_request(k, 2, "INVITE"));
    kit_assert_reply(k, 491);
    kit_timer(k, CALL_TMR_SESSION);
    assert_non_null(bridge_request(k, 0, "INVITE"));
    joined_says(k, 200, ANSWER);
    assert_true(dial_is_at(k->c, DIAL_JOINED));
    assert_true(k->c->row->answered_published);
}

/* He has an offer of his own out each time, or says so: whoever is joined to him does not wait for ever. */
static void who_answers_491_over_and_over_has_refused(void **state)
{
    struct kit *k = ours(state);
    is_being_joined(k);
    for (unsigned i = 0; i < SESSION_CROSSED_MAX; i++) {
        joined_says(k, 491, "");
        kit_assert_state(k, CALL_ST_ESTABLISHED);
        assert_true(dial_is_at(k->c, DIAL_JOINING));
        kit_timer(k, CALL_TMR_SESSION);
        assert_non_null(bridge_request(k, 0, "INVITE"));
    }
    joined_says(k, 491, "");
    kit_assert_state(k, CALL_ST_ENDING);
    assert_string_equal(k->c->row->end_detail, "the first party did not take the second's media");
}

/* What the caller said to a target that hangs up before they are joined has its answer, and the call lives through a
 * death. */
static void a_target_that_hangs_up_answers_what_is_open(void **state)
{
    struct kit *k = ours(state);
    kit_invite(k);
    kit_setup_ok(k);
    kit_ack(k, 10);
    Plane__Control m = question("q1", "", "sip:ann@example.org", "key");
    m.op = PLANE__CONTROL__OP__TRANSFER;
    kit_step(k, &(struct call_input){.type = CALL_IN_CONTROL, .control = &m, .asker = PLANE__PROC__PROC_ORCH});
    bridge_rings(k, &ann, 1);
    BRIDGE_SAYS(k, 1, .status = 200, .body = ANSWER);
    assert_true(dial_is_at(k->c, DIAL_JOINING));
    KIT_REQUEST(k, .method = "INFO", .cseq = 11, .body = "x", .type = "text/plain");
    assert_non_null(bridge_request(k, 1, "INFO"));
    bridge_asks(k, 1, "BYE", 1, "", NULL);
    bool answered = bridge_reply(k, 0, 487) != NULL;
    joined_says(k, 200, ANSWER);
    assert_int_equal(k->c->row->winner, SIDE_CALLER);
    assert_true(call_row_is_ours(k->c->row));
    assert_true(answered);
}

static void what_is_refused_before_there_is_a_call(void **state)
{
    struct kit *k = ours(state);
    static const struct {
        const char *from, *to;
        Plane__Controlled__Result result;
    } rows[] = {
        {FROM_LINE, "sip:bob@example.org", PLANE__CONTROLLED__RESULT__OK},
        {FROM_LINE, "bob", PLANE__CONTROLLED__RESULT__OK},
        {FROM_LINE, "bob@example.org", PLANE__CONTROLLED__RESULT__OK},
        {FROM_LINE, "Bob <sip:bob@example.org>", PLANE__CONTROLLED__RESULT__OK},
        {"1001", "1002", PLANE__CONTROLLED__RESULT__OK},
        {FROM_LINE, "sip:someone@elsewhere.example", PLANE__CONTROLLED__RESULT__OK},
        {FROM_LINE, "902121234567", PLANE__CONTROLLED__RESULT__NOT_FOUND}, /* no trunk */
        {FROM_LINE, "tel:+902121234567", PLANE__CONTROLLED__RESULT__NOT_FOUND},
        {FROM_LINE, "", PLANE__CONTROLLED__RESULT__INVALID},
        {"", "bob", PLANE__CONTROLLED__RESULT__INVALID},
        {FROM_LINE, "sip:bob@example.org>;x=<sip:y", PLANE__CONTROLLED__RESULT__INVALID},
        {FROM_LINE, "sip:bob@example.org\r\nX: y", PLANE__CONTROLLED__RESULT__INVALID},
        {FROM_LINE, "sip:bob@example.org?Replaces=1", PLANE__CONTROLLED__RESULT__INVALID},
        {FROM_LINE, "sip:", PLANE__CONTROLLED__RESULT__INVALID},
    };
    struct dial_parties who;
    const char *why;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        Plane__Control m = question("q", rows[i].from, rows[i].to, "key");
        if (dial_read(&who, &k->conf, &m, &why) != rows[i].result)
            fail_msg("%s -> %s", rows[i].from, rows[i].to);
        assert_int_equal(why == NULL, rows[i].result == PLANE__CONTROLLED__RESULT__OK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        KIT_TEST(it_rings_once_there_is_a_port),
        KIT_TEST(who_answers_is_the_a_leg),
        KIT_TEST(what_cannot_be_used_is_ended),
        KIT_TEST(who_asks_again_is_told_the_same),
        KIT_TEST(askers_are_bounded),
        KIT_TEST(nobody_there),
        KIT_TEST(no_port),
        KIT_TEST(from_is_unknown_or_away_then_to_is_called),
        KIT_TEST(an_offerless_reinvite_of_the_first_is_none_of_the_seconds),
        KIT_TEST(what_was_out_before_does_not_join_them),
        KIT_TEST(an_offer_that_meets_ours_waits_until_they_are_joined),
        KIT_TEST(who_answers_491_over_and_over_has_refused),
        KIT_TEST(a_target_that_hangs_up_answers_what_is_open),
        KIT_TEST(what_is_refused_before_there_is_a_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
