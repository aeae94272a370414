/* Answers to challenges: the examples of RFC 2617 §3.5 and RFC 7616 §3.9 (erratum 4897 for SHA-512-256), and which are
 * answered at all. */
#include "tests/unit/testkit.h"

#include "call-actor/digest.h"
#include "call-actor/digest_client.h"
#include <stdio.h>
#include <string.h>

#define RESPONSE(status, challenges)                                                                                   \
    "SIP/2.0 " status " No\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:b@h>;tag=2\r\n"  \
    "Call-ID: 1\r\nCSeq: 1 INVITE\r\n" challenges "Content-Length: 0\r\n\r\n"

static struct sip_msg msg;
static struct buf out;

static int setup(void **state)
{
    (void)state;
    buf_init(&out, 4096);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buf_fini(&out);
    return 0;
}

static enum digest_answered answer(const char *text, const struct digest_ask *ask, struct span *nonce)
{
    assert_int_equal(sip_msg_decode(&msg, span_cstr(text)), 0);
    buf_reset(&out);
    return digest_answer(&out, &msg, ask, nonce);
}

/* The line that was appended, as a header of a request, so that it can be read. */
static struct sip_auth written(const char *name)
{
    struct sip_auth a;
    struct span line = buf_span(&out);
    assert_true(span_starts(line, span_cstr(name)));
    assert_int_equal(span_find(line, '\n'), line.len - 1);
    assert_int_equal(sip_auth_decode(&a, span_of(line.p + strlen(name) + 2, line.len - strlen(name) - 4)), 0);
    return a;
}

static void assert_span(struct span s, const char *text)
{
    if (!span_eq(s, span_cstr(text)))
        fail_msg("'%.*s' instead of '%s'", SPAN_ARG(s), text);
}

/* --- the numbers --- */

