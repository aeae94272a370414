#include "tests/storm/storm.h"

#define T1_MS 500
#define T2_MS 4000
#define PATIENCE_MS (64 * T1_MS)
#define FINAL_MS 240000 /* an INVITE that rings gets its final response within */

static unsigned branches;

/* --- session descriptions --- */

static const char *const direction_names[DIRECTIONS] = {"sendrecv", "sendonly", "recvonly", "inactive"};

unsigned say_direction(struct span sdp)
{
    for (unsigned d = 1; d < DIRECTIONS; d++) {
        if (memmem(sdp.p, sdp.len, direction_names[d], 8) != NULL)
            return d;
    }
    return SENDRECV;
}

unsigned say_answer_to(unsigned direction)
{
    static const unsigned best[DIRECTIONS] = {SENDRECV, RECVONLY, SENDONLY, INACTIVE};
    return best[direction];
}

const char *say_sdp(struct party *p, unsigned direction, char text[512])
{
    if (p->sdp_version == 0 || p->direction != direction)
        p->sdp_version++;
    p->direction = direction;
    (void)snprintf(text, 512,
                   "v=0\r\no=p%u 7 %u IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\nm=audio %u RTP/AVP 8 "
                   "0\r\na=%s\r\n",
                   p->no, p->sdp_version, 4000 + p->no * 2, direction_names[direction]);
    return text;
}

/* --- requests --- */

const char *say_contact(const struct party *p)
{
    static char text[64];
    (void)snprintf(text, sizeof(text), "sip:p%u@192.0.2.10:5062%s", p->no, p->line != NULL ? ";transport=tcp" : "");
    return text;
}

static void say_bytes(const struct party *p, struct span bytes)
{
    if (p->line != NULL)
        line_send(p->line, bytes);
    else
        net_send(bytes, true);
}

/* A REGISTER is about the connection it goes over: that is another one (phone_reconnects). */
void say_again_over(const struct line *l)
{
    for (unsigned i = 0; i < party_cnt; i++) {
        for (size_t k = 0; parties[i].line == l && k < TXNS_MAX; k++) {
            const struct out *o = &parties[i].out[k];
            if (o->used && o->final == 0 && o->method != SIP_M_REGISTER)
                say_bytes(&parties[i], span_of(o->text, o->len));
        }
    }
}

static void on_out(struct timer *t, int64_t now_ms)
{
    struct out *o = t->owner;
    bool rings = o->method == SIP_M_INVITE && o->provisional;
    STORM_HOLDS(now_ms < o->until_ms, "%s has an answer (party %u)", o->branch, o->party->no);
    if (!rings && o->party->line == NULL)
        say_bytes(o->party, span_of(o->text, o->len));
    o->wait_ms = o->method == SIP_M_INVITE || o->wait_ms < T2_MS / 2 ? o->wait_ms * 2 : T2_MS;
    int64_t next = o->wait_ms < o->until_ms - now_ms ? o->wait_ms : o->until_ms - now_ms;
    storm_timer_in(t, next > 0 ? next : 1);
}

void say_stop(struct out *o)
{
    timer_cancel(&storm_timers, &o->timer);
}

static struct out *new_out(struct party *p)
{
    for (size_t i = 0; i < TXNS_MAX; i++) {
        struct out *o = &p->out[i];
        if (o->used && (o->final == 0 || o == p->invite))
            continue;
        say_stop(o);
        *o = (struct out){.party = p, .used = true, .wait_ms = T1_MS, .born_ms = virt_now.mono_ms};
        timer_init(&o->timer, on_out, o);
        return o;
    }
    STORM_HOLDS(false, "party %u has a transaction free", p->no);
    return NULL;
}

static void write_request(struct out *o, const char *method, const char *uri, const char *extra, const char *body)
{
    const struct party *p = o->party;
    char contact[80];
    (void)snprintf(contact, sizeof(contact), "Contact: <%s>\r\n", say_contact(p));
    int n = snprintf(o->text, TEXT_BYTES,
                     "%s %s SIP/2.0\r\nVia: SIP/2.0/%s 192.0.2.10:5062;rport;branch=%s\r\nMax-Forwards: 70\r\n"
                     "From: <sip:%s@b>;tag=%s\r\nTo: <sip:%s@b>%s%s\r\nCall-ID: %s\r\nCSeq: %u %s\r\n"
                     "%s%s%sContent-Length: %zu\r\n\r\n%s",
                     method, uri, p->line != NULL ? "TCP" : "UDP", o->branch, p->user, p->our_tag, p->peer,
                     p->their_tag[0] != '\0' ? ";tag=" : "", p->their_tag, p->call_id, o->cseq, method,
                     o->method == SIP_M_REGISTER ? "" : contact, extra,
                     strncmp(body, "v=0", 3) == 0 ? "Content-Type: application/sdp\r\n" : "", strlen(body), body);
    o->len = (size_t)n;
    STORM_HOLDS(n > 0 && n < TEXT_BYTES, "a request fits");
}

static void send_out(struct out *o, int64_t patience_ms)
{
    o->until_ms = virt_now.mono_ms + patience_ms;
    say_bytes(o->party, span_of(o->text, o->len));
    storm_timer_in(&o->timer, o->wait_ms);
}

