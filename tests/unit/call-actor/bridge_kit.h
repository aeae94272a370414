/*
 * bridge_kit: callees beside call_kit's caller: what our legs send them, and what they say. Each leg is named by its
 * id.
 */
#ifndef TESTS_UNIT_CALL_ACTOR_BRIDGE_KIT_H
#define TESTS_UNIT_CALL_ACTOR_BRIDGE_KIT_H

#include "tests/unit/call-actor/call_kit.h"

#include "call-actor/out_leg.h"
#include "call-actor/relay.h"

#define BRIDGE_OFFER                                                                                                   \
    "v=0\r\no=bob 7 7 IN IP4 198.51.100.20\r\ns=-\r\nc=IN IP4 198.51.100.20\r\nt=0 0\r\nm=audio 6000 RTP/AVP 96\r\n"
#define BRIDGE_EARLY                                                                                                   \
    "v=0\r\no=bob 7 6 IN IP4 198.51.100.21\r\ns=-\r\nc=IN IP4 198.51.100.21\r\nt=0 0\r\nm=audio 6002 RTP/AVP 96\r\n"
/* Of a caller we could not answer ourselves. */
#define BRIDGE_CALLER_OFFER                                                                                            \
    "v=0\r\no=ali 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\nm=audio 40000 RTP/SAVP 96\r\n"

static inline void bridge_conf(struct kit *k)
{
    k->conf.no_answer_ms = 60000;
    k->conf.domain = "example.org";
    k->conf.route.trunk = "";
}

/* --- whom to ring --- */

struct bridge_target {
    const char *uri;
    uint32_t q;
    const char *addr; /* registered from there, over UDP, port 5060; NULL: the URI is located */
    bool trunk;
};

static inline void bridge_targets(struct kit *k, const char *who, const struct bridge_target *t, size_t cnt,
                                  unsigned status)
{
    Store__Target target[20];
    Store__Target *list[20];
    Plane__Endpoint dest[20];
    assert_true(cnt <= 20);
    for (size_t i = 0; i < cnt; i++) {
        store__target__init(&target[i]);
        plane__endpoint__init(&dest[i]);
        dest[i].transport = (char *)(uintptr_t) "UDP";
        dest[i].addr = (char *)(uintptr_t)t[i].addr;
        dest[i].port = 5060;
        target[i].uri = (char *)(uintptr_t)t[i].uri;
        target[i].q = t[i].q;
        target[i].trunk = t[i].trunk;
        target[i].dest = t[i].addr != NULL ? &dest[i] : NULL;
        target[i].next_hop = (char *)(uintptr_t)(t[i].addr != NULL ? "" : t[i].uri);
        list[i] = &target[i];
    }
    struct call_input in = {.type = CALL_IN_TARGETS,
                            .who = span_cstr(who),
                            .targets = list,
                            .target_cnt = cnt,
                            .status = status,
                            .tenant = "acme"};
    kit_step(k, &in);
}

/* The caller's INVITE, and a dialplan that wants bob rung. */
static inline void bridge_asked_with(struct kit *k, const char *body, const char *more)
{
    bridge_conf(k);
    KIT_REQUEST(k, .method = "INVITE", .cseq = 10, .branch = "z9hG4bKinvite", .body = body, .more = more);
    kit_setup_done(k, PLANE__JOB_DONE__RESULT__OK, 0, "BRIDGE_CALL");
}

static inline void bridge_asked(struct kit *k)
{
    bridge_asked_with(k, BRIDGE_CALLER_OFFER, NULL);
}

static inline const char *bridge_who(struct kit *k)
{
    assert_int_equal(k->c->row->n_locating, 1);
    return k->c->row->locating[0];
}

static inline void bridge_rings(struct kit *k, const struct bridge_target *t, size_t cnt)
{
    char who[128];
    (void)snprintf(who, sizeof(who), "%s", bridge_who(k));
    bridge_targets(k, who, t, cnt, 0);
}

static const struct bridge_target bridge_bob = {
    .uri = "sip:bob@198.51.100.20:5062", .q = 1000, .addr = "198.51.100.20"};

static inline void bridge_ring_bob(struct kit *k)
{
    bridge_asked(k);
    bridge_rings(k, &bridge_bob, 1);
}

/* --- what legs are told --- */

static inline Store__OutLeg *bridge_leg(struct kit *k, uint32_t id)
{
    assert_true(id >= 1 && id <= k->c->row->n_out_legs);
    return k->c->row->out_legs[id - 1];
}

