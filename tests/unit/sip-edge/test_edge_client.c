/* What the edge does with an actor's requests and the responses to them. */
#include "common/rt/bus.h"
#include "sip-edge/edge_stat.h"
#include "tests/unit/sip-edge/fake.h"
#include "tests/unit/testkit.h"

#define BRANCH "z9hG4bKa0-abc"

#define OUT(method, cseq)                                                                                              \
    method " sip:bob@192.0.2.20:5070 SIP/2.0\n"                                                                        \
           "Max-Forwards: 70\n"                                                                                        \
           "Route: <sip:192.0.2.30;lr>\n"                                                                              \
           "From: <sip:us@192.0.2.1>;tag=a0-t\n"                                                                       \
           "To: <sip:bob@192.0.2.20>\n"                                                                                \
           "Call-ID: a0-call\n"                                                                                        \
           "CSeq: " cseq "\n"                                                                                          \
           "Content-Length: 0\n\n"
#define INVITE OUT("INVITE", "1 INVITE")
#define BYE OUT("BYE", "2 BYE")

#define RESP_VIA(via, line, cseq)                                                                                      \
    "SIP/2.0 " line "\n"                                                                                               \
    "Via: " via "\n"                                                                                                   \
    "From: <sip:us@192.0.2.1>;tag=a0-t\n"                                                                              \
    "To: <sip:bob@192.0.2.20>;tag=b1\n"                                                                                \
    "Call-ID: a0-call\n"                                                                                               \
    "CSeq: " cseq "\n"                                                                                                 \
    "Content-Length: 0\n\n"
#define RESP(line, cseq) RESP_VIA("SIP/2.0/UDP 192.0.2.1:5060;rport=5060;branch=" BRANCH, line, cseq)

static int setup(void **state)
{
    (void)state;
    fake_begin(1, NULL);
    fake_actors_ready();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fake_end();
    return 0;
}

static const Plane__RxResponse *told_response(unsigned back)
{
    const struct fake_told *t = fake_told_back(back);
    assert_int_equal(t->type, PLANE_EDGE_RX_RESPONSE);
    return (const void *)t->m;
}

static const Plane__TxnFailed *told_failed(unsigned back)
{
    const struct fake_told *t = fake_told_back(back);
    assert_int_equal(t->type, PLANE_EDGE_TXN_FAILED);
    return (const void *)t->m;
}

static void assert_txn(ProtobufCBinaryData d, const char *z)
{
    assert_true(span_eq(span_of((const char *)d.data, d.len), span_cstr(z)));
}

static void actor_down(void)
{
    edge_actor_down(&fake.edge, 0, (struct now){.mono_ms = fake.now_ms});
}

static void actor_up(void)
{
    edge_actor_up(&fake.edge, 0, (struct now){.mono_ms = fake.now_ms});
}

static void our_via_goes_first_and_the_request_is_repeated(void **state)
{
    (void)state;
    fake_request(0, BRANCH, "INVITE", INVITE);
    fake_wait(1500);
    assert_int_equal(fake.sent_cnt, 3);
    const struct fake_sent *s = fake_sent_back(0);
    assert_string_equal(fake_line(s), "INVITE sip:bob@192.0.2.20:5070 SIP/2.0");
    assert_string_equal(fake_header(s, "Via"), "SIP/2.0/UDP 192.0.2.1:5060;branch=" BRANCH ";rport");
    assert_string_equal(s->text, fake_sent_back(2)->text);
    assert_int_equal(s->to.port, 5070);
}

static void an_ipv6_address_stands_in_brackets(void **state)
{
    (void)state;
    fake_end();
    fake_begin(1, &(struct edge_conf){.public_ip = "2001:db8::1", .public_port = 5060, .shards = 1, .t1_ms = 500});
    fake_actors_ready();
    fake_request(0, BRANCH, "BYE", BYE);
    assert_string_equal(fake_header(fake_sent_back(0), "Via"),
                        "SIP/2.0/UDP [2001:db8::1]:5060;branch=" BRANCH ";rport");
    fake_rx(RESP_VIA("SIP/2.0/UDP [2001:db8::1]:5060;branch=" BRANCH, "200 OK", "2 BYE"));
    assert_int_equal(fake.told_cnt, 1);
}

