/* UPDATE (RFC 3311): answered in place, answered with our description, passed on in a bridged call; one offer at a
 * time. */
#include "tests/unit/call-actor/bridge_kit.h"

#define HELD                                                                                                           \
    "v=0\r\no=ali 1 2 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\nm=audio 40000 RTP/SAVP "              \
    "96\r\na=sendonly\r\n"
#define HELD_ANSWER                                                                                                    \
    "v=0\r\no=bob 7 8 IN IP4 198.51.100.20\r\ns=-\r\nc=IN IP4 198.51.100.20\r\nt=0 0\r\nm=audio 6000 RTP/AVP "         \
    "96\r\na=recvonly\r\n"
#define ALLOWS_UPDATE "Contact: <sip:bob@198.51.100.20:5062>\r\nAllow: INVITE, ACK, UPDATE, BYE\r\n"

static void update(struct kit *k, uint32_t cseq, const char *body)
{
    KIT_REQUEST(k, .method = "UPDATE", .cseq = cseq, .body = body, .contact = "Contact: <sip:ali@192.0.2.77>\r\n");
}

/* A call whose callee says that it takes UPDATE. */
static void up_with_update(struct kit *k)
{
    bridge_ring_bob(k);
    BRIDGE_SAYS(k, 1, .status = 200, .body = BRIDGE_OFFER, .more = ALLOWS_UPDATE);
    kit_ack(k, 10);
}

static void relayed(struct kit *k, unsigned status, const char *body, const char *method)
{
    const Store__Relay *r = k->c->row->relays[0];
    bridge_response_to(k, row_span(r->request->branch), "x",
                       &(struct bridge_rsp){.status = status, .tag = "b1", .body = body, .method = method});
}

/* --- calls we answer --- */

static void one_without_offer_refreshes_the_target(void **s)
{
    struct kit *k = *s;
    kit_answered(k);
    update(k, 11, NULL); /* also before the ACK */
    struct call_effect *e = kit_assert_reply(k, 200);
    kit_assert_has(e, "CSeq: 11 UPDATE\r\n");
    kit_assert_has(e, "Contact: <sip:sentiric@203.0.113.5:5060>\r\n");
    kit_assert_has(e, "Content-Length: 0\r\n");
    kit_assert_has(e, ", UPDATE");
    assert_string_equal(k->c->row->a->remote_target, "sip:ali@192.0.2.77");
    assert_int_equal(k->c->row->a->remote_cseq, 11);
    kit_assert_state(k, CALL_ST_ANSWERED);
    kit_ack(k, 10);
    kit_assert_state(k, CALL_ST_ESTABLISHED);
}

static void one_with_an_offer_is_answered_once_and_for_all(void **s)
{
    struct kit *k = *s;
    kit_established(k);
    update(k, 11, KIT_HOLD);
    struct call_effect *e = kit_assert_reply(k, 200);
    kit_assert_has(e, "a=recvonly\r\n");
    kit_assert_has(e, " 2 IN IP4 203.0.113.6\r\n");
    assert_null(kit_arm(k, CALL_TMR_2XX)); /* no ACK will come */
    assert_false(call_is_busy(k->c) && k->c->row->timers[CALL_TMR_NO_ACK] != 0);
    update(k, 12, KIT_HOLD);
    kit_assert_has(kit_assert_reply(k, 200), " 2 IN IP4 203.0.113.6\r\n"); /* nothing changed */
    update(k, 13, KIT_OFFER);
    kit_assert_has(kit_assert_reply(k, 200), "a=sendrecv\r\n");
}

static void one_with_a_new_address_moves_the_media(void **s)
{
    struct kit *k = *s;
    kit_established(k);
    update(k, 11,
           "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.77\r\nt=0 0\r\nm=audio 4002 RTP/AVP 8\r\n");
    assert_string_equal(kit_job(k, PLANE__RUN_JOB__KIND__PUNCH)->job->rtp_target, "192.0.2.77:4002");
}