static void rfc_2617(void **state)
{
    (void)state;
    const struct digest_login login = {.user = "Mufasa", .secret = "Circle Of Life", .realm = "testrealm@host.com"};
    struct digest_ask ask = {
        .login = &login, .method = SPAN("GET"), .uri = SPAN("/dir/index.html"), .cnonce = SPAN("0a4f113b")};
    struct span nonce;
    assert_int_equal(
        answer(RESPONSE("401",
                        "WWW-Authenticate: Digest realm=\"testrealm@host.com\",qop=\"auth,auth-int\",nonce="
                        "\"dcd98b7102dd2f0e8b11d0f600bfb0c093\",opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"\r\n"),
               &ask, &nonce),
        DIGEST_ANSWERED);
    struct sip_auth a = written("Authorization");
    assert_span(a.field[SIP_AUTH_RESPONSE], "6629fae49393a05397450978507c4ef1");
    assert_span(a.field[SIP_AUTH_USERNAME], "Mufasa");
    assert_span(a.field[SIP_AUTH_QOP], "auth");
    assert_span(a.field[SIP_AUTH_NC], "00000001");
    assert_span(a.field[SIP_AUTH_OPAQUE], "5ccc069c403ebaf9f0171e9517f40e41");
    assert_false(sip_auth_has(&a, SIP_AUTH_ALGORITHM)); /* it was not named */
    assert_span(nonce, "dcd98b7102dd2f0e8b11d0f600bfb0c093");
}

#define RFC_7616(algorithm)                                                                                            \
    "WWW-Authenticate: Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm=" algorithm           \
    ", nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", "                                                       \
    "opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"\r\n"

static void rfc_7616(void **state)
{
    (void)state;
    const struct digest_login login = {.user = "Mufasa", .secret = "Circle of Life", .realm = "http-auth@example.org"};
    struct digest_ask ask = {.login = &login,
                             .method = SPAN("GET"),
                             .uri = SPAN("/dir/index.html"),
                             .cnonce = SPAN("f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ")};
    struct span nonce;
    assert_int_equal(answer(RESPONSE("401", RFC_7616("SHA-256") RFC_7616("MD5")), &ask, &nonce), DIGEST_ANSWERED);
    struct sip_auth a = written("Authorization");
    assert_span(a.field[SIP_AUTH_RESPONSE], "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1");
    assert_span(a.field[SIP_AUTH_ALGORITHM], "SHA-256");
    assert_int_equal(answer(RESPONSE("401", RFC_7616("MD5")), &ask, &nonce), DIGEST_ANSWERED);
    a = written("Authorization");
    assert_span(a.field[SIP_AUTH_RESPONSE], "8ca523f5e9506fed4657c9700eebdbec");
}

static void sha512_256(void **state)
{
    (void)state;
    const struct digest_login login = {
        .user = "J\xc3\xa4s\xc3\xb8n Doe", .secret = "Secret, or not?", .realm = "api@example.org"};
    struct digest_ask ask = {.login = &login,
                             .method = SPAN("GET"),
                             .uri = SPAN("/doe.json"),
                             .cnonce = SPAN("NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v")};
    struct span nonce;
    assert_int_equal(
        answer(RESPONSE("407", "Proxy-Authenticate: Digest realm=\"api@example.org\", qop=\"auth\", "
                               "algorithm=SHA-512-256, nonce=\"5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK\", "
                               "opaque=\"HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS\", charset=UTF-8\r\n"),
               &ask, &nonce),
        DIGEST_ANSWERED);
    struct sip_auth a = written("Proxy-Authorization");
    assert_span(a.field[SIP_AUTH_RESPONSE], "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5");
}

/* What we say as a client our own server side takes, with and without qop. */
static void the_other_half_agrees(void **state)
{
    (void)state;
    static const char *const qops[] = {"", ", qop=\"auth\""};
    const struct digest_login login = {.user = "tr\"unk", .secret = "s", .realm = "a \\ b"};
    struct digest_ask ask = {.login = &login, .method = SPAN("INVITE"), .uri = SPAN("sip:1@h"), .cnonce = SPAN("c0c0")};
    for (size_t i = 0; i < 2; i++) {
        char text[1024];
        char ha1[CRYPT_HEX_SIZE];
        struct span nonce;
        struct digest_claim claim;
        (void)snprintf(text, sizeof(text),
                       RESPONSE("407", "Proxy-Authenticate: Digest realm=\"a \\\\ b\", nonce=\"n\"%s\r\n"), qops[i]);
        assert_int_equal(answer(text, &ask, &nonce), DIGEST_ANSWERED);
        (void)snprintf(text, sizeof(text),
                       "INVITE sip:1@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\n"
                       "To: <sip:b@h>\r\nCall-ID: 1\r\nCSeq: 2 INVITE\r\n%sContent-Length: 0\r\n\r\n",
                       buf_cstr(&out));
        assert_int_equal(sip_msg_decode(&msg, span_cstr(text)), 0);
        assert_int_equal(digest_find(&claim, &msg, SIP_H_PROXY_AUTHORIZATION, SPAN("a \\\\ b"), DIGEST_MD5_ONLY),
                         DIGEST_FOUND);
        const struct span a1[] = {SPAN("tr\\\"unk"), SPAN("a \\\\ b"), SPAN("s")};
        crypt_hash_joined(CRYPT_MD5, a1, 3, ha1);
        assert_true(digest_matches(&claim, SPAN("INVITE"), span_cstr(ha1)));
        assert_int_equal(claim.nc, i);
    }
}

/* --- which are answered --- */

#define WWW(fields) "WWW-Authenticate: Digest " fields "\r\n"
#define OURS "realm=\"trunk\", nonce=\"n1\""

static void which_are_answered(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *used;
        enum digest_answered is;
        const char *algorithm;
    } rows[] = {
        {RESPONSE("401", ""), "", DIGEST_NOT_OURS, NULL},
        {RESPONSE("401", WWW(OURS)), "", DIGEST_ANSWERED, ""},
        {RESPONSE("407", WWW(OURS)), "", DIGEST_NOT_OURS, NULL}, /* the header is the other one's */
        {RESPONSE("401", "WWW-Authenticate: Basic realm=\"trunk\"\r\n"), "", DIGEST_NOT_OURS, NULL},
        {RESPONSE("401", WWW("realm=\"Trunk\", nonce=\"n1\"")), "", DIGEST_NOT_OURS, NULL},
        {RESPONSE("401", WWW("realm=\"trunk.evil.example\", nonce=\"n1\"")), "", DIGEST_NOT_OURS, NULL},
        {RESPONSE("401", WWW("realm=\"\", nonce=\"n1\"")), "", DIGEST_NOT_OURS, NULL},
        {RESPONSE("401", WWW("nonce=\"n1\"")), "", DIGEST_NOT_OURS, NULL},
        {RESPONSE("401", WWW("realm=\"trunk\"")), "", DIGEST_NOT_OURS, NULL},
        {RESPONSE("401", WWW("realm=\"trunk\", nonce=\"\"")), "", DIGEST_NOT_OURS, NULL},
        {RESPONSE("401", WWW(OURS ", algorithm=SHA-1")), "", DIGEST_NOT_OURS, NULL},
        {RESPONSE("401", WWW(OURS ", algorithm=MD5-sess")), "", DIGEST_NOT_OURS, NULL},
        {RESPONSE("401", WWW(OURS ", qop=\"auth-int\"")), "", DIGEST_NOT_OURS, NULL},
        {RESPONSE("401", WWW(OURS ", qop=\"auth-int,auth\"")), "", DIGEST_ANSWERED, ""},
        {RESPONSE("401", WWW(OURS ", nonce=\"n2\"")), "", DIGEST_NOT_OURS, NULL},
        /* the strongest, in whatever order; what cannot be answered does not hide what can */
        {RESPONSE("401",
                  WWW(OURS ", algorithm=MD5") WWW(OURS ", algorithm=SHA-512-256") WWW(OURS ", algorithm=SHA-256")),
         "", DIGEST_ANSWERED, "SHA-512-256"},
        {RESPONSE("401", WWW(OURS ", algorithm=SHA-999") WWW("realm=\"other\", nonce=\"x\", algorithm=SHA-256")
                             WWW(OURS ", algorithm=md5")),
         "", DIGEST_ANSWERED, "MD5"},
        {RESPONSE("401", WWW("realm=\"trunk\", nonce=\"n1") WWW(OURS)), "", DIGEST_ANSWERED, ""},
        /* asked again */
        {RESPONSE("401", WWW(OURS)), "n0", DIGEST_REJECTED, NULL},
        {RESPONSE("401", WWW(OURS ", stale=false")), "n0", DIGEST_REJECTED, NULL},
        {RESPONSE("401", WWW(OURS ", stale=TRUE")), "n0", DIGEST_ANSWERED, ""},
        {RESPONSE("401", WWW(OURS ", stale=\"true\"")), "n0", DIGEST_ANSWERED, ""},
        {RESPONSE("401", WWW(OURS ", stale=true")), "n1", DIGEST_REJECTED, NULL}, /* the very nonce we answered */
        {RESPONSE("401", WWW("realm=\"other\", nonce=\"n1\"")), "n0", DIGEST_NOT_OURS, NULL},
    };
    const struct digest_login login = {.user = "us", .secret = "secret", .realm = "trunk"};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct digest_ask ask = {.login = &login,
                                 .method = SPAN("INVITE"),
                                 .uri = SPAN("sip:1@h"),
                                 .used = span_cstr(rows[i].used),
                                 .cnonce = SPAN("c")};
        struct span nonce;
        enum digest_answered is = answer(rows[i].text, &ask, &nonce);
        if (is != rows[i].is)
            fail_msg("row %zu: %d instead of %d", i, is, rows[i].is);
        assert_int_equal(out.len > 0, is == DIGEST_ANSWERED);
        assert_int_equal(nonce.len > 0, is == DIGEST_ANSWERED);
        if (is != DIGEST_ANSWERED)
            continue;
        struct sip_auth a = written("Authorization");
        assert_span(a.field[SIP_AUTH_ALGORITHM], rows[i].algorithm);
    }
}

