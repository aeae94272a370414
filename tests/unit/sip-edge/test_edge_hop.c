/* A request to a name: it waits for the name servers, then goes to a candidate. RFC 3263 §4. */
#include "tests/unit/sip-edge/hop_kit.h"
#include "tests/unit/sip-edge/zone.h"
#include "tests/unit/testkit.h"
#include <stdio.h>

static void the_first_candidate_gets_it(void **state)
{
    (void)state;
    hop_invite();
    assert_int_equal(fake.sent_cnt, 1);
    hop_assert_sent(0, "INVITE", 5071, TXN);
    hop_respond(0, "180 Ringing");
    hop_assert_told(180);
    hop_respond(0, "200 OK");
    hop_assert_told(200);
    fake_wait(40000);
    assert_int_equal(fake.edge.hops.count, 0);
    assert_int_equal(fake.edge.kept_bytes, 0);
}

static void it_waits_for_the_name_servers(void **state)
{
    (void)state;
    hop_dns.late = true;
    hop_invite();
    assert_int_equal(fake.sent_cnt + fake.told_cnt, 0);
    assert_false(edge_is_idle(&fake.edge));
    hop_invite(); /* asked again by an actor that came back: it waits on */
    assert_int_equal(fake.edge.waiting_cnt, 1);
    hop_answer_all();
    assert_int_equal(fake.sent_cnt, 1);
    hop_assert_sent(0, "INVITE", 5071, TXN);
    assert_int_equal(fake.edge.waiting_cnt, 0);
    hop_invite();
    assert_int_equal(fake.sent_cnt, 1);
}

static void the_addresses_are_asked_for_together(void **state)
{
    (void)state;
    hop_dns.late = true;
    hop_invite();
    assert_int_equal(hop_dns.asked_cnt, 1);
    struct dns_question q = hop_dns.asked[0];
    hop_dns.asked_cnt = 0;
    edge_on_dns(&fake.edge, &q, zone_answer(hop_dns.zone, &q), hop_now());
    assert_int_equal(hop_dns.asked_cnt, 2); /* both servers at once */
    q = hop_dns.asked[0];
    edge_on_dns(&fake.edge, &q, zone_answer(hop_dns.zone, &q), hop_now());
    assert_int_equal(fake.sent_cnt, 0); /* for the other one it waits a moment … */
    fake_wait(EDGE_HOP_MORE_MS - 1);
    assert_int_equal(fake.sent_cnt, 0);
    fake_wait(1);
    assert_int_equal(fake.sent_cnt, 1); /* … and no longer */
    hop_assert_sent(0, "INVITE", 5071, TXN);
    assert_int_equal(fake.edge.waiting_cnt, 0);
}

static void name_servers_that_are_silent(void **state)
{
    (void)state;
    hop_dns.late = true;
    hop_bye();
    fake_wait(EDGE_HOP_WAIT_MS - 1);
    assert_int_equal(fake.told_cnt, 0);
    fake_wait(1);
    hop_assert_failed(PLANE__TXN_FAILED__CAUSE__NO_ROUTE, "the name servers take too long");
    assert_int_equal(fake.edge.hops.count, 0);
    hop_request(TXN, "BYE", OUT("BYE", "2 BYE"), "sip:x.example", true);
    fake_wait(EDGE_HOP_WAIT_MS);
    hop_assert_sent(0, "BYE", 5099, TXN); /* the last resort */
}

static void a_name_that_leads_nowhere(void **state)
{
    (void)state;
    hop_request(TXN, "BYE", OUT("BYE", "2 BYE"), "sip:nowhere.example", false);
    hop_assert_failed(PLANE__TXN_FAILED__CAUSE__NO_ROUTE, "no address was found");
    hop_request(TXN, "BYE", OUT("BYE", "2 BYE"), "sip:nowhere.example", true);
    hop_assert_sent(0, "BYE", 5099, TXN);
    hop_respond(0, "200 OK");
    hop_assert_told(200);
    fake_forget();
    hop_request("z9hG4bKa0-ack", "ACK", OUT("ACK", "1 ACK"), "sip:nowhere.example", false);
    assert_int_equal(fake.sent_cnt + fake.told_cnt, 0); /* nobody waits for an ACK */
}

