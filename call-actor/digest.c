#include "call-actor/digest.h"

#include "common/sip/sip_write.h"

static const struct span hash_names[CRYPT_HASHES] = {
    [CRYPT_MD5] = SPAN_INIT("MD5"),
    [CRYPT_SHA256] = SPAN_INIT("SHA-256"),
    [CRYPT_SHA512_256] = SPAN_INIT("SHA-512-256"),
};

/* --- what came --- */

struct span digest_hash_name(enum crypt_hash h)
{
    return hash_names[h];
}

int digest_hash_of(const struct sip_auth *a)
{
    if (!sip_auth_has(a, SIP_AUTH_ALGORITHM))
        return CRYPT_MD5;
    for (int h = 0; h < CRYPT_HASHES; h++) {
        if (span_caseeq(a->field[SIP_AUTH_ALGORITHM], hash_names[h]))
            return h;
    }
    return -1;
}

/* nc is exactly eight hex digits and counts from 1. */
static bool take_nc(struct digest_claim *out, struct span text)
{
    if (text.len != 8 || !sip_lex_all(text, SIP_C_HEX))
        return false;
    out->nc = 0;
    for (size_t i = 0; i < text.len; i++)
        out->nc = out->nc << 4 | sip_hex_value(text.p[i]);
    out->nc_text = text;
    return out->nc != 0;
}

/* We offered qop=auth: with a qop it must be that one, and counted; without any it is RFC 2069. */
static bool take_qop(struct digest_claim *out, const struct sip_auth *a)
{
    if (!sip_auth_has(a, SIP_AUTH_QOP))
        return true;
    out->cnonce = a->field[SIP_AUTH_CNONCE];
    return span_caseeq(a->field[SIP_AUTH_QOP], SPAN("auth")) && sip_auth_has(a, SIP_AUTH_CNONCE) &&
           sip_auth_has(a, SIP_AUTH_NC) && take_nc(out, a->field[SIP_AUTH_NC]);
}

static bool take_claim(struct digest_claim *out, const struct sip_auth *a, enum crypt_hash hash)
{
    *out = (struct digest_claim){
        .hash = hash,
        .username = a->field[SIP_AUTH_USERNAME],
        .realm = a->field[SIP_AUTH_REALM],
        .nonce = a->field[SIP_AUTH_NONCE],
        .uri = a->field[SIP_AUTH_URI],
        .response = a->field[SIP_AUTH_RESPONSE],
    };
    return out->username.len > 0 && out->nonce.len > 0 && out->uri.len > 0 && out->response.len > 0 && take_qop(out, a);
}

static enum digest_found look_at(struct digest_claim *out, struct span value, struct span realm, unsigned offered)
{
    struct sip_auth a;
    if (sip_auth_decode(&a, value) != 0)
        return DIGEST_BAD;
    if (!a.digest)
        return DIGEST_NONE;
    if (!sip_auth_has(&a, SIP_AUTH_REALM))
        return DIGEST_BAD;
    if (!span_eq(a.field[SIP_AUTH_REALM], realm))
        return DIGEST_NONE;
    int hash = digest_hash_of(&a);
    if (hash < 0 || (offered & 1u << hash) == 0)
        return DIGEST_NONE;
    struct digest_claim got;
    if (!take_claim(&got, &a, (enum crypt_hash)hash))
        return DIGEST_BAD;
    *out = got;
    return DIGEST_FOUND;
}

enum digest_found digest_find(struct digest_claim *out, const struct sip_msg *m, enum sip_hdr_id header,
                              struct span realm, unsigned offered)
{
    enum digest_found so_far = DIGEST_NONE;
    for (const struct sip_field *f = sip_msg_first(m, header); f != NULL; f = sip_msg_next(m, f)) {
        enum digest_found is = look_at(out, sip_field_value(m, f), realm, offered);
        if (is == DIGEST_FOUND)
            return is;
        if (is == DIGEST_BAD)
            so_far = is;
    }
    return so_far;
}

void digest_user(struct buf *out, const struct digest_claim *c)
{
    sip_unquote(out, c->username);
}

/* --- is it right --- */

/* The hex digits of a response are lower case (RFC 7616 §3.4: LHEX); some write capitals, which say the same. */
static struct span lower(struct span hex, char out[CRYPT_HEX_SIZE])
{
    size_t n = hex.len < CRYPT_HEX_SIZE ? hex.len : CRYPT_HEX_SIZE - 1;
    for (size_t i = 0; i < n; i++)
        out[i] = sip_lower(hex.p[i]);
    return span_of(out, n);
}

bool digest_matches(const struct digest_claim *c, struct span method, struct span ha1)
{
    char ha2[CRYPT_HEX_SIZE];
    char want[CRYPT_HEX_SIZE];
    char got[CRYPT_HEX_SIZE];
    const struct span a2[] = {method, c->uri};
    crypt_hash_joined(c->hash, a2, 2, ha2);
    if (c->nc != 0) {
        const struct span with_qop[] = {ha1, c->nonce, c->nc_text, c->cnonce, SPAN("auth"), span_cstr(ha2)};
        crypt_hash_joined(c->hash, with_qop, sizeof(with_qop) / sizeof(with_qop[0]), want);
    } else {
        const struct span plain[] = {ha1, c->nonce, span_cstr(ha2)};
        crypt_hash_joined(c->hash, plain, sizeof(plain) / sizeof(plain[0]), want);
    }
    return c->response.len < CRYPT_HEX_SIZE && crypt_same(lower(c->response, got), span_cstr(want));
}

/* --- what is asked --- */

void digest_write_challenge(struct buf *out, enum sip_hdr_id header, const struct digest_challenge *c)
{
    static const enum crypt_hash strongest_first[] = {CRYPT_SHA512_256, CRYPT_SHA256, CRYPT_MD5};
    for (size_t i = 0; i < sizeof(strongest_first) / sizeof(strongest_first[0]); i++) {
        if ((c->offered & 1u << strongest_first[i]) != 0)
            sip_auth_write_challenge(out, header,
                                     &(struct sip_challenge){.realm = c->realm,
                                                             .nonce = c->nonce,
                                                             .algorithm = hash_names[strongest_first[i]],
                                                             .stale = c->stale});
    }
}
