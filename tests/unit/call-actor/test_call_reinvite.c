/* Offers and answers in the dialog: delayed ones, hold and resume, re-INVITEs that are refused. */
#include "tests/unit/call-actor/call_kit.h"

/* --- delayed offer --- */

static void delayed(struct kit *k)
{
    KIT_REQUEST(k, .method = "INVITE", .cseq = 10);
    kit_setup_ok(k);
}

static void delayed_offer_is_ours(void **s)
{
    struct kit *k = *s;
    delayed(k);
    kit_assert_has(kit_effect(k, CALL_EFF_REPLY, 1), "m=audio 10050 RTP/AVP 8 0 101\r\n");
    assert_null(kit_job(k, PLANE__RUN_JOB__KIND__PUNCH)); /* nowhere to send yet */
    KIT_REQUEST(k, .method = "ACK", .cseq = 10, .body = KIT_OFFER);
    kit_assert_state(k, CALL_ST_ESTABLISHED);
    assert_string_equal(k->c->row->caller_rtp, "192.0.2.10:40000");
    assert_string_equal(kit_job(k, PLANE__RUN_JOB__KIND__PUNCH)->job->rtp_target, "192.0.2.10:40000");
    assert_non_null(kit_event(k, "call.answered"));
}

static void unusable_answer_ends_with_bye(void **s)
{
    static const char *const bodies[] = {
        "", "v=9\r\n",
        "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 18\r\n",
        "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 0 RTP/AVP 8\r\n"};
    (void)s;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        struct kit k;
        kit_init(&k);
        delayed(&k);
        KIT_REQUEST(&k, .method = "ACK", .cseq = 10, .body = bodies[i]);
        kit_assert_state(&k, CALL_ST_ENDING);
        kit_assert_has(kit_effect(&k, CALL_EFF_REQUEST, 0), "Reason: Q.850;cause=88;");
        kit_assert_has(kit_event(&k, "call.ended"), "\"reason\":\"failure\"");
        assert_null(kit_event(&k, "call.answered"));
        assert_non_null(kit_job(&k, PLANE__RUN_JOB__KIND__RELEASE_PORT));
        kit_fini(&k);
    }
}

static void body_of_an_ordinary_ack_is_passed_over(void **s)
{
    struct kit *k = *s;
    kit_answered(k);
    KIT_REQUEST(k, .method = "ACK", .cseq = 10, .body = "v=9\r\n");
    kit_assert_state(k, CALL_ST_ESTABLISHED);
}

/* --- re-INVITE --- */

static void reinvite_holds_and_resumes(void **s)
{
    struct kit *k = *s;
    kit_established(k);
    KIT_REQUEST(k, .method = "INVITE", .in_dialog = true, .cseq = 11, .body = KIT_HOLD,
                .contact = "Contact: <sip:ali@192.0.2.99>\r\n");
    struct call_effect *e = kit_assert_reply(k, 200);
    kit_assert_has(e, "a=recvonly\r\n");
    kit_assert_has(e, " 2 IN IP4 203.0.113.6\r\n"); /* o= version */
    kit_assert_hasnt(e, " 1 IN IP4 203.0.113.6\r\n");
    kit_assert_has(e, "Contact: <sip:sentiric@203.0.113.5:5060>\r\n");
    assert_string_equal(k->c->row->a->remote_target, "sip:ali@192.0.2.99"); /* target refresh, §12.2.2 */
    assert_int_equal(k->c->row->a->remote_cseq, 11);
    assert_int_equal(kit_arm(k, CALL_TMR_2XX)->at_wall_ms, (uint64_t)k->now.wall_ms + KIT_T1);
    assert_int_equal(kit_count(k, CALL_EFF_PUBLISH), 0);
    assert_null(kit_job(k, PLANE__RUN_JOB__KIND__PUNCH)); /* same address */
    kit_ack(k, 11);
    assert_int_equal(kit_count(k, CALL_EFF_PUBLISH), 0); /* call.answered: once */
    assert_int_equal(k->c->row->timers[CALL_TMR_2XX], 0);
    KIT_REQUEST(k, .method = "INVITE", .in_dialog = true, .cseq = 12, .body = KIT_OFFER);
    e = kit_assert_reply(k, 200);
    kit_assert_has(e, "a=sendrecv\r\n");
    kit_assert_has(e, " 3 IN IP4 203.0.113.6\r\n");
    kit_ack(k, 12);
    kit_assert_state(k, CALL_ST_ESTABLISHED);
}

