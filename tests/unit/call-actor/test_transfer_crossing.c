/* What crosses a transfer: answers that come late, parties that have left, a clock that is set; in virtual time. */
#include "tests/unit/call-actor/refresh_kit.h"
#include "tests/unit/call-actor/replace_kit.h"

#include "call-actor/call_check.h"
#include "call-actor/dial.h"
#include "call-actor/refer.h"
#include "call-actor/transfer.h"

#define CAROL_SDP                                                                                                      \
    "v=0\r\no=carol 9 9 IN IP4 198.51.100.30\r\ns=-\r\nc=IN IP4 198.51.100.30\r\nt=0 0\r\nm=audio 7000 RTP/AVP 96\r\n"
#define HOUR_MS 3600000

static const struct bridge_target at_carol = {
    .uri = "sip:carol@198.51.100.30:5062", .q = 1000, .addr = "198.51.100.30"};
static const struct bridge_target at_dave = {.uri = "sip:dave@198.51.100.40:5062", .q = 1000, .addr = "198.51.100.40"};

static void talk(struct kit *k)
{
    k->user = "ali";
    bridge_up(k);
}

/* Ali, the caller, refers bob to carol, who rings. Afterwards he is leg 1, bob the A leg, carol leg 2. */
static void refers(struct kit *k)
{
    KIT_REQUEST(k, .method = "REFER", .cseq = 11, .more = "Refer-To: <sip:carol@203.0.113.5>\r\n");
    kit_assert_reply(k, 202);
    bridge_rings(k, &at_carol, 1);
}

/* To the re-INVITE that joins him to carol. */
static void bob_says(struct kit *k, unsigned status, const char *more, const char *body)
{
    bridge_response_to(k, row_span(refresh_session(k, SIDE_CALLER)->request->branch), k->c->row->a->call_id,
                       &(struct bridge_rsp){.status = status, .tag = "b1", .more = more, .body = body});
}

static void carol_answers(struct kit *k)
{
    BRIDGE_SAYS(k, 2, .status = 200, .body = CAROL_SDP);
    assert_non_null(bridge_request(k, SIDE_CALLER, "INVITE"));
}

static void joined(struct kit *k)
{
    refers(k);
    carol_answers(k);
    bob_says(k, 200, NULL, BRIDGE_OFFER);
    assert_true(dial_is_at(k->c, DIAL_JOINED));
}

/* --- what is passed on, and somebody leaves --- */

static void relay_says(struct kit *k, unsigned status)
{
    const Store__Relay *r = k->c->row->relays[0];
    bridge_response_to(
        k, row_span(r->request->branch), side_of(k->c, r->to).d->call_id,
        &(struct bridge_rsp){.status = status, .tag = "b1", .body = status == 200 ? BRIDGE_OFFER : NULL});
}

/* Else the call would never be forgotten, and who answers with 200 would wait for his ACK, and hang up. */
static void a_reinvite_of_who_has_left_is_over_with_its_answer(void **s)
{
    struct kit *k = *s;
    static const unsigned answers[] = {487, 200};
    for (size_t i = 0; i < 2; i++) {
        kit_fini(k);
        kit_init(k);
        talk(k);
        refers(k);
        bridge_asks(k, 1, "INVITE", 12, KIT_HOLD, NULL);
        assert_non_null(bridge_request(k, SIDE_CALLER, "INVITE"));
        bridge_asks(k, 1, "BYE", 13, "", NULL);
        assert_non_null(bridge_cancel(k, SIDE_CALLER));
        assert_non_null(bridge_reply(k, 1, 487));
        relay_says(k, answers[i]);
        assert_int_equal(bridge_request(k, SIDE_CALLER, "ACK") != NULL, answers[i] == 200);
        assert_false(relay_is_out(k->c));
    }
}

/* The other way round: he owes no answer any more. */
static void a_reinvite_to_who_has_left_is_over_too(void **s)
{
    struct kit *k = *s;
    talk(k);
    refers(k);
    bridge_asks_in(k, k->c->row->a, "INVITE", 12, KIT_HOLD, NULL);
    assert_non_null(bridge_request(k, 1, "INVITE"));
    bridge_asks(k, 1, "BYE", 12, "", NULL);
    relay_says(k, 487);
    assert_false(relay_is_out(k->c));
}