static void responses_go_to_the_actor(void **state)
{
    (void)state;
    fake_request(0, BRANCH, "INVITE", INVITE);
    fake_rx(RESP("100 Trying", "1 INVITE"));
    assert_int_equal(fake.told_cnt, 0); /* says nothing the actor would act on */
    fake_rx(RESP("180 Ringing", "1 INVITE"));
    fake_rx(RESP("200 OK", "1 INVITE"));
    fake_rx(RESP("200 OK", "1 INVITE"));
    assert_int_equal(fake.told_cnt, 3);
    assert_int_equal(told_response(2)->status, 180);
    assert_int_equal(told_response(0)->status, 200);
    assert_txn(told_response(0)->txn, BRANCH);
    static struct sip_msg m;
    const Plane__RxResponse *r = told_response(0);
    assert_int_equal(sip_index_decode(&m, span_of((const char *)r->raw.data, r->raw.len),
                                      span_of((const char *)r->index.data, r->index.len)),
                     0);
    assert_int_equal(fake.sent_cnt, 1); /* no ACK: the 2xx's is the actor's */
}

static void a_refusal_is_acknowledged_here(void **state)
{
    (void)state;
    fake_request(0, BRANCH, "INVITE", INVITE);
    fake_rx(RESP("486 Busy Here", "1 INVITE"));
    const struct fake_sent *s = fake_sent_back(0);
    assert_string_equal(fake_line(s), "ACK sip:bob@192.0.2.20:5070 SIP/2.0");
    assert_string_equal(fake_header(s, "Via"), "SIP/2.0/UDP 192.0.2.1:5060;branch=" BRANCH ";rport");
    assert_string_equal(fake_header(s, "To"), "<sip:bob@192.0.2.20>;tag=b1");
    assert_string_equal(fake_header(s, "From"), "<sip:us@192.0.2.1>;tag=a0-t");
    assert_string_equal(fake_header(s, "CSeq"), "1 ACK");
    assert_string_equal(fake_header(s, "Route"), "<sip:192.0.2.30;lr>");
    assert_int_equal(s->to.port, 5070);
    fake_rx(RESP("486 Busy Here", "1 INVITE"));
    assert_int_equal(fake.sent_cnt, 3);
    assert_string_equal(fake_sent_back(0)->text, fake_sent_back(1)->text);
    assert_int_equal(fake.told_cnt, 1);
    fake_wait(33000);
    assert_int_equal(txn_index_count(&fake.edge.index), 0);
}

static void no_answer_is_told_after_64_t1(void **state)
{
    (void)state;
    fake_request(0, BRANCH, "BYE", BYE);
    fake_wait(31999);
    assert_int_equal(fake.told_cnt, 0);
    fake_wait(1);
    assert_txn(told_failed(0)->txn, BRANCH);
    assert_int_equal(told_failed(0)->cause, PLANE__TXN_FAILED__CAUSE__TIMEOUT);
    assert_int_equal(fake.sent_cnt, 11);
    assert_int_equal(txn_index_count(&fake.edge.index), 0);
}

static void a_send_error_is_told(void **state)
{
    (void)state;
    fake_request(0, BRANCH, "INVITE", INVITE);
    const struct fake_sent *s = fake_sent_back(0);
    assert_false(s->is_server);
    edge_send_failed(&fake.edge, span_cstr(s->owner), s->is_server, (struct now){.mono_ms = fake.now_ms});
    assert_int_equal(told_failed(0)->cause, PLANE__TXN_FAILED__CAUSE__TRANSPORT);
    edge_send_failed(&fake.edge, span_cstr(s->owner), s->is_server, (struct now){.mono_ms = fake.now_ms});
    assert_int_equal(fake.told_cnt, 1);
}