static void version_stays_when_nothing_changes(void **s)
{
    struct kit *k = *s;
    kit_established(k);
    KIT_REQUEST(k, .method = "INVITE", .in_dialog = true, .cseq = 11, .body = KIT_OFFER);
    kit_assert_has(kit_assert_reply(k, 200), " 1 IN IP4 203.0.113.6\r\n");
    kit_ack(k, 11);
    KIT_REQUEST(k, .method = "INVITE", .in_dialog = true, .cseq = 12); /* ours: another order of codecs at most */
    (void)kit_assert_reply(k, 200);
    KIT_REQUEST(k, .method = "ACK", .cseq = 12, .body = KIT_OFFER);
    kit_assert_state(k, CALL_ST_ESTABLISHED);
}

static void new_media_address_is_punched(void **s)
{
    struct kit *k = *s;
    kit_established(k);
    KIT_REQUEST(
        k, .method = "INVITE", .in_dialog = true, .cseq = 11,
        .body = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.77\r\nt=0 0\r\nm=audio 4002 RTP/AVP 8\r\n");
    assert_string_equal(kit_job(k, PLANE__RUN_JOB__KIND__PUNCH)->job->rtp_target, "192.0.2.77:4002");
}

static void reinvite_is_repeated_until_its_ack(void **s)
{
    struct kit *k = *s;
    kit_established(k);
    KIT_REQUEST(k, .method = "INVITE", .in_dialog = true, .cseq = 11, .body = KIT_HOLD);
    kit_timer(k, CALL_TMR_2XX);
    kit_assert_has(kit_assert_reply(k, 200), "CSeq: 11 INVITE\r\n");
    kit_ack(k, 10); /* the first INVITE's once more */
    assert_true(k->c->row->timers[CALL_TMR_2XX] != 0);
    kit_ack(k, 11);
    assert_int_equal(k->c->row->timers[CALL_TMR_2XX], 0);
}

/* The first gap of each 2xx is T1, however often the one before was repeated. */
static void every_2xx_starts_at_t1(void **s)
{
    struct kit *k = *s;
    kit_answered(k);
    kit_timer(k, CALL_TMR_2XX);
    kit_timer(k, CALL_TMR_2XX);
    kit_ack(k, 10);
    KIT_REQUEST(k, .method = "INVITE", .in_dialog = true, .cseq = 11, .body = KIT_HOLD);
    assert_int_equal(k->c->row->timers[CALL_TMR_2XX], (uint64_t)k->now.wall_ms + KIT_T1);
    kit_timer(k, CALL_TMR_2XX);
    assert_int_equal(k->c->row->timers[CALL_TMR_2XX], (uint64_t)k->now.wall_ms + 2 * KIT_T1);
}

static void reinvite_without_ack_ends_with_bye(void **s)
{
    struct kit *k = *s;
    kit_established(k);
    KIT_REQUEST(k, .method = "INVITE", .in_dialog = true, .cseq = 11, .body = KIT_HOLD);
    kit_timer(k, CALL_TMR_NO_ACK);
    kit_assert_state(k, CALL_ST_ENDING);
    kit_assert_has(kit_event(k, "call.ended"), "\"reason\":\"failure\"");
    assert_string_equal(k->c->row->end_stage, "established");
}

static void reinvite_with_unusable_offer_changes_nothing(void **s)
{
    struct kit *k = *s;
    kit_established(k);
    KIT_REQUEST(
        k, .method = "INVITE", .in_dialog = true, .cseq = 11, .contact = "Contact: <sip:other@192.0.2.99>\r\n",
        .body = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 40 RTP/AVP 18\r\n");
    kit_assert_has(kit_assert_reply(k, 488), "Warning: 305 ");
    kit_assert_state(k, CALL_ST_ESTABLISHED);
    assert_string_equal(k->c->row->a->remote_target, "sip:ali@192.0.2.1:5070");
    assert_int_equal(k->c->row->a->remote_cseq, 11); /* received all the same */
    assert_int_equal(k->c->row->timers[CALL_TMR_2XX], 0);
}

static void reinvite_with_bad_contact_gets_400(void **s)
{
    struct kit *k = *s;
    kit_established(k);
    KIT_REQUEST(k, .method = "INVITE", .in_dialog = true, .cseq = 11, .body = KIT_HOLD, .contact = "Contact: *\r\n");
    (void)kit_assert_reply(k, 400);
    KIT_REQUEST(k, .method = "INVITE", .in_dialog = true, .cseq = 12, .body = KIT_HOLD, .contact = "");
    (void)kit_assert_reply(k, 200); /* none: the target stays */
    assert_string_equal(k->c->row->a->remote_target, "sip:ali@192.0.2.1:5070");
}

static void reinvite_with_unknown_extension_gets_420(void **s)
{
    struct kit *k = *s;
    kit_established(k);
    KIT_REQUEST(k, .method = "INVITE", .in_dialog = true, .cseq = 11, .body = KIT_HOLD, .more = "Require: foo\r\n");
    kit_assert_has(kit_assert_reply(k, 420), "Unsupported: foo\r\n");
}

static void reinvite_before_the_ack_gets_491(void **s)
{
    struct kit *k = *s;
    kit_answered(k);
    KIT_REQUEST(k, .method = "INVITE", .in_dialog = true, .cseq = 11, .body = KIT_HOLD);
    (void)kit_assert_reply(k, 491);
    kit_assert_state(k, CALL_ST_ANSWERED);
    kit_ack(k, 10);
    KIT_REQUEST(k, .method = "INVITE", .in_dialog = true, .cseq = 12, .body = KIT_HOLD);
    (void)kit_assert_reply(k, 200);
    KIT_REQUEST(k, .method = "INVITE", .in_dialog = true, .cseq = 13, .body = KIT_OFFER);
    (void)kit_assert_reply(k, 491);
    kit_ack(k, 12); /* the one that was taken is still waited for */
    assert_int_equal(k->c->row->timers[CALL_TMR_2XX], 0);
}

static void repeated_reinvite_gets_the_same_bytes(void **s)
{
    struct kit *k = *s;
    char first[4096];
    kit_established(k);
    KIT_REQUEST(k, .method = "INVITE", .in_dialog = true, .cseq = 11, .body = KIT_HOLD, .branch = "z9hG4bKre");
    struct call_effect *e = kit_effect(k, CALL_EFF_REPLY, 0);
    (void)snprintf(first, sizeof(first), "%.*s", (int)e->raw_len, e->raw);
    KIT_REQUEST(k, .method = "INVITE", .in_dialog = true, .cseq = 11, .body = KIT_HOLD, .branch = "z9hG4bKre");
    e = kit_assert_reply(k, 200);
    assert_string_equal(strndupa(e->raw, e->raw_len), first);
    assert_int_equal(k->fx.count, 1);
    kit_ack(k, 11);
    KIT_REQUEST(k, .method = "INVITE", .in_dialog = true, .cseq = 11, .body = KIT_HOLD, .branch = "z9hG4bKre");
    (void)kit_assert_reply(k, 482); /* held back by the network, to an edge that has died since */
    assert_int_equal(call_state(k->c), CALL_ST_ESTABLISHED);
}

/* What an INVITE was told stands, whatever has changed since. */
static void refused_invites_are_refused_alike(void **s)
{
    struct kit *k = *s;
    kit_invite(k);
    KIT_REQUEST(k, .method = "INVITE", .in_dialog = true, .cseq = 11, .body = KIT_HOLD, .branch = "z9hG4bKr1");
    (void)kit_assert_reply(k, 481);
    kit_setup_ok(k);
    KIT_REQUEST(k, .method = "INVITE", .in_dialog = true, .cseq = 12, .body = KIT_HOLD, .branch = "z9hG4bKr2");
    (void)kit_assert_reply(k, 491);
    kit_ack(k, 10);
    KIT_REQUEST(k, .method = "INVITE", .in_dialog = true, .cseq = 13, .body = "v=9\r\n", .branch = "z9hG4bKr3");
    (void)kit_assert_reply(k, 400);
    KIT_REQUEST(k, .method = "INVITE", .in_dialog = true, .cseq = 11, .body = KIT_HOLD, .branch = "z9hG4bKr1");
    (void)kit_assert_reply(k, 481);
    KIT_REQUEST(k, .method = "INVITE", .in_dialog = true, .cseq = 12, .body = KIT_HOLD, .branch = "z9hG4bKr2");
    (void)kit_assert_reply(k, 491);
    KIT_REQUEST(k, .method = "INVITE", .in_dialog = true, .cseq = 13, .body = KIT_HOLD, .branch = "z9hG4bKr3");
    (void)kit_assert_reply(k, 400);
    assert_int_equal(k->c->row->n_server_txns, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        KIT_TEST(delayed_offer_is_ours),
        KIT_TEST(unusable_answer_ends_with_bye),
        KIT_TEST(body_of_an_ordinary_ack_is_passed_over),
        KIT_TEST(reinvite_holds_and_resumes),
        KIT_TEST(version_stays_when_nothing_changes),
        KIT_TEST(new_media_address_is_punched),
        KIT_TEST(reinvite_is_repeated_until_its_ack),
        KIT_TEST(every_2xx_starts_at_t1),
        KIT_TEST(reinvite_without_ack_ends_with_bye),
        KIT_TEST(reinvite_with_unusable_offer_changes_nothing),
        KIT_TEST(reinvite_with_bad_contact_gets_400),
        KIT_TEST(reinvite_with_unknown_extension_gets_420),
        KIT_TEST(reinvite_before_the_ack_gets_491),
        KIT_TEST(repeated_reinvite_gets_the_same_bytes),
        KIT_TEST(refused_invites_are_refused_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
