/* What is said of how a call ended: code, cause, stage, durations; Reason headers passed on (RFC 3326, RFC 6432). */
#include "tests/unit/call-actor/bridge_kit.h"

#include "call-actor/call_end.h"

static void assert_ending(struct kit *k, const char *by, const char *stage, unsigned sip_code, unsigned q850_cause)
{
    const struct call_ending e = call_ending_of(k->c->row);
    assert_string_equal(e.by, by);
    assert_string_equal(e.stage, stage);
    assert_int_equal(e.sip_code, sip_code);
    assert_int_equal(e.q850_cause, q850_cause);
}

static void assert_durations(struct kit *k, unsigned setup_ms, unsigned ring_ms, unsigned talk_ms)
{
    const struct call_ending e = call_ending_of(k->c->row);
    assert_int_equal(e.setup_ms, setup_ms);
    assert_int_equal(e.ring_ms, ring_ms);
    assert_int_equal(e.talk_ms, talk_ms);
}

/* --- durations --- */

static void an_answered_call_has_no_ringing(void **s)
{
    struct kit *k = *s;
    kit_invite(k);
    k->now.wall_ms += 120;
    kit_setup_ok(k);
    k->now.wall_ms += 30;
    kit_ack(k, 10);
    k->now.wall_ms += 5000;
    kit_bye(k, 11);
    assert_ending(k, "caller", "established", 200, 16);
    assert_durations(k, 120, 0, 5000);
}

static void a_bridged_call_has_all_three(void **s)
{
    struct kit *k = *s;
    bridge_asked(k);
    k->now.wall_ms += 100;
    bridge_rings(k, &bridge_bob, 1);
    BRIDGE_SAYS(k, 1, .status = 180);
    k->now.wall_ms += 4000;
    BRIDGE_SAYS(k, 1, .status = 200, .body = BRIDGE_OFFER);
    kit_ack(k, 10);
    k->now.wall_ms += 7000;
    bridge_asks(k, 1, "BYE", 1, "", NULL);
    assert_ending(k, "callee", "established", 200, 16);
    assert_durations(k, 100, 4000, 7000);
    kit_assert_has(kit_event(k, "call.ended"), "\"sipCode\":200,\"q850Cause\":16,\"setupMs\":100,\"ringMs\":4000");
    kit_assert_has(kit_event(k, "call.ended"), "\"talkMs\":7000");
}

static void who_never_answers_rings_till_the_end(void **s)
{
    struct kit *k = *s;
    bridge_ring_bob(k);
    kit_timer(k, CALL_TMR_NO_ANSWER);
    assert_ending(k, "timer", "ringing", 480, 19);
    assert_durations(k, 0, 60000, 0);
    kit_assert_has(kit_assert_reply(k, 480), "Reason: Q.850;cause=19\r\n");
}

static void a_clock_that_is_set_back_takes_no_time(void **s)
{
    struct kit *k = *s;
    kit_established(k);
    k->now.wall_ms -= 60000;
    kit_bye(k, 11);
    assert_durations(k, 0, 0, 0);
}

/* --- stages --- */

static void tell_step(struct kit *k, const char *step)
{
    Plane__JobStep m = PLANE__JOB_STEP__INIT;
    m.id = kit_open_job(k, PLANE__RUN_JOB__KIND__SETUP)->id;
    m.step = (char *)(uintptr_t)step;
    m.outcome = (char *)(uintptr_t) "started";
    struct call_input in = {.type = CALL_IN_JOB_STEP, .step = &m};
    kit_step(k, &in);
}

static void a_set_up_ends_in_its_step(void **s)
{
    struct kit *k = *s;
    kit_invite(k);
    tell_step(k, "dialplan");
    k->now.wall_ms += 40;
    kit_cancel(k);
    assert_ending(k, "caller", "dialplan", 487, 16);
    assert_durations(k, 40, 0, 0);
}

static void a_set_up_that_takes_too_long_is_102(void **s)
{
    struct kit *k = *s;
    kit_invite(k);
    kit_timer(k, CALL_TMR_SETUP);
    assert_ending(k, "timer", "user_lookup", 503, 102);
}

static void nobody_there_is_in_the_stage_that_looks(void **s)
{
    struct kit *k = *s;
    bridge_asked(k);
    bridge_targets(k, "bob", NULL, 0, 480);
    assert_ending(k, "service", "locating", 480, 18);
}

static void one_that_was_to_be_ended_was_answered(void **s)
{
    struct kit *k = *s;
    kit_answered(k);
    kit_terminate(k, "sigctl");
    kit_ack(k, 10);
    assert_ending(k, "operator", "answered", 200, 16);
}

/* --- causes --- */

