/* Reliable provisionals of calls that we answer ourselves: we are the UAS (RFC 3262 §3). */
#include "tests/unit/call-actor/rel100_kit.h"

static void own_begins(struct kit *k)
{
    KIT_REQUEST(k, .method = "INVITE", .cseq = 10, .branch = "z9hG4bKinvite", .body = KIT_OFFER, .more = REQUIRES);
    kit_setup_ok(k);
}

static void own_prack(struct kit *k, uint32_t rseq, uint32_t cseq)
{
    prack_in(k, "", rseq, cseq, "");
}

static void the_180_is_reliable_and_the_200_follows_its_prack(void **s)
{
    struct kit *k = *s;
    own_begins(k);
    kit_assert_state(k, CALL_ST_ANSWERING);
    assert_int_equal(kit_count(k, CALL_EFF_REPLY), 1);
    uint32_t rseq = rseq_of(bridge_reply(k, 0, 180));
    assert_true(rseq >= 1 && rseq <= 0x7fffffff);
    assert_non_null(kit_event(k, "call.started"));
    own_prack(k, rseq, 11);
    assert_int_equal(kit_effect(k, CALL_EFF_REPLY, 0)->status, 200);
    kit_assert_has(kit_effect(k, CALL_EFF_REPLY, 0), "CSeq: 11 PRACK\r\n");
    kit_assert_has(kit_effect(k, CALL_EFF_REPLY, 1), "CSeq: 10 INVITE\r\n");
    kit_assert_has(kit_effect(k, CALL_EFF_REPLY, 1), "application/sdp");
    kit_assert_hasnt(kit_effect(k, CALL_EFF_REPLY, 1), "RSeq");
    kit_assert_state(k, CALL_ST_ANSWERED);
    assert_int_equal(k->c->row->timers[CALL_TMR_PRACK], 0);
    kit_ack(k, 10);
    kit_assert_state(k, CALL_ST_ESTABLISHED);
    kit_bye(k, 12);
    kit_assert_reply(k, 200);
}

/* Repeated after T1, doubling without an end; the same bytes. */
static void it_is_repeated_and_then_given_up(void **s)
{
    struct kit *k = *s;
    own_begins(k);
    int64_t began = k->now.wall_ms;
    char first[2048];
    const struct call_effect *sent = bridge_reply(k, 0, 180);
    size_t len = sent->raw_len;
    assert_true(len <= sizeof(first));
    memcpy(first, sent->raw, len);
    for (unsigned gap = KIT_T1, at = 0; at + gap < 64 * KIT_T1; at += gap, gap *= 2) {
        kit_timer(k, CALL_TMR_PRACK);
        assert_int_equal(k->now.wall_ms - began, at + gap);
        sent = bridge_reply(k, 0, 180);
        assert_non_null(sent);
        assert_int_equal(sent->raw_len, len);
        assert_memory_equal(sent->raw, first, len);
    }
    kit_timer(k, CALL_TMR_PRACK);
    assert_int_equal(k->now.wall_ms - began, 64 * KIT_T1);
    kit_assert_reply(k, 504);
    kit_assert_has(kit_event(k, "call.ended"), "failure");
    kit_assert_state(k, CALL_ST_ENDED);
    assert_int_equal(kit_open_job(k, PLANE__RUN_JOB__KIND__RELEASE_PORT)->port, KIT_PORT);
}

static void a_prack_of_something_else_gets_481(void **s)
{
    struct kit *k = *s;
    own_begins(k);
    uint32_t rseq = rseq_of(bridge_reply(k, 0, 180));
    own_prack(k, rseq + 1, 11);
    kit_assert_reply(k, 481);
    KIT_REQUEST(k, .method = "PRACK", .cseq = 12);
    kit_assert_reply(k, 481);
    char rack[64];
    (void)snprintf(rack, sizeof(rack), "RAck: %u 9 INVITE\r\n", rseq);
    KIT_REQUEST(k, .method = "PRACK", .cseq = 13, .more = rack);
    kit_assert_reply(k, 481);
    (void)snprintf(rack, sizeof(rack), "RAck: %u 10 OPTIONS\r\n", rseq);
    KIT_REQUEST(k, .method = "PRACK", .cseq = 14, .more = rack);
    kit_assert_reply(k, 481);
    kit_assert_state(k, CALL_ST_ANSWERING);
    own_prack(k, rseq, 15);
    kit_assert_state(k, CALL_ST_ANSWERED);
    own_prack(k, rseq, 16); /* acknowledged already */
    kit_assert_reply(k, 481);
}

