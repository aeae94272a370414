#include "call-actor/call_history.h"

#include <inttypes.h>

#define STEP_BYTES 8u

void history_add(struct call *c, const struct fsm_step *step, struct now now)
{
    uint8_t steps[CALL_HISTORY_STEPS * STEP_BYTES];
    ProtobufCBinaryData *kept = &c->row->steps;
    size_t keep = kept->len < sizeof(steps) ? kept->len : sizeof(steps) - STEP_BYTES;
    if (keep > 0)
        memcpy(steps, kept->data + (kept->len - keep), keep);
    uint32_t after_ms = (uint32_t)((uint64_t)now.wall_ms - c->row->created_wall_ms);
    steps[keep] = step->event;
    steps[keep + 1] = step->from;
    steps[keep + 2] = step->to;
    steps[keep + 3] = 0;
    for (unsigned i = 0; i < 4; i++)
        steps[keep + 4 + i] = (uint8_t)(after_ms >> 8 * i);
    row_bytes(kept, span_of((const char *)steps, keep + STEP_BYTES));
}

/* A newer program may have written states and events that this one has no name for. */
static const char *name_of(const char *const *names, unsigned count, unsigned at)
{
    return at < count ? names[at] : "?";
}

void call_history_put(const struct call *c, struct buf *out)
{
    const struct fsm *m = &call_machine;
    const ProtobufCBinaryData *kept = &c->row->steps;
    for (size_t at = 0; at + STEP_BYTES <= kept->len; at += STEP_BYTES) {
        const uint8_t *s = kept->data + at;
        uint32_t after_ms = 0;
        for (unsigned i = 0; i < 4; i++)
            after_ms |= (uint32_t)s[4 + i] << 8 * i;
        buf_printf(out, "+%" PRIu32 " ms %s -> %s on %s\n", after_ms, name_of(m->state_names, m->states, s[1]),
                   name_of(m->state_names, m->states, s[2]), name_of(m->event_names, m->events, s[0]));
    }
}
