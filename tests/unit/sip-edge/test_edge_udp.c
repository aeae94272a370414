/* Real datagrams on loopback, private ports: what the kernel does is part of what is tested here. */
#include "common/base/log.h"
#include "sip-edge/edge_stat.h"
#include "sip-edge/edge_udp.h"
#include "tests/unit/testkit.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <unistd.h>

#define DEADLINE_MS 5000

#define OPTIONS(branch)                                                                                                \
    "OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bK" branch "\r\n"                   \
    "From: <sip:a@b>;tag=1\r\nTo: <sip:127.0.0.1>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"

static struct {
    struct loop *loop;
    struct edge edge;
    struct edge_udp *udp;
    int edge_fd;
    int peer_fd;
    struct sockaddr_in edge_addr;
    struct timer tick;
    unsigned told_failed;
    bool (*until)(void);
    int64_t deadline_ms;
} t;

static void send_out(void *user, const struct edge_path *to, struct span bytes, struct span owner, bool is_server)
{
    (void)user;
    edge_udp_send(t.udp, to, bytes, owner, is_server);
}

static int say(void *user, unsigned shard, enum plane_type type, const ProtobufCMessage *body)
{
    (void)user;
    (void)shard;
    (void)body;
    t.told_failed += type == PLANE_EDGE_TXN_FAILED;
    return 0;
}

static int udp_socket(const char *ip, struct sockaddr_in *bound)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    socklen_t len = sizeof(a);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(inet_pton(AF_INET, ip, &a.sin_addr), 1);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    if (bound != NULL)
        *bound = a;
    return fd;
}

static void on_tick(struct timer *timer, int64_t now_ms)
{
    assert_true(now_ms < t.deadline_ms);
    if (t.until())
        loop_stop(t.loop);
    else
        loop_timer_in(t.loop, timer, 1);
}

/* Turns the loop until the question is answered with yes; fails at the deadline. */
static void wait_until(bool (*question)(void))
{
    t.until = question;
    loop_refresh(t.loop);
    t.deadline_ms = loop_now(t.loop).mono_ms + DEADLINE_MS;
    loop_timer_in(t.loop, &t.tick, 0);
    loop_run(t.loop);
}

static int setup(void **state)
{
    (void)state;
    struct edge_conf conf = {
        .public_ip = "127.0.0.1", .public_port = 5060, .shards = 1, .t1_ms = 500, .trusted = "127.0.0.0/8"};
    log_set_level(LOG_ERROR);
    memset(&t, 0, sizeof(t));
    t.loop = loop_new(false);
    timer_init(&t.tick, on_tick, NULL);
    t.edge_fd = udp_socket("0.0.0.0", &t.edge_addr);
    t.peer_fd = udp_socket("127.0.0.1", NULL);
    assert_int_equal(inet_pton(AF_INET, "127.0.0.1", &t.edge_addr.sin_addr), 1);
    edge_init(&t.edge, &conf, &(struct edge_out){.send = send_out, .say = say}, loop_timers(t.loop), loop_now(t.loop));
    t.udp = edge_udp_new(t.loop, t.edge_fd, &t.edge);
    assert_non_null(t.udp);
    assert_int_equal(edge_udp_port(t.udp), ntohs(t.edge_addr.sin_port));
    edge_actor_up(&t.edge, 0, loop_now(t.loop));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    edge_udp_free(t.udp);
    edge_fini(&t.edge);
    loop_free(t.loop);
    close(t.edge_fd);
    close(t.peer_fd);
    return 0;
}

static void peer_says(int fd, const void *p, size_t n)
{
    assert_int_equal(sendto(fd, p, n, 0, (struct sockaddr *)&t.edge_addr, sizeof(t.edge_addr)), (ssize_t)n);
}

static unsigned got;
static char last[2048];
static struct sockaddr_in last_from;

static bool peer_hears(unsigned wanted)
{
    for (;;) {
        socklen_t len = sizeof(last_from);
        ssize_t n = recvfrom(t.peer_fd, last, sizeof(last) - 1, MSG_DONTWAIT, (struct sockaddr *)&last_from, &len);
        if (n < 0)
            return got >= wanted;
        last[n] = '\0';
        got++;
    }
}

static bool hears_one(void)
{
    return peer_hears(1);
}

static bool hears_many(void)
{
    return peer_hears(150);
}

static void datagrams_are_answered(void **state)
{
    (void)state;
    got = 0;
    for (int i = 0; i < 150; i++)
        peer_says(t.peer_fd, OPTIONS("1"), sizeof(OPTIONS("1")) - 1);
    wait_until(hears_many);
    assert_int_equal(got, 150);
    assert_non_null(strstr(last, "SIP/2.0 503")); /* no actor has admitted calls */
    assert_int_equal(last_from.sin_port, t.edge_addr.sin_port);
}

