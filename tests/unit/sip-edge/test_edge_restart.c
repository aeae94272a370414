/* Server transactions while an actor is away or back, after the edge itself was restarted, and at the bounds. */
#include "common/rt/bus.h"
#include "sip-edge/edge_acks.h"
#include "sip-edge/edge_stat.h"
#include "tests/unit/sip-edge/server_kit.h"
#include "tests/unit/testkit.h"
#include <stdio.h>

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
    assert_int_equal(fake.told_cnt, 0);
    fake_wait(400);
    assert_int_equal(fake.sent_cnt, 0); /* no 100: if we died now, its sender alone would know of the call */
    actor_up();
    assert_int_equal(fake.told_cnt, 3);
    kit_assert_span(kit_span(kit_told_request(2)->txn), KEY);
    assert_true(kit_told_request(2)->repeated);
    kit_assert_span(kit_span(kit_told_request(1)->txn), BYE_KEY);
    assert_false(kit_told_request(1)->repeated);
    assert_false(kit_told_request(0)->repeated);
    assert_string_equal(kit_told_request(2)->source->addr, "192.0.2.10");
    assert_int_equal(kit_told_request(2)->source->port, 5062);
    fake_wait(TRYING_MS - 1);
    assert_int_equal(fake.sent_cnt, 0);
    fake_wait(1);
    assert_int_equal(fake.sent_cnt, 2);
}

#define ACK REQ("ACK", "z9hG4bKack", ";tag=a0-x", "1 ACK")

/* Nobody repeats the ACK of a 2xx when the BYE comes before the 2xx does again. */
static void an_ack_waits_for_the_actor(void **state)
{
    (void)state;
    actor_down();
    fake_rx(ACK);
    fake_rx(BYE);
    assert_int_equal(fake.told_cnt, 0);
    actor_up();
    assert_int_equal(fake.told_cnt, 2);
    kit_assert_span(kit_span(kit_told_request(0)->txn), BYE_KEY);
    assert_int_equal(kit_told_request(1)->txn.len, 0);
    kit_assert_span(span_of((const char *)kit_told_request(1)->raw.data, 4), "ACK ");
}

static void an_ack_told_lately_is_told_again(void **state)
{
    (void)state;
    fake_rx(ACK); /* the actor may have died before it committed */
    actor_down();
    fake_wait(400);
    actor_up();
    assert_int_equal(fake.told_cnt, 1);
    assert_int_equal(kit_told_request(0)->txn.len, 0);
    fake_wait(EDGE_KEPT_MS);
    fake_rx(REQ("ACK", "z9hG4bKack2", ";tag=a0-y", "1 ACK")); /* the older one is forgotten now */
    actor_down();
    actor_up();
    assert_int_equal(fake.told_cnt, 1);
}

static void acks_are_bounded(void **state)
{
    (void)state;
    actor_down();
    for (int i = 0; i < EDGE_ACKS_MAX + 10; i++)
        fake_rx(ACK);
    assert_int_equal(fake.edge.shard[0].acks.cnt, EDGE_ACKS_MAX);
    assert_true(fake.edge.shard[0].acks.bytes <= EDGE_ACKS_BYTES_MAX);
    fake_wait(EDGE_GRACE_MS); /* it stays away */
    assert_int_equal(fake.edge.shard[0].acks.cnt, 0);
    assert_int_equal(fake.edge.shard[0].acks.bytes, 0);
    fake_rx(ACK);
    assert_int_equal(fake.edge.shard[0].acks.cnt, 0);
}

static void what_was_answered_is_not_asked_again(void **state)
{
    (void)state;
    fake_rx(INVITE);
    kit_answer(KEY, 200, RESP("200 OK", "z9hG4bKa", "1 INVITE"));
    fake_rx(BYE);
    kit_answer(BYE_KEY, 200, RESP("200 OK", "z9hG4bKb", "2 BYE"));
    actor_down();
    actor_up();
    assert_int_equal(fake.told_cnt, 0);
}

