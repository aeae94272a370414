#include "proto/event_part.h"

#include "common/base/utf8.h"

const char *event_key(enum event_kind kind)
{
    static const char *const keys[] = {"call.started",        "call.answered",         "call.ended",
                                       "call.dtmf.received",  "call.transfer.started", "call.transfer.completed",
                                       "call.transfer.failed"};
    return keys[kind];
}

bool event_is_optional(enum event_kind kind)
{
    return kind >= EVENT_CALL_DTMF; /* events of a call leave in order: one that is kept would hold up call.ended */
}

const char *event_content_type(enum event_format format)
{
    return format == EVENT_PROTOBUF ? "application/protobuf" : "application/json";
}

struct span event_cut(struct span s)
{
    size_t n = EVENT_TEXT_MAX;
    if (s.len <= n)
        return s;
    /* A sequence has at most three continuation bytes; more of them is no UTF-8 anyway. */
    for (int back = 0; back < 3 && ((unsigned char)s.p[n] & 0xC0) == 0x80; back++)
        n--;
    return span_of(s.p, n);
}

size_t event_utf8_len(struct span s)
{
    uint32_t code = 0;
    size_t n = s.len > 0 ? utf8_char(s, &code) : 0;
    return code != 0 ? n : 0;
}

static int write_part(struct buf *out, enum event_kind kind, enum event_format format, enum event_shape shape,
                      enum event_plan_part part, const struct event_call *c)
{
    size_t before = out->len;
    int rc = 0;
    if (format == EVENT_PROTOBUF)
        rc = event_write_proto(out, kind, shape, part, c);
    else
        event_write_json(out, kind, part, c);
    if (rc == 0 && !out->failed)
        return 0;
    out->len = before;
    out->failed = false;
    return -EVENT_EFULL;
}

int event_build(struct buf *out, enum event_kind kind, enum event_format format, enum event_shape shape,
                const struct event_call *c)
{
    if (out->failed)
        return -EVENT_EFULL;
    for (unsigned part = EVENT_PLAN_ALL; part <= EVENT_PLAN_NONE; part++) {
        if (write_part(out, kind, format, shape, (enum event_plan_part)part, c) == 0)
            return part == EVENT_PLAN_ALL ? 0 : EVENT_REDUCED;
    }
    return -EVENT_EFULL;
}
