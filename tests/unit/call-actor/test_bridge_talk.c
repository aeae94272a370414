/* Bridged calls that were answered: the ACK, requests passed on, the end (RFC 3261 §13-§15, §14). */
#include "tests/unit/call-actor/bridge_kit.h"

#define HELD                                                                                                           \
    "v=0\r\no=ali 1 2 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\nm=audio 40000 RTP/SAVP "              \
    "96\r\na=sendonly\r\n"
#define HELD_ANSWER                                                                                                    \
    "v=0\r\no=bob 7 8 IN IP4 198.51.100.20\r\ns=-\r\nc=IN IP4 198.51.100.20\r\nt=0 0\r\nm=audio 6000 RTP/AVP "         \
    "96\r\na=recvonly\r\n"

static void reinvite(struct kit *k, uint32_t cseq, const char *body)
{
    KIT_REQUEST(k, .method = "INVITE", .cseq = cseq, .in_dialog = true, .body = body,
                .contact = "Contact: <sip:ali@192.0.2.77>\r\n");
}

/* The response to what is being passed on. */
static void relayed(struct kit *k, unsigned status, const char *body)
{
    const Store__Relay *r = k->c->row->relays[0];
    bridge_response_to(k, row_span(r->request->branch), "x",
                       &(struct bridge_rsp){.status = status, .tag = "b1", .body = body});
}

static void assert_ended(struct kit *k, const char *by)
{
    struct call_effect *ended = kit_event(k, "call.ended");
    kit_assert_has(ended, "normal_clearing");
    assert_string_equal(k->c->row->ended_by, by);
}

/* --- the first ACK --- */

static void the_callees_offer_is_answered_in_the_ack(void **s)
{
    struct kit *k = *s;
    bridge_asked_with(k, "", NULL);
    bridge_rings(k, &bridge_bob, 1);
    kit_assert_has(bridge_request(k, 1, "INVITE"), "Content-Length: 0\r\n");
    BRIDGE_SAYS(k, 1, .status = 200, .body = BRIDGE_OFFER);
    bridge_assert_leg(k, 1, OUT_LEG_ACKING);
    assert_null(bridge_request(k, 1, "ACK"));
    kit_assert_has(bridge_reply(k, 0, 200), BRIDGE_OFFER);
    BRIDGE_SAYS(k, 1, .status = 200, .body = BRIDGE_OFFER);
    assert_int_equal(k->fx.count, 0);
    KIT_REQUEST(k, .method = "ACK", .cseq = 10, .body = HELD_ANSWER);
    kit_assert_has(bridge_request(k, 1, "ACK"), HELD_ANSWER);
    bridge_assert_leg(k, 1, OUT_LEG_UP);
    kit_assert_state(k, CALL_ST_ESTABLISHED);
}

static void an_ack_without_the_answer_ends_both(void **s)
{
    struct kit *k = *s;
    bridge_asked_with(k, "", NULL);
    bridge_rings(k, &bridge_bob, 1);
    BRIDGE_SAYS(k, 1, .status = 200, .body = BRIDGE_OFFER);
    kit_ack(k, 10);
    assert_non_null(bridge_request(k, 0, "BYE"));
    assert_non_null(bridge_request(k, 1, "ACK"));
    assert_non_null(bridge_request(k, 1, "BYE"));
    kit_assert_state(k, CALL_ST_ENDING);
}

static void no_ack_ends_both(void **s)
{
    struct kit *k = *s;
    bridge_answered(k);
    kit_timer(k, CALL_TMR_2XX);
    kit_assert_has(kit_assert_reply(k, 200), BRIDGE_OFFER);
    kit_timer(k, CALL_TMR_NO_ACK);
    assert_non_null(bridge_request(k, 0, "BYE"));
    assert_non_null(bridge_request(k, 1, "BYE"));
    kit_assert_has(kit_event(k, "call.ended"), "failure");
}

/* --- the end --- */

