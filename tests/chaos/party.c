#include "tests/chaos/party.h"

#include "tests/bench/load.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RINGING_WAIT_US 100000000 /* longer than the service may ring: an INVITE that only ever rings is lost */
/* What rings nobody is set up within SETUP_S (10 s), and has been answered when all repeats of that have been. */
#define SETUP_WAIT_US (10000000 + 64 * (int64_t)LOAD_T1_US)

struct party_counts party_counts;
static uint64_t dice = 1;

void party_seed(uint64_t seed)
{
    dice = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
}

uint64_t party_roll(uint64_t below)
{
    dice ^= dice << 13;
    dice ^= dice >> 7;
    dice ^= dice << 17;
    return (dice >> 11) % below;
}

int64_t party_wall_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* --- bodies --- */

static int write_body(char *out, size_t size, enum party_body body, unsigned long number, unsigned version)
{
    out[0] = '\0';
    if (body == PARTY_NO_BODY)
        return 0;
    if (body == PARTY_KEY)
        return snprintf(out, size, "Signal=5\r\nDuration=160\r\n");
    return snprintf(out, size,
                    "v=0\r\no=- %lu %u IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
                    "m=audio %u RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=x-call:%lu\r\na=%s\r\n",
                    number + 1, version, body >= PARTY_ANSWER ? 41000 : 40000, number,
                    body == PARTY_HOLD   ? "sendonly"
                    : body == PARTY_HELD ? "recvonly"
                                         : "sendrecv");
}

bool party_number(struct span m, unsigned long *number)
{
    struct span at = load_after(m, "a=x-call:");
    if (at.len > 0)
        *number = strtoul(at.p, NULL, 10);
    return at.len > 0;
}

/* --- requests --- */

/* returns false when there is no connection for it */
static bool say(const struct party_dialog *d, const char *method, unsigned cseq, const char *branch,
                enum party_body body)
{
    char text[PARTY_TEXT_MAX], content[PARTY_HEADERS_MAX];
    int len = write_body(content, sizeof(content), body, d->number, cseq);
    const char *name = link_name(d->link), *param = link_param(d->link);
    unsigned port = link_port(d->link);
    return link_send(
        d->link, text,
        snprintf(text, sizeof(text),
                 "%s %s SIP/2.0\r\nVia: SIP/2.0/%s 127.0.0.1:%u;branch=z9hG4bK%u-%lu-%u%s;rport\r\n"
                 "Max-Forwards: 70\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %u %s\r\n"
                 "Contact: <sip:party@127.0.0.1:%u%s>\r\nAllow: INVITE, ACK, BYE, CANCEL, OPTIONS, INFO\r\n"
                 "%sContent-Length: %d\r\n\r\n%s",
                 method, d->target, name, port, port, d->number, cseq, branch, d->from, d->to, d->id, cseq, method,
                 port, param,
                 body == PARTY_NO_BODY ? ""
                 : body == PARTY_KEY   ? "Content-Type: application/dtmf-relay\r\n"
                                       : "Content-Type: application/sdp\r\n",
                 len, content));
}

static int64_t interval(const struct party_ask *a, const struct party_dialog *d)
{
    if (link_is_stream(d->link))
        return 64 * (int64_t)LOAD_T1_US;
    int64_t wait = LOAD_T1_US << (a->repeats < 6 ? a->repeats : 6);
    bool is_invite = strcmp(a->method, "INVITE") == 0; /* timer A only doubles, timer E stays below T2 */
    return is_invite || wait < LOAD_T2_US ? wait : LOAD_T2_US;
}

void party_ask(struct party_ask *a, const struct party_dialog *d, const char *method, unsigned cseq,
               enum party_body body, int64_t now)
{
    *a = (struct party_ask){.method = method, .body = body, .cseq = cseq, .open = true, .began_us = now};
    a->due_us = now + interval(a, d);
    a->was_said = say(d, method, cseq, "", body);
}

void party_ask_again(struct party_ask *a, const struct party_dialog *d)
{
    if (!a->open)
        return;
    a->repeats += a->was_said;
    a->was_said = say(d, a->method, a->cseq, "", a->body) || a->was_said;
}

void party_ack_2xx(const struct party_dialog *d, unsigned cseq)
{
    (void)say(d, "ACK", cseq, "a", PARTY_NO_BODY);
}

void party_ack_refusal(const struct party_dialog *d, unsigned cseq)
{
    (void)say(d, "ACK", cseq, "", PARTY_NO_BODY);
}

void party_ask_proceeds(struct party_ask *a, bool rings, int64_t now)
{
    if (strcmp(a->method, "INVITE") == 0 && !a->proceeding)
        a->due_us = now + (rings ? RINGING_WAIT_US : SETUP_WAIT_US);
    a->proceeding = true;
}

static void close_book(struct party_ask *a, unsigned slot)
{
    if (!a->open)
        return;
    a->open = false;
    party_counts.requests++;
    party_counts.repeated[slot]++;
}

