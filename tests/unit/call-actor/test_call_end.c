/* Every way to the end: what is said, what is published, what is given back, and that each happens once. */
#include "tests/unit/call-actor/call_kit.h"

#include "call-actor/call_job.h"
#include "call-actor/call_row.h"

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
    kit_assert_log(k, LOG_INFO, "ended: normal_clearing by caller while established, status 0, cause 16");
    assert_false(call_is_live(k->c));
}

static void bye_tells_its_cause(void **s)
{
    struct kit *k = *s;
    kit_established(k);
    KIT_REQUEST(k, .method = "BYE", .cseq = 11,
                .more = "Reason: SIP;cause=200, q.850 ;cause=31;text=\"x;cause=1\"\r\n");
    assert_int_equal(k->c->row->end_q850, 31);
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
    kit_assert_log(k, LOG_INFO, "to be ended by platform");
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
    KIT_REQUEST(k, .method = "INFO", .cseq = 13);
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

/* --- ports --- */

static void unreachable_media_service_is_asked_again(void **s)
{
    struct kit *k = *s;
    char first[64];
    kit_established(k);
    kit_bye(k, 11);
    struct call_effect *e = kit_job(k, PLANE__RUN_JOB__KIND__RELEASE_PORT);
    (void)snprintf(first, sizeof(first), "%.*s", (int)e->txn_len, e->txn);
    kit_released(k, PLANE__JOB_DONE__RESULT__UNAVAILABLE);
    assert_int_equal(kit_count(k, CALL_EFF_JOB), 0);
    assert_int_equal(kit_arm(k, CALL_TMR_RELEASE)->at_wall_ms, (uint64_t)k->now.wall_ms + JOB_RELEASE_RETRY_MS);
    kit_timer(k, CALL_TMR_RELEASE);
    e = kit_job(k, PLANE__RUN_JOB__KIND__RELEASE_PORT);
    assert_int_equal(e->job->rtp_port, KIT_PORT);
    assert_string_not_equal(strndupa(e->txn, e->txn_len), first); /* the old id is answered */
    kit_released(k, PLANE__JOB_DONE__RESULT__UNAVAILABLE);
    assert_int_equal(kit_arm(k, CALL_TMR_RELEASE)->at_wall_ms, (uint64_t)k->now.wall_ms + 2 * JOB_RELEASE_RETRY_MS);
    kit_timer(k, CALL_TMR_RELEASE);
    kit_released(k, PLANE__JOB_DONE__RESULT__OK);
    assert_int_equal(k->c->row->port_state, STORE__PORT_STATE__PORT_RELEASED);
}

static void release_is_given_up_in_the_end(void **s)
{
    struct kit *k = *s;
    kit_established(k);
    kit_bye(k, 11);
    for (unsigned i = 0; i < JOB_RELEASE_TRIES_MAX; i++) {
        uint64_t wait = (uint64_t)JOB_RELEASE_RETRY_MS << i;
        kit_released(k, PLANE__JOB_DONE__RESULT__UNAVAILABLE);
        assert_int_equal(k->c->row->timers[CALL_TMR_RELEASE] - (uint64_t)k->now.wall_ms,
                         wait < JOB_RELEASE_RETRY_MAX_MS ? wait : JOB_RELEASE_RETRY_MAX_MS);
        kit_timer(k, CALL_TMR_RELEASE);
        assert_int_equal(kit_count(k, CALL_EFF_JOB), 1);
    }
    kit_released(k, PLANE__JOB_DONE__RESULT__UNAVAILABLE);
    kit_assert_log(k, LOG_ERROR, "port 10050 may be lost");
    assert_false(call_is_busy(k->c));
}

/* Two ports are out: the timer that runs serves both. */
static void one_timer_serves_all_releases(void **s)
{
    struct kit *k = *s;
    ProtobufCBinaryData setup = {0};
    uint8_t id[64];
    kit_invite(k);
    setup = (ProtobufCBinaryData){.len = k->c->row->jobs[0]->id.len, .data = id};
    memcpy(id, k->c->row->jobs[0]->id.data, setup.len);
    kit_setup_ok(k);
    kit_ack(k, 10);
    kit_bye(k, 11);
    kit_done_id(k, setup, PLANE__JOB_DONE__RESULT__OK, KIT_PORT + 2, "ECHO");
    kit_done_id(k, k->c->row->jobs[0]->id, PLANE__JOB_DONE__RESULT__UNAVAILABLE, 0, NULL);
    uint64_t due = kit_arm(k, CALL_TMR_RELEASE)->at_wall_ms;
    k->now.wall_ms += 100;
    kit_done_id(k, k->c->row->jobs[1]->id, PLANE__JOB_DONE__RESULT__UNAVAILABLE, 0, NULL);
    assert_null(kit_arm(k, CALL_TMR_RELEASE));
    assert_int_equal(k->c->row->timers[CALL_TMR_RELEASE], due);
    kit_timer(k, CALL_TMR_RELEASE);
    assert_int_equal(kit_count(k, CALL_EFF_JOB), 2);
    kit_done_id(k, k->c->row->jobs[0]->id, PLANE__JOB_DONE__RESULT__UNAVAILABLE, 0, NULL);
    kit_timer(k, CALL_TMR_RELEASE);
    assert_int_equal(kit_count(k, CALL_EFF_JOB), 1); /* the other one is being done */
}

/* Only set-up jobs bring ports, and open jobs are bounded. */
static void extra_ports_are_bounded(void **s)
{
    struct kit *k = *s;
    ProtobufCBinaryData id = {.len = 18, .data = (uint8_t *)(uintptr_t) "a3-1234abcd-rxxxxx"};
    kit_established(k);
    kit_done_id(k, id, PLANE__JOB_DONE__RESULT__OK, 40000, NULL);
    assert_int_equal(k->fx.count, 0);
    id.data = (uint8_t *)(uintptr_t) "a3-1234abcd-sxxxxx";
    for (uint32_t i = 0; i < JOB_OPEN_MAX; i++) {
        kit_done_id(k, id, PLANE__JOB_DONE__RESULT__OK, 40000 + i, NULL);
        assert_int_equal(kit_job(k, PLANE__RUN_JOB__KIND__RELEASE_PORT)->job->rtp_port, 40000 + i);
    }
    kit_done_id(k, id, PLANE__JOB_DONE__RESULT__OK, 40100, NULL);
    assert_int_equal(kit_count(k, CALL_EFF_JOB), 0);
    kit_assert_log(k, LOG_ERROR, "port 40100 is lost");
    assert_int_equal(k->c->row->n_jobs, JOB_OPEN_MAX);
}

static void cancel_is_for_the_setup_only(void **s)
{
    struct kit *k = *s;
    ProtobufCBinaryData id = {.len = 18, .data = (uint8_t *)(uintptr_t) "a3-1234abcd-sxxxxx"};
    kit_invite(k);
    kit_done_id(k, id, PLANE__JOB_DONE__RESULT__OK, 40000, NULL); /* of a life before */
    assert_int_equal(k->c->row->n_jobs, 2);
    kit_cancel(k);
    assert_int_equal(kit_count(k, CALL_EFF_CANCEL_JOB), 1);
}

/* A release that may have got through is not repeated: by then the port may have a new owner. */
static void release_in_doubt_is_not_repeated(void **s)
{
    struct kit *k = *s;
    kit_established(k);
    kit_bye(k, 11);
    ProtobufCBinaryData id = k->c->row->jobs[0]->id;
    Plane__JobDone done = PLANE__JOB_DONE__INIT;
    done.id = id;
    done.result = PLANE__JOB_DONE__RESULT__UNAVAILABLE;
    done.grpc_status = (char *)(uintptr_t) "DEADLINE_EXCEEDED";
    struct call_input in = {.type = CALL_IN_JOB_DONE, .done = &done};
    kit_step(k, &in);
    assert_int_equal(k->c->row->timers[CALL_TMR_RELEASE], 0);
    assert_int_equal(kit_effect(k, CALL_EFF_LOG, 0)->level, LOG_ERROR);
    assert_false(call_is_busy(k->c));
}

/* The orchestrator died between two answers to one set-up: two ports, and only one of them is ours to use. */
static void second_port_of_a_setup_goes_back(void **s)
{
    struct kit *k = *s;
    uint8_t id[64];
    kit_invite(k);
    ProtobufCBinaryData job = {.len = k->c->row->jobs[0]->id.len, .data = id};
    memcpy(id, k->c->row->jobs[0]->id.data, job.len);
    kit_setup_ok(k);
    kit_done_id(k, job, PLANE__JOB_DONE__RESULT__OK, KIT_PORT, "ECHO"); /* the same answer twice */
    assert_int_equal(k->fx.count, 0);
    kit_done_id(k, job, PLANE__JOB_DONE__RESULT__OK, KIT_PORT + 2, "ECHO");
    assert_int_equal(k->fx.count, 1);
    assert_int_equal(kit_job(k, PLANE__RUN_JOB__KIND__RELEASE_PORT)->job->rtp_port, KIT_PORT + 2);
    kit_released(k, PLANE__JOB_DONE__RESULT__OK);
    assert_int_equal(k->c->row->port_state, STORE__PORT_STATE__PORT_HELD); /* ours is still ours */
    kit_assert_state(k, CALL_ST_ANSWERED);
}

/* --- asking again --- */

static void restart_asks_everything_again(void **s)
{
    struct kit *k = *s;
    kit_invite(k);
    struct call_effects again = {.count = 0};
    call_ask_again(k->c, PLANE__PROC__PROC_NONE, &again, k->now);
    assert_int_equal(again.count, 2); /* the job and the timer */
    assert_int_equal(again.list[0].type, CALL_EFF_ARM);
    assert_int_equal(again.list[0].at_wall_ms, KIT_WALL + 10000);
    assert_int_equal(again.list[1].type, CALL_EFF_JOB);
    assert_true(span_eq(row_span(again.list[1].job->id), row_span(k->c->row->jobs[0]->id)));
    assert_string_equal(again.list[1].job->destination, "902121234567");
    call_effects_clear(&again);
    call_ask_again(k->c, PLANE__PROC__PROC_EDGE, &again, k->now);
    assert_int_equal(again.count, 0);
}

static void edge_that_came_back_is_asked_for_the_bye(void **s)
{
    struct kit *k = *s;
    struct call_effects again = {.count = 0};
    kit_established(k);
    kit_terminate(k, "amqp");
    call_ask_again(k->c, PLANE__PROC__PROC_EDGE, &again, k->now);
    assert_int_equal(again.count, 1);
    const struct call_effect *e = kit_effect(k, CALL_EFF_REQUEST, 0);
    assert_int_equal(again.list[0].raw_len, e->raw_len);
    assert_memory_equal(again.list[0].raw, e->raw, e->raw_len);
    assert_memory_equal(again.list[0].txn, e->txn, e->txn_len);
    call_effects_clear(&again);
    call_ask_again(k->c, PLANE__PROC__PROC_ORCH, &again, k->now);
    assert_int_equal(again.count, 1);
    assert_int_equal(again.list[0].job->kind, PLANE__RUN_JOB__KIND__RELEASE_PORT);
    assert_int_equal(again.list[0].job->rtp_port, KIT_PORT);
    call_effects_clear(&again);
}

static void cancelled_job_is_asked_and_cancelled_again(void **s)
{
    struct kit *k = *s;
    struct call_effects again = {.count = 0};
    kit_invite(k);
    kit_cancel(k);
    call_ask_again(k->c, PLANE__PROC__PROC_ORCH, &again, k->now);
    assert_int_equal(again.count, 2);
    assert_int_equal(again.list[0].type, CALL_EFF_JOB);
    assert_int_equal(again.list[1].type, CALL_EFF_CANCEL_JOB);
    call_effects_clear(&again);
}

static void rows_that_are_no_calls_are_refused(void **s)
{
    struct kit *k = *s;
    Store__CallRow *row = calloc(1, sizeof(*row));
    store__call_row__init(row);
    row->state = CALL_STATES;
    assert_null(call_from_row(&k->conf, row));
    row = calloc(1, sizeof(*row));
    store__call_row__init(row);
    row->state = CALL_ST_ESTABLISHED; /* and no dialog */
    assert_null(call_from_row(&k->conf, row));
}

static void history_shows_the_last_steps(void **s)
{
    struct kit *k = *s;
    struct buf out;
    kit_invite(k);
    k->now.wall_ms += 120;
    kit_setup_ok(k);
    kit_ack(k, 10);
    buf_init(&out, 4096);
    call_history_put(k->c, &out);
    assert_string_equal(buf_cstr(&out), "+0 ms NEW -> SETUP on INVITE\n+120 ms SETUP -> ANSWERED on SETUP_OK\n"
                                        "+120 ms ANSWERED -> ESTABLISHED on ACK\n");
    for (uint32_t i = 0; i < 40; i++)
        KIT_REQUEST(k, .method = "OPTIONS", .cseq = 11 + i);
    assert_int_equal(k->c->row->steps.len, 16 * 8);
    buf_fini(&out);
}

static void keys_are_read_back(void **s)
{
    (void)s;
    assert_int_equal(call_key_of(SPAN("a0-ff-s123")), 255);
    assert_int_equal(call_key_of(SPAN("z9hG4bKa12-ffffffffffffffff-x")), UINT64_MAX);
    assert_int_equal(call_key_of(SPAN("a0-fffffffffffffffff-x")), 0);
    assert_int_equal(call_key_of(SPAN("a0-xyz-x")), 0);
    assert_int_equal(call_key_of(SPAN("b0-ff-x")), 0);
    assert_int_equal(call_key_of(SPAN("")), 0);
    assert_int_equal(call_key_of(SPAN("z9hG4bK")), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(bye_ends),
        T(bye_tells_its_cause),
        T(bye_before_the_ack_ends_unanswered),
        T(repeated_bye_gets_the_same_bytes),
        T(requests_after_the_end_get_481),
        T(ended_row_is_small),
        T(forgotten_when_lingered_and_released),
        T(not_forgotten_while_the_port_is_out),
        T(refused_call_is_forgotten_too),
        T(cancel_in_setup),
        T(port_that_comes_after_cancel_goes_back),
        T(cancelled_without_a_port_is_done),
        T(terminate_sends_bye),
        T(bye_of_ours_is_in_the_dialog),
        T(any_end_of_our_bye_ends),
        T(answer_to_another_branch_is_nothing),
        T(glare_answers_both),
        T(requests_while_our_bye_is_out_get_481),
        T(terminate_in_setup_refuses),
        T(terminate_before_the_ack_waits_for_it),
        T(closing_without_ack),
        T(closing_and_the_caller_hangs_up),
        T(closing_refuses_a_reinvite),
        T(closing_with_an_unusable_answer),
        T(terminate_during_a_reinvite_sends_bye),
        T(unreachable_media_service_is_asked_again),
        T(release_is_given_up_in_the_end),
        T(release_in_doubt_is_not_repeated),
        T(one_timer_serves_all_releases),
        T(extra_ports_are_bounded),
        T(cancel_is_for_the_setup_only),
        T(second_port_of_a_setup_goes_back),
        T(restart_asks_everything_again),
        T(edge_that_came_back_is_asked_for_the_bye),
        T(cancelled_job_is_asked_and_cancelled_again),
        T(rows_that_are_no_calls_are_refused),
        T(history_shows_the_last_steps),
        T(keys_are_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
