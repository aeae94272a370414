/* A REGISTER without credentials is asked for them by the edge alone; with them it is its actor's. */
#include "tests/unit/sip-edge/fake.h"
#include "tests/unit/testkit.h"

#include "common/sip/sip_auth.h"
#include <stdio.h>

static const uint8_t key[CRYPT_KEY_BYTES] = {7};

static int setup(void **state)
{
    (void)state;
    fake_begin(1, NULL);
    fake_actors_ready();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fake_end();
    return 0;
}

static void tell(const char *realm, char **algorithms, size_t cnt)
{
    Plane__Challenge m = PLANE__CHALLENGE__INIT;
    struct now now = {.mono_ms = fake.now_ms, .wall_ms = 1700000000000};
    m.nonce_key = (ProtobufCBinaryData){.len = sizeof(key), .data = (uint8_t *)(uintptr_t)key};
    m.realm = (char *)(uintptr_t)realm;
    m.algorithms = algorithms;
    m.n_algorithms = cnt;
    edge_on_actor(&fake.edge, 0, PLANE_EDGE_CHALLENGE, &m.base, now);
}

static void tell_md5(void)
{
    char *md5[] = {(char *)(uintptr_t) "MD5"};
    tell("realm", md5, 1);
}

static void rx(const char *branch, const char *to, const char *more)
{
    char text[2048];
    (void)snprintf(text, sizeof(text),
                   "REGISTER sip:h SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.10:5062;branch=%s;rport\nMax-Forwards: 70\n"
                   "From: <sip:a@h>;tag=1\nTo: %s\nCall-ID: c-%s\nCSeq: 1 REGISTER\n%sContent-Length: 0\n\n",
                   branch, to, branch, more);
    fake_rx(text);
}

static struct sip_auth challenge(void)
{
    static char value[1024];
    struct sip_auth a;
    (void)snprintf(value, sizeof(value), "%s", fake_header(fake_sent_back(0), "WWW-Authenticate"));
    assert_int_equal(sip_auth_decode(&a, span_cstr(value)), 0);
    return a;
}

static void a_nonce_that_the_actor_knows_for_its_own(void **state)
{
    (void)state;
    struct nonce_made made;
    tell_md5();
    rx("z9hG4bK1", "<sip:a@h>", "");
    assert_int_equal(fake.told_cnt, 0);
    assert_string_equal(fake_line(fake_sent_back(0)), "SIP/2.0 401 Unauthorized");
    struct sip_auth a = challenge();
    assert_true(span_eq(a.field[SIP_AUTH_REALM], SPAN("realm")));
    assert_true(span_eq(a.field[SIP_AUTH_QOP], SPAN("auth")));
    assert_true(span_eq(a.field[SIP_AUTH_ALGORITHM], SPAN("MD5")));
    assert_false(sip_auth_has(&a, SIP_AUTH_STALE));
    assert_true(nonce_text_read(key, SPAN("realm"), a.field[SIP_AUTH_NONCE], &made));
    assert_int_equal(made.origin, nonce_text_origin(key, SPAN("192.0.2.10"))); /* who got it, for whoever uses it */
    assert_int_equal(txn_index_count(&fake.edge.index), 0);                    /* nothing is kept */
}

static void nonces_differ(void **state)
{
    (void)state;
    char first[NONCE_TEXT_SIZE];
    tell_md5();
    rx("z9hG4bK1", "<sip:a@h>", "");
    assert_true(span_copy(first, sizeof(first), challenge().field[SIP_AUTH_NONCE]));
    rx("z9hG4bK1", "<sip:a@h>", ""); /* also for a repeat: it was forgotten */
    assert_int_equal(fake.sent_cnt, 2);
    assert_false(span_eq(challenge().field[SIP_AUTH_NONCE], span_cstr(first)));
}

static void every_algorithm_is_offered(void **state)
{
    (void)state;
    char *two[] = {(char *)(uintptr_t) "SHA-256", (char *)(uintptr_t) "MD5"};
    tell("realm", two, 2);
    rx("z9hG4bK1", "<sip:a@h>", "");
    assert_true(span_eq(challenge().field[SIP_AUTH_ALGORITHM], SPAN("SHA-256")));
    assert_non_null(strstr(fake_sent_back(0)->text, "algorithm=MD5"));
}

static void whatever_else_is_the_actor_s(void **state)
{
    (void)state;
    rx("z9hG4bK0", "<sip:a@h>", ""); /* it has not said how */
    assert_int_equal(fake.told_cnt, 1);
    tell_md5();
    rx("z9hG4bK1", "<sip:a@h>", "Authorization: Basic eHg6eXk=\n");
    assert_int_equal(fake.told_cnt, 2);
    rx("z9hG4bK2", "<sip:a@h>", "Authorization: \n");
    assert_int_equal(fake.told_cnt, 3);
    rx("z9hG4bK3", "<sip:h>", "");
    assert_int_equal(fake.told_cnt, 4);
    rx("z9hG4bK4", "<sip:a%00@h>", "");
    assert_int_equal(fake.told_cnt, 5);
    rx("z9hG4bK5", "<tel:+905551234567>", "");
    assert_int_equal(fake.told_cnt, 6);
    assert_int_equal(fake.sent_cnt, 0);
}

static void what_does_not_fit_is_not_taken(void **state)
{
    (void)state;
    char *odd[] = {(char *)(uintptr_t) "an-algorithm-with-a-very-long-name"};
    tell("realm", odd, 1);
    rx("z9hG4bK1", "<sip:a@h>", "");
    assert_int_equal(fake.told_cnt, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_nonce_that_the_actor_knows_for_its_own, setup, teardown),
        cmocka_unit_test_setup_teardown(nonces_differ, setup, teardown),
        cmocka_unit_test_setup_teardown(every_algorithm_is_offered, setup, teardown),
        cmocka_unit_test_setup_teardown(whatever_else_is_the_actor_s, setup, teardown),
        cmocka_unit_test_setup_teardown(what_does_not_fit_is_not_taken, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
