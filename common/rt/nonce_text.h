/*
 * nonce_text: a nonce as it stands in a challenge. Layer: common/rt. Pure (the key and the times are given). RFC 7616
 * §3.3, §5.4.
 *
 * base64url of its time of birth, a random number, who it was made for, and a MAC of these and the realm. Who has the
 * key can make one, and say of any text that it is one, how old it is and who got it; nobody has to remember it. The
 * edge makes them, call-actor reads them.
 */
#ifndef COMMON_RT_NONCE_TEXT_H
#define COMMON_RT_NONCE_TEXT_H

#include "common/rt/crypt.h"

#define NONCE_TEXT_SIZE 48   /* 43 characters and a NUL */
#define NONCE_ID_BYTES 16u   /* birth, random, origin: what no two have in common */
#define NONCE_REALM_MAX 256u /* bytes of the realm that the MAC is of */

struct nonce_made {
    int64_t born_wall_ms;
    uint32_t origin; /* nonce_text_origin of who it was made for */
    uint8_t id[NONCE_ID_BYTES];
};

/**
 * Names the source a challenge goes to: an address, of IPv6 its /64, for whoever has one address of a network there
 * has 2^64. Without the key nobody can find two sources with one name.
 * addr: text, without brackets; what is no address is hashed as it is
 */
uint32_t nonce_text_origin(const uint8_t key[CRYPT_KEY_BYTES], struct span addr);

struct nonce_birth {
    int64_t wall_ms;
    uint64_t random; /* its lower 48 bits: never the same twice in a millisecond */
    uint32_t origin;
};
/** A new one. realm: as it stands between quotes. */
struct span nonce_text_make(const uint8_t key[CRYPT_KEY_BYTES], struct span realm, const struct nonce_birth *birth,
                            char out[NONCE_TEXT_SIZE]);
/** What it says of itself. false: it does not have the form of one. */
bool nonce_text_decode(struct span text, struct nonce_made *out);
/** false: it was not made with this key for this realm. Takes as long whichever of its bytes is wrong. */
bool nonce_text_read(const uint8_t key[CRYPT_KEY_BYTES], struct span realm, struct span text, struct nonce_made *out);

#endif
