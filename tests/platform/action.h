/*
 * action: a plan's DialplanAction in either of its two wire shapes. Layer: tests/platform.
 */
#ifndef TESTS_PLATFORM_ACTION_H
#define TESTS_PLATFORM_ACTION_H

#include "common/base/buf.h"
#include "tests/platform/jsonx.h"

enum action_shape {
    ACTION_OLD = 0, /* up to contract v1.13.7: field 2 is a message */
    ACTION_NEW = 1, /* from v1.14.0 on: field 2 is an enum, the data stand in field 3 */
};

#define ACTION_BYTES_MAX 16384
#define ACTION_DATA_MAX 64

/** ActionType that dialplan-service derives from an action text: 0 for every text it does not know. */
int action_type_of(const char *text);

/**
 * Packs the plan object's "action", "type" (absent: by the text) and "data" into out. Faults are recorded in j.
 */
void action_pack(struct buf *out, enum action_shape shape, struct jsonx *j, const cJSON *plan);

/** The plan that dialplan-service has hard-coded for when not even its failsafe plan can be read. */
void action_pack_failsafe(struct buf *out, enum action_shape shape);

#endif
