/*
 * The four machines in virtual time: a small owner performs the effects on paper, and each case compares the whole
 * schedule with the RFC's. T1 is 500 ms, so the numbers are those of RFC 3261 table 4.
 */
#include "tests/unit/testkit.h"

#include "common/base/buf.h"
#include "sip-edge/txn.h"

#define NOT_SET INT64_MAX

static struct sim {
    struct txn t;
    struct txn_times times;
    int64_t now_ms;
    int64_t at_ms[TXN_SLOTS];
    enum txn_tmr tmr[TXN_SLOTS];
    struct buf log; /* "0:request 500:request" */
} sim;

static void note(const char *what)
{
    buf_printf(&sim.log, "%s%lld:%s", sim.log.len > 0 ? " " : "", (long long)sim.now_ms, what);
}

static const char *eff_word(const struct txn_eff *e)
{
    static const char *const words[] = {
        [TXN_EFF_ASK] = "ask",
        [TXN_EFF_PASS_ACK] = "pass-ack",
        [TXN_EFF_REPLY] = "reply",
        [TXN_EFF_REPEAT_REPLY] = "reply-again",
        [TXN_EFF_SEND_REQUEST] = "request",
        [TXN_EFF_TELL] = "tell",
        [TXN_EFF_TELL_AGAIN] = "tell-again",
        [TXN_EFF_ACK] = "ack",
        [TXN_EFF_REPEAT_ACK] = "ack-again",
        [TXN_EFF_CANCEL] = "cancel",
        [TXN_EFF_OVERDUE] = "overdue",
        [TXN_EFF_DISARM] = NULL,
    };
    if (e->kind == TXN_EFF_FAIL)
        return e->cause == TXN_CAUSE_TIMEOUT ? "timeout" : "transport";
    return words[e->kind];
}

static void perform(const struct txn_fx *fx)
{
    for (unsigned i = 0; i < fx->cnt; i++) {
        const struct txn_eff *e = &fx->eff[i];
        enum txn_slot slot = txn_timer_slot((enum txn_tmr)e->tmr);
        if (e->kind == TXN_EFF_ARM) {
            sim.at_ms[slot] = sim.now_ms + e->after_ms;
            sim.tmr[slot] = (enum txn_tmr)e->tmr;
        } else if (e->kind == TXN_EFF_DISARM) {
            sim.at_ms[slot] = NOT_SET;
        } else if (eff_word(e) != NULL) {
            note(eff_word(e));
        }
    }
    if (!txn_is_over(&sim.t))
        return;
    note("over");
    sim.at_ms[0] = sim.at_ms[1] = NOT_SET;
}

static void feed(const struct txn_in *in)
{
    struct txn_fx fx;
    struct txn_in full = *in;
    full.times = &sim.times;
    (void)txn_step(&sim.t, &full, &fx, (struct now){.mono_ms = sim.now_ms});
    perform(&fx);
}

static void start(enum txn_kind kind, bool reliable)
{
    buf_fini(&sim.log);
    sim = (struct sim){.times = txn_times_of(500), .at_ms = {NOT_SET, NOT_SET}};
    buf_init(&sim.log, 1 << 16);
    txn_init(&sim.t, kind, reliable);
}

/* Lets timers fire, in order, until `until_ms`; then it is that time. */
static void run_until(int64_t until_ms)
{
    for (;;) {
        unsigned slot = sim.at_ms[0] <= sim.at_ms[1] ? 0 : 1;
        if (sim.at_ms[slot] > until_ms)
            break;
        sim.now_ms = sim.at_ms[slot];
        sim.at_ms[slot] = NOT_SET;
        feed(&(struct txn_in){.what = TXN_TIMER, .tmr = sim.tmr[slot]});
    }
    sim.now_ms = until_ms;
}

static void happens(enum txn_what what, uint16_t status)
{
    feed(&(struct txn_in){.what = what, .status = status});
}

static void expect(const char *log)
{
    const char *got = buf_cstr(&sim.log);
    assert_string_equal(got != NULL ? got : "", log);
}

static void expect_state(uint8_t state)
{
    assert_int_equal(sim.t.state, state);
}

/* --- INVITE client --- */

static void ict_repeats_by_a_and_gives_up_by_b(void **state)
{
    (void)state;
    start(TXN_ICT, false);
    happens(TXN_TU_REQUEST, 0);
    run_until(60000);
    /* §17.1.1.2: A doubles each time; B is 64*T1. Seven copies in all. */
    expect("0:request 500:request 1500:request 3500:request 7500:request 15500:request 31500:request "
           "32000:timeout 32000:over");
}

