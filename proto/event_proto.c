/* The protobuf bodies: sentiric.event.v1. Structs of protobuf-c are filled with cleaned text and packed once. */
#include "proto/event_part.h"
#include "proto/platform/event.pb-c.h"
#include <stdlib.h>

/* --- memory that lives as long as one event_build --- */

struct block {
    struct block *next;
    max_align_t bytes[];
};

struct scratch {
    struct block *blocks;
    bool failed;
};

static void *scratch_alloc(struct scratch *s, size_t n)
{
    struct block *b = malloc(sizeof *b + (n > 0 ? n : 1));
    if (b == NULL) {
        s->failed = true;
        return NULL;
    }
    b->next = s->blocks;
    s->blocks = b;
    return b->bytes;
}

static void scratch_free(struct scratch *s)
{
    while (s->blocks != NULL) {
        struct block *next = s->blocks->next;
        free(s->blocks);
        s->blocks = next;
    }
}

static char empty_text[] = "";

/* A C string of valid UTF-8; the empty one when memory is out (then s->failed). */
static char *clean_dup(struct scratch *s, struct span in)
{
    size_t bad_len = sizeof EVENT_BAD_BYTE - 1;
    if (in.len == 0)
        return empty_text;
    char *out = scratch_alloc(s, in.len * bad_len + 1);
    if (out == NULL)
        return empty_text;
    char *at = out;
    while (in.len > 0) {
        size_t n = event_utf8_len(in);
        memcpy(at, n > 0 ? in.p : EVENT_BAD_BYTE, n > 0 ? n : bad_len);
        at += n > 0 ? n : bad_len;
        in = span_from(in, n > 0 ? n : 1);
    }
    *at = '\0';
    return out;
}

static char *text_dup(struct scratch *s, struct span in)
{
    return clean_dup(s, event_cut(in));
}

static char *z_dup(struct scratch *s, const char *z)
{
    return text_dup(s, span_cstr(z));
}

/* --- the plan --- */

static Sentiric__User__V1__Contact *make_contact(struct scratch *s, const Plane__Contact *c)
{
    Sentiric__User__V1__Contact *out = scratch_alloc(s, sizeof *out);
    if (out == NULL)
        return NULL;
    sentiric__user__v1__contact__init(out);
    out->id = c->id;
    out->user_id = z_dup(s, c->user_id);
    out->contact_type = z_dup(s, c->type);
    out->contact_value = z_dup(s, c->value);
    out->is_primary = c->is_primary;
    return out;
}

static Sentiric__User__V1__User *make_user(struct scratch *s, const Plane__User *u)
{
    Sentiric__User__V1__User *out = scratch_alloc(s, sizeof *out);
    Sentiric__User__V1__Contact **contacts = scratch_alloc(s, u->n_contacts * sizeof(void *));
    if (out == NULL || contacts == NULL)
        return NULL;
    sentiric__user__v1__user__init(out);
    out->id = z_dup(s, u->id);
    out->name = z_dup(s, u->name);
    out->tenant_id = z_dup(s, u->tenant_id);
    out->user_type = z_dup(s, u->user_type);
    out->preferred_language_code = z_dup(s, u->language);
    for (size_t i = 0; i < u->n_contacts; i++)
        contacts[i] = make_contact(s, u->contacts[i]);
    out->contacts = contacts;
    out->n_contacts = u->n_contacts;
    return out;
}

static Sentiric__Dialplan__V1__InboundRoute *make_route(struct scratch *s, const Plane__InboundRoute *r)
{
    Sentiric__Dialplan__V1__InboundRoute *out = scratch_alloc(s, sizeof *out);
    if (out == NULL)
        return NULL;
    sentiric__dialplan__v1__inbound_route__init(out);
    out->phone_number = z_dup(s, r->phone_number);
    out->tenant_id = z_dup(s, r->tenant_id);
    out->active_dialplan_id = z_dup(s, r->active_dialplan_id);
    out->off_hours_dialplan_id = z_dup(s, r->off_hours_dialplan_id);
    out->failsafe_dialplan_id = z_dup(s, r->failsafe_dialplan_id);
    out->is_maintenance_mode = r->is_maintenance_mode;
    out->default_language_code = z_dup(s, r->default_language_code);
    out->schedule_id = z_dup(s, r->schedule_id);
    out->block_anonymous = r->block_anonymous;
    return out;
}

