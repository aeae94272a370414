#include "publisher/command.h"

#include "proto/platform/event.pb-c.h"
#include <cjson/cJSON.h>

#define KEY_TERMINATE "call.terminate.request"
#define KEY_TRANSFER "call.transfer.request"

static enum command_kind kind_of(struct span word)
{
    if (span_eq(word, SPAN(KEY_TERMINATE)))
        return COMMAND_TERMINATE;
    return span_eq(word, SPAN(KEY_TRANSFER)) ? COMMAND_TRANSFER : COMMAND_BAD;
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

/* returns false when it is not one JSON object */
static bool take_json(struct command *out, struct span body)
{
    /* cJSON ends a text at an escaped NUL: "a\u0000b" would end the call "a". */
    if (span_find_span(body, SPAN("\\u0000")) < body.len)
        return false;
    cJSON *json = cJSON_ParseWithLength(body.p, body.len);
    bool ok = cJSON_IsObject(json);
    if (ok) {
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

void command_parse(struct command *out, struct span key, struct span body)
{
    *out = (struct command){.kind = kind_of(key)};
    struct span text = span_trim(body);
    /* '{' begins no GenericEvent: it would be field 15 as a group. */
    bool is_json = span_starts(text, SPAN("{"));
    bool ok = body.len > 0 && (is_json ? take_json(out, text) : take_protobuf(out, body));
    if (!ok)
        out->why = is_json ? "not JSON" : "neither JSON nor a GenericEvent";
    else if (out->kind == COMMAND_BAD)
        out->why = "no command of ours";
    else if (out->call_id[0] == '\0')
        out->why = "no usable call id";
    if (out->why != NULL)
        out->kind = COMMAND_BAD;
}
