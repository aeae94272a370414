#include "call-actor/call_history.h"

#include "call-actor/call_job.h"
#include "call-actor/out_leg.h"
#include "common/sip/sip_method.h"
#include "common/sip/sip_status.h"
#include "proto/event.h"
#include <inttypes.h>
#include <stdio.h>

#define RECORD_BYTES ((size_t)8)
#define MESSAGE 0x80u /* in the first byte: a message, no step */
#define REPEATS_MAX 255u
#define NO_METHOD 255u /* in a step's record: its request stands in a record of its own */

enum message {
    MSG_REPLY = 0,      /* value: status */
    MSG_BYE = 1,        /* ours to the caller; of older programs, as is */
    MSG_RESPONSE = 2,   /* to it; value: status, 0: none came */
    MSG_JOB = 3,        /* value: Plane__RunJob__Kind */
    MSG_JOB_CANCEL = 4, /* of the set-up */
    MSG_JOB_STEP = 5,   /* value: place in step_names, detail: in outcome_names */
    MSG_JOB_DONE = 6,   /* value: Plane__RunJob__Kind, detail: Plane__JobDone__Result */
    MSG_EVENT = 7,      /* value: enum event_kind */
    /* Of these detail is the leg: OutLeg.id, 0: the caller. */
    MSG_LEG_REPLY = 8,     /* ours; value: status */
    MSG_LEG_REQUEST = 9,   /* ours; value: enum sip_method */
    MSG_LEG_RESPONSE = 10, /* value: status, 0: none came */
    MSG_LEG_ASKED = 11,    /* its request; value: enum sip_method */
    MSG_LOCATE = 12,
    MSG_TARGETS = 13, /* value: how many, detail: 0; or status, detail: 1 */
};

static const char *const step_names[] = {"", "user", "dialplan", "media"};
static const char *const outcome_names[] = {"started", "found", "guest", "resolved", "allocated"};

/* --- writing --- */

struct record {
    uint8_t what, lo, hi, detail;
    uint32_t after_ms;
};

static struct record message(enum message kind, unsigned value)
{
    return (struct record){.what = (uint8_t)(MESSAGE | kind), .lo = (uint8_t)value, .hi = (uint8_t)(value >> 8)};
}

/* What one step adds. */
struct tape {
    struct record at[CALL_EFFECTS_MAX + 2];
    size_t cnt;
};

static void put(struct tape *t, struct record r)
{
    t->at[t->cnt++] = r;
}

/* A reply once more is counted, not listed: a 2xx without ACK is repeated ten times. */
static bool is_repeat(const ProtobufCBinaryData *kept, const struct record *r)
{
    if (r->what != (MESSAGE | MSG_REPLY) || kept->len < RECORD_BYTES)
        return false;
    const uint8_t *last = kept->data + kept->len - RECORD_BYTES;
    return last[0] == r->what && last[1] == r->lo && last[2] == r->hi && last[3] < REPEATS_MAX;
}

static void pack(uint8_t out[RECORD_BYTES], const struct record *r, uint32_t after_ms)
{
    memcpy(out, (const uint8_t[]){r->what, r->lo, r->hi, r->detail}, 4);
    for (unsigned i = 0; i < 4; i++)
        out[4 + i] = (uint8_t)(after_ms >> 8 * i);
}

static void keep(struct call *c, const struct tape *t, struct now now)
{
    uint8_t all[(CALL_HISTORY_RECORDS + CALL_EFFECTS_MAX + 2) * RECORD_BYTES];
    ProtobufCBinaryData *kept = &c->row->steps;
    uint32_t after_ms = (uint32_t)((uint64_t)now.wall_ms - c->row->created_wall_ms);
    if (t->cnt == 1 && is_repeat(kept, &t->at[0])) {
        kept->data[kept->len - RECORD_BYTES + 3]++;
        return;
    }
    size_t max = CALL_HISTORY_RECORDS * RECORD_BYTES;
    size_t len = kept->len <= max ? kept->len : 0; /* a program that keeps more wrote it: begin anew */
    if (len > 0)
        memcpy(all, kept->data, len);
    for (size_t i = 0; i < t->cnt; i++, len += RECORD_BYTES)
        pack(all + len, &t->at[i], after_ms);
    size_t drop = len > max ? len - max : 0;
    row_bytes(kept, span_of((const char *)all + drop, len - drop));
}