static void the_callees_cause_is_told(void **s)
{
    struct kit *k = *s;
    bridge_ring_bob(k);
    BRIDGE_SAYS(k, 1, .status = 486, .more = "Reason: SIP;cause=486, q.850;cause=34;text=\"no circuit\"\r\n");
    kit_assert_has(kit_assert_reply(k, 486), "Reason: Q.850;cause=34\r\n");
    assert_ending(k, "callee", "ringing", 486, 34);
}

static void only_the_cause_of_the_best_refusal(void **s)
{
    struct kit *k = *s;
    const struct bridge_target two[] = {bridge_bob,
                                        {.uri = "sip:bob@198.51.100.21:5062", .q = 1000, .addr = "198.51.100.21"}};
    bridge_asked(k);
    bridge_rings(k, two, 2);
    BRIDGE_SAYS(k, 1, .status = 486);
    BRIDGE_SAYS(k, 2, .status = 480, .more = "Reason: Q.850;cause=20\r\n");
    kit_assert_hasnt(kit_assert_reply(k, 486), "Reason:");
    assert_ending(k, "callee", "ringing", 486, 17);
}

static void a_status_has_its_cause(void **s)
{
    (void)s;
    static const struct {
        unsigned status, cause;
    } want[] = {{200, 16}, {403, 21}, {404, 1},   {480, 18}, {484, 28}, {486, 17}, {487, 16},
                {500, 41}, {502, 38}, {504, 102}, {599, 41}, {603, 21}, {433, 41}};
    Store__CallRow row = STORE__CALL_ROW__INIT;
    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
        row.end_status = want[i].status;
        assert_int_equal(call_ending_of(&row).q850_cause, want[i].cause);
    }
}

/* --- Reason passed on --- */

static void all_reasons_of_a_cancel_go_on(void **s)
{
    struct kit *k = *s;
    bridge_ring_bob(k);
    BRIDGE_SAYS(k, 1, .status = 180);
    KIT_REQUEST(k, .method = "CANCEL", .cseq = 10, .branch = "z9hG4bKinvite",
                .more = "Reason: SIP;cause=200;text=\"elsewhere, by \\\"x\\\"\"\r\nReason: Q.850 ;cause=26\r\n");
    const struct call_effect *e = bridge_cancel(k, 1);
    assert_non_null(e);
    assert_true(
        span_eq(span_of(e->raw, e->raw_len), SPAN("SIP;cause=200;text=\"elsewhere, by \\\"x\\\"\", Q.850 ;cause=26")));
    assert_ending(k, "caller", "ringing", 487, 26);
}

static void reasons_without_end_are_not_passed_on(void **s)
{
    struct kit *k = *s;
    static char more[3 * END_REASON_SIZE];
    bridge_up(k);
    int n =
        snprintf(more, sizeof(more), "Reason: SIP;cause=200\r\nReason: SIP;text=\"%0*d\"\r\nReason: Q.850;cause=31\r\n",
                 END_REASON_SIZE, 7);
    assert_true(n > END_REASON_SIZE);
    KIT_REQUEST(k, .method = "BYE", .cseq = 11, .more = more);
    kit_assert_has(bridge_request(k, 1, "BYE"), "\r\nReason: SIP;cause=200, Q.850;cause=31\r\n");
}

static void a_reason_of_just_the_room_there_is(void **s)
{
    struct kit *k = *s;
    static char more[2 * END_REASON_SIZE];
    for (int over = 0; over <= 1; over++) {
        bridge_up(k);
        (void)snprintf(more, sizeof(more), "Reason: SIP;x=%0*d\r\n", END_REASON_SIZE - 6 + over, 7);
        KIT_REQUEST(k, .method = "BYE", .cseq = 11, .more = more);
        assert_int_equal(kit_has(bridge_request(k, 1, "BYE"), "Reason: SIP;x="), over == 0);
        call_free(k->c);
        k->c = call_new(&k->conf, KIT_KEY, k->now);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        KIT_TEST(an_answered_call_has_no_ringing),
        KIT_TEST(a_bridged_call_has_all_three),
        KIT_TEST(who_never_answers_rings_till_the_end),
        KIT_TEST(a_clock_that_is_set_back_takes_no_time),
        KIT_TEST(a_set_up_ends_in_its_step),
        KIT_TEST(a_set_up_that_takes_too_long_is_102),
        KIT_TEST(nobody_there_is_in_the_stage_that_looks),
        KIT_TEST(one_that_was_to_be_ended_was_answered),
        KIT_TEST(the_callees_cause_is_told),
        KIT_TEST(only_the_cause_of_the_best_refusal),
        KIT_TEST(a_status_has_its_cause),
        KIT_TEST(all_reasons_of_a_cancel_go_on),
        KIT_TEST(reasons_without_end_are_not_passed_on),
        KIT_TEST(a_reason_of_just_the_room_there_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
