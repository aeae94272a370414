/* Session timers in bridged calls: each side has its own. RFC 4028, RFC 3261 §14.1. */
#include "tests/unit/call-actor/refresh_kit.h"

static void bridged(struct kit *k, const char *callers, const char *callees)
{
    refresh_rules(k);
    bridge_asked_with(k, BRIDGE_CALLER_OFFER, callers);
    bridge_rings(k, &bridge_bob, 1);
    BRIDGE_SAYS(k, 1, .status = 200, .body = BRIDGE_OFFER, .more = callees);
    kit_ack(k, 10);
    kit_assert_state(k, CALL_ST_ESTABLISHED);
}

static void each_side_has_its_own_terms(void **s)
{
    struct kit *k = *s;
    refresh_rules(k);
    bridge_asked_with(k, BRIDGE_CALLER_OFFER, TIMED "Session-Expires: 400;refresher=uac\r\n");
    bridge_rings(k, &bridge_bob, 1);
    kit_assert_has(bridge_request(k, 1, "INVITE"), "Session-Expires: 1800\r\nMin-SE: 90\r\n");
    BRIDGE_SAYS(k, 1, .status = 200, .body = BRIDGE_OFFER,
                .more = BOB_CONTACT TIMED "Session-Expires: 1200;refresher=uac\r\n");
    kit_assert_has(bridge_reply(k, 0, 200), "Session-Expires: 400;refresher=uac\r\nRequire: timer\r\n");
    kit_ack(k, 10);
    assert_int_equal(refresh_in_s(k), 368);
    k->now.wall_ms += 200000;
    KIT_REQUEST(k, .method = "UPDATE", .cseq = 11, .more = TIMED "Session-Expires: 400;refresher=uac\r\n");
    (void)kit_assert_reply(k, 200);
    assert_null(kit_effect(k, CALL_EFF_REQUEST, 0)); /* nobody else's affair */
    assert_int_equal(refresh_in_s(k), 368);
    k->now.wall_ms += 300000;
    KIT_REQUEST(k, .method = "UPDATE", .cseq = 12, .more = TIMED "Session-Expires: 400;refresher=uac\r\n");
    kit_timer(k, CALL_TMR_SESSION);
    kit_assert_has(bridge_request(k, 1, "UPDATE"), "Session-Expires: 1200;refresher=uac\r\n");
    refresh_says(k, 1, 200, "Session-Expires: 1200;refresher=uac\r\n", NULL);
    assert_int_equal(refresh_in_s(k), 268);
    kit_timer(k, CALL_TMR_SESSION); /* the caller's refresh does not come */
    refresh_assert_ended(k, "timer", 102, EXPIRED);
    kit_assert_has(bridge_request(k, 1, "BYE"), EXPIRED);
}

static void the_callee_may_refresh(void **s)
{
    struct kit *k = *s;
    bridged(k, NULL, BOB_CONTACT TIMED "Session-Expires: 90;refresher=uas\r\n");
    assert_int_equal(refresh_in_s(k), 60);
    k->now.wall_ms += 45000;
    bridge_asks(k, 1, "UPDATE", 5, "", TIMED "Session-Expires: 90;refresher=uac\r\n");
    kit_assert_has(bridge_reply(k, 1, 200), "Session-Expires: 90;refresher=uac\r\nRequire: timer\r\n");
    assert_int_equal(refresh_in_s(k), 60);
    k->now.wall_ms += 45000;
    bridge_asks(k, 1, "INVITE", 6, BRIDGE_OFFER, NO_UPDATE "Session-Expires: 90;refresher=uac\r\n");
    kit_assert_has(bridge_reply(k, 1, 200), BRIDGE_CALLER_OFFER); /* the same again: with what stands */
    assert_null(kit_effect(k, CALL_EFF_REQUEST, 0));
    bridge_asks(k, 1, "ACK", 6, "", NULL);
    assert_int_equal(k->c->row->timers[CALL_TMR_2XX], 0);
    bridge_asks(k, 1, "INVITE", 7, BRIDGE_EARLY, NO_UPDATE "Session-Expires: 90;refresher=uac\r\n");
    struct call_effect *passed = bridge_request(k, 0, "INVITE"); /* another one is the caller's affair */
    kit_assert_has(passed, BRIDGE_EARLY);
    kit_assert_hasnt(passed, "Session-Expires: 90");
    kit_assert_has(passed, "Session-Expires: 1800\r\n");
}

