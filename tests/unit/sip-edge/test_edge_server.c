/* What the edge does with requests, against actors that are played by the test. */
#include "sip-edge/edge_stat.h"
#include "tests/unit/sip-edge/server_kit.h"
#include "tests/unit/testkit.h"
#include <stdio.h>

/* --- the ordinary way --- */

static void an_invite_gets_100_and_goes_to_the_actor(void **state)
{
    (void)state;
    fake_rx(INVITE);
    fake_wait(TRYING_MS - 1);
    assert_int_equal(fake.sent_cnt, 0); /* it ends the repeats: the actor must have had it for a while */
    fake_wait(1);
    assert_int_equal(fake.sent_cnt, 1);
    const struct fake_sent *s = fake_sent_back(0);
    assert_string_equal(fake_line(s), "SIP/2.0 100 Trying");
    assert_string_equal(fake_header(s, "Via"),
                        "SIP/2.0/UDP 192.0.2.10:5062;rport=5062;branch=z9hG4bKa;received=192.0.2.10");
    assert_string_equal(fake_header(s, "To"), "<sip:902121234567@192.0.2.1>");
    assert_int_equal(s->to.port, 5062);
    assert_int_equal(fake.told_cnt, 1);
    const Plane__RxRequest *r = kit_told_request(0);
    kit_assert_span(kit_span(r->txn), KEY);
    assert_string_equal(r->source->addr, "192.0.2.10");
    assert_int_equal(r->source->port, 5062);
    assert_string_equal(r->source->transport, "UDP");
    assert_string_equal(r->local_addr, "192.0.2.1");
    assert_false(r->repeated);
    static struct sip_msg m;
    assert_int_equal(sip_index_decode(&m, kit_span(r->raw), kit_span(r->index)), 0);
    kit_assert_span(m.call_id, "c1");
}

static void who_is_answered_soon_gets_no_100(void **state)
{
    (void)state;
    fake_rx(INVITE);
    fake_wait(TRYING_MS - 1);
    kit_answer(KEY, 180, RESP("180 Ringing", "z9hG4bKa", "1 INVITE"));
    fake_wait(10 * TRYING_MS);
    assert_int_equal(fake.sent_cnt, 1);
    kit_answer(KEY, 200, RESP("200 OK", "z9hG4bKa", "1 INVITE"));
    fake_wait(10 * TRYING_MS);
    assert_int_equal(fake.sent_cnt, 2);
}

static void a_100_says_how_long_it_took(void **state)
{
    (void)state;
    fake_rx("INVITE sip:1@192.0.2.1 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.10:5062;branch=z9hG4bKv\nTimestamp: 54.5\n"
            "From: <sip:a@b>;tag=1\nTo: <sip:1@b>\nCall-ID: v\nCSeq: 9 INVITE\n" END);
    fake_wait(TRYING_MS);
    assert_string_equal(fake_header(fake_sent_back(0), "Timestamp"), "54.5 0.150");
}

static void a_refused_call_is_repeated_until_its_ack(void **state)
{
    (void)state;
    fake_rx(INVITE);
    fake_forget();
    kit_answer(KEY, 486, RESP("486 Busy Here", "z9hG4bKa", "1 INVITE"));
    assert_string_equal(fake_line(fake_sent_back(0)), "SIP/2.0 486 Busy Here");
    fake_wait(500);
    fake_rx(INVITE);
    assert_int_equal(fake.sent_cnt, 3);
    fake_rx(REQ("ACK", "z9hG4bKa", ";tag=a0-x", "1 ACK"));
    fake_wait(4000);
    assert_int_equal(fake.sent_cnt, 3);
    assert_int_equal(fake.told_cnt, 0);
    assert_int_equal(txn_index_count(&fake.edge.index), 1);
    fake_wait(1000);
    assert_int_equal(txn_index_count(&fake.edge.index), 0);
}

static void an_answered_call_acks_through_to_the_actor(void **state)
{
    (void)state;
    fake_rx(INVITE);
    kit_answer(KEY, 200, RESP("200 OK", "z9hG4bKa", "1 INVITE"));
    fake_forget();
    fake_rx(INVITE); /* RFC 6026: absorbed */
    assert_int_equal(fake.sent_cnt + fake.told_cnt, 0);
    kit_answer(KEY, 200, RESP("200 OK", "z9hG4bKa", "1 INVITE")); /* the actor's own repeat */
    assert_int_equal(fake.sent_cnt, 1);
    fake_rx(REQ("ACK", "z9hG4bKack", ";tag=a0-x", "1 ACK"));
    assert_int_equal(kit_told_request(0)->txn.len, 0);
    fake_wait(33000);
    assert_int_equal(txn_index_count(&fake.edge.index), 0);
}

