/* Responses whose connection is gone, and to whose sender none can be made: RFC 3261 §18.2.2, RFC 3263 §5. */
#include "sip-edge/edge_back.h"
#include "sip-edge/locate.h"
#include "tests/unit/sip-edge/fake.h"
#include "tests/unit/sip-edge/zone.h"
#include "tests/unit/testkit.h"
#include <stdio.h>
#include <stdlib.h>

static const char *const zone[] = {"SRV _sip._tcp.gw.example 0 0 5080 a.gw.example", "A a.gw.example 192.0.2.10",
                                   "A a.gw.example 192.0.2.11", "A h.gw.example 192.0.2.12", NULL};

static bool late;
static struct dns_question asked;
static unsigned asked_cnt;

static struct now now(void)
{
    return (struct now){.mono_ms = fake.now_ms};
}

static const struct dns_answer *on_ask(void *user, const struct dns_question *q)
{
    (void)user;
    asked = *q;
    asked_cnt++;
    return late ? NULL : zone_answer(zone, q);
}

static void begin(const char *trusted)
{
    struct edge_conf conf = {.public_ip = "192.0.2.1",
                             .public_port = 5060,
                             .shards = 1,
                             .t1_ms = 500,
                             .trusted = trusted,
                             .means = {.transports = LOCATE_CAN(SIP_TP_UDP) | LOCATE_CAN(SIP_TP_TCP), .v4 = true}};
    fake_begin(1, &conf);
    fake.edge.out.ask = on_ask;
    fake_actors_ready();
    late = false;
    asked_cnt = 0;
}

static int setup(void **state)
{
    (void)state;
    begin("192.0.2.0/24");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fake_end();
    return 0;
}

#define TEXT_MAX 1024

/* A request that came over TCP from 192.0.2.10, connection 7. */
static void request(const char *sent_by, const char *transport)
{
    char text[TEXT_MAX];
    struct edge_path from = {
        .transport = (uint8_t)sip_transport_lookup(span_cstr(transport)), .flow = 7, .port = 40000};
    int len =
        snprintf(text, sizeof(text),
                 "BYE sip:b@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/%s %s;branch=z9hG4bKb\r\nMax-Forwards: 70\r\n"
                 "From: <sip:a@gw.example>;tag=1\r\nTo: <sip:b@192.0.2.1>;tag=a0-x\r\nCall-ID: c\r\nCSeq: 2 BYE\r\n"
                 "Content-Length: 0\r\n\r\n",
                 transport, sent_by);
    assert_true(edge_addr_parse(SPAN("192.0.2.10"), &from.peer));
    edge_rx(&fake.edge, &from, span_of(text, (size_t)len), now());
    assert_int_equal(fake_told_back(0)->type, PLANE_EDGE_RX_REQUEST);
}

/* The actor's answer to it, which cannot be sent. */
static void answer_fails(const char *sent_by, const char *transport)
{
    char text[TEXT_MAX];
    char addr[] = "192.0.2.10";
    char tp[8];
    const Plane__RxRequest *r = (const void *)fake_told_back(0)->m;
    Plane__Endpoint dest = PLANE__ENDPOINT__INIT;
    Plane__SendReply m = PLANE__SEND_REPLY__INIT;
    int len = snprintf(text, sizeof(text),
                       "SIP/2.0 200 OK\r\nVia: SIP/2.0/%s %s;branch=z9hG4bKb\r\nFrom: <sip:a@gw.example>;tag=1\r\n"
                       "To: <sip:b@192.0.2.1>;tag=a0-x\r\nCall-ID: c\r\nCSeq: 2 BYE\r\nContent-Length: 0\r\n\r\n",
                       transport, sent_by);
    assert_true(span_copy(tp, sizeof(tp), span_cstr(transport)));
    dest.transport = tp;
    dest.addr = addr;
    dest.port = 40000;
    m.txn = r->txn;
    m.status = 200;
    m.raw = (ProtobufCBinaryData){.len = (size_t)len, .data = (uint8_t *)text};
    m.dest = &dest;
    edge_on_actor(&fake.edge, 0, PLANE_EDGE_SEND_REPLY, &m.base, now());
    assert_int_equal(fake.sent_cnt, 1);
    edge_send_failed(&fake.edge, span_cstr(fake_sent_back(0)->owner), true, now());
}

