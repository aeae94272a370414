/* From candidate to candidate: what leads to the next, and what does not. RFC 3263 §4.3. */
#include "sip-edge/edge_stat.h"
#include "tests/unit/sip-edge/hop_kit.h"
#include "tests/unit/testkit.h"

static void a_503_leads_to_the_next(void **state)
{
    (void)state;
    int64_t before = edge_stat_failovers();
    hop_invite();
    hop_respond(0, "503 Service Unavailable");
    assert_int_equal(fake.told_cnt, 0);
    assert_int_equal(fake.sent_cnt, 3);
    hop_assert_sent(1, "ACK", 5071, TXN); /* §17.1.1.3: to where the 503 came from */
    hop_assert_sent(0, "INVITE", 5072, TXN ".2");
    assert_string_equal(fake_header(fake_sent_back(0), "CSeq"), "1 INVITE");
    assert_int_equal(edge_stat_failovers(), before + 1);
    hop_respond(2, "503 Service Unavailable"); /* repeated: its ACK again, and nothing else */
    hop_assert_sent(0, "ACK", 5071, TXN);
    hop_respond(1, "180 Ringing");
    hop_assert_told(180);
    hop_respond(1, "200 OK");
    hop_assert_told(200);
    assert_int_equal(fake.told_cnt, 2);
    fake_wait(40000);
    assert_int_equal(txn_index_count(&fake.edge.index), 0);
    assert_int_equal(fake.edge.hops.count, 0);
}

static void the_last_ones_503_is_told(void **state)
{
    (void)state;
    hop_bye();
    hop_respond(0, "503 Service Unavailable");
    hop_respond(0, "503 Service Unavailable");
    hop_assert_told(503);
    assert_int_equal(fake.told_cnt, 1);
}

static void another_refusal_is_told(void **state)
{
    (void)state;
    hop_bye();
    hop_respond(0, "500 Server Internal Error");
    hop_assert_told(500);
    fake_wait(40000);
    assert_int_equal(fake.sent_cnt, 1);
}

static void silence_leads_to_the_next(void **state)
{
    (void)state;
    hop_bye();
    fake_wait(31999);
    unsigned sent = fake.sent_cnt;
    fake_wait(1);
    assert_int_equal(fake.told_cnt, 0);
    assert_int_equal(fake.sent_cnt, sent + 1);
    hop_assert_sent(0, "BYE", 5072, TXN ".2");
    fake_wait(32000);
    hop_assert_failed(PLANE__TXN_FAILED__CAUSE__TIMEOUT, "no final response");
    assert_int_equal(txn_index_count(&fake.edge.index), 0);
}

static void one_that_rang_is_not_left(void **state)
{
    (void)state;
    hop_request(TXN, "BYE", OUT("BYE", "2 BYE"), "sip:x.example;transport=udp", false);
    hop_respond(0, "183 Session Progress");
    fake_wait(32000);
    hop_assert_failed(PLANE__TXN_FAILED__CAUSE__TIMEOUT, "no final response");
}

static void a_transport_error_leads_to_the_next(void **state)
{
    (void)state;
    hop_invite();
    hop_send_fails(0);
    assert_int_equal(fake.told_cnt, 0);
    hop_assert_sent(0, "INVITE", 5072, TXN ".2");
    hop_send_fails(0);
    hop_assert_failed(PLANE__TXN_FAILED__CAUSE__TRANSPORT, "cannot be sent");
    assert_int_equal(fake.told_cnt, 1);
}

/* What ICMP quotes of the last request, n bytes of it. */
static void unreachable(size_t n)
{
    const struct fake_sent *s = fake_sent_back(0);
    edge_unreachable(&fake.edge, span_of(s->text, n < s->len ? n : s->len), hop_now());
}

static void a_closed_port_leads_to_the_next(void **state)
{
    (void)state;
    size_t enough = strlen("BYE sip:bob@x.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=" TXN ";");
    hop_bye();
    for (size_t n = 0; n < enough; n++)
        unreachable(n); /* too little to know whose it is */
    assert_int_equal(fake.sent_cnt, 1);
    unreachable(enough);
    assert_int_equal(fake.sent_cnt, 2);
    hop_assert_sent(0, "BYE", 5072, TXN ".2");
    unreachable(SIZE_MAX); /* the last one: it is repeated, until timer F */
    assert_int_equal(fake.told_cnt, 0);
    fake_wait(500);
    assert_int_equal(fake.sent_cnt, 3);
    hop_respond(0, "200 OK");
    hop_assert_told(200);
    unreachable(SIZE_MAX);
    edge_unreachable(&fake.edge, SPAN("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=" TXN ";x\r\n"),
                     hop_now());
    assert_int_equal(fake.told_cnt, 1);
}

static void one_that_failed_is_tried_last_for_a_while(void **state)
{
    (void)state;
    hop_invite();
    hop_send_fails(0);
    hop_respond(0, "486 Busy Here");
    fake_wait(LOCATE_BAD_MS - 1);
    hop_request("z9hG4bKa0-b", "BYE", OUT("BYE", "2 BYE"), "sip:x.example;transport=udp", false);
    hop_assert_sent(0, "BYE", 5072, "z9hG4bKa0-b");
    hop_respond(0, "200 OK");
    fake_wait(1);
    hop_request("z9hG4bKa0-c", "BYE", OUT("BYE", "3 BYE"), "sip:x.example;transport=udp", false);
    hop_assert_sent(0, "BYE", 5071, "z9hG4bKa0-c");
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, hop_setup, hop_teardown)
    const struct CMUnitTest tests[] = {
        CASE(a_503_leads_to_the_next),         CASE(the_last_ones_503_is_told),
        CASE(another_refusal_is_told),         CASE(silence_leads_to_the_next),
        CASE(one_that_rang_is_not_left),       CASE(a_transport_error_leads_to_the_next),
        CASE(a_closed_port_leads_to_the_next), CASE(one_that_failed_is_tried_last_for_a_while),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
