/* Session timers, OPTIONS and Expires in calls that we answer ourselves. RFC 4028, RFC 3261 §13.3.1, §14.1. */
#include "tests/unit/call-actor/refresh_kit.h"

#include "call-actor/call_fx.h"

/* --- a call of ours --- */

static void the_caller_may_refresh(void **s)
{
    struct kit *k = *s;
    kit_assert_has(refresh_answered(k, TIMED "Session-Expires: 90;refresher=uac\r\n"),
                   "Session-Expires: 90;refresher=uac\r\nRequire: timer\r\n");
    assert_int_equal(k->c->row->timers[CALL_TMR_SESSION], 0); /* no request of ours before the ACK */
    kit_ack(k, 10);
    assert_int_equal(refresh_in_s(k), 60);
    k->now.wall_ms += 45000;
    KIT_REQUEST(k, .method = "UPDATE", .cseq = 11, .more = TIMED "Session-Expires: 90;refresher=uac\r\n");
    kit_assert_has(kit_assert_reply(k, 200), "Session-Expires: 90;refresher=uac\r\nRequire: timer\r\n");
    assert_int_equal(refresh_in_s(k), 60);
    k->now.wall_ms += 45000;
    KIT_REQUEST(k, .method = "INVITE", .in_dialog = true, .cseq = 12, .body = KIT_OFFER,
                .more = TIMED "Session-Expires: 90;refresher=uac\r\n");
    kit_assert_has(kit_assert_reply(k, 200), "Session-Expires: 90;refresher=uac\r\n");
    kit_ack(k, 12);
    assert_int_equal(refresh_in_s(k), 60);
    assert_int_equal(k->c->row->sdp_version, 1);
    kit_timer(k, CALL_TMR_SESSION);
    refresh_assert_ended(k, "timer", 102, EXPIRED);
}

static void a_caller_without_timers_is_not_required_to(void **s)
{
    struct kit *k = *s;
    struct call_effect *ok = refresh_answered(k, "Session-Expires: 200\r\n");
    kit_assert_has(ok, "Session-Expires: 200;refresher=uas\r\n");
    kit_assert_hasnt(ok, "Require:");
    kit_ack(k, 10);
    assert_int_equal(refresh_in_s(k), 100);
}

static void too_short_gets_422(void **s)
{
    struct kit *k = *s;
    refresh_invite(k, TIMED "Session-Expires: 60\r\n");
    kit_assert_has(kit_assert_reply(k, 422), "Min-SE: 90\r\n");
    assert_true(k->forgotten);
}

static void too_short_in_the_dialog_gets_422(void **s)
{
    struct kit *k = *s;
    refresh_established(k, TIMED);
    KIT_REQUEST(k, .method = "UPDATE", .cseq = 11, .more = TIMED "Session-Expires: 60\r\n");
    kit_assert_has(kit_assert_reply(k, 422), "Min-SE: 90\r\n");
    KIT_REQUEST(k, .method = "INVITE", .in_dialog = true, .cseq = 12, .body = KIT_OFFER,
                .more = TIMED "Session-Expires: 60\r\n");
    kit_assert_has(kit_assert_reply(k, 422), "Min-SE: 90\r\n");
    assert_int_equal(refresh_session(k, 0)->interval_s, 1800);
    assert_int_equal(refresh_in_s(k), 900);
}

static void we_refresh_by_update(void **s)
{
    struct kit *k = *s;
    refresh_established(k, TIMED);
    assert_int_equal(refresh_in_s(k), 900);
    for (unsigned i = 0; i < 3; i++) {
        kit_timer(k, CALL_TMR_SESSION);
        struct call_effect *update = bridge_request(k, 0, "UPDATE");
        kit_assert_has(update, "UPDATE sip:ali@192.0.2.1:5070 SIP/2.0\r\n");
        kit_assert_has(update, "Session-Expires: 1800;refresher=uac\r\nMin-SE: 90\r\n");
        kit_assert_has(update, "Contact: <sip:sentiric@203.0.113.5:5060>\r\n");
        kit_assert_has(update, "Supported: timer, replaces, norefersub, tdialog\r\n");
        kit_assert_has(update, "Content-Length: 0\r\n\r\n");
        assert_int_equal(refresh_in_s(k), 900); /* the expiry */
        refresh_says(k, 0, 200, "Session-Expires: 1800;refresher=uac\r\n", NULL);
        assert_int_equal(refresh_in_s(k), 900);
        assert_null(kit_effect(k, CALL_EFF_REQUEST, 0));
    }
    kit_assert_state(k, CALL_ST_ESTABLISHED);
}

