/* Offers inside early dialogs: UPDATE, in either direction (RFC 3311 §5, RFC 6337 §2). */
#include "tests/unit/call-actor/rel100_kit.h"

#include "call-actor/ring.h"

#define ALLOWS "Allow: INVITE, UPDATE, PRACK\r\n"
#define CAR "Contact: <sip:car@198.51.100.30>\r\n"

/* The first offer has its answer on both sides: the caller's PRACK and the callee's 200 have passed. */
static void agree(struct kit *k, const char *supports, const char *says)
{
    ring(k, BRIDGE_CALLER_OFFER, supports);
    BRIDGE_SAYS(k, 1, .status = 183, .body = BRIDGE_EARLY, .more = says);
    prack(k, rseq_of(bridge_reply(k, 0, 183)), 11);
    prack_answered(k, 200, "");
}

static void agreed(struct kit *k)
{
    agree(k, SUPPORTS ALLOWS, ALLOWS RELIABLE(7));
}

static void update_in(struct kit *k, uint32_t cseq, const char *body)
{
    char to[160];
    (void)snprintf(to, sizeof(to), "<sip:902121234567@203.0.113.5>;tag=%s.1", k->c->row->a->local_tag);
    KIT_REQUEST(k, .method = "UPDATE", .cseq = cseq, .to = to, .body = body,
                .contact = "Contact: <sip:ali@192.0.2.77>\r\n");
}

static void update_answered(struct kit *k, unsigned status, const char *body)
{
    bridge_response_to(
        k, row_span(asked(k)->request->branch), "x",
        &(struct bridge_rsp){.status = status, .method = "UPDATE", .tag = "b1", .body = body, .more = CAR});
}

static void the_callers_offer_passes(void **s)
{
    struct kit *k = *s;
    agreed(k);
    update_in(k, 12, NEW_OFFER);
    struct call_effect *e = bridge_request(k, 1, "UPDATE");
    kit_assert_has(e, NEW_OFFER);
    kit_assert_has(e, "CSeq: 3 UPDATE\r\n");
    kit_assert_has(e, "\r\nContact: <sip:sentiric@203.0.113.5:5060>\r\n");
    assert_int_equal(kit_count(k, CALL_EFF_REPLY), 0);
    update_answered(k, 200, NEW_ANSWER);
    kit_assert_has(bridge_reply(k, 0, 200), NEW_ANSWER);
    kit_assert_has(bridge_reply(k, 0, 200), "CSeq: 12 UPDATE\r\n");
    kit_assert_has(bridge_reply(k, 0, 200), "\r\nContact: ");
    assert_string_equal(k->c->row->a->remote_target, "sip:ali@192.0.2.77");
    update_in(k, 13, NEW_OFFER);
    kit_assert_has(bridge_request(k, 1, "UPDATE"), "UPDATE sip:car@198.51.100.30 SIP/2.0\r\n");
}

static void the_callees_offer_passes(void **s)
{
    struct kit *k = *s;
    agreed(k);
    bridge_leg(k, 1)->dialog->remote_tag = row_text_dup(SPAN("b1")); /* as bridge_asks wants it */
    bridge_asks(k, 1, "UPDATE", 1, NEW_OFFER, NULL);
    struct call_effect *e = bridge_request(k, 0, "UPDATE");
    kit_assert_has(e, NEW_OFFER);
    kit_assert_has(e, "CSeq: 1 UPDATE\r\n");
    kit_assert_has(e, ".1\r\n"); /* From: our tag in this dialog */
    update_answered(k, 200, NEW_ANSWER);
    kit_assert_has(bridge_reply(k, 1, 200), NEW_ANSWER);
    row_text(&bridge_leg(k, 1)->dialog->remote_tag, SPAN(""));
    BRIDGE_SAYS(k, 1, .status = 200);
    kit_ack(k, 10);
    kit_terminate(k, "x");
    kit_assert_has(bridge_request(k, 0, "BYE"), "CSeq: 2 BYE\r\n"); /* behind it */
}

