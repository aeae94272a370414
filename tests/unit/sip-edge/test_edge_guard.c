/* Strangers as the edge treats them: what they may, their limits, who is blocked. */
#include "sip-edge/edge_stat.h"
#include "tests/unit/sip-edge/guard_kit.h"
#include "tests/unit/testkit.h"

/* --- who may do what --- */

static bool must_authenticate(void)
{
    return ((const Plane__RxRequest *)(const void *)fake_told_back(0)->m)->must_authenticate;
}

/* The actor challenges; its 407 goes out once and leaves nothing behind that would be sent again. */
static void a_stranger_must_authenticate(void **state)
{
    (void)state;
    fake_rx(INVITE);
    assert_int_equal(fake.told_cnt, 1);
    assert_true(must_authenticate());
    kit_answer(KEY, 407, RESP("407 Proxy Authentication Required", "z9hG4bKa", "1 INVITE"));
    assert_string_equal(guard_last_line(), "SIP/2.0 407 Proxy Authentication Required");
    assert_int_equal(txn_index_count(&fake.edge.index), 0);
    fake_forget();
    kit_answer(KEY, 407, RESP("407 Proxy Authentication Required", "z9hG4bKa", "1 INVITE")); /* asked again, and late */
    assert_int_equal(fake.sent_cnt, 1);
    assert_int_equal(txn_index_count(&fake.edge.index), 0);
    fake_forget();
    fake_rx(REQ("ACK", "z9hG4bKa", ";tag=e0123456789abcdef", "1 ACK"));
    assert_int_equal(fake.sent_cnt + fake.told_cnt, 0);
    fake_rx_from(TRUSTED, 5062, INVITE);
    assert_int_equal(fake.told_cnt, 1);
    assert_false(must_authenticate());
    fake_wait(TRYING_MS);
    assert_string_equal(guard_last_line(), "SIP/2.0 100 Trying");
}

/* Ten thousand sources that ask for a challenge leave nothing behind. */
static void a_challenged_register_leaves_nothing(void **state)
{
    (void)state;
    fake_rx(REQ("REGISTER", "z9hG4bKr", "", "1 REGISTER"));
    assert_true(must_authenticate());
    for (int i = 0; i < 2; i++) { /* asked again, and late */
        kit_answer("z9hG4bKr;192.0.2.10:5062;REGISTER", 401, RESP("401 Unauthorized", "z9hG4bKr", "1 REGISTER"));
        assert_string_equal(guard_last_line(), "SIP/2.0 401 Unauthorized");
        assert_int_equal(txn_index_count(&fake.edge.index), 0);
    }
    fake_rx(REQ("REGISTER", "z9hG4bKr", "", "1 REGISTER"));
    assert_true(must_authenticate());
}

static void what_a_stranger_gets(void **state)
{
    (void)state;
    assert_int_equal(guard_answered("192.0.2.10", "OPTIONS", ""), 200);
    assert_int_equal(guard_answered("192.0.2.10", "BYE", ""), 481);
    assert_int_equal(guard_answered("192.0.2.10", "BYE", ";tag=other"), 481);
    assert_int_equal(guard_answered("192.0.2.10", "INVITE", ";tag=other"), 481);
    assert_int_equal(guard_answered("192.0.2.10", "REGISTER", ";tag=other"), 400);
    assert_int_equal(guard_answered("192.0.2.10", "MESSAGE", ""), 405);
    assert_int_equal(guard_answered("192.0.2.10", "ACK", ""), 0);
    assert_int_equal(fake.told_cnt, 0);
    assert_int_equal(guard_answered(TRUSTED, "REGISTER", ""), 0); /* the actor's to challenge, whoever sends it */
    assert_true(must_authenticate());
    assert_int_equal(guard_answered("192.0.2.10", "BYE", ";tag=a0-x"), 0); /* the actor's to say */
    assert_int_equal(fake.told_cnt, 1);
}

/* --- limits --- */

