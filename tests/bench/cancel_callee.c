#include "tests/bench/cancel_callee.h"

#include "tests/bench/load.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 4096
#define ID_MAX 128
#define HEADERS_MAX 1024
#define REPEATS_MAX 10 /* 64*T1 */

enum state { RINGS = 0, ANSWERED = 1, TALKS = 2, CANCELLED = 3, OVER = 4, LOST = 5 };

struct rung {
    char id[ID_MAX];           /* Call-ID; "": a free place */
    char headers[HEADERS_MAX]; /* what every response to its INVITE has */
    enum state state;
    int64_t due_us; /* of the answer, or of its next repeat */
    unsigned repeats;
};

static struct rung *rungs; /* open addressing by Call-ID: twice as many places as calls */
static unsigned long places, first_open, order_cnt, answered, cancelled, crossed;
static unsigned long *order; /* places in the order of the INVITEs */
static int64_t within;
static uint64_t dice;
static uint16_t own_port;
static int fd = -1;

static uint64_t roll(void)
{
    dice ^= dice << 13;
    dice ^= dice >> 7;
    dice ^= dice << 17;
    return dice >> 11;
}

static struct rung *find(struct span id)
{
    uint64_t h = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < id.len; i++)
        h = (h ^ (unsigned char)id.p[i]) * UINT64_C(1099511628211);
    unsigned long at = (unsigned long)(h % places);
    while (rungs[at].id[0] != '\0' && !span_eq(span_cstr(rungs[at].id), id))
        at = (at + 1) % places;
    return &rungs[at];
}

/* --- what he says --- */

static int write_headers(char *out, size_t size, struct span m, const char *tag)
{
    int n = 0;
    struct span rest = m;
    for (struct span via; (via = load_header(rest, "Via: ")).len > 0; rest = load_after(rest, "\r\nVia: "))
        n += snprintf(out + n, size - (size_t)n, "Via: %.*s\r\n", SPAN_ARG(via));
    struct span from = load_header(m, "From: "), to = load_header(m, "To: "), id = load_header(m, "Call-ID: "),
                cseq = load_header(m, "CSeq: ");
    n += snprintf(out + n, size - (size_t)n, "From: %.*s\r\nTo: %.*s%s\r\nCall-ID: %.*s\r\nCSeq: %.*s\r\n",
                  SPAN_ARG(from), SPAN_ARG(to), tag, SPAN_ARG(id), SPAN_ARG(cseq));
    return n;
}

static void say(const char *status, const char *headers, const char *body)
{
    char text[TEXT_MAX];
    load_send(fd, text,
              snprintf(text, sizeof(text),
                       "SIP/2.0 %s\r\n%sContact: <sip:callee@127.0.0.1:%u>\r\n%sContent-Length: %zu\r\n\r\n%s", status,
                       headers, own_port, body[0] != '\0' ? "Content-Type: application/sdp\r\n" : "", strlen(body),
                       body));
}

static void say_200(const struct rung *r)
{
    say("200 OK", r->headers,
        "v=0\r\no=- 2 2 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 41000 RTP/AVP 0\r\n");
}

static void answer_to(struct span m)
{
    char headers[HEADERS_MAX];
    (void)write_headers(headers, sizeof(headers), m, "");
    say("200 OK", headers, "");
}

/* --- what he hears --- */

static void on_invite(struct rung *r, struct span m, struct span id, int64_t now)
{
    if (r->id[0] != '\0') { /* repeated: by whoever did not hear the answer, or was killed */
        if (r->state == RINGS)
            say("180 Ringing", r->headers, "");
        return;
    }
    if (order_cnt == places / 2 || !span_copy(r->id, sizeof(r->id), id))
        return;
    (void)write_headers(r->headers, sizeof(r->headers), m, ";tag=callee");
    r->due_us = now + (int64_t)(roll() % (uint64_t)within);
    order[order_cnt++] = (unsigned long)(r - rungs);
    say("180 Ringing", r->headers, "");
}

static void on_cancel(struct rung *r, struct span m)
{
    answer_to(m);
    if (r->state == RINGS) {
        r->state = CANCELLED;
        cancelled++;
        say("487 Request Terminated", r->headers, "");
    } else if (r->state == CANCELLED) {
        say("487 Request Terminated", r->headers, "");
    } else {
        crossed++;
    }
}

static void on_bye(struct rung *r, struct span m)
{
    answer_to(m);
    if (r->state == ANSWERED || r->state == TALKS)
        r->state = OVER;
}

static void on_message(struct span m, int64_t now)
{
    struct span id = load_header(m, "Call-ID: ");
    struct rung *r = find(id);
    if (span_starts(m, SPAN("INVITE ")))
        on_invite(r, m, id, now);
    else if (r->id[0] == '\0')
        return;
    else if (span_starts(m, SPAN("CANCEL ")))
        on_cancel(r, m);
    else if (span_starts(m, SPAN("BYE ")))
        on_bye(r, m);
    else if (span_starts(m, SPAN("ACK ")) && r->state == ANSWERED)
        r->state = TALKS;
}

/* --- time --- */

static void on_time(struct rung *r, int64_t now)
{
    if ((r->state != RINGS && r->state != ANSWERED) || now < r->due_us)
        return;
    if (r->state == ANSWERED && ++r->repeats > REPEATS_MAX) {
        r->state = LOST;
        return;
    }
    if (r->state == RINGS) {
        r->state = ANSWERED;
        answered++;
    }
    r->due_us = now + (LOAD_T1_US << (r->repeats < 3 ? r->repeats : 3));
    say_200(r);
}

static bool is_done(const struct rung *r)
{
    return r->state == CANCELLED || r->state == OVER || r->state == LOST;
}

int callee_begin(uint16_t port, uint16_t own, unsigned long count, int64_t within_us, uint64_t seed)
{
    places = 2 * count;
    rungs = calloc(places, sizeof(*rungs));
    order = calloc(count, sizeof(*order));
    if (rungs == NULL || order == NULL)
        load_stop("memory");
    within = within_us;
    dice = seed;
    own_port = own;
    fd = load_connect(port, &own_port);
    return fd;
}

void callee_run(int64_t now_us)
{
    char text[65536];
    int n;
    while ((n = load_receive(fd, text, sizeof(text))) >= 0)
        on_message(span_of(text, (size_t)n), now_us);
    while (first_open < order_cnt && is_done(&rungs[order[first_open]]))
        first_open++;
    for (unsigned long i = first_open; i < order_cnt; i++)
        on_time(&rungs[order[i]], now_us);
}

bool callee_is_settled(void)
{
    return first_open == order_cnt;
}

static unsigned long count_in(enum state state)
{
    unsigned long cnt = 0;
    for (unsigned long i = 0; i < order_cnt; i++)
        cnt += rungs[order[i]].state == state;
    return cnt;
}

void callee_print(void)
{
    printf("\"callee\":{\"invites\":%lu,\"answered\":%lu,\"cancelled\":%lu,\"crossed\":%lu,\"without_ack\":%lu,"
           "\"without_bye\":%lu},",
           order_cnt, answered, cancelled, crossed, count_in(LOST) + count_in(ANSWERED), count_in(TALKS));
}

void callee_end(void)
{
    free(rungs);
    free(order);
}
