/* Between the 200 and the end: ACK and its absence, re-INVITE, OPTIONS, requests out of order or repeated. */
#include "tests/unit/call-actor/call_kit.h"

#include "call-actor/leg.h"

static int setup(void **s)
{
    struct kit *k = malloc(sizeof(*k));
    kit_init(k);
    *s = k;
    return 0;
}

static int teardown(void **s)
{
    kit_fini(*s);
    free(*s);
    return 0;
}

/* --- ACK --- */

static void ack_establishes_and_publishes_answered(void **s)
{
    struct kit *k = *s;
    kit_answered(k);
    kit_ack(k, 10);
    kit_assert_state(k, CALL_ST_ESTABLISHED);
    assert_non_null(kit_event(k, "call.answered"));
    assert_int_equal(kit_arm(k, CALL_TMR_2XX)->at_wall_ms, 0);
    assert_int_equal(kit_arm(k, CALL_TMR_NO_ACK)->at_wall_ms, 0);
    assert_int_equal(k->c->row->n_server_txns, 0); /* its reply is not needed any more */
    assert_true(call_is_live(k->c));
}

static void first_ack_is_when_it_was_answered(void **s)
{
    struct kit *k = *s;
    kit_answered(k);
    k->now.wall_ms += 100;
    kit_ack(k, 10);
    assert_int_equal(k->c->row->acked_wall_ms, KIT_WALL + 100);
    KIT_REQUEST(k, .method = "INVITE", .in_dialog = true, .cseq = 11, .body = KIT_HOLD);
    k->now.wall_ms += 100;
    kit_ack(k, 11);
    assert_int_equal(k->c->row->acked_wall_ms, KIT_WALL + 100);
}

static void repeated_ack_is_nothing(void **s)
{
    struct kit *k = *s;
    kit_established(k);
    k->c->dirty = false;
    kit_ack(k, 10);
    assert_int_equal(k->fx.count, 0);
    assert_false(k->c->dirty);
}

static void ack_of_another_invite_is_nothing(void **s)
{
    struct kit *k = *s;
    kit_answered(k);
    kit_ack(k, 9);
    assert_int_equal(k->fx.count, 0);
    kit_assert_state(k, CALL_ST_ANSWERED);
}

static void ack_before_the_answer_is_nothing(void **s)
{
    struct kit *k = *s;
    kit_invite(k);
    kit_ack(k, 10);
    assert_int_equal(k->fx.count, 0);
    kit_assert_state(k, CALL_ST_SETUP);
}

/* RFC 3261 §13.3.1.4: T1, doubling, T2 at most. */
static void answer_is_repeated_until_ack(void **s)
{
    static const unsigned gaps[] = {500, 1000, 2000, 4000, 4000, 4000};
    struct kit *k = *s;
    kit_answered(k);
    uint64_t due = k->c->row->timers[CALL_TMR_2XX];
    assert_int_equal(due, KIT_WALL + gaps[0]);
    for (size_t i = 1; i < sizeof(gaps) / sizeof(gaps[0]); i++) {
        k->c->dirty = false;
        kit_timer(k, CALL_TMR_2XX);
        assert_int_equal(kit_count(k, CALL_EFF_REPLY), 1);
        assert_int_equal(kit_effect(k, CALL_EFF_REPLY, 0)->status, 200);
        due += gaps[i];
        assert_int_equal(kit_arm(k, CALL_TMR_2XX)->at_wall_ms, due);
        assert_false(k->c->dirty); /* not worth a commit */
    }
    kit_assert_state(k, CALL_ST_ANSWERED);
}

static void no_ack_ends_with_bye(void **s)
{
    struct kit *k = *s;
    kit_answered(k);
    assert_int_equal(k->c->row->timers[CALL_TMR_NO_ACK], KIT_WALL + 64 * KIT_T1);
    kit_timer(k, CALL_TMR_NO_ACK);
    kit_assert_state(k, CALL_ST_ENDING);
    kit_assert_has(kit_effect(k, CALL_EFF_REQUEST, 0), "Reason: Q.850;cause=102;");
    kit_assert_has(kit_event(k, "call.ended"), "\"reason\":\"failure\"");
    assert_null(kit_event(k, "call.answered"));
    assert_non_null(kit_job(k, PLANE__RUN_JOB__KIND__RELEASE_PORT));
    assert_int_equal(kit_arm(k, CALL_TMR_2XX)->at_wall_ms, 0);
    assert_string_equal(k->c->row->ended_by, "timer");
    kit_ack(k, 10); /* too late */
    assert_int_equal(k->fx.count, 0);
}

