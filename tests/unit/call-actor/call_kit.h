/*
 * call_kit: one call in virtual time, and the messages that happen to it. For the tests of the call machine.
 */
#ifndef TESTS_UNIT_CALL_ACTOR_CALL_KIT_H
#define TESTS_UNIT_CALL_ACTOR_CALL_KIT_H

#include "tests/unit/testkit.h"

#include "call-actor/call.h"
#include "call-actor/call_row.h"
#include "common/sip/sip_txn_key.h"
#include <stdio.h>
#include <stdlib.h>

#define KIT_KEY 0x1234abcdu
#define KIT_PORT 10050u
#define KIT_T1 500u
#define KIT_WALL 1750000000000ll

#define KIT_OFFER                                                                                                      \
    "v=0\r\no=alice 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n"                                   \
    "m=audio 40000 RTP/AVP 18 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\n"
#define KIT_HOLD                                                                                                       \
    "v=0\r\no=alice 1 2 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n"                                   \
    "m=audio 40000 RTP/AVP 18 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=sendonly\r\n"

struct kit;
typedef void kit_seen_fn(struct kit *k, const struct call_input *in);

struct kit {
    kit_seen_fn *seen; /* runs after every step; NULL: nothing does */
    struct call_conf conf;
    struct call *c;
    struct call_effects fx; /* of the last step */
    struct now now;
    bool forgotten;
    char raw[16384];
    struct sip_msg msg;
    Plane__Endpoint source;
    char via[128];         /* of the last request */
    const char *bridge_to; /* target of a plan to bridge; NULL: "bob" */
    const char *plan_id;   /* NULL: "DP_1" */
    const char *more;      /* header lines of every first INVITE; NULL: none */
    const char *done_step; /* where a set-up that is done came to; NULL: "media" */
    const char *user;      /* who the caller has shown to be; NULL: nobody */
    bool trusted;          /* he is behind a trusted peer */
};

/* What is not said (NULL, 0) is as in an ordinary request of the caller. */
struct kit_req {
    const char *method;
    uint32_t cseq;
    const char *branch; /* NULL: a new one */
    const char *via;    /* sent-by and parameters of the top one; its branch is then not `branch` */
    const char *uri;    /* "sip:902121234567@203.0.113.5" */
    const char *from;   /* whole value */
    const char *to; /* whole value; default: with our tag when the call has a dialog and it is no INVITE or CANCEL */
    const char *contact; /* whole line with CRLF, or "" for none */
    const char *more;    /* further header lines, each with CRLF */
    const char *body;
    const char *type; /* Content-Type; "" for none */
    bool in_dialog;   /* INVITE: a re-INVITE */
};

static const char *const kit_portless[] = {"BRIDGE_CALL", NULL};

static inline void kit_init(struct kit *k)
{
    struct span bad;
    memset(k, 0, sizeof(*k));
    k->now = (struct now){.mono_ms = 1000, .wall_ms = KIT_WALL};
    k->conf = (struct call_conf){.contact_addr = "203.0.113.5",
                                 .contact_port = 5060,
                                 .media_addr = "203.0.113.6",
                                 .agent = "sig/1",
                                 .t1_ms = KIT_T1,
                                 .setup_ms = 10000,
                                 .hole_punch = true,
                                 .events_json = true,
                                 .portless_actions = kit_portless,
                                 .shard = 3};
    assert_int_equal(codecs_parse(&k->conf.codecs, SPAN("PCMA,PCMU,telephone-event"), &bad), 0);
    plane__endpoint__init(&k->source);
    k->source.transport = (char *)(uintptr_t) "UDP";
    k->source.addr = (char *)(uintptr_t) "198.51.100.7";
    k->source.port = 5062;
    k->c = call_new(&k->conf, KIT_KEY, k->now);
}

static inline void kit_fini(struct kit *k)
{
    call_effects_clear(&k->fx);
    call_free(k->c);
    k->c = NULL;
}

/* cmocka's fixture: KIT_TEST(f) gives f a fresh kit as *state. */
static inline int kit_setup(void **state)
{
    struct kit *k = malloc(sizeof(*k));
    assert_non_null(k);
    kit_init(k);
    *state = k;
    return 0;
}

