#include "call-actor/digest_client.h"

#include "call-actor/digest.h"
#include "common/sip/sip_write.h"
#include <stdio.h>

#define TEXT_BYTES_MAX 1024u /* of a user name or realm with its escapes */
#define FIRST_NC "00000001"  /* each challenge is answered once, so no nonce is counted further */

/* One challenge that we could answer. */
struct question {
    struct sip_auth auth;
    enum crypt_hash hash;
    bool qop;
};

/* Between quotes, escapes as written: what stands in the header and what is hashed (RFC 7616 §3.4.2: unq). */
static struct span quoted(struct buf *scratch, const char *text)
{
    buf_init_whole(scratch, TEXT_BYTES_MAX);
    sip_quote(scratch, span_cstr(text));
    return scratch->failed || scratch->len < 2 ? SPAN("") : span_of(scratch->p + 1, scratch->len - 2);
}

/* --- which challenge --- */

/* Without qop it is RFC 2069; of several we can do auth (§3.3: "auth,auth-int"). */
static bool can_do_qop(const struct sip_auth *a)
{
    struct span rest = a->field[SIP_AUTH_QOP];
    struct span one;
    while (sip_lex_split(&rest, ',', &one)) {
        if (span_caseeq(one, SPAN("auth")))
            return true;
    }
    return !sip_auth_has(a, SIP_AUTH_QOP);
}

static bool read_question(struct question *out, struct span value, struct span realm)
{
    if (sip_auth_decode(&out->auth, value) != 0 || !out->auth.digest || !sip_auth_has(&out->auth, SIP_AUTH_REALM))
        return false;
    int hash = digest_hash_of(&out->auth);
    if (hash < 0 || !span_eq(out->auth.field[SIP_AUTH_REALM], realm) || out->auth.field[SIP_AUTH_NONCE].len == 0)
        return false;
    out->hash = (enum crypt_hash)hash;
    out->qop = sip_auth_has(&out->auth, SIP_AUTH_QOP);
    return can_do_qop(&out->auth);
}

/* RFC 8760 §2.4: the strongest; enum crypt_hash grows with strength. */
static bool choose(struct question *out, const struct sip_msg *m, enum sip_hdr_id header, struct span realm)
{
    bool found = false;
    *out = (struct question){.hash = CRYPT_MD5};
    for (const struct sip_field *f = sip_msg_first(m, header); f != NULL; f = sip_msg_next(m, f)) {
        struct question q = {.hash = CRYPT_MD5};
        if (!read_question(&q, sip_field_value(m, f), realm) || (found && q.hash <= out->hash))
            continue;
        *out = q;
        found = true;
    }
    return found;
}

/* --- the answer --- */

static void compute(char response[CRYPT_HEX_SIZE], const struct question *q, const struct digest_ask *ask,
                    struct span user)
{
    char ha1[CRYPT_HEX_SIZE];
    char ha2[CRYPT_HEX_SIZE];
    struct span nonce = q->auth.field[SIP_AUTH_NONCE];
    const struct span a1[] = {user, q->auth.field[SIP_AUTH_REALM], span_cstr(ask->login->secret)};
    const struct span a2[] = {ask->method, ask->uri};
    crypt_hash_joined(q->hash, a1, 3, ha1);
    crypt_hash_joined(q->hash, a2, 2, ha2);
    const struct span plain[] = {span_cstr(ha1), nonce, span_cstr(ha2)};
    const struct span counted[] = {span_cstr(ha1), nonce, SPAN(FIRST_NC), ask->cnonce, SPAN("auth"), span_cstr(ha2)};
    crypt_hash_joined(q->hash, q->qop ? counted : plain, q->qop ? 6 : 3, response);
    explicit_bzero(ha1, sizeof(ha1));
}

static void set(struct sip_auth *a, enum sip_auth_field field, struct span value)
{
    a->have |= 1u << field;
    a->field[field] = value;
}

/* What the challenge had is said back; algorithm only if it was named, for there are peers older than the word. */
static void take_over(struct sip_auth *a, const struct question *q, enum sip_auth_field field, struct span value)
{
    if (sip_auth_has(&q->auth, field))
        set(a, field, value);
}

static void write_answer(struct buf *out, enum sip_hdr_id header, const struct question *q,
                         const struct digest_ask *ask, struct span user)
{
    char response[CRYPT_HEX_SIZE];
    struct sip_auth a = {.scheme = SPAN("Digest"), .digest = true};
    compute(response, q, ask, user);
    set(&a, SIP_AUTH_USERNAME, user);
    set(&a, SIP_AUTH_REALM, q->auth.field[SIP_AUTH_REALM]);
    set(&a, SIP_AUTH_NONCE, q->auth.field[SIP_AUTH_NONCE]);
    set(&a, SIP_AUTH_URI, ask->uri);
    set(&a, SIP_AUTH_RESPONSE, span_cstr(response));
    take_over(&a, q, SIP_AUTH_ALGORITHM, digest_hash_name(q->hash));
    take_over(&a, q, SIP_AUTH_OPAQUE, q->auth.field[SIP_AUTH_OPAQUE]);
    if (q->qop) {
        set(&a, SIP_AUTH_QOP, SPAN("auth"));
        set(&a, SIP_AUTH_NC, SPAN(FIRST_NC));
        set(&a, SIP_AUTH_CNONCE, ask->cnonce);
    }
    sip_write_hdr_begin(out, header);
    sip_auth_write(out, &a, false);
    sip_write_hdr_end(out);
}

static bool is_stale(const struct sip_auth *a)
{
    return sip_auth_has(a, SIP_AUTH_STALE) && span_caseeq(a->field[SIP_AUTH_STALE], SPAN("true"));
}

/* RFC 7616 §3.3: only stale=true says that the secret is right and the nonce is not; but then it is another nonce. */
static bool is_refused(const struct question *q, struct span used)
{
    return used.len > 0 && (!is_stale(&q->auth) || span_eq(q->auth.field[SIP_AUTH_NONCE], used));
}

enum digest_answered digest_answer(struct buf *out, const struct sip_msg *response, const struct digest_ask *ask,
                                   struct span *nonce)
{
    bool proxy = response->status == 407;
    struct question q;
    struct buf realm;
    struct buf user;
    *nonce = SPAN("");
    struct span r = quoted(&realm, ask->login->realm);
    struct span u = quoted(&user, ask->login->user);
    enum digest_answered is = DIGEST_NOT_OURS;
    if (r.len > 0 && u.len > 0 && choose(&q, response, proxy ? SIP_H_PROXY_AUTHENTICATE : SIP_H_WWW_AUTHENTICATE, r))
        is = is_refused(&q, ask->used) ? DIGEST_REJECTED : DIGEST_ANSWERED;
    if (is == DIGEST_ANSWERED) {
        write_answer(out, proxy ? SIP_H_PROXY_AUTHORIZATION : SIP_H_AUTHORIZATION, &q, ask, u);
        *nonce = q.auth.field[SIP_AUTH_NONCE];
    }
    buf_fini(&realm);
    buf_fini(&user);
    return is;
}
