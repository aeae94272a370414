/*
 * unroutable: events the broker gave back because no queue is bound for their routing key (AMQP 0-9-1 §1.8.3.3,
 * mandatory), for people: a line a key and minute, and what the dependency's detail says. Layer: publisher. Pure.
 *
 * The events themselves are not kept here: they stay in call-actor's outbox and come again every few seconds.
 */
#ifndef PUBLISHER_UNROUTABLE_H
#define PUBLISHER_UNROUTABLE_H

#include "common/base/span.h"

#define UNROUTABLE_KEYS_MAX 8 /* remembered at once; the one that was returned longest ago makes room */
#define UNROUTABLE_KEY_SIZE 64
#define UNROUTABLE_LINE_MS 60000  /* between two lines about a key */
#define UNROUTABLE_SHOWN_MS 15000 /* without another one, they have gone through: the outbox asks every 5 s */

/* Begins all zero. */
struct unroutable {
    struct unroutable_key {
        char key[UNROUTABLE_KEY_SIZE]; /* cut to fit; "": free */
        int64_t line_ms;               /* when it was last worth a line */
        int64_t seen_ms;
    } at[UNROUTABLE_KEYS_MAX];
};

/** An event with this key came back. returns whether a line about it is due */
bool unroutable_note(struct unroutable *u, struct span key, int64_t mono_ms);
/** Did any come back a short while ago? Then `out` (out_size bytes) says which keys. */
bool unroutable_now(const struct unroutable *u, int64_t mono_ms, char *out, size_t out_size);

#endif