static inline int kit_teardown(void **state)
{
    kit_fini(*state);
    free(*state);
    return 0;
}

#define KIT_TEST(f) cmocka_unit_test_setup_teardown(f, kit_setup, kit_teardown)

static inline void kit_step(struct kit *k, const struct call_input *in)
{
    assert_false(k->forgotten);
    call_effects_clear(&k->fx);
    call_handle(k->c, in, &k->fx, k->now);
    for (size_t i = 0; i < k->fx.count; i++) {
        assert_false(k->forgotten); /* nothing after FORGET */
        k->forgotten = k->fx.list[i].type == CALL_EFF_FORGET;
    }
    if (k->seen != NULL)
        k->seen(k, in);
}

/* --- requests --- */

static inline const char *kit_or(const char *given, const char *otherwise)
{
    return given != NULL ? given : otherwise;
}

static inline void kit_build(struct kit *k, const struct kit_req *r)
{
    char to[256] = "<sip:902121234567@203.0.113.5>";
    bool initial = strcmp(r->method, "INVITE") == 0 && !r->in_dialog;
    static unsigned branches;
    if (!initial && strcmp(r->method, "CANCEL") != 0 && k->c->row->a != NULL)
        (void)snprintf(to, sizeof(to), "<sip:902121234567@203.0.113.5>;tag=%s", k->c->row->a->local_tag);
    if (r->via != NULL)
        (void)snprintf(k->via, sizeof(k->via), "%s", r->via);
    else if (r->branch != NULL)
        (void)snprintf(k->via, sizeof(k->via), "192.0.2.1:5060;branch=%s;rport", r->branch);
    else
        (void)snprintf(k->via, sizeof(k->via), "192.0.2.1:5060;branch=z9hG4bKkit%u;rport", ++branches);
    const char *body = kit_or(r->body, "");
    const char *type = kit_or(r->type, "application/sdp");
    bool typed = body[0] != '\0' && type[0] != '\0';
    int n =
        snprintf(k->raw, sizeof(k->raw),
                 "%s %s SIP/2.0\r\nVia: SIP/2.0/UDP %s\r\n"
                 "Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKinner\r\n"
                 "Max-Forwards: 69\r\nFrom: %s\r\nTo: %s\r\nCall-ID: kit-call@192.0.2.1\r\nCSeq: %u %s\r\n%s%s%s%s%s%s"
                 "Content-Length: %zu\r\n\r\n%s",
                 r->method, kit_or(r->uri, "sip:902121234567@203.0.113.5"), k->via,
                 kit_or(r->from, "\"Ali\" <sip:05321112233@192.0.2.1>;tag=ft1"), kit_or(r->to, to), r->cseq, r->method,
                 kit_or(r->contact, "Contact: <sip:ali@192.0.2.1:5070>\r\n"), kit_or(r->more, ""),
                 initial ? kit_or(k->more, "") : "", typed ? "Content-Type: " : "", typed ? type : "",
                 typed ? "\r\n" : "", strlen(body), body);
    assert_true(n > 0 && (size_t)n < sizeof(k->raw));
    assert_int_equal(sip_msg_decode(&k->msg, span_of(k->raw, (size_t)n)), 0);
}

static inline void kit_request(struct kit *k, const struct kit_req *r)
{
    struct buf key;
    kit_build(k, r);
    buf_init(&key, SIP_TXN_KEY_BYTES_MAX);
    if (k->msg.method != SIP_M_ACK)
        assert_int_equal(sip_txn_key(&key, &k->msg), 0);
    struct call_input in = {.type = CALL_IN_REQUEST,
                            .msg = &k->msg,
                            .txn = buf_span(&key),
                            .source = &k->source,
                            .local_addr = "203.0.113.5",
                            .user = k->user,
                            .from_trusted = k->trusted};
    kit_step(k, &in);
    buf_fini(&key);
}

#define KIT_REQUEST(k, ...) kit_request((k), &(struct kit_req){__VA_ARGS__})

static inline void kit_invite(struct kit *k)
{
    KIT_REQUEST(k, .method = "INVITE", .cseq = 10, .branch = "z9hG4bKinvite", .body = KIT_OFFER,
                .more = "Record-Route: <sip:p2.example;lr;trasport=udp>, <sip:p1.example;lr>;ftag=x\r\n");
}

