/* What the edge does with requests, against actors that are played by the test. */
#include "common/rt/bus.h"
#include "sip-edge/edge_stat.h"
#include "tests/unit/sip-edge/fake.h"
#include "tests/unit/testkit.h"
#include <stdio.h>

#define KEY "z9hG4bKa;192.0.2.10:5062;INVITE"

#define HEAD(method, branch, to_tag, cseq)                                                                             \
    method " sip:902121234567@192.0.2.1 SIP/2.0\n"                                                                     \
           "Via: SIP/2.0/UDP 192.0.2.10:5062;rport;branch=" branch "\n"                                                \
           "Max-Forwards: 70\n"                                                                                        \
           "From: <sip:alice@192.0.2.10>;tag=f1\n"                                                                     \
           "To: <sip:902121234567@192.0.2.1>" to_tag "\n"                                                              \
           "Call-ID: c1\n"                                                                                             \
           "CSeq: " cseq "\n"

#define END "Content-Length: 0\n\n"
#define REQ(method, branch, to_tag, cseq) HEAD(method, branch, to_tag, cseq) END
#define INVITE REQ("INVITE", "z9hG4bKa", "", "1 INVITE")
#define REINVITE REQ("INVITE", "z9hG4bKr", ";tag=a0-x", "2 INVITE")
#define BYE REQ("BYE", "z9hG4bKb", ";tag=a0-x", "2 BYE")
#define BYE_KEY "z9hG4bKb;192.0.2.10:5062;BYE"
#define CANCEL REQ("CANCEL", "z9hG4bKa", "", "1 CANCEL")
#define CANCEL_KEY "z9hG4bKa;192.0.2.10:5062;CANCEL"
#define OPTIONS REQ("OPTIONS", "z9hG4bKo", "", "1 OPTIONS")

#define RESP(line, branch, cseq)                                                                                       \
    "SIP/2.0 " line "\n"                                                                                               \
    "Via: SIP/2.0/UDP 192.0.2.10:5062;rport=5062;received=192.0.2.10;branch=" branch "\n"                              \
    "From: <sip:alice@192.0.2.10>;tag=f1\n"                                                                            \
    "To: <sip:902121234567@192.0.2.1>;tag=a0-x\n"                                                                      \
    "Call-ID: c1\n"                                                                                                    \
    "CSeq: " cseq "\n" END

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

static struct span span_data(ProtobufCBinaryData d)
{
    return span_of((const char *)d.data, d.len);
}

static const Plane__RxRequest *told_request(unsigned back)
{
    const struct fake_told *t = fake_told_back(back);
    assert_int_equal(t->type, PLANE_EDGE_RX_REQUEST);
    return (const void *)t->m;
}

static void assert_span(struct span s, const char *z)
{
    assert_true(span_eq(s, span_cstr(z)));
}

static void answer(const char *key, unsigned status, const char *text)
{
    fake_reply(0, key, status, text, "192.0.2.10", 5062);
}

/* --- the ordinary way --- */

static void an_invite_gets_100_and_goes_to_the_actor(void **state)
{
    (void)state;
    fake_rx(INVITE);
    assert_int_equal(fake.sent_cnt, 1);
    const struct fake_sent *s = fake_sent_back(0);
    assert_string_equal(fake_line(s), "SIP/2.0 100 Trying");
    assert_string_equal(fake_header(s, "Via"),
                        "SIP/2.0/UDP 192.0.2.10:5062;rport=5062;branch=z9hG4bKa;received=192.0.2.10");
    assert_string_equal(fake_header(s, "To"), "<sip:902121234567@192.0.2.1>");
    assert_int_equal(s->to.port, 5062);
    assert_int_equal(fake.told_cnt, 1);
    const Plane__RxRequest *r = told_request(0);
    assert_span(span_data(r->txn), KEY);
    assert_string_equal(r->source->addr, "192.0.2.10");
    assert_int_equal(r->source->port, 5062);
    assert_string_equal(r->source->transport, "UDP");
    assert_string_equal(r->local_addr, "192.0.2.1");
    assert_false(r->repeated);
    static struct sip_msg m;
    assert_int_equal(sip_index_decode(&m, span_data(r->raw), span_data(r->index)), 0);
    assert_span(m.call_id, "c1");
}