static void we_refresh_by_reinvite(void **s)
{
    struct kit *k = *s;
    refresh_established(k, NO_UPDATE);
    kit_timer(k, CALL_TMR_SESSION);
    struct call_effect *reinvite = bridge_request(k, 0, "INVITE");
    kit_assert_has(reinvite, "Session-Expires: 1800;refresher=uac\r\n");
    kit_assert_has(reinvite, "Content-Type: application/sdp\r\n");
    char ours[1024];
    (void)span_copy(ours, sizeof(ours), row_span(k->c->row->answer));
    kit_assert_has(reinvite, ours);
    refresh_says(k, 0, 100, "", NULL);
    assert_true(leg_request_is_out(refresh_session(k, 0)->request));
    refresh_says(k, 0, 200, NO_UPDATE BOB_CONTACT "Session-Expires: 1800;refresher=uac\r\n", KIT_OFFER);
    kit_assert_has(bridge_request(k, 0, "ACK"), "CSeq: 1 ACK\r\n");
    assert_null(kit_job(k, PLANE__RUN_JOB__KIND__PUNCH));
    assert_int_equal(refresh_in_s(k), 900);
    refresh_says(k, 0, 200, NO_UPDATE BOB_CONTACT "Session-Expires: 1800;refresher=uac\r\n", KIT_OFFER);
    kit_assert_has(bridge_request(k, 0, "ACK"), "CSeq: 1 ACK\r\n");
}

/* Where the ACK of a 2xx goes whose INVITE went over TLS connection 3. */
static uint64_t flow_of_ack(const char *transport, uint64_t flow)
{
    static struct call_effects fx;
    static char words[][32] = {"TLS", "192.0.2.7", "sip:bob@192.0.2.7;transport=tls", "z9hG4bKa"};
    Plane__Endpoint dest = PLANE__ENDPOINT__INIT;
    Plane__Endpoint source = PLANE__ENDPOINT__INIT;
    Store__ClientTxn ack = STORE__CLIENT_TXN__INIT;
    struct call_input in = {.type = CALL_IN_RESPONSE, .source = &source};
    dest.transport = words[0];
    dest.addr = source.addr = words[1];
    dest.flow = 3;
    source.transport = (char *)(uintptr_t)transport;
    source.flow = flow;
    ack.dest = &dest;
    ack.next_hop = words[2];
    ack.branch = (ProtobufCBinaryData){.len = strlen(words[3]), .data = (uint8_t *)words[3]};
    fx_ack(&fx, &ack, 0, &in);
    uint64_t to = fx.list[0].peer.flow;
    assert_string_equal(fx.list[0].next_hop, to == 3 ? words[2] : "");
    call_effects_clear(&fx);
    return to;
}

static void an_ack_goes_over_the_connection_of_its_2xx(void **s)
{
    (void)s;
    assert_int_equal(flow_of_ack("TLS", 9), 9); /* its sender came back by another one */
    assert_int_equal(flow_of_ack("TLS", 0), 3);
    assert_int_equal(flow_of_ack("UDP", 9), 3);
}

static void an_update_that_is_not_known_becomes_a_reinvite(void **s)
{
    struct kit *k = *s;
    refresh_established(k, TIMED);
    kit_timer(k, CALL_TMR_SESSION);
    assert_non_null(bridge_request(k, 0, "UPDATE"));
    refresh_says(k, 0, 501, "", NULL);
    kit_assert_has(bridge_request(k, 0, "INVITE"), "CSeq: 2 INVITE\r\n");
    refresh_says(k, 0, 200, "Session-Expires: 1800;refresher=uac\r\n", KIT_OFFER);
    assert_non_null(bridge_request(k, 0, "ACK"));
    kit_timer(k, CALL_TMR_SESSION);
    assert_non_null(bridge_request(k, 0, "INVITE"));
}

