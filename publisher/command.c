#include "publisher/command.h"

#include "proto/platform/event.pb-c.h"
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define KEYS_FIRST COMMAND_TERMINATE

static const char *const names[] = {
    [COMMAND_BAD] = "no command",
    [COMMAND_TERMINATE] = "call.terminate.request",
    [COMMAND_TRANSFER] = "call.transfer.request",
    [COMMAND_INITIATE] = "call.initiate.request",
};
#define NAMES (sizeof(names) / sizeof(names[0]))

const char *command_name(enum command_kind kind)
{
    return names[(size_t)kind < NAMES ? kind : COMMAND_BAD];
}

static enum command_kind kind_of(struct span word)
{
    for (size_t kind = KEYS_FIRST; kind < NAMES; kind++) {
        if (span_eq(word, span_cstr(names[kind])))
            return (enum command_kind)kind;
    }
    return COMMAND_BAD;
}

/* Control characters have no place in a Call-ID (RFC 3261 §25.1: word). */
static bool take_call_id(struct command *out, const char *z)
{
    if (z == NULL || !span_copy(out->call_id, sizeof out->call_id, span_cstr(z)))
        return false;
    for (const char *c = out->call_id; *c != '\0'; c++) {
        if ((unsigned char)*c <= ' ' || *c == 0x7f)
            out->call_id[0] = '\0';
    }
    return out->call_id[0] != '\0';
}

static void take_reason(struct command *out, const char *z)
{
    struct span s = span_cstr(z);
    if (s.len >= sizeof out->reason)
        s.len = sizeof out->reason - 1;
    (void)span_copy(out->reason, sizeof out->reason, s);
}

static const char *text_at(const cJSON *object, const char *key)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
}

/* The first of these members that is there. returns false when it is too long */
static bool take_text(char out[COMMAND_TEXT_MAX], const cJSON *object, const char *const keys[])
{
    const char *z = NULL;
    for (size_t i = 0; z == NULL && keys[i] != NULL; i++)
        z = text_at(object, keys[i]);
    return span_copy(out, COMMAND_TEXT_MAX, span_cstr(z));
}

/* As the contract's messages name them, too. */
static bool take_texts(struct command *out, const cJSON *json)
{
    static const char *const from[] = {"from", "fromUri", "from_uri", NULL};
    static const char *const to[] = {"target", "to", "transferTargetUri", "transfer_target_uri", "toUri",
                                     "to_uri", NULL};
    static const char *const stays[] = {"stays", NULL};
    static const char *const key[] = {"idempotencyKey", "idempotency_key", NULL};
    return take_text(out->from, json, from) && take_text(out->to, json, to) && take_text(out->stays, json, stays) &&
           take_text(out->key, json, key);
}

/* returns false when it is not one JSON object, or a text is too long */
static bool take_json(struct command *out, struct span body)
{
    /* cJSON ends a text at an escaped NUL: "a\u0000b" would end the call "a". */
    if (span_find_span(body, SPAN("\\u0000")) < body.len)
        return false;
    cJSON *json = cJSON_ParseWithLength(body.p, body.len);
    bool ok = cJSON_IsObject(json);
    if (ok) {
        ok = take_texts(out, json);
        (void)take_call_id(out, text_at(json, "callId"));
        take_reason(out, text_at(json, "reason"));
        if (out->kind == COMMAND_BAD)
            out->kind = kind_of(span_cstr(text_at(json, "eventType")));
    }
    cJSON_Delete(json);
    return ok;
}

static bool take_protobuf(struct command *out, struct span body)
{
    Sentiric__Event__V1__GenericEvent *e =
        sentiric__event__v1__generic_event__unpack(NULL, body.len, (const uint8_t *)body.p);
    if (e == NULL)
        return false;
    if (out->kind == COMMAND_BAD)
        out->kind = kind_of(span_cstr(e->event_type));
    bool ok = e->payload_json[0] == '\0' || take_json(out, span_cstr(e->payload_json));
    if (ok && out->call_id[0] == '\0')
        (void)take_call_id(out, e->trace_id);
    sentiric__event__v1__generic_event__free_unpacked(e, NULL);
    return ok;
}

/* What the command cannot do without; NULL: it has it all. */
static const char *missing(const struct command *c)
{
    if (c->kind == COMMAND_BAD)
        return "no command of ours";
    if (c->kind != COMMAND_INITIATE && c->call_id[0] == '\0')
        return "no usable call id";
    if (c->kind == COMMAND_INITIATE && c->from[0] == '\0')
        return "no from";
    return c->kind != COMMAND_TERMINATE && c->to[0] == '\0' ? "no target" : NULL;
}

static void name_it(struct command *out, const struct command_message *m)
{
    if (out->key[0] != '\0' || (m->message_id.len > 0 && span_copy(out->key, sizeof out->key, m->message_id)))
        return;
    (void)snprintf(out->key, sizeof out->key, "body-%016" PRIx64, span_hash_stable(m->body));
}

void command_parse(struct command *out, const struct command_message *m)
{
    *out = (struct command){.kind = kind_of(m->routing_key)};
    struct span text = span_trim(m->body);
    /* '{' begins no GenericEvent: it would be field 15 as a group. */
    bool is_json = span_starts(text, SPAN("{"));
    bool ok = m->body.len > 0 && (is_json ? take_json(out, text) : take_protobuf(out, m->body));
    if (!ok)
        out->why = is_json ? "not JSON, or a text is too long" : "neither JSON nor a GenericEvent";
    else
        out->why = missing(out);
    if (out->why != NULL)
        out->kind = COMMAND_BAD;
    name_it(out, m);
}

/* --- the answer --- */

static void add_text(cJSON *o, const char *key, const char *text)
{
    if (text[0] != '\0')
        cJSON_AddStringToObject(o, key, text);
}

void command_put_reply(struct buf *out, const struct command *c, const char *result, const char *detail)
{
    cJSON *o = cJSON_CreateObject();
    add_text(o, "request", command_name(c->kind));
    add_text(o, "result", result);
    add_text(o, "callId", c->call_id);
    add_text(o, "idempotencyKey", c->kind == COMMAND_TERMINATE ? "" : c->key);
    add_text(o, "detail", detail);
    char *text = cJSON_PrintUnformatted(o);
    if (text != NULL)
        buf_puts(out, text);
    else
        out->failed = true;
    free(text);
    cJSON_Delete(o);
}
