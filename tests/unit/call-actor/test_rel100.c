/* Reliable provisionals of calls between people, both roles (RFC 3262), in virtual time. */
#include "tests/unit/call-actor/rel100_kit.h"

/* === interworking === */

/* Callee reliable, caller not. */
static void we_acknowledge_for_who_cannot(void **s)
{
    struct kit *k = *s;
    ring(k, BRIDGE_CALLER_OFFER, NULL);
    kit_assert_has(bridge_request(k, 1, "INVITE"), "Supported: 100rel, timer, replaces, norefersub, tdialog\r\n");
    BRIDGE_SAYS(k, 1, .status = 183, .body = BRIDGE_EARLY, .more = RELIABLE(7));
    struct call_effect *ack = bridge_request(k, 1, "PRACK");
    kit_assert_has(ack, "PRACK sip:bob@198.51.100.20:5062 SIP/2.0\r\n");
    kit_assert_has(ack, "RAck: 7 1 INVITE\r\n");
    kit_assert_has(ack, "CSeq: 2 PRACK\r\n");
    kit_assert_has(ack, ";tag=b1\r\n");
    kit_assert_has(ack, "Content-Length: 0\r\n");
    kit_assert_hasnt(ack, "Contact");
    kit_assert_hasnt(bridge_reply(k, 0, 183), "RSeq");
    kit_assert_has(bridge_reply(k, 0, 183), BRIDGE_EARLY);
    BRIDGE_SAYS(k, 1, .status = 183, .body = BRIDGE_EARLY, .more = RELIABLE(7)); /* a repeat */
    assert_int_equal(k->fx.count, 0);
    prack_answered(k, 200, "");
    BRIDGE_SAYS(k, 1, .status = 200, .body = BRIDGE_EARLY);
    kit_assert_state(k, CALL_ST_ANSWERED);
    kit_ack(k, 10);
    kit_bye(k, 11);
    kit_assert_has(bridge_request(k, 1, "BYE"), "CSeq: 3 BYE\r\n");
}

/* §4: in order, and nothing of what is not. */
static void what_is_out_of_order_is_dropped(void **s)
{
    struct kit *k = *s;
    ring(k, BRIDGE_CALLER_OFFER, NULL);
    BRIDGE_SAYS(k, 1, .status = 180, .more = RELIABLE(7));
    assert_non_null(bridge_request(k, 1, "PRACK"));
    BRIDGE_SAYS(k, 1, .status = 183, .more = RELIABLE(9));
    assert_int_equal(k->fx.count, 0);
    BRIDGE_SAYS(k, 1, .status = 180, .more = RELIABLE(6));
    assert_int_equal(k->fx.count, 0);
    BRIDGE_SAYS(k, 1, .status = 183, .more = RELIABLE(8));
    kit_assert_has(bridge_request(k, 1, "PRACK"), "RAck: 8 1 INVITE\r\n");
    kit_assert_has(bridge_request(k, 1, "PRACK"), "CSeq: 3 PRACK\r\n");
}

/* Each fork counts for itself, and gets its PRACK in its own dialog. */
static void each_fork_has_its_own(void **s)
{
    struct kit *k = *s;
    ring(k, BRIDGE_CALLER_OFFER, NULL);
    BRIDGE_SAYS(k, 1, .status = 180, .more = "Record-Route: <sip:p1;lr>, <sip:p2;lr>\r\n" RELIABLE(7));
    kit_assert_has(bridge_request(k, 1, "PRACK"), "Route: <sip:p2;lr>\r\nRoute: <sip:p1;lr>\r\n");
    BRIDGE_SAYS(k, 1, .status = 180, .tag = "other",
                .more = "Contact: <sip:car@198.51.100.30>\r\nRequire: 100rel\r\nRSeq: 90\r\n");
    struct call_effect *ack = bridge_request(k, 1, "PRACK");
    kit_assert_has(ack, "PRACK sip:car@198.51.100.30 SIP/2.0\r\n");
    kit_assert_has(ack, ";tag=other\r\n");
    kit_assert_has(ack, "RAck: 90 1 INVITE\r\n");
    kit_assert_hasnt(ack, "\r\nRoute:");
    BRIDGE_SAYS(k, 1, .status = 200, .tag = "other", .body = BRIDGE_OFFER);
    kit_assert_state(k, CALL_ST_ANSWERED);
    BRIDGE_SAYS(k, 1, .status = 200, .tag = "b1", .body = BRIDGE_OFFER); /* a stray: its CSeq goes on too */
    kit_assert_has(bridge_request(k, 2, "BYE"), "CSeq: 4 BYE\r\n");
}

