/* Requests of ours over connections: made, used again, refused, lost. */
#include "tests/unit/sip-edge/stream_kit.h"
#include "tests/unit/testkit.h"
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define BRANCH "z9hG4bKa0-1-"

static struct {
    int listener;
    uint16_t port;
    char uri[64];
} t;

static int setup(void **state)
{
    (void)state;
    kit_begin(NULL);
    t.listener = kit_listen(&t.port);
    (void)snprintf(t.uri, sizeof(t.uri), "sip:b@127.0.0.1:%u;transport=tcp", t.port);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    kit_end();
    return 0;
}

static void say_response(int fd, const char *branch, const char *method, unsigned status)
{
    char text[512];
    int n = snprintf(text, sizeof(text),
                     "SIP/2.0 %u Answer\r\nVia: SIP/2.0/TCP 127.0.0.1:5060;branch=%s;rport\r\nFrom: <sip:a@b>;tag=1\r\n"
                     "To: <sip:b@c>;tag=2\r\nCall-ID: out\r\nCSeq: 1 %s\r\nContent-Length: 0\r\n\r\n",
                     status, branch, method);
    kit_say(fd, text, (size_t)n);
}

static bool no_transactions(void)
{
    return txn_index_count(&kit.edge.index) == 0;
}

static bool one_failed(void)
{
    return kit.failed == 1;
}

static bool one_datagram(void)
{
    return kit.udp == 1;
}

static void requests_share_a_connection(void **state)
{
    (void)state;
    kit_request(BRANCH "1", "BYE", t.uri, 0);
    int fd = kit_accept(t.listener);
    assert_non_null(strstr(kit_wait_words(fd, "\r\n\r\n"), "Via: SIP/2.0/TCP 127.0.0.1:5060;branch=" BRANCH "1"));
    kit_request(BRANCH "2", "BYE", t.uri, 0);
    (void)kit_wait_words(fd, BRANCH "2");
    assert_int_equal(kit.stream->cnt, 1);
    say_response(fd, BRANCH "1", "BYE", 200);
    say_response(fd, BRANCH "2", "BYE", 200);
    kit_wait(no_transactions); /* timer K is 0 */
    assert_int_equal(kit.failed, 0);
}

static void requests_that_wait_for_the_connection_go_in_order(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        char branch[32];
        (void)snprintf(branch, sizeof(branch), BRANCH "w%u-", i);
        kit_request(branch, "BYE", t.uri, 0);
    }
    int fd = kit_accept(t.listener);
    const char *at = kit_wait_words(fd, BRANCH "w19-");
    for (unsigned i = 0; i < 20; i++) {
        char branch[32];
        (void)snprintf(branch, sizeof(branch), BRANCH "w%u-", i);
        at = strstr(at, branch);
        assert_non_null(at);
    }
}

static void who_refuses_connections_is_told_of(void **state)
{
    (void)state;
    (void)shutdown(t.listener, SHUT_RDWR);
    kit_request(BRANCH "r", "BYE", t.uri, 0);
    kit_wait(one_failed);
    assert_true(no_transactions());
    kit_wait_open(0);
}

/* §18.1.1: over TCP when it is long, and the Via says so. */
static void a_long_request_goes_over_tcp(void **state)
{
    char uri[64];
    (void)state;
    (void)snprintf(uri, sizeof(uri), "sip:b@127.0.0.1:%u", t.port);
    kit_request(BRANCH "s", "BYE", uri, 0);
    assert_int_equal(kit.udp, 1);
    kit_request(BRANCH "l", "BYE", uri, EDGE_UDP_BYTES_MAX);
    int fd = kit_accept(t.listener);
    (void)kit_wait_words(fd, "Via: SIP/2.0/TCP 127.0.0.1:5060;branch=" BRANCH "l");
    assert_int_equal(kit.udp, 1);
    say_response(fd, BRANCH "l", "BYE", 200);
}

static bool three_datagrams(void)
{
    return kit.udp >= 3;
}

/* … and by UDP after all when there is no TCP, with all that belongs to it; the next one knows. */
static void a_long_request_falls_back_to_udp(void **state)
{
    char uri[64];
    (void)state;
    (void)shutdown(t.listener, SHUT_RDWR);
    (void)snprintf(uri, sizeof(uri), "sip:b@127.0.0.1:%u", t.port);
    kit_request(BRANCH "f", "BYE", uri, 2000);
    kit_wait(one_datagram);
    assert_int_equal(kit.failed, 0);
    kit_wait(three_datagrams); /* timer E runs */
    struct txn_entry *x = txn_index_client(&kit.edge.index, SPAN(BRANCH "f;BYE"));
    assert_non_null(x);
    int64_t refused = edge_stream_stat_cnt(EDGE_GONE_CONNECT);
    kit_request(BRANCH "g", "BYE", uri, 2000);
    assert_int_equal(edge_stream_stat_cnt(EDGE_GONE_CONNECT), refused);
    assert_true(kit.udp >= 4);
}

static void what_was_lost_with_its_connection_is_sent_again(void **state)
{
    (void)state;
    kit_request(BRANCH "1", "BYE", t.uri, 0);
    int fd = kit_accept(t.listener);
    (void)kit_wait_words(fd, "\r\n\r\n");
    (void)shutdown(fd, SHUT_RDWR);
    int again = kit_accept(t.listener);
    (void)kit_wait_words(again, BRANCH "1");
    (void)shutdown(t.listener, SHUT_RDWR);
    (void)shutdown(again, SHUT_RDWR); /* once is enough */
    kit_turn();
    assert_int_equal(kit.failed, 0);
    assert_int_equal(txn_index_count(&kit.edge.index), 1); /* timer F decides */
}

/* One that has said 1xx has it: nothing is sent twice. */
static void what_was_heard_is_not_sent_again(void **state)
{
    (void)state;
    kit_request(BRANCH "1", "INVITE", t.uri, 0);
    int fd = kit_accept(t.listener);
    (void)kit_wait_words(fd, "\r\n\r\n");
    say_response(fd, BRANCH "1", "INVITE", 180);
    kit_turn();
    (void)shutdown(fd, SHUT_RDWR);
    kit_wait_open(0);
    kit_turn();
    assert_int_equal(kit.stream->cnt, 0);
    assert_int_equal(txn_index_count(&kit.edge.index), 1);
}

/* What a peer opened carries our requests to it too. */
static void a_peers_own_connection_is_used(void **state)
{
    struct sockaddr_in a = {0};
    socklen_t len = sizeof(a);
    char uri[64];
    (void)state;
    int fd = kit_connect();
    kit_say(fd, KIT_OPTIONS("1"), sizeof(KIT_OPTIONS("1")) - 1);
    (void)kit_wait_words(fd, "SIP/2.0 200");
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    (void)snprintf(uri, sizeof(uri), "sip:b@127.0.0.1:%u;transport=tcp", ntohs(a.sin_port));
    kit_request(BRANCH "p", "BYE", uri, 0);
    (void)kit_wait_words(fd, "BYE sip:b@127.0.0.1");
    assert_int_equal(kit.stream->cnt, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
        CASE(requests_share_a_connection),        CASE(requests_that_wait_for_the_connection_go_in_order),
        CASE(who_refuses_connections_is_told_of), CASE(a_long_request_goes_over_tcp),
        CASE(a_long_request_falls_back_to_udp),   CASE(what_was_lost_with_its_connection_is_sent_again),
        CASE(what_was_heard_is_not_sent_again),   CASE(a_peers_own_connection_is_used),
#undef CASE
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