static void ict_on_a_reliable_transport_sends_once(void **state)
{
    (void)state;
    start(TXN_ICT, true);
    happens(TXN_TU_REQUEST, 0);
    run_until(60000);
    expect("0:request 32000:timeout 32000:over");
}

static void ict_provisional_stops_a_and_b(void **state)
{
    (void)state;
    start(TXN_ICT, false);
    happens(TXN_TU_REQUEST, 0);
    run_until(700);
    happens(TXN_RX_RESPONSE, 180);
    run_until(3600000);
    happens(TXN_RX_RESPONSE, 183);
    expect("0:request 500:request 700:tell 3600000:tell");
    expect_state(ICT_ST_PROCEEDING);
}

static void ict_is_not_kept_for_ever(void **state)
{
    (void)state;
    start(TXN_ICT, false);
    happens(TXN_TU_REQUEST, 0);
    happens(TXN_RX_RESPONSE, 100);
    run_until(INT64_C(5000000));
    expect("0:request 0:tell 3700000:timeout 3700000:over");
}

static void ict_refused_acks_every_copy_until_d(void **state)
{
    (void)state;
    start(TXN_ICT, false);
    happens(TXN_TU_REQUEST, 0);
    run_until(100);
    happens(TXN_RX_RESPONSE, 486);
    run_until(600);
    happens(TXN_RX_RESPONSE, 486);
    happens(TXN_RX_RESPONSE, 180);
    happens(TXN_RX_RESPONSE, 200);
    run_until(60000);
    expect("0:request 100:ack 100:tell 600:ack-again 32100:over");
}

static void ict_refused_on_a_reliable_transport_ends_at_once(void **state)
{
    (void)state;
    start(TXN_ICT, true);
    happens(TXN_TU_REQUEST, 0);
    happens(TXN_RX_RESPONSE, 603);
    run_until(0);
    expect("0:request 0:ack 0:tell 0:over");
}

static void ict_accepted_passes_every_2xx_until_m(void **state)
{
    (void)state;
    start(TXN_ICT, false);
    happens(TXN_TU_REQUEST, 0);
    run_until(400);
    happens(TXN_RX_RESPONSE, 200);
    run_until(900);
    happens(TXN_RX_RESPONSE, 200); /* repeated, or of another branch of a fork */
    happens(TXN_RX_RESPONSE, 486);
    happens(TXN_RX_RESPONSE, 180);
    expect_state(ICT_ST_ACCEPTED);
    run_until(60000);
    expect("0:request 400:tell 900:tell 32400:over");
}

static void ict_accepted_lasts_on_reliable_transports_too(void **state)
{
    (void)state;
    start(TXN_ICT, true);
    happens(TXN_TU_REQUEST, 0);
    happens(TXN_RX_RESPONSE, 200);
    run_until(60000);
    expect("0:request 0:tell 32000:over");
}

static void ict_cancel_waits_for_a_provisional(void **state)
{
    (void)state;
    start(TXN_ICT, false);
    happens(TXN_TU_REQUEST, 0);
    happens(TXN_TU_CANCEL, 0);
    run_until(300);
    expect("0:request");
    happens(TXN_RX_RESPONSE, 100);
    happens(TXN_RX_RESPONSE, 180);
    happens(TXN_TU_CANCEL, 0); /* once is enough */
    run_until(350);
    happens(TXN_RX_RESPONSE, 487);
    expect("0:request 300:tell 300:cancel 300:tell 350:ack 350:tell");
}

static void ict_cancelled_without_final_ends_after_64_t1(void **state)
{
    (void)state;
    start(TXN_ICT, false);
    happens(TXN_TU_REQUEST, 0);
    happens(TXN_RX_RESPONSE, 180);
    run_until(1000);
    happens(TXN_TU_CANCEL, 0);
    run_until(99999);
    expect("0:request 0:tell 1000:cancel 33000:timeout 33000:over");
}

static void ict_cancel_crossing_a_2xx_changes_nothing(void **state)
{
    (void)state;
    start(TXN_ICT, false);
    happens(TXN_TU_REQUEST, 0);
    happens(TXN_RX_RESPONSE, 200);
    happens(TXN_TU_CANCEL, 0);
    expect("0:request 0:tell");
}

static void ict_transport_error_is_told(void **state)
{
    (void)state;
    start(TXN_ICT, false);
    happens(TXN_TU_REQUEST, 0);
    happens(TXN_SEND_FAILED, 0);
    expect("0:request 0:transport 0:over");
}