static void a_refused_one_changes_nothing(void **s)
{
    struct kit *k = *s;
    kit_established(k);
    update(k, 11, "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4 RTP/AVP 18\r\n");
    kit_assert_has(kit_assert_reply(k, 488), "Warning: 305 ");
    assert_string_equal(k->c->row->a->remote_target, "sip:ali@192.0.2.1:5070");
    assert_int_equal(k->c->row->sdp_version, 1);
    assert_string_equal(k->c->row->caller_rtp, "192.0.2.10:40000");
    KIT_REQUEST(k, .method = "UPDATE", .cseq = 12, .body = "hi", .type = "text/plain");
    kit_assert_reply(k, 415);
    KIT_REQUEST(k, .method = "UPDATE", .cseq = 13, .contact = "Contact: <mailto:a@b>\r\n");
    kit_assert_reply(k, 400);
    KIT_REQUEST(k, .method = "UPDATE", .cseq = 14, .more = "Require: foo\r\n");
    kit_assert_reply(k, 420);
    kit_assert_state(k, CALL_ST_ESTABLISHED);
}

/* §5.2: our offer is in the 2xx, and its answer has not come. */
static void an_offer_beside_ours_gets_491(void **s)
{
    struct kit *k = *s;
    KIT_REQUEST(k, .method = "INVITE", .cseq = 10);
    kit_setup_ok(k);
    update(k, 11, KIT_HOLD);
    kit_assert_reply(k, 491);
    update(k, 12, NULL);
    kit_assert_reply(k, 200);
    KIT_REQUEST(k, .method = "ACK", .cseq = 10, .body = KIT_OFFER);
    update(k, 13, KIT_HOLD);
    kit_assert_reply(k, 200);
}

static void its_answer_is_said_again(void **s)
{
    struct kit *k = *s;
    kit_established(k);
    KIT_REQUEST(k, .method = "UPDATE", .cseq = 11, .branch = "z9hG4bKu", .body = KIT_HOLD);
    struct call_effect *e = kit_assert_reply(k, 200);
    char first[4096];
    (void)snprintf(first, sizeof(first), "%.*s", (int)e->raw_len, e->raw);
    KIT_REQUEST(k, .method = "UPDATE", .cseq = 11, .branch = "z9hG4bKu", .body = KIT_HOLD);
    e = kit_assert_reply(k, 200);
    assert_int_equal(e->raw_len, strlen(first));
    assert_memory_equal(e->raw, first, e->raw_len);
    assert_int_equal(k->c->row->sdp_version, 2);
}

static void there_is_none_where_there_is_no_dialog(void **s)
{
    struct kit *k = *s;
    kit_invite(k);
    update(k, 11, NULL);
    kit_assert_reply(k, 481);
    kit_setup_ok(k);
    kit_ack(k, 10);
    kit_bye(k, 12);
    update(k, 13, KIT_HOLD);
    kit_assert_reply(k, 481);
}

/* --- bridged calls --- */

static void in_a_bridged_call_a_refresh_is_between_two(void **s)
{
    struct kit *k = *s;
    bridge_up(k);
    update(k, 11, NULL);
    assert_non_null(bridge_reply(k, 0, 200));
    assert_int_equal(kit_count(k, CALL_EFF_REQUEST), 0);
    assert_string_equal(k->c->row->a->remote_target, "sip:ali@192.0.2.77");
    bridge_asks(k, 1, "UPDATE", 5, "", NULL);
    kit_assert_has(bridge_reply(k, 1, 200), "Contact: ");
    assert_int_equal(kit_count(k, CALL_EFF_REQUEST), 0);
    assert_string_equal(bridge_leg(k, 1)->dialog->remote_target, "sip:bob@198.51.100.20:5064");
}