static void a_prack_nobody_answered_is_said_again(void **s)
{
    struct kit *k = *s;
    ring(k, BRIDGE_CALLER_OFFER, NULL);
    BRIDGE_SAYS(k, 1, .status = 180, .more = RELIABLE(7));
    bridge_fails(k, row_span(asked(k)->request->branch), true);
    BRIDGE_SAYS(k, 1, .status = 180, .more = RELIABLE(7));
    kit_assert_has(bridge_request(k, 1, "PRACK"), "RAck: 7 1 INVITE\r\n");
    kit_assert_has(bridge_request(k, 1, "PRACK"), "CSeq: 3 PRACK\r\n");
    assert_null(bridge_reply(k, 0, 180));
    BRIDGE_SAYS(k, 1, .status = 180, .more = RELIABLE(7));
    assert_int_equal(k->fx.count, 0);
}

static void an_open_prack_is_asked_again_after_a_death(void **s)
{
    struct kit *k = *s;
    ring(k, BRIDGE_CALLER_OFFER, NULL);
    BRIDGE_SAYS(k, 1, .status = 180, .more = RELIABLE(7));
    come_back(k);
    kit_assert_has(bridge_request(k, 1, "PRACK"), "RAck: 7 1 INVITE\r\n");
    prack_answered(k, 200, "");
    come_back(k);
    assert_null(bridge_request(k, 1, "PRACK"));
    BRIDGE_SAYS(k, 1, .status = 180, .more = RELIABLE(7));
    assert_null(bridge_request(k, 1, "PRACK"));
}

/* Nobody could answer what a callee offers in a 1xx: he is not told that we take it, and is not believed. */
static void no_offer_can_come_reliably_to_who_cannot_answer(void **s)
{
    struct kit *k = *s;
    ring(k, "", NULL);
    kit_assert_has(bridge_request(k, 1, "INVITE"), "Supported: timer, replaces, norefersub, tdialog\r\n");
    BRIDGE_SAYS(k, 1, .status = 183, .body = BRIDGE_OFFER, .more = RELIABLE(7));
    assert_null(bridge_request(k, 1, "PRACK"));
    assert_non_null(bridge_reply(k, 0, 183));
}

/* Caller requires, callee does not do it. */
static void we_wait_for_who_requires_it(void **s)
{
    struct kit *k = *s;
    ring(k, BRIDGE_CALLER_OFFER, REQUIRES);
    kit_assert_hasnt(bridge_request(k, 1, "INVITE"), "\r\nRequire:");
    BRIDGE_SAYS(k, 1, .status = 180);
    uint32_t rseq = rseq_of(bridge_reply(k, 0, 180));
    BRIDGE_SAYS(k, 1, .status = 183, .body = BRIDGE_EARLY); /* one at a time */
    assert_null(bridge_reply(k, 0, 183));
    prack(k, rseq, 11);
    assert_non_null(bridge_reply(k, 0, 200));
    assert_int_equal(rseq_of(bridge_reply(k, 0, 183)), rseq + 1);
    assert_null(bridge_request(k, 1, "PRACK"));
    BRIDGE_SAYS(k, 1, .status = 200, .body = BRIDGE_EARLY); /* §3: SDP that is not acknowledged holds the 200 */
    assert_non_null(bridge_request(k, 1, "ACK"));
    assert_null(bridge_reply(k, 0, 200));
    kit_assert_state(k, CALL_ST_ANSWERING);
    prack(k, rseq + 1, 12);
    kit_assert_has(kit_effect(k, CALL_EFF_REPLY, 1), BRIDGE_EARLY);
    kit_assert_state(k, CALL_ST_ANSWERED);
    kit_ack(k, 10);
    kit_bye(k, 13);
    kit_assert_reply(k, 200);
    assert_non_null(bridge_request(k, 1, "BYE"));
}

