/* INFO and MESSAGE: for us, and passed on in bridged calls (RFC 6086, RFC 3428). */
#include "tests/unit/call-actor/bridge_kit.h"

#include "call-actor/call_events.h"
#include "call-actor/dialog.h"
#include "call-actor/pass.h"

#define KEY "Signal=5\r\nDuration=160\r\n"
#define DTMF "application/dtmf-relay"

static void info(struct kit *k, uint32_t cseq, const char *type, const char *body)
{
    KIT_REQUEST(k, .method = "INFO", .cseq = cseq, .type = type, .body = body);
}

/* The response to the oldest that is being passed on. */
static void passed(struct kit *k, struct bridge_rsp r)
{
    const Store__Relay *p = k->c->row->passes[0];
    r.tag = "b1";
    r.method = kit_or(r.method, "INFO");
    r.more = kit_or(r.more, "");
    bridge_response_to(k, row_span(p->request->branch), "x", &r);
}

#define PASSED(k, ...) passed((k), (struct bridge_rsp){__VA_ARGS__})

/* --- calls we answer --- */

static void a_key_is_told_once(void **s)
{
    struct kit *k = *s;
    kit_answered(k);
    KIT_REQUEST(k, .method = "INFO", .cseq = 11, .branch = "z9hG4bKi", .type = DTMF, .body = KEY);
    kit_assert_has(kit_assert_reply(k, 200), "CSeq: 11 INFO\r\n");
    struct call_effect *e = kit_event(k, "call.dtmf.received");
    kit_assert_has(e, "\"digit\":\"5\",\"duration\":160,\"party\":\"caller\"");
    assert_int_equal(e->nth, 1);
    kit_assert_state(k, CALL_ST_ANSWERED);
    KIT_REQUEST(k, .method = "INFO", .cseq = 11, .branch = "z9hG4bKi", .type = DTMF, .body = KEY);
    kit_assert_reply(k, 200);
    assert_int_equal(kit_count(k, CALL_EFF_PUBLISH), 0);
    kit_ack(k, 10);
    info(k, 12, "application/dtmf", "*");
    kit_assert_reply(k, 200);
    e = kit_event(k, "call.dtmf.received");
    kit_assert_has(e, "\"digit\":\"*\",\"duration\":0");
    assert_int_equal(e->nth, 2);
    assert_int_equal(k->c->row->a->remote_cseq, 12);
}

