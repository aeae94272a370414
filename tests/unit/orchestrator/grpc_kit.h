/*
 * grpc_kit: the gRPC client and server of the orchestrator against each other, over mutual TLS on loopback. Everything
 * waits for a state with a deadline; nothing sleeps.
 */
#ifndef TESTS_UNIT_ORCHESTRATOR_GRPC_KIT_H
#define TESTS_UNIT_ORCHESTRATOR_GRPC_KIT_H

#include "tests/unit/testkit.h"

#include "common/rt/loop.h"
#include "orchestrator/grpc_link.h"
#include "orchestrator/grpc_serve.h"
#include "orchestrator/rpc_code.h"
#include "proto/platform/sip.pb-c.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WAIT_MS 10000

static char pki[] = "/tmp/test_grpc.XXXXXX";
static struct loop *loop;
static struct grpc_hub *hub;

/* --- waiting ------------------------------------------------------------------------------------------------------ */

static struct timer limit;
static struct timer poll_timer;
static bool (*wanted)(void);
static bool out_of_time;

static inline void on_limit(struct timer *t, int64_t now_ms)
{
    (void)t;
    (void)now_ms;
    out_of_time = true;
    loop_stop(loop);
}

static inline void look(void *user)
{
    (void)user;
    if (wanted != NULL && wanted())
        loop_stop(loop);
}

static inline void on_poll(struct timer *t, int64_t now_ms)
{
    (void)now_ms;
    loop_timer_in(loop, t, 5);
}

static inline void wait_until(bool (*condition)(void), const char *what)
{
    if (condition())
        return;
    wanted = condition;
    out_of_time = false;
    loop_refresh(loop);
    loop_timer_in(loop, &limit, WAIT_MS);
    loop_timer_in(loop, &poll_timer, 5);
    loop_run(loop);
    loop_timer_cancel(loop, &limit);
    loop_timer_cancel(loop, &poll_timer);
    wanted = NULL;
    if (out_of_time)
        fail_msg("not in time: %s", what);
}

/* --- the server ----------------------------------------------------------------------------------------------------
 */

static inline struct tls_files tls_of(const char *cert, const char *ca)
{
    char paths[3][128];
    (void)snprintf(paths[0], sizeof paths[0], "%s/%s.crt", pki, cert);
    (void)snprintf(paths[1], sizeof paths[1], "%s/%s.key", pki, cert);
    (void)snprintf(paths[2], sizeof paths[2], "%s/%s.crt", pki, ca);
    struct tls_files t = {0};
    struct buf err;
    buf_init(&err, 1000);
    if (tls_files_load(&t, &(struct tls_paths){paths[0], paths[1], paths[2]}, &err) != 0)
        fail_msg("%s", buf_cstr(&err));
    return t;
}

static struct grpc_serve *serve;
static struct serve_call *held[8];
static size_t held_cnt;
static char peer[GRPC_SERVE_PEER_MAX];

static inline void on_terminate(void *user, struct serve_call *c, const ProtobufCMessage *m)
{
    (void)user;
    const Sentiric__Sip__V1__TerminateCallRequest *q = (const void *)m;
    (void)snprintf(peer, sizeof peer, "%s", serve_call_peer(c));
    if (strcmp(q->call_id, "hold") == 0) {
        held[held_cnt++] = c;
        return;
    }
    Sentiric__Sip__V1__TerminateCallResponse re = SENTIRIC__SIP__V1__TERMINATE_CALL_RESPONSE__INIT;
    static char big[GRPC_LINK_REPLY_MAX + 1];
    re.success = true;
    re.message = q->reason;
    if (strcmp(q->call_id, "big") == 0)
        re.message = memset(big, 'x', sizeof big - 1);
    bool unknown = strcmp(q->call_id, "unknown") == 0;
    serve_answer(c, unknown ? RPC_NOT_FOUND : RPC_OK, unknown ? "no such call" : "", &re.base);
}

#define TERMINATE "/sentiric.sip.v1.SipSignalingService/TerminateCall"
static const struct serve_method methods[] = {
    {TERMINATE, &sentiric__sip__v1__terminate_call_request__descriptor, on_terminate, 0},
    {0},
};

static inline void start_server(uint16_t port, const char *cert, const char *ca)
{
    struct tls_files t = tls_of(cert, ca);
    struct buf err;
    buf_init(&err, 1000);
    bool busy;
    serve = grpc_serve_open(&(struct grpc_serve_args){.hub = hub, .port = port, .methods = methods, .tls = &t}, &err,
                            &busy);
    if (serve == NULL)
        fail_msg("%s", buf_cstr(&err));
    tls_files_free(&t);
}

