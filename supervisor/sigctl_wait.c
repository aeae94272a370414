#include "supervisor/sigctl_wait.h"

#include "common/base/clock.h"
#include "common/base/err.h"
#include "supervisor/sigctl_show.h"
#include <cjson/cJSON.h>
#include <poll.h>
#include <stdlib.h>

#define LOOK_EVERY_MS 250
#define CALL_REPLY_MAX CONTROL_REPLY_MAX

static const char *text_at(const cJSON *o, const char *key)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, key));
    return text != NULL ? text : "";
}

static bool is_ok(struct span reply)
{
    struct buf why;
    buf_init(&why, CALL_REPLY_MAX);
    bool ok = sigctl_reply_ok(reply, &why);
    buf_fini(&why);
    return ok;
}

/* Of the call's questions the one with this key. NULL: there is none */
static const cJSON *asked_with(const cJSON *call, const char *key)
{
    const cJSON *one;
    cJSON_ArrayForEach(one, cJSON_GetObjectItemCaseSensitive(call, "asked"))
    {
        if (strcmp(text_at(one, "key"), key) == 0)
            return one;
    }
    return NULL;
}

static void put_outcome(struct buf *out, const char *call_id, const cJSON *asked)
{
    cJSON *o = cJSON_CreateObject();
    const cJSON *code = cJSON_GetObjectItemCaseSensitive(asked, "sip_code");
    cJSON_AddTrueToObject(o, "ok");
    cJSON_AddStringToObject(o, "call_id", call_id);
    cJSON_AddStringToObject(o, "state", asked != NULL ? text_at(asked, "state") : "unknown");
    if (text_at(asked, "reason")[0] != '\0')
        cJSON_AddStringToObject(o, "reason", text_at(asked, "reason"));
    if (cJSON_IsNumber(code))
        cJSON_AddNumberToObject(o, "sip_code", code->valuedouble);
    char *text = cJSON_PrintUnformatted(o);
    buf_reset(out);
    buf_puts(out, text != NULL ? text : "{\"ok\":false}");
    free(text);
    cJSON_Delete(o);
}

/* One look. A call-actor that is away for a moment is asked again; a call that is gone is not known any more.
 * returns 1: known now; 0: not yet; -1: never. EX_OK or EX_REFUSED in *code. */
static int look(const struct sigctl_outcome *what, const char *call_id, struct buf *reply, int *code)
{
    struct control_request call = {.cmd = CONTROL_CALL};
    struct buf answer;
    int known = 0;
    (void)span_copy(call.arg[0], CONTROL_ARG_MAX, span_cstr(call_id));
    buf_init(&answer, CALL_REPLY_MAX);
    if (sigctl_ask(what->place, &call, &answer) == 0) {
        cJSON *root = cJSON_ParseWithLength(answer.p, answer.len);
        const cJSON *asked = asked_with(root, what->request->key);
        const char *state = text_at(asked, "state");
        if (strcmp(text_at(root, "error"), "not_found") == 0)
            known = -1;
        else if (asked != NULL && strcmp(state, "under_way") != 0)
            known = 1;
        *code = strcmp(state, "done") == 0 ? EX_OK : EX_REFUSED;
        put_outcome(reply, call_id, asked);
        cJSON_Delete(root);
    }
    buf_fini(&answer);
    return known;
}

int sigctl_wait(const struct sigctl_outcome *what, struct buf *reply)
{
    int64_t until_ms = clock_mono_ms() + (int64_t)what->wait_s * 1000;
    char call_id[CONTROL_ARG_MAX];
    int code = EX_REFUSED;
    if (sigctl_ask(what->place, what->request, reply) != 0)
        return EX_NOPEER;
    if (!is_ok(buf_span(reply)))
        return EX_REFUSED;
    cJSON *root = cJSON_ParseWithLength(reply->p, reply->len);
    (void)span_copy(call_id, sizeof call_id, span_cstr(text_at(root, "call_id")));
    cJSON_Delete(root);
    while (look(what, call_id, reply, &code) == 0 && clock_mono_ms() < until_ms)
        (void)poll(NULL, 0, LOOK_EVERY_MS);
    return code;
}