static void a_422_raises_the_interval(void **s)
{
    struct kit *k = *s;
    refresh_established(k, TIMED "Session-Expires: 90;refresher=uas\r\n");
    kit_timer(k, CALL_TMR_SESSION);
    refresh_says(k, 0, 422, "Min-SE: 600\r\n", NULL);
    kit_assert_has(bridge_request(k, 0, "UPDATE"), "Session-Expires: 600;refresher=uac\r\nMin-SE: 600\r\n");
    assert_int_equal(refresh_in_s(k), 45); /* only a 2xx moves the expiry */
    refresh_says(k, 0, 422, "Min-SE: 600\r\n", NULL);
    assert_null(kit_effect(k, CALL_EFF_REQUEST, 0)); /* the same once more: later */
    assert_int_equal(refresh_in_s(k), 22);
    kit_timer(k, CALL_TMR_SESSION);
    refresh_says(k, 0, 200, "Session-Expires: 600;refresher=uas\r\n", NULL);
    assert_int_equal(refresh_in_s(k), 568);
}

static void ever_higher_422_are_bounded(void **s)
{
    struct kit *k = *s;
    char more[64];
    unsigned asked = 0;
    refresh_established(k, TIMED "Session-Expires: 90;refresher=uas\r\n");
    kit_timer(k, CALL_TMR_SESSION);
    for (unsigned min = 200; bridge_request(k, 0, "UPDATE") != NULL; min += 100, asked++) {
        (void)snprintf(more, sizeof(more), "Min-SE: %u\r\n", min);
        refresh_says(k, 0, 422, more, NULL);
    }
    assert_int_equal(asked, 1 + SESSION_TRIES_MAX);
    assert_int_equal(refresh_in_s(k), 22);
}

static void refusals_are_tried_again_until_the_expiry(void **s)
{
    struct kit *k = *s;
    unsigned asked = 0;
    refresh_established(k, TIMED "Session-Expires: 200;refresher=uas\r\n");
    int64_t end = k->now.wall_ms + 200000;
    while (call_state(k->c) == CALL_ST_ESTABLISHED) {
        kit_timer(k, CALL_TMR_SESSION);
        if (bridge_request(k, 0, "UPDATE") == NULL)
            break;
        asked++;
        refresh_says(k, 0, asked % 2 == 0 ? 503 : 488, "", NULL);
    }
    assert_int_equal(asked, 5);
    refresh_assert_ended(k, "timer", 102, EXPIRED);
    assert_true(k->now.wall_ms == end);
}

static void an_unreachable_peer_is_tried_again(void **s)
{
    struct kit *k = *s;
    refresh_established(k, TIMED "Session-Expires: 200;refresher=uas\r\n");
    kit_timer(k, CALL_TMR_SESSION);
    bridge_fails(k, row_span(refresh_session(k, 0)->request->branch), true);
    kit_assert_state(k, CALL_ST_ESTABLISHED);
    assert_int_equal(refresh_in_s(k), 50);
}

static void silence_and_481_end_the_call(void **s)
{
    (void)s;
    for (unsigned how = 0; how < 3; how++) {
        struct kit k;
        kit_init(&k);
        refresh_established(&k, TIMED);
        kit_timer(&k, CALL_TMR_SESSION);
        if (how == 0)
            bridge_fails(&k, row_span(refresh_session(&k, 0)->request->branch), false);
        else
            refresh_says(&k, 0, how == 1 ? 408 : 481, "", NULL);
        if (how < 2)
            refresh_assert_ended(&k, "timer", 102, EXPIRED);
        else
            refresh_assert_ended(&k, "caller", 41, "Reason: Q.850;cause=41;text=\"session lost\"\r\n");
        kit_fini(&k);
    }
}

static void a_2xx_without_session_expires_turns_it_off(void **s)
{
    struct kit *k = *s;
    refresh_established(k, TIMED);
    kit_timer(k, CALL_TMR_SESSION);
    refresh_says(k, 0, 200, "", NULL);
    assert_int_equal(refresh_session(k, 0)->interval_s, 0);
    assert_int_equal(refresh_in_s(k), 300);
    kit_timer(k, CALL_TMR_SESSION);
    assert_non_null(bridge_request(k, 0, "OPTIONS"));
}

/* --- glare --- */

