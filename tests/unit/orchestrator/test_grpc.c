/*
 * The gRPC client and server of the orchestrator against each other, over mutual TLS on loopback.
 * Everything waits for a state with a deadline; nothing sleeps.
 */
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

static void on_limit(struct timer *t, int64_t now_ms)
{
    (void)t;
    (void)now_ms;
    out_of_time = true;
    loop_stop(loop);
}

static void look(void *user)
{
    (void)user;
    if (wanted != NULL && wanted())
        loop_stop(loop);
}

static void on_poll(struct timer *t, int64_t now_ms)
{
    (void)now_ms;
    loop_timer_in(loop, t, 5);
}

static void wait_until(bool (*condition)(void), const char *what)
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

static struct tls_files tls_of(const char *cert, const char *ca)
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

static void on_terminate(void *user, struct serve_call *c, const ProtobufCMessage *m)
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
    {TERMINATE, &sentiric__sip__v1__terminate_call_request__descriptor, on_terminate},
    {0},
};

static void start_server(uint16_t port, const char *cert, const char *ca)
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

static void stop_server(void)
{
    grpc_serve_free(serve);
    serve = NULL;
}

/* --- the client ----------------------------------------------------------------------------------------------------
 */

static struct grpc_link *link_a;
static unsigned changes;

static void on_change(struct grpc_link *k, void *user)
{
    (void)k;
    (void)user;
    changes++;
}

static void open_link(uint16_t port, const char *tls_name, const char *cert, const char *ca)
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

static void open_good_link(uint16_t port)
{
    open_link(port, "media-service", "sip-signaling", "ca");
}

static void close_link(void)
{
    grpc_link_free(link_a);
    link_a = NULL;
}

static bool is_ready(void)
{
    return grpc_link_state(link_a) == GRPC_LINK_READY;
}

static bool is_failed(void)
{
    return grpc_link_state(link_a) == GRPC_LINK_FAILED;
}

static bool is_refused(void)
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

static void on_done(void *user, const struct rpc_reply *r)
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

static struct grpc_rpc *call(uint32_t method, const char *id, const char *reason, int64_t deadline_ms)
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

static bool ended(void)
{
    return last.ended > 0;
}

static bool one_held(void)
{
    return held_cnt == 1;
}

static bool nothing_in_flight(void)
{
    return grpc_link_in_flight(link_a) == 0;
}

/* --- tests ---------------------------------------------------------------------------------------------------------
 */

static void release_held(void)
{
    Sentiric__Sip__V1__TerminateCallResponse re = SENTIRIC__SIP__V1__TERMINATE_CALL_RESPONSE__INIT;
    while (held_cnt > 0)
        serve_answer(held[--held_cnt], RPC_OK, "", &re.base);
}

static void test_call(void **state)
{
    (void)state;
    start_server(0, "platform", "ca");
    open_good_link(grpc_serve_port(serve));
    (void)call(0, "c", "why", 3000); /* before the channel is up: waits for it */
    wait_until(ended, "the answer");
    assert_int_equal(last.code, RPC_OK);
    assert_string_equal(last.message, "why");
    assert_string_equal(peer, "sip-signaling-service");
    assert_string_equal(grpc_link_detail(link_a), "");
    assert_int_equal(grpc_link_generation(link_a), 1);
    (void)call(0, "unknown", "", 3000);
    wait_until(ended, "NOT_FOUND");
    assert_int_equal(last.code, RPC_NOT_FOUND);
    assert_string_equal(last.detail, "no such call");
    (void)call(1, "c", "", 3000);
    wait_until(ended, "UNIMPLEMENTED");
    assert_int_equal(last.code, RPC_UNIMPLEMENTED);
    (void)call(0, "not \xff utf-8", "", 3000);
    wait_until(ended, "INVALID_ARGUMENT");
    assert_int_equal(last.code, RPC_INVALID_ARGUMENT);
    (void)call(0, "big", "", 3000);
    wait_until(ended, "a reply over the limit");
    assert_int_equal(last.code, RPC_RESOURCE_EXHAUSTED);
    close_link();
    stop_server();
}

static void test_deadline_and_cancel(void **state)
{
    (void)state;
    start_server(0, "platform", "ca");
    open_good_link(grpc_serve_port(serve));
    (void)call(0, "hold", "", 100);
    wait_until(ended, "the deadline");
    assert_int_equal(last.code, RPC_DEADLINE_EXCEEDED);
    wait_until(nothing_in_flight, "no RPC in flight");
    release_held();
    struct grpc_rpc *r = call(0, "hold", "", 5000);
    wait_until(one_held, "the call at the server");
    grpc_rpc_cancel(r);
    wait_until(nothing_in_flight, "the end of the cancelled RPC");
    assert_int_equal(last.ended, 0); /* and nobody was told */
    release_held();
    (void)call(0, "hold", "", 5000);
    wait_until(one_held, "the call at the server");
    close_link(); /* with an RPC open */
    stop_server();
    held_cnt = 0;
}

static void refused(const char *words)
{
    wait_until(is_failed, words);
    if (strstr(grpc_link_detail(link_a), words) == NULL)
        fail_msg("\"%s\" says nothing of \"%s\"", grpc_link_detail(link_a), words);
    (void)call(0, "c", "", 3000);
    wait_until(ended, "UNAVAILABLE at once");
    assert_int_equal(last.code, RPC_UNAVAILABLE);
    close_link();
    stop_server();
}