static void a_bridged_side_is_refreshed_with_what_the_other_said(void **s)
{
    struct kit *k = *s;
    bridged(k, NO_UPDATE, BOB_CONTACT NO_UPDATE "Session-Expires: 1800;refresher=uac\r\n");
    kit_timer(k, CALL_TMR_SESSION);
    kit_assert_has(bridge_request(k, 0, "INVITE"), BRIDGE_OFFER);
    assert_null(bridge_request(k, 1, "INVITE")); /* one exchange at a time */
    bridge_asks(k, 1, "INVITE", 5, BRIDGE_EARLY, NULL);
    assert_non_null(bridge_reply(k, 1, 491));
    refresh_says(k, 0, 200, "Session-Expires: 1800;refresher=uac\r\n", BRIDGE_CALLER_OFFER);
    kit_timer(k, CALL_TMR_SESSION);
    kit_assert_has(bridge_request(k, 1, "INVITE"), BRIDGE_CALLER_OFFER);
    refresh_says(k, 1, 491, "", NULL);
    int64_t wait = (int64_t)k->c->row->timers[CALL_TMR_SESSION] - k->now.wall_ms;
    assert_true(wait >= 2100 && wait <= 4000); /* the Call-ID is ours */
}

/* A phone that takes another port when it is asked: the other side must hear of it, once. */
static void an_answer_that_is_another_is_passed_on(void **s)
{
    struct kit *k = *s;
    bridged(k, TIMED "Session-Expires: 3600;refresher=uac\r\n", BOB_CONTACT NO_UPDATE "Session-Expires: 90\r\n");
    kit_timer(k, CALL_TMR_SESSION);
    kit_assert_has(bridge_request(k, 1, "INVITE"), BRIDGE_CALLER_OFFER);
    refresh_says(k, 1, 200, BOB_CONTACT NO_UPDATE "Session-Expires: 90;refresher=uac\r\n", BRIDGE_EARLY);
    kit_timer(k, CALL_TMR_SESSION);
    kit_assert_has(bridge_request(k, 0, "INVITE"), BRIDGE_EARLY);
    refresh_says(k, 0, 200, TIMED "Session-Expires: 3600;refresher=uas\r\n", KIT_HOLD);
    assert_non_null(bridge_request(k, 0, "ACK"));
    assert_int_equal(refresh_in_s(k), 45); /* and that is all */
    kit_timer(k, CALL_TMR_SESSION);
    kit_assert_has(bridge_request(k, 1, "INVITE"), KIT_HOLD);
    refresh_says(k, 1, 200, BOB_CONTACT NO_UPDATE "Session-Expires: 90;refresher=uac\r\n",
                 "v=0\r\no=bob 7 9 IN IP4 198.51.100.21\r\n" BRIDGE_EARLY_MEDIA);
    assert_int_equal(refresh_in_s(k), 45); /* another version of the same */
}

/* Both sides are refreshed in the same moment, and one takes another port. */
static void news_for_who_is_being_asked_waits_for_his_answer(void **s)
{
    struct kit *k = *s;
    bridged(k, TIMED "Session-Expires: 1800;refresher=uas\r\n",
            BOB_CONTACT NO_UPDATE "Session-Expires: 1800;refresher=uac\r\n");
    kit_timer(k, CALL_TMR_SESSION);
    assert_non_null(bridge_request(k, 0, "UPDATE"));
    assert_non_null(bridge_request(k, 1, "INVITE"));
    refresh_says(k, 1, 200, BOB_CONTACT NO_UPDATE "Session-Expires: 1800;refresher=uac\r\n", BRIDGE_EARLY);
    refresh_says(k, 0, 200, TIMED "Session-Expires: 1800;refresher=uac\r\n", NULL);
    assert_int_equal(refresh_in_s(k), 0);
    kit_timer(k, CALL_TMR_SESSION);
    kit_assert_has(bridge_request(k, 0, "INVITE"), BRIDGE_EARLY);
    refresh_says(k, 0, 200, TIMED "Session-Expires: 1800;refresher=uac\r\n", KIT_OFFER);
    assert_int_equal(refresh_in_s(k), 900);
}

/* Neither side may be given up, or forgotten, because of that. */
static void set_the_clock(struct kit *k, int64_t by_ms)
{
    int64_t left = refresh_in_s(k);
    k->now.wall_ms += by_ms;
    call_follow_clock(k->c, by_ms);
    assert_int_equal(refresh_in_s(k), left);
    kit_timer(k, CALL_TMR_SESSION);
    assert_non_null(bridge_request(k, 0, "UPDATE"));
    assert_non_null(bridge_request(k, 1, "UPDATE"));
    assert_int_equal(refresh_in_s(k), 900);
    refresh_says(k, 0, 200, TIMED "Session-Expires: 1800;refresher=uac\r\n", NULL);
    refresh_says(k, 1, 200, TIMED "Session-Expires: 1800;refresher=uac\r\n", NULL);
    kit_assert_state(k, CALL_ST_ESTABLISHED);
}