/* 0 for what we do not know. */
static unsigned place_in(const char *const *names, unsigned cnt, const char *name)
{
    while (--cnt > 0 && strcmp(names[cnt], name) != 0)
        continue;
    return cnt;
}
#define PLACE_IN(names, name) place_in(names, sizeof(names) / sizeof((names)[0]), name)

static struct record step_message(const Plane__JobStep *told)
{
    struct record r = message(MSG_JOB_STEP, PLACE_IN(step_names, told->step));
    r.detail = (uint8_t)PLACE_IN(outcome_names, told->outcome);
    return r;
}

static Plane__RunJob__Kind kind_of_id(ProtobufCBinaryData id)
{
    return job_id_is_setup(row_span(id)) ? PLANE__RUN_JOB__KIND__SETUP : PLANE__RUN_JOB__KIND__RELEASE_PORT;
}

static struct record leg_message(enum message kind, unsigned value, uint32_t leg)
{
    struct record r = message(kind, value);
    r.detail = (uint8_t)leg;
    return r;
}

static struct record targets_message(const struct call_input *in)
{
    bool found = in->target_cnt > 0;
    return leg_message(MSG_TARGETS, found ? (unsigned)in->target_cnt : in->status, found ? 0 : 1);
}

static struct record message_of(const struct call_input *in, uint32_t leg)
{
    struct record r = {.what = 0};
    switch (in->type) {
    case CALL_IN_RESPONSE:
        r = leg_message(MSG_LEG_RESPONSE, in->status, leg);
        break;
    case CALL_IN_TARGETS:
        r = targets_message(in);
        break;
    case CALL_IN_REQUEST: /* the caller's stands in the record of the step */
        if (leg != SIDE_CALLER)
            r = leg_message(MSG_LEG_ASKED, in->msg->method, leg);
        break;
    case CALL_IN_JOB_STEP:
        r = step_message(in->step);
        break;
    case CALL_IN_JOB_DONE:
        r = message(MSG_JOB_DONE, kind_of_id(in->done->id));
        r.detail = (uint8_t)in->done->result;
        break;
    case CALL_IN_TERMINATE:
    case CALL_IN_CONTROL:
    case CALL_IN_TIMER:
        break;
    }
    return r;
}

struct history_heard history_hear(const struct call_input *in, uint32_t leg)
{
    struct record r = message_of(in, leg);
    bool asked = in->type == CALL_IN_REQUEST && leg == SIDE_CALLER;
    unsigned method = asked ? in->msg->method : in->type == CALL_IN_REQUEST ? NO_METHOD : SIP_M_OTHER;
    return (struct history_heard){.message = {r.what, r.lo, r.hi, r.detail}, .method = (uint8_t)method};
}

static void put_heard(struct tape *t, const struct history_heard *heard)
{
    const uint8_t *m = heard->message;
    if (m[0] != 0)
        put(t, (struct record){.what = m[0], .lo = m[1], .hi = m[2], .detail = m[3]});
}

static unsigned event_of(const char *key)
{
    unsigned kind = EVENT_CALL_STARTED;
    while (kind + 1 < EVENT_KINDS && strcmp(event_key((enum event_kind)kind), key) != 0)
        kind++;
    return kind;
}

static void put_effect(struct tape *t, const struct call *c, const struct call_effect *e)
{
    uint32_t to = side_party(c, e->leg);
    switch (e->type) {
    case CALL_EFF_REPLY:
        put(t, to == SIDE_CALLER ? message(MSG_REPLY, e->status) : leg_message(MSG_LEG_REPLY, e->status, to));
        break;
    case CALL_EFF_REQUEST:
        put(t, leg_message(MSG_LEG_REQUEST, sip_method_lookup(span_cstr(e->method)), to));
        break;
    case CALL_EFF_CANCEL:
        put(t, leg_message(MSG_LEG_REQUEST, SIP_M_CANCEL, to));
        break;
    case CALL_EFF_LOCATE:
        put(t, message(MSG_LOCATE, 0));
        break;
    case CALL_EFF_JOB:
        put(t, message(MSG_JOB, e->job->kind));
        break;
    case CALL_EFF_CANCEL_JOB:
        put(t, message(MSG_JOB_CANCEL, 0));
        break;
    case CALL_EFF_PUBLISH:
        put(t, message(MSG_EVENT, event_of(e->routing_key)));
        break;
    case CALL_EFF_ARM:
    case CALL_EFF_LOG:
    case CALL_EFF_TELL:
    case CALL_EFF_FORGET:
        break;
    }
}

