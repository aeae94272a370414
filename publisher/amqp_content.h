/*
 * amqp_content: what follows a deliver or a return: one header frame and body frames (AMQP 0-9-1 §4.2.6). Layer:
 * publisher. Pure.
 */
#ifndef PUBLISHER_AMQP_CONTENT_H
#define PUBLISHER_AMQP_CONTENT_H

#include "publisher/amqp_wire.h"

enum amqp_content_step {
    AMQP_CONTENT_MORE = 0,
    AMQP_CONTENT_WHOLE = 1, /* the fields below are complete, until the next take */
    AMQP_CONTENT_BAD = 2,   /* frames in an order that cannot be */
};

struct amqp_content {
    uint8_t state; /* private */
    uint64_t left; /* private: bytes of body still to come */
    uint64_t tag;
    bool on;
    bool cut; /* the body was longer than its cap */
    char key[AMQP_SHORT_MAX + 1];
    char text[AMQP_SHORT_MAX + 1];
    char message_id[AMQP_SHORT_MAX + 1];
    char content_type[AMQP_SHORT_MAX + 1];
    char reply_to[AMQP_SHORT_MAX + 1];
    char correlation[AMQP_SHORT_MAX + 1];
    struct buf body;
};

/** body_max: bytes of body kept; the rest is counted and dropped. */
void amqp_content_init(struct amqp_content *c, size_t body_max);
void amqp_content_fini(struct amqp_content *c);
/** Forget a half-received one. */
void amqp_content_reset(struct amqp_content *c);
/** rx: a deliver, return, header or body frame of this channel, in the order they came. */
enum amqp_content_step amqp_content_take(struct amqp_content *c, const struct amqp_rx *rx);

#endif
