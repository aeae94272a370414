#include "common/rt/nonce_text.h"

#define MAC_BYTES 16u
#define RAW_BYTES (NONCE_ID_BYTES + MAC_BYTES)
#define TEXT_BYTES 43u /* 32 bytes in base64 without padding */

/* --- base64url (RFC 4648 §5), one way to write each value --- */

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void encode(const uint8_t raw[RAW_BYTES], char out[NONCE_TEXT_SIZE])
{
    uint32_t bits = 0;
    unsigned held = 0;
    size_t at = 0;
    for (size_t i = 0; i < RAW_BYTES; i++) {
        bits = bits << 8 | raw[i];
        for (held += 8; held >= 6; held -= 6)
            out[at++] = letters[bits >> (held - 6) & 63];
    }
    out[at++] = letters[bits << (6 - held) & 63];
    out[at] = '\0';
}

static bool decode(struct span text, uint8_t raw[RAW_BYTES])
{
    uint32_t bits = 0;
    unsigned held = 0;
    size_t at = 0;
    if (text.len != TEXT_BYTES)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        const char *c = text.p[i] != '\0' ? strchr(letters, text.p[i]) : NULL;
        if (c == NULL)
            return false;
        bits = bits << 6 | (uint32_t)(c - letters);
        held += 6;
        if (held >= 8) {
            held -= 8;
            raw[at++] = (uint8_t)(bits >> held);
        }
    }
    return (bits & ((1u << held) - 1)) == 0;
}

/* --- a nonce --- */

static void put_u64(uint8_t *out, uint64_t v)
{
    for (int i = 7; i >= 0; i--, v >>= 8)
        out[i] = (uint8_t)v;
}

static int64_t born(const uint8_t raw[RAW_BYTES])
{
    uint64_t v = 0;
    for (size_t i = 0; i < 8; i++)
        v = v << 8 | raw[i];
    return (int64_t)v;
}

static void mac_of(const uint8_t key[CRYPT_KEY_BYTES], struct span realm, const uint8_t *id,
                   uint8_t out[CRYPT_MAC_BYTES])
{
    uint8_t in[NONCE_ID_BYTES + NONCE_REALM_MAX];
    size_t realm_len = realm.len < NONCE_REALM_MAX ? realm.len : NONCE_REALM_MAX;
    memcpy(in, id, NONCE_ID_BYTES);
    memcpy(in + NONCE_ID_BYTES, realm.p, realm_len);
    crypt_mac(key, span_of((const char *)in, NONCE_ID_BYTES + realm_len), out);
}

struct span nonce_text_make(const uint8_t key[CRYPT_KEY_BYTES], struct span realm, uint64_t random, int64_t wall_ms,
                            char out[NONCE_TEXT_SIZE])
{
    uint8_t raw[NONCE_ID_BYTES + CRYPT_MAC_BYTES];
    put_u64(raw, (uint64_t)wall_ms);
    put_u64(raw + 8, random);
    mac_of(key, realm, raw, raw + NONCE_ID_BYTES);
    encode(raw, out);
    return span_of(out, TEXT_BYTES);
}

static void take(const uint8_t raw[RAW_BYTES], struct nonce_made *out)
{
    out->born_wall_ms = born(raw);
    memcpy(out->id, raw, sizeof(out->id));
}

bool nonce_text_decode(struct span text, struct nonce_made *out)
{
    uint8_t raw[RAW_BYTES];
    if (!decode(text, raw))
        return false;
    take(raw, out);
    return true;
}

bool nonce_text_read(const uint8_t key[CRYPT_KEY_BYTES], struct span realm, struct span text, struct nonce_made *out)
{
    uint8_t raw[RAW_BYTES];
    uint8_t mac[CRYPT_MAC_BYTES];
    if (!decode(text, raw))
        return false;
    mac_of(key, realm, raw, mac);
    if (!crypt_same(span_of((const char *)raw + NONCE_ID_BYTES, MAC_BYTES), span_of((const char *)mac, MAC_BYTES)))
        return false;
    take(raw, out);
    return true;
}