static void disarmed_timer_that_still_fires_is_nothing(void **s)
{
    struct kit *k = *s;
    kit_established(k);
    for (unsigned t = 0; t < CALL_TIMERS; t++) {
        kit_timer(k, (enum call_timer)t);
        assert_int_equal(k->fx.count, 0);
    }
    kit_assert_state(k, CALL_ST_ESTABLISHED);
}

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
    KIT_REQUEST(k, .method = "INVITE", .in_dialog = true, .cseq = 11, .body = KIT_HOLD, .more = "Require: timer\r\n");
    kit_assert_has(kit_assert_reply(k, 420), "Unsupported: timer\r\n");
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
    assert_int_equal(k->fx.count, 0);
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

/* --- others --- */

static void requests_that_change_nothing_are_not_kept(void **s)
{
    struct kit *k = *s;
    kit_invite(k);
    KIT_REQUEST(k, .method = "OPTIONS", .cseq = 11);
    assert_int_equal(k->c->row->n_server_txns, 1); /* the INVITE */
    kit_setup_ok(k);
    kit_ack(k, 10);
    KIT_REQUEST(k, .method = "OPTIONS", .cseq = 11);
    KIT_REQUEST(k, .method = "INFO", .cseq = 12);
    KIT_REQUEST(k, .method = "BYE", .cseq = 13, .more = "Require: foo\r\n");
    assert_int_equal(k->c->row->n_server_txns, 0);
}

static void options_in_the_dialog_gets_200(void **s)
{
    struct kit *k = *s;
    kit_established(k);
    KIT_REQUEST(k, .method = "OPTIONS", .cseq = 11);
    struct call_effect *e = kit_assert_reply(k, 200);
    kit_assert_has(e, "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS\r\n");
    kit_assert_has(e, "Accept: application/sdp\r\n");
    kit_assert_state(k, CALL_ST_ESTABLISHED);
    assert_int_equal(k->c->row->a->remote_cseq, 11);
}

static void other_methods_get_405(void **s)
{
    struct kit *k = *s;
    kit_established(k);
    KIT_REQUEST(k, .method = "INFO", .cseq = 11);
    kit_assert_has(kit_assert_reply(k, 405), "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS\r\n");
}

static void required_extension_of_a_bye_gets_420(void **s)
{
    struct kit *k = *s;
    kit_established(k);
    KIT_REQUEST(k, .method = "BYE", .cseq = 11, .more = "Require: foo\r\n");
    (void)kit_assert_reply(k, 420);
    kit_assert_state(k, CALL_ST_ESTABLISHED);
}

/* §12.2.2 */
static void lower_cseq_gets_500(void **s)
{
    static const char *const methods[] = {"INVITE", "BYE", "OPTIONS", "INFO"};
    struct kit *k = *s;
    kit_established(k);
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        KIT_REQUEST(k, .method = methods[i], .in_dialog = true, .cseq = 9, .body = KIT_OFFER);
        (void)kit_assert_reply(k, 500);
        kit_assert_state(k, CALL_ST_ESTABLISHED);
        assert_int_equal(k->c->row->a->remote_cseq, 10);
    }
}

static void request_without_our_tag_gets_481(void **s)
{
    struct kit *k = *s;
    kit_established(k);
    KIT_REQUEST(k, .method = "BYE", .cseq = 11, .to = "<sip:902121234567@203.0.113.5>");
    (void)kit_assert_reply(k, 481);
    kit_assert_state(k, CALL_ST_ESTABLISHED);
    assert_int_equal(k->c->row->a->remote_cseq, 10); /* it is of another dialog */
}

static void requests_during_setup_get_481(void **s)
{
    static const char *const methods[] = {"INVITE", "BYE", "OPTIONS"};
    struct kit *k = *s;
    kit_invite(k);
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        KIT_REQUEST(k, .method = methods[i], .in_dialog = true, .cseq = 11);
        (void)kit_assert_reply(k, 481);
        kit_assert_state(k, CALL_ST_SETUP);
    }
}

