/*
 * nonce: nonces that need no table while nobody has used them, and a bounded one of those in use. Layer: call-actor,
 * pure (the key and the times are given). RFC 7616 §3.3, §3.4.5, §5.4.
 *
 * What a nonce is says nonce_text.h: whoever has the key can say that it is ours and how old it is, also after a
 * restart. A nonce that has proven something is entered with its count; nc must grow from then on, and a request
 * without nc uses its nonce up. When the table is full its oldest entry goes, and with it every nonce born before that
 * one: a count that is forgotten is never accepted again. Only when the clock is set back that bound comes back with
 * it: nobody could prove anything until the old time is reached again.
 *
 * What was in the table is lost with the process. Nonces born before it started are therefore taken only while the
 * request they were made for can still be under way (NONCE_OLD_MS).
 */
#ifndef CALL_ACTOR_NONCE_H
#define CALL_ACTOR_NONCE_H

#include "common/base/clock.h"
#include "common/base/list.h"
#include "common/base/map.h"
#include "common/rt/nonce_text.h"

#define NONCE_USED_MAX 65536u /* nonces in use, a shard */
#define NONCE_OLD_MS 32000    /* 64*T1 with the RFC's T1 */
#define NONCE_AHEAD_MS 1000

struct nonces {
    uint8_t key[CRYPT_KEY_BYTES];
    struct span realm; /* borrowed */
    int64_t life_ms;
    int64_t started_wall_ms;
    int64_t floor_wall_ms; /* unknown nonces born at this time or before are stale */
    size_t used_max;
    struct map used;
    struct list oldest_first;
};

struct nonces_args {
    const uint8_t *key; /* CRYPT_KEY_BYTES, copied */
    struct span realm;  /* lives as long as the nonces */
    uint32_t life_s;
    struct now now;
};
void nonces_init(struct nonces *n, const struct nonces_args *args);
void nonces_fini(struct nonces *n);

/** Names a source, as the nonces made for it do. */
uint32_t nonce_origin(const struct nonces *n, struct span addr);
/** A new one. random: never the same twice. */
struct span nonce_make(const struct nonces *n, uint64_t random, uint32_t origin, struct now now,
                       char out[NONCE_TEXT_SIZE]);

enum nonce_is {
    NONCE_GOOD = 0,  /* ours, young enough */
    NONCE_STALE = 1, /* another's, another key's, another realm's, too old: challenge with stale=true */
};
/** origin: of a good one, who it was made for. */
enum nonce_is nonce_check(struct nonces *n, struct span text, struct now now, uint32_t *origin);

enum nonce_use {
    NONCE_NEW = 0,     /* counts as used now */
    NONCE_REPEAT = 1,  /* the very request that used it last, asked about again */
    NONCE_REPLAY = 2,  /* this count, or a higher one, was used by another request */
    NONCE_NOTABLE = 3, /* no memory to remember it: not accepted */
};
/**
 * A good nonce whose credentials are right is used. nc 0: without qop; it is used up.
 * request  names the request, the same for every repeat of it and for nothing else
 */
enum nonce_use nonce_take(struct nonces *n, struct span text, uint32_t nc, uint64_t request, struct now now);

#endif