static void test_tls_refusals_say_why(void **state)
{
    (void)state;
    start_server(0, "platform", "ca");
    open_link(grpc_serve_port(serve), "somebody-else", "sip-signaling", "ca");
    refused("not for the expected name");
    start_server(0, "platform", "ca");
    open_link(grpc_serve_port(serve), "media-service", "sip-signaling", "bad/ca");
    refused("not signed by our CA");
    start_server(0, "bad/expired", "ca");
    open_link(grpc_serve_port(serve), "media-service", "sip-signaling", "ca");
    refused("expired");
    start_server(0, "platform", "ca");
    open_link(grpc_serve_port(serve), "media-service", "bad/other-ca", "ca");
    refused("refuse");
    start_server(0, "platform", "ca");
    open_link(grpc_serve_port(serve), "media-service", "bad/expired", "ca");
    refused("refuse");
}

static void test_server_comes_and_goes(void **state)
{
    (void)state;
    start_server(0, "platform", "ca");
    uint16_t port = grpc_serve_port(serve);
    open_good_link(port);
    wait_until(is_ready, "ready");
    stop_server();
    wait_until(is_refused, "connection refused");
    assert_int_equal(grpc_link_state(link_a), GRPC_LINK_CONNECTING);
    (void)call(0, "c", "", 3000);
    wait_until(ended, "UNAVAILABLE");
    assert_int_equal(last.code, RPC_UNAVAILABLE);
    start_server(port, "platform", "ca");
    int64_t begin = clock_mono_ms();
    wait_until(is_ready, "ready again");
    print_message("connected %lld ms after the server was back\n", (long long)(clock_mono_ms() - begin));
    assert_true(clock_mono_ms() - begin < 3000);
    assert_int_equal(grpc_link_generation(link_a), 2);
    (void)call(0, "c", "x", 3000);
    wait_until(ended, "OK");
    assert_int_equal(last.code, RPC_OK);
    close_link();
    stop_server();
}

static void test_new_certificates(void **state)
{
    (void)state;
    start_server(0, "platform", "ca");
    open_link(grpc_serve_port(serve), "media-service", "bad/other-ca", "ca");
    wait_until(is_failed, "refused");
    struct tls_files good = tls_of("sip-signaling", "ca");
    grpc_link_set_tls(link_a, &good);
    tls_files_free(&good);
    wait_until(is_ready, "ready with the new certificate");
    /* An RPC of the old channel ends well while the new one takes over. */
    (void)call(0, "hold", "", 5000);
    wait_until(one_held, "the call at the server");
    good = tls_of("client", "ca");
    grpc_link_set_tls(link_a, &good);
    tls_files_free(&good);
    release_held();
    wait_until(ended, "the old channel's answer");
    assert_int_equal(last.code, RPC_OK);
    (void)call(0, "c", "", 3000);
    wait_until(ended, "the new channel's answer");
    assert_int_equal(last.code, RPC_OK);
    assert_string_equal(peer, "agent-service");
    /* And the server's: whoever connects from now on must be of the other CA. */
    struct tls_files other = tls_of("platform", "bad/ca");
    grpc_serve_set_tls(serve, &other);
    tls_files_free(&other);
    close_link();
    open_good_link(grpc_serve_port(serve));
    wait_until(is_failed, "refused by the new CA");
    close_link();
    stop_server();
}

static void test_port_in_use(void **state)
{
    (void)state;
    start_server(0, "platform", "ca");
    struct tls_files t = tls_of("platform", "ca");
    struct buf err;
    buf_init(&err, 1000);
    bool busy = false;
    struct grpc_serve_args a = {.hub = hub, .port = grpc_serve_port(serve), .methods = methods, .tls = &t};
    assert_null(grpc_serve_open(&a, &err, &busy));
    if (!busy)
        fail_msg("%s", buf_cstr(&err));
    assert_non_null(strstr(buf_cstr(&err), "Address already in use"));
    buf_reset(&err);
    struct tls_files wrong_key = tls_of("client", "ca");
    char *key = t.key_pem;
    t.key_pem = wrong_key.key_pem;
    a.port = 0;
    assert_null(grpc_serve_open(&a, &err, &busy));
    assert_false(busy);
    assert_non_null(strstr(buf_cstr(&err), "our certificate and key cannot be used"));
    t.key_pem = key;
    tls_files_free(&t);
    tls_files_free(&wrong_key);
    buf_fini(&err);
    stop_server();
}

static void test_files(void **state)
{
    (void)state;
    char crt[128];
    char key[128];
    (void)snprintf(crt, sizeof crt, "%s/platform.crt", pki);
    (void)snprintf(key, sizeof key, "%s/platform.key", pki);
    const struct tls_paths rows[] = {
        {"/nonexistent", key, crt}, {crt, crt, crt},         {key, key, crt},
        {crt, key, "/dev/null"},    {crt, key, "/dev/zero"}, {crt, key, pki},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct tls_files t = {0};
        struct buf err;
        buf_init(&err, 1000);
        assert_int_equal(tls_files_load(&t, &rows[i], &err), -1);
        assert_true(err.len > 0);
        assert_null(t.cert_pem);
        buf_fini(&err);
    }
}

/* --- frame ----------------------------------------------------------------------------------------------------------
 */

static int set_up(void **state)
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

static int tear_down(void **state)
{
    (void)state;
    grpc_hub_free(hub);
    loop_free(loop);
    char cmd[256];
    (void)snprintf(cmd, sizeof cmd, "rm -r %s", pki);
    return system(cmd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_call),
        cmocka_unit_test(test_deadline_and_cancel),
        cmocka_unit_test(test_tls_refusals_say_why),
        cmocka_unit_test(test_server_comes_and_goes),
        cmocka_unit_test(test_new_certificates),
        cmocka_unit_test(test_port_in_use),
        cmocka_unit_test(test_files),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
