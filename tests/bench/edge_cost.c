/*
 * edge_cost: what a call costs the SIP edge. Starts the real sip-edge alone, plays its callers (UDP on loopback) and
 * its call-actor (the message plane), and prints the CPU time the edge used per call of INVITE, 100, 200, ACK, BYE,
 * 200.
 *
 *   edge_cost SIP-EDGE CALLS-PER-SECOND SECONDS
 */
#include "common/base/err.h"
#include "common/base/id.h"
#include "common/rt/bus.h"
#include "common/rt/conf.h"
#include "common/sip/sip_index.h"
#include "common/sip/sip_write.h"
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define TICK_MS 5
#define SETTLE_MS 500

static struct {
    struct loop *loop;
    struct bus_link *link;
    struct sockaddr_in edge;
    int fd;
    pid_t pid;
    struct timer tick;
    uint64_t rate, started, ended, calls_max;
    int64_t begin_ms;
    struct sip_msg m;
    struct buf out;
} b;

/* --- the caller --- */

static void say(const char *method, uint64_t call, const char *to_tag, unsigned cseq)
{
    char text[1024];
    int n =
        snprintf(text, sizeof(text),
                 "%s sip:902121234567@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:%d;rport;branch=z9hG4bK%s%llu\r\n"
                 "Max-Forwards: 70\r\nFrom: <sip:alice@127.0.0.1>;tag=f%llu\r\nTo: <sip:902121234567@127.0.0.1>%s\r\n"
                 "Call-ID: %llu-edge-cost@127.0.0.1\r\nCSeq: %u %s\r\nContact: <sip:alice@127.0.0.1>\r\n"
                 "User-Agent: edge_cost\r\nContent-Length: 0\r\n\r\n",
                 method, 5062, method, (unsigned long long)call, (unsigned long long)call, to_tag,
                 (unsigned long long)call, cseq, method);
    (void)sendto(b.fd, text, (size_t)n, 0, (struct sockaddr *)&b.edge, sizeof(b.edge));
}

static void on_response(struct span s)
{
    char tag[64];
    unsigned long long call;
    if (sip_msg_decode(&b.m, s) != 0 || b.m.status != 200)
        return;
    call = strtoull(b.m.call_id.p, NULL, 10);
    (void)snprintf(tag, sizeof(tag), ";tag=%.*s", SPAN_ARG(b.m.to_tag));
    if (b.m.method == SIP_M_INVITE) {
        say("ACK", call, tag, 1);
        say("BYE", call, tag, 2);
    } else {
        b.ended++;
    }
}

static void on_readable(void *user, int fd, int dirs)
{
    static char bytes[4096];
    (void)user;
    (void)dirs;
    for (ssize_t n; (n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0;)
        on_response(span_of(bytes, (size_t)n));
}

static double cpu_ms(void)
{
    char path[64];
    char text[1024];
    unsigned long long user = 0;
    unsigned long long sys = 0;
    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)b.pid);
    FILE *f = fopen(path, "r");
    if (f == NULL || fgets(text, sizeof(text), f) == NULL)
        die(EX_INTERNAL, "cannot read %s", path);
    (void)fclose(f);
    const char *after = strrchr(text, ')');
    if (after == NULL || sscanf(after, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user, &sys) != 2)
        die(EX_INTERNAL, "cannot parse %s", path);
    return (double)(user + sys) * 1000.0 / (double)sysconf(_SC_CLK_TCK);
}

static void report(double cpu)
{
    printf("calls %llu  completed %llu  rate %llu/s  edge CPU %.0f ms  = %.1f us a call\n",
           (unsigned long long)b.started, (unsigned long long)b.ended, (unsigned long long)b.rate, cpu,
           cpu * 1000.0 / (double)b.started);
}

static void on_tick(struct timer *t, int64_t now_ms)
{
    static double cpu_before;
    static int64_t settled_at;
    if (b.begin_ms == 0) {
        b.begin_ms = now_ms;
        cpu_before = cpu_ms();
    }
    uint64_t due = (uint64_t)(now_ms - b.begin_ms) * b.rate / 1000;
    for (; b.started < due && b.started < b.calls_max; b.started++)
        say("INVITE", b.started, "", 1);
    if (b.started == b.calls_max && settled_at == 0)
        settled_at = now_ms + SETTLE_MS;
    if (settled_at != 0 && now_ms >= settled_at) {
        report(cpu_ms() - cpu_before);
        loop_stop(b.loop);
        return;
    }
    loop_timer_in(b.loop, t, TICK_MS);
}

/* --- the actor --- */

static void on_msg(struct bus_link *k, uint16_t type, const ProtobufCMessage *msg)
{
    const Plane__RxRequest *r = (const void *)msg;
    char addr[64];
    if (type != PLANE_EDGE_RX_REQUEST || r->txn.len == 0)
        return;
    struct span raw = span_of((const char *)r->raw.data, r->raw.len);
    if (sip_index_decode(&b.m, raw, span_of((const char *)r->index.data, r->index.len)) != 0)
        die(EX_INTERNAL, "the edge sent an index that does not fit");
    (void)span_copy(addr, sizeof(addr), span_cstr(r->source->addr));
    buf_reset(&b.out);
    sip_write_reply(&b.out, &(struct sip_reply_args){.req = &b.m,
                                                     .status = 200,
                                                     .to_tag = SPAN("a0-tag"),
                                                     .received = span_cstr(addr),
                                                     .rport = (uint16_t)r->source->port});
    sip_write_hdr_z(&b.out, SIP_H_CONTACT, "<sip:127.0.0.1>");
    sip_write_body(&b.out, span_of(NULL, 0), span_of(NULL, 0));
    Plane__SendReply a = PLANE__SEND_REPLY__INIT;
    a.txn = r->txn;
    a.status = 200;
    a.raw = (ProtobufCBinaryData){.len = b.out.len, .data = (uint8_t *)b.out.p};
    a.dest = r->source;
    (void)bus_send(k, PLANE_EDGE_SEND_REPLY, &a.base);
}

