#include "common/rt/nonce_text.h"

#include "common/base/map.h"
#include <arpa/inet.h>

#define MAC_BYTES 16u
#define RAW_BYTES (NONCE_ID_BYTES + MAC_BYTES)
#define TEXT_BYTES 43u /* 32 bytes in base64 without padding */

/* What the id is made of: milliseconds for 8,900 years, random, origin. */
#define BIRTH_BYTES 6u
#define RANDOM_BYTES 6u
#define ORIGIN_BYTES 4u

#define NETWORK6_BYTES 8u /* /64 */

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

_Static_assert(BIRTH_BYTES + RANDOM_BYTES + ORIGIN_BYTES == NONCE_ID_BYTES, "what the id is made of");

static uint8_t *put_num(uint8_t *out, uint64_t v, size_t bytes)
{
    for (size_t i = bytes; i-- > 0; v >>= 8)
        out[i] = (uint8_t)v;
    return out + bytes;
}

static uint64_t num_at(const uint8_t *raw, size_t bytes)
{
    uint64_t v = 0;
    for (size_t i = 0; i < bytes; i++)
        v = v << 8 | raw[i];
    return v;
}

static struct span network_of(struct span addr, struct in6_addr *ip)
{
    char text[INET6_ADDRSTRLEN];
    bool ip6 = span_copy(text, sizeof(text), addr) && inet_pton(AF_INET6, text, ip) == 1 && !IN6_IS_ADDR_V4MAPPED(ip);
    return ip6 ? span_of((const char *)ip->s6_addr, NETWORK6_BYTES) : addr;
}

uint32_t nonce_text_origin(const uint8_t key[CRYPT_KEY_BYTES], struct span addr)
{
    struct in6_addr ip;
    const uint64_t k[2] = {num_at(key, sizeof(uint64_t)), num_at(key + sizeof(uint64_t), sizeof(uint64_t))};
    return (uint32_t)map_siphash(k, network_of(addr, &ip));
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

struct span nonce_text_make(const uint8_t key[CRYPT_KEY_BYTES], struct span realm, const struct nonce_birth *birth,
                            char out[NONCE_TEXT_SIZE])
{
    uint8_t raw[NONCE_ID_BYTES + CRYPT_MAC_BYTES];
    uint8_t *at = put_num(raw, (uint64_t)birth->wall_ms, BIRTH_BYTES);
    at = put_num(at, birth->random, RANDOM_BYTES);
    (void)put_num(at, birth->origin, ORIGIN_BYTES);
    mac_of(key, realm, raw, raw + NONCE_ID_BYTES);
    encode(raw, out);
    return span_of(out, TEXT_BYTES);
}

static void take(const uint8_t raw[RAW_BYTES], struct nonce_made *out)
{
    out->born_wall_ms = (int64_t)num_at(raw, BIRTH_BYTES);
    out->origin = (uint32_t)num_at(raw + BIRTH_BYTES + RANDOM_BYTES, ORIGIN_BYTES);
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
