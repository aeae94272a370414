#include "orchestrator/svc.h"
#include "orchestrator/text.h"
#include "orchestrator/wire.h"
#include "proto/platform/dialplan.pb-c.h"
#include <stdlib.h>

static const struct action_name {
    const char *text;
    uint32_t type;
} action_names[] = {
    /* the first text of a type is the one a missing text is filled with */
    {"START_AI_CONVERSATION", SENTIRIC__DIALPLAN__V1__ACTION_TYPE__ACTION_TYPE_START_AI_CONVERSATION},
    {"BRIDGE_CALL", SENTIRIC__DIALPLAN__V1__ACTION_TYPE__ACTION_TYPE_BRIDGE_CALL},
    {"ECHO_TEST", SENTIRIC__DIALPLAN__V1__ACTION_TYPE__ACTION_TYPE_ECHO_TEST},
    {"ECHO", SENTIRIC__DIALPLAN__V1__ACTION_TYPE__ACTION_TYPE_ECHO_TEST},
    {"PLAY_STATIC_ANNOUNCEMENT", SENTIRIC__DIALPLAN__V1__ACTION_TYPE__ACTION_TYPE_PLAY_STATIC_ANNOUNCEMENT},
    {"PLAY_ANNOUNCEMENT", SENTIRIC__DIALPLAN__V1__ACTION_TYPE__ACTION_TYPE_PLAY_STATIC_ANNOUNCEMENT},
    {"ENQUEUE_CALL", SENTIRIC__DIALPLAN__V1__ACTION_TYPE__ACTION_TYPE_ENQUEUE_CALL},
};
#define ACTION_NAMES (sizeof(action_names) / sizeof(action_names[0]))

static bool is_unset(const char *z)
{
    return z == NULL || z[0] == '\0';
}

/* A protobuf-c string field; the last one wins, as proto3 says. */
static bool set_text(char **field, struct span s)
{
    char *z = text_is_utf8(s) ? span_dup(s) : NULL;
    if (z == NULL)
        return false;
    if (*field != protobuf_c_empty_string)
        free(*field);
    *field = z;
    return true;
}

static Plane__Pair *find_pair(Plane__Plan *p, const char *key)
{
    for (size_t i = 0; i < p->n_action_data; i++)
        if (strcmp(p->action_data[i]->key, key) == 0)
            return p->action_data[i];
    return NULL;
}

/* Takes the pair, in place of one with the same key (the last entry of a map wins). */
static bool put_pair(Plane__Plan *p, Plane__Pair *pair)
{
    Plane__Pair *old = find_pair(p, pair->key);
    if (old != NULL) {
        char *z = old->value;
        old->value = pair->value;
        pair->value = z;
        plane__pair__free_unpacked(pair, NULL);
        return true;
    }
    if (p->action_data == NULL)
        p->action_data = malloc(SVC_ACTION_DATA_MAX * sizeof(Plane__Pair *));
    if (p->action_data == NULL || p->n_action_data == SVC_ACTION_DATA_MAX)
        return false;
    p->action_data[p->n_action_data++] = pair;
    return true;
}

/* One map entry {key = 1, value = 2}: the bytes of plane.Pair. */
static bool read_entry(Plane__Plan *p, struct span entry)
{
    Plane__Pair *pair = plane__pair__unpack(NULL, entry.len, (const uint8_t *)entry.p);
    if (pair == NULL)
        return false;
    if (text_message_ok(&pair->base) && put_pair(p, pair))
        return true;
    plane__pair__free_unpacked(pair, NULL);
    return false;
}

static bool read_legacy_data(Plane__Plan *p, struct span data)
{
    struct wire w = wire_open(data);
    struct wire_field f;
    while (wire_next(&w, &f))
        if (f.no == 1 && f.type == WIRE_LEN && !read_entry(p, f.bytes))
            return false;
    return !w.bad;
}

static bool read_action(Plane__Plan *p, struct span action)
{
    struct wire w = wire_open(action);
    struct wire_field f;
    bool ok = true;
    while (ok && wire_next(&w, &f)) {
        if (f.no == 1 && f.type == WIRE_LEN)
            ok = set_text(&p->action, f.bytes);
        else if (f.no == 2 && f.type == WIRE_LEN) /* up to contract 1.13.7: ActionData { map data = 1 } */
            ok = read_legacy_data(p, f.bytes);
        else if (f.no == 2 && f.type == WIRE_VARINT) /* from 1.14.0: enum ActionType */
            p->action_type = (uint32_t)f.num;
        else if (f.no == 3 && f.type == WIRE_LEN) /* from 1.14.0: one map entry */
            ok = read_entry(p, f.bytes);
    }
    return ok && !w.bad;
}

/* Text and type name the same thing; a server may leave one out. */
static bool complete_action(Plane__Plan *p)
{
    for (size_t i = 0; i < ACTION_NAMES && p->action_type == 0; i++)
        if (strcmp(p->action, action_names[i].text) == 0)
            p->action_type = action_names[i].type;
    for (size_t i = 0; i < ACTION_NAMES && is_unset(p->action); i++)
        if (p->action_type == action_names[i].type && !set_text(&p->action, span_cstr(action_names[i].text)))
            return false;
    return !is_unset(p->action);
}

/* Unpacks a message that has the same wire form on both sides (see svc_user.c) in place of what was there before. */
static bool set_message(ProtobufCMessage **field, const ProtobufCMessageDescriptor *d, struct span s)
{
    ProtobufCMessage *m = protobuf_c_message_unpack(d, NULL, s.len, (const uint8_t *)s.p);
    protobuf_c_message_free_unpacked(*field, NULL);
    *field = m;
    return m != NULL && text_message_ok(m);
}

static bool read_message(Plane__Plan *p, const struct wire_field *f)
{
    ProtobufCMessage *m = NULL;
    bool ok = true;
    if (f->no == 4) {
        m = p->matched_user != NULL ? &p->matched_user->base : NULL;
        ok = set_message(&m, &plane__user__descriptor, f->bytes);
        p->matched_user = (Plane__User *)(void *)m;
    } else if (f->no == 5) {
        m = p->matched_contact != NULL ? &p->matched_contact->base : NULL;
        ok = set_message(&m, &plane__contact__descriptor, f->bytes);
        p->matched_contact = (Plane__Contact *)(void *)m;
    } else if (f->no == 6) {
        m = p->inbound_route != NULL ? &p->inbound_route->base : NULL;
        ok = set_message(&m, &plane__inbound_route__descriptor, f->bytes);
        p->inbound_route = (Plane__InboundRoute *)(void *)m;
    }
    return ok;
}

static bool read_response(Plane__Plan *p, struct span body)
{
    struct wire w = wire_open(body);
    struct wire_field f;
    bool ok = true;
    while (ok && wire_next(&w, &f)) {
        if (f.type != WIRE_LEN)
            continue;
        if (f.no == 1)
            ok = set_text(&p->dialplan_id, f.bytes);
        else if (f.no == 2)
            ok = set_text(&p->tenant_id, f.bytes);
        else if (f.no == 3)
            ok = read_action(p, f.bytes);
        else
            ok = read_message(p, &f);
    }
    return ok && !w.bad && complete_action(p);
}

int svc_dialplan_decode(struct span body, Plane__Plan **out)
{
    Plane__Plan *p = malloc(sizeof *p);
    if (p == NULL)
        return -SVC_EMALFORMED;
    plane__plan__init(p);
    if (!read_response(p, body)) {
        plane__plan__free_unpacked(p, NULL);
        return -SVC_EMALFORMED;
    }
    *out = p;
    return 0;
}