static void the_callers_bye_ends_the_callee(void **s)
{
    struct kit *k = *s;
    bridge_up(k);
    KIT_REQUEST(k, .method = "BYE", .cseq = 11, .more = "Reason: Q.850;cause=17\r\n");
    kit_assert_reply(k, 200);
    kit_assert_has(bridge_request(k, 1, "BYE"), "Reason: Q.850;cause=17\r\n");
    kit_assert_has(bridge_request(k, 1, "BYE"), "CSeq: 2 BYE\r\n");
    assert_ended(k, "caller");
    kit_assert_state(k, CALL_ST_ENDED);
    kit_timer(k, CALL_TMR_LINGER);
    assert_false(k->forgotten);
    bridge_bye_answered(k, 1);
    assert_true(k->forgotten);
}

static void the_callees_bye_ends_the_caller(void **s)
{
    struct kit *k = *s;
    bridge_up(k);
    bridge_asks(k, 1, "BYE", 1, "", "Reason: Q.850;cause=16;text=\"bye\"\r\n");
    assert_non_null(bridge_reply(k, 1, 200));
    kit_assert_has(bridge_request(k, 0, "BYE"), "cause=16;text=\"bye\"");
    assert_null(bridge_request(k, 1, "BYE"));
    assert_ended(k, "callee");
    kit_assert_state(k, CALL_ST_ENDING);
    bridge_assert_leg(k, 1, OUT_LEG_OVER);
    kit_bye_answer(k, 200);
    kit_assert_state(k, CALL_ST_ENDED);
    kit_timer(k, CALL_TMR_LINGER);
    assert_true(k->forgotten);
}

static void both_byes_at_once(void **s)
{
    struct kit *k = *s;
    bridge_up(k);
    bridge_asks(k, 1, "BYE", 1, "", NULL);
    kit_bye(k, 11);
    kit_assert_reply(k, 200);
    assert_null(kit_event(k, "call.ended"));
    kit_bye_answer(k, 481);
    kit_assert_state(k, CALL_ST_ENDED);
}

static void both_byes_at_once_the_other_way(void **s)
{
    struct kit *k = *s;
    bridge_up(k);
    kit_bye(k, 11);
    bridge_asks(k, 1, "BYE", 1, "", NULL);
    assert_non_null(bridge_reply(k, 1, 200));
    bridge_assert_leg(k, 1, OUT_LEG_ENDING);
    bridge_bye_answered(k, 1);
    bridge_assert_leg(k, 1, OUT_LEG_OVER);
}

static void a_callee_that_hangs_up_before_the_ack_waits_for_it(void **s)
{
    struct kit *k = *s;
    bridge_answered(k);
    bridge_asks(k, 1, "BYE", 1, "", NULL);
    assert_non_null(bridge_reply(k, 1, 200));
    assert_null(bridge_request(k, 0, "BYE"));
    kit_assert_state(k, CALL_ST_CLOSING);
    kit_ack(k, 10);
    assert_non_null(bridge_request(k, 0, "BYE"));
    assert_non_null(kit_event(k, "call.answered"));
    assert_ended(k, "callee");
}

static void hangup_says_bye_to_both(void **s)
{
    struct kit *k = *s;
    bridge_up(k);
    kit_terminate(k, "amqp");
    assert_non_null(bridge_request(k, 0, "BYE"));
    assert_non_null(bridge_request(k, 1, "BYE"));
    kit_assert_has(kit_event(k, "call.ended"), "system_terminated");
}

static void hangup_before_the_ack_ends_the_callee_at_once(void **s)
{
    struct kit *k = *s;
    bridge_answered(k);
    kit_terminate(k, "amqp");
    assert_null(bridge_request(k, 0, "BYE"));
    assert_non_null(bridge_request(k, 1, "BYE"));
    kit_ack(k, 10);
    assert_non_null(bridge_request(k, 0, "BYE"));
}

static void a_callee_that_does_not_answer_the_bye_is_forgotten(void **s)
{
    struct kit *k = *s;
    bridge_up(k);
    kit_bye(k, 11);
    bridge_fails(k, row_span(bridge_leg(k, 1)->bye->branch), false);
    bridge_assert_leg(k, 1, OUT_LEG_OVER);
    kit_timer(k, CALL_TMR_LINGER);
    assert_true(k->forgotten);
}