static void other_infos_for_us(void **s)
{
    struct kit *k = *s;
    kit_established(k);
    info(k, 11, NULL, NULL);
    kit_assert_reply(k, 200);
    info(k, 12, "text/plain", "hi");
    kit_assert_has(kit_assert_reply(k, 415), "Accept: application/dtmf-relay, application/dtmf\r\n");
    info(k, 13, DTMF, "Signal=77\r\n");
    kit_assert_reply(k, 400);
    KIT_REQUEST(k, .method = "INFO", .cseq = 14, .more = "Info-Package: foo\r\n", .type = DTMF, .body = KEY);
    kit_assert_has(kit_assert_reply(k, 469), "Recv-Info: \r\n");
    char big[SIP_DTMF_BYTES_MAX + 2];
    memset(big, '\n', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    info(k, 15, DTMF, big);
    kit_assert_reply(k, 413);
    KIT_REQUEST(k, .method = "INFO", .cseq = 16, .more = "Require: foo\r\n");
    kit_assert_reply(k, 420);
    assert_int_equal(kit_count(k, CALL_EFF_PUBLISH), 0);
    kit_bye(k, 17);
    info(k, 18, DTMF, KEY);
    kit_assert_reply(k, 481);
    assert_int_equal(kit_count(k, CALL_EFF_PUBLISH), 0);
}

static void a_message_for_nobody_gets_405_and_is_not_allowed(void **s)
{
    struct kit *k = *s;
    kit_established(k);
    KIT_REQUEST(k, .method = "MESSAGE", .cseq = 11, .type = "text/plain", .body = "hi");
    kit_assert_hasnt(kit_assert_reply(k, 405), "MESSAGE,");
    KIT_REQUEST(k, .method = "OPTIONS", .cseq = 12);
    kit_assert_hasnt(kit_assert_reply(k, 200), "MESSAGE");
}

static void keys_of_a_second_are_bounded(void **s)
{
    struct kit *k = *s;
    uint32_t cseq = 11;
    kit_established(k);
    for (unsigned i = 0; i < EVENTS_DTMF_PER_S; i++) {
        info(k, cseq++, DTMF, KEY);
        assert_non_null(kit_event(k, "call.dtmf.received"));
    }
    info(k, cseq++, DTMF, KEY);
    kit_assert_has(kit_assert_reply(k, 500), "Retry-After: ");
    assert_null(kit_event(k, "call.dtmf.received"));
    k->now.wall_ms += 1000;
    info(k, cseq++, DTMF, KEY);
    assert_int_equal(kit_event(k, "call.dtmf.received")->nth, EVENTS_DTMF_PER_S + 1);
    k->now.wall_ms -= 3600000; /* the clock was set back */
    info(k, cseq++, DTMF, KEY);
    kit_assert_reply(k, 200);
}

/* --- bridged calls --- */

static void an_info_goes_on_and_its_key_is_told(void **s)
{
    struct kit *k = *s;
    bridge_up(k);
    KIT_REQUEST(k, .method = "INFO", .cseq = 11, .type = DTMF, .body = KEY,
                .more = "Content-Disposition: render;handling=optional\r\nX-Other: y\r\n");
    assert_int_equal(kit_count(k, CALL_EFF_REPLY), 0);
    struct call_effect *e = bridge_request(k, 1, "INFO");
    kit_assert_has(e, "Content-Type: application/dtmf-relay\r\nContent-Length: 24\r\n\r\n" KEY);
    kit_assert_has(e, "Content-Disposition: render;handling=optional\r\n");
    kit_assert_has(e, "CSeq: 2 INFO\r\n");
    kit_assert_hasnt(e, "X-Other");
    kit_assert_hasnt(e, "Contact"); /* no target refresh */
    kit_assert_has(kit_event(k, "call.dtmf.received"), "\"party\":\"caller\"");
    assert_true(call_awaits_answers(k->c));
    PASSED(k, .status = 100);
    assert_int_equal(kit_count(k, CALL_EFF_REPLY), 0);
    PASSED(k, .status = 200);
    kit_assert_has(bridge_reply(k, 0, 200), "CSeq: 11 INFO\r\n");
    assert_false(call_awaits_answers(k->c));
    bridge_asks(k, 1, "INFO", 5, "", "Content-Type: application/dtmf\r\n");
    assert_null(kit_event(k, "call.dtmf.received"));
    assert_non_null(bridge_request(k, 0, "INFO"));
}

static void a_package_is_the_peers_to_know(void **s)
{
    struct kit *k = *s;
    bridge_up(k);
    KIT_REQUEST(k, .method = "INFO", .cseq = 11, .type = "application/foo", .body = "\x01\x02",
                .more = "Info-Package: foo;x=y\r\nContent-Disposition: Info-Package\r\n");
    struct call_effect *e = bridge_request(k, 1, "INFO");
    kit_assert_has(e, "Info-Package: foo;x=y\r\n");
    kit_assert_has(e, "Content-Disposition: Info-Package\r\n");
    kit_assert_has(e, "\x01\x02");
    PASSED(k, .status = 469, .more = "Recv-Info: bar\r\nRecv-Info: never seen\r\n");
    kit_assert_has(bridge_reply(k, 0, 469), "Recv-Info: bar\r\n");
}

/* RFC 6086 §4.1: who sends one must have been told that the other takes it. */
static void packages_are_told_from_side_to_side(void **s)
{
    struct kit *k = *s;
    bridge_asked_with(k, BRIDGE_CALLER_OFFER, "Recv-Info: foo\r\nRecv-Info: bar;x=y,\r\n baz\r\n");
    bridge_rings(k, &bridge_bob, 1);
    kit_assert_has(bridge_request(k, 1, "INVITE"), "Recv-Info: foo, bar;x=y, baz\r\n");
    BRIDGE_SAYS(k, 1, .status = 180, .more = "Recv-Info: early\r\n");
    kit_assert_hasnt(kit_assert_reply(k, 180), "Recv-Info");
    BRIDGE_SAYS(k, 1, .status = 200, .body = BRIDGE_OFFER,
                .more = "Contact: <sip:bob@198.51.100.20:5062>\r\nRecv-Info:\r\n");
    kit_assert_has(bridge_reply(k, 0, 200), "Recv-Info: \r\n"); /* none, but he knows them */
    kit_ack(k, 10);
    KIT_REQUEST(k, .method = "INVITE", .cseq = 11, .in_dialog = true, .body = BRIDGE_CALLER_OFFER,
                .more = "Recv-Info: new\r\n");
    kit_assert_has(bridge_request(k, 1, "INVITE"), "Recv-Info: new\r\n");
}

static void packages_that_are_too_many_are_none(void **s)
{
    struct kit *k = *s;
    char more[DIALOG_RECV_INFO_MAX + 64] = "Recv-Info: ";
    memset(more + strlen(more), 'x', DIALOG_RECV_INFO_MAX);
    strcat(more, "\r\n");
    bridge_asked_with(k, BRIDGE_CALLER_OFFER, more);
    bridge_rings(k, &bridge_bob, 1);
    kit_assert_hasnt(bridge_request(k, 1, "INVITE"), "Recv-Info");
}

static void a_message_goes_both_ways(void **s)
{
    struct kit *k = *s;
    bridge_ring_bob(k);
    kit_assert_has(bridge_request(k, 1, "INVITE"), ", MESSAGE, SUBSCRIBE\r\n");
    BRIDGE_SAYS(k, 1, .status = 180);
    kit_assert_has(kit_assert_reply(k, 180), ", MESSAGE, SUBSCRIBE\r\n");
    BRIDGE_SAYS(k, 1, .status = 200, .body = BRIDGE_OFFER);
    kit_assert_has(bridge_reply(k, 0, 200), ", MESSAGE, SUBSCRIBE\r\n");
    kit_ack(k, 10);
    KIT_REQUEST(k, .method = "OPTIONS", .cseq = 11);
    kit_assert_has(kit_assert_reply(k, 200), ", MESSAGE, SUBSCRIBE\r\n");
    KIT_REQUEST(k, .method = "MESSAGE", .cseq = 12, .type = "text/plain;charset=UTF-8", .body = "merhaba",
                .more = "s: about\r\nContent-Language: tr\r\n");
    struct call_effect *e = bridge_request(k, 1, "MESSAGE");
    kit_assert_has(e, "Content-Type: text/plain;charset=UTF-8\r\nContent-Length: 7\r\n\r\nmerhaba");
    kit_assert_has(e, "Subject: about\r\n");
    kit_assert_has(e, "Content-Language: tr\r\n");
    PASSED(k, .status = 202, .method = "MESSAGE");
    assert_non_null(bridge_reply(k, 0, 202));
    bridge_asks(k, 1, "MESSAGE", 6, "selam", NULL);
    kit_assert_has(bridge_request(k, 0, "MESSAGE"), "selam");
    PASSED(k, .status = 405, .method = "MESSAGE", .more = "Allow: INVITE, BYE\r\n");
    kit_assert_has(bridge_reply(k, 1, 405), "Allow: INVITE, BYE\r\n");
    assert_int_equal(kit_count(k, CALL_EFF_PUBLISH), 0);
}

static void what_is_too_long_gets_413(void **s)
{
    struct kit *k = *s;
    static char body[PASS_BODY_MAX + 2];
    bridge_up(k);
    memset(body, 'x', PASS_BODY_MAX + 1);
    static char raw[SIP_MSG_BYTES_MAX];
    for (size_t n = PASS_BODY_MAX; n <= PASS_BODY_MAX + 1; n++) { /* larger than the kit's requests may be */
        int len = snprintf(raw, sizeof(raw),
                           "MESSAGE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKbig%zu\r\n"
                           "From: <sip:x@y>;tag=ft1\r\nTo: <sip:a@b>;tag=%s\r\nCall-ID: kit-call@192.0.2.1\r\n"
                           "CSeq: %zu MESSAGE\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n\r\n%.*s",
                           n, k->c->row->a->local_tag, n, n, (int)n, body);
        assert_int_equal(sip_msg_decode(&k->msg, span_of(raw, (size_t)len)), 0);
        struct call_input in = {.type = CALL_IN_REQUEST,
                                .msg = &k->msg,
                                .txn = n > PASS_BODY_MAX ? SPAN("big2") : SPAN("big1"),
                                .source = &k->source};
        kit_step(k, &in);
        if (n > PASS_BODY_MAX)
            kit_assert_reply(k, 413);
        else
            PASSED(k, .status = 200, .method = "MESSAGE");
    }
}

static void what_is_between_us_and_the_other_is_not_passed_back(void **s)
{
    static const struct {
        unsigned from_callee, to_caller;
    } cases[] = {{200, 200}, {202, 202}, {302, 500}, {401, 403}, {407, 403}, {408, 504}, {415, 415},
                 {404, 500}, {405, 405}, {410, 500}, {416, 500}, {480, 500}, {481, 500}, {482, 500},
                 {483, 500}, {484, 500}, {485, 500}, {489, 500}, {491, 491}, {500, 500}, {501, 501},
                 {502, 500}, {503, 500}, {603, 603}, {604, 500}};
    struct kit *k = *s;
    bridge_up(k);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        info(k, 11 + (uint32_t)i, "text/plain", "x");
        PASSED(k, .status = cases[i].from_callee, .more = "Proxy-Authenticate: Digest realm=\"t\", nonce=\"n\"\r\n");
        kit_assert_hasnt(kit_assert_reply(k, cases[i].to_caller), "Digest");
        if (cases[i].to_caller == 500)
            kit_assert_has(kit_assert_reply(k, 500), "Retry-After: ");
        kit_assert_state(k, CALL_ST_ESTABLISHED);
    }
    info(k, 50, "text/plain", "x");
    bridge_fails(k, row_span(k->c->row->passes[0]->request->branch), true);
    kit_assert_reply(k, 504); /* no 408: RFC 4320 */
}