static void a_refused_call_is_repeated_until_its_ack(void **state)
{
    (void)state;
    fake_rx(INVITE);
    fake_forget();
    answer(KEY, 486, RESP("486 Busy Here", "z9hG4bKa", "1 INVITE"));
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
    answer(KEY, 200, RESP("200 OK", "z9hG4bKa", "1 INVITE"));
    fake_forget();
    fake_rx(INVITE); /* RFC 6026: absorbed */
    assert_int_equal(fake.sent_cnt + fake.told_cnt, 0);
    answer(KEY, 200, RESP("200 OK", "z9hG4bKa", "1 INVITE")); /* the actor's own repeat */
    assert_int_equal(fake.sent_cnt, 1);
    fake_rx(REQ("ACK", "z9hG4bKack", ";tag=a0-x", "1 ACK"));
    assert_int_equal(told_request(0)->txn.len, 0);
    fake_wait(33000);
    assert_int_equal(txn_index_count(&fake.edge.index), 0);
}

static void a_bye_is_absorbed_and_its_reply_repeated(void **state)
{
    (void)state;
    fake_rx(BYE);
    assert_int_equal(fake.sent_cnt, 0);
    assert_span(span_data(told_request(0)->txn), BYE_KEY);
    fake_rx(BYE);
    assert_int_equal(fake.told_cnt, 1);
    answer(BYE_KEY, 200, RESP("200 OK", "z9hG4bKb", "2 BYE"));
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

static void all_vias_and_record_routes_come_back_in_order(void **state)
{
    (void)state;
    fake_rx("INVITE sip:1@192.0.2.1 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.10:5062;branch=z9hG4bKv, SIP/2.0/UDP two\n"
            "Via: SIP/2.0/TCP three;branch=z\nFrom: <sip:a@b>;tag=1\nTo: <sip:1@b>\nCall-ID: v\nCSeq: 9 INVITE\n" END);
    const struct fake_sent *s = fake_sent_back(0);
    const char *one = strstr(s->text, "branch=z9hG4bKv");
    const char *two = strstr(s->text, "SIP/2.0/UDP two");
    const char *three = strstr(s->text, "SIP/2.0/TCP three");
    assert_true(one != NULL && two > one && three > two);
}

/* --- what the edge answers by itself --- */

static void expect_reply(const char *text, const char *line)
{
    fake_forget();
    fake_rx(text);
    assert_int_equal(fake.told_cnt, 0);
    assert_int_equal(fake.sent_cnt, 1);
    assert_string_equal(fake_line(fake_sent_back(0)), line);
    assert_int_equal(txn_index_count(&fake.edge.index), 0);
    assert_non_null(strstr(fake_header(fake_sent_back(0), "To"), "tag="));
    /* no state, but the same reply: RFC 3261 §8.2.7 */
    fake_rx(text);
    assert_string_equal(fake_sent_back(0)->text, fake_sent_back(1)->text);
}

static void expect_nothing(const char *text)
{
    fake_forget();
    fake_rx(text);
    assert_int_equal(fake.told_cnt + fake.sent_cnt, 0);
    assert_int_equal(txn_index_count(&fake.edge.index), 0);
}

static void options_says_what_is_understood(void **state)
{
    (void)state;
    expect_reply(OPTIONS, "SIP/2.0 200 OK");
    const struct fake_sent *s = fake_sent_back(0);
    assert_string_equal(fake_header(s, "Allow"), "INVITE, ACK, BYE, CANCEL, OPTIONS");
    assert_string_equal(fake_header(s, "Accept"), "application/sdp");
    assert_non_null(fake_header(s, "Supported"));
    fake_admit(0, false);
    expect_reply(OPTIONS, "SIP/2.0 503 Service Unavailable");
    assert_non_null(fake_header(fake_sent_back(0), "Retry-After"));
}

static void options_in_a_dialog_goes_to_the_actor(void **state)
{
    (void)state;
    fake_rx(REQ("OPTIONS", "z9hG4bKo", ";tag=a0-x", "3 OPTIONS"));
    assert_int_equal(fake.sent_cnt, 0);
    assert_int_equal(fake.told_cnt, 1);
}

static void methods_not_built_get_405(void **state)
{
    (void)state;
    static const char *const methods[] = {"REGISTER", "REFER",  "SUBSCRIBE", "PUBLISH", "MESSAGE",
                                          "INFO",     "UPDATE", "PRACK",     "NOTIFY",  "FOO"};
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        char text[1024];
        (void)snprintf(text, sizeof(text),
                       "%s sip:1@192.0.2.1 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.10:5062;branch=z9hG4bKm\n"
                       "From: <sip:a@b>;tag=1\nTo: <sip:1@b>\nCall-ID: m\nCSeq: 1 %s\n" END,
                       methods[i], methods[i]);
        expect_reply(text, "SIP/2.0 405 Method Not Allowed");
        assert_string_equal(fake_header(fake_sent_back(0), "Allow"), "INVITE, ACK, BYE, CANCEL, OPTIONS");
    }
}