/* Some carriers challenge every request. */
static void the_trunks_challenge_to_a_bye_is_answered(void **s)
{
    struct kit *k = *s;
    bridge_to_trunk(k);
    kit_ack(k, 10);
    KIT_REQUEST(k, .method = "BYE", .cseq = 11, .more = "Reason: Q.850;cause=17\r\n");
    bridge_response_to(k, row_span(bridge_leg(k, 1)->bye->branch), "x",
                       &(struct bridge_rsp){.status = 407, .method = "BYE", .tag = "b1", .more = BRIDGE_CHALLENGE});
    kit_assert_has(bridge_request(k, 1, "BYE"), "Proxy-Authorization: Digest ");
    kit_assert_has(bridge_request(k, 1, "BYE"), "CSeq: 4 BYE\r\n");
    kit_assert_has(bridge_request(k, 1, "BYE"), "Reason: Q.850;cause=17\r\n");
    bridge_assert_leg(k, 1, OUT_LEG_ENDING);
    for (unsigned i = 0; i < 3; i++)
        bridge_response_to(k, row_span(bridge_leg(k, 1)->bye->branch), "x",
                           &(struct bridge_rsp){.status = 407, .method = "BYE", .tag = "b1", .more = BRIDGE_CHALLENGE});
    bridge_assert_leg(k, 1, OUT_LEG_OVER); /* three answers, no more */
}

/* --- re-INVITE --- */

static void a_reinvite_of_the_caller_is_passed_on(void **s)
{
    struct kit *k = *s;
    bridge_up(k);
    reinvite(k, 11, HELD);
    assert_null(kit_effect(k, CALL_EFF_REPLY, 0));
    struct call_effect *invite = bridge_request(k, 1, "INVITE");
    kit_assert_has(invite, "INVITE sip:bob@198.51.100.20:5062 SIP/2.0\r\n");
    kit_assert_has(invite, "CSeq: 2 INVITE\r\n");
    kit_assert_has(invite, HELD);
    relayed(k, 200, HELD_ANSWER);
    kit_assert_has(bridge_reply(k, 0, 200), HELD_ANSWER);
    kit_assert_has(bridge_reply(k, 0, 200), "CSeq: 11 INVITE\r\n");
    kit_assert_has(bridge_request(k, 1, "ACK"), "CSeq: 2 ACK\r\n");
    assert_string_equal(k->c->row->a->remote_target, "sip:ali@192.0.2.77");
    kit_timer(k, CALL_TMR_2XX);
    assert_non_null(bridge_reply(k, 0, 200));
    kit_ack(k, 11);
    assert_int_equal(k->c->row->timers[CALL_TMR_NO_ACK], 0);
    relayed(k, 200, HELD_ANSWER);
    kit_assert_has(bridge_request(k, 1, "ACK"), "CSeq: 2 ACK\r\n");
    reinvite(k, 12, HELD);
    assert_non_null(bridge_request(k, 1, "INVITE"));
}

/* Our ACK was lost, and the caller asks for something else before the 2xx comes again. */
static void a_2xx_that_comes_again_behind_the_next_offer_is_acknowledged(void **s)
{
    struct kit *k = *s;
    bridge_up(k);
    reinvite(k, 11, HELD);
    char branch[64];
    struct span b = row_span(k->c->row->relays[0]->request->branch);
    memcpy(branch, b.p, b.len);
    const struct bridge_rsp ok = {.status = 200, .tag = "b1", .body = HELD_ANSWER};
    bridge_response_to(k, span_of(branch, b.len), "x", &ok);
    kit_ack(k, 11);
    reinvite(k, 12, BRIDGE_CALLER_OFFER);
    assert_non_null(bridge_request(k, 1, "INVITE"));
    bridge_response_to(k, span_of(branch, b.len), "x", &ok);
    kit_assert_has(bridge_request(k, 1, "ACK"), "CSeq: 2 ACK\r\n");
    relayed(k, 491, NULL); /* he had no ACK yet */
    assert_non_null(bridge_reply(k, 0, 491));
    for (uint32_t i = 0; i < 3 * RELAYS_MAX; i++) {
        reinvite(k, 13 + i, HELD);
        relayed(k, 488, NULL);
    }
    assert_int_equal(k->c->row->n_relays, RELAYS_MAX);
    kit_terminate(k, "x");
    bridge_response_to(k, row_span(k->c->row->relays[0]->request->branch), "x", &ok);
    kit_assert_state(k, CALL_ST_ENDING);
}

