/* Certificates: refusals say why; new ones are taken without a gap. */
#include "tests/unit/orchestrator/grpc_kit.h"

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

/* Our half of a new pair of channel and certificates. */
static void swap_to(const char *cert, const char *ca)
{
    struct tls_files t = tls_of(cert, ca);
    grpc_link_set_tls(link_a, &t);
    tls_files_free(&t);
}

static bool second_generation(void)
{
    return grpc_link_generation(link_a) == 2;
}

static bool says_new_do_not_connect(void)
{
    return strstr(grpc_link_detail(link_a), "the new ones do not connect") != NULL;
}

static void expect_answer_to(const char *name)
{
    (void)call(0, "c", "", 3000);
    wait_until(ended, "an answer");
    assert_int_equal(last.code, RPC_OK);
    assert_string_equal(peer, name);
}

static void test_swap_to_good(void **state)
{
    (void)state;
    start_server(0, "platform", "ca");
    open_good_link(grpc_serve_port(serve));
    wait_until(is_ready, "ready");
    unsigned before = changes;
    (void)call(0, "hold", "", 5000);
    wait_until(one_held, "the call at the server");
    swap_to("client", "ca");
    assert_true(is_ready());
    (void)call(0, "c", "", 3000); /* in the same turn: nothing is connected with the new ones yet */
    wait_until(ended, "an answer");
    assert_int_equal(last.code, RPC_OK);
    assert_string_equal(peer, "sip-signaling-service");
    wait_until(second_generation, "the swap");
    assert_int_equal(changes, before); /* it was ready throughout, and nobody was told otherwise */
    memset(&last, 0, sizeof last);
    release_held();
    wait_until(ended, "the answer of the RPC that was under way");
    assert_int_equal(last.code, RPC_OK);
    expect_answer_to("agent-service");
    close_link();
    stop_server();
}

static void test_swap_to_bad(void **state)
{
    static const char *const bad[][2] = {{"bad/other-ca", "ca"}, {"bad/expired", "ca"}, {"sip-signaling", "bad/ca"}};
    (void)state;
    start_server(0, "platform", "ca");
    open_good_link(grpc_serve_port(serve));
    wait_until(is_ready, "ready");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        swap_to(bad[i][0], bad[i][1]);
        wait_until(says_new_do_not_connect, bad[i][0]);
        assert_true(is_ready());
        expect_answer_to("sip-signaling-service");
    }
    assert_int_equal(grpc_link_generation(link_a), 1);
    swap_to("client", "ca"); /* mended */
    wait_until(second_generation, "the swap");
    assert_string_equal(grpc_link_detail(link_a), "");
    expect_answer_to("agent-service");
    close_link();
    stop_server();
}

/* The server comes to accept what it refused: nobody has to say reload twice. */
static void test_swap_waits_for_the_server(void **state)
{
    (void)state;
    start_server(0, "platform", "ca");
    uint16_t port = grpc_serve_port(serve);
    open_good_link(port);
    wait_until(is_ready, "ready");
    swap_to("bad/other-ca", "ca");
    wait_until(says_new_do_not_connect, "refused");
    stop_server();
    start_server(port, "platform", "bad/ca");
    wait_until(second_generation, "the swap");
    (void)call(0, "c", "", 3000);
    wait_until(ended, "an answer");
    assert_int_equal(last.code, RPC_OK);
    close_link();
    stop_server();
}

static void test_failed_link_gets_good_ones(void **state)
{
    (void)state;
    start_server(0, "platform", "ca");
    open_link(grpc_serve_port(serve), "media-service", "bad/other-ca", "ca");
    wait_until(is_failed, "refused");
    swap_to("sip-signaling", "ca");
    wait_until(is_ready, "ready with the new certificate");
    close_link();
    stop_server();
}

static void test_server_swap(void **state)
{
    (void)state;
    start_server(0, "platform", "ca");
    uint16_t port = grpc_serve_port(serve);
    open_good_link(port);
    expect_answer_to("sip-signaling-service");
    struct tls_files t = tls_of("platform", "bad/ca");
    grpc_serve_set_tls(serve, &t);
    tls_files_free(&t);
    expect_answer_to("sip-signaling-service"); /* on the connection there was */
    close_link();
    open_good_link(port);
    wait_until(is_failed, "refused by the new CA");
    close_link();
    /* A key that is not the certificate's changes nothing. */
    struct tls_files other = tls_of("client", "ca");
    t = tls_of("platform", "ca");
    char *key = t.key_pem;
    t.key_pem = other.key_pem;
    grpc_serve_set_tls(serve, &t);
    open_link(port, "media-service", "bad/other-ca", "ca");
    expect_answer_to("other-ca");
    t.key_pem = key;
    tls_files_free(&t);
    tls_files_free(&other);
    close_link();
    stop_server();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tls_refusals_say_why),
        cmocka_unit_test(test_swap_to_good),
        cmocka_unit_test(test_swap_to_bad),
        cmocka_unit_test(test_swap_waits_for_the_server),
        cmocka_unit_test(test_failed_link_gets_good_ones),
        cmocka_unit_test(test_server_swap),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