static inline void kit_ack(struct kit *k, uint32_t cseq)
{
    KIT_REQUEST(k, .method = "ACK", .cseq = cseq);
}

static inline void kit_bye(struct kit *k, uint32_t cseq)
{
    KIT_REQUEST(k, .method = "BYE", .cseq = cseq);
}

static inline void kit_cancel(struct kit *k)
{
    KIT_REQUEST(k, .method = "CANCEL", .cseq = 10, .branch = "z9hG4bKinvite");
}

/* --- effects --- */

static inline struct call_effect *kit_effect(struct kit *k, enum call_effect_type type, size_t nth)
{
    for (size_t i = 0; i < k->fx.count; i++) {
        if (k->fx.list[i].type == type && nth-- == 0)
            return &k->fx.list[i];
    }
    return NULL;
}

static inline size_t kit_count(struct kit *k, enum call_effect_type type)
{
    size_t n = 0;
    while (kit_effect(k, type, n) != NULL)
        n++;
    return n;
}

static inline struct call_effect *kit_event(struct kit *k, const char *key)
{
    for (size_t i = 0; i < k->fx.count; i++) {
        if (k->fx.list[i].type == CALL_EFF_PUBLISH && strcmp(k->fx.list[i].routing_key, key) == 0)
            return &k->fx.list[i];
    }
    return NULL;
}

/* The job of a kind asked in the last step, or NULL. */
static inline struct call_effect *kit_job(struct kit *k, Plane__RunJob__Kind kind)
{
    for (size_t i = 0; i < k->fx.count; i++) {
        if (k->fx.list[i].type == CALL_EFF_JOB && k->fx.list[i].job->kind == kind)
            return &k->fx.list[i];
    }
    return NULL;
}

static inline struct call_effect *kit_arm(struct kit *k, enum call_timer timer)
{
    for (size_t i = 0; i < k->fx.count; i++) {
        if (k->fx.list[i].type == CALL_EFF_ARM && k->fx.list[i].timer == timer)
            return &k->fx.list[i];
    }
    return NULL;
}

static inline bool kit_has(const struct call_effect *e, const char *words)
{
    return e != NULL && memmem(e->raw, e->raw_len, words, strlen(words)) != NULL;
}

static inline void kit_assert_has(const struct call_effect *e, const char *words)
{
    assert_non_null(e);
    if (!kit_has(e, words))
        fail_msg("\"%s\" not in\n%.*s", words, (int)e->raw_len, e->raw);
}

static inline void kit_assert_hasnt(const struct call_effect *e, const char *words)
{
    assert_non_null(e);
    if (kit_has(e, words))
        fail_msg("\"%s\" in\n%.*s", words, (int)e->raw_len, e->raw);
}

/* A line for people of this level in the last step, with these words. */
static inline void kit_assert_log(struct kit *k, int level, const char *words)
{
    for (size_t n = 0; kit_effect(k, CALL_EFF_LOG, n) != NULL; n++) {
        if (kit_effect(k, CALL_EFF_LOG, n)->level == level && kit_has(kit_effect(k, CALL_EFF_LOG, n), words))
            return;
    }
    fail_msg("no line with \"%s\" at level %d", words, level);
}

static inline void kit_assert_say(struct kit *k, enum call_say say)
{
    size_t n = 0;
    for (size_t i = 0; i < k->fx.count; i++)
        n += k->fx.list[i].type == CALL_EFF_LOG && k->fx.list[i].say == say;
    assert_int_equal(n, 1);
}

/* The one reply of the last step has this status, and is a message. */
static inline struct call_effect *kit_assert_reply(struct kit *k, unsigned status)
{
    static struct sip_msg m;
    struct call_effect *e = kit_effect(k, CALL_EFF_REPLY, 0);
    assert_non_null(e);
    if (e->status != status)
        fail_msg("status %u, expected %u:\n%.*s", e->status, status, (int)e->raw_len, e->raw);
    assert_int_equal(sip_msg_decode(&m, span_of(e->raw, e->raw_len)), 0);
    assert_int_equal(m.status, status);
    return e;
}

static inline void kit_assert_state(struct kit *k, enum call_state state)
{
    assert_string_equal(call_state_name(call_state(k->c)), call_state_name(state));
}

