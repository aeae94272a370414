/* Digest: the examples of RFC 2617 §3.5 and RFC 7616 §3.9.1, and which credentials are found. */
#include "tests/unit/testkit.h"

#include "call-actor/digest.h"
#include <stdio.h>

#define REGISTER_WITH(credentials)                                                                                     \
    "REGISTER sip:h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:a@h>\r\n"       \
    "Call-ID: 1\r\nCSeq: 1 REGISTER\r\n" credentials "Content-Length: 0\r\n\r\n"

static struct sip_msg msg;

static enum digest_found find(const char *text, const char *realm, unsigned offered, struct digest_claim *out)
{
    assert_int_equal(sip_msg_decode(&msg, span_cstr(text)), 0);
    return digest_find(out, &msg, SIP_H_AUTHORIZATION, span_cstr(realm), offered);
}

static struct span ha1_of(enum crypt_hash h, const char *user, const char *realm, const char *password, char *out)
{
    const struct span parts[] = {span_cstr(user), span_cstr(realm), span_cstr(password)};
    crypt_hash_joined(h, parts, 3, out);
    return span_cstr(out);
}

static void rfc_2617(void **state)
{
    (void)state;
    struct digest_claim c;
    char ha1[CRYPT_HEX_SIZE];
    const char *text =
        REGISTER_WITH("Authorization: Digest username=\"Mufasa\",realm=\"testrealm@host.com\","
                      "nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\",uri=\"/dir/index.html\",qop=auth,nc=00000001,"
                      "cnonce=\"0a4f113b\",response=\"6629fae49393a05397450978507c4ef1\",opaque="
                      "\"5ccc069c403ebaf9f0171e9517f40e41\"\r\n");
    assert_int_equal(find(text, "testrealm@host.com", DIGEST_MD5_ONLY, &c), DIGEST_FOUND);
    assert_int_equal(c.nc, 1);
    struct span secret = ha1_of(CRYPT_MD5, "Mufasa", "testrealm@host.com", "Circle Of Life", ha1);
    assert_string_equal(ha1, "939e7578ed9e3c518a452acee763bce9");
    assert_true(digest_matches(&c, SPAN("GET"), secret));
    assert_false(digest_matches(&c, SPAN("PUT"), secret));
    secret = ha1_of(CRYPT_MD5, "Mufasa", "testrealm@host.com", "Circle of Life", ha1);
    assert_false(digest_matches(&c, SPAN("GET"), secret));
}

#define RFC_7616(algorithm, response)                                                                                  \
    "Authorization: Digest username=\"Mufasa\", realm=\"http-auth@example.org\", uri=\"/dir/index.html\", "            \
    "algorithm=" algorithm ", nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", nc=00000001, "                   \
    "cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\", qop=auth, response=\"" response "\"\r\n"
#define SHA256_RESPONSE "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
#define MD5_RESPONSE "8ca523f5e9506fed4657c9700eebdbec"

static void rfc_7616(void **state)
{
    (void)state;
    struct digest_claim c;
    char ha1[CRYPT_HEX_SIZE];
    const char *realm = "http-auth@example.org";
    const char *both = REGISTER_WITH(RFC_7616("SHA-256", SHA256_RESPONSE) RFC_7616("MD5", MD5_RESPONSE));
    assert_int_equal(find(both, realm, DIGEST_MD5_ONLY, &c), DIGEST_FOUND);
    assert_int_equal(c.hash, CRYPT_MD5); /* not offered: passed over */
    assert_true(digest_matches(&c, SPAN("GET"), ha1_of(CRYPT_MD5, "Mufasa", realm, "Circle of Life", ha1)));
    assert_int_equal(find(both, realm, DIGEST_MD5_ONLY | 1u << CRYPT_SHA256, &c), DIGEST_FOUND);
    assert_int_equal(c.hash, CRYPT_SHA256);
    assert_true(digest_matches(&c, SPAN("GET"), ha1_of(CRYPT_SHA256, "Mufasa", realm, "Circle of Life", ha1)));
    assert_int_equal(find(both, realm, 1u << CRYPT_SHA512_256, &c), DIGEST_NONE);
}

/* RFC 2069: no qop, no count. */
static void without_qop(void **state)
{
    (void)state;
    struct digest_claim c;
    char ha1[CRYPT_HEX_SIZE];
    char want[CRYPT_HEX_SIZE];
    char ha2[CRYPT_HEX_SIZE];
    char text[1024];
    struct span secret = ha1_of(CRYPT_MD5, "a", "r", "p", ha1);
    const struct span a2[] = {SPAN("REGISTER"), SPAN("sip:h")};
    crypt_hash_joined(CRYPT_MD5, a2, 2, ha2);
    const struct span parts[] = {secret, SPAN("n"), span_cstr(ha2)};
    crypt_hash_joined(CRYPT_MD5, parts, 3, want);
    for (char *p = want; *p != '\0'; p++)
        *p = (char)(*p >= 'a' && *p <= 'f' ? *p - 'a' + 'A' : *p); /* capitals say the same */
    (void)snprintf(text, sizeof(text),
                   REGISTER_WITH("Authorization: Digest username=\"a\", realm=\"r\", nonce=\"n\", uri=\"sip:h\", "
                                 "response=\"%s\"\r\n"),
                   want);
    assert_int_equal(find(text, "r", DIGEST_MD5_ONLY, &c), DIGEST_FOUND);
    assert_int_equal(c.nc, 0);
    assert_true(digest_matches(&c, SPAN("REGISTER"), secret));
}

