/* The deadline of a re-INVITE that is passed on (reinvite.h). That of a refresh: test_bridge_refresh.c. */
#include "tests/unit/call-actor/bridge_kit.h"

static void reinvite(struct kit *k, uint32_t cseq, const char *body)
{
    KIT_REQUEST(k, .method = "INVITE", .cseq = cseq, .in_dialog = true, .body = body,
                .contact = "Contact: <sip:ali@192.0.2.77>\r\n");
}

/* The response to what is being passed on. */
static void relayed(struct kit *k, unsigned status, const char *body)
{
    bridge_response_to(k, row_span(k->c->row->relays[0]->request->branch), "x",
                       &(struct bridge_rsp){.status = status, .tag = "b1", .body = body});
}

/* One who only ever says 180 to it would hold every other offer off. */
static void a_reinvite_that_nobody_answers_is_cancelled(void **s)
{
    struct kit *k = *s;
    bridge_up(k);
    reinvite(k, 11, KIT_HOLD);
    assert_int_equal(kit_arm(k, CALL_TMR_REINVITE)->at_wall_ms, k->now.wall_ms + k->conf.no_answer_ms);
    relayed(k, 180, NULL);
    reinvite(k, 12, KIT_HOLD);
    assert_non_null(bridge_reply(k, 0, 500));
    kit_timer(k, CALL_TMR_REINVITE);
    assert_non_null(bridge_cancel(k, 1));
    assert_int_equal(kit_count(k, CALL_EFF_REPLY), 0); /* its final response says what became of it */
    relayed(k, 487, NULL);
    kit_assert_has(bridge_reply(k, 0, 504), "CSeq: 11 INVITE\r\n"); /* 408 and 480 would end his dialog */
    kit_assert_state(k, CALL_ST_ESTABLISHED);
    assert_string_equal(k->c->row->a->remote_target, "sip:ali@192.0.2.1:5070");
    reinvite(k, 13, KIT_HOLD);
    assert_non_null(bridge_request(k, 1, "INVITE"));
    assert_int_equal(kit_arm(k, CALL_TMR_REINVITE)->at_wall_ms, k->now.wall_ms + k->conf.no_answer_ms);
    kit_timer(k, CALL_TMR_REINVITE);
    relayed(k, 200, BRIDGE_OFFER); /* crosses our CANCEL */
    assert_non_null(bridge_reply(k, 0, 200));
    assert_non_null(bridge_request(k, 1, "ACK"));
}

static void who_cancels_what_is_overdue_is_told_so(void **s)
{
    struct kit *k = *s;
    bridge_up(k);
    reinvite(k, 11, KIT_HOLD);
    KIT_REQUEST(k, .method = "CANCEL", .cseq = 11, .in_dialog = true);
    assert_int_equal(k->c->row->timers[CALL_TMR_REINVITE], 0);
    relayed(k, 487, NULL);
    assert_non_null(bridge_reply(k, 0, 487));
    reinvite(k, 12, KIT_HOLD);
    kit_timer(k, CALL_TMR_REINVITE);
    bridge_fails(k, row_span(k->c->row->relays[0]->request->branch), false);
    assert_non_null(bridge_reply(k, 0, 504));
    kit_assert_state(k, CALL_ST_ESTABLISHED);
}

static void the_deadline_of_a_reinvite_lives_through_a_death(void **s)
{
    struct kit *k = *s;
    bridge_up(k);
    reinvite(k, 11, KIT_HOLD);
    uint64_t due = k->c->row->timers[CALL_TMR_REINVITE];
    call_follow_clock(k->c, 5000);
    k->now.wall_ms += 5000;
    come_back(k);
    assert_int_equal(kit_arm(k, CALL_TMR_REINVITE)->at_wall_ms, due + 5000);
    relayed(k, 180, NULL);
    bridge_asks(k, 1, "INFO", 5, "", NULL);
    assert_int_equal(k->c->row->timers[CALL_TMR_REINVITE], due + 5000); /* what else is asked changes nothing */
    kit_timer(k, CALL_TMR_REINVITE);
    come_back(k);
    assert_null(kit_arm(k, CALL_TMR_REINVITE));
    assert_non_null(bridge_request(k, 1, "INVITE"));
    assert_non_null(bridge_cancel(k, 1));
    kit_bye(k, 12);
    assert_non_null(bridge_reply(k, 0, 487));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        KIT_TEST(a_reinvite_that_nobody_answers_is_cancelled),
        KIT_TEST(who_cancels_what_is_overdue_is_told_so),
        KIT_TEST(the_deadline_of_a_reinvite_lives_through_a_death),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
