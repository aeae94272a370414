/* Every way to the end: what is said, what is published, what is given back, and that each happens once. */
#include "tests/unit/call-actor/call_kit.h"

#include "call-actor/call_job.h"

static void assert_ended_once(struct kit *k, const char *reason)
{
    char words[64];
    (void)snprintf(words, sizeof(words), "\"reason\":\"%s\"", reason);
    assert_int_equal(kit_count(k, CALL_EFF_PUBLISH), 1);
    kit_assert_has(kit_event(k, "call.ended"), words);
    assert_int_equal(kit_count(k, CALL_EFF_JOB), 1);
    assert_int_equal(kit_job(k, PLANE__RUN_JOB__KIND__RELEASE_PORT)->job->rtp_port, KIT_PORT);
    assert_string_equal(k->c->row->end_reason, reason);
    assert_int_equal(k->c->row->port_state, STORE__PORT_STATE__PORT_RELEASING);
}

/* --- BYE of the caller --- */

static void bye_ends(void **s)
{
    struct kit *k = *s;
    kit_established(k);
    kit_bye(k, 11);
    (void)kit_assert_reply(k, 200);
    kit_assert_state(k, CALL_ST_ENDED);
    assert_ended_once(k, "normal_clearing");
    assert_string_equal(k->c->row->ended_by, "caller");
    assert_int_equal(k->c->row->end_q850, 16);
    assert_string_equal(k->c->row->end_stage, "established");
    assert_int_equal(kit_arm(k, CALL_TMR_LINGER)->at_wall_ms, (uint64_t)k->now.wall_ms + 64 * KIT_T1);
    assert_int_equal(kit_count(k, CALL_EFF_REQUEST), 0);
    assert_int_equal(k->c->row->ended_wall_ms, (uint64_t)k->now.wall_ms);
    assert_int_equal(kit_job(k, PLANE__RUN_JOB__KIND__RELEASE_PORT)->job->budget_ms, JOB_RELEASE_BUDGET_MS);
    kit_assert_say(k, CALL_SAY_ENDED);
    assert_false(call_is_live(k->c));
}

static void bye_tells_its_cause(void **s)
{
    struct kit *k = *s;
    kit_established(k);
    KIT_REQUEST(k, .method = "BYE", .cseq = 11,
                .more = "Reason: SIP;cause=200, q.850 ;cause=31;text=\"x;cause=1\"\r\n");
    assert_int_equal(k->c->row->end_q850, 31);
    kit_assert_has(kit_event(k, "call.ended"), "\"q850Cause\":31");
    kit_assert_has(kit_event(k, "call.ended"), "\"endedBy\":\"caller\"");
    kit_assert_has(kit_event(k, "call.ended"), "\"stage\":\"established\"");
    assert_true(k->c->row->started_published && k->c->row->answered_published && k->c->row->ended_published);
    assert_ended_once(k, "normal_clearing");
}

static void bye_before_the_ack_ends_unanswered(void **s)
{
    struct kit *k = *s;
    kit_answered(k);
    kit_bye(k, 11);
    (void)kit_assert_reply(k, 200);
    kit_assert_state(k, CALL_ST_ENDED);
    assert_ended_once(k, "normal_clearing");
    assert_int_equal(kit_arm(k, CALL_TMR_2XX)->at_wall_ms, 0);
    assert_int_equal(kit_arm(k, CALL_TMR_NO_ACK)->at_wall_ms, 0);
    kit_ack(k, 10); /* late */
    assert_int_equal(k->fx.count, 0);
}

static void repeated_bye_gets_the_same_bytes(void **s)
{
    struct kit *k = *s;
    char first[2048];
    kit_established(k);
    KIT_REQUEST(k, .method = "BYE", .cseq = 11, .branch = "z9hG4bKbye");
    struct call_effect *e = kit_effect(k, CALL_EFF_REPLY, 0);
    (void)snprintf(first, sizeof(first), "%.*s", (int)e->raw_len, e->raw);
    KIT_REQUEST(k, .method = "BYE", .cseq = 11, .branch = "z9hG4bKbye");
    e = kit_assert_reply(k, 200);
    assert_string_equal(strndupa(e->raw, e->raw_len), first);
    assert_int_equal(k->fx.count, 1);
}

