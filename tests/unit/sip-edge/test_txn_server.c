/* INVITE and non-INVITE server transactions: RFC 3261 §17.2, RFC 6026 §7.1; and what all four share. */
#include "tests/unit/testkit.h"

#include "tests/unit/sip-edge/txn_sim.h"

/* --- INVITE server --- */

static void ist_repeats_its_final_by_g_until_h(void **state)
{
    (void)state;
    sim_start(TXN_IST, false);
    sim_happens(TXN_RX_REQUEST, 0);
    sim_happens(TXN_TX_REPLY, 100);
    sim_run_until(1000);
    sim_happens(TXN_TX_REPLY, 486);
    sim_run_until(99999);
    /* §17.2.1: G is T1, doubling up to T2; H is 64*T1. */
    sim_expect("0:ask 0:reply 1000:reply 1500:reply-again 2500:reply-again 4500:reply-again 8500:reply-again "
               "12500:reply-again 16500:reply-again 20500:reply-again 24500:reply-again 28500:reply-again "
               "32500:reply-again 33000:over");
}

static void ist_ack_stops_g_and_is_absorbed_until_i(void **state)
{
    (void)state;
    sim_start(TXN_IST, false);
    sim_happens(TXN_RX_REQUEST, 0);
    sim_happens(TXN_TX_REPLY, 404);
    sim_run_until(700);
    sim_happens(TXN_RX_ACK, 0);
    sim_run_until(900);
    sim_happens(TXN_RX_ACK, 0);
    sim_happens(TXN_RX_REQUEST, 0);
    sim_happens(TXN_TX_REPLY, 500);
    sim_expect_state(IST_ST_CONFIRMED);
    sim_run_until(99999);
    sim_expect("0:ask 0:reply 500:reply-again 5700:over");
}

static void ist_on_a_reliable_transport_has_neither_g_nor_i(void **state)
{
    (void)state;
    sim_start(TXN_IST, true);
    sim_happens(TXN_RX_REQUEST, 0);
    sim_happens(TXN_TX_REPLY, 486);
    sim_run_until(20000);
    sim_expect("0:ask 0:reply");
    sim_happens(TXN_RX_ACK, 0);
    sim_run_until(20000);
    sim_expect("0:ask 0:reply 20000:over");
}

static void ist_reliable_without_ack_ends_by_h(void **state)
{
    (void)state;
    sim_start(TXN_IST, true);
    sim_happens(TXN_RX_REQUEST, 0);
    sim_happens(TXN_TX_REPLY, 486);
    sim_run_until(99999);
    sim_expect("0:ask 0:reply 32000:over");
}

static void ist_repeated_invite_gets_the_last_reply(void **state)
{
    (void)state;
    sim_start(TXN_IST, false);
    sim_happens(TXN_RX_REQUEST, 0);
    sim_happens(TXN_TX_REPLY, 100);
    sim_run_until(400);
    sim_happens(TXN_RX_REQUEST, 0);
    sim_happens(TXN_TX_REPLY, 180);
    sim_happens(TXN_RX_REQUEST, 0);
    sim_happens(TXN_TX_REPLY, 486);
    sim_happens(TXN_RX_REQUEST, 0);
    sim_expect("0:ask 0:reply 400:reply-again 400:reply 400:reply-again 400:reply 400:reply-again");
}

/* RFC 6026 §7.1: repeated INVITEs are absorbed, further 2xx pass, nothing is sent by itself; L is 64*T1. */
static void ist_accepted(void **state)
{
    (void)state;
    sim_start(TXN_IST, false);
    sim_happens(TXN_RX_REQUEST, 0);
    sim_happens(TXN_TX_REPLY, 200);
    sim_run_until(500);
    sim_happens(TXN_RX_REQUEST, 0);
    sim_happens(TXN_TX_REPLY, 200);
    sim_happens(TXN_TX_REPLY, 486);
    sim_happens(TXN_SEND_FAILED, 0);
    sim_happens(TXN_RX_ACK, 0);
    sim_expect_state(IST_ST_ACCEPTED);
    sim_run_until(99999);
    sim_expect("0:ask 0:reply 500:reply 500:pass-ack 32000:over");
}

/* RFC 6026 §7.1: it stays, so that repeats of the INVITE are not taken for a new one; H ends it. */
static void ist_transport_error_ends_nothing(void **state)
{
    (void)state;
    sim_start(TXN_IST, false);
    sim_happens(TXN_RX_REQUEST, 0);
    sim_happens(TXN_SEND_FAILED, 0);
    sim_expect_state(IST_ST_PROCEEDING);
    sim_happens(TXN_TX_REPLY, 486);
    sim_happens(TXN_SEND_FAILED, 0);
    sim_expect_state(IST_ST_COMPLETED);
    sim_expect("0:ask 0:reply");
}

static void ist_never_answered_is_overdue(void **state)
{
    (void)state;
    sim_start(TXN_IST, false);
    sim_happens(TXN_RX_REQUEST, 0);
    sim_run_until(3000000);
    sim_happens(TXN_TX_REPLY, 180); /* still at work: the wait begins anew */
    sim_run_until(6699999);
    sim_expect("0:ask 3000000:reply");
    sim_run_until(6700000);
    sim_happens(TXN_TX_REPLY, 504);
    sim_expect("0:ask 3000000:reply 6700000:overdue 6700000:reply");
    sim_expect_state(IST_ST_COMPLETED);
}