/* Supported alone: what has a session description, or came so. */
static void who_supports_it_gets_media_reliably(void **s)
{
    struct kit *k = *s;
    ring(k, BRIDGE_CALLER_OFFER, SUPPORTS);
    BRIDGE_SAYS(k, 1, .status = 180);
    kit_assert_hasnt(bridge_reply(k, 0, 180), "RSeq");
    BRIDGE_SAYS(k, 1, .status = 183, .body = BRIDGE_EARLY);
    (void)rseq_of(bridge_reply(k, 0, 183));
}

static void who_requires_it_and_waits_for_an_offer_hears_no_plain_ringing(void **s)
{
    struct kit *k = *s;
    ring(k, "", REQUIRES);
    BRIDGE_SAYS(k, 1, .status = 180);
    assert_int_equal(kit_count(k, CALL_EFF_REPLY), 0);
    BRIDGE_SAYS(k, 1, .status = 200, .body = BRIDGE_OFFER);
    kit_assert_has(bridge_reply(k, 0, 200), BRIDGE_OFFER);
}

/* === both do it === */

static void the_callee_gets_his_prack_with_the_callers(void **s)
{
    struct kit *k = *s;
    ring(k, BRIDGE_CALLER_OFFER, SUPPORTS);
    BRIDGE_SAYS(k, 1, .status = 183, .body = BRIDGE_EARLY, .more = RELIABLE(7));
    uint32_t rseq = rseq_of(bridge_reply(k, 0, 183));
    assert_null(bridge_request(k, 1, "PRACK"));
    prack(k, rseq, 11);
    assert_non_null(bridge_reply(k, 0, 200));
    kit_assert_has(bridge_request(k, 1, "PRACK"), "RAck: 7 1 INVITE\r\n");
    prack_answered(k, 200, "");
    assert_int_equal(kit_count(k, CALL_EFF_REPLY), 0);
}

/* §5: an offer in PRACK, its answer in the 200. */
static void an_offer_in_prack_passes_end_to_end(void **s)
{
    struct kit *k = *s;
    ring(k, BRIDGE_CALLER_OFFER, SUPPORTS);
    BRIDGE_SAYS(k, 1, .status = 183, .body = BRIDGE_EARLY, .more = RELIABLE(7));
    prack_in(k, ".1", rseq_of(bridge_reply(k, 0, 183)), 11, NEW_OFFER);
    assert_int_equal(kit_count(k, CALL_EFF_REPLY), 0);
    kit_assert_has(bridge_request(k, 1, "PRACK"), NEW_OFFER);
    prack_answered(k, 200, NEW_ANSWER);
    kit_assert_has(bridge_reply(k, 0, 200), NEW_ANSWER);
    kit_assert_has(bridge_reply(k, 0, 200), "CSeq: 11 PRACK\r\n");
}

static void an_offer_in_prack_may_be_refused(void **s)
{
    struct kit *k = *s;
    ring(k, BRIDGE_CALLER_OFFER, SUPPORTS);
    BRIDGE_SAYS(k, 1, .status = 183, .body = BRIDGE_EARLY, .more = RELIABLE(7));
    prack_in(k, ".1", rseq_of(bridge_reply(k, 0, 183)), 11, NEW_OFFER);
    prack_answered(k, 488, "");
    kit_assert_has(bridge_reply(k, 0, 488), "CSeq: 11 PRACK\r\n");
    kit_assert_state(k, CALL_ST_RINGING);
}

/* §5: an INVITE without offer; the callee's is in the 1xx, the answer in PRACK. */
static void the_answer_in_prack_passes_end_to_end(void **s)
{
    struct kit *k = *s;
    ring(k, "", SUPPORTS);
    kit_assert_has(bridge_request(k, 1, "INVITE"), "Supported: 100rel, timer, replaces, norefersub, tdialog\r\n");
    BRIDGE_SAYS(k, 1, .status = 183, .body = BRIDGE_OFFER, .more = RELIABLE(7));
    uint32_t rseq = rseq_of(bridge_reply(k, 0, 183));
    kit_assert_has(bridge_reply(k, 0, 183), BRIDGE_OFFER);
    prack_in(k, ".1", rseq, 11, BRIDGE_CALLER_OFFER);
    kit_assert_has(bridge_request(k, 1, "PRACK"), BRIDGE_CALLER_OFFER);
    prack_answered(k, 200, "");
    assert_non_null(bridge_reply(k, 0, 200));
    BRIDGE_SAYS(k, 1, .status = 200); /* the offer was answered: it brings none, and the ACK no answer */
    assert_non_null(bridge_request(k, 1, "ACK"));
    kit_assert_state(k, CALL_ST_ANSWERED);
    kit_ack(k, 10);
    kit_assert_state(k, CALL_ST_ESTABLISHED);
    bridge_assert_leg(k, 1, OUT_LEG_UP);
}

