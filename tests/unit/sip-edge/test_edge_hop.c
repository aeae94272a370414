/* A request to a name: it waits for the name servers, then goes from candidate to candidate. RFC 3263 §4.3. */
#include "common/rt/bus.h"
#include "sip-edge/edge_hop.h"
#include "sip-edge/edge_stat.h"
#include "tests/unit/sip-edge/fake.h"
#include "tests/unit/sip-edge/zone.h"
#include "tests/unit/testkit.h"
#include <stdio.h>

#define TXN "z9hG4bKa0-abc"

#define OUT(method, cseq)                                                                                              \
    method " sip:bob@x.example SIP/2.0\r\n"                                                                            \
           "Max-Forwards: 70\r\n"                                                                                      \
           "From: <sip:us@192.0.2.1>;tag=a0-t\r\n"                                                                     \
           "To: <sip:bob@x.example>\r\n"                                                                               \
           "Call-ID: a0-call\r\n"                                                                                      \
           "CSeq: " cseq "\r\n"                                                                                        \
           "Content-Length: 0\r\n\r\n"

static const char *const two[] = {"SRV _sip._udp.x.example 10 0 5071 a.example",
                                  "SRV _sip._udp.x.example 20 0 5072 b.example", "A a.example 192.0.2.21",
                                  "A b.example 192.0.2.22", NULL};

static struct {
    const char *const *zone;
    bool late; /* answers come when the test says so */
    struct dns_question asked[32];
    unsigned asked_cnt;
} dns;

static struct now now(void)
{
    return (struct now){.mono_ms = fake.now_ms};
}

static const struct dns_answer *on_ask(void *user, const struct dns_question *q)
{
    (void)user;
    assert_true(dns.asked_cnt < 32);
    dns.asked[dns.asked_cnt++] = *q;
    return dns.late ? NULL : zone_answer(dns.zone, q);
}

/* Every question asked so far gets its answer, and those that follow from it. */
static void answer_all(void)
{
    dns.late = true;
    for (unsigned i = 0; i < dns.asked_cnt; i++) {
        struct dns_question q = dns.asked[i];
        edge_on_dns(&fake.edge, &q, zone_answer(dns.zone, &q), now());
    }
    dns.asked_cnt = 0;
}

static int setup(void **state)
{
    (void)state;
    fake_begin(1, NULL);
    fake.edge.out.ask = on_ask;
    fake_actors_ready();
    memset(&dns, 0, sizeof(dns));
    dns.zone = two;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fake_end();
    return 0;
}

/* An actor's request to a URI; with_dest: 192.0.2.99:5099 is its last resort. */
static void request(const char *txn, const char *method, const char *raw, const char *uri, bool with_dest)
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
    edge_on_actor(&fake.edge, 0, PLANE_EDGE_SEND_REQUEST, &m.base, now());
}

static void invite(void)
{
    request(TXN, "INVITE", OUT("INVITE", "1 INVITE"), "sip:x.example;transport=udp", false);
}

static void bye(void)
{
    request(TXN, "BYE", OUT("BYE", "2 BYE"), "sip:x.example;transport=udp", false);
}

/* A response to the last request that was sent (n back). */
static void respond(unsigned back, const char *line)
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

static void assert_sent(unsigned back, const char *method, unsigned port, const char *branch)
{
    char via[128];
    const struct fake_sent *s = fake_sent_back(back);
    assert_true(span_starts(span_cstr(fake_line(s)), span_cstr(method)));
    assert_int_equal(s->to.port, port);
    (void)snprintf(via, sizeof(via), "SIP/2.0/UDP 192.0.2.1:5060;branch=%s;rport", branch);
    assert_string_equal(fake_header(s, "Via"), via);
}

static void assert_told(unsigned status)
{
    assert_int_equal(fake_told_back(0)->type, PLANE_EDGE_RX_RESPONSE);
    const Plane__RxResponse *r = (const void *)fake_told_back(0)->m;
    assert_int_equal(r->status, status);
    assert_true(span_eq(span_of((const char *)r->txn.data, r->txn.len), SPAN(TXN)));
}

