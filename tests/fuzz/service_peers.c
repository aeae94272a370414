#include "tests/fuzz/service_peers.h"

#include "common/sip/sip_msg.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/virt.h"
#include <inttypes.h>

#define BRANCHES_MAX 512 /* more than one script can use */
#define SLOTS 3
#define CALLEES 6
#define TEXT_MAX 4096
#define ANSWER_KEPT_MS 30000 /* a repeat within this time gets the same answer (64*T1 is 32 s) */

struct span script;

/* One caller's view of a call. */
struct slot {
    unsigned gen;        /* in Call-ID and From tag */
    unsigned branch;     /* of its INVITE */
    unsigned cseq;       /* of its last request */
    char to_tag[64];     /* as the service said it; "" */
    char last[TEXT_MAX]; /* the last request */
    size_t last_len;
    unsigned our_cseq; /* of the service's last request to it */
    char our_tag[64];
    char our_branch[80];
    char our_request[TEXT_MAX];
    size_t our_request_len;
};

/* One callee's view: who was sent an INVITE by the service. */
struct callee {
    char call_id[80];
    char tag[80];           /* of the service */
    char invite[TEXT_MAX];  /* the last one */
    char request[TEXT_MAX]; /* the last other one that wants an answer; "" */
    unsigned cseq;          /* of its own last request */
};

static struct {
    struct slot slot[SLOTS];
    struct callee callee[CALLEES];
    unsigned callees; /* so far; the oldest is forgotten */
    unsigned branches, gens;
    struct {
        unsigned status;
        int64_t at_ms;
    } final[BRANCHES_MAX][2]; /* of the request with this branch, and of its CANCEL */
    struct sip_msg sent;
} w;

unsigned take(void)
{
    if (script.len == 0)
        return 0;
    unsigned char c = (unsigned char)script.p[0];
    script = span_from(script, 1);
    return c;
}

static struct slot *some_slot(void)
{
    return &w.slot[take() % SLOTS];
}

void trace(const char *who, struct span bytes)
{
    if (getenv("FUZZ_TRACE") == NULL)
        return;
    size_t end = memmem(bytes.p, bytes.len, "branch=", 7) == NULL ? bytes.len : span_find(bytes, ';') + 32;
    fprintf(stderr, "%8" PRId64 " ms %s: ", virt_now.mono_ms, who);
    for (size_t i = 0; i < bytes.len && i < end + 20; i++)
        fputc(bytes.p[i] == '\n' ? '|' : bytes.p[i] >= ' ' ? bytes.p[i] : '.', stderr);
    fputc('\n', stderr);
}

/* --- what the service says to its peers --- */

static struct slot *slot_of(const struct sip_msg *m)
{
    char id[32];
    for (int i = 0; i < SLOTS; i++) {
        (void)snprintf(id, sizeof(id), "c%d-%u", i, w.slot[i].gen);
        if (span_eq(m->call_id, span_cstr(id)))
            return &w.slot[i];
    }
    return NULL;
}

static struct callee *callee_of(const struct sip_msg *m)
{
    for (int i = 0; i < CALLEES; i++) {
        if (w.callee[i].call_id[0] != '\0' && span_eq(m->call_id, span_cstr(w.callee[i].call_id)))
            return &w.callee[i];
    }
    return NULL;
}

static void see_callees_request(const struct sip_msg *m)
{
    struct callee *c = callee_of(m);
    bool first = m->method == SIP_M_INVITE && m->to_tag.len == 0;
    if (c == NULL && first) {
        c = &w.callee[w.callees++ % CALLEES];
        *c = (struct callee){.cseq = 0};
        (void)snprintf(c->call_id, sizeof(c->call_id), "%.*s", SPAN_ARG(m->call_id));
        (void)snprintf(c->tag, sizeof(c->tag), "%.*s", SPAN_ARG(m->from_tag));
    }
    if (c != NULL && m->method != SIP_M_ACK)
        (void)snprintf(first ? c->invite : c->request, TEXT_MAX, "%.*s", SPAN_ARG(m->raw));
}