static inline void bridge_assert_leg(struct kit *k, uint32_t id, enum out_leg_state state)
{
    assert_string_equal(out_leg_state_name(bridge_leg(k, id)->state), out_leg_state_name(state));
}

/* The request of this method to a leg in the last step (0: to the caller), or NULL. */
static inline struct call_effect *bridge_request(struct kit *k, uint32_t leg, const char *method)
{
    for (size_t i = 0; i < k->fx.count; i++) {
        struct call_effect *e = &k->fx.list[i];
        if (e->type == CALL_EFF_REQUEST && e->leg == leg && strcmp(e->method, method) == 0)
            return e;
    }
    return NULL;
}

static inline struct call_effect *bridge_cancel(struct kit *k, uint32_t leg)
{
    for (size_t i = 0; i < k->fx.count; i++) {
        if (k->fx.list[i].type == CALL_EFF_CANCEL && k->fx.list[i].leg == leg)
            return &k->fx.list[i];
    }
    return NULL;
}

/* The reply to a leg in the last step (0: to the caller), or NULL. */
static inline struct call_effect *bridge_reply(struct kit *k, uint32_t leg, unsigned status)
{
    for (size_t i = 0; i < k->fx.count; i++) {
        struct call_effect *e = &k->fx.list[i];
        if (e->type == CALL_EFF_REPLY && e->leg == leg && e->status == status)
            return e;
    }
    return NULL;
}

/* --- what callees say --- */

struct bridge_rsp {
    unsigned status;
    const char *tag;    /* NULL: "b<leg>" */
    const char *method; /* NULL: INVITE */
    const char *body;
    const char *more; /* header lines; NULL: a Contact */
};

static inline void bridge_response_to(struct kit *k, struct span branch, const char *call_id,
                                      const struct bridge_rsp *r)
{
    static char raw[SIP_MSG_BYTES_MAX];
    static struct sip_msg msg;
    char txn[CALL_EFFECTS_MAX];
    const char *body = kit_or(r->body, "");
    int n = snprintf(raw, sizeof(raw),
                     "SIP/2.0 %u Word\r\nVia: SIP/2.0/UDP 203.0.113.5:5060;branch=z9hG4bKx\r\n"
                     "From: <sip:a@example.org>;tag=x\r\nTo: <sip:bob@example.org>%s%s\r\nCall-ID: %s\r\nCSeq: 1 %s\r\n"
                     "%s%sContent-Length: %zu\r\n\r\n%s",
                     r->status, r->tag[0] != '\0' ? ";tag=" : "", r->tag, call_id, kit_or(r->method, "INVITE"),
                     kit_or(r->more, "Contact: <sip:bob@198.51.100.20:5062>\r\n"),
                     body[0] != '\0' ? "Content-Type: application/sdp\r\n" : "", strlen(body), body);
    assert_true(n > 0 && (size_t)n < sizeof(raw));
    assert_int_equal(sip_msg_decode(&msg, span_of(raw, (size_t)n)), 0);
    assert_true(branch.len <= sizeof(txn));
    memcpy(txn, branch.p, branch.len);
    Plane__Endpoint from = PLANE__ENDPOINT__INIT;
    from.transport = (char *)(uintptr_t) "UDP";
    from.addr = (char *)(uintptr_t) "198.51.100.20";
    from.port = 5062;
    struct call_input in = {
        .type = CALL_IN_RESPONSE, .msg = &msg, .status = r->status, .txn = span_of(txn, branch.len), .source = &from};
    kit_step(k, &in);
}

static inline void bridge_response(struct kit *k, uint32_t leg, struct bridge_rsp r)
{
    char tag[16];
    (void)snprintf(tag, sizeof(tag), "b%u", leg);
    r.tag = kit_or(r.tag, tag);
    bridge_response_to(k, row_span(bridge_leg(k, leg)->invite->branch), bridge_leg(k, leg)->dialog->call_id, &r);
}

#define BRIDGE_SAYS(k, leg, ...) bridge_response((k), (leg), (struct bridge_rsp){__VA_ARGS__})

/* No answer to a request: in time, or because it could not be sent. */
static inline void bridge_fails(struct kit *k, struct span branch, bool unreachable)
{
    char txn[64];
    assert_true(branch.len <= sizeof(txn));
    memcpy(txn, branch.p, branch.len);
    struct call_input in = {.type = CALL_IN_RESPONSE, .txn = span_of(txn, branch.len), .unreachable = unreachable};
    kit_step(k, &in);
}

