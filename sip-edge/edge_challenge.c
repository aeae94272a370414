#include "sip-edge/edge_challenge.h"

#include "common/base/id.h"
#include "common/sip/sip_addr.h"
#include "common/sip/sip_auth.h"
#include "common/sip/sip_uri.h"

void edge_challenge_set(struct edge_challenge *c, const Plane__Challenge *m)
{
    struct edge_challenge is = {.known = m->nonce_key.len == sizeof(is.key)};
    if (!is.known || !span_copy(is.realm, sizeof(is.realm), span_cstr(m->realm)))
        return;
    memcpy(is.key, m->nonce_key.data, sizeof(is.key));
    for (size_t i = 0; i < m->n_algorithms && i < EDGE_CHALLENGE_ALGORITHMS; i++) {
        if (!span_copy(is.algorithm[i], sizeof(is.algorithm[i]), span_cstr(m->algorithms[i])))
            return;
    }
    *c = is;
}

/* An address-of-record without a user is none of ours, credentials or not: its actor says so (§10.3 step 5). */
static bool names_user(const struct sip_msg *m)
{
    struct sip_addr to;
    struct sip_uri uri;
    return sip_addr_decode(&to, sip_msg_value(m, SIP_H_TO)) == 0 && sip_uri_decode(&uri, to.uri) == 0 &&
           (uri.scheme == SIP_SCHEME_SIP || uri.scheme == SIP_SCHEME_SIPS) && uri.user.len > 0 &&
           span_find(uri.user, '%') == uri.user.len;
}

bool edge_challenge_is_for(const struct edge_challenge *c, const struct sip_msg *m)
{
    return c->known && m->method == SIP_M_REGISTER && !sip_msg_has(m, SIP_H_AUTHORIZATION) && names_user(m);
}

void edge_challenge_write(const struct edge_challenge *c, struct buf *out, struct span addr, int64_t wall_ms)
{
    char text[NONCE_TEXT_SIZE];
    struct sip_challenge one = {.realm = span_cstr(c->realm)};
    const struct nonce_birth now = {
        .wall_ms = wall_ms, .random = id_random_u64(), .origin = nonce_text_origin(c->key, addr)};
    one.nonce = nonce_text_make(c->key, one.realm, &now, text);
    for (size_t i = 0; i < EDGE_CHALLENGE_ALGORITHMS && c->algorithm[i][0] != '\0'; i++) {
        one.algorithm = span_cstr(c->algorithm[i]);
        sip_auth_write_challenge(out, SIP_H_WWW_AUTHENTICATE, &one);
    }
}