static void see_request(const struct sip_msg *m)
{
    struct slot *s = slot_of(m);
    char branch[80];
    (void)snprintf(branch, sizeof(branch), "%.*s", SPAN_ARG(m->via.branch));
    if (s == NULL)
        see_callees_request(m);
    if (s == NULL || m->method == SIP_M_ACK || m->method == SIP_M_CANCEL)
        return;
    if (span_eq(m->from_tag, span_cstr(s->our_tag))) /* one Call-ID may have several calls, each with its own dialog */
        FUZZ_ASSERT(m->cseq.num > s->our_cseq || (m->cseq.num == s->our_cseq && strcmp(branch, s->our_branch) == 0));
    (void)snprintf(s->our_tag, sizeof(s->our_tag), "%.*s", SPAN_ARG(m->from_tag));
    s->our_cseq = m->cseq.num;
    memcpy(s->our_branch, branch, sizeof(branch));
    s->our_request_len = m->raw.len < TEXT_MAX ? m->raw.len : 0;
    memcpy(s->our_request, m->raw.p, s->our_request_len);
}

static void see_response(const struct sip_msg *m, bool may_refuse)
{
    struct slot *s = slot_of(m);
    struct span number = span_from(m->via.branch, strlen("z9hG4bKp"));
    uint64_t branch;
    if (s != NULL && m->to_tag.len < sizeof(s->to_tag) && m->method == SIP_M_INVITE && m->status > 100 &&
        m->status < 300)
        (void)snprintf(s->to_tag, sizeof(s->to_tag), "%.*s", SPAN_ARG(m->to_tag));
    if (!span_starts(m->via.branch, SPAN("z9hG4bKp")) || span_to_u64(number, BRANCHES_MAX - 1, &branch) != 0 ||
        m->status < 200)
        return;
    bool cancel = m->method == SIP_M_CANCEL;
    if (span_eq(m->via.received, SPAN("198.51.100.9")))
        return; /* a stranger who repeats a peer's request may be told something else */
    if (m->status == 503 && may_refuse)
        return;
    if (m->method == SIP_M_OPTIONS && span_starts(m->to_tag, SPAN("e")))
        return; /* the edge's own: no state is kept, and whether calls may come can change between two repeats */
    if (w.final[branch][cancel].status == m->status)
        return;
    FUZZ_ASSERT(w.final[branch][cancel].status == 0 ||
                virt_now.mono_ms - w.final[branch][cancel].at_ms >= ANSWER_KEPT_MS);
    w.final[branch][cancel].status = m->status;
    w.final[branch][cancel].at_ms = virt_now.mono_ms;
}

void peers_hear(struct span bytes, bool may_refuse)
{
    trace("said", bytes);
    bool response = span_starts(bytes, SPAN("SIP/2.0 "));
    int fault = sip_msg_decode(&w.sent, bytes);
    FUZZ_ASSERT(fault == 0 || response); /* a refusal repeats what was malformed */
    FUZZ_ASSERT(w.sent.is_request != response);
    if (fault == 0 && response)
        see_response(&w.sent, may_refuse);
    else if (fault == 0)
        see_request(&w.sent);
}

/* --- what they say --- */

static const char *const bodies[] = {
    "", "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8 0\r\n",
    "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\na=sendonly\r\n",
    "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 3\r\n"};

/* Content-Type and body of a request; how: as in bodies[]. */
struct content {
    const char *type; /* a header line, or "" */
    const char *body;
};

static struct content content_of(const char *method, unsigned how)
{
    static const char *const types[] = {"", "Content-Type: application/dtmf-relay\r\n",
                                        "Content-Type: application/dtmf\r\n", "Content-Type: text/plain\r\n"};
    static const char *const keys[] = {"", "Signal=5\r\nDuration=160\r\n", "#", "hi"};
    if (strcmp(method, "INFO") == 0 || strcmp(method, "MESSAGE") == 0)
        return (struct content){.type = types[how % 4], .body = keys[how % 4]};
    return (struct content){.type = how % 4 > 0 ? "Content-Type: application/sdp\r\n" : "", .body = bodies[how % 4]};
}

