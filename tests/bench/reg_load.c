/*
 * reg_load: phones that register, over UDP: REGISTER, 401, REGISTER with digest, 200. One process for all of them,
 * cheap enough to stand beside what it measures; requests without an answer are repeated as RFC 3261 §17.1.2 says.
 *
 * Users are PREFIX0, PREFIX1, ..., the password of each is his name and "-secret", his Contact --contact.
 * Prints one line of JSON; with --failures, a line there for each that failed: the wall clock in ms and the status,
 * 408 when nothing came. Ends with 0 when all were registered.
 */
#include "common/base/span.h"
#include "common/rt/crypt.h"
#include "tests/bench/load.h"
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define TRIES_MAX 11 /* 64*T1 */
#define TEXT_MAX 2048
#define USAGE                                                                                                          \
    "usage: reg_load --port PORT [--users N] [--count N] [--rate N] [--expires S] [--prefix P] [--run NAME] "          \
    "[--realm REALM] [--contact HOST:PORT] [--query] [--failures FILE]\n"

enum state { IDLE = 0, ASKED = 1, PROVING = 2, DONE = 3, FAILED = 4 };

struct reg {
    enum state state;
    unsigned status; /* the last final one */
    unsigned tries;
    unsigned proofs; /* challenges that were taken up */
    int64_t began_us;
    int64_t due_us;
    struct reg *next; /* in the queue of its interval */
    char nonce[128];
};

/* Requests that wait equally long stand in the order they were sent. */
struct queue {
    struct reg *first, *last;
};

static struct {
    unsigned long port, users, count, expires;
    double rate;
    const char *prefix, *run, *realm;
    const char *contact; /* host:port; NULL: this program's socket */
    bool query;          /* asks for the bindings instead of adding one */
} args = {
    .users = 1000, .count = 1000, .expires = 3600, .rate = 100, .prefix = "u", .run = "r", .realm = "sentiric_demo"};

static struct reg *regs;
static struct queue queues[TRIES_MAX + 1];
static unsigned long under_way, ok, failed, resent, without_contact;
static struct load_latency latency;
static FILE *failures; /* NULL: nobody wants them */
static uint16_t own_port;
static int fd;

/* --- one phone --- */

static unsigned long number_of(const struct reg *r)
{
    return (unsigned long)(r - regs);
}

static struct span written(const char *text, int len)
{
    return span_of(text, len > 0 ? (size_t)len : 0);
}

static size_t write_credentials(const struct reg *r, const char *user, char *out, size_t size)
{
    char password[96];
    char ha1[CRYPT_HEX_SIZE];
    char ha2[CRYPT_HEX_SIZE];
    char response[CRYPT_HEX_SIZE];
    struct span secret = written(password, snprintf(password, sizeof(password), "%s-secret", user));
    struct span uri = SPAN("sip:registrar");
    crypt_hash_joined(CRYPT_MD5, (struct span[]){span_cstr(user), span_cstr(args.realm), secret}, 3, ha1);
    crypt_hash_joined(CRYPT_MD5, (struct span[]){SPAN("REGISTER"), uri}, 2, ha2);
    crypt_hash_joined(CRYPT_MD5,
                      (struct span[]){span_cstr(ha1), span_cstr(r->nonce), SPAN("00000001"), SPAN("c0ffee"),
                                      SPAN("auth"), span_cstr(ha2)},
                      6, response);
    return (size_t)snprintf(out, size,
                            "Authorization: Digest username=\"%s\", realm=\"%s\", nonce=\"%s\", uri=\"sip:registrar\", "
                            "response=\"%s\", algorithm=MD5, qop=auth, nc=00000001, cnonce=\"c0ffee\"\r\n",
                            user, args.realm, r->nonce, response);
}