static void our_reinvite_is_an_exchange(void **s)
{
    struct kit *k = *s;
    refresh_established(k, NO_UPDATE);
    kit_timer(k, CALL_TMR_SESSION);
    assert_non_null(bridge_request(k, 0, "INVITE"));
    KIT_REQUEST(k, .method = "INVITE", .in_dialog = true, .cseq = 11, .body = KIT_HOLD);
    (void)kit_assert_reply(k, 491);
    refresh_says(k, 0, 491, "", NULL);
    int64_t wait = (int64_t)k->c->row->timers[CALL_TMR_SESSION] - k->now.wall_ms;
    assert_true(wait >= 0 && wait <= 2000); /* the Call-ID is the caller's */
    KIT_REQUEST(k, .method = "INVITE", .in_dialog = true, .cseq = 12, .body = KIT_HOLD, .more = NO_UPDATE);
    (void)kit_assert_reply(k, 200); /* a refresh as well: ours is not needed any more */
    assert_int_equal(refresh_in_s(k), 900);
    kit_ack(k, 12);
}

static void ours_waits_for_theirs(void **s)
{
    struct kit *k = *s;
    refresh_established(k, NO_UPDATE "Session-Expires: 90;refresher=uas\r\n");
    k->now.wall_ms += 40000;
    k->conf.t1_ms = 5000; /* a 2xx that waits long for its ACK */
    KIT_REQUEST(k, .method = "INVITE", .in_dialog = true, .cseq = 11, .body = KIT_HOLD,
                .more = NO_UPDATE "Session-Expires: 90;refresher=uas\r\n");
    kit_timer(k, CALL_TMR_SESSION);
    assert_null(kit_effect(k, CALL_EFF_REQUEST, 0));
    assert_int_equal(refresh_in_s(k), 1);
    kit_ack(k, 11);
    kit_timer(k, CALL_TMR_SESSION);
    assert_non_null(bridge_request(k, 0, "INVITE"));
}

/* --- OPTIONS --- */

static void who_has_no_timer_gets_options(void **s)
{
    struct kit *k = *s;
    refresh_established(k, NULL);
    for (unsigned i = 0; i < 20; i++) { /* it never answers, and never has: no matter */
        assert_int_equal(refresh_in_s(k), 300);
        kit_timer(k, CALL_TMR_SESSION);
        kit_assert_hasnt(bridge_request(k, 0, "OPTIONS"), "Session-Expires");
        assert_int_equal(k->c->row->timers[CALL_TMR_SESSION], 0);
        bridge_fails(k, row_span(refresh_session(k, 0)->request->branch), i % 2 == 0);
        kit_assert_state(k, CALL_ST_ESTABLISHED);
    }
}

static void who_answered_before_is_gone_after_two(void **s)
{
    struct kit *k = *s;
    refresh_established(k, NULL);
    kit_timer(k, CALL_TMR_SESSION);
    refresh_says(k, 0, 405, "", NULL);
    kit_timer(k, CALL_TMR_SESSION);
    refresh_says(k, 0, 408, "", NULL);
    kit_timer(k, CALL_TMR_SESSION);
    refresh_says(k, 0, 200, "", NULL); /* not in a row */
    kit_timer(k, CALL_TMR_SESSION);
    bridge_fails(k, row_span(refresh_session(k, 0)->request->branch), true);
    kit_timer(k, CALL_TMR_SESSION);
    bridge_fails(k, row_span(refresh_session(k, 0)->request->branch), false);
    refresh_assert_ended(k, "timer", 102, EXPIRED);
}

static void a_481_to_options_ends_at_once(void **s)
{
    struct kit *k = *s;
    refresh_established(k, NULL);
    kit_timer(k, CALL_TMR_SESSION);
    refresh_says(k, 0, 481, "", NULL);
    refresh_assert_ended(k, "caller", 41, "cause=41");
}

static void without_settings_nothing_is_asked(void **s)
{
    struct kit *k = *s;
    kit_established(k);
    assert_int_equal(k->c->row->timers[CALL_TMR_SESSION], 0);
}

/* --- after a death --- */

static void a_refresh_is_asked_again(void **s)
{
    struct kit *k = *s;
    char branch[64];
    refresh_established(k, TIMED);
    come_back(k);
    assert_non_null(kit_arm(k, CALL_TMR_SESSION));
    assert_null(bridge_request(k, 0, "UPDATE"));
    kit_timer(k, CALL_TMR_SESSION);
    (void)span_copy(branch, sizeof(branch), row_span(refresh_session(k, 0)->request->branch));
    come_back(k);
    struct call_effect *again = bridge_request(k, 0, "UPDATE");
    kit_assert_has(again, "CSeq: 1 UPDATE\r\n");
    assert_true(span_eq(span_of(again->txn, again->txn_len), span_cstr(branch)));
    refresh_says(k, 0, 200, "Session-Expires: 1800;refresher=uac\r\n", NULL);
    come_back(k);
    assert_null(bridge_request(k, 0, "UPDATE"));
    assert_int_equal(refresh_in_s(k), 900);
}

