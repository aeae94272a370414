/*
 * digest: challenges and the check of what comes back. Layer: call-actor, pure (hashes are crypt.h's). RFC 7616, RFC
 * 8760, RFC 3261 §22; without qop: RFC 2069, which RFC 3261 §22.4 keeps alive.
 */
#ifndef CALL_ACTOR_DIGEST_H
#define CALL_ACTOR_DIGEST_H

#include "common/rt/crypt.h"
#include "common/sip/sip_auth.h"
#include "common/sip/sip_msg.h"

/* What an offer or a stored secret is made with: bit (1u << CRYPT_MD5). */
#define DIGEST_MD5_ONLY (1u << CRYPT_MD5)

/** The hash a challenge or credentials name; without a name it is MD5 (RFC 7616 §3.3). -1: none we know; "-sess" is not
 * offered, so not taken. */
int digest_hash_of(const struct sip_auth *a);
/** "SHA-256"; static text. */
struct span digest_hash_name(enum crypt_hash h);

/* Credentials for our realm, complete in form. Spans point into the message. */
struct digest_claim {
    enum crypt_hash hash;
    struct span username; /* escapes as written: see digest_user */
    struct span nonce;
    struct span uri;
    struct span response;
    struct span cnonce;
    struct span nc_text;
    uint32_t nc; /* 0: without qop */
    struct span realm;
};

enum digest_found {
    DIGEST_NONE = 0,  /* nothing for us: challenge */
    DIGEST_FOUND = 1, /* *out is it */
    DIGEST_BAD = 2,   /* for us, or for nobody we could name, and malformed: 400 */
};

/**
 * The credentials for our realm among all that a request carries. Those of other realms, other schemes and hashes we
 * did not offer are passed over; of several of ours the first that is well formed counts.
 *
 * header   SIP_H_AUTHORIZATION or SIP_H_PROXY_AUTHORIZATION
 * realm    as it stands between quotes (escapes as written)
 * offered  bits of enum crypt_hash
 */
enum digest_found digest_find(struct digest_claim *out, const struct sip_msg *m, enum sip_hdr_id header,
                              struct span realm, unsigned offered);

/** Append the user name with its escapes resolved. */
void digest_user(struct buf *out, const struct digest_claim *c);

/**
 * Was the response made by somebody who knows the secret? Constant in time for secrets and responses of one length.
 * ha1      H(user:realm:password) of the claim's hash, lower-case hex
 * method   of the request
 */
bool digest_matches(const struct digest_claim *c, struct span method, struct span ha1);

struct digest_challenge {
    struct span realm; /* escapes as written */
    struct span nonce;
    bool stale;
    unsigned offered; /* bits of enum crypt_hash */
};
/** Append one challenge header a hash offered, the strongest first (RFC 8760 §2.3). */
void digest_write_challenge(struct buf *out, enum sip_hdr_id header, const struct digest_challenge *c);

#endif
