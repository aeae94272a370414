/* RPCs, deadlines, cancels, a server that comes and goes. */
#include "tests/unit/orchestrator/grpc_kit.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_call),
        cmocka_unit_test(test_deadline_and_cancel),
        cmocka_unit_test(test_server_comes_and_goes),
        cmocka_unit_test(test_port_in_use),
        cmocka_unit_test(test_files),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
