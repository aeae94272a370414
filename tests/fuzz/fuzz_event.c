/* Header texts of a stranger in all three events: the JSON parses and gives valid text back, the protobuf decodes. */
#include "proto/event.h"
#include "proto/platform/event.pb-c.h"
#include "tests/fuzz/fuzz.h"
#include <cjson/cJSON.h>

static void check_json(const struct buf *b, const char *key)
{
    cJSON *json = cJSON_ParseWithLength(b->p, b->len);
    FUZZ_ASSERT(json != NULL);
    const char *type = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "eventType"));
    FUZZ_ASSERT(type != NULL && strcmp(type, key) == 0);
    FUZZ_ASSERT(cJSON_IsString(cJSON_GetObjectItemCaseSensitive(json, "callId")));
    for (size_t i = 0; i < b->len; i++)
        FUZZ_ASSERT((unsigned char)b->p[i] >= ' ');
    cJSON_Delete(json);
}

static void check_protobuf(const struct buf *b)
{
    Sentiric__Event__V1__CallStartedEvent *e =
        sentiric__event__v1__call_started_event__unpack(NULL, b->len, (const uint8_t *)b->p);
    FUZZ_ASSERT(e != NULL && strcmp(e->trace_id, e->call_id) == 0);
    sentiric__event__v1__call_started_event__free_unpacked(e, NULL);
}

static struct span part(struct span all, size_t no)
{
    size_t n = all.len / 4;
    return span_of(all.p + no * n, n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span all = fuzz_span(data, size);
    if (size < 4)
        return 0;
    struct event_call c = {.call_id = part(all, 0), .from = part(all, 1), .to = part(all, 2), .reason = part(all, 3)};
    struct buf out;
    buf_init(&out, EVENT_BODY_MIN);
    for (int kind = EVENT_CALL_STARTED; kind < EVENT_KINDS; kind++) {
        buf_reset(&out);
        FUZZ_ASSERT(event_build(&out, (enum event_kind)kind, EVENT_JSON, EVENT_SHAPE_NEW, &c) == 0);
        check_json(&out, event_key((enum event_kind)kind));
        buf_reset(&out);
        FUZZ_ASSERT(event_build(&out, (enum event_kind)kind, EVENT_PROTOBUF, EVENT_SHAPE_OLD, &c) == 0);
        if (kind == EVENT_CALL_STARTED)
            check_protobuf(&out);
    }
    buf_fini(&out);
    return 0;
}