static void who_has_left_acknowledges_nothing(void **s)
{
    struct kit *k = *s;
    talk(k);
    refers(k);
    bridge_asks(k, 1, "INVITE", 12, KIT_HOLD, NULL);
    relay_says(k, 200);
    assert_non_null(bridge_reply(k, 1, 200));
    bridge_asks(k, 1, "BYE", 13, "", NULL); /* his ACK is lost */
    assert_int_equal(k->c->row->timers[CALL_TMR_NO_ACK], 0);
    assert_int_equal(k->c->row->timers[CALL_TMR_2XX], 0);
    carol_answers(k);
    bob_says(k, 200, NULL, BRIDGE_OFFER);
    assert_true(dial_is_at(k->c, DIAL_JOINED));
}

/* --- our own requests --- */

static void late(struct kit *k, unsigned status)
{
    char branch[64];
    refresh_rules(k);
    talk(k);
    kit_timer(k, CALL_TMR_SESSION);
    assert_non_null(bridge_request(k, SIDE_CALLER, "OPTIONS"));
    struct span b = row_span(refresh_session(k, SIDE_CALLER)->request->branch);
    (void)snprintf(branch, sizeof(branch), "%.*s", SPAN_ARG(b));
    joined(k);
    bridge_asks(k, 1, "BYE", 12, "", NULL);
    bridge_leg(k, 1)->dialog->session->heard = true; /* and silent as often as one may be */
    bridge_leg(k, 1)->dialog->session->silent = SESSION_SILENT_MAX;
    if (status == 0)
        bridge_fails(k, span_cstr(branch), false);
    else
        bridge_response_to(k, span_cstr(branch), "kit-call@192.0.2.1",
                           &(struct bridge_rsp){.status = status, .method = "OPTIONS", .tag = "ft1"});
    kit_assert_state(k, CALL_ST_ESTABLISHED);
    assert_false(leg_request_is_out(bridge_leg(k, 1)->dialog->session->request));
}

static void who_has_left_may_know_nothing_of_the_call(void **s)
{
    late(*s, 481);
}

static void who_has_left_may_be_silent(void **s)
{
    late(*s, 0);
}

static void the_trunks_challenge_to_who_stays_is_answered(void **s)
{
    struct kit *k = *s;
    k->user = "ali";
    bridge_to_trunk(k);
    kit_ack(k, 10);
    refers(k);
    carol_answers(k);
    bob_says(k, 407, BRIDGE_CHALLENGE, NULL);
    kit_assert_has(bridge_request(k, SIDE_CALLER, "INVITE"), "Proxy-Authorization: Digest ");
    bob_says(k, 200, NULL, BRIDGE_OFFER);
    assert_true(dial_is_at(k->c, DIAL_JOINED));
}

static void a_challenge_that_cannot_be_answered_is_a_refusal(void **s)
{
    struct kit *k = *s;
    talk(k);
    refers(k);
    carol_answers(k);
    bob_says(k, 407, BRIDGE_CHALLENGE, NULL);
    assert_true(dial_is_at(k->c, DIAL_LOST));
    kit_assert_state(k, CALL_ST_ESTABLISHED);
}

/* --- who is hung up on --- */

/* Who stays always has an offer of his own out, or says so: the transfer fails, and he talks to whom he talked to. */
static void glare_without_end_is_a_refusal(void **s)
{
    struct kit *k = *s;
    talk(k);
    refers(k);
    carol_answers(k);
    for (unsigned i = 0; i < SESSION_CROSSED_MAX; i++) {
        bob_says(k, 491, NULL, NULL);
        assert_true(dial_is_at(k->c, DIAL_JOINING));
        kit_timer(k, CALL_TMR_SESSION);
        assert_non_null(bridge_request(k, SIDE_CALLER, "INVITE"));
    }
    bob_says(k, 491, NULL, NULL);
    kit_assert_state(k, CALL_ST_ESTABLISHED);
    assert_true(dial_is_at(k->c, DIAL_LOST));
    assert_int_equal(k->c->row->transfer->status, 491);
    assert_string_equal(k->c->row->transfer->reason, "not_accepted");
    assert_non_null(kit_event(k, "call.transfer.failed"));
    assert_non_null(bridge_request(k, 2, "BYE"));
}

