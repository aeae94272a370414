/*
 * What the grammar costs, beside the parsers of two packaged libraries, on the same messages and for the same facts.
 *
 * usage: bench_parse                 the table: nanoseconds of CPU (best round of several) and allocations
 *        bench_parse --list          the names of the steps, one a line
 *        bench_parse --run STEP N    one step N times, for an instruction counter around it (bench_parse.py)
 */
#include "common/base/buf.h"
#include "common/sip/sip_caps.h"
#include "common/sip/sip_index.h"
#include "common/sip/sip_txn_key.h"
#include "common/sip/sip_write.h"
#include "sip-edge/txn_index.h"
#include "tests/bench/parse.h"
#include "tests/bench/parse_ours.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROUNDS 15
#define ROUND_NS 30000000
#define LIVE 100000u

/* --- allocations: the C library's own functions behind ours, so that those of shared libraries count too --- */

static unsigned long allocations;

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t nmemb, size_t size);
void *__libc_realloc(void *ptr, size_t size);

__attribute__((visibility("default"))) void *malloc(size_t size)
{
    allocations++;
    return __libc_malloc(size);
}

__attribute__((visibility("default"))) void *calloc(size_t nmemb, size_t size)
{
    allocations++;
    return __libc_calloc(nmemb, size);
}

__attribute__((visibility("default"))) void *realloc(void *ptr, size_t size)
{
    allocations++;
    return __libc_realloc(ptr, size);
}

/* --- the messages: of a desk phone behind a proxy --- */

static const char sdp[] = "v=0\r\n"
                          "o=- 3890162612 3890162612 IN IP4 192.0.2.77\r\n"
                          "s=call\r\n"
                          "c=IN IP4 192.0.2.77\r\n"
                          "t=0 0\r\n"
                          "m=audio 17028 RTP/AVP 8 0 9 18 101\r\n"
                          "a=rtpmap:8 PCMA/8000\r\n"
                          "a=rtpmap:0 PCMU/8000\r\n"
                          "a=rtpmap:9 G722/8000\r\n"
                          "a=rtpmap:18 G729/8000\r\n"
                          "a=fmtp:18 annexb=no\r\n"
                          "a=rtpmap:101 telephone-event/8000\r\n"
                          "a=fmtp:101 0-16\r\n"
                          "a=ptime:20\r\n"
                          "a=sendrecv\r\n";

#define VIAS_AND_ROUTE                                                                                                 \
    "Via: SIP/2.0/UDP proxy.example.com:5060;branch=z9hG4bK87a1.5c3f1e2a7b8c9d0e.0\r\n"                                \
    "Via: SIP/2.0/UDP "                                                                                                \
    "192.0.2.77:5062;received=198.51.100.23;branch=z9hG4bK-524287-1---3b8a6e1c9f0d4a27;rport=40112\r\n"                \
    "Record-Route: <sip:proxy.example.com;lr;ftag=7f2a91c4>\r\n"

static const char invite_head[] =
    "INVITE sip:+902125550123@sip.example.net:5060;user=phone SIP/2.0\r\n" VIAS_AND_ROUTE "Max-Forwards: 69\r\n"
    "From: \"Alice Example\" <sip:alice@example.com>;tag=7f2a91c4\r\n"
    "To: <sip:+902125550123@sip.example.net;user=phone>\r\n"
    "Call-ID: 5bXrLmQ2eT9w1kZ7aYc0uA..\r\n"
    "CSeq: 2 INVITE\r\n"
    "Contact: <sip:alice@192.0.2.77:5062;transport=udp>\r\n"
    "User-Agent: Deskphone 4.2.1\r\n"
    "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, REFER, NOTIFY, MESSAGE, INFO, UPDATE\r\n"
    "Supported: replaces, timer, outbound\r\n"
    "Content-Type: application/sdp\r\n";

static const char ok_head[] =
    "SIP/2.0 200 OK\r\n" VIAS_AND_ROUTE "From: \"Alice Example\" <sip:alice@example.com>;tag=7f2a91c4\r\n"
    "To: <sip:+902125550123@sip.example.net;user=phone>;tag=a0-k3v9q2m7x1p5r8t4\r\n"
    "Call-ID: 5bXrLmQ2eT9w1kZ7aYc0uA..\r\n"
    "CSeq: 2 INVITE\r\n"
    "Contact: <sip:sentiric@203.0.113.6:5060>\r\n"
    "User-Agent: Gateway 11\r\n"
    "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS\r\n"
    "Supported: timer\r\n"
    "Content-Type: application/sdp\r\n";

static struct buf invite, ok;

static void make_message(struct buf *out, const char *head)
{
    buf_init(out, SIP_MSG_BYTES_MAX);
    buf_printf(out, "%sContent-Length: %zu\r\n\r\n%s", head, sizeof(sdp) - 1, sdp);
    if (buf_cstr(out) == NULL) /* a NUL after it: one of the parsers reads C strings */
        abort();
}

