/* INVITE and non-INVITE client transactions: RFC 3261 §17.1, RFC 6026 §7.2. */
#include "tests/unit/testkit.h"

#include "tests/unit/sip-edge/txn_sim.h"

/* --- INVITE client --- */

static void ict_repeats_by_a_and_gives_up_by_b(void **state)
{
    (void)state;
    sim_start(TXN_ICT, false);
    sim_happens(TXN_TU_REQUEST, 0);
    sim_run_until(60000);
    /* §17.1.1.2: A doubles each time; B is 64*T1. Seven copies in all. */
    sim_expect("0:request 500:request 1500:request 3500:request 7500:request 15500:request 31500:request "
               "32000:timeout 32000:over");
}

static void ict_on_a_reliable_transport_sends_once(void **state)
{
    (void)state;
    sim_start(TXN_ICT, true);
    sim_happens(TXN_TU_REQUEST, 0);
    sim_run_until(60000);
    sim_expect("0:request 32000:timeout 32000:over");
}

static void ict_provisional_stops_a_and_b(void **state)
{
    (void)state;
    sim_start(TXN_ICT, false);
    sim_happens(TXN_TU_REQUEST, 0);
    sim_run_until(700);
    sim_happens(TXN_RX_RESPONSE, 180);
    sim_run_until(3600000);
    sim_happens(TXN_RX_RESPONSE, 183);
    sim_expect("0:request 500:request 700:tell 3600000:tell");
    sim_expect_state(ICT_ST_PROCEEDING);
}

static void ict_is_not_kept_for_ever(void **state)
{
    (void)state;
    sim_start(TXN_ICT, false);
    sim_happens(TXN_TU_REQUEST, 0);
    sim_happens(TXN_RX_RESPONSE, 100);
    sim_run_until(INT64_C(5000000));
    sim_expect("0:request 0:tell 3700000:timeout 3700000:over");
}

static void ict_refused_acks_every_copy_until_d(void **state)
{
    (void)state;
    sim_start(TXN_ICT, false);
    sim_happens(TXN_TU_REQUEST, 0);
    sim_run_until(100);
    sim_happens(TXN_RX_RESPONSE, 486);
    sim_run_until(600);
    sim_happens(TXN_RX_RESPONSE, 486);
    sim_happens(TXN_RX_RESPONSE, 180);
    sim_happens(TXN_RX_RESPONSE, 200);
    sim_run_until(60000);
    sim_expect("0:request 100:ack 100:tell 600:ack-again 32100:over");
}

static void ict_refused_on_a_reliable_transport_can_be_asked_again(void **state)
{
    (void)state;
    sim_start(TXN_ICT, true);
    sim_happens(TXN_TU_REQUEST, 0);
    sim_happens(TXN_RX_RESPONSE, 603);
    sim_run_until(4000);
    sim_happens(TXN_TU_REQUEST, 0);
    sim_run_until(60000);
    sim_expect("0:request 0:ack 0:tell 4000:tell-again 5000:over");
}

static void ict_accepted_passes_every_2xx_until_m(void **state)
{
    (void)state;
    sim_start(TXN_ICT, false);
    sim_happens(TXN_TU_REQUEST, 0);
    sim_run_until(400);
    sim_happens(TXN_RX_RESPONSE, 200);
    sim_run_until(900);
    sim_happens(TXN_RX_RESPONSE, 200); /* repeated, or of another branch of a fork */
    sim_happens(TXN_RX_RESPONSE, 486);
    sim_happens(TXN_RX_RESPONSE, 180);
    sim_expect_state(ICT_ST_ACCEPTED);
    sim_run_until(60000);
    sim_expect("0:request 400:tell 900:tell 32400:over");
}

static void ict_accepted_lasts_on_reliable_transports_too(void **state)
{
    (void)state;
    sim_start(TXN_ICT, true);
    sim_happens(TXN_TU_REQUEST, 0);
    sim_happens(TXN_RX_RESPONSE, 200);
    sim_run_until(60000);
    sim_expect("0:request 0:tell 32000:over");
}

static void ict_cancel_waits_for_a_provisional(void **state)
{
    (void)state;
    sim_start(TXN_ICT, false);
    sim_happens(TXN_TU_REQUEST, 0);
    sim_happens(TXN_TU_CANCEL, 0);
    sim_run_until(300);
    sim_expect("0:request");
    sim_happens(TXN_RX_RESPONSE, 100);
    sim_happens(TXN_RX_RESPONSE, 180);
    sim_happens(TXN_TU_CANCEL, 0); /* once is enough */
    sim_run_until(350);
    sim_happens(TXN_RX_RESPONSE, 487);
    sim_expect("0:request 300:tell 300:cancel 300:tell 350:ack 350:tell");
}

