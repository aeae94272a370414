/* The JSON superset: what each consumer generation reads, side by side. Keys: docs/amqp.md. */
#include "common/base/clock.h"
#include "proto/event_part.h"

enum spelling { CAMEL = 0, SNAKE = 1 };

/* --- writer --- */

/* Bytes that stand for themselves inside a JSON string. */
static bool is_plain(char c)
{
    return c >= ' ' && c < 0x7F && c != '"' && c != '\\';
}

static size_t plain_len(struct span s)
{
    size_t n = 0;
    while (n < s.len && is_plain(s.p[n]))
        n++;
    return n;
}

static void put_odd_byte(struct buf *b, unsigned char c)
{
    if (c == '"' || c == '\\') {
        buf_putc(b, '\\');
        buf_putc(b, (char)c);
    } else {
        buf_printf(b, "\\u%04x", c);
    }
}

/* One byte or sequence that is not plain; returns how many bytes it was. */
static size_t put_odd(struct buf *b, struct span s)
{
    size_t n = event_utf8_len(s);
    if (n == 0) {
        buf_puts(b, EVENT_BAD_BYTE);
        return 1;
    }
    if (n == 1)
        put_odd_byte(b, (unsigned char)s.p[0]);
    else
        buf_put(b, s.p, n);
    return n;
}

/* From the first byte that is not plain on. */
static void put_mixed(struct buf *b, struct span s)
{
    while (s.len > 0) {
        s = span_from(s, put_odd(b, s));
        size_t n = plain_len(s);
        buf_put(b, s.p, n);
        s = span_from(s, n);
    }
}

static void put_string(struct buf *b, struct span s)
{
    if (s.p == NULL)
        s = SPAN("");
    size_t n = plain_len(s);
    char *to = buf_reserve(b, n + 2); /* nearly all texts are plain: one step */
    if (to == NULL)
        return;
    to[0] = '"';
    memcpy(to + 1, s.p, n);
    to[n + 1] = '"';
    buf_commit(b, n == s.len ? n + 2 : n + 1);
    if (n < s.len) {
        put_mixed(b, span_from(s, n));
        buf_putc(b, '"');
    }
}

static bool wants_comma(const struct buf *b)
{
    char last = b->len > 0 ? b->p[b->len - 1] : '{';
    return last != '{' && last != '[';
}

static void put_comma(struct buf *b)
{
    if (wants_comma(b))
        buf_putc(b, ',');
}

/* Keys are ours and need no escaping. */
static void put_key(struct buf *b, const char *key)
{
    size_t n = strlen(key);
    char *to = buf_reserve(b, n + 4);
    if (to == NULL)
        return;
    size_t at = 0;
    if (wants_comma(b))
        to[at++] = ',';
    to[at++] = '"';
    for (size_t i = 0; i < n; i++)
        to[at++] = key[i];
    to[at++] = '"';
    to[at++] = ':';
    buf_commit(b, at);
}

static void put_text(struct buf *b, const char *key, struct span value)
{
    put_key(b, key);
    put_string(b, event_cut(value));
}

static void put_known_text(struct buf *b, const char *key, struct span value)
{
    if (value.len > 0)
        put_text(b, key, value);
}

