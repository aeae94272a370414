/* The table itself: whole, and with NEVER only where nobody outside can raise the event. */
#include "tests/unit/testkit.h"

#include "call-actor/call_step.h"
#include "call-actor/out_leg.h"
#include "common/base/log.h"
#include <stdio.h>
#include <string.h>

static const struct fsm_cell *cell(unsigned state, unsigned event)
{
    return &call_machine.cells[state * call_machine.events + event];
}

static void leg_table_is_whole(void **s)
{
    (void)s;
    const char *fault = fsm_check(&out_leg_machine, OUT_LEG_CALLING, OUT_LEG_OVER);
    if (fault != NULL)
        fail_msg("%s", fault);
    assert_int_equal(out_leg_machine.states, OUT_LEG_STATES);
    assert_int_equal(out_leg_machine.events, OUT_LEG_EVENTS);
}

static void table_is_whole(void **s)
{
    (void)s;
    const char *fault = fsm_check(&call_machine, CALL_ST_NEW, CALL_ST_ENDED);
    if (fault != NULL)
        fail_msg("%s", fault);
    assert_int_equal(call_machine.states, CALL_STATES);
    assert_int_equal(call_machine.events, CALL_EVENTS);
}

/* Events that call_classify and bridge_event raise in some states only, by what the call has and not by what a peer
 * says: legs ring in RINGING, somebody is talked to from ANSWERED on, requests are passed on in ESTABLISHED; a call
 * of ours is placed in NEW, SETUP and RINGING. */
static bool belongs_elsewhere(unsigned state, unsigned event)
{
    bool before = state == CALL_ST_SETUP || state == CALL_ST_RINGING;
    bool early = state == CALL_ST_RINGING || state == CALL_ST_ANSWERING;
    switch (event) {
    case CALL_EV_PROGRESS:
    case CALL_EV_ANSWER:
    case CALL_EV_ANSWER_HELD:
    case CALL_EV_UPDATE_EARLY:
    case CALL_EV_RING_ON:
    case CALL_EV_RING_FAILED:
        return state != CALL_ST_RINGING;
    case CALL_EV_DIAL:
        return state != CALL_ST_NEW;
    case CALL_EV_DIAL_ON:
        return state != CALL_ST_SETUP;
    case CALL_EV_TRANSFER:
    case CALL_EV_TRANSFER_FAILED:
    case CALL_EV_TRANSFER_RINGS:
    case CALL_EV_BYE_OLD:
    case CALL_EV_SENT_OFF:
    case CALL_EV_SENT_DONE:
    case CALL_EV_REPLACE:
    case CALL_EV_REPLACE_US:
    case CALL_EV_REPLACE_LOST:
    case CALL_EV_DIAL_JOIN:
    case CALL_EV_DIAL_FAILED:
        return state != CALL_ST_ESTABLISHED;
    case CALL_EV_DIAL_ANSWER:
        return state != CALL_ST_RINGING;
    case CALL_EV_RELAY:
    case CALL_EV_REFRESH:
        return state != CALL_ST_ESTABLISHED;
    case CALL_EV_INFO:
        return state == CALL_ST_RINGING;
    case CALL_EV_PASS:
        return before || early || state == CALL_ST_CLOSING;
    case CALL_EV_PASSED: /* what is open when they stop talking gets 487 */
        return state != CALL_ST_ANSWERED && state != CALL_ST_ESTABLISHED;
    case CALL_EV_BYE_CALLEE:
        return before;
    case CALL_EV_CANCEL_RELAY:
    case CALL_EV_RELAYED:
        return before || early;
    case CALL_EV_PRACK_LAST:
        return state != CALL_ST_ANSWERING;
    case CALL_EV_NO_PRACK:
        return !early;
    case CALL_EV_PRACK:
    case CALL_EV_EARLY_DONE:
    case CALL_EV_BYE_STRAY:
        return state == CALL_ST_SETUP;
    case CALL_EV_NOBODY:
    case CALL_EV_NOT_A_USER:
        return state == CALL_ST_RINGING;
    case CALL_EV_REFER:
    case CALL_EV_REFER_ASK:
    case CALL_EV_REFER_RING:
    case CALL_EV_SUBSCRIBE:
    case CALL_EV_EXPIRED: /* of a timer that stands in ESTABLISHED alone */
        return state != CALL_ST_ESTABLISHED;
    default:
        return false;
    }
}