/* A trunk that challenges every request. */
static void a_challenged_prack_is_said_with_credentials(void **s)
{
    struct kit *k = *s;
    static const struct bridge_target trunk = {
        .uri = "sip:bob@198.51.100.20:5062", .q = 1000, .addr = "198.51.100.20", .trunk = true};
    k->conf.trunk_user = "we";
    k->conf.trunk_secret = "s3cret";
    k->conf.trunk_realm = "carrier";
    bridge_asked_with(k, BRIDGE_CALLER_OFFER, SUPPORTS);
    bridge_rings(k, &trunk, 1);
    BRIDGE_SAYS(k, 1, .status = 183, .body = BRIDGE_EARLY, .more = RELIABLE(7));
    prack_in(k, ".1", rseq_of(bridge_reply(k, 0, 183)), 11, NEW_OFFER);
    for (unsigned i = 0; i < 4; i++) {
        char more[128];
        (void)snprintf(more, sizeof(more),
                       "Proxy-Authenticate: Digest realm=\"carrier\", nonce=\"n%u\", stale=true\r\n", i);
        bridge_response_to(k, row_span(asked(k)->request->branch), "x",
                           &(struct bridge_rsp){.status = 407, .method = "PRACK", .tag = "b1", .more = more});
        if (i == 3)
            break;
        struct call_effect *again = bridge_request(k, 1, "PRACK");
        kit_assert_has(again, "\r\nProxy-Authorization: Digest ");
        kit_assert_has(again, "RAck: 7 1 INVITE\r\n");
        kit_assert_has(again, NEW_OFFER);
        assert_int_equal(number_in(again, "\r\nCSeq: "), 3 + i);
    }
    kit_assert_has(bridge_reply(k, 0, 488), "CSeq: 11 PRACK\r\n"); /* enough is enough */
}

static void after_the_answer_the_callers_numbers_go_on(void **s)
{
    struct kit *k = *s;
    ring(k, BRIDGE_CALLER_OFFER, SUPPORTS);
    BRIDGE_SAYS(k, 1, .status = 183, .body = BRIDGE_EARLY, .more = RELIABLE(7));
    prack(k, rseq_of(bridge_reply(k, 0, 183)), 11);
    BRIDGE_SAYS(k, 1, .status = 200);
    kit_ack(k, 10);
    KIT_REQUEST(k, .method = "OPTIONS", .cseq = 10); /* behind the PRACK */
    kit_assert_reply(k, 500);
    KIT_REQUEST(k, .method = "OPTIONS", .cseq = 15);
    kit_assert_reply(k, 200);
    KIT_REQUEST(k, .method = "OPTIONS", .cseq = 14);
    kit_assert_reply(k, 500);
}

/* §15: only the caller may end what is not confirmed; whatever else comes has an answer. */
static void what_a_callee_may_not_say_early_is_refused(void **s)
{
    struct kit *k = *s;
    static const struct {
        const char *method;
        unsigned status;
    } cases[] = {{"BYE", 481},  {"PRACK", 481},   {"INVITE", 500}, {"CANCEL", 481}, {"OPTIONS", 200},
                 {"INFO", 500}, {"MESSAGE", 500}, {"UPDATE", 200}, {"NOTIFY", 405}};
    ring(k, BRIDGE_CALLER_OFFER, SUPPORTS);
    BRIDGE_SAYS(k, 1, .status = 183, .body = BRIDGE_EARLY, .more = RELIABLE(7));
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bridge_leg(k, 1)->dialog->remote_tag = row_text_dup(SPAN("b1")); /* as bridge_asks wants it */
        bridge_asks(k, 1, cases[i].method, 1 + i, "", NULL);
        row_text(&bridge_leg(k, 1)->dialog->remote_tag, SPAN(""));
        kit_assert_reply(k, cases[i].status);
        kit_assert_state(k, CALL_ST_RINGING);
    }
}