static void ict_asked_again_sends_nothing_and_repeats_its_last_word(void **state)
{
    (void)state;
    start(TXN_ICT, false);
    happens(TXN_TU_REQUEST, 0);
    happens(TXN_TU_REQUEST, 0);
    happens(TXN_RX_RESPONSE, 180);
    happens(TXN_TU_REQUEST, 0);
    happens(TXN_RX_RESPONSE, 486);
    happens(TXN_TU_REQUEST, 0);
    expect("0:request 0:tell 0:tell-again 0:ack 0:tell 0:tell-again");
}

/* --- non-INVITE client --- */

static void nict_repeats_by_e_and_gives_up_by_f(void **state)
{
    (void)state;
    start(TXN_NICT, false);
    happens(TXN_TU_REQUEST, 0);
    run_until(60000);
    /* §17.1.2.2: 500 ms, 1, 2, 4, 4 s …: eleven copies in all. */
    expect("0:request 500:request 1500:request 3500:request 7500:request 11500:request 15500:request 19500:request "
           "23500:request 27500:request 31500:request 32000:timeout 32000:over");
}

static void nict_on_a_reliable_transport_sends_once(void **state)
{
    (void)state;
    start(TXN_NICT, true);
    happens(TXN_TU_REQUEST, 0);
    run_until(60000);
    expect("0:request 32000:timeout 32000:over");
}

static void nict_proceeding_repeats_every_t2(void **state)
{
    (void)state;
    start(TXN_NICT, false);
    happens(TXN_TU_REQUEST, 0);
    run_until(600);
    happens(TXN_RX_RESPONSE, 100);
    run_until(10000);
    happens(TXN_RX_RESPONSE, 200);
    run_until(60000);
    expect("0:request 500:request 600:tell 1500:request 5500:request 9500:request 10000:tell 15000:over");
}

static void nict_final_is_told_once_and_absorbed_until_k(void **state)
{
    (void)state;
    start(TXN_NICT, false);
    happens(TXN_TU_REQUEST, 0);
    run_until(200);
    happens(TXN_RX_RESPONSE, 481);
    happens(TXN_RX_RESPONSE, 481);
    happens(TXN_RX_RESPONSE, 100);
    run_until(60000);
    expect("0:request 200:tell 5200:over");
}

static void nict_final_on_a_reliable_transport_ends_at_once(void **state)
{
    (void)state;
    start(TXN_NICT, true);
    happens(TXN_TU_REQUEST, 0);
    happens(TXN_RX_RESPONSE, 200);
    run_until(0);
    expect("0:request 0:tell 0:over");
}

static void nict_proceeding_still_ends_by_f(void **state)
{
    (void)state;
    start(TXN_NICT, true);
    happens(TXN_TU_REQUEST, 0);
    happens(TXN_RX_RESPONSE, 100);
    run_until(60000);
    expect("0:request 0:tell 32000:timeout 32000:over");
}

static void nict_transport_error_is_told(void **state)
{
    (void)state;
    start(TXN_NICT, false);
    happens(TXN_TU_REQUEST, 0);
    happens(TXN_RX_RESPONSE, 100);
    happens(TXN_SEND_FAILED, 0);
    expect("0:request 0:tell 0:transport 0:over");
}

/* --- INVITE server --- */

static void ist_repeats_its_final_by_g_until_h(void **state)
{
    (void)state;
    start(TXN_IST, false);
    happens(TXN_RX_REQUEST, 0);
    happens(TXN_TX_REPLY, 100);
    run_until(1000);
    happens(TXN_TX_REPLY, 486);
    run_until(99999);
    /* §17.2.1: G is T1, doubling up to T2; H is 64*T1. */
    expect("0:ask 0:reply 1000:reply 1500:reply-again 2500:reply-again 4500:reply-again 8500:reply-again "
           "12500:reply-again 16500:reply-again 20500:reply-again 24500:reply-again 28500:reply-again "
           "32500:reply-again 33000:over");
}

static void ist_ack_stops_g_and_is_absorbed_until_i(void **state)
{
    (void)state;
    start(TXN_IST, false);
    happens(TXN_RX_REQUEST, 0);
    happens(TXN_TX_REPLY, 404);
    run_until(700);
    happens(TXN_RX_ACK, 0);
    run_until(900);
    happens(TXN_RX_ACK, 0);
    happens(TXN_RX_REQUEST, 0);
    happens(TXN_TX_REPLY, 500);
    expect_state(IST_ST_CONFIRMED);
    run_until(99999);
    expect("0:ask 0:reply 500:reply-again 5700:over");
}