#define BYE_TO(uri) "BYE " uri " SIP/2.0\r\n" FIELDS
#define FIELDS                                                                                                         \
    "Max-Forwards: 70\r\nFrom: <sip:us@192.0.2.1>;tag=a0-t\r\nTo: <sip:bob@x.example>\r\nCall-ID: a0-call\r\n"         \
    "CSeq: 2 BYE\r\nContent-Length: 0\r\n\r\n"

/* RFC 3261 §26.2.2: over TLS or not at all, also when the route is a sip URI (§8.1.2). */
static void sips_has_no_last_resort_in_clear(void **state)
{
    static const struct {
        const char *next_hop, *raw;
    } rows[] = {
        {"sips:bob@192.0.2.77", BYE_TO("sips:bob@192.0.2.77")},
        {"sip:192.0.2.77;lr", BYE_TO("sips:bob@192.0.2.8")},
    };
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        const char *raw = rows[i].raw;
        fake.edge.means.transports = LOCATE_CAN(SIP_TP_UDP) | LOCATE_CAN(SIP_TP_TCP);
        hop_request(TXN, "BYE", raw, rows[i].next_hop, true);
        assert_int_equal(fake.sent_cnt, 0);
        hop_assert_failed(PLANE__TXN_FAILED__CAUSE__TRANSPORT, "transport is not there");
        fake.edge.means.transports |= LOCATE_CAN(SIP_TP_TLS);
        hop_request(TXN, "BYE", raw, rows[i].next_hop, true);
        assert_int_equal(fake_sent_back(0)->to.transport, SIP_TP_TLS);
        assert_int_equal(fake_sent_back(0)->to.port, 5061);
        hop_send_fails(0);
        hop_assert_failed(PLANE__TXN_FAILED__CAUSE__TRANSPORT, "cannot be sent");
        fake_wait(40000);
        assert_int_equal(fake.sent_cnt, 1);
        fake_forget();
    }
    hop_request(TXN, "BYE", BYE_TO("sips:bob@nowhere.example"), "sips:bob@nowhere.example", true);
    assert_int_equal(fake.sent_cnt, 0);
    hop_assert_failed(PLANE__TXN_FAILED__CAUSE__TRANSPORT, "no address was found");
}

/* A Contact of a family or transport we have no socket for. */
static void an_address_out_of_reach_leads_to_the_last_resort(void **state)
{
    static const char *const rows[] = {"sip:bob@[2001:db8::1]", "sip:bob@192.0.2.77;transport=sctp", "sip:0.0.0.0"};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        hop_request(TXN, "BYE", OUT("BYE", "2 BYE"), rows[i], true);
        hop_assert_sent(0, "BYE", 5099, TXN);
        fake_wait(40000);
        fake_forget();
    }
}

static void a_cancel_follows_the_candidate_in_use(void **state)
{
    (void)state;
    hop_invite();
    hop_respond(0, "503 Service Unavailable");
    hop_respond(0, "180 Ringing");
    fake_cancel(0, TXN, "");
    hop_assert_sent(0, "CANCEL", 5072, TXN ".2");
    hop_respond(0, "200 OK");
    hop_respond(1, "487 Request Terminated");
    hop_assert_sent(0, "ACK", 5072, TXN ".2");
    hop_assert_told(487);
}

static void what_is_cancelled_goes_no_further(void **state)
{
    (void)state;
    hop_invite();
    fake_cancel(0, TXN, "");
    hop_respond(0, "503 Service Unavailable");
    hop_assert_told(503);
    hop_dns.late = true;
    fake_wait(40000);
    fake_forget();
    hop_invite();
    fake_cancel(0, TXN, ""); /* while it waits */
    hop_assert_failed(PLANE__TXN_FAILED__CAUSE__TRANSPORT, "cancelled before it was sent");
    hop_answer_all();
    assert_int_equal(fake.sent_cnt, 0);
    assert_int_equal(fake.edge.hops.count, 0);
}