static void many_wait_and_no_more(void **s)
{
    struct kit *k = *s;
    char more[160];
    ring(k, BRIDGE_CALLER_OFFER, REQUIRES);
    for (unsigned i = 0; i < REL100_UNACKED_MAX + 2; i++) {
        (void)snprintf(more, sizeof(more), CONTACT "Require: 100rel\r\nRSeq: %u\r\n", 7 + i);
        BRIDGE_SAYS(k, 1, .status = 180, .more = more);
    }
    assert_int_equal(k->c->row->earlies[0]->n_unacked, REL100_UNACKED_MAX);
    assert_int_equal(k->c->row->earlies[0]->rseq_in, 6 + REL100_UNACKED_MAX);
    prack(k, k->c->row->earlies[0]->rseq_out, 11);
    BRIDGE_SAYS(k, 1, .status = 180, .more = more); /* out of order still */
    assert_int_equal(k->c->row->earlies[0]->n_unacked, REL100_UNACKED_MAX - 1);
    (void)snprintf(more, sizeof(more), CONTACT "Require: 100rel\r\nRSeq: %u\r\n", 7 + REL100_UNACKED_MAX);
    BRIDGE_SAYS(k, 1, .status = 180, .more = more); /* the callee repeats it, and now there is room */
    assert_int_equal(k->c->row->earlies[0]->n_unacked, REL100_UNACKED_MAX);
}

/* Whatever callees say, a row stays within its bounds. */
static void bytes_that_wait_are_bounded(void **s)
{
    struct kit *k = *s;
    static char body[SDP_BYTES_MAX + 1];
    struct bridge_target phones[8];
    char uri[8][48], tag[16];
    for (unsigned i = 0; i < 8; i++) {
        (void)snprintf(uri[i], sizeof(uri[i]), "sip:p%u@198.51.100.20", i);
        phones[i] = (struct bridge_target){.uri = uri[i], .q = 1000, .addr = "198.51.100.20"};
    }
    (void)strcpy(body, BRIDGE_EARLY);
    while (strlen(body) + 64 < SDP_BYTES_MAX)
        strcat(body, "a=x:0123456789012345678901234567890123456789012345678\r\n");
    bridge_asked_with(k, BRIDGE_CALLER_OFFER, REQUIRES);
    bridge_rings(k, phones, 8);
    for (unsigned i = 0; i < 8 * 4 * REL100_UNACKED_MAX; i++) {
        char more[160];
        (void)snprintf(tag, sizeof(tag), "f%u", i / 8 % 4);
        (void)snprintf(more, sizeof(more), CONTACT "Require: 100rel\r\nRSeq: %u\r\n", 1 + i / 32);
        BRIDGE_SAYS(k, 1 + i % 8, .status = 183, .tag = tag, .body = body, .more = more);
    }
    assert_int_equal(k->c->row->n_earlies, REL100_DIALOGS_MAX);
    size_t bytes = store__call_row__get_packed_size(k->c->row);
    if (bytes > 2 * REL100_BYTES_MAX) /* with what else a leg keeps */
        fail_msg("%zu bytes", bytes);
    assert_false(rel100_fits(k->c, SDP_BYTES_MAX));
    kit_cancel(k);
    assert_true(rel100_fits(k->c, REL100_BYTES_MAX));
}

static void forks_are_bounded(void **s)
{
    struct kit *k = *s;
    char tag[16];
    ring(k, BRIDGE_CALLER_OFFER, NULL);
    for (unsigned i = 0; i < 2 * OUT_LEG_EARLY_MAX; i++) {
        (void)snprintf(tag, sizeof(tag), "f%u", i);
        BRIDGE_SAYS(k, 1, .status = 180, .tag = tag, .more = RELIABLE(7));
        assert_int_equal(bridge_request(k, 1, "PRACK") != NULL, i < OUT_LEG_EARLY_MAX);
    }
    assert_int_equal(k->c->row->n_earlies, OUT_LEG_EARLY_MAX);
}

/* --- in between --- */