static void one_at_a_time(void **s)
{
    struct kit *k = *s;
    agreed(k);
    update_in(k, 12, NEW_OFFER);
    update_in(k, 13, NEW_OFFER);
    kit_assert_has(kit_assert_reply(k, 500), "Retry-After: ");
    bridge_leg(k, 1)->dialog->remote_tag = row_text_dup(SPAN("b1"));
    bridge_asks(k, 1, "UPDATE", 1, NEW_OFFER, NULL);
    assert_non_null(bridge_reply(k, 1, 491));
    update_answered(k, 488, "");
    kit_assert_has(bridge_reply(k, 0, 488), "CSeq: 12 UPDATE\r\n");
    assert_string_not_equal(k->c->row->a->remote_target, "sip:ali@192.0.2.77");
}

/* §5.2: not before the first offer has its answer. */
static void nothing_before_the_first_is_answered(void **s)
{
    struct kit *k = *s;
    ring(k, BRIDGE_CALLER_OFFER, SUPPORTS ALLOWS);
    BRIDGE_SAYS(k, 1, .status = 183, .body = BRIDGE_EARLY, .more = ALLOWS RELIABLE(7));
    update_in(k, 11, NEW_OFFER);
    kit_assert_reply(k, 500);
    bridge_leg(k, 1)->dialog->remote_tag = row_text_dup(SPAN("b1"));
    bridge_asks(k, 1, "UPDATE", 1, NEW_OFFER, NULL);
    assert_non_null(bridge_reply(k, 1, 491));
}

static void who_takes_no_update_is_not_asked(void **s)
{
    struct kit *k = *s;
    agree(k, SUPPORTS, RELIABLE(7));
    update_in(k, 12, NEW_OFFER);
    kit_assert_reply(k, 488);
    bridge_leg(k, 1)->dialog->remote_tag = row_text_dup(SPAN("b1"));
    bridge_asks(k, 1, "UPDATE", 1, NEW_OFFER, NULL);
    assert_non_null(bridge_reply(k, 1, 488));
}

static void without_an_offer_it_is_between_him_and_us(void **s)
{
    struct kit *k = *s;
    agreed(k);
    update_in(k, 12, "");
    kit_assert_reply(k, 200);
    assert_string_equal(k->c->row->a->remote_target, "sip:ali@192.0.2.77");
    assert_null(bridge_request(k, 1, "UPDATE"));
}

static uint32_t unsent(const struct kit *k, uint32_t leg)
{
    const Store__Early *e = leg <= k->c->row->n_earlies ? k->c->row->earlies[leg - 1] : NULL;
    return e != NULL && e->n_unacked > 0 ? e->unacked[0]->rseq : 0;
}

/* Each of as many callees as can ring says as much as is taken, with an offer that the caller answers in his PRACK. */
static void as_much_as_can_be_open(struct kit *k)
{
    static char uri[RING_MAX][64], tag[8];
    struct bridge_target all[RING_MAX];
    uint32_t cseq = 11;
    for (unsigned i = 0; i < RING_MAX; i++) {
        (void)snprintf(uri[i], sizeof(uri[i]), "sip:bob%u@198.51.100.20:5062", i);
        all[i] = (struct bridge_target){.uri = uri[i], .q = 1000, .addr = "198.51.100.20"};
    }
    bridge_asked_with(k, BRIDGE_CALLER_OFFER, SUPPORTS ALLOWS);
    bridge_rings(k, all, RING_MAX);
    for (uint32_t leg = 1; leg <= RING_MAX; leg++) {
        (void)snprintf(tag, sizeof(tag), ".%u", leg);
        unsigned rseq = 1;
        char more[128];
        for (unsigned round = 0; round < REL100_ASKS_MAX + 2; round++) {
            for (unsigned i = 0; i < (round == REL100_ASKS_MAX - 1 ? REL100_UNACKED_MAX : 1); i++) {
                (void)snprintf(more, sizeof(more), CONTACT "Require: 100rel\r\nRSeq: %u\r\n", rseq++);
                BRIDGE_SAYS(k, leg, .status = 183, .body = BRIDGE_EARLY, .more = more);
            }
            while (unsent(k, leg) != 0)
                prack_in(k, tag, unsent(k, leg), cseq++, BRIDGE_OFFER);
        }
    }
}