static void assert_failed(Plane__TxnFailed__Cause cause, const char *why)
{
    assert_int_equal(fake_told_back(0)->type, PLANE_EDGE_TXN_FAILED);
    const Plane__TxnFailed *r = (const void *)fake_told_back(0)->m;
    assert_int_equal(r->cause, cause);
    assert_string_equal(r->detail, why);
    assert_true(span_eq(span_of((const char *)r->txn.data, r->txn.len), SPAN(TXN)));
}

static void send_fails(unsigned back)
{
    const struct fake_sent *s = fake_sent_back(back);
    edge_send_failed(&fake.edge, span_cstr(s->owner), false, now());
}

/* --- */

static void the_first_candidate_gets_it(void **state)
{
    (void)state;
    invite();
    assert_int_equal(fake.sent_cnt, 1);
    assert_sent(0, "INVITE", 5071, TXN);
    respond(0, "180 Ringing");
    assert_told(180);
    respond(0, "200 OK");
    assert_told(200);
    fake_wait(40000);
    assert_int_equal(fake.edge.hops.count, 0);
    assert_int_equal(fake.edge.kept_bytes, 0);
}

static void it_waits_for_the_name_servers(void **state)
{
    (void)state;
    dns.late = true;
    invite();
    assert_int_equal(fake.sent_cnt + fake.told_cnt, 0);
    assert_false(edge_is_idle(&fake.edge));
    invite(); /* asked again by an actor that came back: it waits on */
    assert_int_equal(fake.edge.waiting_cnt, 1);
    answer_all();
    assert_int_equal(fake.sent_cnt, 1);
    assert_sent(0, "INVITE", 5071, TXN);
    assert_int_equal(fake.edge.waiting_cnt, 0);
    invite();
    assert_int_equal(fake.sent_cnt, 1);
}

static void the_addresses_are_asked_for_together(void **state)
{
    (void)state;
    dns.late = true;
    invite();
    assert_int_equal(dns.asked_cnt, 1);
    struct dns_question q = dns.asked[0];
    dns.asked_cnt = 0;
    edge_on_dns(&fake.edge, &q, zone_answer(dns.zone, &q), now());
    assert_int_equal(dns.asked_cnt, 2); /* both servers at once */
    q = dns.asked[0];
    edge_on_dns(&fake.edge, &q, zone_answer(dns.zone, &q), now());
    assert_int_equal(fake.sent_cnt, 0); /* for the other one it waits a moment … */
    fake_wait(EDGE_HOP_MORE_MS - 1);
    assert_int_equal(fake.sent_cnt, 0);
    fake_wait(1);
    assert_int_equal(fake.sent_cnt, 1); /* … and no longer */
    assert_sent(0, "INVITE", 5071, TXN);
    assert_int_equal(fake.edge.waiting_cnt, 0);
}

static void name_servers_that_are_silent(void **state)
{
    (void)state;
    dns.late = true;
    bye();
    fake_wait(EDGE_HOP_WAIT_MS - 1);
    assert_int_equal(fake.told_cnt, 0);
    fake_wait(1);
    assert_failed(PLANE__TXN_FAILED__CAUSE__NO_ROUTE, "the name servers take too long");
    assert_int_equal(fake.edge.hops.count, 0);
    request(TXN, "BYE", OUT("BYE", "2 BYE"), "sip:x.example", true);
    fake_wait(EDGE_HOP_WAIT_MS);
    assert_sent(0, "BYE", 5099, TXN); /* the last resort */
}

static void a_name_that_leads_nowhere(void **state)
{
    (void)state;
    request(TXN, "BYE", OUT("BYE", "2 BYE"), "sip:nowhere.example", false);
    assert_failed(PLANE__TXN_FAILED__CAUSE__NO_ROUTE, "no address was found");
    request(TXN, "BYE", OUT("BYE", "2 BYE"), "sip:nowhere.example", true);
    assert_sent(0, "BYE", 5099, TXN);
    respond(0, "200 OK");
    assert_told(200);
    fake_forget();
    request("z9hG4bKa0-ack", "ACK", OUT("ACK", "1 ACK"), "sip:nowhere.example", false);
    assert_int_equal(fake.sent_cnt + fake.told_cnt, 0); /* nobody waits for an ACK */
}