static void a_cancel_while_a_prack_is_passed_on(void **s)
{
    struct kit *k = *s;
    ring(k, BRIDGE_CALLER_OFFER, SUPPORTS);
    BRIDGE_SAYS(k, 1, .status = 183, .body = BRIDGE_EARLY, .more = RELIABLE(7));
    uint32_t rseq = rseq_of(bridge_reply(k, 0, 183));
    prack_in(k, ".1", rseq, 11, NEW_OFFER);
    char branch[64];
    struct span at = row_span(asked(k)->request->branch);
    memcpy(branch, at.p, at.len);
    kit_cancel(k);
    assert_non_null(bridge_cancel(k, 1));
    unsigned told = 0;
    for (size_t i = 0; i < kit_count(k, CALL_EFF_REPLY); i++)
        told += kit_effect(k, CALL_EFF_REPLY, i)->status == 487;
    assert_int_equal(told, 2); /* of the INVITE and of the PRACK */
    bridge_fails(k, span_of(branch, at.len), false);
    assert_int_equal(k->fx.count, 0);
    BRIDGE_SAYS(k, 1, .status = 487);
    kit_timer(k, CALL_TMR_LINGER);
    assert_true(k->forgotten);
}

/* A 2xx that crosses the CANCEL: its BYE is counted behind the PRACK. */
static void a_crossing_answer_is_hung_up_in_order(void **s)
{
    struct kit *k = *s;
    ring(k, BRIDGE_CALLER_OFFER, NULL);
    BRIDGE_SAYS(k, 1, .status = 183, .body = BRIDGE_EARLY, .more = RELIABLE(7));
    kit_cancel(k);
    BRIDGE_SAYS(k, 1, .status = 200, .body = BRIDGE_EARLY);
    kit_assert_has(bridge_request(k, 1, "ACK"), "CSeq: 1 ACK\r\n");
    kit_assert_has(bridge_request(k, 1, "BYE"), "CSeq: 3 BYE\r\n");
}

static void no_prack_ends_every_leg(void **s)
{
    struct kit *k = *s;
    ring(k, BRIDGE_CALLER_OFFER, REQUIRES);
    BRIDGE_SAYS(k, 1, .status = 180);
    for (unsigned i = 0; i < 7; i++)
        kit_timer(k, CALL_TMR_PRACK);
    assert_non_null(bridge_reply(k, 0, 504));
    assert_non_null(bridge_cancel(k, 1));
    kit_assert_state(k, CALL_ST_ENDED);
}

static void the_callee_hangs_up_before_the_caller_is_told(void **s)
{
    struct kit *k = *s;
    ring(k, BRIDGE_CALLER_OFFER, REQUIRES);
    BRIDGE_SAYS(k, 1, .status = 183, .body = BRIDGE_EARLY);
    BRIDGE_SAYS(k, 1, .status = 200, .body = BRIDGE_EARLY);
    kit_assert_state(k, CALL_ST_ANSWERING);
    bridge_asks(k, 1, "BYE", 1, "", NULL);
    assert_non_null(bridge_reply(k, 1, 200));
    assert_non_null(bridge_reply(k, 0, 480));
    kit_assert_has(kit_event(k, "call.ended"), "normal_clearing");
    bridge_assert_leg(k, 1, OUT_LEG_OVER);
}

static void a_cancel_while_the_answer_is_held(void **s)
{
    struct kit *k = *s;
    ring(k, BRIDGE_CALLER_OFFER, REQUIRES);
    BRIDGE_SAYS(k, 1, .status = 183, .body = BRIDGE_EARLY);
    BRIDGE_SAYS(k, 1, .status = 200, .body = BRIDGE_EARLY);
    come_back(k);
    kit_cancel(k);
    assert_non_null(bridge_reply(k, 0, 487));
    assert_non_null(bridge_request(k, 1, "BYE"));
    bridge_bye_answered(k, 1);
    kit_timer(k, CALL_TMR_LINGER);
    assert_true(k->forgotten);
}

