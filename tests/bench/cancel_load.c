/*
 * cancel_load: callers who change their minds, over UDP: INVITE, and a CANCEL after an evenly drawn time; who is
 * answered before says ACK and BYE. One process for all of them. What has no answer is repeated as RFC 3261 §17.1 says,
 * a CANCEL waits for a provisional response (§9.1).
 *
 * Prints one line of JSON. Ends with 0 when every INVITE got one final response, and every CANCEL and BYE an answer.
 */
#include "tests/bench/cancel_callee.h"
#include "tests/bench/load.h"

#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 2048
#define TAG_MAX 128
#define FINAL_WAIT_US 60000000 /* after which an INVITE counts as not answered */
#define REPEATS_MAX 10         /* 64*T1 */
#define STATUS_MAX 700
#define USAGE                                                                                                          \
    "usage: cancel_load --port PORT [--count N] [--rate N] [--within MS] [--linger MS] [--seed N] [--to USER] "        \
    "[--callee PORT]\n"                                                                                                \
    "  --within 0: nobody cancels\n  --callee: plays who is called as well, on this port; he answers within MS, too\n"

enum awaits { NOTHING = 0, ANY_RESPONSE = 1, FINAL = 2, CANCELS_ANSWER = 3, BYES_ANSWER = 4 };

struct call {
    enum awaits awaits;
    unsigned final; /* status; 0: none yet */
    char tag[TAG_MAX];
    char target[TAG_MAX]; /* Contact of the 200 */
    bool rings;           /* a provisional has come */
    bool cancelled;
    int64_t began_us;
    int64_t cancel_us; /* when he changes his mind; 0: never */
    int64_t due_us;    /* of the next repeat */
    unsigned repeats;
};

static struct {
    unsigned long port, count, within_ms, linger_ms, seed;
    unsigned long callee; /* port; 0: the service answers */
    double rate;
    const char *to;
} args = {.count = 1000, .within_ms = 100, .linger_ms = 1000, .seed = 1, .rate = 100, .to = "902121234567"};

static struct call *calls;
static unsigned long under_way, conflicts, without_final, without_answer, resent, cancels, crossed;
static unsigned long finals[STATUS_MAX], cancel_answers[STATUS_MAX], bye_answers[STATUS_MAX];
static struct load_latency answered;
static uint16_t own_port;
static uint64_t dice;
static int fd, callee_fd = -1; /* poll passes over the second while it is none */

static uint64_t roll(void)
{
    dice ^= dice << 13;
    dice ^= dice >> 7;
    dice ^= dice << 17;
    return dice >> 11;
}

/* --- what he says --- */

static unsigned long number_of(const struct call *c)
{
    return (unsigned long)(c - calls);
}

static const char *const offer = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
                                 "m=audio 40000 RTP/AVP 0 8\r\n";

/* branch: what its Via has after the call's number: CANCEL and the ACK of a refusal have their INVITE's. */
static void say(const struct call *c, const char *method, const char *branch, unsigned cseq, const char *uri,
                const char *body)
{
    char text[TEXT_MAX];
    unsigned long n = number_of(c);
    bool in_dialog = c->tag[0] != '\0' && strcmp(method, "CANCEL") != 0;
    load_send(
        fd, text,
        snprintf(text, sizeof(text),
                 "%s %s SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:%u;branch=z9hG4bK%lu-%lu%s;rport\r\n"
                 "Max-Forwards: 70\r\nFrom: <sip:05321112233@127.0.0.1>;tag=f%lu\r\nTo: <sip:%s@127.0.0.1>%s%s\r\n"
                 "Call-ID: %lu-%lu@cancel\r\nCSeq: %u %s\r\nContact: <sip:c@127.0.0.1:%u>\r\n%sContent-Length: "
                 "%zu\r\n\r\n%s",
                 method, uri, own_port, args.seed, n, branch, n, args.to, in_dialog ? ";tag=" : "",
                 in_dialog ? c->tag : "", args.seed, n, cseq, method, own_port,
                 body[0] != '\0' ? "Content-Type: application/sdp\r\n" : "", strlen(body), body));
}

static const char *request_uri(void)
{
    static char uri[TAG_MAX];
    (void)snprintf(uri, sizeof(uri), "sip:%s@127.0.0.1:%lu", args.to, args.port);
    return uri;
}

static void say_awaited(const struct call *c)
{
    switch (c->awaits) {
    case ANY_RESPONSE:
        say(c, "INVITE", "", 1, request_uri(), offer);
        break;
    case CANCELS_ANSWER:
        say(c, "CANCEL", "", 1, request_uri(), "");
        break;
    case BYES_ANSWER:
        say(c, "BYE", "b", 2, c->target, "");
        break;
    case FINAL:
    case NOTHING:
        break;
    }
}