static void the_ack_of_a_2xx_is_only_sent(void **state)
{
    (void)state;
    fake_request(0, "z9hG4bKa0-ack", "ACK", OUT("ACK", "1 ACK"));
    assert_string_equal(fake_header(fake_sent_back(0), "Via"), "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKa0-ack;rport");
    assert_int_equal(txn_index_count(&fake.edge.index), 0);
    fake_wait(5000);
    assert_int_equal(fake.sent_cnt, 1);
}

static void responses_that_are_not_ours_are_dropped(void **state)
{
    (void)state;
    int64_t not_ours = edge_stat_drops(EDGE_DROP_NOT_OURS);
    int64_t stray = edge_stat_drops(EDGE_DROP_STRAY_RESPONSE);
    fake_request(0, BRANCH, "INVITE", INVITE);
    fake_rx(RESP_VIA("SIP/2.0/UDP 192.0.2.2:5060;branch=" BRANCH, "200 OK", "1 INVITE"));
    fake_rx(RESP_VIA("SIP/2.0/UDP 192.0.2.1:5099;branch=" BRANCH, "200 OK", "1 INVITE"));
    fake_rx(RESP_VIA("SIP/2.0/UDP 192.0.2.1", "200 OK", "1 INVITE"));
    assert_int_equal(edge_stat_drops(EDGE_DROP_NOT_OURS), not_ours + 3);
    fake_rx(RESP("200 OK", "1 BYE")); /* another method than was asked */
    fake_rx(RESP_VIA("SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKa0-no", "486 Busy", "1 INVITE"));
    assert_int_equal(edge_stat_drops(EDGE_DROP_STRAY_RESPONSE), stray + 2);
    assert_int_equal(fake.told_cnt, 0);
}

/* §13.2.2.4: whoever answered must be acknowledged, though the transaction is gone. */
static void a_stray_2xx_of_an_invite_goes_to_its_actor(void **state)
{
    (void)state;
    fake_rx(RESP("200 OK", "1 INVITE"));
    assert_int_equal(told_response(0)->status, 200);
    assert_txn(told_response(0)->txn, BRANCH);
    fake_rx(RESP_VIA("SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKa9-x", "200 OK", "1 INVITE")); /* no such actor */
    assert_int_equal(fake.told_cnt, 1);
}

static void cancel_is_a_transaction_of_its_own(void **state)
{
    (void)state;
    fake_request(0, BRANCH, "INVITE", INVITE);
    fake_cancel(0, BRANCH, "SIP;cause=487");
    assert_int_equal(fake.sent_cnt, 1); /* §9.1: not before a provisional */
    fake_rx(RESP("180 Ringing", "1 INVITE"));
    const struct fake_sent *s = fake_sent_back(0);
    assert_string_equal(fake_line(s), "CANCEL sip:bob@192.0.2.20:5070 SIP/2.0");
    assert_string_equal(fake_header(s, "Via"), "SIP/2.0/UDP 192.0.2.1:5060;branch=" BRANCH ";rport");
    assert_string_equal(fake_header(s, "CSeq"), "1 CANCEL");
    assert_string_equal(fake_header(s, "To"), "<sip:bob@192.0.2.20>");
    assert_string_equal(fake_header(s, "Reason"), "SIP;cause=487");
    assert_string_equal(fake_header(s, "Route"), "<sip:192.0.2.30;lr>");
    fake_wait(500);
    assert_int_equal(fake.sent_cnt, 3); /* timer E */
    fake_rx(RESP("200 OK", "1 CANCEL"));
    fake_wait(600);
    assert_int_equal(fake.sent_cnt, 3);
    fake_rx(RESP("487 Request Terminated", "1 INVITE"));
    assert_string_equal(fake_line(fake_sent_back(0)), "ACK sip:bob@192.0.2.20:5070 SIP/2.0");
    assert_int_equal(fake.told_cnt, 2); /* 180, 487; the CANCEL's 200 is nobody's business */
    assert_int_equal(told_response(0)->status, 487);
}