static void a_clock_that_is_set_ends_no_session(void **s)
{
    struct kit *k = *s;
    bridged(k, TIMED "Session-Expires: 1800;refresher=uas\r\n",
            BOB_CONTACT TIMED "Session-Expires: 1800;refresher=uac\r\n");
    set_the_clock(k, 7200000);
    set_the_clock(k, -7200000);
}

static void both_are_asked_by_options(void **s)
{
    struct kit *k = *s;
    bridged(k, NULL, BOB_CONTACT);
    assert_int_equal(refresh_in_s(k), 300);
    kit_timer(k, CALL_TMR_SESSION);
    assert_non_null(bridge_request(k, 0, "OPTIONS"));
    assert_non_null(bridge_request(k, 1, "OPTIONS"));
    refresh_says(k, 0, 200, "", NULL);
    refresh_says(k, 1, 481, "", NULL);
    refresh_assert_ended(k, "callee", 41, "cause=41");
    assert_non_null(bridge_request(k, 1, "BYE"));
}

static void news_that_is_refused_is_dropped(void **s)
{
    struct kit *k = *s;
    bridged(k, NULL, BOB_CONTACT NO_UPDATE "Session-Expires: 90\r\n");
    kit_timer(k, CALL_TMR_SESSION);
    refresh_says(k, 1, 200, BOB_CONTACT NO_UPDATE "Session-Expires: 90;refresher=uac\r\n", BRIDGE_EARLY);
    kit_timer(k, CALL_TMR_SESSION);
    assert_non_null(bridge_request(k, 0, "INVITE"));
    refresh_says(k, 0, 488, "", NULL);
    kit_assert_state(k, CALL_ST_ESTABLISHED);
    assert_int_equal(refresh_in_s(k), 45);
}

static void the_trunks_challenge_to_a_refresh_is_answered(void **s)
{
    struct kit *k = *s;
    static const struct bridge_target trunk = {.uri = "sip:1@192.0.2.99", .q = 1000, .trunk = true};
    k->conf.trunk_user = "u";
    k->conf.trunk_secret = "s";
    k->conf.trunk_realm = "r";
    refresh_rules(k);
    bridge_asked(k);
    bridge_rings(k, &trunk, 1);
    BRIDGE_SAYS(k, 1, .status = 200, .body = BRIDGE_OFFER, .more = BOB_CONTACT TIMED "Session-Expires: 90\r\n");
    kit_ack(k, 10);
    kit_timer(k, CALL_TMR_SESSION);
    kit_assert_hasnt(bridge_request(k, 1, "UPDATE"), "Authorization");
    refresh_says(k, 1, 407, "Proxy-Authenticate: Digest realm=\"r\", nonce=\"n\"\r\n", NULL);
    kit_assert_has(bridge_request(k, 1, "UPDATE"), "Proxy-Authorization: Digest username=\"u\"");
    refresh_says(k, 1, 200, "Session-Expires: 90;refresher=uac\r\n", NULL);
    assert_int_equal(refresh_in_s(k), 45);
}

static void a_422_of_a_callee_is_asked_again(void **s)
{
    struct kit *k = *s;
    refresh_rules(k);
    bridge_ring_bob(k);
    refresh_rules(k);
    BRIDGE_SAYS(k, 1, .status = 422, .more = "Min-SE: 3600\r\n");
    struct call_effect *again = bridge_request(k, 1, "INVITE");
    kit_assert_has(again, "Session-Expires: 3600\r\nMin-SE: 3600\r\n");
    kit_assert_has(again, "CSeq: 2 INVITE\r\n");
    kit_assert_state(k, CALL_ST_RINGING);
    BRIDGE_SAYS(k, 1, .status = 422, .more = "Min-SE: 3600\r\n"); /* that is what it got */
    assert_non_null(bridge_reply(k, 0, 422));
}