static void a_bye_is_absorbed_and_its_reply_repeated(void **state)
{
    (void)state;
    fake_rx(BYE);
    assert_int_equal(fake.sent_cnt, 0);
    kit_assert_span(kit_span(kit_told_request(0)->txn), BYE_KEY);
    fake_rx(BYE);
    assert_int_equal(fake.told_cnt, 1);
    kit_answer(BYE_KEY, 200, RESP("200 OK", "z9hG4bKb", "2 BYE"));
    fake_rx(BYE);
    assert_int_equal(fake.sent_cnt, 2);
    assert_string_equal(fake_line(fake_sent_back(0)), "SIP/2.0 200 OK");
}

static void a_client_without_rport_is_answered_at_its_via_port(void **state)
{
    (void)state;
    fake_rx_from("192.0.2.99", 40000,
                 "OPTIONS sip:192.0.2.1 SIP/2.0\nVia: SIP/2.0/UDP pc.example.com;branch=z9hG4bKo\n"
                 "From: <sip:a@b>;tag=1\nTo: <sip:192.0.2.1>\nCall-ID: x\nCSeq: 1 OPTIONS\n" END);
    const struct fake_sent *s = fake_sent_back(0);
    assert_int_equal(s->to.port, 5060);
    assert_string_equal(fake_header(s, "Via"), "SIP/2.0/UDP pc.example.com;branch=z9hG4bKo;received=192.0.2.99");
}

/* RFC 3581 §4: behind a NAT the port in Via is not the one the request came from. */
static void a_client_with_rport_is_answered_where_it_came_from(void **state)
{
    (void)state;
    fake_rx_from("192.0.2.99", 40000, INVITE);
    fake_wait(TRYING_MS);
    const struct fake_sent *s = fake_sent_back(0);
    assert_int_equal(s->to.port, 40000);
    assert_string_equal(fake_header(s, "Via"),
                        "SIP/2.0/UDP 192.0.2.10:5062;rport=40000;branch=z9hG4bKa;received=192.0.2.99");
    kit_answer(KEY, 486, RESP("486 Busy Here", "z9hG4bKa", "1 INVITE"));
    assert_int_equal(fake_sent_back(0)->to.port, 40000); /* the transaction knows better than the actor */
    assert_int_equal(kit_told_request(0)->source->port, 40000);
}

static void all_vias_and_record_routes_come_back_in_order(void **state)
{
    (void)state;
    fake_rx("INVITE sip:1@192.0.2.1 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.10:5062;branch=z9hG4bKv, SIP/2.0/UDP two\n"
            "Via: SIP/2.0/TCP three;branch=z\nFrom: <sip:a@b>;tag=1\nTo: <sip:1@b>\nCall-ID: v\nCSeq: 9 INVITE\n" END);
    fake_wait(TRYING_MS);
    const struct fake_sent *s = fake_sent_back(0);
    const char *one = strstr(s->text, "branch=z9hG4bKv");
    const char *two = strstr(s->text, "SIP/2.0/UDP two");
    const char *three = strstr(s->text, "SIP/2.0/TCP three");
    assert_true(one != NULL && two > one && three > two);
}

/* --- what the edge answers by itself --- */

static void options_says_what_is_understood(void **state)
{
    (void)state;
    kit_expect_reply(OPTIONS, "SIP/2.0 200 OK");
    const struct fake_sent *s = fake_sent_back(0);
    assert_string_equal(fake_header(s, "Allow"),
                        "INVITE, ACK, BYE, CANCEL, OPTIONS, REGISTER, UPDATE, PRACK, INFO, REFER");
    assert_string_equal(fake_header(s, "Accept"), "application/sdp, multipart/mixed, multipart/alternative");
    assert_string_equal(fake_header(s, "Accept-Encoding"), "identity");
    assert_string_equal(fake_header(s, "Accept-Language"), "en");
    assert_non_null(fake_header(s, "Supported"));
    fake_admit(0, false);
    kit_expect_reply(OPTIONS, "SIP/2.0 503 Service Unavailable");
    assert_non_null(fake_header(fake_sent_back(0), "Retry-After"));
}

static void options_in_a_dialog_goes_to_the_actor(void **state)
{
    (void)state;
    fake_rx(REQ("OPTIONS", "z9hG4bKo", ";tag=a0-x", "3 OPTIONS"));
    assert_int_equal(fake.sent_cnt, 0);
    assert_int_equal(fake.told_cnt, 1);
}

