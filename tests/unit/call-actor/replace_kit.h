/*
 * replace_kit: carol, who calls with Replaces. Beside bridge_kit's caller and callees.
 */
#ifndef TESTS_UNIT_CALL_ACTOR_REPLACE_KIT_H
#define TESTS_UNIT_CALL_ACTOR_REPLACE_KIT_H

#include "tests/unit/call-actor/bridge_kit.h"

#include "call-actor/call_step.h"
#include "call-actor/replace.h"

#define CAROL_OFFER                                                                                                    \
    "v=0\r\no=carol 9 1 IN IP4 198.51.100.30\r\ns=-\r\nc=IN IP4 198.51.100.30\r\nt=0 0\r\nm=audio 7000 RTP/AVP 0\r\n"  \
    "a=rtpmap:0 PCMU/8000\r\n"
#define CAROL_ADDR "198.51.100.30"
#define REPLACE_ADDR "198.51.100.20" /* where both parties are, for who may replace either */

/* Who carol is to us. */
struct carol {
    const char *user; /* as the digest has shown; NULL: nobody */
    bool own;
    bool trusted;
    const char *addr;   /* NULL: CAROL_ADDR */
    const char *body;   /* NULL: CAROL_OFFER */
    const char *more;   /* header lines */
    const char *method; /* NULL: INVITE */
    const char *to_tag; /* ours, of her dialog */
    const char *branch; /* NULL: "z9hG4bKcarol" */
    uint32_t cseq;      /* 0: 1 */
};

/* "call-id;to-tag=…;from-tag=…" of a dialog of ours, as who is in it would say it. */
static inline const char *replace_value(const Store__Dialog *d, const char *more)
{
    static char text[512];
    (void)snprintf(text, sizeof(text), "%s;to-tag=%s;from-tag=%s%s", d->call_id, d->local_tag, d->remote_tag, more);
    return text;
}

/* As a call of ours says it whose REFER came from where both parties of this one are, and are trusted. */
static inline const char *replace_asked_by(struct kit *k)
{
    static char line[128];
    Plane__Endpoint *peers[] = {k->c->row->a != NULL ? k->c->row->a->peer : NULL,
                                k->c->row->n_out_legs > 0 ? k->c->row->out_legs[0]->dialog->peer : NULL};
    for (size_t i = 0; i < 2; i++) {
        if (peers[i] != NULL && strcmp(peers[i]->addr, REPLACE_ADDR) != 0)
            row_text(&peers[i]->addr, SPAN(REPLACE_ADDR));
    }
    (void)snprintf(line, sizeof(line), "Sentiric-Asked-By: <sip:" REPLACE_ADDR ">;trusted\r\n");
    return line;
}

static inline struct call_input replace_input(struct kit *k, const struct carol *who, const char *replaces)
{
    static char raw[SIP_MSG_BYTES_MAX];
    static struct sip_msg msg;
    static struct buf key;
    static Plane__Endpoint from;
    const char *method = kit_or(who->method, "INVITE"), *body = kit_or(who->body, CAROL_OFFER);
    const char *more = who->own && who->more == NULL ? replace_asked_by(k) : kit_or(who->more, "");
    uint32_t cseq = who->cseq != 0 ? who->cseq : 1;
    int n = snprintf(raw, sizeof(raw),
                     "%s sip:x@203.0.113.5 SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.30:5060;branch=%s\r\n"
                     "From: <sip:carol@example.org>;tag=c1\r\nTo: <sip:x@example.org>%s%s\r\nCall-ID: carols\r\n"
                     "CSeq: %u %s\r\nMax-Forwards: 70\r\nContact: <sip:carol@198.51.100.30:5060>\r\n%s%s%s%s%s"
                     "Content-Length: %zu\r\n\r\n%s",
                     method, kit_or(who->branch, "z9hG4bKcarol"), who->to_tag != NULL ? ";tag=" : "",
                     kit_or(who->to_tag, ""), cseq, method, replaces != NULL ? "Replaces: " : "", kit_or(replaces, ""),
                     replaces != NULL ? "\r\n" : "", more, body[0] != '\0' ? "Content-Type: application/sdp\r\n" : "",
                     strlen(body), body);
    assert_true(n > 0 && (size_t)n < sizeof(raw));
    assert_int_equal(sip_msg_decode(&msg, span_of(raw, (size_t)n)), 0);
    buf_fini(&key);
    buf_init(&key, SIP_TXN_KEY_BYTES_MAX);
    if (msg.method != SIP_M_ACK)
        assert_int_equal(sip_txn_key(&key, &msg), 0);
    plane__endpoint__init(&from);
    from.transport = (char *)(uintptr_t) "UDP";
    from.addr = (char *)(uintptr_t)kit_or(who->addr, CAROL_ADDR);
    from.port = 5060;
    return (struct call_input){.type = CALL_IN_REQUEST,
                               .msg = &msg,
                               .txn = buf_span(&key),
                               .source = &from,
                               .local_addr = "203.0.113.5",
                               .user = who->user,
                               .own = who->own,
                               .from_trusted = who->trusted,
                               .replaces = replaces != NULL};
}

/* 0: it may; else what it is refused with. */
static inline unsigned replace_status(struct kit *k, const struct carol *who, const char *replaces)
{
    struct refusal no;
    const struct call_input in = replace_input(k, who, replaces);
    return replace_may(k->c, &in, &no) ? 0 : no.status;
}

static inline void replace_ask(struct kit *k, const struct carol *who, const char *replaces)
{
    assert_int_equal(replace_status(k, who, replaces), 0);
    const struct call_input in = replace_input(k, who, replaces);
    kit_step(k, &in);
}

/* Anything else that carol says. */
static inline void replace_says(struct kit *k, const struct carol *what)
{
    const struct call_input in = replace_input(k, what, NULL);
    kit_step(k, &in);
}

/* The re-INVITE that is out, answered by who stays: the A leg. */
static inline void replace_answered(struct kit *k, unsigned status, const char *body)
{
    const Store__Relay *r = k->c->row->relays[0];
    assert_int_equal(r->to, SIDE_CALLER);
    bridge_response_to(k, row_span(r->request->branch), "x",
                       &(struct bridge_rsp){.status = status, .tag = "s1", .body = body});
}

#endif