static void the_reply_leaves_from_the_address_that_was_asked(void **state)
{
    (void)state;
    got = 0;
    assert_int_equal(inet_pton(AF_INET, "127.0.0.3", &t.edge_addr.sin_addr), 1);
    peer_says(t.peer_fd, OPTIONS("2"), sizeof(OPTIONS("2")) - 1);
    wait_until(hears_one);
    assert_int_equal(last_from.sin_addr.s_addr, t.edge_addr.sin_addr.s_addr);
}

/* The call is older than this host's addresses. */
static void an_address_that_is_ours_no_more_is_left_to_the_kernel(void **state)
{
    (void)state;
    struct edge_path to = {.transport = SIP_TP_UDP};
    struct sockaddr_in peer;
    socklen_t len = sizeof(peer);
    assert_int_equal(getsockname(t.peer_fd, (struct sockaddr *)&peer, &len), 0);
    to.port = ntohs(peer.sin_port);
    to.peer = edge_addr_from_v4(peer.sin_addr);
    assert_true(edge_addr_parse(SPAN("192.0.2.123"), &to.local));
    got = 0;
    edge_udp_send(t.udp, &to, SPAN("hello"), SPAN(""), false);
    wait_until(hears_one);
    assert_string_equal(last, "hello");
    struct in6_addr local;
    assert_true(edge_udp_local(t.udp, &to, &local));
    assert_true(edge_addr_is_v4(&local) && local.s6_addr[12] == 127);
}

/* Empty, tiny and huge datagrams, keep-alives, and a peer whose port is closed when the reply (and the ICMP error for
 * it) is on the way: the next request is answered as if nothing had been. */
static void nothing_stops_it(void **state)
{
    (void)state;
    static char huge[65507];
    memset(huge, 'x', sizeof(huge));
    got = 0;
    for (int i = 0; i < 20; i++) {
        int gone = udp_socket("127.0.0.1", NULL);
        peer_says(gone, OPTIONS("3"), sizeof(OPTIONS("3")) - 1);
        close(gone);
        peer_says(t.peer_fd, "", 0);
        peer_says(t.peer_fd, "x", 1);
        peer_says(t.peer_fd, "\r\n\r\n", 4);
        peer_says(t.peer_fd, "\0\0\0\0\0\0\0\0\0\0\0", 11);
    }
    peer_says(t.peer_fd, huge, sizeof(huge));
    peer_says(t.peer_fd, OPTIONS("4"), sizeof(OPTIONS("4")) - 1);
    wait_until(hears_one);
    assert_non_null(strstr(last, "z9hG4bK4"));
    assert_int_equal(got, 1);
}

static bool failure_is_told(void)
{
    return t.told_failed == 1;
}

static void actor_sends(const char *name, const char *ip, uint16_t port)
{
    static char branch[] = "z9hG4bKa0-x";
    char raw[512];
    char method[16];
    char addr[64];
    Plane__Endpoint dest = PLANE__ENDPOINT__INIT;
    Plane__SendRequest m = PLANE__SEND_REQUEST__INIT;
    int len = snprintf(raw, sizeof(raw),
                       "%s sip:x@a SIP/2.0\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:x@b>;tag=2\r\nCall-ID: c\r\n"
                       "CSeq: 1 %s\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
                       name, name);
    assert_true(span_copy(method, sizeof(method), span_cstr(name)) && span_copy(addr, sizeof(addr), span_cstr(ip)));
    dest.addr = addr;
    dest.port = port;
    m.txn = (ProtobufCBinaryData){.len = sizeof(branch) - 1, .data = (uint8_t *)branch};
    m.method = method;
    m.raw = (ProtobufCBinaryData){.len = (size_t)len, .data = (uint8_t *)raw};
    m.dest = &dest;
    edge_on_actor(&t.edge, 0, PLANE_EDGE_SEND_REQUEST, &m.base, loop_now(t.loop));
}

static void an_address_out_of_reach_fails_its_transaction(void **state)
{
    (void)state;
    actor_sends("BYE", "2001:db8::9", 5060);
    wait_until(failure_is_told);
    assert_int_equal(txn_index_count(&t.edge.index), 0);
}

/* RFC 3261 §18.4: a host that says "port unreachable" ends an INVITE at once. A BYE is repeated: its peer may be
 * starting again, and other datagrams are sent and received meanwhile. */
static void a_closed_port_ends_an_invite(void **state)
{
    (void)state;
    struct sockaddr_in closed;
    close(udp_socket("127.0.0.1", &closed));
    actor_sends("BYE", "127.0.0.1", ntohs(closed.sin_port));
    peer_says(t.peer_fd, OPTIONS("5"), sizeof(OPTIONS("5")) - 1);
    wait_until(hears_one);
    assert_int_equal(t.told_failed, 0);
    assert_int_equal(txn_index_count(&t.edge.index), 1);
    actor_sends("INVITE", "127.0.0.1", ntohs(closed.sin_port));
    wait_until(failure_is_told);
    assert_int_equal(txn_index_count(&t.edge.index), 1);
    assert_int_equal(edge_stat_drops(EDGE_DROP_UNREACHABLE), 1);
}