static void a_reinvite_of_the_callee_is_passed_on(void **s)
{
    struct kit *k = *s;
    bridge_up(k);
    bridge_asks(k, 1, "INVITE", 5, HELD, NULL);
    struct call_effect *invite = bridge_request(k, 0, "INVITE");
    kit_assert_has(invite, "INVITE sip:ali@192.0.2.1:5070 SIP/2.0\r\n");
    kit_assert_has(invite, HELD);
    relayed(k, 200, HELD_ANSWER);
    kit_assert_has(bridge_reply(k, 1, 200), HELD_ANSWER);
    assert_non_null(bridge_request(k, 0, "ACK"));
    assert_string_equal(bridge_leg(k, 1)->dialog->remote_target, "sip:bob@198.51.100.20:5064");
    kit_ack(k, 5); /* the caller's ACK is none of his */
    assert_true(k->c->row->timers[CALL_TMR_NO_ACK] != 0);
    bridge_asks(k, 1, "ACK", 5, "", NULL);
    assert_int_equal(k->c->row->timers[CALL_TMR_NO_ACK], 0);
}

static void a_reinvite_without_an_offer_gets_the_answer_in_its_ack(void **s)
{
    struct kit *k = *s;
    bridge_up(k);
    reinvite(k, 11, "");
    relayed(k, 200, HELD);
    assert_null(bridge_request(k, 1, "ACK"));
    KIT_REQUEST(k, .method = "ACK", .cseq = 11, .body = HELD_ANSWER);
    kit_assert_has(bridge_request(k, 1, "ACK"), HELD_ANSWER);
}

static void challenged(struct kit *k, const char *nonce_etc)
{
    char more[256];
    (void)snprintf(more, sizeof(more), "Proxy-Authenticate: Digest realm=\"carrier\", algorithm=MD5, %s\r\n",
                   nonce_etc);
    bridge_response_to(k, row_span(k->c->row->relays[0]->request->branch), "x",
                       &(struct bridge_rsp){.status = 407, .tag = "b1", .more = more});
}

static void the_trunks_challenge_to_a_reinvite_is_answered(void **s)
{
    struct kit *k = *s;
    bridge_to_trunk(k);
    kit_ack(k, 10);
    reinvite(k, 11, HELD);
    challenged(k, "nonce=\"r1\"");
    assert_null(kit_effect(k, CALL_EFF_REPLY, 0));
    struct call_effect *invite = bridge_request(k, 1, "INVITE");
    kit_assert_has(invite, "Proxy-Authorization: Digest username=\"we\", realm=\"carrier\", nonce=\"r1\"");
    kit_assert_has(invite, "uri=\"sip:bob@198.51.100.20:5062\"");
    kit_assert_has(invite, "CSeq: 4 INVITE\r\n");
    kit_assert_has(invite, HELD);
    relayed(k, 200, HELD_ANSWER);
    kit_assert_has(bridge_reply(k, 0, 200), HELD_ANSWER);
    kit_assert_has(bridge_request(k, 1, "ACK"), "CSeq: 4 ACK\r\n");
    kit_ack(k, 11);
    reinvite(k, 12, HELD);
    challenged(k, "nonce=\"r2\"");
    challenged(k, "nonce=\"r3\", stale=true");
    kit_assert_has(bridge_request(k, 1, "INVITE"), "nonce=\"r3\"");
    challenged(k, "nonce=\"r4\""); /* not stale: the secret is wrong */
    kit_assert_has(bridge_reply(k, 0, 488), "CSeq: 12 INVITE\r\n");
    kit_assert_state(k, CALL_ST_ESTABLISHED);
}

static void only_the_trunk_gets_its_answer(void **s)
{
    struct kit *k = *s;
    bridge_to_trunk(k);
    kit_ack(k, 10);
    reinvite(k, 11, HELD);
    bridge_response_to(k, row_span(k->c->row->relays[0]->request->branch), "x",
                       &(struct bridge_rsp){.status = 401,
                                            .tag = "b1",
                                            .more = "WWW-Authenticate: Digest realm=\"other\", nonce=\"n\"\r\n"});
    assert_non_null(bridge_reply(k, 0, 488));
    bridge_asks(k, 1, "INVITE", 5, HELD, NULL); /* the caller's leg is none of the trunk */
    challenged(k, "nonce=\"r1\"");
    assert_null(bridge_request(k, 0, "INVITE"));
    assert_non_null(bridge_reply(k, 1, 488));
}

