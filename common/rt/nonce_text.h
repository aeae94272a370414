/*
 * nonce_text: a nonce as it stands in a challenge. Layer: common/rt. Pure (the key and the times are given). RFC 7616
 * §3.3, §5.4.
 *
 * base64url of its time of birth, a random number, and a MAC of both and the realm. Who has the key can make one, and
 * say of any text that it is one and how old it is; nobody has to remember it. The edge makes them, call-actor reads
 * them.
 */
#ifndef COMMON_RT_NONCE_TEXT_H
#define COMMON_RT_NONCE_TEXT_H

#include "common/rt/crypt.h"

#define NONCE_TEXT_SIZE 48   /* 43 characters and a NUL */
#define NONCE_ID_BYTES 16u   /* birth and random: what no two have in common */
#define NONCE_REALM_MAX 256u /* bytes of the realm that the MAC is of */

struct nonce_made {
    int64_t born_wall_ms;
    uint8_t id[NONCE_ID_BYTES];
};

/** A new one. random: never the same twice. realm: as it stands between quotes. */
struct span nonce_text_make(const uint8_t key[CRYPT_KEY_BYTES], struct span realm, uint64_t random, int64_t wall_ms,
                            char out[NONCE_TEXT_SIZE]);
/** What it says of itself. false: it does not have the form of one. */
bool nonce_text_decode(struct span text, struct nonce_made *out);
/** false: it was not made with this key for this realm. Takes as long whichever of its bytes is wrong. */
bool nonce_text_read(const uint8_t key[CRYPT_KEY_BYTES], struct span realm, struct span text, struct nonce_made *out);

#endif