static void all_that_can_be_open_can_be_ended(void **s)
{
    struct kit *k = *s;
    as_much_as_can_be_open(k);
    size_t asks = 0;
    for (size_t i = 0; i < k->c->row->n_earlies; i++)
        asks += k->c->row->earlies[i]->n_asks;
    assert_int_equal(asks, REL100_OPEN_MAX);
    prack_answered(k, 200, "");
    BRIDGE_SAYS(k, RING_MAX, .status = 183, .more = RELIABLE(1)); /* said again: now there is room */
    prack_in(k, ".16", unsent(k, (uint32_t)k->c->row->n_earlies), 11, BRIDGE_OFFER);
    assert_non_null(bridge_request(k, RING_MAX, "PRACK"));
    come_back(k);
    assert_non_null(bridge_request(k, RING_MAX, "PRACK"));
    KIT_REQUEST(k, .method = "CANCEL", .cseq = 10, .branch = "z9hG4bKinvite");
    kit_assert_state(k, CALL_ST_ENDED);
    assert_non_null(bridge_cancel(k, RING_MAX));
    assert_int_equal(k->c->row->n_earlies, 0);
}

static void no_answer_is_504(void **s)
{
    struct kit *k = *s;
    agreed(k);
    update_in(k, 12, NEW_OFFER);
    bridge_fails(k, row_span(asked(k)->request->branch), false);
    kit_assert_reply(k, 504);
    kit_assert_state(k, CALL_ST_RINGING);
}

static void it_outlives_the_answer(void **s)
{
    struct kit *k = *s;
    agreed(k);
    update_in(k, 12, NEW_OFFER);
    come_back(k);
    kit_assert_has(bridge_request(k, 1, "UPDATE"), NEW_OFFER);
    BRIDGE_SAYS(k, 1, .status = 200);
    kit_assert_state(k, CALL_ST_ANSWERED);
    kit_ack(k, 10);
    KIT_REQUEST(k, .method = "INVITE", .cseq = 13, .in_dialog = true, .body = NEW_OFFER);
    kit_assert_reply(k, 491); /* one at a time still */
    update_answered(k, 200, NEW_ANSWER);
    kit_assert_has(bridge_reply(k, 0, 200), NEW_ANSWER);
    KIT_REQUEST(k, .method = "INVITE", .cseq = 14, .in_dialog = true, .body = NEW_OFFER);
    assert_non_null(bridge_request(k, 1, "INVITE"));
}

static void a_cancel_answers_it(void **s)
{
    struct kit *k = *s;
    agreed(k);
    bridge_leg(k, 1)->dialog->remote_tag = row_text_dup(SPAN("b1"));
    bridge_asks(k, 1, "UPDATE", 1, NEW_OFFER, NULL);
    row_text(&bridge_leg(k, 1)->dialog->remote_tag, SPAN(""));
    kit_cancel(k);
    kit_assert_has(bridge_reply(k, 1, 487), "CSeq: 1 UPDATE\r\n");
    assert_non_null(bridge_reply(k, 0, 487));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        KIT_TEST(the_callers_offer_passes),
        KIT_TEST(the_callees_offer_passes),
        KIT_TEST(one_at_a_time),
        KIT_TEST(nothing_before_the_first_is_answered),
        KIT_TEST(who_takes_no_update_is_not_asked),
        KIT_TEST(without_an_offer_it_is_between_him_and_us),
        KIT_TEST(all_that_can_be_open_can_be_ended),
        KIT_TEST(no_answer_is_504),
        KIT_TEST(it_outlives_the_answer),
        KIT_TEST(a_cancel_answers_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