static void ist_on_a_reliable_transport_has_neither_g_nor_i(void **state)
{
    (void)state;
    start(TXN_IST, true);
    happens(TXN_RX_REQUEST, 0);
    happens(TXN_TX_REPLY, 486);
    run_until(20000);
    expect("0:ask 0:reply");
    happens(TXN_RX_ACK, 0);
    run_until(20000);
    expect("0:ask 0:reply 20000:over");
}

static void ist_reliable_without_ack_ends_by_h(void **state)
{
    (void)state;
    start(TXN_IST, true);
    happens(TXN_RX_REQUEST, 0);
    happens(TXN_TX_REPLY, 486);
    run_until(99999);
    expect("0:ask 0:reply 32000:over");
}

static void ist_repeated_invite_gets_the_last_reply(void **state)
{
    (void)state;
    start(TXN_IST, false);
    happens(TXN_RX_REQUEST, 0);
    happens(TXN_TX_REPLY, 100);
    run_until(400);
    happens(TXN_RX_REQUEST, 0);
    happens(TXN_TX_REPLY, 180);
    happens(TXN_RX_REQUEST, 0);
    happens(TXN_TX_REPLY, 486);
    happens(TXN_RX_REQUEST, 0);
    expect("0:ask 0:reply 400:reply-again 400:reply 400:reply-again 400:reply 400:reply-again");
}

/* RFC 6026 §7.1: repeated INVITEs are absorbed, further 2xx pass, nothing is sent by itself; L is 64*T1. */
static void ist_accepted(void **state)
{
    (void)state;
    start(TXN_IST, false);
    happens(TXN_RX_REQUEST, 0);
    happens(TXN_TX_REPLY, 200);
    run_until(500);
    happens(TXN_RX_REQUEST, 0);
    happens(TXN_TX_REPLY, 200);
    happens(TXN_TX_REPLY, 486);
    happens(TXN_SEND_FAILED, 0);
    happens(TXN_RX_ACK, 0);
    expect_state(IST_ST_ACCEPTED);
    run_until(99999);
    expect("0:ask 0:reply 500:reply 500:pass-ack 32000:over");
}

static void ist_transport_error_ends_only_completed(void **state)
{
    (void)state;
    start(TXN_IST, false);
    happens(TXN_RX_REQUEST, 0);
    happens(TXN_SEND_FAILED, 0);
    expect_state(IST_ST_PROCEEDING);
    happens(TXN_TX_REPLY, 486);
    happens(TXN_SEND_FAILED, 0);
    expect("0:ask 0:reply 0:over");
}

static void ist_never_answered_is_overdue(void **state)
{
    (void)state;
    start(TXN_IST, false);
    happens(TXN_RX_REQUEST, 0);
    run_until(3000000);
    happens(TXN_TX_REPLY, 180); /* still at work: the wait begins anew */
    run_until(6699999);
    expect("0:ask 3000000:reply");
    run_until(6700000);
    happens(TXN_TX_REPLY, 504);
    expect("0:ask 3000000:reply 6700000:overdue 6700000:reply");
    expect_state(IST_ST_COMPLETED);
}

/* A restarted edge makes the transaction from the actor's reply. */
static void ist_adopted_from_each_reply(void **state)
{
    (void)state;
    start(TXN_IST, false);
    happens(TXN_TX_REPLY, 180);
    happens(TXN_RX_REQUEST, 0);
    expect("0:reply 0:reply-again");
    expect_state(IST_ST_PROCEEDING);
    start(TXN_IST, false);
    happens(TXN_TX_REPLY, 200);
    expect_state(IST_ST_ACCEPTED);
    run_until(99999);
    expect("0:reply 32000:over");
    start(TXN_IST, false);
    happens(TXN_TX_REPLY, 486);
    expect_state(IST_ST_COMPLETED);
    run_until(500);
    happens(TXN_RX_ACK, 0);
    run_until(99999);
    expect("0:reply 500:reply-again 5500:over");
}

/* --- non-INVITE server --- */

static void nist_trying_absorbs_then_repeats_the_final_until_j(void **state)
{
    (void)state;
    start(TXN_NIST, false);
    happens(TXN_RX_REQUEST, 0);
    run_until(500);
    happens(TXN_RX_REQUEST, 0);
    run_until(600);
    happens(TXN_TX_REPLY, 200);
    run_until(1500);
    happens(TXN_RX_REQUEST, 0);
    happens(TXN_TX_REPLY, 481); /* §17.2.2: discarded */
    run_until(99999);
    expect("0:ask 600:reply 1500:reply-again 32600:over");
}