static void a_cancelled_invite_without_final_is_told(void **state)
{
    (void)state;
    fake_request(0, BRANCH, "INVITE", INVITE);
    fake_rx(RESP("180 Ringing", "1 INVITE"));
    fake_cancel(0, BRANCH, "");
    fake_cancel(0, BRANCH, "");
    fake_wait(32000);
    assert_int_equal(told_failed(0)->cause, PLANE__TXN_FAILED__CAUSE__TIMEOUT);
    assert_int_equal(fake.told_cnt, 2);
    assert_int_equal(txn_index_count(&fake.edge.index), 0);
}

static void cancel_of_nothing_is_told(void **state)
{
    (void)state;
    fake_cancel(0, "z9hG4bKa0-gone", "");
    assert_int_equal(fake.sent_cnt, 0);
    assert_int_equal(told_failed(0)->cause, PLANE__TXN_FAILED__CAUSE__TIMEOUT);
}

/* --- the actor was restarted --- */

static void asked_again_sends_nothing_anew(void **state)
{
    (void)state;
    fake_request(0, BRANCH, "INVITE", INVITE);
    fake_request(0, BRANCH, "INVITE", INVITE);
    assert_int_equal(fake.sent_cnt, 1);
    fake_rx(RESP("180 Ringing", "1 INVITE"));
    fake_request(0, BRANCH, "INVITE", INVITE);
    assert_int_equal(told_response(0)->status, 180);
    fake_rx(RESP("486 Busy Here", "1 INVITE"));
    fake_request(0, BRANCH, "INVITE", INVITE); /* it died before it had noted the answer */
    assert_int_equal(told_response(0)->status, 486);
    assert_int_equal(fake.told_cnt, 4);
    assert_int_equal(fake.sent_cnt, 2); /* INVITE, ACK */
}

static void a_response_while_the_actor_is_away_is_told_later(void **state)
{
    (void)state;
    fake_request(0, BRANCH, "BYE", BYE);
    actor_down();
    fake_rx(RESP("200 OK", "2 BYE"));
    assert_int_equal(fake.told_cnt, 0);
    assert_false(edge_is_idle(&fake.edge));
    fake_wait(400);
    actor_up();
    assert_int_equal(told_response(0)->status, 200);
    assert_int_equal(fake.told_cnt, 1);
    actor_down();
    actor_up();
    assert_int_equal(fake.told_cnt, 1); /* once */
    fake_wait(5000);
    assert_int_equal(txn_index_count(&fake.edge.index), 0);
}

/* Timer K or F may end the transaction before the actor is back: the last word waits for it, but not for ever. */
static void the_last_word_outlives_its_transaction(void **state)
{
    (void)state;
    fake_request(0, BRANCH, "BYE", BYE);
    actor_down();
    fake_rx(RESP("200 OK", "2 BYE"));
    fake_wait(20000);
    assert_int_equal(txn_index_count(&fake.edge.index), 1);
    actor_up();
    assert_int_equal(told_response(0)->status, 200);
    assert_int_equal(txn_index_count(&fake.edge.index), 0);

    fake_request(0, BRANCH, "BYE", BYE);
    actor_down();
    fake_wait(40000);
    fake_rx(RESP("200 OK", "2 BYE")); /* too late */
    actor_up();
    assert_int_equal(told_failed(0)->cause, PLANE__TXN_FAILED__CAUSE__TIMEOUT);

    fake_request(0, BRANCH, "BYE", BYE);
    actor_down();
    fake_wait(64000);
    assert_int_equal(txn_index_count(&fake.edge.index), 0);
    actor_up();
    assert_int_equal(fake.told_cnt, 2);
}