/* --- the steps --- */

static struct sip_msg msg, told;
static struct buf out, index_bytes, key;
static struct facts facts;
static struct txn_index live;
static struct txn_entry *entries;
static struct buf *keys;
static unsigned next_key;

static void need(bool good)
{
    if (!good) {
        fprintf(stderr, "bench_parse: a step failed\n");
        exit(1);
    }
}

#define PARSER_STEPS(name)                                                                                             \
    static void parse_invite_##name(void)                                                                              \
    {                                                                                                                  \
        need(parser_##name.parse(buf_span(&invite)));                                                                  \
    }                                                                                                                  \
    static void read_invite_##name(void)                                                                               \
    {                                                                                                                  \
        need(parser_##name.read(buf_span(&invite), &facts, NULL));                                                     \
    }                                                                                                                  \
    static void parse_ok_##name(void)                                                                                  \
    {                                                                                                                  \
        need(parser_##name.parse(buf_span(&ok)));                                                                      \
    }                                                                                                                  \
    static void read_ok_##name(void)                                                                                   \
    {                                                                                                                  \
        need(parser_##name.read(buf_span(&ok), &facts, NULL));                                                         \
    }
PARSER_STEPS(ours)
PARSER_STEPS(osip)
PARSER_STEPS(sofia)

static void index_write(void)
{
    buf_reset(&index_bytes);
    sip_index_encode(&index_bytes, &msg);
    need(!index_bytes.failed);
}

static void index_read(void)
{
    need(sip_index_decode(&told, buf_span(&invite), buf_span(&index_bytes)) == 0 && ours_read(&told, &facts));
}

static void build(void)
{
    buf_reset(&out);
    sip_write_reply(&out, &(struct sip_reply_args){.req = &msg, .status = 200, .to_tag = SPAN("a0-k3v9q2m7x1p5r8t4")});
    sip_write_hdr(&out, SIP_H_CONTACT, SPAN("<sip:sentiric@203.0.113.6:5060>"));
    sip_caps_write(&out, SIP_CAPS_ALLOW);
    sip_write_body(&out, SPAN("application/sdp"), span_of(sdp, sizeof(sdp) - 1));
    need(!out.failed);
}

/* A different one each time, far apart, so that the cache does not hold it. */
static void lookup(void)
{
    next_key = (next_key + 61987u) % LIVE;
    need(txn_index_server(&live, buf_span(&keys[next_key])) != NULL);
}

static void make_key(void)
{
    buf_reset(&key);
    need(sip_txn_key(&key, &msg) == 0);
}

static const struct step {
    const char *name;
    const char *group; /* compared with each other */
    const struct parser *parser;
    void (*run)(void);
} steps[] = {
    {"invite-parse-ours", "INVITE: parse", &parser_ours, parse_invite_ours},
    {"invite-parse-osip", "INVITE: parse", &parser_osip, parse_invite_osip},
    {"invite-parse-sofia", "INVITE: parse", &parser_sofia, parse_invite_sofia},
    {"invite-read-ours", "INVITE: parse, read all facts, SDP", &parser_ours, read_invite_ours},
    {"invite-read-osip", "INVITE: parse, read all facts, SDP", &parser_osip, read_invite_osip},
    {"invite-read-sofia", "INVITE: parse, read all facts, SDP", &parser_sofia, read_invite_sofia},
    {"ok-parse-ours", "200: parse", &parser_ours, parse_ok_ours},
    {"ok-parse-osip", "200: parse", &parser_osip, parse_ok_osip},
    {"ok-parse-sofia", "200: parse", &parser_sofia, parse_ok_sofia},
    {"ok-read-ours", "200: parse, read all facts, SDP", &parser_ours, read_ok_ours},
    {"ok-read-osip", "200: parse, read all facts, SDP", &parser_osip, read_ok_osip},
    {"ok-read-sofia", "200: parse, read all facts, SDP", &parser_sofia, read_ok_sofia},
    {"index-write", "INVITE: write the offset index", &parser_ours, index_write},
    {"index-read", "INVITE: check the index, read all facts, SDP", &parser_ours, index_read},
    {"build-200", "200 with SDP: build", &parser_ours, build},
    {"txn-key", "transaction key of the INVITE", &parser_ours, make_key},
    {"txn-lookup", "lookup among 100,000 transactions", &parser_ours, lookup},
};
#define STEPS (sizeof(steps) / sizeof(steps[0]))

static void fill_index(void)
{
    txn_index_init(&live, LIVE);
    entries = calloc(LIVE, sizeof(*entries));
    keys = calloc(LIVE, sizeof(*keys));
    need(entries != NULL && keys != NULL);
    for (unsigned i = 0; i < LIVE; i++) {
        buf_init(&keys[i], SIP_TXN_KEY_BYTES_MAX);
        buf_printf(&keys[i], "z9hG4bK-524287-%u---3b8a6e1c9f0d4a27;192.0.2.77:5062;INVITE", i);
        need(txn_index_add_server(&live, &entries[i], buf_span(&keys[i])) == 0);
    }
}

static void start(bool with_transactions)
{
    make_message(&invite, invite_head);
    make_message(&ok, ok_head);
    buf_init(&out, SIP_MSG_BYTES_MAX);
    buf_init(&index_bytes, SIP_INDEX_BYTES_MAX);
    buf_init(&key, SIP_TXN_KEY_BYTES_MAX);
    parser_ours.start();
    parser_osip.start();
    parser_sofia.start();
    need(sip_msg_decode(&msg, buf_span(&invite)) == 0);
    index_write();
    if (with_transactions)
        fill_index();
}

/* --- do all three find the same? --- */

static struct facts want; /* by common/sip: its spans lie in the message */

static struct span text_of(struct span s)
{
    return s.len == FACT_Z ? span_cstr(s.p) : s;
}

static void check_same(const struct facts *f)
{
#define FACT_NAME(name) #name,
    static const char *const texts[] = {FACT_TEXTS(FACT_NAME)}, *const numbers[] = {FACT_NUMBERS(FACT_NAME)};
    bool same = true;
    for (int i = 0; i < FACT_TEXT_CNT; i++) {
        struct span a = text_of(want.text[i]), b = text_of(f->text[i]);
        if (!span_eq(a, b))
            same = fprintf(stderr, "%s: \"%.*s\" or \"%.*s\"?\n", texts[i], SPAN_ARG(a), SPAN_ARG(b)) < 0;
    }
    for (int i = 0; i < FACT_NUMBER_CNT; i++) {
        if (want.number[i] != f->number[i])
            same = fprintf(stderr, "%s: %lu or %lu?\n", numbers[i], want.number[i], f->number[i]) < 0;
    }
    need(same);
}

static void check_all(const struct buf *message)
{
    static const struct parser *const others[] = {&parser_osip, &parser_sofia};
    need(parser_ours.read(buf_span(message), &want, NULL) && want.text[FACT_SDP_CODEC].len > 0);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        need(others[i]->read(buf_span(message), &facts, check_same));
}

/* --- measuring --- */

struct result {
    double ns; /* of the best round: other programs run beside us */
    unsigned long runs, allocations;
};

static int64_t cpu_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return INT64_C(1000000000) * t.tv_sec + t.tv_nsec;
}

static void one_round(const struct step *s, struct result *r)
{
    unsigned long before = allocations;
    int64_t began = cpu_ns(), now = began;
    unsigned n = 0;
    for (; now - began < ROUND_NS; now = cpu_ns()) {
        for (unsigned i = 0; i < 256; i++)
            s->run();
        n += 256;
    }
    double ns = (double)(now - began) / n;
    r->ns = r->runs == 0 || ns < r->ns ? ns : r->ns;
    r->runs += n;
    r->allocations += allocations - before;
}

static int table(void)
{
    static struct result results[STEPS];
    start(true);
    check_all(&invite);
    check_all(&ok);
    printf("%zu bytes of INVITE, %zu of 200; all parsers find the same %d facts\n", invite.len, ok.len,
           FACT_TEXT_CNT + FACT_NUMBER_CNT);
    for (int round = 0; round < ROUNDS; round++) { /* in turns, so that a busy moment of the machine meets them all */
        for (size_t i = 0; i < STEPS; i++)
            one_round(&steps[i], &results[i]);
    }
    for (size_t i = 0; i < STEPS; i++)
        printf("%s\t%s\t%s\t%.1f\t%.2f\n", steps[i].name, steps[i].group, steps[i].parser->name, results[i].ns,
               (double)results[i].allocations / (double)results[i].runs);
    return 0;
}

static int list(void)
{
    for (size_t i = 0; i < STEPS; i++)
        puts(steps[i].name);
    return 0;
}

static int run(const char *name, unsigned long times)
{
    start(strcmp(name, "txn-lookup") == 0);
    for (size_t i = 0; i < STEPS; i++) {
        if (strcmp(steps[i].name, name) != 0)
            continue;
        while (times-- > 0)
            steps[i].run();
        return 0;
    }
    return 2;
}

int main(int argc, char **argv)
{
    if (argc == 1)
        return table();
    if (argc == 2 && strcmp(argv[1], "--list") == 0)
        return list();
    if (argc == 4 && strcmp(argv[1], "--run") == 0)
        return run(argv[2], strtoul(argv[3], NULL, 10));
    fprintf(stderr, "usage: bench_parse [--list | --run STEP N]\n");
    return 2;
}
