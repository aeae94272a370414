/* Between the 200 and the end: ACK and its absence, OPTIONS, requests out of order or repeated. */
#include "tests/unit/call-actor/call_kit.h"

#include "call-actor/leg.h"

/* --- ACK --- */

static void ack_establishes_and_publishes_answered(void **s)
{
    struct kit *k = *s;
    kit_answered(k);
    kit_ack(k, 10);
    kit_assert_state(k, CALL_ST_ESTABLISHED);
    assert_non_null(kit_event(k, "call.answered"));
    assert_int_equal(kit_arm(k, CALL_TMR_2XX)->at_wall_ms, 0);
    assert_int_equal(kit_arm(k, CALL_TMR_NO_ACK)->at_wall_ms, 0);
    assert_int_equal(k->c->row->n_server_txns, 0); /* its reply is not needed any more */
    assert_true(call_is_live(k->c));
    assert_true(call_is_busy(k->c)); /* it holds a port */
}

static void first_ack_is_when_it_was_answered(void **s)
{
    struct kit *k = *s;
    kit_answered(k);
    k->now.wall_ms += 100;
    kit_ack(k, 10);
    assert_int_equal(k->c->row->acked_wall_ms, KIT_WALL + 100);
    KIT_REQUEST(k, .method = "INVITE", .in_dialog = true, .cseq = 11, .body = KIT_HOLD);
    k->now.wall_ms += 100;
    kit_ack(k, 11);
    assert_int_equal(k->c->row->acked_wall_ms, KIT_WALL + 100);
}

static void repeated_ack_is_nothing(void **s)
{
    struct kit *k = *s;
    kit_established(k);
    k->c->dirty = false;
    kit_ack(k, 10);
    assert_int_equal(k->fx.count, 0);
    assert_false(k->c->dirty);
}

static void ack_of_another_invite_is_nothing(void **s)
{
    struct kit *k = *s;
    kit_answered(k);
    kit_ack(k, 9);
    assert_int_equal(k->fx.count, 0);
    kit_assert_state(k, CALL_ST_ANSWERED);
}

static void ack_before_the_answer_is_nothing(void **s)
{
    struct kit *k = *s;
    kit_invite(k);
    kit_ack(k, 10);
    assert_int_equal(k->fx.count, 0);
    kit_assert_state(k, CALL_ST_SETUP);
}

/* RFC 3261 §13.3.1.4: T1, doubling, T2 at most. */
static void answer_is_repeated_until_ack(void **s)
{
    static const unsigned gaps[] = {500, 1000, 2000, 4000, 4000, 4000};
    struct kit *k = *s;
    kit_answered(k);
    uint64_t due = k->c->row->timers[CALL_TMR_2XX];
    assert_int_equal(due, KIT_WALL + gaps[0]);
    for (size_t i = 1; i < sizeof(gaps) / sizeof(gaps[0]); i++) {
        k->c->dirty = false;
        kit_timer(k, CALL_TMR_2XX);
        assert_int_equal(kit_count(k, CALL_EFF_REPLY), 1);
        assert_int_equal(kit_effect(k, CALL_EFF_REPLY, 0)->status, 200);
        due += gaps[i];
        assert_int_equal(kit_arm(k, CALL_TMR_2XX)->at_wall_ms, due);
        assert_false(k->c->dirty); /* not worth a commit */
    }
    kit_assert_state(k, CALL_ST_ANSWERED);
}

/* RFC 3261 §17.2.3: the connection is no part of a transaction. The 2xx, and what we say later, go by the new one. */
static void who_repeats_over_another_connection_is_there_now(void **s)
{
    struct kit *k = *s;
    k->source.transport = (char *)(uintptr_t) "TLS";
    k->source.flow = 1;
    KIT_REQUEST(k, .method = "INVITE", .cseq = 10, .branch = "z9hG4bKcame", .body = KIT_OFFER);
    kit_setup_ok(k);
    k->source.flow = 2;
    k->source.port = 40001;
    k->c->dirty = false;
    KIT_REQUEST(k, .method = "INVITE", .cseq = 10, .branch = "z9hG4bKcame", .body = KIT_OFFER);
    assert_int_equal(kit_assert_reply(k, 200)->peer.flow, 2);
    assert_true(k->c->dirty);
    kit_timer(k, CALL_TMR_2XX);
    assert_int_equal(kit_assert_reply(k, 200)->peer.flow, 2);
    kit_ack(k, 10);
    kit_terminate(k, "test");
    assert_int_equal(kit_effect(k, CALL_EFF_REQUEST, 0)->peer.flow, 2);
}