static void the_trunks_challenge_is_answered(void **s)
{
    struct kit *k = *s;
    bridge_to_trunk(k);
    kit_ack(k, 10);
    KIT_REQUEST(k, .method = "INFO", .cseq = 11, .type = DTMF, .body = KEY, .more = "Info-Package: foo\r\n");
    for (unsigned i = 0; i < 2; i++) { /* stale: asked once more */
        PASSED(k, .status = 407,
               .more = i == 0 ? BRIDGE_CHALLENGE
                              : "Proxy-Authenticate: Digest realm=\"carrier\", nonce=\"n2\", stale=true\r\n");
        assert_int_equal(kit_count(k, CALL_EFF_REPLY), 0);
        assert_int_equal(kit_count(k, CALL_EFF_PUBLISH), 0);
        struct call_effect *e = bridge_request(k, 1, "INFO");
        kit_assert_has(e, i == 0 ? "nonce=\"n1\"" : "nonce=\"n2\"");
        kit_assert_has(e, i == 0 ? "CSeq: 4 INFO\r\nProxy-Authorization: " : "CSeq: 5 INFO\r\nProxy-Authorization: ");
        kit_assert_has(e, "uri=\"sip:bob@198.51.100.20:5062\"");
        kit_assert_has(e, "\r\nInfo-Package: foo\r\nUser-Agent: ");
        kit_assert_has(e, "Content-Type: application/dtmf-relay\r\nContent-Length: 24\r\n\r\n" KEY);
        if (i > 0)
            kit_assert_hasnt(e, "nonce=\"n1\"");
    }
    PASSED(k, .status = 407, .more = BRIDGE_CHALLENGE);
    assert_non_null(bridge_reply(k, 0, 403));
    assert_false(call_awaits_answers(k->c));
}