static void requests_that_cannot_be_served(void **state)
{
    (void)state;
    expect_reply("INVITE sip:1@192.0.2.1 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKh\nMax-Forwards: 0\n"
                 "From: <sip:a@b>;tag=1\nTo: <sip:1@b>\nCall-ID: h\nCSeq: 1 INVITE\n" END,
                 "SIP/2.0 483 Too Many Hops");
    expect_reply("INVITE sip:1@192.0.2.1 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKq\nRequire: 100rel, foo\n"
                 "From: <sip:a@b>;tag=1\nTo: <sip:1@b>\nCall-ID: q\nCSeq: 1 INVITE\n" END,
                 "SIP/2.0 420 Bad Extension");
    assert_string_equal(fake_header(fake_sent_back(0), "Unsupported"), "100rel");
    expect_reply("INVITE http://192.0.2.1/ SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKu\n"
                 "From: <sip:a@b>;tag=1\nTo: <sip:1@b>\nCall-ID: u\nCSeq: 1 INVITE\n" END,
                 "SIP/2.0 416 Unsupported URI Scheme");
    expect_reply(REQ("BYE", "z9hG4bKb", "", "2 BYE"), "SIP/2.0 481 Call/Transaction Does Not Exist");
    expect_reply(REQ("BYE", "z9hG4bKb", ";tag=stranger", "2 BYE"), "SIP/2.0 481 Call/Transaction Does Not Exist");
    expect_reply(REQ("BYE", "z9hG4bKb", ";tag=a7-x", "2 BYE"), "SIP/2.0 481 Call/Transaction Does Not Exist");
}

static void options_is_answered_at_its_last_hop(void **state)
{
    (void)state;
    expect_reply("OPTIONS sip:192.0.2.1 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKh\nMax-Forwards: 0\n"
                 "From: <sip:a@b>;tag=1\nTo: <sip:1@b>\nCall-ID: h\nCSeq: 1 OPTIONS\n" END,
                 "SIP/2.0 200 OK");
}