static void an_offer_goes_on_as_update(void **s)
{
    struct kit *k = *s;
    up_with_update(k);
    update(k, 11, HELD);
    assert_int_equal(kit_count(k, CALL_EFF_REPLY), 0);
    struct call_effect *e = bridge_request(k, 1, "UPDATE");
    kit_assert_has(e, HELD);
    kit_assert_has(e, "CSeq: 2 UPDATE\r\n");
    kit_assert_has(e, "Contact: ");
    relayed(k, 200, HELD_ANSWER, "UPDATE");
    assert_null(bridge_request(k, 1, "ACK"));
    e = bridge_reply(k, 0, 200);
    kit_assert_has(e, HELD_ANSWER);
    kit_assert_has(e, "CSeq: 11 UPDATE\r\n");
    assert_int_equal(k->c->row->timers[CALL_TMR_2XX], 0);
    assert_string_equal(k->c->row->a->remote_target, "sip:ali@192.0.2.77");
    assert_false(call_awaits_answers(k->c));
    update(k, 12, HELD);
    assert_non_null(bridge_request(k, 1, "UPDATE"));
}

static void an_offer_goes_on_as_reinvite_to_who_knows_no_update(void **s)
{
    struct kit *k = *s;
    bridge_up(k);
    update(k, 11, HELD);
    kit_assert_has(bridge_request(k, 1, "INVITE"), HELD);
    relayed(k, 180, NULL, NULL);
    assert_int_equal(kit_count(k, CALL_EFF_REPLY), 0);
    relayed(k, 200, HELD_ANSWER, NULL);
    kit_assert_has(bridge_request(k, 1, "ACK"), "CSeq: 2 ACK\r\n");
    kit_assert_has(bridge_reply(k, 0, 200), HELD_ANSWER);
    assert_int_equal(k->c->row->timers[CALL_TMR_2XX], 0);
    relayed(k, 200, HELD_ANSWER, NULL); /* our ACK was lost */
    assert_non_null(bridge_request(k, 1, "ACK"));
    assert_int_equal(kit_count(k, CALL_EFF_REPLY), 0);
    KIT_REQUEST(k, .method = "CANCEL", .cseq = 11, .in_dialog = true);
    assert_null(bridge_cancel(k, 1));
}

static void a_refusal_is_passed_back(void **s)
{
    static const struct {
        unsigned from_callee, to_caller;
    } cases[] = {{491, 491}, {488, 488}, {481, 481}, {302, 488}, {401, 488},
                 {407, 488}, {408, 504}, {405, 500}, {500, 500}, {603, 603}};
    (void)s;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct kit k;
        kit_init(&k);
        up_with_update(&k);
        update(&k, 11, HELD);
        relayed(&k, cases[i].from_callee, NULL, "UPDATE");
        struct call_effect *e = kit_assert_reply(&k, cases[i].to_caller);
        if (cases[i].to_caller == 500)
            kit_assert_has(e, "Retry-After: ");
        assert_string_equal(k.c->row->a->remote_target, "sip:ali@192.0.2.1:5070");
        kit_assert_state(&k, CALL_ST_ESTABLISHED);
        update(&k, 12, HELD);
        assert_non_null(bridge_request(&k, 1, cases[i].from_callee == 405 ? "INVITE" : "UPDATE"));
        kit_fini(&k);
    }
}

static void silence_is_no_reason_to_end_the_dialog(void **s)
{
    struct kit *k = *s;
    up_with_update(k);
    update(k, 11, HELD);
    bridge_fails(k, row_span(k->c->row->relays[0]->request->branch), false);
    kit_assert_reply(k, 504);
    kit_assert_state(k, CALL_ST_ESTABLISHED);
}

/* §5.2 and RFC 3261 §14: what crosses is refused on both sides, and the call is as it was. */
static void offers_that_cross(void **s)
{
    struct kit *k = *s;
    up_with_update(k);
    update(k, 11, HELD);
    bridge_asks(k, 1, "UPDATE", 5, HELD, NULL);
    assert_non_null(bridge_reply(k, 1, 491));
    bridge_asks(k, 1, "INVITE", 6, HELD, NULL);
    assert_non_null(bridge_reply(k, 1, 491));
    bridge_asks(k, 1, "UPDATE", 7, "", NULL);
    assert_non_null(bridge_reply(k, 1, 200)); /* no offer */
    update(k, 12, HELD);
    kit_assert_has(bridge_reply(k, 0, 500), "Retry-After: ");
    update(k, 13, NULL);
    kit_assert_has(bridge_reply(k, 0, 500), "Retry-After: "); /* one UPDATE at a time */
    KIT_REQUEST(k, .method = "INVITE", .cseq = 14, .in_dialog = true, .body = HELD);
    assert_non_null(bridge_reply(k, 0, 500));
    relayed(k, 491, NULL, "UPDATE");
    assert_non_null(bridge_reply(k, 0, 491));
    kit_assert_state(k, CALL_ST_ESTABLISHED);
    bridge_asks(k, 1, "UPDATE", 8, HELD, NULL);
    assert_non_null(bridge_request(k, 0, "INVITE")); /* the caller has not said that he takes UPDATE */
}

