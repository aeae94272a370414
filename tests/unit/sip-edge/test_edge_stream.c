/* Connections on loopback: what the kernel does is part of what is tested here. */
#include "tests/unit/sip-edge/stream_kit.h"
#include "tests/unit/testkit.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static int setup(void **state)
{
    (void)state;
    kit_begin(NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    kit_end();
    return 0;
}

static int64_t gone(enum edge_gone why)
{
    return edge_stream_stat_cnt(why);
}

/* Deadlines are reached by moving the time things began, not by waiting. */
static void grow_old(struct edge_conn *c, int64_t ms)
{
    c->since_ms -= ms;
    c->heard_ms -= ms;
    c->part_ms -= ms;
    c->stall_ms -= ms;
    edge_conn_settle(c);
}

/* --- requests and replies --- */

static void a_request_is_answered_where_it_came_from(void **state)
{
    (void)state;
    int fd = kit_connect();
    kit_say(fd, KIT_OPTIONS("1"), sizeof(KIT_OPTIONS("1")) - 1);
    assert_non_null(strstr(kit_wait_words(fd, "z9hG4bK1"), "SIP/2.0 200 OK"));
}

static bool one_asked(void)
{
    return kit.asked == 1;
}

static void an_invite_whose_connection_dies_is_answered_over_a_new_one(void **state)
{
    uint16_t port;
    char text[1024];
    (void)state;
    int listener = kit_listen(&port);
    int fd = kit_connect();
    int n = snprintf(text, sizeof(text),
                     "INVITE sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:%u;branch=z9hG4bKi\r\n"
                     "From: <sip:a@b>;tag=1\r\nTo: <sip:b@c>\r\nCall-ID: i\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\n"
                     "Contact: <sip:a@127.0.0.1>\r\nContent-Length: 0\r\n\r\n",
                     port);
    kit_say(fd, text, (size_t)n);
    kit_wait(one_asked);
    edge_conn_end(kit_conn(), EDGE_GONE_RESET);
    kit_wait_closed(fd);
    kit_reply(486, "i", "INVITE", port);
    int back = kit_accept(listener);
    assert_non_null(strstr(kit_wait_words(back, "CSeq: 1 INVITE"), "SIP/2.0 486 Because"));
    assert_int_equal(kit.failed, 0);
}

static void many_in_one_write_and_in_order(void **state)
{
    enum { MANY = 300 };
    static char all[MANY * 400];
    size_t n = 0;
    (void)state;
    int fd = kit_connect();
    for (unsigned i = 0; i < MANY; i++)
        n += (size_t)snprintf(
            all + n, sizeof(all) - n,
            "OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bKm%u\r\nFrom: <sip:a@b>;tag=1\r\n"
            "To: <sip:b@c>\r\nCall-ID: m\r\nCSeq: %u OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
            i, i + 1);
    kit_say(fd, all, n);
    const char *text = kit_wait_words(fd, "CSeq: 300 OPTIONS");
    const char *at = text;
    for (unsigned i = 0; i < MANY; i++) {
        char words[32];
        (void)snprintf(words, sizeof(words), "CSeq: %u OPTIONS", i + 1);
        at = strstr(at, words);
        assert_non_null(at);
    }
}

/* --- what is no SIP --- */

#define VIA_FROM "OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\n"
#define HEAD VIA_FROM "To: <sip:b@c>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\n"

static void bad_framing_is_refused_and_closed(void **state)
{
    static const struct {
        const char *text;
        const char *answer;
    } rows[] = {
        {HEAD "\r\nand then what", "SIP/2.0 400 Missing Header: Content-Length\r\n"},
        {HEAD "l: 0\r\nContent-Length: 0\r\n\r\n", "SIP/2.0 400 Repeated Header: Content-Length\r\n"},
        {HEAD "Content-Length: x\r\n\r\n", "SIP/2.0 400 Malformed Content-Length\r\n"},
        /* What the message itself lacks is not what is said of its framing. */
        {VIA_FROM "CSeq: 1 OPTIONS\r\n\r\n", "SIP/2.0 400 Missing Header: Content-Length\r\n"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t before = gone(EDGE_GONE_FRAMING);
        int fd = kit_connect();
        kit_say(fd, rows[i].text, strlen(rows[i].text));
        assert_non_null(strstr(kit_wait_words(fd, "\r\n\r\n"), rows[i].answer));
        kit_wait_closed(fd);
        (void)shutdown(fd, SHUT_RDWR);
        kit_wait_open(0);
        assert_int_equal(gone(EDGE_GONE_FRAMING), before + 1);
    }
}

static void no_cseq_is_refused(void **state)
{
    static const char bad[] = VIA_FROM "To: <sip:b@c>\r\nCall-ID: x\r\nContent-Length: 0\r\n\r\n";
    (void)state;
    int fd = kit_connect();
    kit_say(fd, bad, sizeof(bad) - 1);
    assert_non_null(strstr(kit_wait_words(fd, "\r\n\r\n"), "SIP/2.0 400 Missing Header: CSeq\r\n"));
}

static void too_large_is_refused_and_closed(void **state)
{
    static const char big[] =
        "OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\n"
        "To: <sip:b@c>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\n"
        "Content-Length: 4000000000\r\n\r\n";
    (void)state;
    int fd = kit_connect();
    kit_say(fd, big, sizeof(big) - 1);
    assert_non_null(strstr(kit_wait_words(fd, "\r\n\r\n"), "SIP/2.0 413")); /* a body too large; a head: 513 */
    kit_wait_closed(fd);
}

static void noise_is_closed_at_once(void **state)
{
    static const char hello[] = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    (void)state;
    int64_t before = gone(EDGE_GONE_NOT_SIP);
    int fd = kit_connect();
    kit_say(fd, hello, sizeof(hello) - 1);
    kit_wait_closed(fd);
    assert_int_equal(gone(EDGE_GONE_NOT_SIP), before); /* it may still read what we said: nothing */
    (void)shutdown(fd, SHUT_RDWR);
    kit_wait_open(0);
    assert_int_equal(gone(EDGE_GONE_NOT_SIP), before + 1);
}

/* --- keep-alives --- */

static void pings_are_answered_and_cost_nothing(void **state)
{
    static char flood[65536];
    bool closed;
    static char text[65536];
    size_t pongs = 0;
    (void)state;
    for (size_t i = 0; i < sizeof(flood); i++)
        flood[i] = i % 2 == 0 ? '\r' : '\n';
    int fd = kit_connect();
    kit_say(fd, "\r\n\r\n", 4);
    assert_string_equal(kit_wait_words(fd, "\r\n"), "\r\n");
    for (int i = 0; i < 50; i++) {
        kit_say(fd, flood, sizeof(flood));
        kit_turn();
        pongs += kit_hear(fd, text, sizeof(text), &closed);
        assert_false(closed);
        assert_true(kit.stream->held <= 4096);
    }
    assert_true(pongs > 0 && pongs < 4096); /* one a turn, not one each */
    kit_say(fd, KIT_OPTIONS("p"), sizeof(KIT_OPTIONS("p")) - 1);
    (void)kit_wait_words(fd, "SIP/2.0 200 OK");
}

/* --- deadlines --- */

static void who_says_nothing_goes(void **state)
{
    (void)state;
    int64_t before = gone(EDGE_GONE_UNPROVEN);
    int fd = kit_connect();
    kit_wait_open(1);
    grow_old(kit_conn(), EDGE_STREAM_UNPROVEN_MS - 1000);
    kit_say(fd, "\r\n\r\n", 4); /* a ping is no proof */
    (void)kit_wait_words(fd, "\r\n");
    grow_old(kit_conn(), 1001);
    kit_wait_closed(fd);
    assert_int_equal(gone(EDGE_GONE_UNPROVEN), before + 1);
}

static void who_never_ends_a_message_goes(void **state)
{
    (void)state;
    int64_t before = gone(EDGE_GONE_SLOW_MESSAGE);
    int fd = kit_connect();
    kit_say(fd, KIT_OPTIONS("1"), sizeof(KIT_OPTIONS("1")) - 1);
    (void)kit_wait_words(fd, "SIP/2.0 200");
    kit_say(fd, "OPTIONS ", 8);
    kit_turn();
    for (int i = 0; i < 3; i++) { /* one byte now and then does not help */
        grow_old(kit_conn(), EDGE_STREAM_MESSAGE_MS / 4);
        kit_say(fd, "x", 1);
        kit_turn();
    }
    grow_old(kit_conn(), EDGE_STREAM_MESSAGE_MS / 4 + 1);
    kit_wait_closed(fd);
    assert_int_equal(gone(EDGE_GONE_SLOW_MESSAGE), before + 1);
}

static void idle_connections_go(void **state)
{
    (void)state;
    int64_t before = gone(EDGE_GONE_IDLE);
    int fd = kit_connect();
    kit_say(fd, KIT_OPTIONS("1"), sizeof(KIT_OPTIONS("1")) - 1);
    (void)kit_wait_words(fd, "SIP/2.0 200");
    grow_old(kit_conn(), kit.stream->conf.idle_ms - 1000);
    kit_say(fd, "\r\n\r\n", 4); /* keeps it alive */
    (void)kit_wait_words(fd, "\r\n");
    grow_old(kit_conn(), kit.stream->conf.idle_ms - 1000);
    kit_turn();
    assert_int_equal(kit.stream->cnt, 1);
    grow_old(kit_conn(), 1001);
    kit_wait_closed(fd);
    assert_int_equal(gone(EDGE_GONE_IDLE), before + 1);
}

/* --- who does not read --- */

static bool is_throttled(void)
{
    return kit_conn()->dirs == LOOP_WRITE;
}

static void who_does_not_read_is_not_read_from(void **state)
{
    int small = 4096;
    (void)state;
    int64_t before = gone(EDGE_GONE_SLOW_READER);
    int fd = kit_connect();
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    kit_wait_open(1);
    (void)setsockopt(kit_conn()->fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    for (size_t i = 0; i < 10000; i++)
        (void)send(fd, KIT_OPTIONS("s"), sizeof(KIT_OPTIONS("s")) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    kit_wait(is_throttled);
    assert_true(kit.stream->held < EDGE_TXQ_BYTES_MAX);
    int other = kit_connect(); /* and nobody else waits */
    kit_say(other, KIT_OPTIONS("o"), sizeof(KIT_OPTIONS("o")) - 1);
    (void)kit_wait_words(other, "SIP/2.0 200 OK");
    assert_true(is_throttled());
    grow_old(kit_conn(), EDGE_STREAM_STALL_MS + 1);
    kit_wait_open(1);
    assert_int_equal(gone(EDGE_GONE_SLOW_READER), before + 1);
}

/* --- half-closed --- */

static void a_half_closed_peer_gets_its_answer(void **state)
{
    (void)state;
    int fd = kit_connect();
    kit_say(fd, KIT_REQUEST("INVITE", "h", "5060"), sizeof(KIT_REQUEST("INVITE", "h", "5060")) - 1);
    (void)shutdown(fd, SHUT_WR);
    kit_wait(one_asked);
    kit_turn();
    assert_int_equal(kit_conn()->state, EDGE_CONN_HALF);
    kit_reply(486, "h", "INVITE", 5060);
    (void)kit_wait_words(fd, "SIP/2.0 486");
    kit_wait_closed(fd);
}

/* --- limits --- */

static bool first_is_gone(void)
{
    return gone(EDGE_GONE_EVICTED) > 0;
}

static void when_full_who_said_nothing_makes_room(void **state)
{
    static const struct edge_stream_conf tiny = {.conns_max = 10, .idle_ms = 0, .t1_ms = 500};
    int fd[10];
    (void)state;
    kit_end();
    kit_begin(&tiny);
    int64_t evicted = gone(EDGE_GONE_EVICTED);
    int64_t refused = gone(EDGE_GONE_TOTAL);
    for (unsigned i = 0; i < 9; i++) {
        fd[i] = kit_connect();
        kit_say(fd[i], KIT_OPTIONS("1"), sizeof(KIT_OPTIONS("1")) - 1);
        (void)kit_wait_words(fd[i], "SIP/2.0 200");
    }
    int silent = kit_connect();
    kit_wait_open(10);
    int next = kit_connect();
    kit_wait_closed(silent);
    assert_int_equal(gone(EDGE_GONE_EVICTED), evicted + 1);
    kit_say(next, KIT_OPTIONS("1"), sizeof(KIT_OPTIONS("1")) - 1);
    (void)kit_wait_words(next, "SIP/2.0 200");
    int refused_fd = kit_connect();
    kit_wait_closed(refused_fd);
    assert_int_equal(gone(EDGE_GONE_TOTAL), refused + 1);
    assert_true(first_is_gone());
}

static bool is_half(void)
{
    return kit_conn()->state == EDGE_CONN_HALF;
}

static void when_full_who_says_no_more_makes_room(void **state)
{
    static const struct edge_stream_conf one = {.conns_max = 1, .idle_ms = 0, .t1_ms = 500};
    (void)state;
    kit_end();
    kit_begin(&one);
    int64_t evicted = gone(EDGE_GONE_EVICTED);
    int half = kit_connect();
    kit_say(half, KIT_REQUEST("INVITE", "h", "5060"), sizeof(KIT_REQUEST("INVITE", "h", "5060")) - 1);
    (void)kit_wait_words(half, "SIP/2.0 100");
    (void)shutdown(half, SHUT_WR);
    kit_wait(is_half);
    int next = kit_connect();
    kit_say(next, KIT_OPTIONS("n"), sizeof(KIT_OPTIONS("n")) - 1);
    (void)kit_wait_words(next, "SIP/2.0 200");
    assert_int_equal(gone(EDGE_GONE_EVICTED), evicted + 1);
}

static void one_source_gets_its_share(void **state)
{
    static const struct edge_stream_conf shared = {.conns_max = 64, .per_source_max = 3, .t1_ms = 500};
    (void)state;
    kit_end();
    kit_begin(&shared);
    int first = kit_connect();
    (void)kit_connect();
    (void)kit_connect();
    kit_wait_open(3);
    kit_wait_closed(kit_connect());
    assert_int_equal(kit.stream->cnt, 3);
    (void)shutdown(first, SHUT_RDWR);
    kit_wait_open(2);
    (void)kit_connect();
    kit_wait_open(3);
    assert_int_equal(kit.stream->sources.count, 1);
}

static bool had_none(void)
{
    return gone(EDGE_GONE_DESCRIPTORS) > 0;
}

/* The loop must neither spin nor die, and goes on when there are descriptors again. */
static void descriptors_run_out(void **state)
{
    struct rlimit before, none;
    (void)state;
    int fd = kit_connect();
    int probe = dup(0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = (rlim_t)probe;
    (void)close(probe);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    kit_wait(had_none);
    int64_t once = gone(EDGE_GONE_DESCRIPTORS);
    kit_turn();
    assert_int_equal(gone(EDGE_GONE_DESCRIPTORS), once);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    kit_say(fd, KIT_OPTIONS("d"), sizeof(KIT_OPTIONS("d")) - 1);
    (void)kit_wait_words(fd, "SIP/2.0 200");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
        CASE(a_request_is_answered_where_it_came_from),
        CASE(an_invite_whose_connection_dies_is_answered_over_a_new_one),
        CASE(many_in_one_write_and_in_order),
        CASE(bad_framing_is_refused_and_closed),
        CASE(no_cseq_is_refused),
        CASE(too_large_is_refused_and_closed),
        CASE(noise_is_closed_at_once),
        CASE(pings_are_answered_and_cost_nothing),
        CASE(who_says_nothing_goes),
        CASE(who_never_ends_a_message_goes),
        CASE(idle_connections_go),
        CASE(who_does_not_read_is_not_read_from),
        CASE(a_half_closed_peer_gets_its_answer),
        CASE(when_full_who_said_nothing_makes_room),
        CASE(when_full_who_says_no_more_makes_room),
        CASE(one_source_gets_its_share),
        CASE(descriptors_run_out),
#undef CASE
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