static void a_refused_reinvite_changes_nothing(void **s)
{
    struct kit *k = *s;
    bridge_up(k);
    reinvite(k, 11, HELD);
    relayed(k, 488, NULL);
    kit_assert_has(bridge_reply(k, 0, 488), "CSeq: 11 INVITE\r\n");
    assert_string_equal(k->c->row->a->remote_target, "sip:ali@192.0.2.1:5070");
    kit_assert_state(k, CALL_ST_ESTABLISHED);
    reinvite(k, 12, HELD);
    relayed(k, 401, NULL);
    assert_non_null(bridge_reply(k, 0, 488)); /* never a challenge */
    reinvite(k, 13, HELD);
    char branch[64];
    struct span b = row_span(k->c->row->relays[0]->request->branch);
    memcpy(branch, b.p, b.len);
    bridge_fails(k, span_of(branch, b.len), false);
    assert_non_null(bridge_reply(k, 0, 408));
    kit_assert_state(k, CALL_ST_ESTABLISHED);
}

static void only_one_reinvite_at_a_time(void **s)
{
    struct kit *k = *s;
    bridge_up(k);
    reinvite(k, 11, HELD);
    bridge_asks(k, 1, "INVITE", 5, HELD, NULL);
    assert_non_null(bridge_reply(k, 1, 491));
    reinvite(k, 12, HELD);
    kit_assert_has(bridge_reply(k, 0, 500), "Retry-After: "); /* §14.2 */
    relayed(k, 491, NULL);
    assert_non_null(bridge_reply(k, 0, 491));
    bridge_asks(k, 1, "INVITE", 6, HELD, NULL);
    assert_non_null(bridge_request(k, 0, "INVITE"));
}

static void a_reinvite_before_the_ack_gets_491(void **s)
{
    struct kit *k = *s;
    bridge_answered(k);
    bridge_asks(k, 1, "INVITE", 5, HELD, NULL);
    assert_non_null(bridge_reply(k, 1, 491));
    reinvite(k, 11, HELD);
    assert_non_null(bridge_reply(k, 0, 491));
}

static void a_cancelled_reinvite_is_cancelled_there(void **s)
{
    struct kit *k = *s;
    bridge_up(k);
    bridge_asks(k, 1, "INVITE", 5, HELD, NULL);
    bridge_asks(k, 1, "CANCEL", 5, "", "Reason: SIP;cause=487\r\n");
    assert_non_null(bridge_reply(k, 1, 200));
    kit_assert_has(bridge_cancel(k, 0), "SIP;cause=487");
    relayed(k, 487, NULL);
    assert_non_null(bridge_reply(k, 1, 487));
    kit_assert_state(k, CALL_ST_ESTABLISHED);
}

static void a_bye_answers_what_is_pending(void **s)
{
    struct kit *k = *s;
    bridge_up(k);
    bridge_asks(k, 1, "INVITE", 5, HELD, NULL);
    kit_bye(k, 11);
    assert_non_null(bridge_reply(k, 1, 487));
    assert_non_null(bridge_reply(k, 0, 200));
    assert_non_null(bridge_request(k, 1, "BYE"));
    bridge_bye_answered(k, 1);
    kit_timer(k, CALL_TMR_LINGER);
    assert_false(k->forgotten); /* the caller still owes a response to the INVITE */
    relayed(k, 487, NULL);
    assert_true(k->forgotten);
}

/* --- other requests --- */

static void options_are_answered_on_both_sides(void **s)
{
    struct kit *k = *s;
    bridge_up(k);
    bridge_asks(k, 1, "OPTIONS", 4, "", NULL);
    assert_non_null(bridge_reply(k, 1, 200));
    KIT_REQUEST(k, .method = "OPTIONS", .cseq = 11);
    assert_non_null(bridge_reply(k, 0, 200));
    bridge_asks(k, 1, "NOTIFY", 5, "", NULL);
    kit_assert_has(bridge_reply(k, 1, 405), "Allow: ");
    bridge_asks(k, 1, "OPTIONS", 3, "", NULL);
    assert_non_null(bridge_reply(k, 1, 500)); /* out of order */
}

/* --- after a death --- */