static void asked_again_it_goes_on_where_it_is(void **state)
{
    (void)state;
    hop_invite();
    hop_respond(0, "503 Service Unavailable");
    unsigned sent = fake.sent_cnt;
    hop_invite();
    assert_int_equal(fake.sent_cnt, sent);
    hop_respond(0, "180 Ringing");
    hop_invite();
    assert_int_equal(fake.told_cnt, 2);
    hop_assert_told(180);
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
    hop_dns.zone = many;
    hop_invite();
    struct fake_sent first = *fake_sent_back(0);
    (void)hop_teardown(NULL);
    (void)hop_setup(NULL);
    hop_dns.zone = many;
    hop_bye(); /* of the same call: the same way too */
    assert_memory_equal(&fake_sent_back(0)->to.peer, &first.to.peer, sizeof(first.to.peer));
    assert_int_equal(fake_sent_back(0)->to.port, first.to.port);
    hop_invite();
    assert_string_equal(fake_sent_back(0)->text, first.text);
    assert_int_equal(fake_sent_back(0)->to.port, first.to.port);
}

static void a_late_2xx_of_a_candidate_that_was_left(void **state)
{
    (void)state;
    hop_invite();
    hop_send_fails(0);
    hop_respond(0, "503 Service Unavailable");
    hop_assert_told(503);
    fake_wait(40000);
    fake_forget();
    fake_rx("SIP/2.0 200 OK\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=" TXN ".2\nFrom: <sip:us@192.0.2.1>;tag=a0-t\n"
            "To: <sip:bob@x.example>;tag=b\nCall-ID: a0-call\nCSeq: 1 INVITE\nContent-Length: 0\n\n");
    hop_assert_told(200);
}

static void an_ack_goes_the_way_of_its_call(void **state)
{
    (void)state;
    hop_dns.late = true;
    hop_request("z9hG4bKa0-ack", "ACK", OUT("ACK", "1 ACK"), "sip:x.example;transport=udp", false);
    assert_int_equal(fake.edge.waiting_cnt, 1);
    hop_dns.late = false;
    struct dns_question q = hop_dns.asked[0];
    edge_on_dns(&fake.edge, &q, zone_answer(hop_dns.zone, &q), hop_now());
    assert_int_equal(fake.sent_cnt, 1);
    hop_assert_sent(0, "ACK", 5071, "z9hG4bKa0-ack");
    assert_int_equal(fake.edge.hops.count, 0);
    assert_int_equal(txn_index_count(&fake.edge.index), 0);
}

static void no_more_than_a_number_wait(void **state)
{
    (void)state;
    hop_dns.late = true;
    for (unsigned i = 0; i < EDGE_HOPS_WAITING_MAX; i++) {
        char txn[32];
        hop_dns.asked_cnt = 0;
        (void)snprintf(txn, sizeof(txn), TXN "%u", i);
        hop_request(txn, "BYE", OUT("BYE", "2 BYE"), "sip:x.example", false);
    }
    assert_int_equal(fake.told_cnt, 0);
    hop_dns.asked_cnt = 0;
    hop_bye();
    hop_assert_failed(PLANE__TXN_FAILED__CAUSE__NO_ROOM, "too many requests wait for name servers");
    assert_int_equal(fake.edge.waiting_cnt, EDGE_HOPS_WAITING_MAX);
}

static void memory_may_run_out_anywhere(void **state)
{
    (void)state;
    for (unsigned n = 0;; n++) {
        (void)hop_teardown(NULL);
        (void)hop_setup(NULL);
        hop_dns.late = true;
        testkit_fail_alloc(n);
        hop_invite();
        hop_answer_all();
        hop_answer_all();
        hop_dns.late = false;
        if (fake.sent_cnt > 0)
            hop_send_fails(0);
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
#define CASE(f) cmocka_unit_test_setup_teardown(f, hop_setup, hop_teardown)
    const struct CMUnitTest tests[] = {
        CASE(the_first_candidate_gets_it),
        CASE(it_waits_for_the_name_servers),
        CASE(the_addresses_are_asked_for_together),
        CASE(name_servers_that_are_silent),
        CASE(a_name_that_leads_nowhere),
        CASE(sips_has_no_last_resort_in_clear),
        CASE(an_address_out_of_reach_leads_to_the_last_resort),
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