static void a_503_leads_to_the_next(void **state)
{
    (void)state;
    int64_t before = edge_stat_failovers();
    invite();
    respond(0, "503 Service Unavailable");
    assert_int_equal(fake.told_cnt, 0);
    assert_int_equal(fake.sent_cnt, 3);
    assert_sent(1, "ACK", 5071, TXN); /* §17.1.1.3: to where the 503 came from */
    assert_sent(0, "INVITE", 5072, TXN ".2");
    assert_string_equal(fake_header(fake_sent_back(0), "CSeq"), "1 INVITE");
    assert_int_equal(edge_stat_failovers(), before + 1);
    respond(2, "503 Service Unavailable"); /* repeated: its ACK again, and nothing else */
    assert_sent(0, "ACK", 5071, TXN);
    respond(1, "180 Ringing");
    assert_told(180);
    respond(1, "200 OK");
    assert_told(200);
    assert_int_equal(fake.told_cnt, 2);
    fake_wait(40000);
    assert_int_equal(txn_index_count(&fake.edge.index), 0);
    assert_int_equal(fake.edge.hops.count, 0);
}

static void the_last_ones_503_is_told(void **state)
{
    (void)state;
    bye();
    respond(0, "503 Service Unavailable");
    respond(0, "503 Service Unavailable");
    assert_told(503);
    assert_int_equal(fake.told_cnt, 1);
}

static void another_refusal_is_told(void **state)
{
    (void)state;
    bye();
    respond(0, "500 Server Internal Error");
    assert_told(500);
    fake_wait(40000);
    assert_int_equal(fake.sent_cnt, 1);
}

static void silence_leads_to_the_next(void **state)
{
    (void)state;
    bye();
    fake_wait(31999);
    unsigned sent = fake.sent_cnt;
    fake_wait(1);
    assert_int_equal(fake.told_cnt, 0);
    assert_int_equal(fake.sent_cnt, sent + 1);
    assert_sent(0, "BYE", 5072, TXN ".2");
    fake_wait(32000);
    assert_failed(PLANE__TXN_FAILED__CAUSE__TIMEOUT, "no final response");
    assert_int_equal(txn_index_count(&fake.edge.index), 0);
}

static void one_that_rang_is_not_left(void **state)
{
    (void)state;
    request(TXN, "BYE", OUT("BYE", "2 BYE"), "sip:x.example;transport=udp", false);
    respond(0, "183 Session Progress");
    fake_wait(32000);
    assert_failed(PLANE__TXN_FAILED__CAUSE__TIMEOUT, "no final response");
}

static void a_transport_error_leads_to_the_next(void **state)
{
    (void)state;
    invite();
    send_fails(0);
    assert_int_equal(fake.told_cnt, 0);
    assert_sent(0, "INVITE", 5072, TXN ".2");
    send_fails(0);
    assert_failed(PLANE__TXN_FAILED__CAUSE__TRANSPORT, "cannot be sent");
    assert_int_equal(fake.told_cnt, 1);
}

/* What ICMP quotes of the last request, n bytes of it. */
static void unreachable(size_t n)
{
    const struct fake_sent *s = fake_sent_back(0);
    edge_unreachable(&fake.edge, span_of(s->text, n < s->len ? n : s->len), now());
}

static void a_closed_port_leads_to_the_next(void **state)
{
    (void)state;
    size_t enough = strlen("BYE sip:bob@x.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=" TXN ";");
    bye();
    for (size_t n = 0; n < enough; n++)
        unreachable(n); /* too little to know whose it is */
    assert_int_equal(fake.sent_cnt, 1);
    unreachable(enough);
    assert_int_equal(fake.sent_cnt, 2);
    assert_sent(0, "BYE", 5072, TXN ".2");
    unreachable(SIZE_MAX); /* the last one: it is repeated, until timer F */
    assert_int_equal(fake.told_cnt, 0);
    fake_wait(500);
    assert_int_equal(fake.sent_cnt, 3);
    respond(0, "200 OK");
    assert_told(200);
    unreachable(SIZE_MAX);
    edge_unreachable(&fake.edge, SPAN("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=" TXN ";x\r\n"), now());
    assert_int_equal(fake.told_cnt, 1);
}