static inline void bridge_bye_answered(struct kit *k, uint32_t leg)
{
    bridge_response_to(k, row_span(bridge_leg(k, leg)->bye->branch), bridge_leg(k, leg)->dialog->call_id,
                       &(struct bridge_rsp){.status = 200, .method = "BYE", .tag = "b1"});
}

/* A request of who is in this dialog. */
static inline void bridge_asks_in(struct kit *k, const Store__Dialog *d, const char *method, uint32_t cseq,
                                  const char *body, const char *more)
{
    static char raw[16384];
    static struct sip_msg msg;
    static unsigned branches;
    struct buf key;
    int n = snprintf(
        raw, sizeof(raw),
        "%s sip:sentiric@203.0.113.5:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.20:5062;branch=z9hG4bKb%u\r\n"
        "From: <sip:bob@example.org>;tag=%s\r\nTo: <sip:a@example.org>;tag=%s\r\nCall-ID: %s\r\n"
        "CSeq: %u %s\r\nContact: <sip:bob@198.51.100.20:5064>\r\n%s%sContent-Length: %zu\r\n\r\n%s",
        method, strcmp(method, "CANCEL") == 0 ? branches : ++branches, d->remote_tag, d->local_tag, d->call_id, cseq,
        method, kit_or(more, ""), body[0] != '\0' ? "Content-Type: application/sdp\r\n" : "", strlen(body), body);
    assert_true(n > 0 && (size_t)n < sizeof(raw));
    assert_int_equal(sip_msg_decode(&msg, span_of(raw, (size_t)n)), 0);
    buf_init(&key, SIP_TXN_KEY_BYTES_MAX);
    if (msg.method != SIP_M_ACK)
        assert_int_equal(sip_txn_key(&key, &msg), 0);
    Plane__Endpoint from = PLANE__ENDPOINT__INIT;
    from.transport = (char *)(uintptr_t) "UDP";
    from.addr = (char *)(uintptr_t) "198.51.100.20";
    from.port = 5062;
    struct call_input in = {.type = CALL_IN_REQUEST, .msg = &msg, .txn = buf_span(&key), .source = &from};
    assert_true(call_has_dialog(k->c, &msg));
    kit_step(k, &in);
    buf_fini(&key);
}

/* A request of a callee in his dialog. */
static inline void bridge_asks(struct kit *k, uint32_t leg, const char *method, uint32_t cseq, const char *body,
                               const char *more)
{
    bridge_asks_in(k, bridge_leg(k, leg)->dialog, method, cseq, body, more);
}

static inline void bridge_answered(struct kit *k)
{
    bridge_ring_bob(k);
    BRIDGE_SAYS(k, 1, .status = 180);
    BRIDGE_SAYS(k, 1, .status = 200, .body = BRIDGE_OFFER);
}

static inline void bridge_up(struct kit *k)
{
    bridge_answered(k);
    kit_ack(k, 10);
}

#define BRIDGE_CHALLENGE "Proxy-Authenticate: Digest realm=\"carrier\", nonce=\"n1\", algorithm=MD5, qop=\"auth\"\r\n"

/* A call over the trunk, which challenged our INVITE; the caller's ACK is still to come. */
static inline void bridge_to_trunk(struct kit *k)
{
    static const struct bridge_target trunk = {.uri = "sip:905551112233@trunk.example", .q = 1000, .trunk = true};
    k->conf.trunk_user = "we";
    k->conf.trunk_secret = "secret";
    k->conf.trunk_realm = "carrier";
    bridge_asked(k);
    bridge_rings(k, &trunk, 1);
    BRIDGE_SAYS(k, 1, .status = 407, .more = BRIDGE_CHALLENGE);
    kit_assert_has(bridge_request(k, 1, "INVITE"), "Proxy-Authorization: Digest ");
    kit_assert_has(bridge_request(k, 1, "INVITE"), "CSeq: 2 INVITE\r\n");
    BRIDGE_SAYS(k, 1, .status = 200, .body = BRIDGE_OFFER);
}

/* --- a death --- */

static inline void come_back(struct kit *k)
{
    ProtobufCBinaryData row;
    row.len = store__call_row__get_packed_size(k->c->row);
    row.data = malloc(row.len);
    assert_non_null(row.data);
    (void)store__call_row__pack(k->c->row, row.data);
    call_effects_clear(&k->fx);
    call_free(k->c);
    k->c = call_from_row(&k->conf, store__call_row__unpack(NULL, row.len, row.data));
    free(row.data);
    assert_non_null(k->c);
    call_ask_again(k->c, PLANE__PROC__PROC_NONE, &k->fx, k->now);
}

#endif
