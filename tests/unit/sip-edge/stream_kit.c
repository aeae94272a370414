#include "tests/unit/sip-edge/stream_kit.h"
#include "common/base/log.h"
#include "tests/unit/testkit.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct kit kit;

static struct {
    int fd[KIT_PEERS_MAX];
    unsigned cnt;
    struct timer tick;
    int64_t deadline_ms;
    bool (*until)(void);
    unsigned turns;
    char heard[1 << 20];
} my;

static void keep(int fd)
{
    assert_true(my.cnt < KIT_PEERS_MAX);
    my.fd[my.cnt++] = fd;
}

static void send_out(void *user, const struct edge_path *to, struct span bytes, struct span owner, bool is_server)
{
    (void)user;
    if (to->transport != SIP_TP_UDP) {
        edge_stream_send(kit.stream, to, bytes, owner, is_server);
        return;
    }
    kit.udp++;
    (void)span_copy(kit.udp_line, sizeof(kit.udp_line), span_of(bytes.p, span_find(bytes, '\r')));
}

static bool has(void *user, const struct edge_path *to)
{
    (void)user;
    return edge_stream_has(kit.stream, to);
}

static bool is_open_flow(void *user, const struct edge_path *to)
{
    (void)user;
    return edge_stream_is_open(kit.stream, to);
}

static bool watch(void *user, const struct edge_path *to, const struct edge_pin *pin)
{
    (void)user;
    return edge_stream_watch(kit.stream, to, pin);
}

static int say(void *user, unsigned shard, enum plane_type type, const ProtobufCMessage *body)
{
    (void)user;
    (void)shard;
    if (type == PLANE_EDGE_RX_REQUEST) {
        const Plane__RxRequest *r = (const void *)body;
        assert_true(r->txn.len <= sizeof(kit.txn));
        memcpy(kit.txn, r->txn.data, r->txn.len);
        kit.txn_len = r->txn.len;
        kit.asked++;
    }
    if (type == PLANE_EDGE_FLOW_GONE) {
        const Plane__FlowGone *g = (const void *)body;
        kit.flows_gone++;
        kit.flow_ended = g->ended;
        assert_true(span_copy(kit.flow_note, sizeof(kit.flow_note), span_of((const char *)g->note.data, g->note.len)));
    }
    kit.failed += type == PLANE_EDGE_TXN_FAILED;
    return kit.say_rv;
}

int kit_listen(uint16_t *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(fd, 128), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    *port = ntohs(a.sin_port);
    keep(fd);
    return fd;
}

void kit_begin(const struct edge_stream_conf *conf)
{
    static const struct edge_stream_conf roomy = {.conns_max = 64, .idle_ms = 3600000, .t1_ms = 500};
    struct edge_conf c = {.public_ip = "127.0.0.1",
                          .public_port = 5060,
                          .shards = 1,
                          .t1_ms = 500,
                          .trusted = "127.0.0.0/8",
                          .udp_bytes_max = EDGE_UDP_BYTES_MAX};
    c.means = (struct locate_means){.transports = LOCATE_CAN(SIP_TP_UDP) | LOCATE_CAN(SIP_TP_TCP), .v4 = true};
    log_set_level(LOG_ERROR);
    memset(&kit, 0, sizeof(kit));
    memset(&my, 0, sizeof(my));
    kit.loop = loop_new(false);
    kit.listener = kit_listen(&kit.port);
    edge_init(&kit.edge, &c,
              &(struct edge_out){.send = send_out, .has = has, .is_open = is_open_flow, .watch = watch, .say = say},
              loop_timers(kit.loop), loop_now(kit.loop));
    kit.stream = edge_stream_new(kit.loop, &kit.edge, conf != NULL ? conf : &roomy);
    assert_int_equal(edge_stream_listen(kit.stream, kit.listener, SIP_TP_TCP), 0);
    Plane__Admit a = PLANE__ADMIT__INIT;
    a.calls = true;
    edge_actor_up(&kit.edge, 0, loop_now(kit.loop));
    edge_on_actor(&kit.edge, 0, PLANE_EDGE_ADMIT, &a.base, loop_now(kit.loop));
}

void kit_end(void)
{
    for (unsigned i = 0; i < my.cnt; i++)
        if (my.fd[i] >= 0)
            (void)close(my.fd[i]);
    edge_stream_free(kit.stream);
    edge_fini(&kit.edge);
    loop_free(kit.loop);
}

static void on_tick(struct timer *timer, int64_t now_ms)
{
    assert_true(now_ms < my.deadline_ms);
    if (my.until())
        loop_stop(kit.loop);
    else
        loop_timer_in(kit.loop, timer, 1);
}

void kit_wait(bool (*question)(void))
{
    my.until = question;
    loop_refresh(kit.loop);
    my.deadline_ms = loop_now(kit.loop).mono_ms + KIT_DEADLINE_MS;
    timer_init(&my.tick, on_tick, NULL);
    loop_timer_in(kit.loop, &my.tick, 0);
    loop_run(kit.loop);
}

static bool turned(void)
{
    return ++my.turns > 10;
}