struct out *say_request(struct party *p, const char *method, const char *extra, const char *body)
{
    struct out *o = new_out(p);
    o->method = sip_method_lookup(span_cstr(method));
    o->cseq = ++p->cseq;
    (void)snprintf(o->branch, ID_BYTES, "z9hG4bKs%u", ++branches);
    write_request(o, method, p->target, extra, body);
    send_out(o, o->method == SIP_M_INVITE ? FINAL_MS : PATIENCE_MS);
    return o;
}

void say_copy(const struct out *o)
{
    char text[TEXT_BYTES];
    (void)snprintf(text, sizeof(text), "%.*s", (int)o->len, o->text);
    char *branch = strstr(text, "z9hG4bKs");
    branch[7] = 'f';
    say_bytes(o->party, span_of(text, o->len));
}

void say_cancel(struct party *p)
{
    struct out *invite = p->invite;
    struct out *o = new_out(p);
    o->method = SIP_M_CANCEL;
    o->cseq = invite->cseq;
    memcpy(o->branch, invite->branch, ID_BYTES);
    p->cancelled = true;
    p->wants_cancel = false;
    write_request(o, "CANCEL", p->target, "", "");
    send_out(o, PATIENCE_MS);
}

void say_ack(struct party *p, const struct sip_msg *ok)
{
    struct out o = {.party = p, .cseq = ok->cseq.num};
    (void)snprintf(o.branch, ID_BYTES, "z9hG4bKs%u", ++branches);
    write_request(&o, "ACK", p->target, "", "");
    say_bytes(p, span_of(o.text, o.len));
}

void say_ack_refusal(struct out *invite, const struct sip_msg *m)
{
    char text[TEXT_BYTES];
    int n = snprintf(text, sizeof(text),
                     "ACK %s SIP/2.0\r\nVia: SIP/2.0/%s 192.0.2.10:5062;rport;branch=%s\r\nMax-Forwards: 70\r\n"
                     "From: %.*s\r\nTo: %.*s\r\nCall-ID: %.*s\r\nCSeq: %u ACK\r\nContent-Length: 0\r\n\r\n",
                     invite->party->target, invite->party->line != NULL ? "TCP" : "UDP", invite->branch,
                     SPAN_ARG(sip_msg_value(m, SIP_H_FROM)), SPAN_ARG(sip_msg_value(m, SIP_H_TO)), SPAN_ARG(m->call_id),
                     m->cseq.num);
    say_bytes(invite->party, span_of(text, (size_t)n));
}

/* --- responses --- */

struct in *say_find(struct party *p, const struct sip_msg *m)
{
    for (size_t i = 0; i < p->ins && i < TXNS_MAX; i++) {
        if (p->in[i].method == m->method && span_eq(m->via.branch, span_cstr(p->in[i].branch)))
            return &p->in[i];
    }
    return NULL;
}

static struct in *in_of(struct party *p, const struct sip_msg *m)
{
    struct in *in = say_find(p, m);
    if (in != NULL)
        return in;
    in = &p->in[p->ins++ % TXNS_MAX];
    *in = (struct in){.party = p, .method = m->method, .cseq = m->cseq.num};
    (void)snprintf(in->branch, ID_BYTES, "%.*s", SPAN_ARG(m->via.branch));
    return in;
}

void say_again(const struct in *in)
{
    if (in->len > 0)
        say_bytes(in->party, span_of(in->text, in->len));
}

/* Every Via and every Record-Route of the request, as they came. */
static int put_all(char *to, size_t size, const struct sip_msg *m, enum sip_hdr_id id, const char *name)
{
    int n = 0;
    for (const struct sip_field *f = sip_msg_first(m, id); f != NULL; f = sip_msg_next(m, f))
        n += snprintf(to + n, size - (size_t)n, "%s: %.*s\r\n", name, SPAN_ARG(sip_field_value(m, f)));
    return n;
}

struct in *say_response(struct party *p, const struct sip_msg *m, unsigned status, const char *body)
{
    return say_provisional(p, m, status, "", body);
}

struct in *say_provisional(struct party *p, const struct sip_msg *m, unsigned status, const char *extra,
                           const char *body)
{
    struct in *in = in_of(p, m);
    int n = snprintf(in->text, TEXT_BYTES, "SIP/2.0 %u x\r\n", status);
    n += put_all(in->text + n, TEXT_BYTES - (size_t)n, m, SIP_H_VIA, "Via");
    n += put_all(in->text + n, TEXT_BYTES - (size_t)n, m, SIP_H_RECORD_ROUTE, "Record-Route");
    bool tagged = m->to_tag.len > 0;
    n += snprintf(in->text + n, TEXT_BYTES - (size_t)n,
                  "From: %.*s\r\nTo: %.*s%s%s\r\nCall-ID: %.*s\r\nCSeq: %u %.*s\r\n"
                  "Contact: <%s>\r\n%s%sContent-Length: %zu\r\n\r\n%s",
                  SPAN_ARG(sip_msg_value(m, SIP_H_FROM)), SPAN_ARG(sip_msg_value(m, SIP_H_TO)),
                  tagged ? "" : ";tag=", tagged ? "" : p->our_tag, SPAN_ARG(m->call_id), m->cseq.num,
                  SPAN_ARG(m->method_text), say_contact(p), extra,
                  *body != '\0' ? "Content-Type: application/sdp\r\n" : "", strlen(body), body);
    in->len = (size_t)n;
    in->status = status;
    STORM_HOLDS(n > 0 && n < TEXT_BYTES, "a response fits");
    say_again(in);
    return in;
}