#define GOOD "username=\"a\", realm=\"r\", nonce=\"n\", uri=\"u\", response=\"x\""
#define AUTH(fields) REGISTER_WITH("Authorization: Digest " fields "\r\n")

static void which_are_found(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum digest_found is;
    } rows[] = {
        {REGISTER_WITH(""), DIGEST_NONE},
        {REGISTER_WITH("Authorization: Basic YTpi\r\n"), DIGEST_NONE},
        {REGISTER_WITH("Authorization: Digest\r\n"), DIGEST_BAD},
        {AUTH(GOOD), DIGEST_FOUND},
        {AUTH(GOOD ", algorithm=md5"), DIGEST_FOUND},
        {AUTH(GOOD ", algorithm=MD5-sess"), DIGEST_NONE},
        {AUTH(GOOD ", qop=auth"), DIGEST_BAD},
        {AUTH(GOOD ", qop=auth, nc=00000001"), DIGEST_BAD},
        {AUTH(GOOD ", qop=auth, nc=00000001, cnonce=\"c\""), DIGEST_FOUND},
        {AUTH(GOOD ", qop=\"auth\", nc=0000000F, cnonce=\"c\""), DIGEST_FOUND},
        {AUTH(GOOD ", qop=auth, nc=00000000, cnonce=\"c\""), DIGEST_BAD},
        {AUTH(GOOD ", qop=auth, nc=1, cnonce=\"c\""), DIGEST_BAD},
        {AUTH(GOOD ", qop=auth, nc=0000000g, cnonce=\"c\""), DIGEST_BAD},
        {AUTH(GOOD ", qop=auth-int, nc=00000001, cnonce=\"c\""), DIGEST_BAD},
        {AUTH("username=\"a\", nonce=\"n\", uri=\"u\", response=\"x\""), DIGEST_BAD},
        {AUTH("username=\"a\", realm=\"other\", nonce=\"n\", uri=\"u\", response=\"x\""), DIGEST_NONE},
        {AUTH("realm=\"r\", nonce=\"n\", uri=\"u\", response=\"x\""), DIGEST_BAD},
        {AUTH("username=\"a\", realm=\"r\", uri=\"u\", response=\"x\""), DIGEST_BAD},
        {AUTH("username=\"a\", realm=\"r\", nonce=\"n\", response=\"x\""), DIGEST_BAD},
        {AUTH("username=\"a\", realm=\"r\", nonce=\"n\", uri=\"u\""), DIGEST_BAD},
        {AUTH("username=\"a"), DIGEST_BAD},
        {AUTH("username=\"a\", username=\"a\", realm=\"r\", nonce=\"n\", uri=\"u\", response=\"x\""), DIGEST_BAD},
        /* a bad one does not hide a good one, whichever is first */
        {REGISTER_WITH("Authorization: Digest x\r\nAuthorization: Digest " GOOD "\r\n"), DIGEST_FOUND},
        {REGISTER_WITH("Authorization: Digest " GOOD "\r\nAuthorization: Digest x\r\n"), DIGEST_FOUND},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct digest_claim c;
        enum digest_found is = find(rows[i].text, "r", DIGEST_MD5_ONLY, &c);
        if (is != rows[i].is)
            fail_msg("row %zu: %d instead of %d", i, is, rows[i].is);
    }
}

static void challenges(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1000);
    struct digest_challenge c = {.realm = SPAN("r"), .nonce = SPAN("n"), .offered = 7};
    digest_write_challenge(&b, SIP_H_WWW_AUTHENTICATE, &c);
    assert_string_equal(buf_cstr(&b),
                        "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", algorithm=SHA-512-256, qop=\"auth\"\r\n"
                        "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", algorithm=SHA-256, qop=\"auth\"\r\n"
                        "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", algorithm=MD5, qop=\"auth\"\r\n");
    buf_reset(&b);
    c.offered = DIGEST_MD5_ONLY;
    c.stale = true;
    digest_write_challenge(&b, SIP_H_PROXY_AUTHENTICATE, &c);
    assert_string_equal(
        buf_cstr(&b),
        "Proxy-Authenticate: Digest realm=\"r\", nonce=\"n\", algorithm=MD5, qop=\"auth\", stale=true\r\n");
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc_2617),        cmocka_unit_test(rfc_7616),   cmocka_unit_test(without_qop),
        cmocka_unit_test(which_are_found), cmocka_unit_test(challenges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