static Sentiric__Dialplan__V1__ActionDataEntry **make_entries(struct scratch *s, const Plane__Plan *p)
{
    Sentiric__Dialplan__V1__ActionDataEntry **list = scratch_alloc(s, p->n_action_data * sizeof(void *));
    Sentiric__Dialplan__V1__ActionDataEntry *entries = scratch_alloc(s, p->n_action_data * sizeof *entries);
    if (list == NULL || entries == NULL)
        return NULL;
    for (size_t i = 0; i < p->n_action_data; i++) {
        sentiric__dialplan__v1__action_data_entry__init(&entries[i]);
        entries[i].key = clean_dup(s, span_cstr(p->action_data[i]->key));
        entries[i].value = clean_dup(s, span_cstr(p->action_data[i]->value));
        list[i] = &entries[i];
    }
    return list;
}

/* An answer of the older shape brings no type; consumers of the newer one act on the type alone. */
static uint32_t action_type(const Plane__Plan *p)
{
    static const struct {
        const char *action;
        uint32_t type;
    } known[] = {
        {"START_AI_CONVERSATION", SENTIRIC__DIALPLAN__V1__ACTION_TYPE__ACTION_TYPE_START_AI_CONVERSATION},
        {"BRIDGE_CALL", SENTIRIC__DIALPLAN__V1__ACTION_TYPE__ACTION_TYPE_BRIDGE_CALL},
        {"ECHO_TEST", SENTIRIC__DIALPLAN__V1__ACTION_TYPE__ACTION_TYPE_ECHO_TEST},
        {"ECHO", SENTIRIC__DIALPLAN__V1__ACTION_TYPE__ACTION_TYPE_ECHO_TEST},
        {"PLAY_STATIC_ANNOUNCEMENT", SENTIRIC__DIALPLAN__V1__ACTION_TYPE__ACTION_TYPE_PLAY_STATIC_ANNOUNCEMENT},
        {"PLAY_ANNOUNCEMENT", SENTIRIC__DIALPLAN__V1__ACTION_TYPE__ACTION_TYPE_PLAY_STATIC_ANNOUNCEMENT},
        {"ENQUEUE_CALL", SENTIRIC__DIALPLAN__V1__ACTION_TYPE__ACTION_TYPE_ENQUEUE_CALL},
    };
    for (size_t i = 0; p->action_type == 0 && i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(p->action, known[i].action) == 0)
            return known[i].type;
    }
    return p->action_type;
}

static ProtobufCBinaryData pack_bytes(struct scratch *s, const ProtobufCMessage *m)
{
    ProtobufCBinaryData out = {0};
    out.data = scratch_alloc(s, protobuf_c_message_get_packed_size(m));
    if (out.data != NULL)
        out.len = protobuf_c_message_pack(m, out.data);
    return out;
}

static ProtobufCBinaryData make_action(struct scratch *s, const Plane__Plan *p, enum event_shape shape)
{
    Sentiric__Dialplan__V1__ActionDataEntry **entries = make_entries(s, p);
    if (s->failed)
        return (ProtobufCBinaryData){0};
    if (shape == EVENT_SHAPE_OLD) {
        Sentiric__Dialplan__V1__ActionDataLegacy data = SENTIRIC__DIALPLAN__V1__ACTION_DATA_LEGACY__INIT;
        Sentiric__Dialplan__V1__DialplanActionLegacy old = SENTIRIC__DIALPLAN__V1__DIALPLAN_ACTION_LEGACY__INIT;
        data.data = entries;
        data.n_data = p->n_action_data;
        old.action = z_dup(s, p->action);
        old.action_data = &data;
        return pack_bytes(s, &old.base);
    }
    Sentiric__Dialplan__V1__DialplanActionTyped typed = SENTIRIC__DIALPLAN__V1__DIALPLAN_ACTION_TYPED__INIT;
    typed.action = z_dup(s, p->action);
    typed.type = (Sentiric__Dialplan__V1__ActionType)action_type(p);
    typed.action_data = entries;
    typed.n_action_data = p->n_action_data;
    return pack_bytes(s, &typed.base);
}

static Sentiric__Dialplan__V1__ResolveDialplanResponse *make_plan(struct scratch *s, const Plane__Plan *p,
                                                                  enum event_shape shape)
{
    Sentiric__Dialplan__V1__ResolveDialplanResponse *out = scratch_alloc(s, sizeof *out);
    if (out == NULL)
        return NULL;
    sentiric__dialplan__v1__resolve_dialplan_response__init(out);
    out->dialplan_id = z_dup(s, p->dialplan_id);
    out->tenant_id = z_dup(s, p->tenant_id);
    out->action = make_action(s, p, shape);
    out->matched_user = p->matched_user != NULL ? make_user(s, p->matched_user) : NULL;
    out->matched_contact = p->matched_contact != NULL ? make_contact(s, p->matched_contact) : NULL;
    out->inbound_route = p->inbound_route != NULL ? make_route(s, p->inbound_route) : NULL;
    return out;
}

