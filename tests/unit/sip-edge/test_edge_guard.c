/* Strangers and overload as the edge treats them. 192.0.2.10 and all others are strangers; 198.51.100.0/24 is trusted.
 */
#include "common/rt/bus.h"
#include "sip-edge/edge_stat.h"
#include "tests/unit/sip-edge/server_kit.h"
#include "tests/unit/testkit.h"
#include <stdio.h>
#include <stdlib.h>

#define RATE 20
#define TRUSTED "198.51.100.7"
#define SCAN(method) HEAD(method, "z9hG4bKs", "", "1 " method) "User-Agent: friendly-scanner\n" END
#define FORGED_BYE REQ("BYE", "z9hG4bKf", ";tag=a0-guess", "2 BYE")

static int begin(void **state)
{
    (void)state;
    fake_begin(1, &(struct edge_conf){.public_ip = "192.0.2.1",
                                      .public_port = 5060,
                                      .shards = 1,
                                      .t1_ms = 500,
                                      .trusted = "198.51.100.0/24",
                                      .rate_limit = RATE,
                                      .block_s = 300});
    fake_actors_ready();
    return 0;
}

/* A request with a branch of its own, so that it is no repeat. */
static void rx_new(const char *ip, const char *method, const char *to_tag)
{
    static unsigned serial;
    char text[1024];
    (void)snprintf(text, sizeof(text),
                   "%s sip:1@192.0.2.1 SIP/2.0\n"
                   "Via: SIP/2.0/UDP client.example.com;rport;branch=z9hG4bKn%u\n"
                   "Max-Forwards: 70\nFrom: <sip:a@b>;tag=f%u\nTo: <sip:1@b>%s\nCall-ID: c%u\nCSeq: 7 %s\n" END,
                   method, serial, serial, to_tag, serial, method);
    serial++;
    fake_rx_from(ip, 5062, text);
}

static const char *last_line(void)
{
    return fake.sent_cnt > 0 ? fake_line(fake_sent_back(0)) : "";
}

static unsigned number(const char *text)
{
    return (unsigned)strtoul(text, NULL, 10);
}

static unsigned retry_after(void)
{
    return number(fake_header(fake_sent_back(0), "Retry-After"));
}

static unsigned answered(const char *ip, const char *method, const char *to_tag)
{
    fake_forget();
    rx_new(ip, method, to_tag);
    return fake.sent_cnt > 0 ? number(last_line() + strlen("SIP/2.0 ")) : 0;
}

static bool is_blocked(const char *ip)
{
    struct in6_addr a;
    assert_true(edge_addr_parse(span_cstr(ip), &a));
    return blocked_find(&fake.edge.guard.blocked, source_id_of(&a), fake.now_ms) != NULL;
}

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
    assert_string_equal(last_line(), "SIP/2.0 407 Proxy Authentication Required");
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
    assert_string_equal(last_line(), "SIP/2.0 100 Trying");
}

static void what_a_stranger_gets(void **state)
{
    (void)state;
    assert_int_equal(answered("192.0.2.10", "OPTIONS", ""), 200);
    assert_int_equal(answered("192.0.2.10", "BYE", ""), 481);
    assert_int_equal(answered("192.0.2.10", "BYE", ";tag=other"), 481);
    assert_int_equal(answered("192.0.2.10", "INVITE", ";tag=other"), 481);
    assert_int_equal(answered("192.0.2.10", "REGISTER", ";tag=other"), 400);
    assert_int_equal(answered("192.0.2.10", "MESSAGE", ""), 405);
    assert_int_equal(answered("192.0.2.10", "ACK", ""), 0);
    assert_int_equal(fake.told_cnt, 0);
    assert_int_equal(answered(TRUSTED, "REGISTER", ""), 0); /* the actor's to challenge, whoever sends it */
    assert_true(must_authenticate());
    assert_int_equal(answered("192.0.2.10", "BYE", ";tag=a0-x"), 0); /* the actor's to say */
    assert_int_equal(fake.told_cnt, 1);
}

/* --- limits --- */

