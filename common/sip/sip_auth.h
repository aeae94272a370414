/*
 * sip_auth: the fields of digest challenges and credentials. Layer: common/sip. Pure: no hash is computed here.
 * WWW-Authenticate, Proxy-Authenticate, Authorization, Proxy-Authorization, Authentication-Info. RFC 3261 §22, RFC
 * 7616, RFC 8760.
 */
#ifndef COMMON_SIP_SIP_AUTH_H
#define COMMON_SIP_SIP_AUTH_H

#include "common/sip/sip_hdr.h"
#include "common/sip/sip_lex.h"

/* Order is that of the array in struct sip_auth and of the encoder. */
#define SIP_AUTH_FIELDS(X)                                                                                             \
    X(USERNAME, "username", true)                                                                                      \
    X(REALM, "realm", true)                                                                                            \
    X(NONCE, "nonce", true)                                                                                            \
    X(URI, "uri", true)                                                                                                \
    X(RESPONSE, "response", true)                                                                                      \
    X(ALGORITHM, "algorithm", false)                                                                                   \
    X(CNONCE, "cnonce", true)                                                                                          \
    X(OPAQUE, "opaque", true)                                                                                          \
    X(QOP, "qop", false) /* quoted in a challenge, a token in credentials */                                           \
    X(NC, "nc", false)                                                                                                 \
    X(STALE, "stale", false)                                                                                           \
    X(DOMAIN, "domain", true)                                                                                          \
    X(USERHASH, "userhash", false)                                                                                     \
    X(RSPAUTH, "rspauth", true)                                                                                        \
    X(NEXTNONCE, "nextnonce", true)

enum sip_auth_field {
#define SIP_AUTH_ENUM(id, name, quoted) SIP_AUTH_##id,
    SIP_AUTH_FIELDS(SIP_AUTH_ENUM)
#undef SIP_AUTH_ENUM
        SIP_AUTH_FIELD_CNT
};

struct sip_auth {
    struct span scheme;
    bool digest;                           /* the scheme is Digest; of any other nothing more is decoded */
    uint32_t have;                         /* bit (1u << SIP_AUTH_REALM): the field is present, even if empty */
    struct span field[SIP_AUTH_FIELD_CNT]; /* without quotes, escapes as written (what the digest is computed over) */
};

/**
 * Decode one challenge or credentials. Unknown fields are skipped.
 *
 * returns  0, -SIP_EMALFORMED (no scheme, unclosed quote, junk), -SIP_EDUP (a field twice) or -SIP_ELIMIT.
 *          Which fields must be present is the caller's to check by `have`.
 * borrows  `in`
 */
int sip_auth_decode(struct sip_auth *out, struct span in);
static inline bool sip_auth_has(const struct sip_auth *a, enum sip_auth_field f)
{
    return (a->have >> f & 1u) != 0;
}
/** Append "Digest realm=…, nonce=…": every field in `have`, each in its own form. challenge: qop is quoted. */
void sip_auth_write(struct buf *out, const struct sip_auth *a, bool challenge);

/* One Digest challenge with qop=auth (RFC 7616 §3.3). */
struct sip_challenge {
    struct span realm; /* escapes as written */
    struct span nonce;
    struct span algorithm;
    bool stale;
};
/** Append it as a header. header: SIP_H_WWW_AUTHENTICATE or SIP_H_PROXY_AUTHENTICATE. */
void sip_auth_write_challenge(struct buf *out, enum sip_hdr_id header, const struct sip_challenge *c);

#endif
