#include "tests/unit/sip-edge/hop_kit.h"
#include "tests/unit/sip-edge/zone.h"
#include "tests/unit/testkit.h"
#include <stdio.h>

static const char *const two[] = {"SRV _sip._udp.x.example 10 0 5071 a.example",
                                  "SRV _sip._udp.x.example 20 0 5072 b.example", "A a.example 192.0.2.21",
                                  "A b.example 192.0.2.22", NULL};

struct hop_dns hop_dns;

struct now hop_now(void)
{
    return (struct now){.mono_ms = fake.now_ms};
}

static const struct dns_answer *on_ask(void *user, const struct dns_question *q)
{
    (void)user;
    assert_true(hop_dns.asked_cnt < 32);
    hop_dns.asked[hop_dns.asked_cnt++] = *q;
    return hop_dns.late ? NULL : zone_answer(hop_dns.zone, q);
}

void hop_answer_all(void)
{
    hop_dns.late = true;
    for (unsigned i = 0; i < hop_dns.asked_cnt; i++) {
        struct dns_question q = hop_dns.asked[i];
        edge_on_dns(&fake.edge, &q, zone_answer(hop_dns.zone, &q), hop_now());
    }
    hop_dns.asked_cnt = 0;
}

int hop_setup(void **state)
{
    (void)state;
    fake_begin(1, NULL);
    fake.edge.out.ask = on_ask;
    fake_actors_ready();
    memset(&hop_dns, 0, sizeof(hop_dns));
    hop_dns.zone = two;
    return 0;
}

int hop_teardown(void **state)
{
    (void)state;
    fake_end();
    return 0;
}

void hop_request(const char *txn, const char *method, const char *raw, const char *uri, bool with_dest)
{
    char name[32];
    char hop[128];
    char transport[] = "UDP";
    char addr[] = "192.0.2.99";
    Plane__Endpoint dest = PLANE__ENDPOINT__INIT;
    dest.transport = transport;
    dest.addr = addr;
    dest.port = 5099;
    Plane__SendRequest m = PLANE__SEND_REQUEST__INIT;
    assert_true(span_copy(name, sizeof(name), span_cstr(method)) && span_copy(hop, sizeof(hop), span_cstr(uri)));
    m.txn = (ProtobufCBinaryData){.len = strlen(txn), .data = (uint8_t *)(uintptr_t)txn};
    m.method = name;
    m.raw = (ProtobufCBinaryData){.len = strlen(raw), .data = (uint8_t *)(uintptr_t)raw};
    m.next_hop = hop;
    m.dest = with_dest ? &dest : NULL;
    assert_null(plane_check(PLANE_EDGE_SEND_REQUEST, &m.base));
    edge_on_actor(&fake.edge, 0, PLANE_EDGE_SEND_REQUEST, &m.base, hop_now());
}

void hop_invite(void)
{
    hop_request(TXN, "INVITE", OUT("INVITE", "1 INVITE"), "sip:x.example;transport=udp", false);
}

void hop_bye(void)
{
    hop_request(TXN, "BYE", OUT("BYE", "2 BYE"), "sip:x.example;transport=udp", false);
}

void hop_respond(unsigned back, const char *line)
{
    static struct sip_msg m;
    char text[2048];
    const struct fake_sent *s = fake_sent_back(back);
    assert_int_equal(sip_msg_decode(&m, span_of(s->text, s->len)), 0);
    (void)snprintf(text, sizeof(text),
                   "SIP/2.0 %s\nVia: %.*s\nFrom: <sip:us@192.0.2.1>;tag=a0-t\nTo: <sip:bob@x.example>;tag=b\n"
                   "Call-ID: a0-call\nCSeq: %u %.*s\nContent-Length: 0\n\n",
                   line, SPAN_ARG(m.via.all), (unsigned)m.cseq.num, SPAN_ARG(m.method_text));
    fake_rx(text);
}

void hop_assert_sent(unsigned back, const char *method, unsigned port, const char *branch)
{
    char via[128];
    const struct fake_sent *s = fake_sent_back(back);
    assert_true(span_starts(span_cstr(fake_line(s)), span_cstr(method)));
    assert_int_equal(s->to.port, port);
    (void)snprintf(via, sizeof(via), "SIP/2.0/UDP 192.0.2.1:5060;branch=%s;rport", branch);
    assert_string_equal(fake_header(s, "Via"), via);
}

void hop_assert_told(unsigned status)
{
    assert_int_equal(fake_told_back(0)->type, PLANE_EDGE_RX_RESPONSE);
    const Plane__RxResponse *r = (const void *)fake_told_back(0)->m;
    assert_int_equal(r->status, status);
    assert_true(span_eq(span_of((const char *)r->txn.data, r->txn.len), SPAN(TXN)));
}

void hop_assert_failed(Plane__TxnFailed__Cause cause, const char *why)
{
    assert_int_equal(fake_told_back(0)->type, PLANE_EDGE_TXN_FAILED);
    const Plane__TxnFailed *r = (const void *)fake_told_back(0)->m;
    assert_int_equal(r->cause, cause);
    assert_string_equal(r->detail, why);
    assert_true(span_eq(span_of((const char *)r->txn.data, r->txn.len), SPAN(TXN)));
}

void hop_send_fails(unsigned back)
{
    const struct fake_sent *s = fake_sent_back(back);
    edge_send_failed(&fake.edge, span_cstr(s->owner), false, hop_now());
}