static void over_the_limit_503_a_few_times_then_silence(void **state)
{
    (void)state;
    for (int i = 0; i < RATE; i++)
        assert_int_equal(guard_answered("192.0.2.10", "OPTIONS", ""), 200);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(guard_answered("192.0.2.10", "OPTIONS", ""), 503);
        assert_string_equal(guard_last_line(), "SIP/2.0 503 Too Many Requests From You");
        assert_true(guard_retry_after() >= 5 && guard_retry_after() <= 15);
    }
    for (int i = 0; i < 100; i++)
        assert_int_equal(guard_answered("192.0.2.10", "OPTIONS", ""), 0);
    assert_int_equal(guard_answered("192.0.2.11", "OPTIONS", ""), 200); /* somebody else */
    for (int i = 0; i < 200; i++)
        assert_int_equal(guard_answered(TRUSTED, "OPTIONS", ""), 200);
    fake_wait(1000);
    for (int i = 0; i < RATE; i++)
        assert_int_equal(guard_answered("192.0.2.10", "OPTIONS", ""), 200);
    assert_int_equal(guard_answered("192.0.2.10", "OPTIONS", ""), 0);
}

static void repeats_are_limited_too(void **state)
{
    unsigned served = 0;
    (void)state;
    fake_rx(REQ("BYE", "z9hG4bKb", ";tag=a0-x", "2 BYE"));
    kit_answer(BYE_KEY, 481, RESP("481 Call/Transaction Does Not Exist", "z9hG4bKb", "2 BYE"));
    for (int i = 0; i < 1000; i++) {
        fake_forget();
        fake_rx(REQ("BYE", "z9hG4bKb", ";tag=a0-x", "2 BYE"));
        served += fake.sent_cnt;
    }
    assert_int_equal(served, 10 * RATE - 1);
}

static void made_up_tags_are_no_way_around(void **state)
{
    unsigned told = 0;
    (void)state;
    for (int i = 0; i < 1000; i++) {
        fake_forget();
        guard_rx_new("192.0.2.10", "BYE", ";tag=a0-guess");
        told += fake.told_cnt;
    }
    assert_int_equal(told, 10 * RATE);
    told = 0;
    for (int i = 0; i < 1000; i++) { /* a refusal of these is sent up to 12 times */
        fake_forget();
        guard_rx_new("192.0.2.11", "INVITE", ";tag=a0-guess");
        told += fake.told_cnt;
    }
    assert_int_equal(told, 10 * RATE / GUARD_REINVITE_COST);
}

static void no_amplifier(void **state)
{
    size_t in = 0;
    size_t out = 0;
    (void)state;
    for (int i = 0; i < 3000; i++) { /* 30 s of short requests with longer answers, below the limit */
        fake_forget();
        fake_rx("OPTIONS sip:a SIP/2.0\nv:SIP/2.0/UDP b\nf:<sip:a>;tag=1\nt:<sip:a>\ni:1\nCSeq:1 OPTIONS\n\n");
        in += 95;
        for (unsigned k = 0; k < fake.sent_cnt; k++)
            out += fake.sent[k].len;
        fake_wait(60);
    }
    assert_true(out > in);
    assert_true(out <= in + (size_t)(3 * 60 + 1) * 1024 + (size_t)16 * 1024);
}

/* --- calls in progress --- */

static void calls_in_progress_pass_when_their_source_is_over_its_limits(void **state)
{
    (void)state;
    guard_our_call_to("192.0.2.20");
    for (int i = 0; i < 1000; i++) { /* somebody forges his address */
        fake_forget();
        guard_rx_new("192.0.2.20", i % 2 == 0 ? "OPTIONS" : "BYE", i % 2 == 0 ? "" : ";tag=a0-guess");
    }
    assert_int_equal(fake.told_cnt, 0);
    for (int i = 0; i < TAGSET_PER_S; i++) {
        fake_forget();
        guard_rx_new("192.0.2.20", i % 2 == 0 ? "INVITE" : "BYE", ";tag=a0-real");
        assert_int_equal(fake.told_cnt, 1);
    }
}

static void calls_in_progress_pass_when_their_source_is_blocked(void **state)
{
    (void)state;
    fake_rx(SCAN("OPTIONS"));
    assert_true(guard_is_blocked("192.0.2.10"));
    guard_our_call_to("192.0.2.20");
    fake_rx(REQ("BYE", "z9hG4bKb", ";tag=a0-real", "2 BYE")); /* his address has changed to the blocked one */
    assert_int_equal(fake.told_cnt, 1);
    fake_rx(REQ("ACK", "z9hG4bKc", ";tag=a0-real", "1 ACK"));
    assert_int_equal(fake.told_cnt, 2);
    kit_answer(BYE_KEY, 200, RESP("200 OK", "z9hG4bKb", "2 BYE"));
    assert_string_equal(guard_last_line(), "SIP/2.0 200 OK");
}

