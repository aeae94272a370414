#include "call-actor/auth.h"

/* Checked against when a user is unknown, so that it takes as long as for one that is known. Nobody has it: a digest
 * that matches it changes nothing. */
#define NOBODY_HA1 SPAN("00000000000000000000000000000000")

/* Not secret, never changed: a request is named alike by every process that sees it. */
static const uint64_t request_key[2] = {UINT64_C(0x6175746872657175), UINT64_C(0x6573742d6e616d65)};

void auth_init(struct auth *a, const struct auth_args *args)
{
    struct buf b;
    memset(a, 0, sizeof(*a));
    buf_init(&b, AUTH_REALM_MAX + 2);
    sip_quote(&b, span_cstr(args->realm));
    if (b.len >= 2) /* without its quotes; the setting is at most half as long as fits */
        (void)span_copy(a->realm, sizeof(a->realm), span_of(b.p + 1, b.len - 2));
    buf_fini(&b);
    creds_init(&a->creds, args->credentials_s);
    failures_init(&a->failures, args->failures_max, args->seed);
    nonces_init(&a->nonces,
                &(struct nonces_args){
                    .key = args->nonce_key, .realm = span_cstr(a->realm), .life_s = args->nonce_s, .now = args->now});
}

void auth_fini(struct auth *a)
{
    nonces_fini(&a->nonces);
    creds_fini(&a->creds);
}

uint64_t auth_request_id(struct span txn, const struct sip_msg *msg)
{
    uint64_t key[2] = {request_key[0] ^ msg->cseq.num, request_key[1] ^ map_siphash(request_key, txn)};
    return map_siphash(key, msg->call_id);
}

/* --- the check, from what costs least to what costs most --- */

static bool is_user(const struct digest_claim *claim, struct span as)
{
    struct buf b;
    buf_init(&b, CREDS_USER_MAX);
    digest_user(&b, claim);
    bool same = !b.failed && as.len > 0 && span_eq(buf_span(&b), as);
    buf_fini(&b);
    return same;
}

static struct failures_of failures_of(const struct auth_request *q, const struct auth_seen *seen)
{
    return (struct failures_of){.origin = seen->origin, .registered = q->registered, .user = q->as};
}

static enum auth_is wrong(struct auth *a, const struct auth_request *q, struct now now, struct auth_seen *seen)
{
    const struct failures_of of = failures_of(q, seen);
    seen->last = failures_add(&a->failures, &of, now);
    return AUTH_WRONG;
}

static enum auth_is proven(struct auth *a, const struct auth_request *q, const struct digest_claim *claim,
                           struct now now)
{
    switch (nonce_take(&a->nonces, claim->nonce, claim->nc, auth_request_id(q->txn, q->msg), now)) {
    case NONCE_NEW:
    case NONCE_REPEAT:
        return AUTH_OK;
    case NONCE_REPLAY:
    case NONCE_NOTABLE:
        break;
    }
    return AUTH_STALE;
}

/* What was kept may be of yesterday's password: a digest that does not fit it is held against what user-service says
 * now, before it is called wrong. */
static enum auth_is compare(struct auth *a, const struct auth_request *q, const struct digest_claim *claim,
                            struct now now, struct auth_seen *seen)
{
    struct cred cred;
    if (q->told != NULL)
        cred = *q->told;
    else if (!creds_find(&a->creds, q->as, now, &cred))
        return AUTH_ASK;
    bool fits = digest_matches(claim, q->msg->method_text, cred.known ? span_cstr(cred.ha1) : NOBODY_HA1);
    bool known = cred.known;
    creds_wipe(&cred);
    if (fits && known)
        return proven(a, q, claim, now);
    creds_drop(&a->creds, q->as);
    return q->told != NULL ? wrong(a, q, now, seen) : AUTH_ASK;
}

enum auth_is auth_check(struct auth *a, const struct auth_request *q, struct now now, struct auth_seen *seen)
{
    struct digest_claim claim;
    *seen = (struct auth_seen){.last = false};
    switch (digest_find(&claim, q->msg, q->header, span_cstr(a->realm), DIGEST_MD5_ONLY)) {
    case DIGEST_NONE:
        return AUTH_CHALLENGE;
    case DIGEST_BAD:
        return AUTH_MALFORMED;
    case DIGEST_FOUND:
        break;
    }
    if (nonce_check(&a->nonces, claim.nonce, now, &seen->origin) != NONCE_GOOD)
        return AUTH_STALE;
    if (!is_user(&claim, q->as))
        return AUTH_FORBIDDEN;
    const struct failures_of of = failures_of(q, seen);
    if (failures_is_over(&a->failures, &of, now))
        return AUTH_THROTTLED;
    return compare(a, q, &claim, now, seen);
}

void auth_write_challenge(const struct auth *a, struct buf *out, const struct auth_challenge *c, struct now now)
{
    char text[NONCE_TEXT_SIZE];
    const struct nonces *n = &a->nonces;
    struct digest_challenge d = {.realm = span_cstr(a->realm),
                                 .nonce = nonce_make(n, c->random, nonce_origin(n, c->addr), now, text),
                                 .stale = c->stale,
                                 .offered = DIGEST_MD5_ONLY};
    digest_write_challenge(out, c->header, &d);
}
