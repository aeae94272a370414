/*
 * digest_client: the answer to a challenge to a request of ours. Layer: call-actor, pure (hashes are crypt.h's). RFC
 * 3261 §22.2-§22.3, RFC 7616 §3.4, RFC 8760 §2.4; without qop: RFC 2069.
 *
 * Credentials are for one realm, and nothing is said to any other: a challenge is a question of whoever answers, and
 * whoever collects answers to it can try passwords at leisure.
 */
#ifndef CALL_ACTOR_DIGEST_CLIENT_H
#define CALL_ACTOR_DIGEST_CLIENT_H

#include "common/sip/sip_msg.h"

#define DIGEST_TRIES_MAX 3u      /* answers to one request, stale ones included: for who calls digest_answer */
#define DIGEST_CNONCE_RANDOM 16u /* random characters of a cnonce: 80 bits */

/* Who we are to a peer. */
struct digest_login {
    const char *user;
    const char *secret;
    const char *realm; /* the only one they are for */
};

struct digest_ask {
    const struct digest_login *login;
    struct span method; /* of the request that was challenged */
    struct span uri;    /* its Request-URI */
    struct span used;   /* nonce that its credentials were made with; empty: it had none */
    struct span cnonce; /* fresh random letters and digits */
};

enum digest_answered {
    DIGEST_ANSWERED = 0, /* send it again with what was appended, a new CSeq number and branch */
    DIGEST_NOT_OURS = 1, /* no challenge of our realm that we can answer */
    DIGEST_REJECTED = 2, /* our credentials were looked at and refused */
};

/**
 * Answer a 401 (Authorization) or 407 (Proxy-Authorization): append that header line. Of several challenges of our
 * realm the strongest hash we know is answered: SHA-512-256, SHA-256, MD5; qop=auth where it is offered. nonce    of
 * the challenge that was answered; lives as long as the response
 */
enum digest_answered digest_answer(struct buf *out, const struct sip_msg *response, const struct digest_ask *ask,
                                   struct span *nonce);

#endif
