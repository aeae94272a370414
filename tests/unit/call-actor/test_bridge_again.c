/* Who rings, or is cancelled, is asked for again after a death: of the edge, of ours, and when the clock was set. */
#include "tests/unit/call-actor/bridge_kit.h"

static const struct bridge_target both[] = {
    {.uri = "sip:bob@198.51.100.20:5062", .q = 1000, .addr = "198.51.100.20"},
    {.uri = "sip:bob@198.51.100.21:5062", .q = 1000, .addr = "198.51.100.21"},
};

static void what_is_open_is_asked_again(void **s)
{
    struct kit *k = *s;
    bridge_asked(k);
    call_effects_clear(&k->fx);
    call_ask_again(k->c, PLANE__PROC__PROC_NONE, &k->fx, k->now);
    assert_non_null(kit_effect(k, CALL_EFF_LOCATE, 0));
    bridge_rings(k, both, 2);
    kit_cancel(k);
    BRIDGE_SAYS(k, 2, .status = 200, .body = BRIDGE_OFFER);
    call_effects_clear(&k->fx);
    call_ask_again(k->c, PLANE__PROC__PROC_EDGE, &k->fx, k->now);
    assert_non_null(bridge_request(k, 1, "INVITE"));
    assert_non_null(bridge_cancel(k, 1));
    assert_non_null(bridge_request(k, 2, "BYE"));
    assert_null(bridge_request(k, 2, "INVITE"));
    assert_non_null(bridge_reply(k, 0, 487));
}

/* The service was away for long: nobody rings any more, and nobody shall once more. */
static void what_is_over_everywhere_does_not_ring_anew(void **s)
{
    struct kit *k = *s;
    bridge_asked(k);
    bridge_rings(k, both, 2);
    BRIDGE_SAYS(k, 1, .status = 180);
    BRIDGE_SAYS(k, 2, .status = 486);
    k->now.wall_ms += k->conf.no_answer_ms + 64 * KIT_T1 + 1;
    call_effects_clear(&k->fx);
    call_ask_again(k->c, PLANE__PROC__PROC_EDGE, &k->fx, k->now);
    assert_null(bridge_request(k, 1, "INVITE"));
    kit_timer(k, CALL_TMR_NO_ANSWER);
    assert_non_null(bridge_reply(k, 0, 480));
    kit_assert_state(k, CALL_ST_ENDED);
    assert_non_null(bridge_cancel(k, 1));
    call_effects_clear(&k->fx);
    call_ask_again(k->c, PLANE__PROC__PROC_EDGE, &k->fx, k->now);
    assert_null(bridge_request(k, 1, "INVITE"));
    assert_non_null(bridge_cancel(k, 1));
    bridge_fails(k, row_span(bridge_leg(k, 1)->invite->branch), false);
    bridge_assert_leg(k, 1, OUT_LEG_OVER);
}

/* An hour ahead: who was rung a moment ago, or is cancelled, is asked for all the same. */
static void a_clock_that_is_set_ends_no_ringing(void **s)
{
    static const int64_t hour = 3600000;
    struct kit *k = *s;
    bridge_asked(k);
    bridge_rings(k, both, 2);
    for (int cancelled = 0; cancelled < 2; cancelled++) {
        if (cancelled)
            kit_cancel(k);
        call_follow_clock(k->c, hour);
        k->now.wall_ms += hour;
        call_effects_clear(&k->fx);
        call_ask_again(k->c, PLANE__PROC__PROC_EDGE, &k->fx, k->now);
        assert_non_null(bridge_request(k, 1, "INVITE"));
        assert_int_equal(bridge_cancel(k, 1) != NULL, cancelled);
    }
    k->now.wall_ms += 64 * KIT_T1 + 1;
    call_effects_clear(&k->fx);
    call_ask_again(k->c, PLANE__PROC__PROC_EDGE, &k->fx, k->now);
    assert_null(bridge_request(k, 1, "INVITE"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        KIT_TEST(what_is_open_is_asked_again),
        KIT_TEST(what_is_over_everywhere_does_not_ring_anew),
        KIT_TEST(a_clock_that_is_set_ends_no_ringing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