static void transmit(const struct reg *r)
{
    char text[TEXT_MAX];
    char user[64];
    char extra[TEXT_MAX / 2];
    unsigned long n = number_of(r);
    unsigned cseq = 1 + r->proofs;
    size_t at = 0;
    (void)snprintf(user, sizeof(user), "%s%lu", args.prefix, n % args.users);
    if (!args.query)
        at = (size_t)snprintf(extra, sizeof(extra), "Contact: <sip:%s@%s>\r\nExpires: %lu\r\n", user, args.contact,
                              args.expires);
    extra[at] = '\0';
    if (r->state == PROVING)
        (void)write_credentials(r, user, extra + at, sizeof(extra) - at);
    int len = snprintf(
        text, sizeof(text),
        "REGISTER sip:registrar SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:%u;branch=z9hG4bK%s-%lu-%u;rport\r\n"
        "Max-Forwards: 70\r\nFrom: <sip:%s@h.example>;tag=%s%lu\r\nTo: <sip:%s@h.example>\r\nCall-ID: %s-%lu@phone\r\n"
        "CSeq: %u REGISTER\r\nUser-Agent: reg_load\r\n%sContent-Length: 0\r\n\r\n",
        own_port, args.run, n, cseq, user, args.run, n, user, args.run, n, cseq, extra);
    load_send(fd, text, len);
}

static void enqueue(struct reg *r, int64_t now)
{
    int64_t wait = LOAD_T1_US << (r->tries < 4 ? r->tries : 3);
    struct queue *q = &queues[r->tries];
    r->due_us = now + (wait < LOAD_T2_US ? wait : LOAD_T2_US);
    r->next = NULL;
    if (q->first == NULL)
        q->first = r;
    else
        q->last->next = r;
    q->last = r;
}

static void begin(struct reg *r, int64_t now)
{
    under_way++;
    r->began_us = now;
    r->state = ASKED;
    transmit(r);
    enqueue(r, now);
}

static void note_failure(const struct reg *r)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_REALTIME, &t);
    if (failures != NULL)
        (void)fprintf(failures, "%lld %u\n", (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000, r->status);
}

static void end(struct reg *r, enum state state, int64_t now)
{
    r->state = state;
    under_way--;
    if (state == DONE) {
        ok++;
        load_latency_add(&latency, now - r->began_us);
    } else {
        failed++;
        note_failure(r);
    }
}

/* --- answers --- */

static void on_challenge(struct reg *r, struct span m, int64_t now)
{
    struct span nonce = load_after(m, "nonce=\"");
    nonce.len = span_find(nonce, '"');
    bool is_stale = r->proofs == 1 && load_after(m, "stale=true").len > 0; /* right but late: RFC 7616 §3.3 */
    if ((r->state != ASKED && !is_stale) || !span_copy(r->nonce, sizeof(r->nonce), nonce)) {
        end(r, FAILED, now);
        return;
    }
    r->proofs++;
    r->state = PROVING; /* its place in the queues is that of its first request */
    transmit(r);
}

static void on_answer(struct span m, int64_t now)
{
    char want[64];
    struct span id = load_after(m, "Call-ID: ");
    struct span number = load_after(m, "CSeq: ");
    struct span run = written(want, snprintf(want, sizeof(want), "%s-", args.run));
    if (id.len == 0 || number.len == 0 || m.len < 12 || !span_starts(id, run))
        return;
    unsigned long n = strtoul(id.p + run.len, NULL, 10);
    unsigned cseq = (unsigned)strtoul(number.p, NULL, 10);
    unsigned status = (unsigned)strtoul(m.p + 8, NULL, 10);
    if (n >= args.count || status < 200)
        return;
    struct reg *r = &regs[n];
    if ((r->state != ASKED && r->state != PROVING) || cseq != 1 + r->proofs)
        return; /* a repeat */
    r->status = status;
    if (status == 401) {
        on_challenge(r, m, now);
    } else {
        without_contact += status == 200 && load_after(m, "\r\nContact: ").len == 0;
        end(r, status == 200 ? DONE : FAILED, now);
    }
}