/* Nor does a stranger get what another was promised. */
static void who_repeats_from_another_address_is_not_followed(void **s)
{
    struct kit *k = *s;
    k->source.transport = (char *)(uintptr_t) "TCP";
    k->source.flow = 1;
    KIT_REQUEST(k, .method = "INVITE", .cseq = 10, .branch = "z9hG4bKcame", .body = KIT_OFFER);
    kit_setup_ok(k);
    k->source.flow = 2;
    k->source.addr = (char *)(uintptr_t) "198.51.100.8";
    KIT_REQUEST(k, .method = "INVITE", .cseq = 10, .branch = "z9hG4bKcame", .body = KIT_OFFER);
    assert_int_equal(kit_assert_reply(k, 200)->peer.flow, 1);
}

static void no_ack_ends_with_bye(void **s)
{
    struct kit *k = *s;
    kit_answered(k);
    assert_int_equal(k->c->row->timers[CALL_TMR_NO_ACK], KIT_WALL + 64 * KIT_T1);
    kit_timer(k, CALL_TMR_NO_ACK);
    kit_assert_state(k, CALL_ST_ENDING);
    kit_assert_has(kit_effect(k, CALL_EFF_REQUEST, 0), "Reason: Q.850;cause=102;");
    kit_assert_has(kit_event(k, "call.ended"), "\"reason\":\"failure\"");
    assert_null(kit_event(k, "call.answered"));
    assert_non_null(kit_job(k, PLANE__RUN_JOB__KIND__RELEASE_PORT));
    assert_int_equal(kit_arm(k, CALL_TMR_2XX)->at_wall_ms, 0);
    assert_string_equal(k->c->row->ended_by, "timer");
    kit_ack(k, 10); /* too late */
    assert_int_equal(k->fx.count, 0);
}

static void disarmed_timer_that_still_fires_is_nothing(void **s)
{
    struct kit *k = *s;
    kit_established(k);
    for (unsigned t = 0; t < CALL_TIMERS; t++) {
        kit_timer(k, (enum call_timer)t);
        assert_int_equal(k->fx.count, 0);
    }
    kit_assert_state(k, CALL_ST_ESTABLISHED);
}

/* --- others --- */

static void requests_that_change_nothing_are_not_kept(void **s)
{
    struct kit *k = *s;
    kit_invite(k);
    KIT_REQUEST(k, .method = "OPTIONS", .cseq = 11);
    assert_int_equal(k->c->row->n_server_txns, 1); /* the INVITE */
    kit_setup_ok(k);
    kit_ack(k, 10);
    KIT_REQUEST(k, .method = "OPTIONS", .cseq = 11);
    KIT_REQUEST(k, .method = "INFO", .cseq = 12);
    KIT_REQUEST(k, .method = "BYE", .cseq = 13, .more = "Require: foo\r\n");
    assert_int_equal(k->c->row->n_server_txns, 0);
}

static void options_in_the_dialog_gets_200(void **s)
{
    struct kit *k = *s;
    kit_established(k);
    KIT_REQUEST(k, .method = "OPTIONS", .cseq = 11);
    struct call_effect *e = kit_assert_reply(k, 200);
    kit_assert_has(e, "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, REGISTER, UPDATE, PRACK, INFO, REFER\r\n");
    kit_assert_has(e, "Accept: application/sdp, ");
    kit_assert_state(k, CALL_ST_ESTABLISHED);
    assert_int_equal(k->c->row->a->remote_cseq, 11);
}

/* §8.2.3; a BYE ends the call whatever it brings. */
static void foreign_bodies_in_the_dialog(void **s)
{
    struct kit *k = *s;
    kit_established(k);
    KIT_REQUEST(k, .method = "OPTIONS", .cseq = 11, .body = "hi", .type = "text/plain");
    kit_assert_reply(k, 415);
    KIT_REQUEST(k, .method = "BYE", .cseq = 12, .body = "hi", .type = "text/plain");
    kit_assert_reply(k, 200);
    kit_assert_state(k, CALL_ST_ENDED);
}

static void other_methods_get_405(void **s)
{
    struct kit *k = *s;
    kit_established(k);
    KIT_REQUEST(k, .method = "NOTIFY", .cseq = 11);
    kit_assert_has(kit_assert_reply(k, 405),
                   "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, REGISTER, UPDATE, PRACK, INFO, REFER\r\n");
}

static void required_extension_of_a_bye_gets_420(void **s)
{
    struct kit *k = *s;
    kit_established(k);
    KIT_REQUEST(k, .method = "BYE", .cseq = 11, .more = "Require: foo\r\n");
    (void)kit_assert_reply(k, 420);
    kit_assert_state(k, CALL_ST_ESTABLISHED);
}

/* §12.2.2 */
static void lower_cseq_gets_500(void **s)
{
    static const char *const methods[] = {"INVITE", "BYE", "OPTIONS", "INFO"};
    struct kit *k = *s;
    kit_established(k);
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        KIT_REQUEST(k, .method = methods[i], .in_dialog = true, .cseq = 9, .body = KIT_OFFER);
        (void)kit_assert_reply(k, 500);
        kit_assert_state(k, CALL_ST_ESTABLISHED);
        assert_int_equal(k->c->row->a->remote_cseq, 10);
    }
}