static void requests_after_the_end_get_481(void **s)
{
    static const char *const methods[] = {"INVITE", "BYE", "OPTIONS", "INFO"};
    struct kit *k = *s;
    kit_established(k);
    kit_bye(k, 11);
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        KIT_REQUEST(k, .method = methods[i], .in_dialog = true, .cseq = 20);
        (void)kit_assert_reply(k, 481);
        assert_int_equal(k->fx.count, 1);
    }
    kit_terminate(k, "amqp");
    assert_int_equal(k->fx.count, 0);
}

static void ended_row_is_small(void **s)
{
    struct kit *k = *s;
    kit_established(k);
    kit_bye(k, 11);
    const Store__CallRow *row = k->c->row;
    assert_int_equal(row->a->n_routes, 0);
    assert_int_equal(row->answer.len, 0);
    assert_string_equal(row->a->remote_value, "");
    assert_string_equal(row->caller_rtp, "");
    assert_string_equal(row->a->call_id, "kit-call@192.0.2.1");
    assert_true(strlen(row->a->local_tag) > 0);
}

/* --- forgetting --- */

static void forgotten_when_lingered_and_released(void **s)
{
    struct kit *k = *s;
    kit_established(k);
    kit_bye(k, 11);
    kit_released(k, PLANE__JOB_DONE__RESULT__OK);
    assert_int_equal(k->fx.count, 0);
    assert_int_equal(k->c->row->port_state, STORE__PORT_STATE__PORT_RELEASED);
    assert_false(k->forgotten || call_is_busy(k->c));
    kit_timer(k, CALL_TMR_LINGER);
    assert_true(k->forgotten);
    assert_int_equal(k->fx.count, 1);
}

static void not_forgotten_while_the_port_is_out(void **s)
{
    struct kit *k = *s;
    kit_established(k);
    kit_bye(k, 11);
    kit_timer(k, CALL_TMR_LINGER);
    assert_false(k->forgotten);
    assert_true(call_is_busy(k->c));
    kit_released(k, PLANE__JOB_DONE__RESULT__OK);
    assert_true(k->forgotten);
}

static void refused_call_is_forgotten_too(void **s)
{
    struct kit *k = *s;
    kit_invite(k);
    kit_setup_done(k, PLANE__JOB_DONE__RESULT__DENIED, 0, NULL);
    assert_false(k->forgotten);
    kit_timer(k, CALL_TMR_LINGER);
    assert_true(k->forgotten);
}

/* --- CANCEL --- */

static void cancel_in_setup(void **s)
{
    struct kit *k = *s;
    kit_invite(k);
    kit_cancel(k);
    kit_assert_state(k, CALL_ST_ENDED);
    assert_int_equal(kit_count(k, CALL_EFF_REPLY), 2);
    assert_int_equal(kit_effect(k, CALL_EFF_REPLY, 0)->status, 200);
    kit_assert_has(kit_effect(k, CALL_EFF_REPLY, 0), "CSeq: 10 CANCEL\r\n");
    kit_assert_has(kit_effect(k, CALL_EFF_REPLY, 0), k->c->row->a->local_tag); /* §9.2 */
    assert_int_equal(kit_effect(k, CALL_EFF_REPLY, 1)->status, 487);
    kit_assert_has(kit_effect(k, CALL_EFF_REPLY, 1), "CSeq: 10 INVITE\r\n");
    struct call_effect *e = kit_effect(k, CALL_EFF_CANCEL_JOB, 0);
    assert_true(span_eq(span_of(e->txn, e->txn_len), row_span(k->c->row->jobs[0]->id)));
    assert_int_equal(kit_count(k, CALL_EFF_PUBLISH), 0);
    assert_string_equal(k->c->row->end_reason, "cancelled");
    assert_int_equal(k->c->row->offer.len, 0);
    assert_true(call_is_busy(k->c)); /* a port may come yet */
    kit_cancel(k);
    (void)kit_assert_reply(k, 200);
    assert_int_equal(k->fx.count, 1);
}