static void several_are_under_way_at_once_and_in_order(void **s)
{
    struct kit *k = *s;
    char line[64];
    bridge_up(k);
    for (uint32_t i = 0; i < PASS_OPEN_MAX; i++) {
        info(k, 11 + i, "text/plain", "x");
        (void)snprintf(line, sizeof(line), "CSeq: %u INFO\r\n", 2 + i);
        kit_assert_has(bridge_request(k, 1, "INFO"), line);
    }
    info(k, 40, "text/plain", "x");
    kit_assert_has(kit_assert_reply(k, 500), "Retry-After: ");
    bridge_asks(k, 1, "MESSAGE", 6, "y", NULL); /* the other direction has its own */
    assert_non_null(bridge_request(k, 0, "MESSAGE"));
    for (uint32_t i = 0; i < PASS_OPEN_MAX; i++) {
        PASSED(k, .status = 200);
        (void)snprintf(line, sizeof(line), "CSeq: %u INFO\r\n", 11 + i);
        kit_assert_has(kit_assert_reply(k, 200), line);
    }
    info(k, 41, "text/plain", "x");
    assert_non_null(bridge_request(k, 1, "INFO"));
}

static void their_bytes_are_bounded(void **s)
{
    struct kit *k = *s;
    static char body[12000];
    uint32_t cseq = 11;
    bridge_up(k);
    memset(body, 'x', sizeof(body) - 1);
    size_t fit = PASS_BYTES_MAX / sizeof(body) + 1;
    assert_true(fit < PASS_OPEN_MAX);
    for (size_t i = 0; i < fit; i++) {
        info(k, cseq++, "text/plain", body);
        assert_non_null(bridge_request(k, 1, "INFO"));
    }
    info(k, cseq++, "text/plain", "x");
    kit_assert_reply(k, 500);
}