static void late_cancel_gets_200_and_changes_nothing(void **s)
{
    struct kit *k = *s;
    kit_answered(k);
    kit_cancel(k);
    kit_assert_has(kit_assert_reply(k, 200), "CSeq: 10 CANCEL\r\n");
    kit_assert_state(k, CALL_ST_ANSWERED);
    kit_ack(k, 10);
    kit_cancel(k);
    (void)kit_assert_reply(k, 200);
    kit_assert_state(k, CALL_ST_ESTABLISHED);
}

static void requests_from_a_new_address_move_the_peer(void **s)
{
    struct kit *k = *s;
    kit_established(k);
    k->source.port = 6000;
    kit_ack(k, 10); /* may come by another way than the rest */
    assert_int_equal(k->c->row->a->peer->port, 5062);
    KIT_REQUEST(k, .method = "OPTIONS", .cseq = 11);
    assert_int_equal(k->c->row->a->peer->port, 6000);
}

static void kept_transactions_are_bounded(void **s)
{
    struct kit *k = *s;
    kit_established(k);
    for (uint32_t i = 0; i < 3 * LEG_TXNS_MAX; i++) {
        KIT_REQUEST(k, .method = "INVITE", .in_dialog = true, .cseq = 11 + i, .body = KIT_HOLD);
        (void)kit_assert_reply(k, 200);
        KIT_REQUEST(k, .method = "INVITE", .in_dialog = true, .cseq = 11 + i, .body = KIT_HOLD);
        (void)kit_assert_reply(k, 491);
        kit_ack(k, 11 + i);
        assert_true(k->c->row->n_server_txns <= LEG_TXNS_MAX);
    }
    assert_int_equal(k->c->row->n_server_txns, LEG_TXNS_MAX);
}

/* The oldest makes room, but never the 2xx that waits for its ACK. */
static void unacked_answer_is_never_dropped(void **s)
{
    struct kit *k = *s;
    kit_established(k);
    KIT_REQUEST(k, .method = "INVITE", .in_dialog = true, .cseq = 11, .body = KIT_HOLD);
    for (uint32_t i = 0; i < 2 * LEG_TXNS_MAX; i++)
        KIT_REQUEST(k, .method = "INVITE", .in_dialog = true, .cseq = 12 + i, .body = KIT_HOLD);
    kit_ack(k, 11);
    assert_int_equal(k->c->row->timers[CALL_TMR_2XX], 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(ack_establishes_and_publishes_answered),
        T(first_ack_is_when_it_was_answered),
        T(repeated_ack_is_nothing),
        T(ack_of_another_invite_is_nothing),
        T(ack_before_the_answer_is_nothing),
        T(answer_is_repeated_until_ack),
        T(no_ack_ends_with_bye),
        T(disarmed_timer_that_still_fires_is_nothing),
        T(delayed_offer_is_ours),
        T(unusable_answer_ends_with_bye),
        T(body_of_an_ordinary_ack_is_passed_over),
        T(reinvite_holds_and_resumes),
        T(version_stays_when_nothing_changes),
        T(new_media_address_is_punched),
        T(reinvite_is_repeated_until_its_ack),
        T(reinvite_without_ack_ends_with_bye),
        T(reinvite_with_unusable_offer_changes_nothing),
        T(reinvite_with_bad_contact_gets_400),
        T(reinvite_with_unknown_extension_gets_420),
        T(reinvite_before_the_ack_gets_491),
        T(repeated_reinvite_gets_the_same_bytes),
        T(refused_invites_are_refused_alike),
        T(requests_that_change_nothing_are_not_kept),
        T(options_in_the_dialog_gets_200),
        T(other_methods_get_405),
        T(required_extension_of_a_bye_gets_420),
        T(lower_cseq_gets_500),
        T(request_without_our_tag_gets_481),
        T(requests_during_setup_get_481),
        T(late_cancel_gets_200_and_changes_nothing),
        T(requests_from_a_new_address_move_the_peer),
        T(kept_transactions_are_bounded),
        T(unacked_answer_is_never_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