/* Progress and repeats move nothing: the message alone is of interest. */
static bool is_of_interest(const struct fsm_step *step)
{
    return step->event != CALL_EV_STEP && step->event != CALL_EV_TMR_2XX && step->event != CALL_EV_TMR_PRACK;
}

void history_add(struct call *c, const struct history_heard *heard, const struct fsm_step *step,
                 const struct call_effects *fx, size_t first, struct now now)
{
    struct tape t;
    t.cnt = 0;
    put_heard(&t, heard);
    if (step != NULL && is_of_interest(step))
        put(&t, (struct record){.what = step->event, .lo = step->from, .hi = step->to, .detail = heard->method});
    for (size_t i = first; i < fx->count; i++)
        put_effect(&t, c, &fx->list[i]);
    if (t.cnt > 0)
        keep(c, &t, now);
}

/* --- reading --- */

static const char *const parties[] = {
    "caller",    "callee 1",  "callee 2",  "callee 3",  "callee 4",  "callee 5",  "callee 6",  "callee 7",  "callee 8",
    "callee 9",  "callee 10", "callee 11", "callee 12", "callee 13", "callee 14", "callee 15", "callee 16", "callee 17",
    "callee 18", "callee 19", "callee 20", "callee 21", "callee 22", "callee 23", "callee 24"};
_Static_assert(sizeof(parties) / sizeof(parties[0]) == OUT_LEGS_MAX + 1, "each leg has a name");

static const char caller[] = "caller";
static const char us[] = "call-actor";
static const char platform[] = "platform";
static const char broker[] = "broker";

/* A newer program may have written states, events and messages that this one has no name for. */
static const char *name_of(const char *const *names, size_t count, unsigned at)
{
    return at < count ? names[at] : "?";
}

#define NAME_OF(names, at) name_of((names), sizeof(names) / sizeof((names)[0]), (at))

static void between(struct call_history_line *l, const char *from, const char *to)
{
    l->from = from;
    l->to = to;
}

__attribute__((format(printf, 2, 3))) static void say(struct call_history_line *l, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(l->what, sizeof(l->what), fmt, ap);
    va_end(ap);
}

static void say_status(struct call_history_line *l, unsigned status)
{
    const char *reason = sip_status_reason(status);
    if (status == 0)
        say(l, "no answer");
    else
        say(l, "%u %s", status, reason);
}

const char *call_history_party(uint32_t leg)
{
    return NAME_OF(parties, leg);
}

static void say_method(struct call_history_line *l, unsigned method)
{
    struct span text = sip_method_text((enum sip_method)(method < SIP_M_CNT ? method : SIP_M_OTHER));
    say(l, "%.*s", SPAN_ARG(text.len > 0 ? text : SPAN("a request")));
}

static void read_leg_message(struct call_history_line *l, const uint8_t *r, unsigned value)
{
    const char *leg = call_history_party(r[3]);
    unsigned kind = r[0] & ~MESSAGE;
    bool ours = kind == MSG_LEG_REPLY || kind == MSG_LEG_REQUEST;
    between(l, ours ? us : leg, ours ? leg : us);
    if (kind == MSG_LEG_REPLY || kind == MSG_LEG_RESPONSE)
        say_status(l, value);
    else
        say_method(l, value);
}

static void read_targets(struct call_history_line *l, const uint8_t *r, unsigned value)
{
    if (r[3] == 0)
        say(l, "%u to ring", value);
    else
        say(l, "nobody to ring: %u", value);
}