static void over_the_limit_503_a_few_times_then_silence(void **state)
{
    (void)state;
    for (int i = 0; i < RATE; i++)
        assert_int_equal(answered("192.0.2.10", "OPTIONS", ""), 200);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(answered("192.0.2.10", "OPTIONS", ""), 503);
        assert_string_equal(last_line(), "SIP/2.0 503 Too Many Requests From You");
        assert_true(retry_after() >= 5 && retry_after() <= 15);
    }
    for (int i = 0; i < 100; i++)
        assert_int_equal(answered("192.0.2.10", "OPTIONS", ""), 0);
    assert_int_equal(answered("192.0.2.11", "OPTIONS", ""), 200); /* somebody else */
    for (int i = 0; i < 200; i++)
        assert_int_equal(answered(TRUSTED, "OPTIONS", ""), 200);
    fake_wait(1000);
    for (int i = 0; i < RATE; i++)
        assert_int_equal(answered("192.0.2.10", "OPTIONS", ""), 200);
    assert_int_equal(answered("192.0.2.10", "OPTIONS", ""), 0);
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
        rx_new("192.0.2.10", "BYE", ";tag=a0-guess");
        told += fake.told_cnt;
    }
    assert_int_equal(told, 10 * RATE);
    told = 0;
    for (int i = 0; i < 1000; i++) { /* a refusal of these is sent up to 12 times */
        fake_forget();
        rx_new("192.0.2.11", "INVITE", ";tag=a0-guess");
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

/* A call of a stranger: rung by us, answered by him. */
static void our_call_to(const char *ip)
{
    char text[512];
    fake_request(0, "z9hG4bKa0-out", "INVITE",
                 "INVITE sip:b@192.0.2.20 SIP/2.0\nMax-Forwards: 70\nFrom: <sip:us@192.0.2.1>;tag=a0-real\n"
                 "To: <sip:b@192.0.2.20>\nCall-ID: a0-call\nCSeq: 1 INVITE\n" END);
    (void)snprintf(text, sizeof(text),
                   "SIP/2.0 200 OK\nVia: SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bKa0-out\n"
                   "From: <sip:us@192.0.2.1>;tag=a0-real\nTo: <sip:b@192.0.2.20>;tag=b\nCall-ID: a0-call\n"
                   "CSeq: 1 INVITE\n" END);
    fake_rx_from(ip, 5070, text);
    fake_forget();
}

static void calls_in_progress_pass_when_their_source_is_over_its_limits(void **state)
{
    (void)state;
    our_call_to("192.0.2.20");
    for (int i = 0; i < 1000; i++) { /* somebody forges his address */
        fake_forget();
        rx_new("192.0.2.20", i % 2 == 0 ? "OPTIONS" : "BYE", i % 2 == 0 ? "" : ";tag=a0-guess");
    }
    assert_int_equal(fake.told_cnt, 0);
    for (int i = 0; i < TAGSET_PER_S; i++) {
        fake_forget();
        rx_new("192.0.2.20", i % 2 == 0 ? "INVITE" : "BYE", ";tag=a0-real");
        assert_int_equal(fake.told_cnt, 1);
    }
}

static void calls_in_progress_pass_when_their_source_is_blocked(void **state)
{
    (void)state;
    fake_rx(SCAN("OPTIONS"));
    assert_true(is_blocked("192.0.2.10"));
    our_call_to("192.0.2.20");
    fake_rx(REQ("BYE", "z9hG4bKb", ";tag=a0-real", "2 BYE")); /* his address has changed to the blocked one */
    assert_int_equal(fake.told_cnt, 1);
    fake_rx(REQ("ACK", "z9hG4bKc", ";tag=a0-real", "1 ACK"));
    assert_int_equal(fake.told_cnt, 2);
    kit_answer(BYE_KEY, 200, RESP("200 OK", "z9hG4bKb", "2 BYE"));
    assert_string_equal(last_line(), "SIP/2.0 200 OK");
}

static void responses_to_our_requests_pass(void **state)
{
    (void)state;
    fake_rx_from("192.0.2.20", 5062, SCAN("OPTIONS"));
    assert_true(is_blocked("192.0.2.20"));
    our_call_to("192.0.2.20");
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
    assert_int_equal(answered("192.0.2.11", "OPTIONS", ""), 200);
    fake_wait(300000);
    assert_int_equal(answered("192.0.2.10", "OPTIONS", ""), 200);
}

static void who_finds_nothing_all_the_time_is_blocked(void **state)
{
    (void)state;
    for (int i = 0; i < 61; i++) { /* names and numbers tried one after the other */
        fake_forget();
        rx_new("192.0.2.10", "BYE", "");
        fake_wait(100);
    }
    assert_false(is_blocked("192.0.2.10"));
    for (int i = 0; i < 20; i++) {
        fake_forget();
        rx_new("192.0.2.10", "BYE", "");
        fake_wait(100);
    }
    assert_true(is_blocked("192.0.2.10"));
    for (int i = 0; i < 100; i++) { /* one that fails now and then is not */
        fake_forget();
        rx_new("192.0.2.11", "BYE", "");
        fake_wait(1000);
    }
    assert_false(is_blocked("192.0.2.11"));
}

static void rubbish_blocks_its_source(void **state)
{
    (void)state;
    for (int i = 0; i < 200; i++) {
        fake_forget();
        fake_rx("INVITE sip:a SIP/2.0\nrubbish rubbish rubbish\n\n");
        assert_int_equal(fake.sent_cnt, 0);
    }
    assert_true(is_blocked("192.0.2.10"));
}

static void trusted_peers_are_never_blocked(void **state)
{
    (void)state;
    fake_rx_from(TRUSTED, 5062, SCAN("OPTIONS"));
    for (int i = 0; i < 200; i++) {
        fake_forget();
        fake_rx_from(TRUSTED, 5062, "INVITE sip:a SIP/2.0\nrubbish rubbish rubbish\n\n");
        rx_new(TRUSTED, "BYE", "");
    }
    assert_int_equal(sources_count(&fake.edge.guard.sources), 0);
    assert_int_equal(answered(TRUSTED, "OPTIONS", ""), 200);
}

static void who_takes_part_in_calls_is_not_blocked(void **state)
{
    (void)state;
    our_call_to("192.0.2.20");
    fake_rx_from("192.0.2.20", 5062, SCAN("OPTIONS")); /* forged, or not: not answered, but no more */
    assert_int_equal(fake.sent_cnt, 0);
    assert_false(is_blocked("192.0.2.20"));
    assert_int_equal(answered("192.0.2.20", "OPTIONS", ""), 200);
    fake_wait(SOURCE_VOUCH_MS);
    fake_rx_from("192.0.2.20", 5062, SCAN("OPTIONS"));
    assert_true(is_blocked("192.0.2.20"));
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
    assert_int_equal(answered("192.0.2.10", "OPTIONS", ""), 200);
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
        assert_int_equal(answered("192.0.2.10", "OPTIONS", ""), 200);
    kit_expect_nothing(SCAN("OPTIONS"));
    assert_int_equal(answered("192.0.2.10", "OPTIONS", ""), 200);
}

/* --- overload --- */

static void a_full_bound_refuses_new_calls_only(void **state)
{
    unsigned refused = 0;
    bool seen[32] = {false};
    unsigned spread = 0;
    (void)state;
    fake_rx_from(TRUSTED, 5062, INVITE);
    kit_answer(KEY, 200, RESP("200 OK", "z9hG4bKa", "1 INVITE"));
    assert_int_equal(fake.edge.guard.shed.in_flight, 0);
    for (int i = 0; i < SHED_START + 200; i++) {
        fake_forget();
        rx_new(TRUSTED, "INVITE", "");
        if (fake.told_cnt == 0) {
            refused++;
            assert_string_equal(last_line(), "SIP/2.0 503 Service Unavailable");
            seen[retry_after() & 31] = true;
        }
    }
    assert_int_equal(refused, 200);
    for (int i = 0; i < 32; i++) {
        assert_true(!seen[i] || (i >= 5 && i <= 15));
        spread += seen[i];
    }
    assert_true(spread > 5);
    fake_forget();
    fake_rx_from(TRUSTED, 5062, REINVITE);
    fake_rx_from(TRUSTED, 5062, BYE);
    fake_rx_from(TRUSTED, 5062, REQ("ACK", "z9hG4bKk", ";tag=a0-x", "1 ACK"));
    assert_int_equal(fake.told_cnt, 3);
    assert_int_equal(answered(TRUSTED, "OPTIONS", ""), 200);
}

static void drop_quietly(void *user, const struct edge_path *to, struct span bytes, struct span owner, bool is_server)
{
    (void)user;
    (void)to;
    (void)bytes;
    (void)owner;
    (void)is_server;
}

/* Time passes; what timers send is not looked at. */
static void wait_quietly(int64_t ms)
{
    struct edge_out out = fake.edge.out;
    fake_forget();
    fake.edge.out.send = drop_quietly;
    fake_wait(ms);
    fake.edge.out.send = out.send;
    fake_forget();
}

static void set_ups_are_counted_out_once(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        fake_forget();
        rx_new(TRUSTED, "INVITE", "");
    }
    assert_int_equal(fake.edge.guard.shed.in_flight, 20);
    edge_actor_down(&fake.edge, 0, (struct now){.mono_ms = fake.now_ms});
    wait_quietly(EDGE_GRACE_MS + 100); /* all get 503 */
    assert_int_equal(fake.edge.guard.shed.in_flight, 0);
    wait_quietly(3700000);
    assert_int_equal(fake.edge.guard.shed.in_flight, 0);
}