static void one_that_failed_is_tried_last_for_a_while(void **state)
{
    (void)state;
    invite();
    send_fails(0);
    respond(0, "486 Busy Here");
    fake_wait(LOCATE_BAD_MS - 1);
    request("z9hG4bKa0-b", "BYE", OUT("BYE", "2 BYE"), "sip:x.example;transport=udp", false);
    assert_sent(0, "BYE", 5072, "z9hG4bKa0-b");
    respond(0, "200 OK");
    fake_wait(1);
    request("z9hG4bKa0-c", "BYE", OUT("BYE", "3 BYE"), "sip:x.example;transport=udp", false);
    assert_sent(0, "BYE", 5071, "z9hG4bKa0-c");
}

static void a_cancel_follows_the_candidate_in_use(void **state)
{
    (void)state;
    invite();
    respond(0, "503 Service Unavailable");
    respond(0, "180 Ringing");
    fake_cancel(0, TXN, "");
    assert_sent(0, "CANCEL", 5072, TXN ".2");
    respond(0, "200 OK");
    respond(1, "487 Request Terminated");
    assert_sent(0, "ACK", 5072, TXN ".2");
    assert_told(487);
}

static void what_is_cancelled_goes_no_further(void **state)
{
    (void)state;
    invite();
    fake_cancel(0, TXN, "");
    respond(0, "503 Service Unavailable");
    assert_told(503);
    dns.late = true;
    fake_wait(40000);
    fake_forget();
    invite();
    fake_cancel(0, TXN, ""); /* while it waits */
    assert_failed(PLANE__TXN_FAILED__CAUSE__TRANSPORT, "cancelled before it was sent");
    answer_all();
    assert_int_equal(fake.sent_cnt, 0);
    assert_int_equal(fake.edge.hops.count, 0);
}

static void asked_again_it_goes_on_where_it_is(void **state)
{
    (void)state;
    invite();
    respond(0, "503 Service Unavailable");
    unsigned sent = fake.sent_cnt;
    invite();
    assert_int_equal(fake.sent_cnt, sent);
    respond(0, "180 Ringing");
    invite();
    assert_int_equal(fake.told_cnt, 2);
    assert_told(180);
}

/* The edge was killed: its successor knows nothing but what the actor asks again. */
static void after_a_restart_the_same_way(void **state)
{
    (void)state;
    static const char *const many[] = {"SRV _sip._udp.x.example 10 10 5071 a.example",
                                       "SRV _sip._udp.x.example 10 10 5072 a.example",
                                       "SRV _sip._udp.x.example 10 10 5073 a.example",
                                       "A a.example 192.0.2.21",
                                       "A a.example 192.0.2.22",
                                       NULL};
    dns.zone = many;
    invite();
    struct fake_sent first = *fake_sent_back(0);
    (void)teardown(NULL);
    (void)setup(NULL);
    dns.zone = many;
    bye(); /* of the same call: the same way too */
    assert_memory_equal(&fake_sent_back(0)->to.peer, &first.to.peer, sizeof(first.to.peer));
    assert_int_equal(fake_sent_back(0)->to.port, first.to.port);
    invite();
    assert_string_equal(fake_sent_back(0)->text, first.text);
    assert_int_equal(fake_sent_back(0)->to.port, first.to.port);
}

static void a_late_2xx_of_a_candidate_that_was_left(void **state)
{
    (void)state;
    invite();
    send_fails(0);
    respond(0, "503 Service Unavailable");
    assert_told(503);
    fake_wait(40000);
    fake_forget();
    fake_rx("SIP/2.0 200 OK\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=" TXN ".2\nFrom: <sip:us@192.0.2.1>;tag=a0-t\n"
            "To: <sip:bob@x.example>;tag=b\nCall-ID: a0-call\nCSeq: 1 INVITE\nContent-Length: 0\n\n");
    assert_told(200);
}