static bool is_raised_by_us(unsigned state, unsigned event)
{
    if (belongs_elsewhere(state, event))
        return true;
    if (state == CALL_ST_NEW || event == CALL_EV_INVITE || event == CALL_EV_INVITE_BAD)
        return true; /* a NEW call sees its INVITE and nothing else, and no other call sees it */
    return event >= CALL_EV_TMR_SETUP;
}

static void never_stands_only_where_no_peer_reaches(void **s)
{
    (void)s;
    for (unsigned st = 0; st < CALL_STATES; st++) {
        for (unsigned ev = 0; ev < CALL_EVENTS; ev++) {
            if (cell(st, ev)->kind == FSM_CANNOT && !is_raised_by_us(st, ev))
                fail_msg("[%s][%s] is NEVER", call_machine.state_names[st], call_machine.event_names[ev]);
        }
    }
}

/* Every request is answered in every state. */
static void no_request_is_ignored(void **s)
{
    static const enum call_event requests[] = {CALL_EV_REINVITE, CALL_EV_BYE, CALL_EV_CANCEL, CALL_EV_OPTIONS,
                                               CALL_EV_REFUSED};
    (void)s;
    for (unsigned st = CALL_ST_SETUP; st < CALL_STATES; st++) {
        for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
            const struct fsm_cell *c = cell(st, requests[i]);
            assert_true(c->kind == FSM_GO && c->act != NULL);
        }
    }
}

/* A port may come, or come back, at any time; it is never lost to an IGNORE. */
static void no_port_is_ignored(void **s)
{
    static const enum call_event ports[] = {CALL_EV_SETUP_OK,   CALL_EV_SETUP_UNFIT,   CALL_EV_SETUP_FAILED,
                                            CALL_EV_RELEASED,   CALL_EV_RELEASE_LATER, CALL_EV_EXTRA_PORT,
                                            CALL_EV_TMR_RELEASE};
    (void)s;
    for (unsigned st = CALL_ST_SETUP; st < CALL_STATES; st++) {
        for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++)
            assert_true(cell(st, ports[i])->kind == FSM_GO && cell(st, ports[i])->act != NULL);
    }
}

static void an_ended_call_stays_ended(void **s)
{
    (void)s;
    for (unsigned ev = 0; ev < CALL_EVENTS; ev++) {
        if (cell(CALL_ST_ENDED, ev)->kind == FSM_GO)
            assert_int_equal(cell(CALL_ST_ENDED, ev)->next, CALL_ST_ENDED);
    }
}

/* Numbers stand in stored rows. */
static void numbers_of_states_and_timers_stay(void **s)
{
    (void)s;
    assert_int_equal(CALL_ST_SETUP, 1);
    assert_int_equal(CALL_ST_ANSWERED, 2);
    assert_int_equal(CALL_ST_CLOSING, 3);
    assert_int_equal(CALL_ST_ESTABLISHED, 4);
    assert_int_equal(CALL_ST_ENDING, 5);
    assert_int_equal(CALL_ST_ENDED, 6);
    assert_int_equal(CALL_TMR_SETUP, 0);
    assert_int_equal(CALL_TMR_2XX, 1);
    assert_int_equal(CALL_TMR_NO_ACK, 2);
    assert_int_equal(CALL_TMR_LINGER, 3);
    assert_int_equal(CALL_TMR_RELEASE, 4);
    assert_int_equal(CALL_TMR_NO_ANSWER, 5);
    assert_int_equal(CALL_TMR_SESSION, 7);
    assert_int_equal(CALL_TMR_EXPIRES, 8);
    assert_int_equal(CALL_TMR_REINVITE, 9);
    assert_string_equal(call_state_name(CALL_ST_CLOSING), "closing");
    assert_string_equal(call_state_name(CALL_STATES), "?");
}

static void levels_are_those_of_the_log(void **s)
{
    (void)s;
    assert_int_equal(CALL_LOG_ERROR, LOG_ERROR);
    assert_int_equal(CALL_LOG_WARN, LOG_WARN);
    assert_int_equal(CALL_LOG_INFO, LOG_INFO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_is_whole),
        cmocka_unit_test(leg_table_is_whole),
        cmocka_unit_test(never_stands_only_where_no_peer_reaches),
        cmocka_unit_test(no_request_is_ignored),
        cmocka_unit_test(no_port_is_ignored),
        cmocka_unit_test(an_ended_call_stays_ended),
        cmocka_unit_test(numbers_of_states_and_timers_stay),
        cmocka_unit_test(levels_are_those_of_the_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