/* More than the queue holds: the rest is dropped and counted, and afterwards it works again. */
static void the_send_queue_is_bounded(void **state)
{
    (void)state;
    static char big[60000];
    struct edge_path to = {.transport = SIP_TP_UDP, .port = 9};
    int64_t before = edge_stat_drops(EDGE_DROP_SEND_FULL);
    assert_true(edge_addr_parse(SPAN("127.0.0.1"), &to.peer));
    memset(big, 'x', sizeof(big));
    for (size_t i = 0; i < EDGE_UDP_TX_BYTES_MAX / sizeof(big) + 10; i++)
        edge_udp_send(t.udp, &to, span_of(big, sizeof(big)), span_of(NULL, 0), true);
    assert_true(edge_stat_drops(EDGE_DROP_SEND_FULL) >= before + 9);
    got = 0;
    peer_says(t.peer_fd, OPTIONS("5"), sizeof(OPTIONS("5")) - 1);
    wait_until(hears_one);
}

/* Everything but one place, to the peer. */
static void fill_queue(void)
{
    struct sockaddr_in a;
    socklen_t len = sizeof(a);
    assert_int_equal(getsockname(t.peer_fd, (struct sockaddr *)&a, &len), 0);
    struct edge_path to = {.transport = SIP_TP_UDP, .port = ntohs(a.sin_port)};
    assert_true(edge_addr_parse(SPAN("127.0.0.1"), &to.peer));
    for (unsigned i = 1; i < EDGE_UDP_TX_MAX; i++)
        edge_udp_send(t.udp, &to, SPAN("x"), span_of(NULL, 0), false);
}

/* The first repeat of a request finds the queue full, and its head, the request itself, cannot be sent: the transaction
 * in the middle of that step hears of it when the step is over. */
static void a_repeat_finds_no_room(void)
{
    int64_t full = edge_stat_drops(EDGE_DROP_SEND_FULL);
    fill_queue();
    timers_run(loop_timers(t.loop), loop_now(t.loop).mono_ms + 600);
    assert_int_equal(edge_stat_drops(EDGE_DROP_SEND_FULL), full);
    assert_int_equal(t.told_failed, 0);
    assert_int_equal(txn_index_count(&t.edge.index), 1);
    wait_until(failure_is_told);
}

static void a_full_queue_tells_nobody_in_his_own_step(void **state)
{
    (void)state;
    actor_sends("BYE", "2001:db8::9", 5060);
    a_repeat_finds_no_room();
    assert_int_equal(txn_index_count(&t.edge.index), 0);
}

/* The same when the network's report about it is found meanwhile. */
static void a_report_tells_nobody_in_his_own_step(void **state)
{
    (void)state;
    struct sockaddr_in closed;
    int64_t before = edge_stat_drops(EDGE_DROP_UNREACHABLE);
    close(udp_socket("127.0.0.1", &closed));
    actor_sends("INVITE", "127.0.0.1", ntohs(closed.sin_port));
    /* As if it had left already: the report is there before the queue is sent. */
    static const char sent[] = "INVITE sip:x@a SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKa0-x;rport\r\n";
    assert_true(sendto(t.edge_fd, sent, sizeof(sent) - 1, 0, (struct sockaddr *)&closed, sizeof(closed)) > 0);
    a_repeat_finds_no_room();
    assert_true(edge_stat_drops(EDGE_DROP_UNREACHABLE) > before);
}

static bool a_turn(void)
{
    return true;
}

static void paused_it_leaves_datagrams_to_its_successor(void **state)
{
    (void)state;
    char byte[16];
    edge_udp_pause(t.udp, true);
    peer_says(t.peer_fd, OPTIONS("6"), sizeof(OPTIONS("6")) - 1);
    wait_until(a_turn);
    assert_true(recv(t.edge_fd, byte, sizeof(byte), MSG_DONTWAIT | MSG_PEEK) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
        CASE(datagrams_are_answered),
        CASE(the_reply_leaves_from_the_address_that_was_asked),
        CASE(an_address_that_is_ours_no_more_is_left_to_the_kernel),
        CASE(nothing_stops_it),
        CASE(an_address_out_of_reach_fails_its_transaction),
        CASE(a_closed_port_ends_an_invite),
        CASE(the_send_queue_is_bounded),
        CASE(a_full_queue_tells_nobody_in_his_own_step),
        CASE(a_report_tells_nobody_in_his_own_step),
        CASE(paused_it_leaves_datagrams_to_its_successor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