static void port_that_comes_after_cancel_goes_back(void **s)
{
    static const Plane__JobDone__Result results[] = {PLANE__JOB_DONE__RESULT__OK, PLANE__JOB_DONE__RESULT__CANCELLED,
                                                     PLANE__JOB_DONE__RESULT__FAILED};
    (void)s;
    for (size_t i = 0; i < 3; i++) {
        struct kit k;
        kit_init(&k);
        kit_invite(&k);
        kit_cancel(&k);
        kit_setup_done(&k, results[i], KIT_PORT, "ECHO");
        assert_int_equal(k.fx.count, 1);
        assert_int_equal(k.c->row->port_state, STORE__PORT_STATE__PORT_RELEASING);
        assert_int_equal(k.c->row->rtp_port, KIT_PORT);
        assert_int_equal(kit_job(&k, PLANE__RUN_JOB__KIND__RELEASE_PORT)->job->rtp_port, KIT_PORT);
        kit_released(&k, PLANE__JOB_DONE__RESULT__OK);
        kit_timer(&k, CALL_TMR_LINGER);
        assert_true(k.forgotten);
        kit_fini(&k);
    }
}

static void cancelled_without_a_port_is_done(void **s)
{
    struct kit *k = *s;
    kit_invite(k);
    kit_cancel(k);
    kit_setup_done(k, PLANE__JOB_DONE__RESULT__CANCELLED, 0, NULL);
    assert_int_equal(k->fx.count, 0);
    assert_false(call_is_busy(k->c));
}

/* --- TERMINATE --- */

static void terminate_sends_bye(void **s)
{
    struct kit *k = *s;
    kit_established(k);
    kit_terminate(k, "amqp");
    kit_assert_state(k, CALL_ST_ENDING);
    assert_ended_once(k, "system_terminated");
    assert_string_equal(k->c->row->ended_by, "platform");
    assert_string_equal(k->c->row->end_detail, "NORMAL_CLEARING");
    struct call_effect *e = kit_effect(k, CALL_EFF_REQUEST, 0);
    assert_string_equal(e->method, "BYE");
    assert_string_equal(e->peer.addr, "198.51.100.7");
    assert_int_equal(e->peer.port, 5062);
    assert_int_equal(call_key_of(span_of(e->txn, e->txn_len)), KIT_KEY);
    assert_memory_equal(e->txn, "z9hG4bKa3-", 10);
    assert_true(call_is_live(k->c) && call_is_busy(k->c));
    kit_bye_answer(k, 200);
    kit_assert_state(k, CALL_ST_ENDED);
    assert_int_equal(kit_count(k, CALL_EFF_PUBLISH) + kit_count(k, CALL_EFF_JOB), 0);
    assert_non_null(kit_arm(k, CALL_TMR_LINGER));
}

static void bye_of_ours_is_in_the_dialog(void **s)
{
    struct kit *k = *s;
    char want[512];
    kit_established(k);
    kit_terminate(k, "sigctl");
    assert_string_equal(k->c->row->ended_by, "operator");
    (void)snprintf(
        want, sizeof(want),
        "BYE sip:ali@192.0.2.1:5070 SIP/2.0\r\nMax-Forwards: 70\r\n"
        "Route: <sip:p2.example;lr;trasport=udp>\r\nRoute: <sip:p1.example;lr>;ftag=x\r\n"
        "From: <sip:902121234567@203.0.113.5>;tag=%s\r\n"
        "To: \"Ali\" <sip:05321112233@192.0.2.1>;tag=ft1\r\nCall-ID: kit-call@192.0.2.1\r\nCSeq: 1 BYE\r\n"
        "User-Agent: sig/1\r\nReason: Q.850;cause=16;text=\"Normal call clearing\"\r\nContent-Length: 0\r\n\r\n",
        k->c->row->a->local_tag);
    struct call_effect *e = kit_effect(k, CALL_EFF_REQUEST, 0);
    assert_string_equal(strndupa(e->raw, e->raw_len), want); /* no Via: the edge's; no Contact: lesson 16 */
}

static void bye_is_kept_until_it_is_answered(void **s)
{
    struct kit *k = *s;
    struct kit other;
    kit_established(k);
    kit_terminate(k, "amqp");
    const Store__ClientTxn *txn = k->c->row->client_txns[0];
    assert_string_equal(txn->method, "BYE");
    assert_int_equal(txn->cseq, 1);
    kit_init(&other); /* another life with the same key: branches are never used twice (§8.1.1.7) */
    kit_established(&other);
    kit_terminate(&other, "amqp");
    assert_false(span_eq(row_span(txn->branch), row_span(other.c->row->client_txns[0]->branch)));
    kit_fini(&other);
}