static void ict_cancelled_without_final_ends_after_64_t1(void **state)
{
    (void)state;
    sim_start(TXN_ICT, false);
    sim_happens(TXN_TU_REQUEST, 0);
    sim_happens(TXN_RX_RESPONSE, 180);
    sim_run_until(1000);
    sim_happens(TXN_TU_CANCEL, 0);
    sim_run_until(99999);
    sim_expect("0:request 0:tell 1000:cancel 33000:timeout 33000:over");
}

static void ict_cancel_crossing_a_2xx_changes_nothing(void **state)
{
    (void)state;
    sim_start(TXN_ICT, false);
    sim_happens(TXN_TU_REQUEST, 0);
    sim_happens(TXN_RX_RESPONSE, 200);
    sim_happens(TXN_TU_CANCEL, 0);
    sim_expect("0:request 0:tell");
}

static void ict_transport_error_is_told(void **state)
{
    (void)state;
    sim_start(TXN_ICT, false);
    sim_happens(TXN_TU_REQUEST, 0);
    sim_happens(TXN_SEND_FAILED, 0);
    sim_expect("0:request 0:transport 0:over");
}

static void ict_asked_again_sends_nothing_and_repeats_its_last_word(void **state)
{
    (void)state;
    sim_start(TXN_ICT, false);
    sim_happens(TXN_TU_REQUEST, 0);
    sim_happens(TXN_TU_REQUEST, 0);
    sim_happens(TXN_RX_RESPONSE, 180);
    sim_happens(TXN_TU_REQUEST, 0);
    sim_happens(TXN_RX_RESPONSE, 486);
    sim_happens(TXN_TU_REQUEST, 0);
    sim_expect("0:request 0:tell 0:tell-again 0:ack 0:tell 0:tell-again");
}

/* --- non-INVITE client --- */

static void nict_repeats_by_e_and_gives_up_by_f(void **state)
{
    (void)state;
    sim_start(TXN_NICT, false);
    sim_happens(TXN_TU_REQUEST, 0);
    sim_run_until(60000);
    /* §17.1.2.2: 500 ms, 1, 2, 4, 4 s …: eleven copies in all. */
    sim_expect("0:request 500:request 1500:request 3500:request 7500:request 11500:request 15500:request 19500:request "
               "23500:request 27500:request 31500:request 32000:timeout 32000:over");
}

static void nict_on_a_reliable_transport_sends_once(void **state)
{
    (void)state;
    sim_start(TXN_NICT, true);
    sim_happens(TXN_TU_REQUEST, 0);
    sim_run_until(60000);
    sim_expect("0:request 32000:timeout 32000:over");
}

static void nict_proceeding_repeats_every_t2(void **state)
{
    (void)state;
    sim_start(TXN_NICT, false);
    sim_happens(TXN_TU_REQUEST, 0);
    sim_run_until(600);
    sim_happens(TXN_RX_RESPONSE, 100);
    sim_run_until(10000);
    sim_happens(TXN_RX_RESPONSE, 200);
    sim_run_until(60000);
    sim_expect("0:request 500:request 600:tell 1500:request 5500:request 9500:request 10000:tell 15000:over");
}

static void nict_final_is_told_once_and_absorbed_until_k(void **state)
{
    (void)state;
    sim_start(TXN_NICT, false);
    sim_happens(TXN_TU_REQUEST, 0);
    sim_run_until(200);
    sim_happens(TXN_RX_RESPONSE, 481);
    sim_happens(TXN_RX_RESPONSE, 481);
    sim_happens(TXN_RX_RESPONSE, 100);
    sim_run_until(60000);
    sim_expect("0:request 200:tell 5200:over");
}

static void nict_final_on_a_reliable_transport_ends_at_once(void **state)
{
    (void)state;
    sim_start(TXN_NICT, true);
    sim_happens(TXN_TU_REQUEST, 0);
    sim_happens(TXN_RX_RESPONSE, 200);
    sim_run_until(0);
    sim_expect("0:request 0:tell 0:over");
}

static void nict_proceeding_still_ends_by_f(void **state)
{
    (void)state;
    sim_start(TXN_NICT, true);
    sim_happens(TXN_TU_REQUEST, 0);
    sim_happens(TXN_RX_RESPONSE, 100);
    sim_run_until(60000);
    sim_expect("0:request 0:tell 32000:timeout 32000:over");
}

static void nict_transport_error_is_told(void **state)
{
    (void)state;
    sim_start(TXN_NICT, false);
    sim_happens(TXN_TU_REQUEST, 0);
    sim_happens(TXN_RX_RESPONSE, 100);
    sim_happens(TXN_SEND_FAILED, 0);
    sim_expect("0:request 0:tell 0:transport 0:over");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ict_repeats_by_a_and_gives_up_by_b),
        cmocka_unit_test(ict_on_a_reliable_transport_sends_once),
        cmocka_unit_test(ict_provisional_stops_a_and_b),
        cmocka_unit_test(ict_is_not_kept_for_ever),
        cmocka_unit_test(ict_refused_acks_every_copy_until_d),
        cmocka_unit_test(ict_refused_on_a_reliable_transport_can_be_asked_again),
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