static void nist_proceeding_repeats_the_provisional(void **state)
{
    (void)state;
    start(TXN_NIST, false);
    happens(TXN_RX_REQUEST, 0);
    happens(TXN_TX_REPLY, 100);
    happens(TXN_RX_REQUEST, 0);
    happens(TXN_TX_REPLY, 100);
    expect_state(NIST_ST_PROCEEDING);
    expect("0:ask 0:reply 0:reply-again 0:reply");
}

static void nist_on_a_reliable_transport_ends_at_once(void **state)
{
    (void)state;
    start(TXN_NIST, true);
    happens(TXN_RX_REQUEST, 0);
    happens(TXN_TX_REPLY, 200);
    run_until(0);
    expect("0:ask 0:reply 0:over");
}

/* RFC 4320 §4.2: no 408; the client has given up by then. */
static void nist_never_answered_ends_silently(void **state)
{
    (void)state;
    start(TXN_NIST, false);
    happens(TXN_RX_REQUEST, 0);
    run_until(99999);
    expect("0:ask 32000:over");
}

static void nist_transport_error(void **state)
{
    (void)state;
    start(TXN_NIST, false);
    happens(TXN_RX_REQUEST, 0);
    happens(TXN_TX_REPLY, 200);
    happens(TXN_SEND_FAILED, 0);
    expect("0:ask 0:reply 0:over");
}

static void nist_adopted_from_its_reply(void **state)
{
    (void)state;
    start(TXN_NIST, false);
    happens(TXN_TX_REPLY, 200);
    run_until(1000);
    happens(TXN_RX_REQUEST, 0);
    run_until(99999);
    expect("0:reply 1000:reply-again 32000:over");
    start(TXN_NIST, false);
    happens(TXN_TX_REPLY, 100);
    run_until(99999);
    expect("0:reply 32000:over");
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
    start(TXN_ICT, false);
    happens(TXN_TX_REPLY, 200);
}

static void what_a_kind_cannot_meet_is_a_bug(void **state)
{
    (void)state;
    testkit_assert_bug(a_reply_to_a_client, "event == NONE");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ict_repeats_by_a_and_gives_up_by_b),
        cmocka_unit_test(ict_on_a_reliable_transport_sends_once),
        cmocka_unit_test(ict_provisional_stops_a_and_b),
        cmocka_unit_test(ict_is_not_kept_for_ever),
        cmocka_unit_test(ict_refused_acks_every_copy_until_d),
        cmocka_unit_test(ict_refused_on_a_reliable_transport_ends_at_once),
        cmocka_unit_test(ict_accepted_passes_every_2xx_until_m),
        cmocka_unit_test(ict_accepted_lasts_on_reliable_transports_too),
        cmocka_unit_test(ict_cancel_waits_for_a_provisional),
        cmocka_unit_test(ict_cancelled_without_final_ends_after_64_t1),
        cmocka_unit_test(ict_cancel_crossing_a_2xx_changes_nothing),
        cmocka_unit_test(ict_transport_error_is_told),
        cmocka_unit_test(ict_asked_again_sends_nothing_and_repeats_its_last_word),
        cmocka_unit_test(nict_repeats_by_e_and_gives_up_by_f),
        cmocka_unit_test(nict_on_a_reliable_transport_sends_once),
        cmocka_unit_test(nict_proceeding_repeats_every_t2),
        cmocka_unit_test(nict_final_is_told_once_and_absorbed_until_k),
        cmocka_unit_test(nict_final_on_a_reliable_transport_ends_at_once),
        cmocka_unit_test(nict_proceeding_still_ends_by_f),
        cmocka_unit_test(nict_transport_error_is_told),
        cmocka_unit_test(ist_repeats_its_final_by_g_until_h),
        cmocka_unit_test(ist_ack_stops_g_and_is_absorbed_until_i),
        cmocka_unit_test(ist_on_a_reliable_transport_has_neither_g_nor_i),
        cmocka_unit_test(ist_reliable_without_ack_ends_by_h),
        cmocka_unit_test(ist_repeated_invite_gets_the_last_reply),
        cmocka_unit_test(ist_accepted),
        cmocka_unit_test(ist_transport_error_ends_only_completed),
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