static void receive(void)
{
    char text[65536];
    int n;
    while ((n = load_receive(fd, text, sizeof(text))) >= 0) {
        if (n > 12 && strncmp(text, "SIP/2.0 ", 8) == 0)
            on_answer(span_of(text, (size_t)n), load_now_us());
    }
}

/* --- time --- */

static void repeat_due(int64_t now)
{
    for (size_t i = 0; i <= TRIES_MAX; i++) {
        struct reg *r;
        while ((r = queues[i].first) != NULL && r->due_us <= now) {
            queues[i].first = r->next;
            if (r->state != ASKED && r->state != PROVING)
                continue;
            if (++r->tries > TRIES_MAX) {
                r->status = 408;
                end(r, FAILED, now);
                continue;
            }
            resent++;
            transmit(r);
            enqueue(r, now);
        }
    }
}

static void run(void)
{
    int64_t started = load_now_us();
    unsigned long begun = 0;
    while (begun < args.count || under_way > 0) {
        int64_t now = load_now_us();
        unsigned long should = (unsigned long)((double)(now - started) * args.rate / 1e6) + 1;
        for (; begun < args.count && begun < should; begun++)
            begin(&regs[begun], now);
        repeat_due(now);
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, 1) > 0)
            receive();
    }
}

/* --- the whole --- */

static FILE *open_new(const char *path)
{
    FILE *f = fopen(path, "w");
    if (f == NULL)
        load_stop(path);
    return f;
}

static void parse(int argc, char **argv)
{
    static const struct option options[] = {
        {"port", 1, NULL, 'p'},    {"users", 1, NULL, 'u'},  {"count", 1, NULL, 'n'},    {"rate", 1, NULL, 'r'},
        {"expires", 1, NULL, 'e'}, {"prefix", 1, NULL, 'x'}, {"run", 1, NULL, 'i'},      {"realm", 1, NULL, 'm'},
        {"contact", 1, NULL, 'c'}, {"query", 0, NULL, 'q'},  {"failures", 1, NULL, 'f'}, {0},
    };
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 'p')
            args.port = strtoul(optarg, NULL, 10);
        else if (c == 'u')
            args.users = strtoul(optarg, NULL, 10);
        else if (c == 'n')
            args.count = strtoul(optarg, NULL, 10);
        else if (c == 'r')
            args.rate = strtod(optarg, NULL);
        else if (c == 'e')
            args.expires = strtoul(optarg, NULL, 10);
        else if (c == 'x')
            args.prefix = optarg;
        else if (c == 'i')
            args.run = optarg;
        else if (c == 'm')
            args.realm = optarg;
        else if (c == 'c')
            args.contact = optarg;
        else if (c == 'q')
            args.query = true;
        else if (c == 'f')
            failures = open_new(optarg);
        else
            args.port = 0;
    }
    if (args.port == 0 || args.port > 65535 || args.users == 0 || args.count == 0 || args.rate <= 0) {
        (void)fputs(USAGE, stderr);
        exit(2);
    }
}

static void connect_socket(void)
{
    static char own[32];
    fd = load_connect((uint16_t)args.port, &own_port);
    (void)snprintf(own, sizeof(own), "127.0.0.1:%u", own_port);
    if (args.contact == NULL)
        args.contact = own;
}

int main(int argc, char **argv)
{
    parse(argc, argv);
    connect_socket();
    regs = calloc(args.count, sizeof(*regs));
    if (regs == NULL)
        load_stop("memory");
    int64_t begin = load_now_us();
    run();
    double seconds = (double)(load_now_us() - begin) / 1e6;
    printf("{\"ok\":%lu,\"failed\":%lu,\"resent\":%lu,\"without_contact\":%lu,\"seconds\":%.3f,\"p50_ms\":%.1f,"
           "\"p99_ms\":%.1f}\n",
           ok, failed, resent, without_contact, seconds, load_latency_ms(&latency, 0.5),
           load_latency_ms(&latency, 0.99));
    if (failures != NULL && fclose(failures) != 0)
        load_stop("failures");
    free(regs);
    return failed == 0 ? 0 : 1;
}