static void without_a_login_nothing_is_said(void **state)
{
    (void)state;
    struct span nonce;
    struct digest_login login = {.user = "", .secret = "", .realm = "trunk"};
    struct digest_ask ask = {.login = &login, .method = SPAN("INVITE"), .uri = SPAN("sip:1@h"), .cnonce = SPAN("c")};
    assert_int_equal(answer(RESPONSE("401", WWW(OURS)), &ask, &nonce), DIGEST_NOT_OURS);
    login = (struct digest_login){.user = "us", .secret = "s", .realm = ""};
    assert_int_equal(answer(RESPONSE("401", WWW("realm=\"\", nonce=\"n\"")), &ask, &nonce), DIGEST_NOT_OURS);
    assert_int_equal(out.len, 0);
}

/* A nonce is a stranger's text and comes back in a header of ours. */
static void a_folded_nonce_starts_no_line(void **state)
{
    (void)state;
    struct span nonce;
    const struct digest_login login = {.user = "us", .secret = "s", .realm = "trunk"};
    struct digest_ask ask = {.login = &login, .method = SPAN("INVITE"), .uri = SPAN("sip:1@h"), .cnonce = SPAN("c")};
    enum digest_answered is = answer(RESPONSE("401", WWW("realm=\"trunk\", nonce=\"a\r\n Evil: x\"")), &ask, &nonce);
    if (is == DIGEST_ANSWERED)
        (void)written("Authorization");
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rfc_2617),
        TEST(rfc_7616),
        TEST(sha512_256),
        TEST(the_other_half_agrees),
        TEST(which_are_answered),
        TEST(without_a_login_nothing_is_said),
        TEST(a_folded_nonce_starts_no_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