static void one_under_way_is_known_when_it_comes_again(void **s)
{
    struct kit *k = *s;
    bridge_up(k);
    for (unsigned i = 0; i < 3; i++) {
        KIT_REQUEST(k, .method = "INFO", .cseq = 11, .branch = "z9hG4bKi", .type = DTMF, .body = KEY);
        assert_int_equal(kit_count(k, CALL_EFF_REQUEST), i == 0);
        assert_int_equal(kit_count(k, CALL_EFF_PUBLISH), i == 0);
    }
    PASSED(k, .status = 200);
    KIT_REQUEST(k, .method = "INFO", .cseq = 11, .branch = "z9hG4bKi", .type = DTMF, .body = KEY);
    kit_assert_reply(k, 200);
    assert_int_equal(k->fx.count, 1);
}

static void there_is_nobody_to_give_it_to(void **s)
{
    struct kit *k = *s;
    bridge_ring_bob(k);
    info(k, 11, DTMF, KEY);
    kit_assert_has(kit_assert_reply(k, 500), "Retry-After: ");
    BRIDGE_SAYS(k, 1, .status = 200, .body = BRIDGE_OFFER);
    info(k, 12, DTMF, KEY); /* before the ACK: he is there */
    assert_non_null(bridge_request(k, 1, "INFO"));
    bridge_asks(k, 1, "BYE", 5, "", NULL);
    kit_assert_has(bridge_reply(k, 0, 487), "CSeq: 12 INFO\r\n");
    kit_assert_state(k, CALL_ST_CLOSING);
    info(k, 13, DTMF, KEY);
    kit_assert_reply(k, 500);
    kit_ack(k, 10);
    kit_assert_state(k, CALL_ST_ENDING);
    info(k, 14, DTMF, KEY);
    kit_assert_reply(k, 481);
}

