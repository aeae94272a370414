/*
 * window: events taken from the actors and not yet settled by the broker. Layer: publisher. Pure.
 *
 * An event stays, with its body, until the broker confirms, returns or nacks it, so that a lost connection costs
 * nothing: window_rewind makes everything unsent again, in the order it came. Events are known by (shard, seq); one
 * that is asked again while it is here is not taken twice. Bounded by count and bytes per shard.
 */
#ifndef PUBLISHER_WINDOW_H
#define PUBLISHER_WINDOW_H

#include "common/base/span.h"

#define WINDOW_SHARD_CNT_MAX 1024u         /* twice what an actor has under way at most */
#define WINDOW_SHARD_BYTES_MAX (32u << 20) /* an event of any size fits when the shard has none here */
#define WINDOW_RECENT_MAX 1024u            /* confirmed events remembered, times the number of shards */
#define WINDOW_TEXT_MAX 255u               /* message id, key, content type: what AMQP takes */

enum window_put_result {
    WINDOW_TAKEN = 0,
    WINDOW_KNOWN = 1, /* it is here already */
    WINDOW_DONE = 2,  /* the broker has confirmed it, a short while ago */
    WINDOW_EFULL = 3,
    WINDOW_EBAD = 4, /* a text AMQP cannot carry, or no such shard */
};

enum window_outcome {
    WINDOW_CONFIRMED = 0,
    WINDOW_RETURNED = 1, /* no queue is bound to its key */
    WINDOW_NACKED = 2,
};

struct window_event {
    uint32_t shard;
    uint64_t seq; /* unique per shard */
    struct span message_id;
    struct span key;
    struct span content_type;
    struct span body;
    int64_t wall_ms;
    bool optional; /* nobody need take it */
};

struct window;

/** Dies when memory is out. */
struct window *window_new(uint32_t shards);
void window_free(struct window *w);

/** Copies the event. returns WINDOW_TAKEN, WINDOW_KNOWN, WINDOW_DONE, -WINDOW_EFULL or -WINDOW_EBAD */
int window_put(struct window *w, const struct window_event *e);

/** The next one to publish, borrowed until the next call; NULL when there is none that may be sent now. */
const struct window_event *window_next(const struct window *w);
/** That one went out under `tag`. Tags of a connection are 1, 2, 3 … */
void window_sent(struct window *w, uint64_t tag);
/** The broker gave back an event with this message id; its ack follows and will count as WINDOW_RETURNED. */
bool window_returned(struct window *w, struct span message_id);

typedef void window_done_fn(void *user, uint32_t shard, uint64_t seq, enum window_outcome how);
/** ack or nack of `tag`, or of all up to it. Unknown tags are nothing. `done` must not call the window. */
void window_settle(struct window *w, uint64_t tag, bool multiple, bool ack, window_done_fn *done, void *user);
/** The connection is gone: nothing counts as sent. returns how many were */
size_t window_rewind(struct window *w);

size_t window_count(const struct window *w);
size_t window_bytes(const struct window *w);
/** Of these, how many are sent. */
size_t window_sent_count(const struct window *w);
size_t window_shard_count(const struct window *w, uint32_t shard);

#endif