/* A restarted edge makes the transaction from the actor's reply. */
static void ist_adopted_from_each_reply(void **state)
{
    (void)state;
    sim_start(TXN_IST, false);
    sim_happens(TXN_TX_REPLY, 180);
    sim_happens(TXN_RX_REQUEST, 0);
    sim_expect("0:reply 0:reply-again");
    sim_expect_state(IST_ST_PROCEEDING);
    sim_start(TXN_IST, false);
    sim_happens(TXN_TX_REPLY, 200);
    sim_expect_state(IST_ST_ACCEPTED);
    sim_run_until(99999);
    sim_expect("0:reply 32000:over");
    sim_start(TXN_IST, false);
    sim_happens(TXN_TX_REPLY, 486);
    sim_expect_state(IST_ST_COMPLETED);
    sim_run_until(500);
    sim_happens(TXN_RX_ACK, 0);
    sim_run_until(99999);
    sim_expect("0:reply 500:reply-again 5500:over");
}

/* --- non-INVITE server --- */

static void nist_trying_absorbs_then_repeats_the_final_until_j(void **state)
{
    (void)state;
    sim_start(TXN_NIST, false);
    sim_happens(TXN_RX_REQUEST, 0);
    sim_run_until(500);
    sim_happens(TXN_RX_REQUEST, 0);
    sim_run_until(600);
    sim_happens(TXN_TX_REPLY, 200);
    sim_run_until(1500);
    sim_happens(TXN_RX_REQUEST, 0);
    sim_happens(TXN_TX_REPLY, 481); /* §17.2.2: discarded */
    sim_run_until(99999);
    sim_expect("0:ask 600:reply 1500:reply-again 32600:over");
}

static void nist_proceeding_repeats_the_provisional(void **state)
{
    (void)state;
    sim_start(TXN_NIST, false);
    sim_happens(TXN_RX_REQUEST, 0);
    sim_happens(TXN_TX_REPLY, 100);
    sim_happens(TXN_RX_REQUEST, 0);
    sim_happens(TXN_TX_REPLY, 100);
    sim_expect_state(NIST_ST_PROCEEDING);
    sim_expect("0:ask 0:reply 0:reply-again 0:reply");
}

static void nist_on_a_reliable_transport_ends_at_once(void **state)
{
    (void)state;
    sim_start(TXN_NIST, true);
    sim_happens(TXN_RX_REQUEST, 0);
    sim_happens(TXN_TX_REPLY, 200);
    sim_run_until(0);
    sim_expect("0:ask 0:reply 0:over");
}

/* RFC 4320 §4.2: no 408; the client has given up by then. */
static void nist_never_answered_ends_silently(void **state)
{
    (void)state;
    sim_start(TXN_NIST, false);
    sim_happens(TXN_RX_REQUEST, 0);
    sim_run_until(99999);
    sim_expect("0:ask 32000:over");
}

static void nist_transport_error(void **state)
{
    (void)state;
    sim_start(TXN_NIST, false);
    sim_happens(TXN_RX_REQUEST, 0);
    sim_happens(TXN_TX_REPLY, 200);
    sim_happens(TXN_SEND_FAILED, 0);
    sim_expect("0:ask 0:reply 0:over");
}

static void nist_adopted_from_its_reply(void **state)
{
    (void)state;
    sim_start(TXN_NIST, false);
    sim_happens(TXN_TX_REPLY, 200);
    sim_run_until(1000);
    sim_happens(TXN_RX_REQUEST, 0);
    sim_run_until(99999);
    sim_expect("0:reply 1000:reply-again 32000:over");
    sim_start(TXN_NIST, false);
    sim_happens(TXN_TX_REPLY, 100);
    sim_run_until(99999);
    sim_expect("0:reply 32000:over");
}

/* --- all --- */

static void times_scale_with_t1(void **state)
{
    (void)state;
    struct txn_times tt = txn_times_of(100);
    assert_int_equal(tt.t2_ms, 800);
    assert_int_equal(tt.t4_ms, 1000);
    assert_int_equal(txn_timer_ms(&tt, TXN_TMR_B, TXN_ICT, false), 6400);
    assert_int_equal(txn_timer_ms(&tt, TXN_TMR_I, TXN_IST, false), 1000);
    assert_int_equal(txn_timer_ms(&tt, TXN_TMR_K, TXN_NICT, true), 0);
    assert_string_equal(txn_timer_name(TXN_TMR_U), "U");
    assert_string_equal(txn_timer_name(TXN_TMR_A), "A");
}

static void a_reply_to_a_client(void)
{
    sim_start(TXN_ICT, false);
    sim_happens(TXN_TX_REPLY, 200);
}

static void what_a_kind_cannot_meet_is_a_bug(void **state)
{
    (void)state;
    testkit_assert_bug(a_reply_to_a_client, "event == NONE");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ist_repeats_its_final_by_g_until_h),
        cmocka_unit_test(ist_ack_stops_g_and_is_absorbed_until_i),
        cmocka_unit_test(ist_on_a_reliable_transport_has_neither_g_nor_i),
        cmocka_unit_test(ist_reliable_without_ack_ends_by_h),
        cmocka_unit_test(ist_repeated_invite_gets_the_last_reply),
        cmocka_unit_test(ist_accepted),
        cmocka_unit_test(ist_transport_error_ends_nothing),
        cmocka_unit_test(ist_never_answered_is_overdue),
        cmocka_unit_test(ist_adopted_from_each_reply),
        cmocka_unit_test(nist_trying_absorbs_then_repeats_the_final_until_j),
        cmocka_unit_test(nist_proceeding_repeats_the_provisional),
        cmocka_unit_test(nist_on_a_reliable_transport_ends_at_once),
        cmocka_unit_test(nist_never_answered_ends_silently),
        cmocka_unit_test(nist_transport_error),
        cmocka_unit_test(nist_adopted_from_its_reply),
        cmocka_unit_test(times_scale_with_t1),
        cmocka_unit_test(what_a_kind_cannot_meet_is_a_bug),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
