/*
 * guard_cost: nanoseconds the guard takes for one message, beside those of decoding it. No network, no actor.
 */
#include "common/base/log.h"
#include "common/sip/sip_txn_key.h"
#include "sip-edge/edge.h"
#include "sip-edge/edge_txn.h"
#include <stdio.h>
#include <time.h>

#define ROUNDS 2000000
#define STRANGERS 10000

static struct edge e;
static struct timers timers;
static struct edge_path from[STRANGERS];

static const char head[] =
    "%s sip:902121234567@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10:5062;rport;branch=z9hG4bKa\r\n"
    "Max-Forwards: 70\r\nFrom: <sip:alice@192.0.2.10>;tag=f1\r\nTo: <sip:b@192.0.2.1>%s\r\n"
    "Call-ID: c1@192.0.2.10\r\nCSeq: 1 %s\r\nContact: <sip:alice@192.0.2.10:5062>\r\n"
    "User-Agent: some telephone 1.2.3\r\nContent-Length: 0\r\n\r\n";
static char text[1024];

static void drop(void *user, const struct edge_path *to, struct span bytes, struct span owner, bool is_server)
{
    (void)user, (void)to, (void)bytes, (void)owner, (void)is_server;
}

static int say(void *user, unsigned shard, enum plane_type type, const ProtobufCMessage *body)
{
    (void)user, (void)shard, (void)type, (void)body;
    return 0;
}

static void begin(const char *trusted, uint32_t rate)
{
    struct edge_conf conf = {.public_ip = "192.0.2.1",
                             .public_port = 5060,
                             .shards = 1,
                             .t1_ms = 500,
                             .trusted = trusted,
                             .rate_limit = rate,
                             .block_s = 300};
    timers_init(&timers);
    edge_init(&e, &conf, &(struct edge_out){.send = drop, .say = say}, &timers, (struct now){.mono_ms = 1000});
    for (unsigned i = 0; i < STRANGERS; i++) {
        from[i] = (struct edge_path){.transport = SIP_TP_UDP, .port = 5062};
        (void)snprintf(text, sizeof(text), "203.0.%u.%u", i >> 8 & 255, i & 255);
        (void)edge_addr_parse(span_cstr(text), &from[i].peer);
    }
}

static void end(void)
{
    edge_fini(&e);
    timers_fini(&timers);
}

static void message(const char *method, const char *to_tag)
{
    int n = snprintf(text, sizeof(text), head, method, to_tag, method);
    buf_reset(&e.key);
    if (sip_msg_decode(&e.msg, span_of(text, (size_t)n)) == 0)
        (void)sip_txn_key(&e.key, &e.msg);
}

static double ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void measure(const char *what, unsigned sources)
{
    long passed = 0;
    double t = ns();
    for (unsigned i = 0; i < ROUNDS; i++) {
        e.now.mono_ms = 1000 + i / 100;
        passed += edge_guard_request(&e, &from[i % sources]);
    }
    t = (ns() - t) / ROUNDS;
    printf("%-66s %6.0f ns  (%3.0f %% passed)\n", what, t, 100.0 * (double)passed / ROUNDS);
}

static void measure_decode(void)
{
    const unsigned rounds = ROUNDS / 10;
    double t = ns();
    for (unsigned i = 0; i < rounds; i++)
        message("OPTIONS", "");
    printf("%-66s %6.0f ns\n", "for comparison: printing, decoding and naming that request", (ns() - t) / rounds);
}

static void measure_calls(void)
{
    double t = ns();
    for (unsigned i = 0; i < ROUNDS; i++) {
        e.now.mono_ms = 1000 + i / 100;
        if (edge_guard_admits(&e))
            shed_done(&e.guard.shed, 5, false, e.now.mono_ms);
    }
    printf("%-66s %6.0f ns\n", "bound on set-ups: one admitted and answered", (ns() - t) / ROUNDS);
}

int main(void)
{
    log_set_level(LOG_ERROR);
    begin("203.0.0.0/16", 200);
    message("OPTIONS", "");
    measure("trusted peer, one network", STRANGERS);
    measure_calls();
    measure_decode();
    end();

    static char list[TRUST_NETS_MAX * 16];
    for (unsigned i = 0; i < TRUST_NETS_MAX - 1; i++)
        (void)snprintf(list + strlen(list), sizeof(list) - strlen(list), "10.0.%u.0/24,", i);
    (void)snprintf(list + strlen(list), sizeof(list) - strlen(list), "203.0.0.0/16");
    begin(list, 200);
    message("OPTIONS", "");
    measure("trusted peer, the last of 64 networks", STRANGERS);
    end();

    begin("", 1000000);
    message("OPTIONS", "");
    measure("stranger, one, new request", 1);
    measure("stranger, one of 10,000, new request", STRANGERS);
    edge_guard_learn(&e, SPAN("a0-abcdefghijkmnpqr"));
    message("BYE", ";tag=a0-abcdefghijkmnpqr");
    measure("stranger, one of 10,000, in a dialog", STRANGERS);
    end();

    begin("", 200);
    for (unsigned i = 0; i < STRANGERS; i++)
        blocked_add(&e.guard.blocked, &from[i].peer, BLOCKED_SCANNER, INT32_MAX, e.now);
    message("OPTIONS", "");
    measure("stranger, one of 10,000, blocked", STRANGERS);
    end();
    return 0;
}