static void ringing_calls_are_asked_again_too(void **state)
{
    (void)state;
    fake_rx(INVITE);
    kit_answer(KEY, 180, RESP("180 Ringing", "z9hG4bKa", "1 INVITE"));
    actor_down();
    actor_up();
    assert_true(kit_told_request(0)->repeated);
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

/* The phone asks again when it is told to, not when it has given up. */
static void a_register_nobody_can_take_gets_503(void **state)
{
    (void)state;
    const char *reg = REQ("REGISTER", "z9hG4bKreg", "", "1 REGISTER");
    actor_down();
    fake_rx(reg);
    fake_wait(EDGE_GRACE_MS - 1);
    assert_int_equal(fake.sent_cnt, 0);
    fake_wait(1);
    assert_string_equal(fake_line(fake_sent_back(0)), "SIP/2.0 503 Service Unavailable");
    assert_non_null(fake_header(fake_sent_back(0), "Retry-After"));
    fake_forget();
    fake_rx(reg);
    assert_string_equal(fake_line(fake_sent_back(0)), "SIP/2.0 503 Service Unavailable");
    actor_up();
    assert_int_equal(fake.told_cnt, 0); /* it has its answer */
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

static void an_ack_is_dropped_when_the_actor_stays_away(void **state)
{
    (void)state;
    int64_t before = edge_stat_drops(EDGE_DROP_ACTOR_DOWN);
    actor_down();
    fake_wait(EDGE_GRACE_MS);
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
    assert_false(kit_told_request(0)->repeated);
    fake_wait(1000);
    assert_int_equal(fake.told_cnt, 1);
}

/* --- the edge was restarted --- */

static void an_unknown_2xx_is_adopted(void **state)
{
    (void)state;
    kit_answer(KEY, 200, RESP("200 OK", "z9hG4bKa", "1 INVITE"));
    assert_int_equal(fake.sent_cnt, 1);
    assert_int_equal(fake_sent_back(0)->to.port, 5062);
    fake_rx(INVITE);
    assert_int_equal(fake.told_cnt, 0); /* absorbed in Accepted */
}

static void an_unknown_refusal_is_adopted_and_repeated(void **state)
{
    (void)state;
    kit_answer(KEY, 486, RESP("486 Busy Here", "z9hG4bKa", "1 INVITE"));
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
    kit_answer(BYE_KEY, 200, RESP("200 OK", "z9hG4bKb", "2 BYE"));
    fake_rx(BYE);
    assert_int_equal(fake.sent_cnt, 2);
    assert_int_equal(fake.told_cnt, 0);
}

static void a_reply_whose_key_is_not_its_own_is_sent_and_not_adopted(void **state)
{
    (void)state;
    kit_answer("2543;1;c1;f1;;sip:x;INVITE", 486, RESP("486 Busy Here", "z9hG4bKa", "1 INVITE"));
    assert_int_equal(fake.sent_cnt, 1);
    assert_int_equal(txn_index_count(&fake.edge.index), 0);
}

static void a_reply_that_is_none_is_not_sent(void **state)
{
    (void)state;
    kit_answer(KEY, 200, "garbage\n\n");
    kit_answer(KEY, 200, INVITE);
    kit_answer(KEY, 486, RESP("200 OK", "z9hG4bKa", "1 INVITE"));
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
    fake_wait(TRYING_MS);
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
    struct span key = kit_span(kit_told_request(0)->txn);
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
    assert_true(span_copy(key, sizeof(key), kit_span(kit_told_request(0)->txn)));
    kit_answer(key, 200,
               "SIP/2.0 200 OK\nVia: SIP/2.0/UDP 192.0.2.10:5062\nFrom: <sip:a@b>;tag=1\nTo: <sip:1@b>;tag=a0-x\n"
               "Call-ID: old\nCSeq: 1 INVITE\n" END);
    fake_rx("ACK sip:1@192.0.2.1 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.10:5062\n"
            "From: <sip:a@b>;tag=1\nTo: <sip:1@b>;tag=a0-x\nCall-ID: old\nCSeq: 1 ACK\n" END);
    assert_int_equal(kit_told_request(0)->txn.len, 0); /* RFC 6026 §7.1: passed up from Accepted */
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

static void the_report_counts_by_kind_and_state(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 4096);
    fake_rx(INVITE);
    fake_rx(BYE);
    kit_answer(BYE_KEY, 200, RESP("200 OK", "z9hG4bKb", "2 BYE"));
    size_t kept = fake.edge.kept_bytes;
    char expected[512];
    (void)snprintf(expected, sizeof(expected),
                   "{\"transactions\":{\"IST\":{\"proceeding\":1},\"NIST\":{\"completed\":1},\"ICT\":{},\"NICT\":{}},"
                   "\"kept_bytes\":%zu,\"waiting_for_dns\":0,\"actors\":[{\"shard\":0,\"up\":true,\"admits\":true}]}",
                   kept);
    buf_putc(&out, '{');
    edge_report(&fake.edge, &out);
    buf_putc(&out, '}');
    assert_string_equal(buf_cstr(&out), expected);
    buf_fini(&out);
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

/* --- a connection that was lost --- */

#define INVITE_TCP                                                                                                     \
    "INVITE sip:902121234567@192.0.2.1 SIP/2.0\r\n"                                                                    \
    "Via: SIP/2.0/TCP 192.0.2.10:5062;rport;branch=z9hG4bKa\r\nMax-Forwards: 70\r\n"                                   \
    "From: <sip:alice@192.0.2.10>;tag=f1\r\nTo: <sip:902121234567@192.0.2.1>\r\nCall-ID: c1\r\nCSeq: 1 INVITE\r\n"     \
    "Content-Length: 0\r\n\r\n"

static uint64_t open_flow;

static bool is_that_one(void *user, const struct edge_path *to)
{
    (void)user;
    return to->flow == open_flow;
}

static void rx_over(uint64_t flow, const char *ip)
{
    struct edge_path from = {.transport = SIP_TP_TCP, .flow = flow, .port = (uint16_t)(40000 + flow)};
    assert_true(edge_addr_parse(span_cstr(ip), &from.peer));
    open_flow = flow;
    edge_rx(&fake.edge, &from, SPAN(INVITE_TCP), (struct now){.mono_ms = fake.now_ms});
}

static void a_request_said_again_over_a_new_connection_is_told(void **state)
{
    (void)state;
    fake.edge.out.is_open = is_that_one;
    rx_over(1, "192.0.2.10");
    fake_forget();
    rx_over(1, "192.0.2.10");
    assert_int_equal(fake.told_cnt, 0); /* a repeat */
    rx_over(2, "192.0.2.11");
    assert_int_equal(fake.told_cnt, 0); /* somebody else's */
    rx_over(2, "192.0.2.10");
    assert_int_equal(fake.told_cnt, 1);
    assert_int_equal(kit_told_request(0)->source->flow, 2);
    fake_reply(0, KEY, 200, RESP("200 OK", "z9hG4bKa", "1 INVITE"), "192.0.2.10", 5062);
    assert_int_equal(fake_sent_back(0)->to.flow, 2);
}

/* No 503 and then the 200 of the call that goes on. */
static void who_comes_back_while_calls_are_refused_has_his_call(void **state)
{
    (void)state;
    fake.edge.out.is_open = is_that_one;
    rx_over(1, "192.0.2.10");
    kit_answer(KEY, 180, RESP("180 Ringing", "z9hG4bKa", "1 INVITE"));
    fake_wait(40000); /* the edge has run for so long that it would know the call */
    fake_admit(0, false);
    fake_forget();
    rx_over(2, "192.0.2.10");
    assert_int_equal(fake.told_cnt, 1);
    assert_true(kit_told_request(0)->repeated);
    assert_int_equal(fake.sent_cnt, 1);
    assert_string_equal(fake_line(fake_sent_back(0)), "SIP/2.0 180 Ringing");
    assert_int_equal(fake_sent_back(0)->to.flow, 2);
    kit_answer(KEY, 200, RESP("200 OK", "z9hG4bKa", "1 INVITE"));
    fake_forget();
    rx_over(3, "192.0.2.10");
    assert_int_equal(fake.told_cnt, 1); /* its actor says its 200 again */
    assert_int_equal(fake.sent_cnt, 0);
    kit_answer(KEY, 200, RESP("200 OK", "z9hG4bKa", "1 INVITE"));
    assert_int_equal(fake_sent_back(0)->to.flow, 3);
}

static void a_refusal_is_said_again_over_a_new_connection(void **state)
{
    (void)state;
    fake.edge.out.is_open = is_that_one;
    rx_over(1, "192.0.2.10");
    kit_answer(KEY, 486, RESP("486 Busy Here", "z9hG4bKa", "1 INVITE"));
    fake_forget();
    rx_over(2, "192.0.2.10");
    assert_int_equal(fake.told_cnt, 0); /* to its actor it would be a new call, once the old one is forgotten */
    assert_int_equal(fake.sent_cnt, 1);
    assert_string_equal(fake_line(fake_sent_back(0)), "SIP/2.0 486 Busy Here");
    assert_int_equal(fake_sent_back(0)->to.flow, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(fn) cmocka_unit_test_setup_teardown(fn, kit_setup, kit_teardown)
        CASE(a_short_absence_is_bridged),
        CASE(what_was_answered_is_not_asked_again),
        CASE(an_ack_waits_for_the_actor),
        CASE(an_ack_told_lately_is_told_again),
        CASE(acks_are_bounded),
        CASE(ringing_calls_are_asked_again_too),
        CASE(a_long_absence_refuses_open_invites_but_keeps_byes),
        CASE(a_register_nobody_can_take_gets_503),
        CASE(a_bye_nobody_can_take_ends_silently),
        CASE(an_ack_is_dropped_when_the_actor_stays_away),
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
        CASE(the_report_counts_by_kind_and_state),
        CASE(a_request_said_again_over_a_new_connection_is_told),
        CASE(who_comes_back_while_calls_are_refused_has_his_call),
        CASE(a_refusal_is_said_again_over_a_new_connection),
        CASE(survives_any_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