static void request_without_our_tag_gets_481(void **s)
{
    struct kit *k = *s;
    kit_established(k);
    KIT_REQUEST(k, .method = "BYE", .cseq = 11, .to = "<sip:902121234567@203.0.113.5>");
    (void)kit_assert_reply(k, 481);
    kit_assert_state(k, CALL_ST_ESTABLISHED);
    assert_int_equal(k->c->row->a->remote_cseq, 10); /* it is of another dialog */
}

static void requests_during_setup_get_481(void **s)
{
    static const char *const methods[] = {"INVITE", "BYE", "OPTIONS"};
    struct kit *k = *s;
    kit_invite(k);
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        KIT_REQUEST(k, .method = methods[i], .in_dialog = true, .cseq = 11);
        (void)kit_assert_reply(k, 481);
        kit_assert_state(k, CALL_ST_SETUP);
    }
}

static void late_cancel_gets_200_and_changes_nothing(void **s)
{
    struct kit *k = *s;
    kit_answered(k);
    kit_cancel(k);
    kit_assert_has(kit_assert_reply(k, 200), "CSeq: 10 CANCEL\r\n");
    kit_assert_state(k, CALL_ST_ANSWERED);
    kit_ack(k, 10);
    kit_cancel(k);
    (void)kit_assert_reply(k, 200);
    kit_assert_state(k, CALL_ST_ESTABLISHED);
}

static void requests_from_a_new_address_move_the_peer(void **s)
{
    struct kit *k = *s;
    kit_established(k);
    k->source.port = 6000;
    kit_ack(k, 10); /* may come by another way than the rest */
    assert_int_equal(k->c->row->a->peer->port, 5062);
    KIT_REQUEST(k, .method = "OPTIONS", .cseq = 11);
    assert_int_equal(k->c->row->a->peer->port, 6000);
}

static void kept_transactions_are_bounded(void **s)
{
    struct kit *k = *s;
    kit_established(k);
    for (uint32_t i = 0; i < 3 * LEG_TXNS_MAX; i++) {
        KIT_REQUEST(k, .method = "INVITE", .in_dialog = true, .cseq = 11 + i, .body = KIT_HOLD);
        (void)kit_assert_reply(k, 200);
        KIT_REQUEST(k, .method = "INVITE", .in_dialog = true, .cseq = 11 + i, .body = KIT_HOLD);
        (void)kit_assert_reply(k, 491);
        kit_ack(k, 11 + i);
        assert_true(k->c->row->n_server_txns <= LEG_TXNS_MAX);
    }
    assert_int_equal(k->c->row->n_server_txns, LEG_TXNS_MAX);
}

/* The oldest makes room, but never the 2xx that waits for its ACK. */
static void unacked_answer_is_never_dropped(void **s)
{
    struct kit *k = *s;
    kit_established(k);
    KIT_REQUEST(k, .method = "INVITE", .in_dialog = true, .cseq = 11, .body = KIT_HOLD);
    for (uint32_t i = 0; i < 2 * LEG_TXNS_MAX; i++)
        KIT_REQUEST(k, .method = "INVITE", .in_dialog = true, .cseq = 12 + i, .body = KIT_HOLD);
    kit_ack(k, 11);
    assert_int_equal(k->c->row->timers[CALL_TMR_2XX], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        KIT_TEST(ack_establishes_and_publishes_answered),
        KIT_TEST(first_ack_is_when_it_was_answered),
        KIT_TEST(repeated_ack_is_nothing),
        KIT_TEST(ack_of_another_invite_is_nothing),
        KIT_TEST(ack_before_the_answer_is_nothing),
        KIT_TEST(answer_is_repeated_until_ack),
        KIT_TEST(who_repeats_over_another_connection_is_there_now),
        KIT_TEST(who_repeats_from_another_address_is_not_followed),
        KIT_TEST(no_ack_ends_with_bye),
        KIT_TEST(disarmed_timer_that_still_fires_is_nothing),
        KIT_TEST(requests_that_change_nothing_are_not_kept),
        KIT_TEST(options_in_the_dialog_gets_200),
        KIT_TEST(foreign_bodies_in_the_dialog),
        KIT_TEST(other_methods_get_405),
        KIT_TEST(required_extension_of_a_bye_gets_420),
        KIT_TEST(lower_cseq_gets_500),
        KIT_TEST(request_without_our_tag_gets_481),
        KIT_TEST(requests_during_setup_get_481),
        KIT_TEST(late_cancel_gets_200_and_changes_nothing),
        KIT_TEST(requests_from_a_new_address_move_the_peer),
        KIT_TEST(kept_transactions_are_bounded),
        KIT_TEST(unacked_answer_is_never_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
