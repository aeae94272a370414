/*
 * command: the body of one message of the command queue, in any form the platform's services send. Layer: publisher.
 * Pure.
 *
 *   JSON       call.terminate.request  {"callId": "…", "reason": "…"}
 *              call.transfer.request   {"callId": "…", "target": "…", "stays": "caller" or "callee", "idempotencyKey":
 * "…"} call.initiate.request   {"from": "…", "to": "…", "callId": "…", "idempotencyKey": "…"} eventType, timestamp and
 * unknown keys may be there; docs/amqp.md says which may be missing protobuf   sentiric.event.v1.GenericEvent;
 * payload_json is as above, without a callId in it trace_id is the call
 *
 * Which command it is the routing key says, and the body's event type where the key is another (a message put into the
 * queue directly).
 */
#ifndef PUBLISHER_COMMAND_H
#define PUBLISHER_COMMAND_H

#include "common/base/buf.h"

#define COMMAND_TEXT_MAX 512 /* of each text, NUL included; a longer one is malformed, but a longer reason is cut */

enum command_kind {
    COMMAND_BAD = 0,
    COMMAND_TERMINATE = 1,
    COMMAND_TRANSFER = 2,
    COMMAND_INITIATE = 3,
};

struct command {
    enum command_kind kind;
    char call_id[COMMAND_TEXT_MAX]; /* of an INITIATE may be empty */
    char reason[COMMAND_TEXT_MAX];  /* empty when none was given */
    char from[COMMAND_TEXT_MAX];    /* INITIATE */
    char to[COMMAND_TEXT_MAX];      /* INITIATE, TRANSFER: the target */
    char stays[COMMAND_TEXT_MAX];   /* TRANSFER; may be empty */
    char key[COMMAND_TEXT_MAX];     /* of idempotency: INITIATE, TRANSFER; never empty */
    const char *why;                /* COMMAND_BAD: what is wrong with it */
};

/* One message. */
struct command_message {
    struct span routing_key;
    struct span message_id; /* may be empty */
    struct span body;
};

/** Fills *out whatever comes in. The key is the body's, else the message id, else it follows from the body: one that
 * the broker delivers twice has the same. */
void command_parse(struct command *out, const struct command_message *m);
/** Append the answer to it as a JSON object. result: its word; detail: for people, may be empty. */
void command_put_reply(struct buf *out, const struct command *c, const char *result, const char *detail);
/** "call.terminate.request" …; static text. */
const char *command_name(enum command_kind kind);

#endif