/* The INVITE that asks for longer has no credentials, so the trunk may name the nonce of the time before. */
static void a_422_and_a_challenge_are_both_answered(void **s)
{
    static const struct bridge_target trunk = {.uri = "sip:905551112233@trunk.example", .q = 1000, .trunk = true};
    struct kit *k = *s;
    refresh_rules(k);
    k->conf.trunk_user = "we";
    k->conf.trunk_secret = "secret";
    k->conf.trunk_realm = "carrier";
    bridge_asked(k);
    bridge_rings(k, &trunk, 1);
    BRIDGE_SAYS(k, 1, .status = 407, .more = BRIDGE_CHALLENGE);
    BRIDGE_SAYS(k, 1, .status = 422, .more = "Min-SE: 3600\r\n");
    kit_assert_has(bridge_request(k, 1, "INVITE"), "Session-Expires: 3600");
    BRIDGE_SAYS(k, 1, .status = 407, .more = BRIDGE_CHALLENGE);
    kit_assert_has(bridge_request(k, 1, "INVITE"), "Proxy-Authorization: Digest ");
    kit_assert_has(bridge_request(k, 1, "INVITE"), "Session-Expires: 3600");
}

static void a_422_to_what_is_passed_on_is_ours_to_mend(void **s)
{
    struct kit *k = *s;
    bridged(k, NULL, BOB_CONTACT);
    KIT_REQUEST(k, .method = "INVITE", .in_dialog = true, .cseq = 11, .body = KIT_HOLD);
    const Store__Relay *r = k->c->row->relays[0];
    bridge_response_to(k, row_span(r->request->branch), side_of(k->c, 1).d->call_id,
                       &(struct bridge_rsp){.status = 422, .tag = "b1", .more = "Min-SE: 4000\r\n"});
    assert_non_null(bridge_reply(k, 0, 491));
    KIT_REQUEST(k, .method = "INVITE", .in_dialog = true, .cseq = 12, .body = KIT_HOLD);
    kit_assert_has(bridge_request(k, 1, "INVITE"), "Session-Expires: 4000\r\nMin-SE: 4000\r\n");
}

static void a_relayed_reinvite_refreshes_both(void **s)
{
    struct kit *k = *s;
    bridged(k, TIMED "Session-Expires: 400;refresher=uac\r\n",
            BOB_CONTACT TIMED "Session-Expires: 600;refresher=uac\r\n");
    k->now.wall_ms += 100000;
    KIT_REQUEST(k, .method = "INVITE", .in_dialog = true, .cseq = 11, .body = KIT_HOLD,
                .more = TIMED "Session-Expires: 400;refresher=uac\r\n");
    kit_assert_has(bridge_request(k, 1, "INVITE"), "Session-Expires: 600;refresher=uac\r\n");
    bridge_response_to(k, row_span(k->c->row->relays[0]->request->branch), side_of(k->c, 1).d->call_id,
                       &(struct bridge_rsp){.status = 200,
                                            .tag = "b1",
                                            .body = BRIDGE_EARLY,
                                            .more = BOB_CONTACT "Session-Expires: 700;refresher=uac\r\n"});
    kit_assert_has(bridge_reply(k, 0, 200), "Session-Expires: 400;refresher=uac\r\n");
    kit_assert_hasnt(bridge_reply(k, 0, 200), "700");
    kit_ack(k, 11);
    assert_int_equal(refresh_in_s(k), 350);
    assert_true(span_eq(session_sdp(k->c->row->a), SPAN(KIT_HOLD)));
    assert_true(span_eq(session_sdp(bridge_leg(k, 1)->dialog), SPAN(BRIDGE_EARLY)));
}

/* Nobody is lost who has said 180, and the call has its session until that expires. */
static void a_refresh_that_nobody_answers_is_cancelled(void **s)
{
    static const unsigned outcome[] = {487, 408, 0};
    (void)s;
    for (size_t i = 0; i < sizeof(outcome) / sizeof(outcome[0]); i++) {
        struct kit k;
        kit_init(&k);
        bridged(&k, NULL, BOB_CONTACT NO_UPDATE "Session-Expires: 1800\r\n");
        assert_int_equal(refresh_in_s(&k), 300);
        kit_timer(&k, CALL_TMR_SESSION); /* OPTIONS to the caller */
        refresh_says(&k, 0, 200, "", NULL);
        while (bridge_request(&k, 1, "INVITE") == NULL) {
            kit_timer(&k, CALL_TMR_SESSION);
            if (leg_request_is_out(refresh_session(&k, 0)->request) && bridge_request(&k, 1, "INVITE") == NULL)
                refresh_says(&k, 0, 200, "", NULL);
        }
        refresh_says(&k, 1, 180, "", NULL);
        kit_timer(&k, CALL_TMR_REINVITE);
        assert_non_null(bridge_cancel(&k, 1));
        struct span branch = row_span(refresh_session(&k, 1)->request->branch);
        if (outcome[i] == 0)
            bridge_fails(&k, branch, false);
        else
            refresh_says(&k, 1, outcome[i], "", NULL);
        kit_assert_state(&k, CALL_ST_ESTABLISHED);
        assert_int_equal(k.c->row->timers[CALL_TMR_REINVITE], 0);
        KIT_REQUEST(&k, .method = "INVITE", .in_dialog = true, .cseq = 11, .body = KIT_HOLD);
        assert_non_null(bridge_request(&k, 1, "INVITE"));
        kit_fini(&k);
    }
}