static void malformed_requests_are_refused_by_name(void **state)
{
    (void)state;
    expect_reply("INVITE sip:1@192.0.2.1 SIP/3.0\nVia: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKh\n"
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
        expect_nothing(junk[i]);
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
    const Plane__RxRequest *r = told_request(0);
    assert_span(span_data(r->txn), CANCEL_KEY);
    assert_span(span_data(r->cancels), KEY);
    assert_int_equal(fake.sent_cnt, 0);
    answer(CANCEL_KEY, 200, RESP("200 OK", "z9hG4bKa", "1 CANCEL"));
    answer(KEY, 487, RESP("487 Request Terminated", "z9hG4bKa", "1 INVITE"));
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
    assert_span(span_data(told_request(0)->cancels), KEY);
    fake_wait(3700000);
    expect_reply(CANCEL, "SIP/2.0 481 Call/Transaction Does Not Exist");
}

/* --- admission --- */

static void expect_503(const char *text)
{
    expect_reply(text, "SIP/2.0 503 Service Unavailable");
    uint32_t after;
    assert_int_equal(span_to_u32(span_cstr(fake_header(fake_sent_back(0), "Retry-After")), 100, &after), 0);
    assert_in_range(after, 5, 15);
}

static void before_the_actor_is_ready_calls_get_503(void **state)
{
    (void)state;
    fake_end();
    fake_begin(1, NULL);
    expect_503(INVITE);
    expect_503(OPTIONS);
    edge_actor_up(&fake.edge, 0, (struct now){.mono_ms = fake.now_ms});
    expect_503(INVITE);
    fake_admit(0, true);
    fake_forget();
    fake_rx(INVITE);
    assert_string_equal(fake_line(fake_sent_back(0)), "SIP/2.0 100 Trying");
}

static void calls_are_refused_when_told_to_and_dialogs_are_not(void **state)
{
    (void)state;
    const char *why;
    fake_admit(0, false);
    assert_false(edge_is_ready(&fake.edge, &why));
    expect_503(INVITE);
    fake_forget();
    fake_rx(REINVITE);
    fake_rx(BYE);
    assert_int_equal(fake.told_cnt, 2);
    fake_admit(0, true);
    assert_true(edge_is_ready(&fake.edge, &why));
}

static void draining_refuses_calls(void **state)
{
    (void)state;
    const char *why;
    edge_drain(&fake.edge, true);
    expect_503(INVITE);
    expect_503(OPTIONS);
    assert_true(edge_is_idle(&fake.edge));
    fake_rx(BYE);
    assert_false(edge_is_idle(&fake.edge));
    answer(BYE_KEY, 200, RESP("200 OK", "z9hG4bKb", "2 BYE"));
    assert_true(edge_is_idle(&fake.edge));
    edge_drain(&fake.edge, false);
    assert_true(edge_is_ready(&fake.edge, &why));
}

/* --- the actor goes away and comes back --- */

static void actor_down(void)
{
    edge_actor_down(&fake.edge, 0, (struct now){.mono_ms = fake.now_ms});
    fake_forget();
}

static void actor_up(void)
{
    edge_actor_up(&fake.edge, 0, (struct now){.mono_ms = fake.now_ms});
}

static void a_short_absence_is_bridged(void **state)
{
    (void)state;
    fake_rx(INVITE); /* the actor had this one */
    actor_down();
    fake_rx(BYE); /* and never saw this one */
    fake_rx(REQ("INVITE", "z9hG4bKn", "", "7 INVITE"));
    assert_string_equal(fake_line(fake_sent_back(0)), "SIP/2.0 100 Trying");
    assert_int_equal(fake.told_cnt, 0);
    fake_wait(400);
    actor_up();
    assert_int_equal(fake.told_cnt, 3);
    assert_span(span_data(told_request(2)->txn), KEY);
    assert_true(told_request(2)->repeated);
    assert_span(span_data(told_request(1)->txn), BYE_KEY);
    assert_false(told_request(1)->repeated);
    assert_false(told_request(0)->repeated);
    assert_string_equal(told_request(2)->source->addr, "192.0.2.10");
    assert_int_equal(told_request(2)->source->port, 5062);
}

static void what_was_answered_is_not_asked_again(void **state)
{
    (void)state;
    fake_rx(INVITE);
    answer(KEY, 200, RESP("200 OK", "z9hG4bKa", "1 INVITE"));
    fake_rx(BYE);
    answer(BYE_KEY, 200, RESP("200 OK", "z9hG4bKb", "2 BYE"));
    actor_down();
    actor_up();
    assert_int_equal(fake.told_cnt, 0);
}

static void ringing_calls_are_asked_again_too(void **state)
{
    (void)state;
    fake_rx(INVITE);
    answer(KEY, 180, RESP("180 Ringing", "z9hG4bKa", "1 INVITE"));
    actor_down();
    actor_up();
    assert_true(told_request(0)->repeated);
}

static void a_long_absence_refuses_open_invites_but_keeps_byes(void **state)
{
    (void)state;
    fake_rx(INVITE);
    actor_down();
    fake_rx(BYE);
    fake_wait(2999);
    assert_int_equal(fake.sent_cnt, 0);
    fake_wait(1);
    assert_int_equal(fake.sent_cnt, 1);
    assert_string_equal(fake_line(fake_sent_back(0)), "SIP/2.0 503 Service Unavailable");
    assert_non_null(fake_header(fake_sent_back(0), "Retry-After"));
    fake_forget();
    fake_rx(REQ("INVITE", "z9hG4bKn", "", "7 INVITE")); /* a new call */
    assert_string_equal(fake_line(fake_sent_back(0)), "SIP/2.0 503 Service Unavailable");
    fake_rx(REINVITE); /* RFC 5057: 503 ends this transaction, not the dialog */
    assert_string_equal(fake_line(fake_sent_back(0)), "SIP/2.0 503 Service Unavailable");
    fake_rx(CANCEL); /* nothing is left to cancel */
    assert_string_equal(fake_line(fake_sent_back(0)), "SIP/2.0 200 OK");
    fake_forget();
    fake_rx(REQ("BYE", "z9hG4bKb2", ";tag=a0-y", "9 BYE"));
    assert_int_equal(fake.sent_cnt, 0);
    fake_wait(20000);
    actor_up();
    assert_int_equal(fake.told_cnt, 2); /* both BYEs */
}

static void a_bye_nobody_can_take_ends_silently(void **state)
{
    (void)state;
    actor_down();
    fake_rx(BYE);
    fake_wait(32000);
    assert_int_equal(fake.sent_cnt, 0);
    assert_int_equal(txn_index_count(&fake.edge.index), 0);
    actor_up();
    assert_int_equal(fake.told_cnt, 0);
}

static void an_ack_of_a_2xx_is_dropped_while_the_actor_is_away(void **state)
{
    (void)state;
    int64_t before = edge_stat_drops(EDGE_DROP_ACTOR_DOWN);
    actor_down();
    fake_rx(REQ("ACK", "z9hG4bKack", ";tag=a0-x", "1 ACK"));
    assert_int_equal(edge_stat_drops(EDGE_DROP_ACTOR_DOWN), before + 1);
}

static void a_full_link_is_tried_again(void **state)
{
    (void)state;
    fake.say_rv = -BUS_EFULL;
    fake_rx(BYE);
    fake_wait(100);
    assert_int_equal(fake.told_cnt, 0);
    fake.say_rv = 0;
    fake_wait(100);
    assert_int_equal(fake.told_cnt, 1);
    assert_false(told_request(0)->repeated);
    fake_wait(1000);
    assert_int_equal(fake.told_cnt, 1);
}

/* --- the edge was restarted --- */

static void an_unknown_2xx_is_adopted(void **state)
{
    (void)state;
    answer(KEY, 200, RESP("200 OK", "z9hG4bKa", "1 INVITE"));
    assert_int_equal(fake.sent_cnt, 1);
    assert_int_equal(fake_sent_back(0)->to.port, 5062);
    fake_rx(INVITE);
    assert_int_equal(fake.told_cnt, 0); /* absorbed in Accepted */
}

static void an_unknown_refusal_is_adopted_and_repeated(void **state)
{
    (void)state;
    answer(KEY, 486, RESP("486 Busy Here", "z9hG4bKa", "1 INVITE"));
    fake_wait(500);
    assert_int_equal(fake.sent_cnt, 2);
    fake_rx(REQ("ACK", "z9hG4bKa", ";tag=a0-x", "1 ACK"));
    fake_wait(5000);
    assert_int_equal(fake.sent_cnt, 2);
    assert_int_equal(txn_index_count(&fake.edge.index), 0);
}

static void an_unknown_reply_to_a_bye_is_adopted(void **state)
{
    (void)state;
    answer(BYE_KEY, 200, RESP("200 OK", "z9hG4bKb", "2 BYE"));
    fake_rx(BYE);
    assert_int_equal(fake.sent_cnt, 2);
    assert_int_equal(fake.told_cnt, 0);
}

static void a_reply_whose_key_is_not_its_own_is_sent_and_not_adopted(void **state)
{
    (void)state;
    answer("2543;1;c1;f1;;sip:x;INVITE", 486, RESP("486 Busy Here", "z9hG4bKa", "1 INVITE"));
    assert_int_equal(fake.sent_cnt, 1);
    assert_int_equal(txn_index_count(&fake.edge.index), 0);
}

static void a_reply_that_is_none_is_not_sent(void **state)
{
    (void)state;
    answer(KEY, 200, "garbage\n\n");
    answer(KEY, 200, INVITE);
    answer(KEY, 486, RESP("200 OK", "z9hG4bKa", "1 INVITE"));
    fake_reply(0, KEY, 200, RESP("200 OK", "z9hG4bKa", "1 INVITE"), "example.com", 5060);
    assert_int_equal(fake.sent_cnt, 0);
}

/* --- bounds --- */

static void when_full_new_requests_get_503(void **state)
{
    (void)state;
    fake_end();
    fake_begin(
        1, &(struct edge_conf){.public_ip = "192.0.2.1", .public_port = 5060, .shards = 1, .t1_ms = 500, .txn_max = 1});
    fake_actors_ready();
    fake_rx(INVITE);
    fake_forget();
    fake_rx(BYE);
    assert_string_equal(fake_line(fake_sent_back(0)), "SIP/2.0 503 Service Unavailable");
    assert_int_equal(fake.told_cnt, 0);
    fake_rx(INVITE);
    assert_string_equal(fake_line(fake_sent_back(0)), "SIP/2.0 100 Trying"); /* the known one is served */
}

static void kept_bytes_are_bounded(void **state)
{
    (void)state;
    fake_end();
    fake_begin(1, &(struct edge_conf){
                      .public_ip = "192.0.2.1", .public_port = 5060, .shards = 1, .t1_ms = 500, .kept_bytes_max = 400});
    fake_actors_ready();
    fake_rx(INVITE);
    assert_true(fake.edge.kept_bytes <= 400);
    fake_rx(BYE);
    assert_string_equal(fake_line(fake_sent_back(0)), "SIP/2.0 503 Service Unavailable");
}

static void a_long_key_is_hashed_for_the_plane(void **state)
{
    (void)state;
    char text[1024];
    char branch[SIP_BRANCH_BYTES_MAX + 1];
    char host[200];
    memset(branch, 'b', sizeof(branch) - 1);
    branch[sizeof(branch) - 1] = '\0';
    memcpy(branch, "z9hG4bK", 7);
    memset(host, 'h', sizeof(host) - 1);
    host[sizeof(host) - 1] = '\0';
    (void)snprintf(text, sizeof(text),
                   "INVITE sip:1@192.0.2.1 SIP/2.0\nVia: SIP/2.0/UDP %s.%s;branch=%s\n"
                   "From: <sip:a@b>;tag=1\nTo: <sip:1@b>\nCall-ID: l\nCSeq: 1 INVITE\n" END,
                   host, "x.example.com.and.some.more.example.com", branch);
    fake_rx(text);
    struct span key = span_data(told_request(0)->txn);
    assert_true(span_starts(key, SPAN("long;")) && key.len == 37);
    fake_rx(text);
    assert_int_equal(fake.told_cnt, 1);
}

static void a_peer_of_rfc_2543_is_served(void **state)
{
    (void)state;
    const char *invite = "INVITE sip:1@192.0.2.1 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.10:5062\n"
                         "From: <sip:a@b>;tag=1\nTo: <sip:1@b>\nCall-ID: old\nCSeq: 1 INVITE\n" END;
    fake_rx(invite);
    fake_rx(invite);
    assert_int_equal(fake.told_cnt, 1);
    char key[256];
    assert_true(span_copy(key, sizeof(key), span_data(told_request(0)->txn)));
    answer(key, 200,
           "SIP/2.0 200 OK\nVia: SIP/2.0/UDP 192.0.2.10:5062\nFrom: <sip:a@b>;tag=1\nTo: <sip:1@b>;tag=a0-x\n"
           "Call-ID: old\nCSeq: 1 INVITE\n" END);
    fake_rx("ACK sip:1@192.0.2.1 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.10:5062\n"
            "From: <sip:a@b>;tag=1\nTo: <sip:1@b>;tag=a0-x\nCall-ID: old\nCSeq: 1 ACK\n" END);
    assert_int_equal(told_request(0)->txn.len, 0); /* RFC 6026 §7.1: passed up from Accepted */
}

/* --- shards --- */

static void a_dialog_stays_with_its_actor(void **state)
{
    (void)state;
    fake_end();
    fake_begin(4, NULL);
    fake_actors_ready();
    fake_rx(INVITE);
    unsigned first = fake_told_back(0)->shard;
    fake_rx(CANCEL);
    assert_int_equal(fake_told_back(0)->shard, first);
    fake_rx(REQ("BYE", "z9hG4bKb", ";tag=a3-x", "2 BYE"));
    assert_int_equal(fake_told_back(0)->shard, 3);
    fake_rx(REQ("ACK", "z9hG4bKk", ";tag=a2-x", "1 ACK"));
    assert_int_equal(fake_told_back(0)->shard, 2);
}

/* Memory may run out at any allocation: the step ends, nothing leaks (fake_end), the next call works. */
static void survives_any_failing_allocation(void **state)
{
    (void)state;
    for (unsigned n = 0;; n++) {
        fake_end();
        fake_begin(1, NULL);
        fake_actors_ready();
        fake_rx(REQ("INVITE", "z9hG4bKwarm", "", "77 INVITE")); /* maps and buffers have their first memory */
        fake_forget();
        testkit_fail_alloc(n);
        struct edge_path from = {.transport = SIP_TP_UDP, .port = 5062};
        static char raw[sizeof(INVITE) * 2];
        size_t len = 0;
        for (const char *p = INVITE; *p != '\0'; p++) {
            if (*p == '\n')
                raw[len++] = '\r';
            raw[len++] = *p;
        }
        (void)edge_addr_parse(SPAN("192.0.2.10"), &from.peer);
        int (*say)(void *, unsigned, enum plane_type, const ProtobufCMessage *) = fake.edge.out.say;
        fake.edge.out.say = NULL; /* the fake allocates; so the actor is away */
        fake.edge.shard[0].up = false;
        edge_rx(&fake.edge, &from, span_of(raw, len), (struct now){.mono_ms = fake.now_ms});
        fake.edge.shard[0].up = true;
        fake.edge.out.say = say;
        if (!testkit_alloc_failed())
            break;
        fake_rx(BYE);
        assert_int_equal(fake.told_cnt, 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
        CASE(an_invite_gets_100_and_goes_to_the_actor),
        CASE(a_refused_call_is_repeated_until_its_ack),
        CASE(an_answered_call_acks_through_to_the_actor),
        CASE(a_bye_is_absorbed_and_its_reply_repeated),
        CASE(a_client_without_rport_is_answered_at_its_via_port),
        CASE(all_vias_and_record_routes_come_back_in_order),
        CASE(options_says_what_is_understood),
        CASE(options_in_a_dialog_goes_to_the_actor),
        CASE(methods_not_built_get_405),
        CASE(requests_that_cannot_be_served),
        CASE(options_is_answered_at_its_last_hop),
        CASE(malformed_requests_are_refused_by_name),
        CASE(garbage_is_met_with_silence),
        CASE(stun_is_ignored),
        CASE(the_same_request_on_two_ways_is_served_once),
        CASE(cancel_goes_to_the_actor_with_its_invite),
        CASE(cancel_of_an_unknown_invite),
        CASE(before_the_actor_is_ready_calls_get_503),
        CASE(calls_are_refused_when_told_to_and_dialogs_are_not),
        CASE(draining_refuses_calls),
        CASE(a_short_absence_is_bridged),
        CASE(what_was_answered_is_not_asked_again),
        CASE(ringing_calls_are_asked_again_too),
        CASE(a_long_absence_refuses_open_invites_but_keeps_byes),
        CASE(a_bye_nobody_can_take_ends_silently),
        CASE(an_ack_of_a_2xx_is_dropped_while_the_actor_is_away),
        CASE(a_full_link_is_tried_again),
        CASE(an_unknown_2xx_is_adopted),
        CASE(an_unknown_refusal_is_adopted_and_repeated),
        CASE(an_unknown_reply_to_a_bye_is_adopted),
        CASE(a_reply_whose_key_is_not_its_own_is_sent_and_not_adopted),
        CASE(a_reply_that_is_none_is_not_sent),
        CASE(when_full_new_requests_get_503),
        CASE(kept_bytes_are_bounded),
        CASE(a_long_key_is_hashed_for_the_plane),
        CASE(a_peer_of_rfc_2543_is_served),
        CASE(a_dialog_stays_with_its_actor),
        CASE(survives_any_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
