/*
 * The edge between a hostile network and an actor that says anything: the input is a script of datagrams (raw, or made
 * from a pattern so that transactions are met again), actor's words, passing time, lost links, failing sends and what
 * name servers answer.
 */
#include "common/base/log.h"
#include "common/rt/bus.h"
#include "sip-edge/edge.h"
#include "sip-edge/edge_hop.h"
#include "sip-edge/edge_txn.h"
#include "tests/fuzz/fuzz.h"

#define TXN_MAX 8
#define KEPT_MAX 6000
#define KEYS 4
#define ASKED 4 /* questions that may get an answer */

static struct {
    struct edge edge;
    struct timers timers;
    int64_t now_ms;
    int say_rv;
    char key[KEYS][EDGE_KEY_MAX + 1]; /* of transactions the actor was asked about */
    unsigned key_cnt;
    char owner[EDGE_KEY_MAX + SIP_METHOD_BYTES_MAX];
    size_t owner_len;
    bool owner_is_server;
    char sent[512]; /* the begin of the last message that left */
    struct dns_question asked[ASKED];
    unsigned asked_cnt;
    struct dns_rec rec[2];
    struct dns_answer answer;
    struct span in; /* what is left of the script */
} f;

static const char *const methods[] = {"INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "INFO"};
static const char *const tags[] = {"", ";tag=a0-x", ";tag=stranger", ";tag=a9-x"};
static const unsigned statuses[] = {100, 180, 200, 302, 407, 486, 503, 603};

static struct now now(void)
{
    return (struct now){.mono_ms = f.now_ms};
}

static unsigned take(void)
{
    if (f.in.len == 0)
        return 0;
    unsigned char c = (unsigned char)f.in.p[0];
    f.in = span_from(f.in, 1);
    return c;
}

static void on_send(void *user, const struct edge_path *to, struct span bytes, struct span owner, bool is_server)
{
    (void)user;
    FUZZ_ASSERT(to->port != 0 && bytes.len > 0 && bytes.len <= SIP_MSG_BYTES_MAX);
    FUZZ_ASSERT(owner.len < sizeof(f.owner));
    (void)span_copy(f.owner, sizeof(f.owner), owner);
    (void)span_copy(f.sent, sizeof(f.sent),
                    span_of(bytes.p, bytes.len < sizeof(f.sent) ? bytes.len : sizeof(f.sent) - 1));
    f.owner_len = owner.len;
    f.owner_is_server = is_server;
}

static int on_say(void *user, unsigned shard, enum plane_type type, const ProtobufCMessage *body)
{
    (void)user;
    FUZZ_ASSERT(shard == 0 && plane_may_send((uint16_t)type, PLANE__PROC__PROC_EDGE, PLANE__PROC__PROC_CALL));
    FUZZ_ASSERT(plane_check((uint16_t)type, body) == NULL); /* the actor would refuse it */
    if (f.say_rv == 0 && type == PLANE_EDGE_RX_REQUEST) {
        const Plane__RxRequest *r = (const void *)body;
        if (r->txn.len > 0)
            FUZZ_ASSERT(
                span_copy(f.key[f.key_cnt++ % KEYS], EDGE_KEY_MAX + 1, span_of((const char *)r->txn.data, r->txn.len)));
    }
    return f.say_rv;
}

/* Two records at the most, good for any type. */
static const struct dns_answer *make_answer(void)
{
    unsigned c = take();
    f.answer = (struct dns_answer){.status = (enum dns_status)(c % 3), .ttl_s = 60, .rec = f.rec};
    f.answer.cnt = f.answer.status == DNS_FOUND ? 1 + (c >> 4) % 2 : 0;
    for (unsigned i = 0; i < f.answer.cnt; i++) {
        struct dns_rec *r = &f.rec[i];
        *r = (struct dns_rec){
            .priority = (uint16_t)(c & 4), .port = (uint16_t)(5060 + i), .flag = 's', .service = "SIP+D2U"};
        (void)snprintf(r->name, sizeof(r->name), "%s", (c & 8) != 0 ? "" : i == 0 ? "a.example" : "b.example");
        (void)edge_addr_parse(i == 0 ? SPAN("192.0.2.21") : SPAN("192.0.2.22"), &r->ip);
    }
    return &f.answer;
}

static const struct dns_answer *on_ask(void *user, const struct dns_question *q)
{
    (void)user;
    if (take() % 2 == 0)
        return make_answer();
    f.asked[f.asked_cnt++ % ASKED] = *q;
    return NULL;
}

static void name_server_answers(void)
{
    struct dns_question q = f.asked[take() % ASKED];
    if (q.type != 0)
        edge_on_dns(&f.edge, &q, make_answer(), now());
}

static void network_reports(void)
{
    edge_unreachable(&f.edge, span_cstr(f.sent), now());
}

static void rx(struct span bytes)
{
    struct edge_path from = {.transport = SIP_TP_UDP, .port = 5062};
    (void)edge_addr_parse(SPAN("192.0.2.10"), &from.peer);
    char *exact = malloc(bytes.len > 0 ? bytes.len : 1); /* so that one byte too far is seen */
    if (exact == NULL)
        return;
    if (bytes.len > 0)
        memcpy(exact, bytes.p, bytes.len);
    edge_rx(&f.edge, &from, span_of(exact, bytes.len), now());
    free(exact);
}

static void raw_datagram(void)
{
    size_t len = take();
    len = len << 8 | take();
    struct span s = f.in.len > len ? span_of(f.in.p, len) : f.in;
    f.in = span_from(f.in, s.len);
    rx(s);
}

static void request(void)
{
    char text[512];
    const char *method = methods[take() % 6];
    unsigned branch = take() % 4;
    const char *tag = tags[take() % 4];
    unsigned cseq = take() % 3; /* taken one by one: the order of arguments is the compiler's */
    int n =
        snprintf(text, sizeof(text),
                 "%s sip:1@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10;rport;branch=%s%u\r\n"
                 "From: <sip:a@b>;tag=f\r\nTo: <sip:1@b>%s\r\nCall-ID: c\r\nCSeq: %u %s\r\nContent-Length: 0\r\n\r\n",
                 method, branch == 3 ? "" : "z9hG4bK", branch, tag, cseq, method);
    rx(span_of(text, (size_t)n));
}

static void response(void)
{
    char text[512];
    unsigned status = statuses[take() % 8];
    unsigned branch = take() % 4;
    const char *method = methods[take() % 4];
    int n = snprintf(text, sizeof(text),
                     "SIP/2.0 %u x\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKa0-%u\r\n"
                     "From: <sip:a@b>;tag=a0-x\r\nTo: <sip:1@b>;tag=t\r\nCall-ID: c\r\nCSeq: 1 %s\r\n"
                     "Content-Length: 0\r\n\r\n",
                     status, branch, method);
    rx(span_of(text, (size_t)n));
}

static ProtobufCBinaryData data_of(const char *z, size_t len)
{
    return (ProtobufCBinaryData){.len = len, .data = (uint8_t *)(uintptr_t)z};
}

static void actor_replies(void)
{
    char text[512];
    char udp[] = "UDP";
    char addr[] = "192.0.2.10";
    Plane__Endpoint dest = PLANE__ENDPOINT__INIT;
    Plane__SendReply m = PLANE__SEND_REPLY__INIT;
    const char *key = f.key[take() % KEYS];
    const char *method = methods[take() % 4];
    m.status = statuses[take() % 8];
    unsigned branch = take() % 4;
    int n = snprintf(text, sizeof(text),
                     "SIP/2.0 %u x\r\nVia: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK%u\r\nFrom: <sip:a@b>;tag=f\r\n"
                     "To: <sip:1@b>;tag=a0-x\r\nCall-ID: c\r\nCSeq: 1 %s\r\nContent-Length: 0\r\n\r\n",
                     (unsigned)m.status, branch, method);
    dest.transport = udp;
    dest.addr = addr;
    dest.port = 5062;
    m.txn = data_of(key, strlen(key));
    m.raw = data_of(text, (size_t)n);
    m.dest = &dest;
    if (plane_check(PLANE_EDGE_SEND_REPLY, &m.base) == NULL)
        edge_on_actor(&f.edge, 0, PLANE_EDGE_SEND_REPLY, &m.base, now());
}

static void actor_requests(void)
{
    char text[512];
    char branch[32];
    char method[16];
    static const char *const hops[] = {"sip:192.0.2.20", "sip:x.example", "sip:x.example:5070",
                                       "sip:x.example;transport=udp"};
    char hop[64];
    Plane__SendRequest m = PLANE__SEND_REQUEST__INIT;
    (void)snprintf(branch, sizeof(branch), "z9hG4bKa0-%u", take() % 4);
    (void)snprintf(method, sizeof(method), "%s", methods[take() % 4]);
    (void)snprintf(hop, sizeof(hop), "%s", hops[take() % 4]);
    int n = snprintf(text, sizeof(text),
                     "%s sip:1@192.0.2.20 SIP/2.0\r\nFrom: <sip:a@b>;tag=a0-x\r\nTo: <sip:1@b>\r\nCall-ID: c\r\n"
                     "CSeq: 1 %s\r\nContent-Length: 0\r\n\r\n",
                     method, method);
    m.txn = data_of(branch, strlen(branch));
    m.method = method;
    m.next_hop = hop;
    m.raw = data_of(text, (size_t)n);
    edge_on_actor(&f.edge, 0, PLANE_EDGE_SEND_REQUEST, &m.base, now());
}

static void actor_cancels(void)
{
    char branch[32];
    char reason[] = "SIP;cause=200";
    Plane__CancelTxn m = PLANE__CANCEL_TXN__INIT;
    (void)snprintf(branch, sizeof(branch), "z9hG4bKa0-%u", take() % 4);
    m.txn = data_of(branch, strlen(branch));
    m.reason = reason;
    edge_on_actor(&f.edge, 0, PLANE_EDGE_CANCEL, &m.base, now());
}

static void actor_admits(void)
{
    Plane__Admit m = PLANE__ADMIT__INIT;
    m.calls = take() % 4 != 0;
    edge_on_actor(&f.edge, 0, PLANE_EDGE_ADMIT, &m.base, now());
}

static void time_passes(void)
{
    int64_t until = f.now_ms + take();
    until += INT64_C(256) * take();
    for (int64_t at; (at = timers_next(&f.timers)) <= until;) {
        f.now_ms = at > f.now_ms ? at : f.now_ms;
        timers_run(&f.timers, f.now_ms);
    }
    f.now_ms = until;
}

static void actor_comes(void)
{
    edge_actor_up(&f.edge, 0, now());
}

static void actor_goes(void)
{
    if (f.edge.shard[0].up)
        edge_actor_down(&f.edge, 0, now());
}

static void link_fills(void)
{
    static const int rv[] = {0, 0, -BUS_EDOWN, -BUS_EFULL};
    f.say_rv = rv[take() % 4];
}

static void send_fails(void)
{
    if (f.owner_len > 0)
        edge_send_failed(&f.edge, span_of(f.owner, f.owner_len), f.owner_is_server, now());
}

/* Nothing lives without a timer that ends it, nothing is over and still there but for its last word. */
static void check_map(const struct map *m)
{
    for (const struct map_node *n = map_next(m, NULL); n != NULL; n = map_next(m, n)) {
        const struct txn_entry *e = MAP_ENTRY(n, struct txn_entry, node);
        const struct edge_txn *x = MAP_ENTRY(e, struct edge_txn, entry);
        FUZZ_ASSERT(timer_is_set(&x->timer[TXN_SLOT_LIFE]));
        FUZZ_ASSERT(!txn_is_over(&x->t) || x->untold);
        FUZZ_ASSERT(!txn_is_server(&x->t) || !txn_is_answered(&x->t) || list_empty((struct list *)(uintptr_t)&x->link));
    }
}

/* A hop waits, with a timer that ends it, or has the transaction that has it. */
static void check_hops(void)
{
    unsigned waiting = 0;
    for (const struct map_node *n = map_next(&f.edge.hops, NULL); n != NULL; n = map_next(&f.edge.hops, n)) {
        const struct edge_hop *h = MAP_ENTRY(n, struct edge_hop, node);
        waiting += h->loc != NULL;
        FUZZ_ASSERT((h->loc != NULL) != (h->x != NULL));
        FUZZ_ASSERT(h->loc == NULL || (timer_is_set(&h->due) && locate_asks(h->loc)));
        FUZZ_ASSERT(h->x == NULL || (h->x->hop == h && !h->x->mute && h->at < h->cnt));
    }
    FUZZ_ASSERT(waiting == f.edge.waiting_cnt);
}

static void check(void)
{
    FUZZ_ASSERT(txn_index_count(&f.edge.index) <= TXN_MAX);
    FUZZ_ASSERT(f.edge.kept_bytes <= KEPT_MAX);
    check_map(&f.edge.index.server);
    check_map(&f.edge.index.client);
    check_hops();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const ops[])(void) = {
        raw_datagram, request,     response,   actor_replies, actor_requests, actor_cancels,       actor_admits,
        time_passes,  actor_comes, actor_goes, link_fills,    send_fails,     name_server_answers, network_reports};
    struct edge_conf conf = {.public_ip = "192.0.2.1",
                             .public_sips_port = 5061,
                             .public_port = 5060,
                             .shards = 1,
                             .t1_ms = 500,
                             .txn_max = TXN_MAX,
                             .kept_bytes_max = KEPT_MAX,
                             .trusted = size % 2 == 0 ? "192.0.2.0/24" : NULL,
                             .rate_limit = 5,
                             .block_s = 1,
                             .sources_max = 16};
    log_set_level(LOG_ERROR);
    memset(&f, 0, sizeof(f));
    f.in = fuzz_span(data, size);
    timers_init(&f.timers);
    edge_init(&f.edge, &conf, &(struct edge_out){.send = on_send, .say = on_say, .ask = on_ask}, &f.timers, now());
    actor_comes();
    actor_admits();
    while (f.in.len > 0) {
        ops[take() % (sizeof(ops) / sizeof(ops[0]))]();
        check();
    }
    edge_fini(&f.edge);
    FUZZ_ASSERT(f.edge.kept_bytes == 0 && f.timers.count == 0);
    timers_fini(&f.timers);
    return 0;
}