static void responses_to_our_requests_pass(void **state)
{
    (void)state;
    fake_rx_from("192.0.2.20", 5062, SCAN("OPTIONS"));
    assert_true(guard_is_blocked("192.0.2.20"));
    guard_our_call_to("192.0.2.20");
    assert_int_equal(txn_index_count(&fake.edge.index), 1); /* its 2xx was heard */
    fake_request(0, "z9hG4bKa0-bye", "BYE",
                 "BYE sip:b@192.0.2.20 SIP/2.0\nMax-Forwards: 70\nFrom: <sip:us@192.0.2.1>;tag=a0-real\n"
                 "To: <sip:b@192.0.2.20>;tag=b\nCall-ID: a0-call\nCSeq: 2 BYE\n" END);
    fake_forget();
    fake_rx_from("192.0.2.20", 5070,
                 "SIP/2.0 200 OK\nVia: SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bKa0-bye\n"
                 "From: <sip:us@192.0.2.1>;tag=a0-real\nTo: <sip:b@192.0.2.20>;tag=b\nCall-ID: a0-call\n"
                 "CSeq: 2 BYE\n" END);
    assert_int_equal(fake.told_cnt, 1);
}

static void stray_answers_are_limited(void **state)
{
    unsigned told = 0;
    (void)state;
    for (int i = 0; i < 1000; i++) {
        fake_forget();
        fake_rx("SIP/2.0 200 OK\nVia: SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bKa0-guess\n"
                "From: <sip:us@192.0.2.1>;tag=a0-x\nTo: <sip:b@192.0.2.20>;tag=b\nCall-ID: a0-call\n"
                "CSeq: 1 INVITE\n" END);
        told += fake.told_cnt;
    }
    assert_int_equal(told, 10 * RATE);
}

/* --- blocking --- */

static void a_scanner_gets_no_answer_and_is_blocked(void **state)
{
    int64_t scanners = edge_stat_drops(EDGE_DROP_SCANNER);
    int64_t dropped = edge_stat_drops(EDGE_DROP_BLOCKED);
    (void)state;
    kit_expect_nothing(SCAN("OPTIONS"));
    assert_int_equal(edge_stat_drops(EDGE_DROP_SCANNER), scanners + 1);
    kit_expect_nothing(OPTIONS);
    kit_expect_nothing(INVITE);
    assert_int_equal(edge_stat_drops(EDGE_DROP_BLOCKED), dropped + 2);
    assert_int_equal(guard_answered("192.0.2.11", "OPTIONS", ""), 200);
    fake_wait(300000);
    assert_int_equal(guard_answered("192.0.2.10", "OPTIONS", ""), 200);
}

static void who_finds_nothing_all_the_time_is_blocked(void **state)
{
    (void)state;
    for (int i = 0; i < 61; i++) { /* names and numbers tried one after the other */
        fake_forget();
        guard_rx_new("192.0.2.10", "BYE", "");
        fake_wait(100);
    }
    assert_false(guard_is_blocked("192.0.2.10"));
    for (int i = 0; i < 20; i++) {
        fake_forget();
        guard_rx_new("192.0.2.10", "BYE", "");
        fake_wait(100);
    }
    assert_true(guard_is_blocked("192.0.2.10"));
    for (int i = 0; i < 100; i++) { /* one that fails now and then is not */
        fake_forget();
        guard_rx_new("192.0.2.11", "BYE", "");
        fake_wait(1000);
    }
    assert_false(guard_is_blocked("192.0.2.11"));
}

static void rubbish_blocks_its_source(void **state)
{
    (void)state;
    for (int i = 0; i < 200; i++) {
        fake_forget();
        fake_rx("INVITE sip:a SIP/2.0\nrubbish rubbish rubbish\n\n");
        assert_int_equal(fake.sent_cnt, 0);
    }
    assert_true(guard_is_blocked("192.0.2.10"));
}

static void trusted_peers_are_never_blocked(void **state)
{
    (void)state;
    fake_rx_from(TRUSTED, 5062, SCAN("OPTIONS"));
    for (int i = 0; i < 200; i++) {
        fake_forget();
        fake_rx_from(TRUSTED, 5062, "INVITE sip:a SIP/2.0\nrubbish rubbish rubbish\n\n");
        guard_rx_new(TRUSTED, "BYE", "");
    }
    assert_int_equal(sources_count(&fake.edge.guard.sources), 0);
    assert_int_equal(guard_answered(TRUSTED, "OPTIONS", ""), 200);
}