static void read_message(struct call_history_line *l, const uint8_t *r, unsigned value)
{
    static const char *const jobs[] = {"job", "set-up", "release port", "hole punch", "play"};
    static const char *const results[] = {"done", "unavailable", "denied", "failed", "cancelled"};
    switch (r[0] & ~MESSAGE) {
    case MSG_REPLY:
        between(l, us, caller);
        say_status(l, value);
        if (r[3] > 0)
            say(l, "%u, repeated %u times", value, r[3]);
        break;
    case MSG_BYE:
        between(l, us, caller);
        say(l, "BYE");
        break;
    case MSG_RESPONSE:
        between(l, caller, us);
        say_status(l, value);
        break;
    case MSG_JOB:
        between(l, us, platform);
        say(l, "%s", NAME_OF(jobs, value));
        break;
    case MSG_JOB_CANCEL:
        between(l, us, platform);
        say(l, "cancel the set-up");
        break;
    case MSG_JOB_STEP:
        if (r[3] == 0)
            say(l, "set-up waits for: %s", NAME_OF(step_names, value));
        else
            say(l, "set-up: %s %s", NAME_OF(step_names, value), NAME_OF(outcome_names, r[3]));
        break;
    case MSG_JOB_DONE:
        between(l, platform, us);
        say(l, "%s %s", NAME_OF(jobs, value), NAME_OF(results, r[3]));
        break;
    case MSG_EVENT:
        between(l, us, broker);
        say(l, "%s", value < EVENT_KINDS ? event_key((enum event_kind)value) : "?");
        break;
    case MSG_LEG_REPLY:
    case MSG_LEG_REQUEST:
    case MSG_LEG_RESPONSE:
    case MSG_LEG_ASKED:
        read_leg_message(l, r, value);
        break;
    case MSG_LOCATE:
        say(l, "look up who is to be rung");
        break;
    case MSG_TARGETS:
        read_targets(l, r, value);
        break;
    default:
        say(l, "?");
        break;
    }
}

/* The request that raised a step, as a line of its own. false: it was none. */
static bool read_request(struct call_history_line *l, const uint8_t *r)
{
    bool asks = r[0] <= CALL_EV_REFUSED || r[0] == CALL_EV_REFER || r[0] == CALL_EV_SUBSCRIBE;
    bool is = asks && r[3] != NO_METHOD;
    between(l, caller, us);
    say_method(l, r[3]);
    return is;
}

static void read_step(struct call_history_line *l, const uint8_t *r)
{
    const struct fsm *m = &call_machine;
    const char *event = name_of(m->event_names, m->events, r[0]);
    const char *to = name_of(m->state_names, m->states, r[2]);
    between(l, NULL, NULL);
    if (r[1] == r[2])
        say(l, "%s: %s", to, event);
    else
        say(l, "%s -> %s: %s", name_of(m->state_names, m->states, r[1]), to, event);
}

void call_history_each(const struct call *c, call_history_fn *fn, void *user)
{
    const ProtobufCBinaryData *kept = &c->row->steps;
    for (size_t at = 0; at + RECORD_BYTES <= kept->len; at += RECORD_BYTES) {
        const uint8_t *r = kept->data + at;
        struct call_history_line l = {.after_ms = 0};
        for (unsigned i = 0; i < 4; i++)
            l.after_ms |= (uint32_t)r[4 + i] << 8 * i;
        if ((r[0] & MESSAGE) != 0) {
            read_message(&l, r, (unsigned)r[1] | (unsigned)r[2] << 8);
            fn(user, &l);
            continue;
        }
        if (read_request(&l, r))
            fn(user, &l);
        read_step(&l, r);
        fn(user, &l);
    }
}

void call_history_text(const struct call_history_line *l, char out[CALL_HISTORY_TEXT_MAX])
{
    if (l->from != NULL)
        (void)snprintf(out, CALL_HISTORY_TEXT_MAX, "+%" PRIu32 " ms %s => %s: %s", l->after_ms, l->from, l->to,
                       l->what);
    else
        (void)snprintf(out, CALL_HISTORY_TEXT_MAX, "+%" PRIu32 " ms %s", l->after_ms, l->what);
}
