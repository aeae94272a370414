/*
 * keys: secrets of a shard that outlive the process. Layer: call-actor (shell). In the store only; never logged or
 * shown.
 */
#ifndef CALL_ACTOR_KEYS_H
#define CALL_ACTOR_KEYS_H

#include "call-actor/store.h"
#include "common/rt/crypt.h"

/** The key nonces are made with: made and committed the first time. */
void keys_nonce(struct store *s, uint8_t out[CRYPT_KEY_BYTES]);

#endif