/* Two phones: what one has not acknowledged is no reason to hold the other's answer, nor to give up. */
static void the_losers_dialog_is_repeated_no_more(void **s)
{
    struct kit *k = *s;
    static const struct bridge_target two[] = {
        {.uri = "sip:bob@198.51.100.20:5062", .q = 1000, .addr = "198.51.100.20"},
        {.uri = "sip:bob@198.51.100.21:5062", .q = 1000, .addr = "198.51.100.21"}};
    bridge_asked_with(k, BRIDGE_CALLER_OFFER, REQUIRES);
    bridge_rings(k, two, 2);
    BRIDGE_SAYS(k, 1, .status = 183, .body = BRIDGE_EARLY);
    uint32_t lost = rseq_of(bridge_reply(k, 0, 183));
    BRIDGE_SAYS(k, 2, .status = 180);
    uint32_t won = rseq_of(bridge_reply(k, 0, 180));
    prack_in(k, ".2", won, 15, "");
    BRIDGE_SAYS(k, 2, .status = 200, .body = BRIDGE_OFFER);
    kit_assert_state(k, CALL_ST_ANSWERED);
    assert_int_equal(k->c->row->timers[CALL_TMR_PRACK], 0);
    prack(k, lost, 11); /* counted in its own dialog */
    kit_assert_reply(k, 200);
    assert_null(bridge_request(k, 1, "PRACK"));
    kit_ack(k, 10);
    kit_bye(k, 16);
    kit_assert_reply(k, 200);
}

static void a_fork_that_refuses_is_repeated_no_more(void **s)
{
    struct kit *k = *s;
    static const struct bridge_target two[] = {
        {.uri = "sip:bob@198.51.100.20:5062", .q = 1000, .addr = "198.51.100.20"},
        {.uri = "sip:bob@198.51.100.21:5062", .q = 1000, .addr = "198.51.100.21"}};
    bridge_asked_with(k, BRIDGE_CALLER_OFFER, REQUIRES);
    bridge_rings(k, two, 2);
    BRIDGE_SAYS(k, 1, .status = 180);
    assert_int_not_equal(k->c->row->timers[CALL_TMR_PRACK], 0);
    BRIDGE_SAYS(k, 1, .status = 486);
    assert_int_equal(k->c->row->timers[CALL_TMR_PRACK], 0);
    kit_assert_state(k, CALL_ST_RINGING);
}

static void what_was_queued_without_media_does_not_hold_the_answer(void **s)
{
    struct kit *k = *s;
    ring(k, BRIDGE_CALLER_OFFER, REQUIRES);
    BRIDGE_SAYS(k, 1, .status = 183, .body = BRIDGE_EARLY);
    uint32_t rseq = rseq_of(bridge_reply(k, 0, 183));
    BRIDGE_SAYS(k, 1, .status = 180);
    BRIDGE_SAYS(k, 1, .status = 200, .body = BRIDGE_EARLY);
    prack(k, rseq, 11);
    assert_int_equal(kit_count(k, CALL_EFF_REPLY), 2);
    kit_assert_state(k, CALL_ST_ANSWERED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        KIT_TEST(we_acknowledge_for_who_cannot),
        KIT_TEST(what_is_out_of_order_is_dropped),
        KIT_TEST(each_fork_has_its_own),
        KIT_TEST(a_prack_nobody_answered_is_said_again),
        KIT_TEST(an_open_prack_is_asked_again_after_a_death),
        KIT_TEST(no_offer_can_come_reliably_to_who_cannot_answer),
        KIT_TEST(we_wait_for_who_requires_it),
        KIT_TEST(who_supports_it_gets_media_reliably),
        KIT_TEST(who_requires_it_and_waits_for_an_offer_hears_no_plain_ringing),
        KIT_TEST(the_callee_gets_his_prack_with_the_callers),
        KIT_TEST(an_offer_in_prack_passes_end_to_end),
        KIT_TEST(an_offer_in_prack_may_be_refused),
        KIT_TEST(the_answer_in_prack_passes_end_to_end),
        KIT_TEST(a_challenged_prack_is_said_with_credentials),
        KIT_TEST(after_the_answer_the_callers_numbers_go_on),
        KIT_TEST(what_a_callee_may_not_say_early_is_refused),
        KIT_TEST(many_wait_and_no_more),
        KIT_TEST(bytes_that_wait_are_bounded),
        KIT_TEST(forks_are_bounded),
        KIT_TEST(a_cancel_while_a_prack_is_passed_on),
        KIT_TEST(a_crossing_answer_is_hung_up_in_order),
        KIT_TEST(no_prack_ends_every_leg),
        KIT_TEST(the_callee_hangs_up_before_the_caller_is_told),
        KIT_TEST(a_cancel_while_the_answer_is_held),
        KIT_TEST(the_losers_dialog_is_repeated_no_more),
        KIT_TEST(a_fork_that_refuses_is_repeated_no_more),
        KIT_TEST(what_was_queued_without_media_does_not_hold_the_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