static void await(struct call *c, enum awaits what, int64_t now)
{
    c->awaits = what;
    c->repeats = 0;
    c->due_us = now + (what == FINAL ? FINAL_WAIT_US : LOAD_T1_US);
    say_awaited(c);
}

static void begin(struct call *c, int64_t now)
{
    under_way++;
    c->began_us = now;
    if (args.within_ms > 0)
        c->cancel_us = now + 1 + (int64_t)(roll() % (args.within_ms * 1000));
    await(c, ANY_RESPONSE, now);
}

static void end(struct call *c)
{
    c->awaits = NOTHING;
    under_way--;
}

/* --- what he hears --- */

static void acknowledge(const struct call *c)
{
    if (c->final < 300)
        say(c, "ACK", "a", 1, c->target, "");
    else
        say(c, "ACK", "", 1, request_uri(), "");
}

static void after_final(struct call *c, int64_t now)
{
    if (c->final < 300)
        await(c, BYES_ANSWER, now);
    else
        end(c);
}

static void note_target(struct call *c, struct span m)
{
    struct span contact = load_after(load_header(m, "Contact: "), "<");
    (void)span_copy(c->target, sizeof(c->target), span_of(contact.p, span_find(contact, '>')));
}

static void on_final(struct call *c, struct span m, unsigned status, int64_t now)
{
    struct span tag = load_after(load_header(m, "To: "), ";tag=");
    if (c->final != 0) { /* repeated, for our ACK was lost; or another one, which must not be */
        conflicts += c->final != status || !span_eq(tag, span_cstr(c->tag));
        acknowledge(c);
        return;
    }
    c->final = status;
    finals[status]++;
    (void)span_copy(c->tag, sizeof(c->tag), tag);
    if (status < 300) {
        note_target(c, m);
        load_latency_add(&answered, now - c->began_us);
        crossed += c->cancelled;
    }
    acknowledge(c);
    if (c->awaits != CANCELS_ANSWER)
        after_final(c, now);
}

static void on_cancels_answer(struct call *c, unsigned status, int64_t now)
{
    if (c->awaits != CANCELS_ANSWER)
        return;
    cancel_answers[status]++;
    if (c->final != 0)
        after_final(c, now);
    else
        await(c, FINAL, now);
}

static void on_response(struct call *c, struct span m, unsigned status, int64_t now)
{
    struct span method = load_after(load_header(m, "CSeq: "), " ");
    if (status < 200) {
        c->rings = true;
        if (c->awaits == ANY_RESPONSE)
            await(c, FINAL, now);
    } else if (span_eq(method, SPAN("INVITE"))) {
        on_final(c, m, status, now);
    } else if (span_eq(method, SPAN("CANCEL"))) {
        on_cancels_answer(c, status, now);
    } else if (c->awaits == BYES_ANSWER) {
        bye_answers[status]++;
        end(c);
    }
}

/* Who did not hear our ACK hangs up. */
static void on_request(struct span m)
{
    char text[TEXT_MAX];
    struct span via = load_header(m, "Via: "), from = load_header(m, "From: "), to = load_header(m, "To: "),
                id = load_header(m, "Call-ID: "), cseq = load_header(m, "CSeq: ");
    load_send(fd, text,
              snprintf(text, sizeof(text),
                       "SIP/2.0 200 OK\r\nVia: %.*s\r\nFrom: %.*s\r\nTo: %.*s\r\nCall-ID: %.*s\r\nCSeq: %.*s\r\n"
                       "Content-Length: 0\r\n\r\n",
                       SPAN_ARG(via), SPAN_ARG(from), SPAN_ARG(to), SPAN_ARG(id), SPAN_ARG(cseq)));
}

static void on_message(struct span m, int64_t now)
{
    char *rest;
    struct span id = load_header(m, "Call-ID: ");
    if (!span_starts(m, SPAN("SIP/2.0 "))) {
        on_request(m);
        return;
    }
    if (id.len == 0 || strtoul(id.p, &rest, 10) != args.seed || *rest != '-')
        return;
    unsigned long n = strtoul(rest + 1, NULL, 10), status = strtoul(m.p + 8, NULL, 10);
    if (n < args.count && status >= 100 && status < STATUS_MAX)
        on_response(&calls[n], m, (unsigned)status, now);
}

static void receive(void)
{
    char text[65536];
    int n;
    while ((n = load_receive(fd, text, sizeof(text))) >= 0)
        on_message(span_of(text, (size_t)n), load_now_us());
}

/* --- time --- */

static void give_up(struct call *c)
{
    if (c->final == 0)
        without_final++;
    else
        without_answer++;
    (void)fprintf(stderr, "cancel_load: call %lu-%lu@cancel: nothing came (%d, final %u)\n", args.seed, number_of(c),
                  (int)c->awaits, c->final);
    end(c);
}