/* §8.2.1, §21.5.2 */
static void methods_not_built_get_405_and_unknown_ones_501(void **state)
{
    (void)state;
    static const char *const methods[] = {"SUBSCRIBE", "PUBLISH", "MESSAGE",
                                          "NOTIFY",    "FOO",     "invite"}; /* §7.1: methods are case-sensitive */
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        char text[1024];
        (void)snprintf(text, sizeof(text),
                       "%s sip:1@192.0.2.1 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.10:5062;branch=z9hG4bKm\n"
                       "From: <sip:a@b>;tag=1\nTo: <sip:1@b>\nCall-ID: m\nCSeq: 1 %s\n" END,
                       methods[i], methods[i]);
        bool known = i < 4;
        kit_expect_reply(text, known ? "SIP/2.0 405 Method Not Allowed" : "SIP/2.0 501 Not Implemented");
        assert_string_equal(fake_header(fake_sent_back(0), "Allow"),
                            "INVITE, ACK, BYE, CANCEL, OPTIONS, REGISTER, UPDATE, PRACK, INFO, REFER");
    }
}

static void requests_that_cannot_be_served(void **state)
{
    (void)state;
    kit_expect_reply("INVITE sip:1@192.0.2.1 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKh\nMax-Forwards: 0\n"
                     "From: <sip:a@b>;tag=1\nTo: <sip:1@b>\nCall-ID: h\nCSeq: 1 INVITE\n" END,
                     "SIP/2.0 483 Too Many Hops");
    kit_expect_reply(
        "INVITE sip:1@192.0.2.1 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKq\nRequire: 100rel, bar, foo\n"
        "From: <sip:a@b>;tag=1\nTo: <sip:1@b>\nCall-ID: q\nCSeq: 1 INVITE\n" END,
        "SIP/2.0 420 Bad Extension");
    assert_string_equal(fake_header(fake_sent_back(0), "Unsupported"), "bar");
    kit_expect_reply("INVITE http://192.0.2.1/ SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKu\n"
                     "From: <sip:a@b>;tag=1\nTo: <sip:1@b>\nCall-ID: u\nCSeq: 1 INVITE\n" END,
                     "SIP/2.0 416 Unsupported URI Scheme");
    kit_expect_reply(REQ("BYE", "z9hG4bKb", "", "2 BYE"), "SIP/2.0 481 Call/Transaction Does Not Exist");
    kit_expect_reply(REQ("BYE", "z9hG4bKb", ";tag=stranger", "2 BYE"), "SIP/2.0 481 Call/Transaction Does Not Exist");
    kit_expect_reply(REQ("BYE", "z9hG4bKb", ";tag=a7-x", "2 BYE"), "SIP/2.0 481 Call/Transaction Does Not Exist");
}

static void options_is_answered_at_its_last_hop(void **state)
{
    (void)state;
    kit_expect_reply("OPTIONS sip:192.0.2.1 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKh\nMax-Forwards: 0\n"
                     "From: <sip:a@b>;tag=1\nTo: <sip:1@b>\nCall-ID: h\nCSeq: 1 OPTIONS\n" END,
                     "SIP/2.0 200 OK");
}

static void malformed_requests_are_refused_by_name(void **state)
{
    (void)state;
    kit_expect_reply("INVITE sip:1@192.0.2.1 SIP/3.0\nVia: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKh\n"
                     "From: <sip:a@b>;tag=1\nTo: <sip:1@b>\nCall-ID: h\nCSeq: 1 INVITE\n" END,
                     "SIP/2.0 505 Version Not Supported");
    fake_forget();
    fake_rx(HEAD("INVITE", "z9hG4bKa", "", "1 INVITE") "Content-Length: nine\n\n");
    assert_int_equal(fake.sent_cnt, 1);
    assert_non_null(strstr(fake_line(fake_sent_back(0)), "SIP/2.0 400 "));
    assert_non_null(strstr(fake_line(fake_sent_back(0)), "Content-Length"));
    fake_forget();
    fake_rx(HEAD("INVITE", "z9hG4bKa", "", "1 INVITE") "Call-ID: again\n" END);
    assert_string_equal(fake_line(fake_sent_back(0)), "SIP/2.0 400 Repeated Header: Call-ID");
}