static void who_takes_part_in_calls_is_not_blocked(void **state)
{
    (void)state;
    guard_our_call_to("192.0.2.20");
    fake_rx_from("192.0.2.20", 5062, SCAN("OPTIONS")); /* forged, or not: not answered, but no more */
    assert_int_equal(fake.sent_cnt, 0);
    assert_false(guard_is_blocked("192.0.2.20"));
    assert_int_equal(guard_answered("192.0.2.20", "OPTIONS", ""), 200);
    fake_wait(SOURCE_VOUCH_MS);
    fake_rx_from("192.0.2.20", 5062, SCAN("OPTIONS"));
    assert_true(guard_is_blocked("192.0.2.20"));
}

/* A forger who writes a phone's address cuts it off no more than somebody in a call. */
static void who_is_registered_is_not_blocked(void **state)
{
    (void)state;
    fake_rx(REQ("REGISTER", "z9hG4bKr", "", "1 REGISTER"));
    kit_answer("z9hG4bKr;192.0.2.10:5062;REGISTER", 200, RESP("200 OK", "z9hG4bKr", "1 REGISTER"));
    fake_rx(SCAN("OPTIONS"));
    assert_false(guard_is_blocked("192.0.2.10"));
}

static void blocks_are_shown_and_lifted(void **state)
{
    struct buf out;
    (void)state;
    buf_init(&out, 65536);
    fake_rx(SCAN("OPTIONS"));
    fake_rx_from("2001:db8::5", 5062, SCAN("OPTIONS"));
    fake_rx(OPTIONS);
    edge_guard_report(&fake.edge, (struct now){.mono_ms = fake.now_ms + 1500}, &out);
    const char *text = buf_cstr(&out);
    assert_non_null(strstr(text, "{\"blocked\":[{\"source\":\"2001:db8::5\",\"reason\":\"scanner\""));
    assert_non_null(strstr(text, "\"source\":\"192.0.2.10\""));
    assert_non_null(strstr(text, "\"left_s\":299,\"dropped\":1"));
    assert_non_null(strstr(text, "\"blocked_count\":2"));
    struct now now = {.mono_ms = fake.now_ms};
    assert_false(edge_guard_unblock(&fake.edge, SPAN("nonsense"), now));
    assert_false(edge_guard_unblock(&fake.edge, SPAN("192.0.2.11"), now));
    assert_true(edge_guard_unblock(&fake.edge, SPAN("192.0.2.10"), now));
    assert_true(edge_guard_unblock(&fake.edge, SPAN("2001:db8::6"), now)); /* the same /64 */
    assert_false(edge_guard_unblock(&fake.edge, SPAN("192.0.2.10"), now));
    assert_int_equal(guard_answered("192.0.2.10", "OPTIONS", ""), 200);
    buf_fini(&out);
}

static void switched_off(void **state)
{
    (void)state;
    fake_begin(
        1, &(struct edge_conf){
               .public_ip = "192.0.2.1", .public_port = 5060, .shards = 1, .t1_ms = 500, .trusted = "198.51.100.0/24"});
    fake_actors_ready();
    for (int i = 0; i < 40; i++) /* beyond any burst but the one of bytes */
        assert_int_equal(guard_answered("192.0.2.10", "OPTIONS", ""), 200);
    kit_expect_nothing(SCAN("OPTIONS"));
    assert_int_equal(guard_answered("192.0.2.10", "OPTIONS", ""), 200);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, guard_begin, kit_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_stranger_must_authenticate),
        TEST(a_challenged_register_leaves_nothing),
        TEST(what_a_stranger_gets),
        TEST(over_the_limit_503_a_few_times_then_silence),
        TEST(repeats_are_limited_too),
        TEST(made_up_tags_are_no_way_around),
        TEST(no_amplifier),
        TEST(calls_in_progress_pass_when_their_source_is_over_its_limits),
        TEST(calls_in_progress_pass_when_their_source_is_blocked),
        TEST(responses_to_our_requests_pass),
        TEST(stray_answers_are_limited),
        TEST(a_scanner_gets_no_answer_and_is_blocked),
        TEST(who_finds_nothing_all_the_time_is_blocked),
        TEST(rubbish_blocks_its_source),
        TEST(trusted_peers_are_never_blocked),
        TEST(who_takes_part_in_calls_is_not_blocked),
        TEST(who_is_registered_is_not_blocked),
        TEST(blocks_are_shown_and_lifted),
        cmocka_unit_test_setup_teardown(switched_off, NULL, kit_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