static void the_cancel_of_a_reinvite_is_asked_again(void **s)
{
    struct kit *k = *s;
    bridge_up(k);
    reinvite(k, 11, HELD);
    KIT_REQUEST(k, .method = "CANCEL", .cseq = 11, .in_dialog = true);
    assert_non_null(bridge_cancel(k, 1));
    come_back(k);
    assert_non_null(bridge_request(k, 1, "INVITE"));
    assert_non_null(bridge_cancel(k, 1));
    relayed(k, 487, NULL);
    come_back(k);
    assert_null(bridge_cancel(k, 1));
}

static void every_stage_lives_through_a_death(void **s)
{
    struct kit *k = *s;
    bridge_asked(k);
    come_back(k);
    bridge_rings(k, &bridge_bob, 1);
    come_back(k);
    assert_non_null(bridge_request(k, 1, "INVITE"));
    BRIDGE_SAYS(k, 1, .status = 180);
    come_back(k);
    BRIDGE_SAYS(k, 1, .status = 200, .body = BRIDGE_OFFER);
    come_back(k);
    kit_ack(k, 10);
    assert_non_null(kit_event(k, "call.answered"));
    come_back(k);
    reinvite(k, 11, HELD);
    come_back(k);
    assert_non_null(bridge_request(k, 1, "INVITE"));
    relayed(k, 200, HELD_ANSWER);
    come_back(k);
    kit_ack(k, 11);
    bridge_asks(k, 1, "BYE", 1, "", NULL);
    come_back(k);
    assert_non_null(bridge_request(k, 0, "BYE"));
    kit_bye_answer(k, 200);
    come_back(k);
    kit_timer(k, CALL_TMR_LINGER);
    assert_true(k->forgotten);
}

/* A callee of RFC 2543. */
static void a_dialog_without_a_tag_lives_through_a_death(void **s)
{
    struct kit *k = *s;
    bridge_ring_bob(k);
    BRIDGE_SAYS(k, 1, .status = 200, .tag = "", .body = BRIDGE_OFFER);
    come_back(k);
    kit_ack(k, 10);
    kit_bye(k, 11);
    kit_assert_has(bridge_request(k, 1, "BYE"), "To: <sip:bob@example.org>\r\n");
    come_back(k);
    assert_non_null(bridge_request(k, 1, "BYE"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        KIT_TEST(the_callees_offer_is_answered_in_the_ack),
        KIT_TEST(an_ack_without_the_answer_ends_both),
        KIT_TEST(no_ack_ends_both),
        KIT_TEST(the_callers_bye_ends_the_callee),
        KIT_TEST(the_callees_bye_ends_the_caller),
        KIT_TEST(both_byes_at_once),
        KIT_TEST(both_byes_at_once_the_other_way),
        KIT_TEST(a_callee_that_hangs_up_before_the_ack_waits_for_it),
        KIT_TEST(hangup_says_bye_to_both),
        KIT_TEST(hangup_before_the_ack_ends_the_callee_at_once),
        KIT_TEST(a_callee_that_does_not_answer_the_bye_is_forgotten),
        KIT_TEST(the_trunks_challenge_to_a_bye_is_answered),
        KIT_TEST(the_trunks_challenge_to_a_reinvite_is_answered),
        KIT_TEST(only_the_trunk_gets_its_answer),
        KIT_TEST(a_reinvite_of_the_caller_is_passed_on),
        KIT_TEST(a_2xx_that_comes_again_behind_the_next_offer_is_acknowledged),
        KIT_TEST(a_reinvite_of_the_callee_is_passed_on),
        KIT_TEST(a_reinvite_without_an_offer_gets_the_answer_in_its_ack),
        KIT_TEST(a_refused_reinvite_changes_nothing),
        KIT_TEST(only_one_reinvite_at_a_time),
        KIT_TEST(a_reinvite_before_the_ack_gets_491),
        KIT_TEST(a_cancelled_reinvite_is_cancelled_there),
        KIT_TEST(a_bye_answers_what_is_pending),
        KIT_TEST(options_are_answered_on_both_sides),
        KIT_TEST(the_cancel_of_a_reinvite_is_asked_again),
        KIT_TEST(every_stage_lives_through_a_death),
        KIT_TEST(a_dialog_without_a_tag_lives_through_a_death),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