static void garbage_is_met_with_silence(void **state)
{
    (void)state;
    static const char *const junk[] = {
        "",
        "x",
        "\n\n",
        "\n\n\n\n\n\n\n\n",
        "123456789",
        "hello, is this SIP?\n\n",
        "INVITE sip:1@2 SIP/2.0\nFrom: x\n\n",                        /* nowhere to answer */
        "SIP/2.0 200 OK\nCall-ID: x\n\n",                             /* a faulty response */
        HEAD("ACK", "z9hG4bKa", "", "1 ACK") "Content-Length: x\n\n", /* never answer an ACK */
        REQ("ACK", "z9hG4bKa", "", "1 ACK"),                          /* … nor a stray one */
        REQ("ACK", "z9hG4bKa", ";tag=e0123456789abcdef", "1 ACK"),    /* of a refusal of the edge's own */
    };
    for (size_t i = 0; i < sizeof(junk) / sizeof(junk[0]); i++)
        kit_expect_nothing(junk[i]);
    fake_rx_from("192.0.2.10", 0, OPTIONS);
    assert_int_equal(fake.sent_cnt, 0);
}

static void stun_is_ignored(void **state)
{
    (void)state;
    static const char binding[] = "\x00\x01\x00\x00\x21\x12\xa4\x42"
                                  "abcdefghijkl";
    struct edge_path from = {.transport = SIP_TP_UDP, .port = 5062};
    int64_t before = edge_stat_drops(EDGE_DROP_STUN);
    edge_rx(&fake.edge, &from, span_of(binding, sizeof(binding) - 1), (struct now){.mono_ms = fake.now_ms});
    assert_int_equal(edge_stat_drops(EDGE_DROP_STUN), before + 1);
    assert_int_equal(fake.sent_cnt, 0);
}

static void the_same_request_on_two_ways_is_served_once(void **state)
{
    (void)state;
    fake_rx(INVITE);
    fake_forget();
    fake_rx(REQ("INVITE", "z9hG4bKother", "", "1 INVITE"));
    assert_int_equal(fake.told_cnt, 0);
    assert_string_equal(fake_line(fake_sent_back(0)), "SIP/2.0 482 Loop Detected");
    fake_rx(REQ("INVITE", "z9hG4bKnext", "", "2 INVITE")); /* another request: after a challenge, say */
    assert_int_equal(fake.told_cnt, 1);
}

/* --- CANCEL --- */

static void cancel_goes_to_the_actor_with_its_invite(void **state)
{
    (void)state;
    fake_rx(INVITE);
    fake_forget();
    fake_rx(CANCEL);
    const Plane__RxRequest *r = kit_told_request(0);
    kit_assert_span(kit_span(r->txn), CANCEL_KEY);
    kit_assert_span(kit_span(r->cancels), KEY);
    assert_int_equal(fake.sent_cnt, 0);
    kit_answer(CANCEL_KEY, 200, RESP("200 OK", "z9hG4bKa", "1 CANCEL"));
    kit_answer(KEY, 487, RESP("487 Request Terminated", "z9hG4bKa", "1 INVITE"));
    assert_int_equal(fake.sent_cnt, 2);
    fake_rx(CANCEL);
    assert_string_equal(fake_line(fake_sent_back(0)), "SIP/2.0 200 OK");
    assert_int_equal(fake.told_cnt, 1);
}

/* A young edge may have forgotten the INVITE; an old one cannot. */
static void cancel_of_an_unknown_invite(void **state)
{
    (void)state;
    fake_rx(CANCEL);
    kit_assert_span(kit_span(kit_told_request(0)->cancels), KEY);
    fake_wait(3700000);
    kit_expect_reply(CANCEL, "SIP/2.0 481 Call/Transaction Does Not Exist");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(fn) cmocka_unit_test_setup_teardown(fn, kit_setup, kit_teardown)
        CASE(an_invite_gets_100_and_goes_to_the_actor),
        CASE(who_is_answered_soon_gets_no_100),
        CASE(a_100_says_how_long_it_took),
        CASE(a_refused_call_is_repeated_until_its_ack),
        CASE(an_answered_call_acks_through_to_the_actor),
        CASE(a_bye_is_absorbed_and_its_reply_repeated),
        CASE(a_client_without_rport_is_answered_at_its_via_port),
        CASE(a_client_with_rport_is_answered_where_it_came_from),
        CASE(all_vias_and_record_routes_come_back_in_order),
        CASE(options_says_what_is_understood),
        CASE(options_in_a_dialog_goes_to_the_actor),
        CASE(methods_not_built_get_405_and_unknown_ones_501),
        CASE(requests_that_cannot_be_served),
        CASE(options_is_answered_at_its_last_hop),
        CASE(malformed_requests_are_refused_by_name),
        CASE(garbage_is_met_with_silence),
        CASE(stun_is_ignored),
        CASE(the_same_request_on_two_ways_is_served_once),
        CASE(cancel_goes_to_the_actor_with_its_invite),
        CASE(cancel_of_an_unknown_invite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
