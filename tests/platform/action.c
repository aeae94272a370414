#include "tests/platform/action.h"

#include "proto/platform/dialplan.pb-c.h"
#include "tests/platform/pack.h"
#include <string.h>

typedef Sentiric__Dialplan__V1__ActionDataEntry entry_msg;
typedef Sentiric__Dialplan__V1__ActionDataLegacy legacy_data_msg;
typedef Sentiric__Dialplan__V1__DialplanActionLegacy legacy_msg;
typedef Sentiric__Dialplan__V1__DialplanActionTyped typed_msg;

#define TYPE(name) SENTIRIC__DIALPLAN__V1__ACTION_TYPE__ACTION_TYPE_##name
#define TYPE_MAX TYPE(ENQUEUE_CALL)

static const struct {
    const char *text;
    int type;
} type_names[] = {
    {"START_AI_CONVERSATION", TYPE(START_AI_CONVERSATION)},
    {"BRIDGE_CALL", TYPE(BRIDGE_CALL)},
    {"ECHO_TEST", TYPE(ECHO_TEST)},
    {"ECHO", TYPE(ECHO_TEST)},
    {"PLAY_STATIC_ANNOUNCEMENT", TYPE(PLAY_STATIC_ANNOUNCEMENT)},
    {"PLAY_ANNOUNCEMENT", TYPE(PLAY_STATIC_ANNOUNCEMENT)},
};

int action_type_of(const char *text)
{
    for (size_t i = 0; i < sizeof type_names / sizeof type_names[0]; i++) {
        if (strcmp(type_names[i].text, text) == 0)
            return type_names[i].type;
    }
    return TYPE(UNSPECIFIED);
}

struct action {
    char *text;
    int type;
    entry_msg entries[ACTION_DATA_MAX];
    entry_msg *ptrs[ACTION_DATA_MAX];
    size_t n;
};

static void add_entry(struct action *a, char *key, char *value)
{
    entry_msg *e = &a->entries[a->n];
    sentiric__dialplan__v1__action_data_entry__init(e);
    e->key = key;
    e->value = value;
    a->ptrs[a->n++] = e;
}

static void pack_shape(struct buf *out, enum action_shape shape, struct action *a)
{
    if (shape == ACTION_OLD) {
        legacy_data_msg data = SENTIRIC__DIALPLAN__V1__ACTION_DATA_LEGACY__INIT;
        legacy_msg msg = SENTIRIC__DIALPLAN__V1__DIALPLAN_ACTION_LEGACY__INIT;
        data.n_data = a->n;
        data.data = a->ptrs;
        msg.action = a->text;
        msg.action_data = a->n > 0 ? &data : NULL;
        pack_message(out, &msg.base);
        return;
    }
    typed_msg msg = SENTIRIC__DIALPLAN__V1__DIALPLAN_ACTION_TYPED__INIT;
    msg.action = a->text;
    msg.type = (Sentiric__Dialplan__V1__ActionType)a->type;
    msg.n_action_data = a->n;
    msg.action_data = a->ptrs;
    pack_message(out, &msg.base);
}

void action_pack(struct buf *out, enum action_shape shape, struct jsonx *j, const cJSON *plan)
{
    struct action a = {.text = jsonx_str(j, plan, "action", NULL)};
    a.type = (int)jsonx_int(j, plan, "type", action_type_of(a.text), 0, TYPE_MAX);
    const cJSON *m;
    cJSON_ArrayForEach(m, jsonx_object(j, plan, "data"))
    {
        if (!cJSON_IsString(m))
            jsonx_fail(j, "data value \"%s\" is not a string", m->string);
        else if (a.n == ACTION_DATA_MAX)
            jsonx_fail(j, "more than %d data values", ACTION_DATA_MAX);
        else
            add_entry(&a, m->string, m->valuestring);
    }
    pack_shape(out, shape, &a);
    if (out->failed)
        jsonx_fail(j, "action is longer than %d bytes", ACTION_BYTES_MAX);
}

void action_pack_failsafe(struct buf *out, enum action_shape shape)
{
    static char text[] = "PLAY_STATIC_ANNOUNCEMENT";
    static char keys[][16] = {"announcement_id", "record"};
    static char values[][32] = {"ANNOUNCE_SYSTEM_ERROR", "true"};
    struct action a = {.text = text, .type = action_type_of(text)};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        add_entry(&a, keys[i], values[i]);
    pack_shape(out, shape, &a);
}