/* --- the orchestrator, timers, people --- */

static inline Store__OpenJob *kit_open_job(struct kit *k, Plane__RunJob__Kind kind)
{
    for (size_t i = 0; i < k->c->row->n_jobs; i++) {
        if (k->c->row->jobs[i]->kind == kind)
            return k->c->row->jobs[i];
    }
    return NULL;
}

/* id: kept by the caller, for the step closes the job. */
static inline void kit_done_id(struct kit *k, ProtobufCBinaryData id, Plane__JobDone__Result result, uint32_t port,
                               const char *action)
{
    uint8_t copy[64];
    assert_true(id.len <= sizeof(copy));
    memcpy(copy, id.data, id.len);
    Plane__JobDone done = PLANE__JOB_DONE__INIT;
    Plane__Plan plan = PLANE__PLAN__INIT;
    Plane__Pair target = PLANE__PAIR__INIT;
    Plane__Pair *data[] = {&target};
    target.key = (char *)(uintptr_t) "target";
    target.value = (char *)(uintptr_t)(k->bridge_to != NULL ? k->bridge_to : "bob");
    plan.action_data = data;
    plan.n_action_data = action != NULL && strcmp(action, "BRIDGE_CALL") == 0;
    done.id = (ProtobufCBinaryData){.len = id.len, .data = copy};
    done.result = result;
    done.rtp_port = port;
    done.step = (char *)(uintptr_t)kit_or(k->done_step, "media");
    done.detail = (char *)(uintptr_t) "as told";
    done.grpc_status = (char *)(uintptr_t)(result == PLANE__JOB_DONE__RESULT__UNAVAILABLE ? "UNAVAILABLE" : "");
    plan.action = (char *)(uintptr_t)action;
    plan.dialplan_id = (char *)(uintptr_t)(k->plan_id != NULL ? k->plan_id : "DP_1");
    plan.tenant_id = (char *)(uintptr_t) "acme";
    done.plan = action != NULL ? &plan : NULL;
    struct call_input in = {.type = CALL_IN_JOB_DONE, .done = &done};
    kit_step(k, &in);
}

static inline void kit_setup_done(struct kit *k, Plane__JobDone__Result result, uint32_t port, const char *action)
{
    Store__OpenJob *job = kit_open_job(k, PLANE__RUN_JOB__KIND__SETUP);
    assert_non_null(job);
    kit_done_id(k, job->id, result, port, action);
}

static inline void kit_setup_ok(struct kit *k)
{
    kit_setup_done(k, PLANE__JOB_DONE__RESULT__OK, KIT_PORT, "START_AI_CONVERSATION");
}

static inline void kit_released(struct kit *k, Plane__JobDone__Result result)
{
    Store__OpenJob *job = kit_open_job(k, PLANE__RUN_JOB__KIND__RELEASE_PORT);
    assert_non_null(job);
    kit_done_id(k, job->id, result, 0, NULL);
}

static inline void kit_timer(struct kit *k, enum call_timer timer)
{
    if (k->c->row->timers[timer] > (uint64_t)k->now.wall_ms)
        k->now.wall_ms = (int64_t)k->c->row->timers[timer];
    struct call_input in = {.type = CALL_IN_TIMER, .timer = timer};
    kit_step(k, &in);
}

static inline void kit_terminate(struct kit *k, const char *asked_by)
{
    struct call_input in = {.type = CALL_IN_TERMINATE, .reason = "NORMAL_CLEARING", .asked_by = asked_by};
    kit_step(k, &in);
}

/* Final answer to our BYE; status 0: none came. */
static inline void kit_bye_answer(struct kit *k, unsigned status)
{
    char branch[64];
    assert_int_equal(k->c->row->n_client_txns, 1);
    const ProtobufCBinaryData *b = &k->c->row->client_txns[0]->branch;
    memcpy(branch, b->data, b->len);
    struct call_input in = {.type = CALL_IN_RESPONSE, .txn = span_of(branch, b->len), .status = status};
    kit_step(k, &in);
}

static inline void kit_answered(struct kit *k)
{
    kit_invite(k);
    kit_setup_ok(k);
}

static inline void kit_established(struct kit *k)
{
    kit_answered(k);
    kit_ack(k, 10);
}

#endif