static void a_full_link_is_told_again(void **state)
{
    (void)state;
    fake_request(0, BRANCH, "BYE", BYE);
    fake.say_rv = -BUS_EFULL;
    fake_rx(RESP("200 OK", "2 BYE"));
    fake.say_rv = 0;
    fake_wait(100);
    assert_int_equal(told_response(0)->status, 200);
    fake_wait(1000);
    assert_int_equal(fake.told_cnt, 1);
}

/* --- what cannot be sent --- */

static void expect_no_route(const char *detail)
{
    assert_int_equal(fake.sent_cnt, 0);
    assert_int_equal(told_failed(0)->cause, PLANE__TXN_FAILED__CAUSE__NO_ROUTE);
    assert_string_equal(told_failed(0)->detail, detail);
    assert_int_equal(txn_index_count(&fake.edge.index), 0);
    fake_forget();
}

static void send_to(const char *next_hop)
{
    char hop[64];
    char name[] = "BYE";
    char raw[512];
    size_t n = 0;
    for (const char *p = BYE; *p != '\0'; p++) {
        if (*p == '\n')
            raw[n++] = '\r';
        raw[n++] = *p;
    }
    Plane__SendRequest m = PLANE__SEND_REQUEST__INIT;
    assert_true(span_copy(hop, sizeof(hop), span_cstr(next_hop)));
    m.txn = (ProtobufCBinaryData){.len = strlen(BRANCH), .data = (uint8_t *)(uintptr_t)BRANCH};
    m.method = name;
    m.raw = (ProtobufCBinaryData){.len = n, .data = (uint8_t *)raw};
    m.next_hop = hop;
    edge_on_actor(&fake.edge, 0, PLANE_EDGE_SEND_REQUEST, &m.base, (struct now){.mono_ms = fake.now_ms});
}

static void requests_that_cannot_be_sent(void **state)
{
    (void)state;
    fake_request(0, "no-cookie", "BYE", BYE);
    expect_no_route("bad branch");
    fake_request(0, "z9hG4bKa0;x=y", "BYE", BYE);
    expect_no_route("bad branch");
    fake_request(0, BRANCH, "BYE", INVITE);
    expect_no_route("malformed request");
    fake_request(0, BRANCH, "BYE", "nothing");
    expect_no_route("malformed request");
    send_to("");
    expect_no_route("no destination");
    send_to("sip:example.com");
    expect_no_route("no address was found");
    send_to("sip:192.0.2.20;transport=tcp");
    expect_no_route("transport is not there");
    send_to("sips:192.0.2.20");
    expect_no_route("transport is not there");
    fake_request(0, "no-cookie", "ACK", OUT("ACK", "1 ACK")); /* nobody waits for an ACK */
    assert_int_equal(fake.told_cnt + fake.sent_cnt, 0);
}

static void next_hop_may_be_an_address(void **state)
{
    (void)state;
    send_to("sip:bob@192.0.2.77");
    assert_int_equal(fake_sent_back(0)->to.port, 5060);
    char addr[EDGE_ADDR_TEXT_SIZE];
    assert_string_equal(edge_addr_text(&fake_sent_back(0)->to.peer, addr), "192.0.2.77");
}