static void repeat(struct call *c, int64_t now)
{
    if (c->awaits == FINAL || ++c->repeats > REPEATS_MAX) {
        give_up(c);
        return;
    }
    int64_t wait = LOAD_T1_US << (c->repeats < 4 ? c->repeats : 3);
    c->due_us = now + (wait < LOAD_T2_US ? wait : LOAD_T2_US);
    resent++;
    say_awaited(c);
}

static void on_time(struct call *c, int64_t now)
{
    bool may_cancel = c->awaits == FINAL && c->rings && !c->cancelled && c->cancel_us != 0;
    if (may_cancel && now >= c->cancel_us) {
        c->cancelled = true;
        cancels++;
        await(c, CANCELS_ANSWER, now);
    } else if (c->awaits != NOTHING && now >= c->due_us) {
        repeat(c, now);
    }
}

static void run(void)
{
    int64_t started = load_now_us(), quiet_since = 0;
    unsigned long begun = 0, open = 0;
    while (quiet_since == 0 || load_now_us() - quiet_since < (int64_t)args.linger_ms * 1000) {
        int64_t now = load_now_us();
        unsigned long should = (unsigned long)((double)(now - started) * args.rate / 1e6) + 1;
        for (; begun < args.count && begun < should; begun++)
            begin(&calls[begun], now);
        while (open < begun && calls[open].awaits == NOTHING)
            open++;
        for (unsigned long i = open; i < begun; i++)
            on_time(&calls[i], now);
        bool settled = callee_fd < 0 || callee_is_settled();
        if (begun == args.count && under_way == 0 && settled && quiet_since == 0)
            quiet_since = now;
        struct pollfd p[] = {{.fd = fd, .events = POLLIN}, {.fd = callee_fd, .events = POLLIN}};
        if (poll(p, 2, 1) > 0)
            receive();
        if (callee_fd >= 0)
            callee_run(load_now_us());
    }
}

/* --- the whole --- */

static void parse(int argc, char **argv)
{
    static const struct option options[] = {{"port", 1, NULL, 'p'},   {"count", 1, NULL, 'n'},  {"rate", 1, NULL, 'r'},
                                            {"within", 1, NULL, 'w'}, {"seed", 1, NULL, 's'},   {"to", 1, NULL, 't'},
                                            {"linger", 1, NULL, 'l'}, {"callee", 1, NULL, 'c'}, {0}};
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 'p')
            args.port = strtoul(optarg, NULL, 10);
        else if (c == 'n')
            args.count = strtoul(optarg, NULL, 10);
        else if (c == 'r')
            args.rate = strtod(optarg, NULL);
        else if (c == 'w')
            args.within_ms = strtoul(optarg, NULL, 10);
        else if (c == 's')
            args.seed = strtoul(optarg, NULL, 10);
        else if (c == 't')
            args.to = optarg;
        else if (c == 'c')
            args.callee = strtoul(optarg, NULL, 10);
        else if (c == 'l')
            args.linger_ms = strtoul(optarg, NULL, 10);
        else
            args.port = 0;
    }
    if (args.port == 0 || args.port > 65535 || args.callee > 65535 || args.count == 0 || args.rate <= 0 ||
        args.seed == 0) {
        (void)fputs(USAGE, stderr);
        exit(2);
    }
}

static void print_counts(const char *key, const unsigned long *counts)
{
    const char *comma = "";
    printf("\"%s\":{", key);
    for (unsigned s = 0; s < STATUS_MAX; s++) {
        if (counts[s] == 0)
            continue;
        printf("%s\"%u\":%lu", comma, s, counts[s]);
        comma = ",";
    }
    printf("},");
}

int main(int argc, char **argv)
{
    parse(argc, argv);
    dice = args.seed * UINT64_C(0x9e3779b97f4a7c15);
    fd = load_connect((uint16_t)args.port, &own_port);
    calls = calloc(args.count, sizeof(*calls));
    if (calls == NULL)
        load_stop("memory");
    if (args.callee != 0)
        callee_fd = callee_begin((uint16_t)args.port, (uint16_t)args.callee, args.count,
                                 (int64_t)args.within_ms * 1000 + 1, dice ^ args.port);
    int64_t began = load_now_us();
    run();
    printf("{\"calls\":%lu,", args.count);
    print_counts("finals", finals);
    print_counts("cancel_answers", cancel_answers);
    print_counts("bye_answers", bye_answers);
    if (callee_fd >= 0)
        callee_print();
    printf(
        "\"cancels\":%lu,\"crossed\":%lu,\"without_final\":%lu,\"without_answer\":%lu,\"conflicts\":%lu,\"resent\":%lu,"
        "\"answer_p50_ms\":%.1f,\"answer_p99_ms\":%.1f,\"seconds\":%.3f}\n",
        cancels, crossed, without_final, without_answer, conflicts, resent, load_latency_ms(&answered, 0.5),
        load_latency_ms(&answered, 0.99), (double)(load_now_us() - began) / 1e6);
    free(calls);
    callee_end();
    return without_final + without_answer + conflicts == 0 ? 0 : 1;
}