static void speak(struct slot *s, const char *method, unsigned branch, const char *to_tag, unsigned how)
{
    static const char *const extras[] = {"", "Require: nothing\r\n", "Max-Forwards: 0\r\n",
                                         "Content-Encoding: gzip\r\n"};
    struct content content = content_of(method, how);
    int n =
        snprintf(s->last, sizeof(s->last),
                 "%s sip:1@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10:5062;rport;branch=z9hG4bKp%u\r\n"
                 "From: <sip:a@b>;tag=f%u\r\nTo: <sip:1@b>%s%s\r\nCall-ID: c%td-%u\r\nCSeq: %u %s\r\n"
                 "Contact: <sip:a@192.0.2.10:5062>\r\n%s%sContent-Length: %zu\r\n\r\n%s",
                 method, branch, s->gen, *to_tag != '\0' ? ";tag=" : "", to_tag, s - w.slot, s->gen, s->cseq, method,
                 how / 4 % 8 == 7 ? extras[how / 32 % 4] : "", content.type, strlen(content.body), content.body);
    s->last_len = (size_t)n < sizeof(s->last) ? (size_t)n : sizeof(s->last);
    rx(span_of(s->last, s->last_len), false);
}

void peers_invite(void)
{
    struct slot *s = some_slot();
    unsigned how = take();
    *s = (struct slot){.gen = ++w.gens, .branch = w.branches++, .cseq = 1};
    speak(s, "INVITE", s->branch, "", how);
}

void peers_repeat(void)
{
    struct slot *s = some_slot();
    if (s->last_len > 0)
        rx(span_of(s->last, s->last_len), take() % 16 == 1);
}

/* The same INVITE over another way (§8.2.2.2), or tried again under another CSeq. */
void peers_invite_again(void)
{
    struct slot *s = some_slot();
    unsigned how = take();
    s->cseq += how >> 7;
    speak(s, "INVITE", w.branches++, "", how);
}

void peers_cancel(void)
{
    struct slot *s = some_slot();
    speak(s, "CANCEL", s->branch, take() % 8 == 1 ? s->to_tag : "", 0);
}

#define MESSAGE_AT 0x6f /* one of the UPDATEs that scripts said before there was a MESSAGE */

void peers_in_dialog(void)
{
    static const char *const methods[] = {"ACK", "ACK", "BYE", "BYE", "INVITE", "OPTIONS", "INFO", "UPDATE"};
    struct slot *s = some_slot();
    unsigned what = take(), how = take();
    const char *method = what == MESSAGE_AT ? "MESSAGE" : methods[what % 8];
    if (strcmp(method, "ACK") != 0 || what / 8 % 4 == 3)
        s->cseq += what / 32 % 8 == 7 ? (unsigned)-1 : 1;
    bool ack_of_refusal = strcmp(method, "ACK") == 0 && what / 32 % 2 == 1;
    speak(s, method, ack_of_refusal ? s->branch : w.branches++, what / 64 == 3 ? "a0-stranger" : s->to_tag, how);
}

void peers_answer(void)
{
    static const unsigned statuses[] = {100, 200, 200, 200, 401, 408, 481, 500};
    char text[TEXT_MAX];
    struct slot *s = some_slot();
    unsigned status = statuses[take() % 8];
    if (s->our_request_len == 0 || sip_msg_decode(&w.sent, span_of(s->our_request, s->our_request_len)) != 0)
        return;
    int n = snprintf(text, sizeof(text),
                     "SIP/2.0 %u x\r\nVia: %.*s\r\nFrom: %.*s\r\nTo: %.*s\r\nCall-ID: %.*s\r\nCSeq: %u %.*s\r\n"
                     "Content-Length: 0\r\n\r\n",
                     status, SPAN_ARG(w.sent.via.all), SPAN_ARG(sip_msg_value(&w.sent, SIP_H_FROM)),
                     SPAN_ARG(sip_msg_value(&w.sent, SIP_H_TO)), SPAN_ARG(w.sent.call_id), w.sent.cseq.num,
                     SPAN_ARG(w.sent.method_text));
    if (n > 0 && (size_t)n < sizeof(text))
        rx(span_of(text, (size_t)n), false);
}

/* --- callees --- */

static const char *const callee_tags[] = {"t", "t", "u", ""};

static struct callee *some_callee(void)
{
    struct callee *c = &w.callee[take() % CALLEES];
    return c->call_id[0] != '\0' ? c : NULL;
}

