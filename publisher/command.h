/*
 * command: the body of one message of the command queue, in any form the platform's services send. Layer: publisher.
 * Pure.
 *
 *   JSON       {"callId": "…", "reason": "…"}; eventType, timestamp and unknown keys may be there
 *   protobuf   sentiric.event.v1.GenericEvent; payload_json is as above, without a callId in it trace_id is the call
 *
 * Which command it is the routing key says, and the body's event type where the key is another (a message put into the
 * queue directly).
 */
#ifndef PUBLISHER_COMMAND_H
#define PUBLISHER_COMMAND_H

#include "common/base/span.h"

#define COMMAND_TEXT_MAX 512 /* call id, reason, NUL included; a longer call id is malformed, a longer reason cut */

enum command_kind {
    COMMAND_BAD = 0,
    COMMAND_TERMINATE = 1,
    COMMAND_TRANSFER = 2,
};

struct command {
    enum command_kind kind;
    char call_id[COMMAND_TEXT_MAX];
    char reason[COMMAND_TEXT_MAX]; /* empty when none was given */
    const char *why;               /* COMMAND_BAD: what is wrong with it */
};

/** Fills *out whatever comes in. */
void command_parse(struct command *out, struct span key, struct span body);

#endif