static void a_late_answer_to_a_reinvite_is_acknowledged(void **s)
{
    struct kit *k = *s;
    refresh_established(k, NO_UPDATE);
    kit_timer(k, CALL_TMR_SESSION);
    kit_terminate(k, "amqp");
    kit_assert_state(k, CALL_ST_ENDING);
    refresh_says(k, 0, 200, "Session-Expires: 1800;refresher=uac\r\n", KIT_OFFER);
    assert_non_null(bridge_request(k, 0, "ACK"));
    kit_bye_answer(k, 200);
    kit_assert_state(k, CALL_ST_ENDED);
    refresh_says(k, 0, 481, "", NULL);
    kit_assert_state(k, CALL_ST_ENDED);
}

/* --- Expires of the INVITE --- */

static void an_invite_expires_in_setup(void **s)
{
    struct kit *k = *s;
    refresh_invite(k, "Expires: 3\r\n");
    assert_int_equal(k->c->row->timers[CALL_TMR_EXPIRES], k->now.wall_ms + 3000);
    kit_timer(k, CALL_TMR_EXPIRES);
    (void)kit_assert_reply(k, 487);
    assert_int_equal(kit_count(k, CALL_EFF_CANCEL_JOB), 1);
    kit_assert_state(k, CALL_ST_ENDED);
    assert_null(kit_event(k, "call.ended"));
}

static void an_invite_expires_while_it_rings(void **s)
{
    struct kit *k = *s;
    refresh_rules(k);
    bridge_asked_with(k, BRIDGE_CALLER_OFFER, "Expires: 20\r\n");
    bridge_rings(k, &bridge_bob, 1);
    BRIDGE_SAYS(k, 1, .status = 180);
    kit_timer(k, CALL_TMR_EXPIRES);
    assert_non_null(bridge_reply(k, 0, 487));
    assert_non_null(bridge_cancel(k, 1));
    assert_string_equal(k->c->row->end_reason, "no_answer");
    assert_string_equal(k->c->row->ended_by, "timer");
    assert_non_null(kit_event(k, "call.ended"));
    assert_int_equal(k->c->row->timers[CALL_TMR_EXPIRES], 0);
}

static void an_answer_ends_the_expiry(void **s)
{
    struct kit *k = *s;
    refresh_established(k, "Expires: 20\r\n");
    assert_int_equal(k->c->row->timers[CALL_TMR_EXPIRES], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        KIT_TEST(the_caller_may_refresh),
        KIT_TEST(a_caller_without_timers_is_not_required_to),
        KIT_TEST(too_short_gets_422),
        KIT_TEST(too_short_in_the_dialog_gets_422),
        KIT_TEST(we_refresh_by_update),
        KIT_TEST(we_refresh_by_reinvite),
        KIT_TEST(an_ack_goes_over_the_connection_of_its_2xx),
        KIT_TEST(an_update_that_is_not_known_becomes_a_reinvite),
        KIT_TEST(a_422_raises_the_interval),
        KIT_TEST(ever_higher_422_are_bounded),
        KIT_TEST(refusals_are_tried_again_until_the_expiry),
        KIT_TEST(an_unreachable_peer_is_tried_again),
        cmocka_unit_test(silence_and_481_end_the_call),
        KIT_TEST(a_2xx_without_session_expires_turns_it_off),
        KIT_TEST(our_reinvite_is_an_exchange),
        KIT_TEST(ours_waits_for_theirs),
        KIT_TEST(who_has_no_timer_gets_options),
        KIT_TEST(who_answered_before_is_gone_after_two),
        KIT_TEST(a_481_to_options_ends_at_once),
        KIT_TEST(without_settings_nothing_is_asked),
        KIT_TEST(a_refresh_is_asked_again),
        KIT_TEST(a_late_answer_to_a_reinvite_is_acknowledged),
        KIT_TEST(an_invite_expires_in_setup),
        KIT_TEST(an_invite_expires_while_it_rings),
        KIT_TEST(an_answer_ends_the_expiry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