static void on_up(struct bus_link *k, const Plane__Hello *peer, bool fresh)
{
    (void)peer;
    (void)fresh;
    Plane__Admit a = PLANE__ADMIT__INIT;
    a.calls = true;
    (void)bus_send(k, PLANE_EDGE_ADMIT, &a.base);
    loop_timer_in(b.loop, &b.tick, SETTLE_MS);
}

/* --- start --- */

static int udp_socket(struct sockaddr_in *bound)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    int size = 4 << 20;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0 || getsockname(fd, (struct sockaddr *)&a, &len) != 0)
        die(EX_INTERNAL, "no UDP socket: %s", strerror(errno));
    *bound = a;
    return fd;
}

static int conf_fd(const char *dir)
{
    char runtime[128];
    char *env[] = {runtime,
                   "SIP_SIGNALING_SERVICE_PUBLIC_IP=127.0.0.1",
                   "LOG_LEVEL=warn",
                   "SIP_SIGNALING_SERVICE_CERT_PATH=/dev/null",
                   "SIP_SIGNALING_SERVICE_KEY_PATH=/dev/null",
                   "GRPC_TLS_CA_PATH=/dev/null",
                   "USER_SERVICE_TARGET_GRPC_URL=127.0.0.1:1",
                   "DIALPLAN_SERVICE_TARGET_GRPC_URL=127.0.0.1:1",
                   "MEDIA_SERVICE_TARGET_GRPC_URL=127.0.0.1:1",
                   "RABBITMQ_URL=amqp://127.0.0.1/",
                   NULL};
    struct conf c;
    struct buf text;
    (void)snprintf(runtime, sizeof(runtime), "SIP_SIGNALING_SERVICE_RUNTIME_DIR=%s", dir);
    conf_init(&c);
    buf_init(&text, 1 << 20);
    if (conf_load(&c, NULL, env, &text) != 0)
        die(EX_BADUSE, "%s", buf_cstr(&text));
    buf_reset(&text);
    conf_slice(&c, CONF_EDGE, &text);
    int fd = memfd_create("conf", 0);
    if (fd < 0 || write(fd, text.p, text.len) != (ssize_t)text.len || lseek(fd, 0, SEEK_SET) != 0)
        die(EX_INTERNAL, "cannot hand down the settings: %s", strerror(errno));
    buf_fini(&text);
    conf_fini(&c);
    return fd;
}

static void start_edge(const char *exe, const char *dir)
{
    char conf_arg[16];
    char sock_arg[32];
    int sock = udp_socket(&b.edge);
    (void)snprintf(conf_arg, sizeof(conf_arg), "%d", conf_fd(dir));
    (void)snprintf(sock_arg, sizeof(sock_arg), "udp0=%d", sock);
    b.pid = fork();
    if (b.pid == 0) {
        execl(exe, exe, "--instance", "0", "--conf-fd", conf_arg, "--socket", sock_arg, (char *)NULL);
        _exit(127);
    }
    if (b.pid < 0)
        die(EX_INTERNAL, "fork: %s", strerror(errno));
    (void)close(sock);
}

int main(int argc, char **argv)
{
    char dir[] = "/tmp/edge-cost-XXXXXX";
    char path[128];
    if (argc != 4 || mkdtemp(dir) == NULL)
        die(EX_BADUSE, "edge_cost SIP-EDGE CALLS-PER-SECOND SECONDS");
    b.rate = strtoull(argv[2], NULL, 10);
    b.calls_max = b.rate * strtoull(argv[3], NULL, 10);
    (void)snprintf(path, sizeof(path), "%s/plane", dir);
    (void)mkdir(path, 0700);
    buf_init(&b.out, 65535);
    start_edge(argv[1], dir);
    b.loop = loop_new(false);
    Plane__Hello me = PLANE__HELLO__INIT;
    char version[] = "bench";
    me.proc = PLANE__PROC__PROC_CALL;
    me.epoch = id_random_u64();
    me.version = version;
    struct sockaddr_in own;
    b.fd = udp_socket(&own);
    (void)loop_io_new(b.loop, b.fd, LOOP_READ, on_readable, NULL);
    timer_init(&b.tick, on_tick, NULL);
    (void)snprintf(path, sizeof(path), "%s/plane/call0-sip-edge", dir);
    b.link = bus_link_open(
        bus_new(b.loop, &me),
        &(struct bus_link_args){
            .path = path, .listen = true, .peer = PLANE__PROC__PROC_EDGE, .on_up = on_up, .on_msg = on_msg});
    if (b.link == NULL)
        die(EX_INTERNAL, "no link");
    loop_run(b.loop);
    (void)kill(b.pid, SIGTERM);
    (void)waitpid(b.pid, NULL, 0);
    (void)unlink(path);
    (void)snprintf(path, sizeof(path), "%s/plane", dir);
    (void)rmdir(path);
    (void)rmdir(dir);
    return b.ended == b.started ? EX_OK : EX_REFUSED;
}