void kit_turn(void)
{
    my.turns = 0;
    kit_wait(turned);
}

int kit_connect(void)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons(kit.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    keep(fd);
    return fd;
}

static unsigned wanted_open;

static bool is_open(void)
{
    return kit.stream->cnt == wanted_open;
}

void kit_wait_open(unsigned n)
{
    wanted_open = n;
    kit_wait(is_open);
}

void kit_say(int fd, const void *p, size_t n)
{
    assert_int_equal(send(fd, p, n, MSG_NOSIGNAL), (ssize_t)n);
}

size_t kit_hear(int fd, char *out, size_t out_size, bool *closed)
{
    size_t n = 0;
    *closed = false;
    while (n + 1 < out_size) {
        ssize_t got = recv(fd, out + n, out_size - 1 - n, MSG_DONTWAIT);
        *closed = got == 0 || (got < 0 && errno != EAGAIN);
        if (got <= 0)
            break;
        n += (size_t)got;
    }
    out[n] = '\0';
    return n;
}

static struct {
    int fd;
    const char *words;
    size_t len;
    bool closed;
} waits;

static bool heard(void)
{
    waits.len += kit_hear(waits.fd, my.heard + waits.len, sizeof(my.heard) - waits.len, &waits.closed);
    return waits.words != NULL ? strstr(my.heard, waits.words) != NULL : waits.closed;
}

const char *kit_wait_words(int fd, const char *words)
{
    waits.fd = fd;
    waits.words = words;
    waits.len = 0;
    my.heard[0] = '\0';
    kit_wait(heard);
    return my.heard;
}

void kit_wait_closed(int fd)
{
    waits.fd = fd;
    waits.words = NULL;
    waits.len = 0;
    kit_wait(heard);
}

static int accepting, accepted;

static bool has_accepted(void)
{
    accepted = accept4(accepting, NULL, NULL, SOCK_NONBLOCK);
    return accepted >= 0;
}

int kit_accept(int listener)
{
    accepting = listener;
    kit_wait(has_accepted);
    keep(accepted);
    return accepted;
}

static ProtobufCBinaryData data_of(struct span s)
{
    return (ProtobufCBinaryData){.len = s.len, .data = (uint8_t *)(uintptr_t)s.p};
}

void kit_reply(unsigned status, const char *branch, const char *method, uint16_t via_port)
{
    char raw[1024];
    char tcp[] = "TCP";
    char ip[] = "127.0.0.1";
    int n = snprintf(raw, sizeof(raw),
                     "SIP/2.0 %u Because\r\nVia: SIP/2.0/TCP 127.0.0.1:%u;branch=z9hG4bK%s\r\nFrom: <sip:a@b>;tag=1\r\n"
                     "To: <sip:127.0.0.1>;tag=2\r\nCall-ID: %s\r\nCSeq: 1 %s\r\nContent-Length: 0\r\n\r\n",
                     status, via_port, branch, branch, method);
    Plane__Endpoint dest = PLANE__ENDPOINT__INIT;
    Plane__SendReply m = PLANE__SEND_REPLY__INIT;
    dest.transport = tcp;
    dest.addr = ip;
    dest.port = 9; /* where it came from: nobody listens there */
    dest.flow = 12345;
    m.txn = data_of(span_of(kit.txn, kit.txn_len));
    m.status = status;
    m.raw = data_of(span_of(raw, (size_t)n));
    m.dest = &dest;
    loop_refresh(kit.loop);
    edge_on_actor(&kit.edge, 0, PLANE_EDGE_SEND_REPLY, &m.base, loop_now(kit.loop));
}

void kit_request(const char *branch, const char *method, const char *next_hop, size_t bytes)
{
    char raw[8192];
    char uri[128];
    char name[32];
    int n =
        snprintf(raw, sizeof(raw),
                 "%s sip:b@127.0.0.1 SIP/2.0\r\nMax-Forwards: 70\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:b@c>;tag=2\r\n"
                 "Call-ID: out\r\nCSeq: 1 %s\r\nContent-Length: 0\r\nSubject: ",
                 method, method);
    while ((size_t)n + 4 < bytes && (size_t)n + 4 < sizeof(raw))
        raw[n++] = 'x';
    raw[n++] = '\r';
    raw[n++] = '\n';
    raw[n++] = '\r';
    raw[n++] = '\n';
    Plane__SendRequest m = PLANE__SEND_REQUEST__INIT;
    assert_true(span_copy(uri, sizeof(uri), span_cstr(next_hop)) && span_copy(name, sizeof(name), span_cstr(method)));
    m.txn = data_of(span_cstr(branch));
    m.method = name;
    m.raw = data_of(span_of(raw, (size_t)n));
    m.next_hop = uri;
    loop_refresh(kit.loop);
    edge_on_actor(&kit.edge, 0, PLANE_EDGE_SEND_REQUEST, &m.base, loop_now(kit.loop));
}

struct edge_conn *kit_conn(void)
{
    for (uint32_t i = 0; i < kit.stream->conf.conns_max; i++)
        if (kit.stream->slot[i].conn != NULL)
            return kit.stream->slot[i].conn;
    fail();
    return NULL;
}