static void one_before_the_ack_gets_491(void **s)
{
    struct kit *k = *s;
    bridge_ring_bob(k);
    update(k, 11, HELD);
    kit_assert_has(kit_assert_reply(k, 500), "Retry-After: "); /* his first offer has no answer */
    update(k, 12, NULL);
    kit_assert_reply(k, 200);
    BRIDGE_SAYS(k, 1, .status = 200, .body = BRIDGE_OFFER);
    bridge_asks(k, 1, "UPDATE", 5, HELD, NULL);
    assert_non_null(bridge_reply(k, 1, 491));
    update(k, 13, HELD);
    assert_non_null(bridge_reply(k, 0, 491));
}

static void a_bye_answers_what_is_pending(void **s)
{
    struct kit *k = *s;
    up_with_update(k);
    update(k, 11, HELD);
    bridge_asks(k, 1, "BYE", 5, "", NULL);
    kit_assert_has(bridge_reply(k, 0, 487), "CSeq: 11 UPDATE\r\n");
    kit_bye_answer(k, 200);
    update(k, 12, HELD);
    kit_assert_reply(k, 481);
    kit_timer(k, CALL_TMR_LINGER);
    assert_false(k->forgotten);
    relayed(k, 200, HELD_ANSWER, "UPDATE");
    assert_null(bridge_request(k, 1, "ACK"));
    assert_true(k->forgotten);
}

static void one_under_way_is_asked_again_after_a_death(void **s)
{
    struct kit *k = *s;
    up_with_update(k);
    update(k, 11, HELD);
    struct span branch = row_span(k->c->row->relays[0]->request->branch);
    char kept[64];
    memcpy(kept, branch.p, branch.len);
    size_t n = store__call_row__get_packed_size(k->c->row);
    uint8_t *packed = malloc(n);
    (void)store__call_row__pack(k->c->row, packed);
    call_effects_clear(&k->fx);
    call_free(k->c);
    k->c = call_from_row(&k->conf, store__call_row__unpack(NULL, n, packed));
    free(packed);
    assert_non_null(k->c);
    call_ask_again(k->c, PLANE__PROC__PROC_NONE, &k->fx, k->now);
    struct call_effect *e = bridge_request(k, 1, "UPDATE");
    kit_assert_has(e, HELD);
    assert_memory_equal(e->txn, kept, e->txn_len);
    relayed(k, 200, HELD_ANSWER, "UPDATE");
    kit_assert_has(bridge_reply(k, 0, 200), HELD_ANSWER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        KIT_TEST(one_without_offer_refreshes_the_target),
        KIT_TEST(one_with_an_offer_is_answered_once_and_for_all),
        KIT_TEST(one_with_a_new_address_moves_the_media),
        KIT_TEST(a_refused_one_changes_nothing),
        KIT_TEST(an_offer_beside_ours_gets_491),
        KIT_TEST(its_answer_is_said_again),
        KIT_TEST(there_is_none_where_there_is_no_dialog),
        KIT_TEST(in_a_bridged_call_a_refresh_is_between_two),
        KIT_TEST(an_offer_goes_on_as_update),
        KIT_TEST(an_offer_goes_on_as_reinvite_to_who_knows_no_update),
        KIT_TEST(a_refusal_is_passed_back),
        KIT_TEST(silence_is_no_reason_to_end_the_dialog),
        KIT_TEST(offers_that_cross),
        KIT_TEST(one_before_the_ack_gets_491),
        KIT_TEST(a_bye_answers_what_is_pending),
        KIT_TEST(one_under_way_is_asked_again_after_a_death),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