static void a_repeated_prack_gets_its_200_again(void **s)
{
    struct kit *k = *s;
    own_begins(k);
    char rack[64];
    (void)snprintf(rack, sizeof(rack), "RAck: %u 10 INVITE\r\n", rseq_of(bridge_reply(k, 0, 180)));
    for (unsigned i = 0; i < 2; i++) {
        KIT_REQUEST(k, .method = "PRACK", .cseq = 11, .branch = "z9hG4bKprack", .more = rack);
        assert_int_equal(kit_effect(k, CALL_EFF_REPLY, 0)->status, 200);
        assert_int_equal(kit_count(k, CALL_EFF_REPLY), i == 0 ? 2 : 1);
    }
}

static void who_cancels_instead_gets_487(void **s)
{
    struct kit *k = *s;
    own_begins(k);
    uint32_t rseq = rseq_of(bridge_reply(k, 0, 180));
    kit_cancel(k);
    assert_non_null(bridge_reply(k, 0, 487));
    assert_int_equal(k->c->row->timers[CALL_TMR_PRACK], 0);
    assert_non_null(kit_job(k, PLANE__RUN_JOB__KIND__RELEASE_PORT));
    own_prack(k, rseq, 11); /* §3: it must be taken after the final response */
    kit_assert_reply(k, 200);
    own_prack(k, rseq, 12);
    kit_assert_reply(k, 481);
}

static void who_hangs_up_instead_gets_487(void **s)
{
    struct kit *k = *s;
    own_begins(k);
    kit_bye(k, 11);
    assert_non_null(bridge_reply(k, 0, 200));
    assert_non_null(bridge_reply(k, 0, 487));
    kit_assert_state(k, CALL_ST_ENDED);
}

static void an_offer_that_nobody_can_answer_is_refused(void **s)
{
    struct kit *k = *s;
    own_begins(k);
    prack_in(k, "", rseq_of(bridge_reply(k, 0, 180)), 11, KIT_HOLD);
    assert_int_equal(kit_effect(k, CALL_EFF_REPLY, 0)->status, 488);
    assert_int_equal(kit_effect(k, CALL_EFF_REPLY, 1)->status, 200);
    kit_assert_state(k, CALL_ST_ANSWERED);
}

/* §3: a UAS must not send one to who has not said that he takes it; who only takes it needs none without SDP. */
static void others_are_told_plainly(void **s)
{
    struct kit *k = *s;
    KIT_REQUEST(k, .method = "INVITE", .cseq = 10, .branch = "z9hG4bKinvite", .body = KIT_OFFER, .more = SUPPORTS);
    kit_setup_ok(k);
    kit_assert_hasnt(bridge_reply(k, 0, 180), "RSeq");
    kit_assert_state(k, CALL_ST_ANSWERED);
    assert_int_equal(k->c->row->n_earlies, 0);
}

/* §5: the first reliable message would have to bring our offer. */
static void who_waits_for_our_offer_is_answered_at_once(void **s)
{
    struct kit *k = *s;
    KIT_REQUEST(k, .method = "INVITE", .cseq = 10, .branch = "z9hG4bKinvite", .body = "", .more = REQUIRES);
    kit_setup_ok(k);
    kit_assert_reply(k, 200);
    assert_int_equal(kit_count(k, CALL_EFF_REPLY), 1);
}

static void it_is_repeated_after_a_death(void **s)
{
    struct kit *k = *s;
    own_begins(k);
    uint32_t rseq = rseq_of(bridge_reply(k, 0, 180));
    come_back(k);
    assert_non_null(kit_arm(k, CALL_TMR_PRACK));
    kit_timer(k, CALL_TMR_PRACK);
    assert_int_equal(rseq_of(bridge_reply(k, 0, 180)), rseq);
    own_prack(k, rseq, 11);
    kit_assert_state(k, CALL_ST_ANSWERED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        KIT_TEST(the_180_is_reliable_and_the_200_follows_its_prack),
        KIT_TEST(it_is_repeated_and_then_given_up),
        KIT_TEST(a_prack_of_something_else_gets_481),
        KIT_TEST(a_repeated_prack_gets_its_200_again),
        KIT_TEST(who_cancels_instead_gets_487),
        KIT_TEST(who_hangs_up_instead_gets_487),
        KIT_TEST(an_offer_that_nobody_can_answer_is_refused),
        KIT_TEST(others_are_told_plainly),
        KIT_TEST(who_waits_for_our_offer_is_answered_at_once),
        KIT_TEST(it_is_repeated_after_a_death),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