static void any_end_of_our_bye_ends(void **s)
{
    static const unsigned finals[] = {0, 200, 401, 408, 481, 500, 603};
    (void)s;
    for (size_t i = 0; i < sizeof(finals) / sizeof(finals[0]); i++) {
        struct kit k;
        kit_init(&k);
        kit_established(&k);
        kit_terminate(&k, "amqp");
        kit_bye_answer(&k, 100); /* not final */
        kit_assert_state(&k, CALL_ST_ENDING);
        kit_bye_answer(&k, finals[i]);
        kit_assert_state(&k, CALL_ST_ENDED);
        assert_int_equal(k.c->row->n_client_txns, 0);
        kit_fini(&k);
    }
}

static void answer_to_another_branch_is_nothing(void **s)
{
    struct kit *k = *s;
    kit_established(k);
    kit_terminate(k, "amqp");
    struct call_input in = {.type = CALL_IN_RESPONSE, .txn = SPAN("z9hG4bKother"), .status = 200};
    kit_step(k, &in);
    kit_assert_state(k, CALL_ST_ENDING);
}

static void glare_answers_both(void **s)
{
    struct kit *k = *s;
    kit_established(k);
    kit_terminate(k, "amqp");
    kit_bye(k, 11);
    (void)kit_assert_reply(k, 200);
    assert_int_equal(k->fx.count, 1); /* no second call.ended, no second release */
    kit_assert_state(k, CALL_ST_ENDING);
    kit_bye_answer(k, 481);
    kit_assert_state(k, CALL_ST_ENDED);
}

static void requests_while_our_bye_is_out_get_481(void **s)
{
    struct kit *k = *s;
    kit_established(k);
    kit_terminate(k, "amqp");
    KIT_REQUEST(k, .method = "INVITE", .in_dialog = true, .cseq = 11, .body = KIT_HOLD);
    (void)kit_assert_reply(k, 481);
    KIT_REQUEST(k, .method = "OPTIONS", .cseq = 12);
    (void)kit_assert_reply(k, 481);
    kit_terminate(k, "amqp");
    assert_int_equal(k->fx.count, 0);
}

static void terminate_in_setup_refuses(void **s)
{
    struct kit *k = *s;
    kit_invite(k);
    kit_terminate(k, "grpc:agent");
    (void)kit_assert_reply(k, 480);
    kit_assert_state(k, CALL_ST_ENDED);
    assert_int_equal(kit_count(k, CALL_EFF_CANCEL_JOB), 1);
    assert_int_equal(kit_count(k, CALL_EFF_PUBLISH), 0);
    assert_string_equal(k->c->row->end_reason, "system_terminated");
}

/* RFC 3261 §15: the callee sends no BYE before the ACK has come or cannot come any more. */
static void terminate_before_the_ack_waits_for_it(void **s)
{
    struct kit *k = *s;
    kit_answered(k);
    kit_terminate(k, "amqp");
    kit_assert_state(k, CALL_ST_CLOSING);
    assert_int_equal(kit_count(k, CALL_EFF_REQUEST) + kit_count(k, CALL_EFF_PUBLISH) + kit_count(k, CALL_EFF_JOB), 0);
    kit_assert_log(k, CALL_LOG_INFO, "to be ended by platform");
    assert_true(k->c->dirty); /* the wish outlives us */
    kit_timer(k, CALL_TMR_2XX);
    assert_int_equal(kit_count(k, CALL_EFF_REPLY), 1);
    kit_terminate(k, "sigctl");
    assert_int_equal(k->fx.count, 0);
    kit_ack(k, 10);
    kit_assert_state(k, CALL_ST_ENDING);
    assert_int_equal(kit_count(k, CALL_EFF_REQUEST), 1);
    assert_string_equal(kit_effect(k, CALL_EFF_PUBLISH, 0)->routing_key, "call.answered");
    assert_string_equal(kit_effect(k, CALL_EFF_PUBLISH, 1)->routing_key, "call.ended");
    kit_assert_has(kit_event(k, "call.ended"), "\"reason\":\"system_terminated\"");
    assert_string_equal(k->c->row->ended_by, "platform"); /* who asked first */
    assert_non_null(kit_job(k, PLANE__RUN_JOB__KIND__RELEASE_PORT));
}