static void answer_as(const char *request, unsigned status, const char *tag, const char *contact, const char *body)
{
    static struct sip_msg asked;
    char text[TEXT_MAX];
    if (sip_msg_decode(&asked, span_cstr(request)) != 0)
        return;
    bool tagged = asked.to_tag.len > 0 || *tag == '\0';
    int n = snprintf(text, sizeof(text),
                     "SIP/2.0 %u x\r\nVia: %.*s\r\nFrom: %.*s\r\nTo: %.*s%s%s\r\nCall-ID: %.*s\r\nCSeq: %u %.*s\r\n"
                     "Contact: <%s>\r\n%sContent-Length: %zu\r\n\r\n%s",
                     status, SPAN_ARG(asked.via.all), SPAN_ARG(sip_msg_value(&asked, SIP_H_FROM)),
                     SPAN_ARG(sip_msg_value(&asked, SIP_H_TO)), tagged ? "" : ";tag=", tagged ? "" : tag,
                     SPAN_ARG(asked.call_id), asked.cseq.num, SPAN_ARG(asked.method_text), contact,
                     *body != '\0' ? "Content-Type: application/sdp\r\n" : "", strlen(body), body);
    if (n > 0 && (size_t)n < sizeof(text))
        rx(span_of(text, (size_t)n), false);
}

void peers_callee_says(void)
{
    static const unsigned statuses[] = {100, 180, 183, 200, 200, 200, 302, 407, 480, 486, 487, 503, 603, 200, 180, 404};
    static const char *const contacts[] = {"sip:1@192.0.2.20:5070", "sip:2@192.0.2.1", "sip:3@192.0.2.40",
                                           "sip:1@192.0.2.41;transport=tcp"};
    const struct callee *c = some_callee();
    unsigned what = take(), how = take();
    if (c != NULL)
        answer_as(c->invite, statuses[what % 16], callee_tags[what / 16 % 4], contacts[how / 4 % 4], bodies[how % 4]);
}

void peers_callee_answers(void)
{
    static const unsigned statuses[] = {200, 200, 200, 481, 491, 180, 407, 500};
    const struct callee *c = some_callee();
    unsigned what = take();
    if (c != NULL && c->request[0] != '\0')
        answer_as(c->request, statuses[what % 8], "t", "sip:1@192.0.2.20:5070", bodies[what / 8 % 4]);
}

void peers_callee_asks(void)
{
    static const char *const methods[] = {"ACK", "BYE", "INVITE", "INVITE", "OPTIONS", "INFO", "CANCEL", "UPDATE"};
    char text[TEXT_MAX];
    struct callee *c = some_callee();
    unsigned what = take(), how = take();
    const char *method = what == MESSAGE_AT ? "MESSAGE" : methods[what % 8];
    struct content content = content_of(method, how);
    if (c == NULL)
        return;
    bool goes_on = strcmp(method, "ACK") == 0 || strcmp(method, "CANCEL") == 0;
    c->cseq += goes_on ? 0 : 1;
    w.branches += goes_on ? 0 : 1;
    int n = snprintf(text, sizeof(text),
                     "%s sip:1@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10:5062;rport;branch=z9hG4bKq%u\r\n"
                     "From: <sip:1@b>;tag=%s\r\nTo: <sip:a@b>;tag=%s\r\nCall-ID: %s\r\nCSeq: %u %s\r\n"
                     "Contact: <sip:1@192.0.2.20:5070>\r\n%sContent-Length: %zu\r\n\r\n%s",
                     method, w.branches, callee_tags[what / 16 % 3], c->tag, c->call_id, c->cseq, method, content.type,
                     strlen(content.body), content.body);
    if (n > 0 && (size_t)n < sizeof(text))
        rx(span_of(text, (size_t)n), false);
}

/* Not with the branches of the patterns: those have their own answers to be compared. */
void peers_raw(void)
{
    size_t len = take();
    len = len << 8 | take();
    struct span s = script.len > len ? span_of(script.p, len) : script;
    script = span_from(script, s.len);
    if (s.len > 0 && memmem(s.p, s.len, "z9hG4bKp", 8) == NULL)
        rx(s, take() % 2 == 1);
}

void peers_some_call(char out[32])
{
    const struct slot *s = some_slot();
    (void)snprintf(out, 32, "c%td-%u", s - w.slot, s->gen);
}

void peers_begin(void)
{
    memset(&w, 0, sizeof(w));
}

void peers_note_edge_died(void)
{
    memset(w.final, 0, sizeof(w.final));
}

unsigned peers_branches(void)
{
    return w.branches;
}