/* --- the events --- */

static int pack_to(struct buf *out, const struct scratch *s, const ProtobufCMessage *m)
{
    if (s->failed)
        return -EVENT_EFULL;
    size_t n = protobuf_c_message_get_packed_size(m);
    char *to = buf_reserve(out, n);
    if (to == NULL)
        return -EVENT_EFULL;
    buf_commit(out, protobuf_c_message_pack(m, (uint8_t *)to));
    return 0;
}

static Sentiric__Event__V1__Timestamp make_time(int64_t wall_ms)
{
    Sentiric__Event__V1__Timestamp t = SENTIRIC__EVENT__V1__TIMESTAMP__INIT;
    wall_ms = wall_ms > 0 ? wall_ms : 0;
    t.seconds = wall_ms / 1000;
    t.nanos = (int32_t)(wall_ms % 1000) * 1000000;
    return t;
}

static int put_started(struct buf *out, struct scratch *s, enum event_shape shape, enum event_plan_part part,
                       const struct event_call *c)
{
    Sentiric__Event__V1__CallStartedEvent e = SENTIRIC__EVENT__V1__CALL_STARTED_EVENT__INIT;
    Sentiric__Event__V1__MediaInfo media = SENTIRIC__EVENT__V1__MEDIA_INFO__INIT;
    Sentiric__Event__V1__Timestamp at = make_time(c->wall_ms);
    media.caller_rtp_addr = text_dup(s, c->caller_rtp_addr);
    media.server_rtp_port = c->server_rtp_port;
    e.event_type = z_dup(s, event_key(EVENT_CALL_STARTED));
    e.call_id = text_dup(s, c->call_id);
    e.trace_id = e.call_id;
    e.from_uri = text_dup(s, c->from);
    e.to_uri = text_dup(s, c->to);
    e.timestamp = &at;
    e.media_info = &media;
    if (c->plan != NULL && part != EVENT_PLAN_NONE)
        e.dialplan_resolution = make_plan(s, c->plan, shape);
    return pack_to(out, s, &e.base);
}

/* What has no message of its own. */
static int put_generic(struct buf *out, struct scratch *s, enum event_kind kind, const struct event_call *c)
{
    Sentiric__Event__V1__GenericEvent e = SENTIRIC__EVENT__V1__GENERIC_EVENT__INIT;
    Sentiric__Event__V1__Timestamp at = make_time(c->wall_ms);
    struct buf payload;
    buf_init(&payload, EVENT_BODY_MIN);
    event_write_payload(&payload, kind, c);
    e.event_type = z_dup(s, event_key(kind));
    e.trace_id = text_dup(s, c->call_id);
    e.timestamp = &at;
    e.tenant_id = c->plan != NULL ? z_dup(s, c->plan->tenant_id) : empty_text;
    e.payload_json = (char *)buf_cstr(&payload);
    int rc = e.payload_json == NULL ? -EVENT_EFULL : pack_to(out, s, &e.base);
    buf_fini(&payload);
    return rc;
}

static int put_ended(struct buf *out, struct scratch *s, const struct event_call *c)
{
    Sentiric__Event__V1__CallEndedEvent e = SENTIRIC__EVENT__V1__CALL_ENDED_EVENT__INIT;
    Sentiric__Event__V1__Timestamp at = make_time(c->wall_ms);
    e.event_type = z_dup(s, event_key(EVENT_CALL_ENDED));
    e.call_id = text_dup(s, c->call_id);
    e.trace_id = e.call_id;
    e.timestamp = &at;
    e.reason = text_dup(s, c->reason);
    return pack_to(out, s, &e.base);
}

int event_write_proto(struct buf *out, enum event_kind kind, enum event_shape shape, enum event_plan_part part,
                      const struct event_call *c)
{
    struct scratch s = {0};
    int rc;
    if (kind == EVENT_CALL_STARTED)
        rc = put_started(out, &s, shape, part, c);
    else
        rc = kind == EVENT_CALL_ENDED ? put_ended(out, &s, c) : put_generic(out, &s, kind, c);
    scratch_free(&s);
    return rc;
}