static void a_bye_answers_all_of_them(void **s)
{
    struct kit *k = *s;
    bridge_up(k);
    info(k, 11, "text/plain", "x");
    info(k, 12, "text/plain", "x");
    bridge_asks(k, 1, "MESSAGE", 6, "y", NULL);
    char branch[64];
    struct span b = row_span(k->c->row->passes[0]->request->branch);
    memcpy(branch, b.p, b.len);
    kit_bye(k, 13);
    unsigned pending = 0;
    for (size_t i = 0; i < k->fx.count; i++)
        pending += k->fx.list[i].type == CALL_EFF_REPLY && k->fx.list[i].status == 487;
    assert_int_equal(pending, 3);
    bridge_fails(k, span_of(branch, b.len), false);
    assert_int_equal(k->fx.count, 0);
    bridge_bye_answered(k, 1);
    kit_timer(k, CALL_TMR_LINGER);
    assert_true(k->forgotten);
}

/* --- after a death --- */

static void they_are_asked_again_in_order(void **s)
{
    struct kit *k = *s;
    bridge_up(k);
    info(k, 11, DTMF, KEY);
    KIT_REQUEST(k, .method = "MESSAGE", .cseq = 12, .type = "text/plain", .body = "hi");
    come_back(k);
    kit_assert_has(kit_effect(k, CALL_EFF_REQUEST, 0), "CSeq: 2 INFO\r\n");
    kit_assert_has(kit_effect(k, CALL_EFF_REQUEST, 1), "CSeq: 3 MESSAGE\r\n");
    assert_int_equal(kit_count(k, CALL_EFF_PUBLISH), 0);
    PASSED(k, .status = 200);
    kit_assert_has(bridge_reply(k, 0, 200), "CSeq: 11 INFO\r\n");
}

static void what_must_be_over_is_not_said_again(void **s)
{
    struct kit *k = *s;
    bridge_up(k);
    info(k, 11, DTMF, KEY);
    k->now.wall_ms += 64 * KIT_T1 + 1;
    come_back(k);
    assert_null(bridge_request(k, 1, "INFO"));
    kit_assert_has(bridge_reply(k, 0, 504), "CSeq: 11 INFO\r\n");
    assert_true(k->c->dirty);
    assert_false(call_awaits_answers(k->c));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        KIT_TEST(a_key_is_told_once),
        KIT_TEST(other_infos_for_us),
        KIT_TEST(a_message_for_nobody_gets_405_and_is_not_allowed),
        KIT_TEST(keys_of_a_second_are_bounded),
        KIT_TEST(an_info_goes_on_and_its_key_is_told),
        KIT_TEST(a_package_is_the_peers_to_know),
        KIT_TEST(packages_are_told_from_side_to_side),
        KIT_TEST(packages_that_are_too_many_are_none),
        KIT_TEST(a_message_goes_both_ways),
        KIT_TEST(what_is_too_long_gets_413),
        KIT_TEST(what_is_between_us_and_the_other_is_not_passed_back),
        KIT_TEST(the_trunks_challenge_is_answered),
        KIT_TEST(several_are_under_way_at_once_and_in_order),
        KIT_TEST(their_bytes_are_bounded),
        KIT_TEST(one_under_way_is_known_when_it_comes_again),
        KIT_TEST(there_is_nobody_to_give_it_to),
        KIT_TEST(a_bye_answers_all_of_them),
        KIT_TEST(they_are_asked_again_in_order),
        KIT_TEST(what_must_be_over_is_not_said_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