static void two_transfers_in_a_row_let_each_go_his_own(void **s)
{
    struct kit *k = *s;
    talk(k);
    joined(k); /* ali has not hung up yet */
    row_text(&bridge_leg(k, 1)->target->user, SPAN("bob"));
    bridge_asks_in(k, k->c->row->a, "REFER", 20, "", "Refer-To: <sip:dave@203.0.113.5>\r\n");
    kit_assert_reply(k, 202);
    bridge_rings(k, &at_dave, 1);
    BRIDGE_SAYS(k, 3, .status = 200, .body = BRIDGE_EARLY);
    assert_true(dial_is_at(k->c, DIAL_JOINING));
    kit_timer(k, CALL_TMR_REFER);
    assert_non_null(bridge_request(k, 1, "BYE"));
    assert_null(bridge_request(k, 2, "BYE")); /* carol's refusal would bring her back to him */
}

/* A re-INVITE of ali to bob that is long done, and ali's place taken by carol: her row is whole. */
static void what_was_passed_on_may_be_between_two_legs(void **s)
{
    struct kit *k = *s;
    talk(k);
    bridge_asks_in(k, k->c->row->a, "INVITE", 11, KIT_HOLD, NULL);
    relay_says(k, 200);
    bridge_asks_in(k, k->c->row->a, "ACK", 11, "", NULL);
    KIT_REQUEST(k, .method = "REFER", .cseq = 12, .more = "Refer-To: <sip:carol@203.0.113.5>\r\n");
    bridge_rings(k, &at_carol, 1);
    carol_answers(k);
    bob_says(k, 200, NULL, BRIDGE_OFFER);
    row_text(&bridge_leg(k, 1)->target->user, SPAN("bob"));
    bridge_asks_in(k, k->c->row->a, "REFER", 20, "", "Refer-To: <sip:dave@203.0.113.5>\r\n");
    kit_assert_reply(k, 202);
    const Store__Relay *r = k->c->row->relays[0];
    assert_int_equal(r->state, RELAY_DONE);
    assert_true(r->from > 0 && r->to > 0);
    assert_true(call_row_is_ours(k->c->row));
}

/* RFC 3264 §8: carol was offered bob's session without his hold; told of it later, it is a new version of what she
 * knows. */
static void what_a_target_was_not_offered_is_a_new_version(void **s)
{
    struct kit *k = *s;
    talk(k);
    bridge_asks(k, 1, "INVITE", 12, KIT_HOLD, NULL);
    relay_says(k, 200);
    bridge_asks(k, 1, "ACK", 12, "", NULL);
    refers(k);
    carol_answers(k);
    bob_says(k, 200, NULL, KIT_HOLD);
    struct call_effect *told = bridge_request(k, 2, "INVITE");
    assert_non_null(told);
    kit_assert_has(told, "a=sendonly");
    kit_assert_has(told, "o=alice 1 3 IN IP4 192.0.2.9\r\n");
}

static void the_clock_is_set_amid_it(void **s)
{
    struct kit *k = *s;
    static const int64_t by_ms[] = {-HOUR_MS, HOUR_MS};
    for (size_t i = 0; i < 2; i++) {
        kit_fini(k);
        kit_init(k);
        talk(k);
        refers(k);
        uint64_t left = k->c->row->timers[CALL_TMR_REFER] - (uint64_t)k->now.wall_ms;
        k->now.wall_ms += by_ms[i];
        call_follow_clock(k->c, by_ms[i]);
        carol_answers(k);
        assert_int_equal(k->c->row->timers[CALL_TMR_REFER] - (uint64_t)k->now.wall_ms, left);
    }
}

/* --- a death, and who is being sent off --- */

static void a_target_that_is_cancelled_long_after_the_answer_is_cancelled_again(void **s)
{
    struct kit *k = *s;
    talk(k);
    k->now.wall_ms += HOUR_MS;
    refers(k);
    BRIDGE_SAYS(k, 2, .status = 180);
    kit_timer(k, CALL_TMR_NO_ANSWER);
    assert_non_null(bridge_cancel(k, 2));
    come_back(k);
    assert_non_null(bridge_request(k, 2, "INVITE"));
    assert_non_null(bridge_cancel(k, 2));
    k->now.wall_ms += 64 * (int64_t)KIT_T1 + 1;
    come_back(k);
    assert_null(bridge_request(k, 2, "INVITE"));
}

