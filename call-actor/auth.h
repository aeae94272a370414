/*
 * auth: may this request come from whom it says? Layer: call-actor, pure: (tables, request, now) -> verdict. RFC 3261
 * §22. Sends nothing and asks nobody: where user-service must be asked the verdict is AUTH_ASK, and the request is
 * brought again with the answer (gate.h).
 */
#ifndef CALL_ACTOR_AUTH_H
#define CALL_ACTOR_AUTH_H

#include "call-actor/creds.h"
#include "call-actor/digest.h"
#include "call-actor/failures.h"
#include "call-actor/nonce.h"

#define AUTH_SEED_BYTES 16u
#define AUTH_REALM_MAX 260u /* bytes of the realm between its quotes, escapes included */

struct auth {
    char realm[AUTH_REALM_MAX + 1];
    struct nonces nonces;
    struct creds creds;
    struct failures failures;
};

struct auth_args {
    const char *realm;
    const uint8_t *nonce_key; /* CRYPT_KEY_BYTES */
    const uint8_t *seed;      /* AUTH_SEED_BYTES, random */
    uint32_t nonce_s;
    uint32_t credentials_s;
    uint32_t failures_max;
    struct now now;
};
void auth_init(struct auth *a, const struct auth_args *args);
void auth_fini(struct auth *a);

/* Whom a request that asks for authentication speaks for. */
struct auth_request {
    const struct sip_msg *msg;
    enum sip_hdr_id header;  /* where credentials stand: SIP_H_AUTHORIZATION or SIP_H_PROXY_AUTHORIZATION */
    struct span as;          /* the user it must be, unescaped */
    struct span txn;         /* its server transaction: what makes a repeat the same request */
    const struct cred *told; /* user-service was asked because of this request, and said so; else NULL */
    bool registered;         /* it came from where this user is registered */
};

enum auth_is {
    AUTH_OK = 0,
    AUTH_CHALLENGE = 1, /* 401 or 407 with auth_write_challenge; nothing was proven */
    AUTH_STALE = 2,     /* the same with stale=true */
    AUTH_WRONG = 3,     /* the same; the digest was wrong, or the user is unknown */
    AUTH_MALFORMED = 4, /* 400 */
    AUTH_FORBIDDEN = 5, /* 403: another user's */
    AUTH_THROTTLED = 6, /* the same, and nothing was checked: too many failures in this minute */
    AUTH_ASK = 7,       /* ask user-service about `as`, then again with `told` */
    AUTH_VERDICTS
};

/* What else is known once a request was looked at. */
struct auth_seen {
    uint32_t origin; /* who got the challenge it answers; 0: it answers none of ours */
    bool last;       /* this was the failure that used up the minute's (AUTH_WRONG): a line for the log */
};

/**
 * AUTH_THROTTLED holds for everybody who got his challenge where the failures came from. Brought again as `registered`
 * a request is judged by the failures of its like alone: who tries passwords behind the same NAT locks no phone out
 * that is registered from there.
 */
enum auth_is auth_check(struct auth *a, const struct auth_request *q, struct now now, struct auth_seen *seen);

/* How a challenge is written. */
struct auth_challenge {
    enum sip_hdr_id header; /* SIP_H_WWW_AUTHENTICATE or SIP_H_PROXY_AUTHENTICATE */
    bool stale;
    struct span addr; /* whom it goes to */
    uint64_t random;
};
/** Append the challenge. */
void auth_write_challenge(const struct auth *a, struct buf *out, const struct auth_challenge *c, struct now now);

/** Names a request in the way that repeats of it, and only they, have in common. The same in every process. */
uint64_t auth_request_id(struct span txn, const struct sip_msg *msg);

#endif
