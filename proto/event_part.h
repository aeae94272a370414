/* Private to event*.c: the two writers behind event_build, and the text rules they share. */
#ifndef PROTO_EVENT_PART_H
#define PROTO_EVENT_PART_H

#include "proto/event.h"

/* How much of the plan a body carries. */
enum event_plan_part {
    EVENT_PLAN_ALL = 0,
    EVENT_PLAN_ONCE = 1, /* JSON: without the older spelling */
    EVENT_PLAN_NONE = 2,
};

/** At most EVENT_TEXT_MAX bytes of s, not cut inside a UTF-8 sequence. */
struct span event_cut(struct span s);
/** Length of the UTF-8 sequence (RFC 3629, so no surrogates and no overlong forms) at s.p, or 0; NUL counts as bad. */
size_t event_utf8_len(struct span s);
#define EVENT_BAD_BYTE "\xEF\xBF\xBD" /* U+FFFD */

/** Append the JSON body; overflow shows in out->failed. */
void event_write_json(struct buf *out, enum event_kind kind, enum event_plan_part part, const struct event_call *c);
/** Append {"callId":…} and what else the kind has: what a GenericEvent carries as its payload. */
void event_write_payload(struct buf *out, enum event_kind kind, const struct event_call *c);
/** Append the protobuf body. returns 0 or -EVENT_EFULL (out unchanged, but perhaps failed) */
int event_write_proto(struct buf *out, enum event_kind kind, enum event_shape shape, enum event_plan_part part,
                      const struct event_call *c);

#endif
