/*
 * creds: what user-service said about SIP users, for a short while. Layer: call-actor, pure (it asks nobody).
 *
 * Kept in memory only. Unknown users are remembered like known ones, so that asking about one costs as much as asking
 * about the other. Bounded: the one that was learnt first makes room.
 */
#ifndef CALL_ACTOR_CREDS_H
#define CALL_ACTOR_CREDS_H

#include "common/base/clock.h"
#include "common/base/list.h"
#include "common/base/map.h"

#define CREDS_MAX 65536u     /* users, a shard */
#define CREDS_USER_MAX 256u  /* bytes of a user name; longer ones are nobody's */
#define CREDS_TENANT_SIZE 65 /* a longer tenant id is not kept */
#define CREDS_HA1_SIZE 33    /* MD5 in hex and a NUL: all that user-service has (GetSipCredentials) */

struct creds {
    struct map by_user;
    struct list oldest_first;
    int64_t life_ms; /* 0: nothing is kept */
    size_t max;
};

struct cred {
    bool known;                     /* user-service knows this user */
    char ha1[CREDS_HA1_SIZE];       /* of a known one */
    char tenant[CREDS_TENANT_SIZE]; /* likewise; may be "" */
};

void creds_init(struct creds *c, uint32_t life_s);
/** Wipes and frees everything. */
void creds_fini(struct creds *c);
/** false: not known here, or for too long. *out is a copy, to be wiped by creds_wipe. */
bool creds_find(struct creds *c, struct span user, struct now now, struct cred *out);
/** An answer of user-service. Without memory nothing is kept. */
void creds_learn(struct creds *c, struct span user, const struct cred *cred, struct now now);
void creds_drop(struct creds *c, struct span user);
void creds_wipe(struct cred *cred);

#endif