static void an_ack_goes_the_way_of_its_call(void **state)
{
    (void)state;
    dns.late = true;
    request("z9hG4bKa0-ack", "ACK", OUT("ACK", "1 ACK"), "sip:x.example;transport=udp", false);
    assert_int_equal(fake.edge.waiting_cnt, 1);
    dns.late = false;
    struct dns_question q = dns.asked[0];
    edge_on_dns(&fake.edge, &q, zone_answer(dns.zone, &q), now());
    assert_int_equal(fake.sent_cnt, 1);
    assert_sent(0, "ACK", 5071, "z9hG4bKa0-ack");
    assert_int_equal(fake.edge.hops.count, 0);
    assert_int_equal(txn_index_count(&fake.edge.index), 0);
}

static void no_more_than_a_number_wait(void **state)
{
    (void)state;
    dns.late = true;
    for (unsigned i = 0; i < EDGE_HOPS_WAITING_MAX; i++) {
        char txn[32];
        dns.asked_cnt = 0;
        (void)snprintf(txn, sizeof(txn), TXN "%u", i);
        request(txn, "BYE", OUT("BYE", "2 BYE"), "sip:x.example", false);
    }
    assert_int_equal(fake.told_cnt, 0);
    dns.asked_cnt = 0;
    bye();
    assert_failed(PLANE__TXN_FAILED__CAUSE__NO_ROUTE, "too many requests wait for name servers");
    assert_int_equal(fake.edge.waiting_cnt, EDGE_HOPS_WAITING_MAX);
}

static void memory_may_run_out_anywhere(void **state)
{
    (void)state;
    for (unsigned n = 0;; n++) {
        (void)teardown(NULL);
        (void)setup(NULL);
        dns.late = true;
        testkit_fail_alloc(n);
        invite();
        answer_all();
        answer_all();
        dns.late = false;
        if (fake.sent_cnt > 0)
            send_fails(0);
        bool failed = testkit_alloc_failed();
        fake_wait(80000);
        assert_true(fake.told_cnt > 0 || failed);
        assert_int_equal(fake.edge.hops.count, 0);
        if (!failed)
            break;
    }
}

static void the_branch_of_a_further_candidate(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"z9hG4bKa0-abc", "z9hG4bKa0-abc"},
        {"z9hG4bKa0-abc.2", "z9hG4bKa0-abc"},
        {"z9hG4bKa0-abc.", "z9hG4bKa0-abc."},
        {"z9hG4bKa0-ab7", "z9hG4bKa0-ab7"},
        {"z9hG4bKa0.x-2", "z9hG4bKa0.x-2"},
        {"", ""},
        {"2", "2"},
        {".2", ".2"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_true(span_eq(edge_hop_txn_of(span_cstr(rows[i][0])), span_cstr(rows[i][1])));
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(the_first_candidate_gets_it),
        CASE(it_waits_for_the_name_servers),
        CASE(the_addresses_are_asked_for_together),
        CASE(name_servers_that_are_silent),
        CASE(a_name_that_leads_nowhere),
        CASE(a_503_leads_to_the_next),
        CASE(the_last_ones_503_is_told),
        CASE(another_refusal_is_told),
        CASE(silence_leads_to_the_next),
        CASE(one_that_rang_is_not_left),
        CASE(a_transport_error_leads_to_the_next),
        CASE(a_closed_port_leads_to_the_next),
        CASE(one_that_failed_is_tried_last_for_a_while),
        CASE(a_cancel_follows_the_candidate_in_use),
        CASE(what_is_cancelled_goes_no_further),
        CASE(asked_again_it_goes_on_where_it_is),
        CASE(after_a_restart_the_same_way),
        CASE(a_late_2xx_of_a_candidate_that_was_left),
        CASE(an_ack_goes_the_way_of_its_call),
        CASE(no_more_than_a_number_wait),
        CASE(memory_may_run_out_anywhere),
        CASE(the_branch_of_a_further_candidate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