static void put_number(struct buf *b, const char *key, int64_t value)
{
    put_key(b, key);
    if (value < 0)
        buf_putc(b, '-');
    buf_put_u64(b, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

static void put_bool(struct buf *b, const char *key, bool value)
{
    put_key(b, key);
    buf_puts(b, value ? "true" : "false");
}

static void put_time(struct buf *b, const char *key, int64_t wall_ms)
{
    char text[CLOCK_RFC3339_SIZE];
    put_text(b, key, span_cstr(clock_rfc3339(wall_ms, text)));
}

static void open_object(struct buf *b, const char *key)
{
    put_key(b, key);
    buf_putc(b, '{');
}

static void close_object(struct buf *b)
{
    buf_putc(b, '}');
}

/* --- the plan --- */

/* Two spellings of one key, in the order of enum spelling. */
#define KEY(camel, snake) ((const char *const[2]){(camel), (snake)})[how]

static void put_z(struct buf *b, const char *key, const char *value)
{
    put_text(b, key, span_cstr(value));
}

/* Optional in the platform's messages: absent rather than empty. */
static void put_known_z(struct buf *b, const char *key, const char *value)
{
    put_known_text(b, key, span_cstr(value));
}

static void put_contact(struct buf *b, const Plane__Contact *c, enum spelling how)
{
    buf_putc(b, '{');
    put_number(b, "id", c->id);
    put_z(b, KEY("userId", "user_id"), c->user_id);
    put_z(b, KEY("contactType", "contact_type"), c->type);
    put_z(b, KEY("contactValue", "contact_value"), c->value);
    put_bool(b, KEY("isPrimary", "is_primary"), c->is_primary);
    close_object(b);
}

static void put_user(struct buf *b, const Plane__User *u, enum spelling how)
{
    open_object(b, KEY("matchedUser", "matched_user"));
    put_z(b, "id", u->id);
    put_known_z(b, "name", u->name);
    put_z(b, KEY("tenantId", "tenant_id"), u->tenant_id);
    put_z(b, KEY("userType", "user_type"), u->user_type);
    put_key(b, "contacts");
    buf_putc(b, '[');
    for (size_t i = 0; i < u->n_contacts; i++) {
        put_comma(b);
        put_contact(b, u->contacts[i], how);
    }
    buf_putc(b, ']');
    put_known_z(b, KEY("preferredLanguageCode", "preferred_language_code"), u->language);
    close_object(b);
}

static void put_route(struct buf *b, const Plane__InboundRoute *r, enum spelling how)
{
    open_object(b, KEY("inboundRoute", "inbound_route"));
    put_z(b, KEY("phoneNumber", "phone_number"), r->phone_number);
    put_z(b, KEY("tenantId", "tenant_id"), r->tenant_id);
    put_known_z(b, KEY("activeDialplanId", "active_dialplan_id"), r->active_dialplan_id);
    put_known_z(b, KEY("offHoursDialplanId", "off_hours_dialplan_id"), r->off_hours_dialplan_id);
    put_known_z(b, KEY("failsafeDialplanId", "failsafe_dialplan_id"), r->failsafe_dialplan_id);
    put_bool(b, KEY("isMaintenanceMode", "is_maintenance_mode"), r->is_maintenance_mode);
    put_z(b, KEY("defaultLanguageCode", "default_language_code"), r->default_language_code);
    put_known_z(b, KEY("scheduleId", "schedule_id"), r->schedule_id);
    put_bool(b, KEY("blockAnonymous", "block_anonymous"), r->block_anonymous);
    close_object(b);
}

/* Everything of the resolution but the action, whose own key is spelled one way only. */
static void put_resolution(struct buf *b, const Plane__Plan *p, enum spelling how)
{
    put_z(b, KEY("dialplanId", "dialplan_id"), p->dialplan_id);
    put_z(b, KEY("tenantId", "tenant_id"), p->tenant_id);
    if (p->matched_user != NULL)
        put_user(b, p->matched_user, how);
    if (p->matched_contact != NULL) {
        put_key(b, KEY("matchedContact", "matched_contact"));
        put_contact(b, p->matched_contact, how);
    }
    if (p->inbound_route != NULL)
        put_route(b, p->inbound_route, how);
}

/* {"data":{…}}: consumers read the nested form, none a flat one. */
static void put_action_data(struct buf *b, const Plane__Plan *p, enum spelling how)
{
    open_object(b, KEY("actionData", "action_data"));
    open_object(b, "data");
    for (size_t i = 0; i < p->n_action_data; i++) {
        put_comma(b);
        put_string(b, span_cstr(p->action_data[i]->key));
        buf_putc(b, ':');
        put_string(b, span_cstr(p->action_data[i]->value));
    }
    close_object(b);
    close_object(b);
}

/* both: the older key, `dialplan`, with both spellings side by side. */
static void put_plan(struct buf *b, const char *key, const Plane__Plan *p, bool both)
{
    open_object(b, key);
    put_resolution(b, p, CAMEL);
    if (both)
        put_resolution(b, p, SNAKE);
    open_object(b, "action");
    put_z(b, "action", p->action);
    put_action_data(b, p, CAMEL);
    if (both)
        put_action_data(b, p, SNAKE);
    close_object(b);
    close_object(b);
}

/* --- the events --- */

static void put_head(struct buf *b, enum event_kind kind, const struct event_call *c)
{
    put_z(b, "eventType", event_key(kind));
    put_text(b, "traceId", c->trace_id.len > 0 ? c->trace_id : c->call_id);
    put_text(b, "callId", c->call_id);
    put_time(b, "timestamp", c->wall_ms);
    put_known_text(b, "direction", c->direction);
}

static void put_media(struct buf *b, const struct event_call *c)
{
    open_object(b, "media");
    put_number(b, "server_rtp_port", c->server_rtp_port);
    put_text(b, "caller_rtp_addr", c->caller_rtp_addr);
    close_object(b);
    open_object(b, "mediaInfo");
    put_text(b, "callerRtpAddr", c->caller_rtp_addr);
    put_number(b, "serverRtpPort", c->server_rtp_port);
    close_object(b);
}

static void put_started(struct buf *b, enum event_plan_part part, const struct event_call *c)
{
    put_text(b, "from", c->from);
    put_text(b, "fromUri", c->from);
    put_text(b, "to", c->to);
    put_text(b, "toUri", c->to);
    put_media(b, c);
    if (c->plan != NULL && part == EVENT_PLAN_ALL)
        put_plan(b, "dialplan", c->plan, true);
    if (c->plan != NULL && part != EVENT_PLAN_NONE)
        put_plan(b, "dialplanResolution", c->plan, false);
    if (part != EVENT_PLAN_ALL)
        put_bool(b, "reduced", true);
}

static int64_t ms_since(int64_t from_ms, int64_t to_ms)
{
    return to_ms > from_ms ? to_ms - from_ms : 0;
}

/*
 * No mediaInfo here, although one generation had it: its consumer releases that port when the event arrives, which
 * after an outage of the broker is long after we released it and another call got it.
 */
static void put_ended(struct buf *b, const struct event_call *c)
{
    put_text(b, "reason", c->reason);
    put_known_text(b, "endedBy", c->ended_by);
    put_known_text(b, "stage", c->stage);
    if (c->sip_code > 0)
        put_number(b, "sipCode", c->sip_code);
    if (c->q850_cause > 0)
        put_number(b, "q850Cause", c->q850_cause);
    put_number(b, "setupMs", (int64_t)c->setup_ms);
    put_number(b, "ringMs", (int64_t)c->ring_ms);
    if (c->started_wall_ms > 0) {
        put_time(b, "startedAt", c->started_wall_ms);
        put_number(b, "durationMs", ms_since(c->started_wall_ms, c->wall_ms));
    }
    if (c->answered_wall_ms > 0) {
        put_time(b, "answeredAt", c->answered_wall_ms);
        put_number(b, "talkMs", ms_since(c->answered_wall_ms, c->wall_ms));
    }
}

static void put_dtmf(struct buf *b, const struct event_call *c)
{
    put_text(b, "digit", span_of(&c->digit, 1));
    put_number(b, "duration", c->duration_ms);
    put_text(b, "party", c->party);
}

static void put_transfer(struct buf *b, const struct event_call *c)
{
    put_text(b, "target", c->target);
    put_known_text(b, "askedBy", c->asked_by);
    put_known_text(b, "idempotencyKey", c->key);
    put_known_text(b, "reason", c->reason);
    if (c->sip_code > 0)
        put_number(b, "sipCode", c->sip_code);
    put_number(b, "durationMs", ms_since(c->asked_wall_ms, c->wall_ms));
}

void event_write_json(struct buf *out, enum event_kind kind, enum event_plan_part part, const struct event_call *c)
{
    buf_putc(out, '{');
    put_head(out, kind, c);
    if (kind == EVENT_CALL_STARTED)
        put_started(out, part, c);
    if (kind == EVENT_CALL_ENDED)
        put_ended(out, c);
    if (kind == EVENT_CALL_DTMF)
        put_dtmf(out, c);
    if (kind >= EVENT_TRANSFER_STARTED)
        put_transfer(out, c);
    close_object(out);
}

void event_write_payload(struct buf *out, enum event_kind kind, const struct event_call *c)
{
    buf_putc(out, '{');
    put_text(out, "callId", c->call_id);
    if (kind == EVENT_CALL_DTMF)
        put_dtmf(out, c);
    if (kind >= EVENT_TRANSFER_STARTED)
        put_transfer(out, c);
    close_object(out);
}
