#include "call-actor/call_events.h"

#include "call-actor/call_end.h"
#include "call-actor/call_row.h"
#include "call-actor/dialog.h"
#include "call-actor/side.h"
#include "common/base/err.h"
#include "proto/event.h"
#include <stdio.h>

/* What a record of the message plane holds beside the body, with room to spare. */
#define BODY_MAX (PLANE_BODY_MAX - 4096u)

/* From and To as they came are at most DIALOG_VALUE_BYTES_MAX; with two brackets and a NUL. */
#define VALUE_MAX (DIALOG_VALUE_BYTES_MAX + 3)

static void publish_as(struct call *c, struct call_effects *fx, enum event_kind kind, enum event_format format,
                       const struct event_call *what)
{
    struct buf body;
    buf_init(&body, BODY_MAX);
    enum event_shape shape = c->conf->action_shape_old ? EVENT_SHAPE_OLD : EVENT_SHAPE_NEW;
    int rv = event_build(&body, kind, format, shape, what);
    if (rv < 0) /* BODY_MAX is above EVENT_BODY_MIN, so it is memory */
        die(EX_INTERNAL, "out of memory for the body of %s", event_key(kind));
    if (rv == EVENT_REDUCED)
        fx_log(fx, CALL_LOG_WARN, "%s is published without its whole plan: it is too large", event_key(kind));
    if (event_is_optional(kind))
        fx_publish_nth(fx, event_key(kind), event_content_type(format), &body,
                       kind == EVENT_CALL_DTMF ? c->row->dtmf_cnt : c->row->transfer_cnt);
    else
        fx_publish(fx, event_key(kind), event_content_type(format), &body);
}

static void publish(struct call *c, struct call_effects *fx, enum event_kind kind, const struct event_call *what)
{
    if (c->conf->events_json)
        publish_as(c, fx, kind, EVENT_JSON, what);
    if (c->conf->events_protobuf)
        publish_as(c, fx, kind, EVENT_PROTOBUF, what);
}

/* Consumers look for "<sip:NUMBER@": a value without brackets (RFC 3261 §20.10) gets them. */
static struct span bracketed(char *out, const char *value)
{
    struct span v = span_cstr(value);
    if (v.len == 0 || span_find(v, '<') < v.len)
        return v;
    size_t uri = span_find(v, ';');
    (void)snprintf(out, VALUE_MAX, "<%.*s>%s", (int)uri, value, value + uri);
    return span_cstr(out);
}

/* The two values that may need another form. */
struct about_texts {
    char from[VALUE_MAX];
    char to[VALUE_MAX];
};

/* call.started leaves with the first INVITE to a callee, or with our own 200. */
static uint64_t started_wall_ms(const Store__CallRow *row)
{
    return row->started_wall_ms != 0 ? row->started_wall_ms : row->answered_wall_ms;
}

static struct event_call about(const struct call *c, struct about_texts *t, struct now now)
{
    const Store__CallRow *row = c->row;
    return (struct event_call){
        .call_id = span_cstr(call_name(c)),
        .trace_id = span_cstr(row->trace_id),
        .from = bracketed(t->from, call_from(c)),
        .to = bracketed(t->to, call_to(c)),
        .direction = span_cstr(row->direction),
        .wall_ms = now.wall_ms,
        .caller_rtp_addr = span_cstr(row->caller_rtp),
        .server_rtp_port = row->rtp_port,
        .started_wall_ms = (int64_t)started_wall_ms(row),
        .answered_wall_ms = (int64_t)row->acked_wall_ms,
    };
}

void events_started(struct call *c, struct call_effects *fx, const Plane__Plan *plan, struct now now)
{
    struct about_texts texts;
    struct event_call what = about(c, &texts, now);
    BUG_ON(c->row->started_published);
    what.plan = plan;
    publish(c, fx, EVENT_CALL_STARTED, &what);
    c->row->started_published = true;
}

void events_answered(struct call *c, struct call_effects *fx, struct now now)
{
    struct about_texts texts;
    struct event_call what = about(c, &texts, now);
    Plane__Plan tenant = PLANE__PLAN__INIT;
    if (c->row->answered_published)
        return;
    tenant.tenant_id = c->row->tenant_id;
    what.plan = &tenant;
    publish(c, fx, EVENT_CALL_ANSWERED, &what);
    c->row->answered_published = true;
}

void events_ended(struct call *c, struct call_effects *fx, struct now now)
{
    struct about_texts texts;
    struct event_call what = about(c, &texts, now);
    const Store__CallRow *row = c->row;
    if (!row->started_published || row->ended_published)
        return;
    const struct call_ending ending = call_ending_of(row);
    what.reason = span_cstr(ending.reason);
    what.ended_by = span_cstr(ending.by);
    what.stage = span_cstr(ending.stage);
    what.sip_code = ending.sip_code;
    what.q850_cause = ending.q850_cause;
    what.setup_ms = ending.setup_ms;
    what.ring_ms = ending.ring_ms;
    publish(c, fx, EVENT_CALL_ENDED, &what);
    c->row->ended_published = true;
}

/* --- keys --- */

#define SECOND_MS 1000u

static bool is_too_many(Store__CallRow *row, struct now now)
{
    uint64_t wall_ms = (uint64_t)now.wall_ms;
    if (wall_ms - row->dtmf_wall_ms >= SECOND_MS) { /* also when the clock was set back */
        row->dtmf_wall_ms = wall_ms;
        row->dtmf_burst = 0;
    }
    return ++row->dtmf_burst > EVENTS_DTMF_PER_S;
}

bool events_dtmf(struct call *c, struct call_effects *fx, const struct sip_dtmf *key, uint32_t side, struct now now)
{
    struct about_texts texts;
    struct event_call what = about(c, &texts, now);
    Plane__Plan tenant = PLANE__PLAN__INIT;
    if (is_too_many(c->row, now))
        return false;
    tenant.tenant_id = c->row->tenant_id;
    what.plan = &tenant;
    what.digit = key->key;
    what.duration_ms = key->duration_ms;
    what.party = span_cstr(side_party(c, side) == SIDE_CALLER ? "caller" : "callee");
    c->row->dtmf_cnt++;
    publish(c, fx, EVENT_CALL_DTMF, &what);
    return true;
}

void events_transfer(struct call *c, struct call_effects *fx, enum event_kind kind, struct now now)
{
    struct about_texts texts;
    struct event_call what = about(c, &texts, now);
    const Store__Transfer *t = c->row->transfer;
    Plane__Plan tenant = PLANE__PLAN__INIT;
    tenant.tenant_id = c->row->tenant_id;
    what.plan = &tenant;
    what.target = span_cstr(t->to);
    what.asked_by = span_cstr(t->asked_by);
    what.key = span_cstr(t->key);
    what.asked_wall_ms = (int64_t)t->asked_wall_ms;
    what.reason = span_cstr(t->reason);
    what.sip_code = t->status;
    publish(c, fx, kind, &what);
}
