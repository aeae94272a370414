/*
 * amqp_wire: AMQP 0-9-1 frames to and from bytes, with rabbitmq-c as the codec and nothing more. Layer: publisher.
 *
 * rabbitmq-c's own connect, login and publish block, so none of them is used: the caller owns the socket, feeds what it
 * reads to amqp_wire_decode and writes out what the amqp_put_ functions append. No type of the library is seen outside.
 */
#ifndef PUBLISHER_AMQP_WIRE_H
#define PUBLISHER_AMQP_WIRE_H

#include "common/base/buf.h"
#include "common/rt/amqp_url.h"

#define AMQP_SHORT_MAX 255u          /* bytes of a routing key, message id, content type */
#define AMQP_FRAME_BYTES_MAX 131072u /* largest frame we agree to */

enum amqp_rx_kind {
    AMQP_RX_START = 1,
    AMQP_RX_TUNE,
    AMQP_RX_OPEN_OK,
    AMQP_RX_CHANNEL_OPEN_OK,
    AMQP_RX_CONFIRM_OK,
    AMQP_RX_EXCHANGE_OK,
    AMQP_RX_QUEUE_OK,
    AMQP_RX_BIND_OK,
    AMQP_RX_QOS_OK,
    AMQP_RX_CONSUME_OK,
    AMQP_RX_ACK,
    AMQP_RX_NACK,
    AMQP_RX_RETURN,
    AMQP_RX_DELIVER,
    AMQP_RX_CANCEL, /* the broker ended our subscription: its queue is gone */
    AMQP_RX_HEADER,
    AMQP_RX_BODY,
    AMQP_RX_HEARTBEAT,
    AMQP_RX_BLOCKED,
    AMQP_RX_UNBLOCKED,
    AMQP_RX_FLOW,
    AMQP_RX_CHANNEL_CLOSE,
    AMQP_RX_CLOSE,
    AMQP_RX_CLOSE_OK,
    AMQP_RX_OTHER, /* a method we never ask for */
};

/* One frame. Which fields are set depends on the kind; spans live until the next decode. */
struct amqp_rx {
    enum amqp_rx_kind kind;
    uint16_t channel;
    uint64_t tag;             /* ack, nack, deliver */
    bool on;                  /* ack, nack: multiple; deliver: redelivered; flow: active; start: PLAIN is offered;
                               * channel close: because of something published */
    uint16_t code;            /* close, channel close, return */
    struct span text;         /* their reason; blocked: why */
    struct span key;          /* deliver, return: routing key */
    struct span message_id;   /* header */
    struct span content_type; /* header */
    struct span reply_to;     /* header */
    struct span correlation;  /* header */
    uint64_t body_bytes;      /* header: of the body frames that follow */
    struct span body;         /* body */
    uint16_t channel_max;     /* tune */
    uint32_t frame_max;
    uint16_t heartbeat_s;
};

struct amqp_wire;

/** One per connection. Dies when memory is out. */
struct amqp_wire *amqp_wire_new(void);
void amqp_wire_free(struct amqp_wire *w); /* NULL is fine */
/** Once tune has been decoded (the codec aborts before): larger frames are an error from then on. returns 0 or -1 */
int amqp_wire_tune(struct amqp_wire *w, uint16_t channel_max, uint32_t frame_max, uint16_t heartbeat_s);

/**
 * Take bytes until one frame is whole.
 * used     how many were taken, also when no frame came of them
 * returns  1 and *out, 0 (wants more bytes), or -1: not AMQP, the connection is of no use any more
 */
int amqp_wire_decode(struct amqp_wire *w, struct span in, size_t *used, struct amqp_rx *out);

struct amqp_msg {
    struct span exchange;
    struct span key;          /* also the type property */
    struct span content_type; /* these three at most AMQP_SHORT_MAX bytes */
    struct span message_id;
    struct span correlation; /* the same; empty: none */
    int64_t wall_ms;
    struct span body;
    bool optional; /* not returned when no queue takes it */
};

/* Each appends whole frames; overflow shows in out->failed. */
void amqp_put_greeting(struct buf *out);
void amqp_put_start_ok(struct buf *out, const struct amqp_url *login);
void amqp_put_tune_ok(struct buf *out, uint16_t channel_max, uint32_t frame_max, uint16_t heartbeat_s);
void amqp_put_open(struct buf *out, const char *vhost);
void amqp_put_close(struct buf *out);
void amqp_put_close_ok(struct buf *out);
void amqp_put_heartbeat(struct buf *out);
void amqp_put_channel_open(struct buf *out, uint16_t channel);
void amqp_put_channel_close_ok(struct buf *out, uint16_t channel);
void amqp_put_flow_ok(struct buf *out, uint16_t channel, bool active);
void amqp_put_confirm_select(struct buf *out, uint16_t channel);
void amqp_put_exchange_declare(struct buf *out, uint16_t channel, const char *exchange);
void amqp_put_queue_declare(struct buf *out, uint16_t channel, const char *queue);
void amqp_put_queue_bind(struct buf *out, uint16_t channel, const char *queue, const char *exchange, const char *key);
void amqp_put_qos(struct buf *out, uint16_t channel, uint16_t prefetch);
void amqp_put_consume(struct buf *out, uint16_t channel, const char *queue);
void amqp_put_ack(struct buf *out, uint16_t channel, uint64_t tag);
/** Without requeue: the broker drops it, or dead-letters it where the queue says so. */
void amqp_put_reject(struct buf *out, uint16_t channel, uint64_t tag);
/** Persistent, and mandatory unless it is optional. The body is cut into frames of frame_max. */
void amqp_put_publish(struct buf *out, uint16_t channel, uint32_t frame_max, const struct amqp_msg *m);

#endif