static void an_update_of_ours_leaves_beside_a_relayed_reinvite(void **s)
{
    struct kit *k = *s;
    bridged(k, NULL, BOB_CONTACT TIMED "Session-Expires: 90;refresher=uac\r\n");
    KIT_REQUEST(k, .method = "INVITE", .in_dialog = true, .cseq = 11, .body = KIT_HOLD);
    assert_non_null(bridge_request(k, 1, "INVITE"));
    kit_timer(k, CALL_TMR_SESSION);
    assert_non_null(bridge_request(k, 1, "UPDATE"));
    refresh_says(k, 1, 200, BOB_CONTACT TIMED "Session-Expires: 90;refresher=uac\r\n", NULL);
    bridge_response_to(k, row_span(k->c->row->relays[0]->request->branch), side_of(k->c, 1).d->call_id,
                       &(struct bridge_rsp){.status = 200, .tag = "b1", .body = BRIDGE_EARLY, .more = BOB_CONTACT});
    assert_non_null(bridge_reply(k, 0, 200));
}

/* RFC 3311 §5.2: the second would get 500. */
static void two_updates_of_ours_are_never_out_together(void **s)
{
    struct kit *k = *s;
    bridged(k, NULL, BOB_CONTACT TIMED "Session-Expires: 90;refresher=uac\r\n");
    kit_timer(k, CALL_TMR_SESSION);
    assert_non_null(bridge_request(k, 1, "UPDATE"));
    KIT_REQUEST(k, .method = "UPDATE", .cseq = 11, .body = KIT_HOLD);
    assert_null(bridge_request(k, 1, "UPDATE"));
    kit_assert_has(bridge_request(k, 1, "INVITE"), KIT_HOLD);
    refresh_says(k, 1, 200, BOB_CONTACT TIMED "Session-Expires: 90;refresher=uac\r\n", NULL);
    bridge_response_to(k, row_span(k->c->row->relays[0]->request->branch), side_of(k->c, 1).d->call_id,
                       &(struct bridge_rsp){.status = 200,
                                            .tag = "b1",
                                            .body = BRIDGE_EARLY,
                                            .more = BOB_CONTACT TIMED "Session-Expires: 90;refresher=uac\r\n"});
    assert_non_null(bridge_reply(k, 0, 200));
    KIT_REQUEST(k, .method = "UPDATE", .cseq = 12, .body = KIT_OFFER);
    assert_non_null(bridge_request(k, 1, "UPDATE"));
    kit_timer(k, CALL_TMR_SESSION);
    assert_null(bridge_request(k, 1, "UPDATE")); /* and the other way round */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        KIT_TEST(each_side_has_its_own_terms),
        KIT_TEST(the_callee_may_refresh),
        KIT_TEST(a_bridged_side_is_refreshed_with_what_the_other_said),
        KIT_TEST(an_answer_that_is_another_is_passed_on),
        KIT_TEST(both_are_asked_by_options),
        KIT_TEST(a_clock_that_is_set_ends_no_session),
        KIT_TEST(news_for_who_is_being_asked_waits_for_his_answer),
        KIT_TEST(news_that_is_refused_is_dropped),
        KIT_TEST(the_trunks_challenge_to_a_refresh_is_answered),
        KIT_TEST(a_422_of_a_callee_is_asked_again),
        KIT_TEST(a_422_and_a_challenge_are_both_answered),
        KIT_TEST(a_422_to_what_is_passed_on_is_ours_to_mend),
        KIT_TEST(a_relayed_reinvite_refreshes_both),
        KIT_TEST(a_refresh_that_nobody_answers_is_cancelled),
        KIT_TEST(an_update_of_ours_leaves_beside_a_relayed_reinvite),
        KIT_TEST(two_updates_of_ours_are_never_out_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