static void the_transport_stands_in_the_uri(void **state)
{
    static const struct {
        const char *next_hop;
        uint8_t transport;
        uint16_t port;
        const char *via;
    } rows[] = {
        {"sip:192.0.2.77", SIP_TP_UDP, 5060, "SIP/2.0/UDP 192.0.2.1:5060;"},
        {"sip:192.0.2.77;transport=TCP", SIP_TP_TCP, 5060, "SIP/2.0/TCP 192.0.2.1:5060;"},
        {"sip:192.0.2.77:5080;transport=tcp", SIP_TP_TCP, 5080, "SIP/2.0/TCP 192.0.2.1:5060;"},
        {"sip:192.0.2.77;transport=tls", SIP_TP_TLS, 5061, "SIP/2.0/TLS 192.0.2.1:5061;"},
        {"sips:192.0.2.77", SIP_TP_TLS, 5061, "SIP/2.0/TLS 192.0.2.1:5061;"},
        {"sips:192.0.2.77;transport=tcp", SIP_TP_TLS, 5061, "SIP/2.0/TLS 192.0.2.1:5061;"},
    };
    (void)state;
    fake.edge.means.transports |= LOCATE_CAN(SIP_TP_TCP) | LOCATE_CAN(SIP_TP_TLS);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        send_to(rows[i].next_hop);
        const struct fake_sent *s = fake_sent_back(0);
        assert_int_equal(s->to.transport, rows[i].transport);
        assert_int_equal(s->to.port, rows[i].port);
        assert_true(span_eq(s->to.name, SPAN("192.0.2.77"))); /* whom TLS has to prove to be */
        assert_non_null(strstr(fake_header(s, "Via"), rows[i].via));
        fake_wait(64 * 500 + 5000); /* over: the branch is free again */
        fake_forget();
    }
}

static void on_a_connection_nothing_is_repeated(void **state)
{
    (void)state;
    fake.edge.means.transports |= LOCATE_CAN(SIP_TP_TCP);
    send_to("sip:192.0.2.77;transport=tcp");
    fake_wait(31999);
    assert_int_equal(fake.sent_cnt, 1);
    fake_wait(1);
    assert_int_equal(told_failed(0)->cause, PLANE__TXN_FAILED__CAUSE__TIMEOUT);
}

/* An actor that has died before it noted the answer: to send the request again would be another one for its server,
 * which keeps nothing over a connection either. */
static void on_a_connection_the_answer_can_be_asked_for_again(void **state)
{
    (void)state;
    fake.edge.means.transports |= LOCATE_CAN(SIP_TP_TCP);
    send_to("sip:192.0.2.77;transport=tcp");
    fake_rx(RESP_VIA("SIP/2.0/TCP 192.0.2.1:5060;branch=" BRANCH, "200 OK", "2 BYE"));
    assert_int_equal(fake.told_cnt, 1);
    fake_wait(3000);
    assert_true(edge_is_idle(&fake.edge));
    for (int deaths = 0; deaths < 2; deaths++) {
        fake_forget();
        actor_down();
        actor_up();
        assert_int_equal(fake.told_cnt, 0); /* it is told when it asks */
        send_to("sip:192.0.2.77;transport=tcp");
        assert_int_equal(fake.sent_cnt, 0);
        assert_int_equal(fake.told_cnt, 1);
        assert_int_equal(told_response(0)->status, 200);
    }
    fake_wait(2000);
    assert_int_equal(txn_index_count(&fake.edge.index), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
        CASE(our_via_goes_first_and_the_request_is_repeated),
        CASE(an_ipv6_address_stands_in_brackets),
        CASE(responses_go_to_the_actor),
        CASE(the_transport_stands_in_the_uri),
        CASE(on_a_connection_nothing_is_repeated),
        CASE(on_a_connection_the_answer_can_be_asked_for_again),
        CASE(a_refusal_is_acknowledged_here),
        CASE(no_answer_is_told_after_64_t1),
        CASE(a_send_error_is_told),
        CASE(the_ack_of_a_2xx_is_only_sent),
        CASE(responses_that_are_not_ours_are_dropped),
        CASE(a_stray_2xx_of_an_invite_goes_to_its_actor),
        CASE(cancel_is_a_transaction_of_its_own),
        CASE(a_cancelled_invite_without_final_is_told),
        CASE(cancel_of_nothing_is_told),
        CASE(asked_again_sends_nothing_anew),
        CASE(a_response_while_the_actor_is_away_is_told_later),
        CASE(the_last_word_outlives_its_transaction),
        CASE(a_full_link_is_told_again),
        CASE(requests_that_cannot_be_sent),
        CASE(next_hop_may_be_an_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