/* Wherever memory runs out: what is counted is there. */
static void set_ups_without_memory(void **state)
{
    unsigned lost = 0;
    (void)state;
    fake.say_rv = -BUS_EDOWN; /* the fake's own link needs memory */
    for (unsigned i = 0; i < 600; i++) {
        fake_forget();
        testkit_fail_alloc(1 + i % 8); /* the first one is the test's own */
        rx_new(TRUSTED, "INVITE", "");
        lost += testkit_alloc_failed();
        assert_int_equal(fake.edge.guard.shed.in_flight, txn_index_count(&fake.edge.index));
    }
    assert_true(lost > 100);
}

/* --- anything, in any order --- */

#define SOURCES 40

struct account {
    long in, out; /* messages */
    long opened;  /* 200s to OPTIONS */
    int64_t first_ms;
};

static void name_of(unsigned n, char *out, size_t size)
{
    if (n == 0)
        (void)snprintf(out, size, "%s", TRUSTED);
    else if (n % 4 == 0)
        (void)snprintf(out, size, "2001:db8:0:%x::%x", n, (unsigned)random() % 65536);
    else
        (void)snprintf(out, size, "203.0.113.%u", n);
}

static void send_any(unsigned n, const char *ip)
{
    static const char *const methods[] = {"OPTIONS", "PUBLISH", "BYE", "REFER", "CANCEL", "ACK", "INFO", "OPTIONS"};
    static const char *const tags[] = {"", "", ";tag=a0-guess", ";tag=a0-real", ";tag=z"};
    switch (n == 0 ? 3 : random() % 12) {
    case 0:
        fake_rx_from(ip, 5062, SCAN("INVITE"));
        break;
    case 1:
        fake_rx_from(ip, 5062, "INVITE sip:a SIP/2.0\nrubbish rubbish rubbish\n\n");
        break;
    case 2:
        fake_rx_from(ip, 5062, RESP("200 OK", "z9hG4bKa0-guess", "1 INVITE"));
        break;
    default:
        rx_new(ip, n == 0 ? "OPTIONS" : methods[random() % 8], n == 0 ? "" : tags[random() % 5]);
    }
}