static inline void stop_server(void)
{
    grpc_serve_free(serve);
    serve = NULL;
}

/* --- the client ----------------------------------------------------------------------------------------------------
 */

static struct grpc_link *link_a;
static unsigned changes;

static inline void on_change(struct grpc_link *k, void *user)
{
    (void)k;
    (void)user;
    changes++;
}

static inline void open_link(uint16_t port, const char *tls_name, const char *cert, const char *ca)
{
    static const char *const paths[] = {TERMINATE, "/sentiric.sip.v1.SipSignalingService/Nothing", NULL};
    char url[64];
    (void)snprintf(url, sizeof url, "https://127.0.0.1:%u", port);
    struct tls_files t = tls_of(cert, ca);
    link_a = grpc_link_new(&(struct grpc_link_args){.hub = hub,
                                                    .name = "peer",
                                                    .url = url,
                                                    .tls_name = tls_name,
                                                    .methods = paths,
                                                    .tls = &t,
                                                    .on_change = on_change});
    tls_files_free(&t);
}

static inline void open_good_link(uint16_t port)
{
    open_link(port, "media-service", "sip-signaling", "ca");
}

static inline void close_link(void)
{
    grpc_link_free(link_a);
    link_a = NULL;
}

static inline bool is_ready(void)
{
    return grpc_link_state(link_a) == GRPC_LINK_READY;
}

static inline bool is_failed(void)
{
    return grpc_link_state(link_a) == GRPC_LINK_FAILED;
}

static inline bool is_refused(void)
{
    return strstr(grpc_link_detail(link_a), "refused") != NULL;
}

struct outcome {
    unsigned ended;
    int code;
    char detail[200];
    char message[200];
};
static struct outcome last;

static inline void on_done(void *user, const struct rpc_reply *r)
{
    struct outcome *o = user;
    o->ended++;
    o->code = r->code;
    (void)snprintf(o->detail, sizeof o->detail, "%s", r->detail);
    Sentiric__Sip__V1__TerminateCallResponse *re =
        sentiric__sip__v1__terminate_call_response__unpack(NULL, r->body.len, (const uint8_t *)r->body.p);
    assert_non_null(re);
    (void)snprintf(o->message, sizeof o->message, "%.190s", re->message);
    sentiric__sip__v1__terminate_call_response__free_unpacked(re, NULL);
}

static inline struct grpc_rpc *call(uint32_t method, const char *id, const char *reason, int64_t deadline_ms)
{
    Sentiric__Sip__V1__TerminateCallRequest q = SENTIRIC__SIP__V1__TERMINATE_CALL_REQUEST__INIT;
    q.call_id = (char *)(uintptr_t)id;
    q.reason = (char *)(uintptr_t)reason;
    memset(&last, 0, sizeof last);
    return grpc_link_call(link_a, &(struct rpc_args){.method = method,
                                                     .request = &q.base,
                                                     .deadline_ms = deadline_ms,
                                                     .trace_id = "trace \x01 1",
                                                     .done = on_done,
                                                     .user = &last});
}

static inline bool ended(void)
{
    return last.ended > 0;
}

static inline bool one_held(void)
{
    return held_cnt == 1;
}

static inline bool nothing_in_flight(void)
{
    return grpc_link_in_flight(link_a) == 0;
}

static inline void release_held(void)
{
    Sentiric__Sip__V1__TerminateCallResponse re = SENTIRIC__SIP__V1__TERMINATE_CALL_RESPONSE__INIT;
    while (held_cnt > 0)
        serve_answer(held[--held_cnt], RPC_OK, "", &re.base);
}

/* --- frame ----------------------------------------------------------------------------------------------------------
 */

static inline int set_up(void **state)
{
    (void)state;
    char cmd[256];
    if (mkdtemp(pki) == NULL)
        return -1;
    (void)snprintf(cmd, sizeof cmd, "scripts/pki.sh --bad %s >/dev/null", pki);
    if (system(cmd) != 0)
        return -1;
    loop = loop_new(false);
    timer_init(&limit, on_limit, NULL);
    timer_init(&poll_timer, on_poll, NULL);
    loop_at_turn_end(loop, look, NULL);
    hub = grpc_hub_new(loop);
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    grpc_hub_free(hub);
    loop_free(loop);
    char cmd[256];
    (void)snprintf(cmd, sizeof cmd, "rm -r %s", pki);
    return system(cmd);
}

#endif