static void who_is_being_sent_off_is_not_replaced(void **s)
{
    struct kit *k = *s;
    talk(k);
    joined(k);
    const struct carol own = {.own = true};
    k->c->row->transfer->step = DIAL_SENT_OFF;
    (void)replace_asked_by(k);
    assert_int_equal(replace_status(k, &own, replace_value(k->c->row->a, "")), 491);
}

/* Carol has taken bob's place, refers ali to dave and hangs up. */
static void who_came_by_replaces_is_told_when_he_has_left(void **s)
{
    struct kit *k = *s;
    talk(k);
    row_text(&bridge_leg(k, 1)->target->user, SPAN("bob"));
    replace_ask(k, &(struct carol){.user = "bob"}, replace_value(bridge_leg(k, 1)->dialog, ""));
    replace_answered(k, 200, BRIDGE_OFFER);
    replace_says(k, &(struct carol){.method = "ACK", .to_tag = bridge_leg(k, 2)->dialog->local_tag, .body = ""});
    bridge_asks(k, 2, "REFER", 2, "", "Refer-To: <sip:dave@203.0.113.5>\r\n");
    kit_assert_reply(k, 202);
    bridge_rings(k, &at_dave, 1);
    bridge_asks(k, 2, "BYE", 3, "", NULL);
    bridge_assert_leg(k, 2, OUT_LEG_OVER);
    BRIDGE_SAYS(k, 3, .status = 486);
    struct span b = row_span(k->c->row->refers[0]->notify->branch);
    bridge_response_to(k, b, "carols", &(struct bridge_rsp){.status = 200, .method = "NOTIFY", .tag = "c1"});
    kit_assert_has(bridge_request(k, 2, "NOTIFY"), "NOTIFY sip:bob@198.51.100.20:5064 SIP/2.0\r\n");
}

/* A proxy had forked bob's INVITE: another answers it when ali is already where bob was. */
static void a_second_answer_behind_the_swap_is_ended_in_its_own_dialog(void **s)
{
    struct kit *k = *s;
    char branch[64], line[128];
    talk(k);
    (void)snprintf(branch, sizeof(branch), "%.*s", SPAN_ARG(row_span(bridge_leg(k, 1)->invite->branch)));
    (void)snprintf(line, sizeof(line), "Call-ID: %s\r\n", bridge_leg(k, 1)->dialog->call_id);
    refers(k);
    bridge_response_to(k, span_cstr(branch), "x",
                       &(struct bridge_rsp){.status = 200, .tag = "b9", .body = BRIDGE_OFFER});
    kit_assert_has(bridge_request(k, 3, "ACK"), line);
    kit_assert_has(bridge_request(k, 3, "BYE"), line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        KIT_TEST(a_reinvite_of_who_has_left_is_over_with_its_answer),
        KIT_TEST(a_reinvite_to_who_has_left_is_over_too),
        KIT_TEST(who_has_left_acknowledges_nothing),
        KIT_TEST(who_has_left_may_know_nothing_of_the_call),
        KIT_TEST(who_has_left_may_be_silent),
        KIT_TEST(the_trunks_challenge_to_who_stays_is_answered),
        KIT_TEST(a_challenge_that_cannot_be_answered_is_a_refusal),
        KIT_TEST(glare_without_end_is_a_refusal),
        KIT_TEST(two_transfers_in_a_row_let_each_go_his_own),
        KIT_TEST(what_was_passed_on_may_be_between_two_legs),
        KIT_TEST(what_a_target_was_not_offered_is_a_new_version),
        KIT_TEST(the_clock_is_set_amid_it),
        KIT_TEST(a_target_that_is_cancelled_long_after_the_answer_is_cancelled_again),
        KIT_TEST(who_is_being_sent_off_is_not_replaced),
        KIT_TEST(a_second_answer_behind_the_swap_is_ended_in_its_own_dialog),
        KIT_TEST(who_came_by_replaces_is_told_when_he_has_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