static void whatever_comes(void **state)
{
    static struct account acc[SOURCES];
    (void)state;
    memset(acc, 0, sizeof(acc));
    srandom(7);
    our_call_to("192.0.2.20");
    for (int i = 0; i < 60000; i++) {
        char ip[EDGE_ADDR_TEXT_SIZE];
        unsigned n = random() % 3 == 0 ? 1 : (unsigned)random() % SOURCES; /* one is louder than the others */
        struct account *a = &acc[n];
        name_of(n, ip, sizeof(ip));
        fake_forget();
        if (a->in++ == 0)
            a->first_ms = fake.now_ms;
        send_any(n, ip);
        for (unsigned k = 0; k < fake.sent_cnt; k++) {
            a->opened += strcmp(fake_line(&fake.sent[k]), "SIP/2.0 200 OK") == 0;
        }
        a->out += fake.sent_cnt;
        int64_t ms = fake.now_ms - a->first_ms;
        assert_true(a->out <= 2 * a->in); /* a re-INVITE has 100 and its final one */
        if (n != 0)
            assert_true(a->opened <= RATE + (ms + 999) * RATE / 1000);
        assert_true(sources_count(&fake.edge.guard.sources) <= SOURCES + 1);
        assert_true(fake.edge.guard.shed.in_flight == 0);
        if (i % 50 == 0) { /* a real dialog is served from anywhere, however bad its source is */
            wait_quietly(1000);
            rx_new(ip, "BYE", ";tag=a0-real");
            assert_int_equal(fake.told_cnt, 1);
            assert_int_equal(answered(TRUSTED, "OPTIONS", ""), 200);
            wait_quietly(random() % 64 == 0 ? 400000 : random() % 100);
        }
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, kit_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_stranger_must_authenticate),
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
        TEST(blocks_are_shown_and_lifted),
        cmocka_unit_test_setup_teardown(switched_off, NULL, kit_teardown),
        TEST(a_full_bound_refuses_new_calls_only),
        TEST(set_ups_are_counted_out_once),
        TEST(set_ups_without_memory),
        TEST(whatever_comes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