void party_ask_ends(struct party_ask *a)
{
    close_book(a, a->repeats < PARTY_REPEATS_MAX ? a->repeats : PARTY_REPEATS_MAX);
}

bool party_ask_on_time(struct party_ask *a, const struct party_dialog *d, int64_t now)
{
    if (!a->open || now < a->due_us)
        return true;
    bool is_over = now - a->began_us >= 64 * (int64_t)LOAD_T1_US;
    if (is_over || (a->proceeding && strcmp(a->method, "INVITE") == 0)) {
        close_book(a, PARTY_REPEATS_MAX + 1);
        return false;
    }
    a->repeats++;
    int64_t left = a->began_us + 64 * (int64_t)LOAD_T1_US - now, wait = interval(a, d);
    a->due_us = now + (wait < left ? wait : left);
    (void)say(d, a->method, a->cseq, "", a->body);
    return true;
}

/* --- answers --- */

static int write_headers(char *out, size_t size, const struct link *l, struct span m, const char *tag)
{
    int n = 0;
    struct span rest = m;
    for (struct span via; (via = load_header(rest, "Via: ")).len > 0; rest = load_after(rest, "\r\nVia: "))
        n += snprintf(out + n, size - (size_t)n, "Via: %.*s\r\n", SPAN_ARG(via));
    struct span from = load_header(m, "From: "), to = load_header(m, "To: "), id = load_header(m, "Call-ID: "),
                cseq = load_header(m, "CSeq: ");
    bool has_tag = load_after(to, ";tag=").len > 0;
    n += snprintf(out + n, size - (size_t)n,
                  "From: %.*s\r\nTo: %.*s%s%s\r\nCall-ID: %.*s\r\nCSeq: %.*s\r\nContact: <sip:party@127.0.0.1:%u%s>\r\n"
                  "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, INFO\r\n",
                  SPAN_ARG(from), SPAN_ARG(to), has_tag ? "" : ";tag=", has_tag ? "" : tag, SPAN_ARG(id),
                  SPAN_ARG(cseq), link_port(l), link_param(l));
    return n;
}

static void respond(struct link *l, const char *status, const char *headers, const char *body)
{
    char text[PARTY_TEXT_MAX];
    (void)link_send(l, text,
                    snprintf(text, sizeof(text), "SIP/2.0 %s\r\n%s%sContent-Length: %zu\r\n\r\n%s", status, headers,
                             body[0] == '\0' ? "" : "Content-Type: application/sdp\r\n", strlen(body), body));
}

static void accept_again(const struct party_answer *w)
{
    char body[PARTY_HEADERS_MAX];
    (void)write_body(body, sizeof(body), w->held ? PARTY_HELD : PARTY_ANSWER, w->number, w->cseq);
    respond(w->link, "200 OK", w->headers, body);
}

void party_reply(struct link *l, struct span request, const char *status, const char *tag)
{
    char headers[PARTY_HEADERS_MAX];
    (void)write_headers(headers, sizeof(headers), l, request, tag);
    respond(l, status, headers, "");
}

void party_accept(struct party_answer *w, struct link *l, struct span invite, const char *tag, unsigned long number,
                  int64_t now)
{
    struct span method;
    (void)write_headers(w->headers, sizeof(w->headers), l, invite, tag);
    w->link = l;
    w->number = number;
    w->held = load_after(invite, "a=sendonly").len > 0;
    w->cseq = party_cseq(invite, &method);
    w->unacked = true;
    w->repeats = 0;
    w->due_us = now + LOAD_T1_US;
    accept_again(w);
}

bool party_acked(struct party_answer *w, struct span ack)
{
    struct span method;
    bool awaited = w->unacked && party_cseq(ack, &method) == w->cseq;
    if (awaited)
        w->unacked = false;
    return awaited;
}

bool party_answer_on_time(struct party_answer *w, int64_t now)
{
    if (!w->unacked || now < w->due_us)
        return true;
    if (++w->repeats > PARTY_REPEATS_MAX) {
        w->unacked = false;
        return false;
    }
    party_counts.answers_repeated++;
    w->due_us = now + (LOAD_T1_US << (w->repeats < 3 ? w->repeats : 3));
    accept_again(w);
    return true;
}

/* --- reading --- */

unsigned party_cseq(struct span m, struct span *method)
{
    struct span value = load_header(m, "CSeq: ");
    *method = load_after(value, " ");
    return value.len > 0 ? (unsigned)strtoul(value.p, NULL, 10) : 0;
}

unsigned party_status(struct span m)
{
    return span_starts(m, SPAN("SIP/2.0 ")) && m.len > 11 ? (unsigned)strtoul(m.p + 8, NULL, 10) : 0;
}

bool party_contact(struct span m, char out[PARTY_VALUE_MAX])
{
    struct span contact = load_after(load_header(m, "Contact: "), "<");
    return contact.len > 0 && span_copy(out, PARTY_VALUE_MAX, span_of(contact.p, span_find(contact, '>')));
}