static void assert_sent_to(const char *ip, unsigned port)
{
    char addr[EDGE_ADDR_TEXT_SIZE];
    const struct edge_path *to = &fake_sent_back(0)->to;
    assert_int_equal(fake.sent_cnt, 2);
    assert_string_equal(edge_addr_text(&to->peer, addr), ip);
    assert_int_equal(to->port, port);
    assert_int_equal(to->transport, SIP_TP_TCP);
    assert_int_equal(to->flow, 0);
    assert_string_equal(fake_line(fake_sent_back(0)), "SIP/2.0 200 OK");
}

static void assert_given_up(void)
{
    assert_int_equal(fake.sent_cnt, 1);
    assert_int_equal(txn_index_count(&fake.edge.index), 0);
}

static void the_sent_by_is_located(void **state)
{
    (void)state;
    request("h.gw.example:5090", "TCP");
    answer_fails("h.gw.example:5090", "TCP");
    assert_sent_to("192.0.2.12", 5090);
    edge_send_failed(&fake.edge, span_cstr(fake_sent_back(0)->owner), true, now()); /* nor there */
    assert_int_equal(fake.sent_cnt, 2);
    assert_int_equal(txn_index_count(&fake.edge.index), 0);
}

static void without_a_port_by_srv(void **state)
{
    (void)state;
    request("gw.example", "TCP");
    answer_fails("gw.example", "TCP");
    assert_int_equal(fake_sent_back(0)->to.port, 5080);
    assert_int_equal(asked_cnt, 2);
}

static void it_waits_for_the_name_server(void **state)
{
    (void)state;
    late = true;
    request("h.gw.example:5090", "TCP");
    answer_fails("h.gw.example:5090", "TCP");
    assert_int_equal(fake.edge.back_cnt, 1);
    struct dns_question q = asked;
    edge_on_dns(&fake.edge, &q, zone_answer(zone, &q), now());
    assert_sent_to("192.0.2.12", 5090);
    assert_int_equal(fake.edge.back_cnt, 0);
}

static void and_not_for_ever(void **state)
{
    (void)state;
    late = true;
    request("h.gw.example:5090", "TCP");
    answer_fails("h.gw.example:5090", "TCP");
    fake_wait(EDGE_BACK_WAIT_MS);
    assert_int_equal(fake.edge.back_cnt, 0);
    assert_given_up();
}

/* Timer J of TCP is 0: nothing must be left pointing at it. */
static void its_transaction_may_be_gone_by_then(void **state)
{
    (void)state;
    late = true;
    request("h.gw.example:5090", "TCP");
    answer_fails("h.gw.example:5090", "TCP");
    edge_txn_drop(edge_txn_server(&fake.edge, span_cstr(fake_sent_back(0)->owner)));
    struct dns_question q = asked;
    edge_on_dns(&fake.edge, &q, zone_answer(zone, &q), now());
    assert_int_equal(fake.sent_cnt, 1);
    assert_int_equal(fake.edge.back_cnt, 0);
}

static void what_is_not_located(void **state)
{
    (void)state;
    static const struct {
        const char *sent_by;
        const char *transport;
    } rows[] = {
        {"192.0.2.77:22", "TCP"},     /* an address that its peer says of himself */
        {"h.gw.example:5090", "UDP"}, /* anybody can say so */
        {"nowhere.example:5090", "TCP"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        fake_forget();
        request(rows[i].sent_by, rows[i].transport);
        answer_fails(rows[i].sent_by, rows[i].transport);
        assert_given_up();
    }
    fake_end();
    begin("198.51.100.0/24"); /* a stranger */
    request("h.gw.example:5090", "TCP");
    answer_fails("h.gw.example:5090", "TCP");
    assert_given_up();
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(the_sent_by_is_located),
        CASE(without_a_port_by_srv),
        CASE(it_waits_for_the_name_server),
        CASE(and_not_for_ever),
        CASE(its_transaction_may_be_gone_by_then),
        CASE(what_is_not_located),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
