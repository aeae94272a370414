/*
 * wire: walks the fields of a protobuf message by (number, wire type), for messages whose schema depends on who sends
 * them. Pure; reads bytes nobody has checked.
 */
#ifndef ORCHESTRATOR_WIRE_H
#define ORCHESTRATOR_WIRE_H

#include "common/base/span.h"

enum wire_type { WIRE_VARINT = 0, WIRE_I64 = 1, WIRE_LEN = 2, WIRE_I32 = 5 };

struct wire_field {
    uint32_t no;
    enum wire_type type;
    uint64_t num;      /* WIRE_VARINT */
    struct span bytes; /* WIRE_LEN: points into the message */
};

struct wire {
    struct span rest; /* start: the whole message */
    bool bad;         /* malformed from here on */
};

static inline struct wire wire_open(struct span message)
{
    return (struct wire){.rest = message};
}
/** The next field; false at the end or, with w->bad set, at the first byte that makes no sense (groups included). */
bool wire_next(struct wire *w, struct wire_field *f);

#endif
