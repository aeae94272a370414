/* The MAC against RFC 4231, hashes against RFC 1321 and RFC 7616, nonces against who tampers with them. */
#include "tests/unit/testkit.h"

#include "common/rt/nonce_text.h"

#include <stdio.h>

/* A shorter key is filled up with zeros (RFC 2104 §2), so keys of the RFC's examples fit. */
static void assert_mac(const char *key, size_t key_len, const char *text, const char *hex)
{
    uint8_t padded[CRYPT_KEY_BYTES] = {0};
    uint8_t mac[CRYPT_MAC_BYTES];
    char got[2 * CRYPT_MAC_BYTES + 1];
    memcpy(padded, key, key_len);
    crypt_mac(padded, span_cstr(text), mac);
    for (size_t i = 0; i < sizeof(mac); i++)
        (void)snprintf(got + 2 * i, 3, "%02x", mac[i]);
    assert_string_equal(got, hex);
}

static void mac_of_rfc_4231(void **state)
{
    (void)state;
    char key[20];
    memset(key, 0x0b, sizeof(key));
    assert_mac(key, sizeof(key), "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    assert_mac("Jefe", 4, "what do ya want for nothing?",
               "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

static void hashes(void **state)
{
    (void)state;
    char hex[CRYPT_HEX_SIZE];
    const struct span abc[] = {SPAN("abc")};
    crypt_hash_joined(CRYPT_MD5, abc, 1, hex);
    assert_string_equal(hex, "900150983cd24fb0d6963f7d28e17f72");
    const struct span mufasa[] = {SPAN("Mufasa"), SPAN("http-auth@example.org"), SPAN("Circle of Life")};
    crypt_hash_joined(CRYPT_MD5, mufasa, 3, hex);
    assert_string_equal(hex, "3d78807defe7de2157e2b0b6573a855f");
    crypt_hash_joined(CRYPT_SHA256, mufasa, 3, hex);
    assert_string_equal(hex, "7987c64c30e25f1b74be53f966b49b90f2808aa92faf9a00262392d7b4794232");
}

static void a_nonce_is_read_as_it_was_made(void **state)
{
    (void)state;
    const uint8_t key[CRYPT_KEY_BYTES] = {1};
    const uint8_t other_key[CRYPT_KEY_BYTES] = {2};
    char text[NONCE_TEXT_SIZE];
    struct nonce_made made;
    struct nonce_made same;
    const struct nonce_birth birth = {.wall_ms = 1700000000123, .random = 7, .origin = 0xfedcba98};
    struct span t = nonce_text_make(key, SPAN("realm"), &birth, text);
    assert_true(nonce_text_read(key, SPAN("realm"), t, &made));
    assert_int_equal(made.born_wall_ms, 1700000000123);
    assert_int_equal(made.origin, 0xfedcba98);
    assert_true(nonce_text_decode(t, &same));
    assert_memory_equal(made.id, same.id, sizeof(made.id));
    assert_false(nonce_text_read(other_key, SPAN("realm"), t, &made));
    assert_false(nonce_text_read(key, SPAN("other"), t, &made));
    assert_false(nonce_text_read(key, SPAN("realm"), span_of(t.p, t.len - 1), &made));
    for (size_t i = 0; i < t.len; i++) {
        text[i] ^= 1;
        assert_false(nonce_text_read(key, SPAN("realm"), t, &made));
        text[i] ^= 1;
    }
}

static void an_origin_is_an_address_or_a_64(void **state)
{
    (void)state;
    const uint8_t key[CRYPT_KEY_BYTES] = {1};
    const uint8_t other_key[CRYPT_KEY_BYTES] = {2};
    static const char *const of_one[] = {"2001:db8::1", "2001:db8::ffff:2", "2001:db8:0:0:1::"};
    uint32_t v6 = nonce_text_origin(key, SPAN("2001:db8::4"));
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(nonce_text_origin(key, span_cstr(of_one[i])), v6);
    assert_int_not_equal(nonce_text_origin(key, SPAN("2001:db8:0:1::4")), v6);
    uint32_t v4 = nonce_text_origin(key, SPAN("192.0.2.1"));
    assert_int_not_equal(nonce_text_origin(key, SPAN("192.0.2.2")), v4);
    assert_int_not_equal(nonce_text_origin(other_key, SPAN("192.0.2.1")), v4);
    (void)nonce_text_origin(key, SPAN("")); /* no address has one too */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mac_of_rfc_4231),
        cmocka_unit_test(hashes),
        cmocka_unit_test(a_nonce_is_read_as_it_was_made),
        cmocka_unit_test(an_origin_is_an_address_or_a_64),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