static void closing_without_ack(void **s)
{
    struct kit *k = *s;
    kit_answered(k);
    kit_terminate(k, "amqp");
    kit_timer(k, CALL_TMR_NO_ACK);
    kit_assert_state(k, CALL_ST_ENDING);
    assert_ended_once(k, "system_terminated");
    kit_assert_has(kit_effect(k, CALL_EFF_REQUEST, 0), "cause=16;");
}

static void closing_and_the_caller_hangs_up(void **s)
{
    struct kit *k = *s;
    kit_answered(k);
    kit_terminate(k, "amqp");
    kit_bye(k, 11);
    (void)kit_assert_reply(k, 200);
    kit_assert_state(k, CALL_ST_ENDED);
    assert_ended_once(k, "system_terminated");
}

static void closing_refuses_a_reinvite(void **s)
{
    struct kit *k = *s;
    kit_answered(k);
    kit_terminate(k, "amqp");
    KIT_REQUEST(k, .method = "INVITE", .in_dialog = true, .cseq = 11, .body = KIT_HOLD);
    (void)kit_assert_reply(k, 491);
    KIT_REQUEST(k, .method = "OPTIONS", .cseq = 12);
    (void)kit_assert_reply(k, 200);
    KIT_REQUEST(k, .method = "NOTIFY", .cseq = 13);
    (void)kit_assert_reply(k, 405);
    kit_cancel(k);
    (void)kit_assert_reply(k, 200);
    kit_assert_state(k, CALL_ST_CLOSING);
}

static void closing_with_an_unusable_answer(void **s)
{
    struct kit *k = *s;
    KIT_REQUEST(k, .method = "INVITE", .cseq = 10);
    kit_setup_ok(k);
    kit_terminate(k, "amqp");
    kit_ack(k, 10); /* without the answer it owes */
    kit_assert_state(k, CALL_ST_ENDING);
    assert_ended_once(k, "system_terminated");
}

/* A re-INVITE without ACK does not hold up the end: the dialog was confirmed long ago. */
static void terminate_during_a_reinvite_sends_bye(void **s)
{
    struct kit *k = *s;
    kit_established(k);
    KIT_REQUEST(k, .method = "INVITE", .in_dialog = true, .cseq = 11, .body = KIT_HOLD);
    kit_terminate(k, "amqp");
    kit_assert_state(k, CALL_ST_ENDING);
    assert_int_equal(k->c->row->timers[CALL_TMR_2XX], 0);
    assert_int_equal(k->c->row->timers[CALL_TMR_NO_ACK], 0);
    kit_ack(k, 11);
    assert_int_equal(k->fx.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        KIT_TEST(bye_ends),
        KIT_TEST(bye_tells_its_cause),
        KIT_TEST(bye_before_the_ack_ends_unanswered),
        KIT_TEST(repeated_bye_gets_the_same_bytes),
        KIT_TEST(requests_after_the_end_get_481),
        KIT_TEST(ended_row_is_small),
        KIT_TEST(forgotten_when_lingered_and_released),
        KIT_TEST(not_forgotten_while_the_port_is_out),
        KIT_TEST(refused_call_is_forgotten_too),
        KIT_TEST(cancel_in_setup),
        KIT_TEST(port_that_comes_after_cancel_goes_back),
        KIT_TEST(cancelled_without_a_port_is_done),
        KIT_TEST(terminate_sends_bye),
        KIT_TEST(bye_of_ours_is_in_the_dialog),
        KIT_TEST(bye_is_kept_until_it_is_answered),
        KIT_TEST(any_end_of_our_bye_ends),
        KIT_TEST(answer_to_another_branch_is_nothing),
        KIT_TEST(glare_answers_both),
        KIT_TEST(requests_while_our_bye_is_out_get_481),
        KIT_TEST(terminate_in_setup_refuses),
        KIT_TEST(terminate_before_the_ack_waits_for_it),
        KIT_TEST(closing_without_ack),
        KIT_TEST(closing_and_the_caller_hangs_up),
        KIT_TEST(closing_refuses_a_reinvite),
        KIT_TEST(closing_with_an_unusable_answer),
        KIT_TEST(terminate_during_a_reinvite_sends_bye),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
