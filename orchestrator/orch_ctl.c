/* Commands the orchestrator answers to sigctl. */
#include "orchestrator/orch.h"
#include <cjson/cJSON.h>
#include <stdlib.h>

static cJSON *dependency(const Plane__Dependency *d)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "name", d->name);
    cJSON_AddStringToObject(o, "state", d->state);
    cJSON_AddStringToObject(o, "detail", d->detail);
    cJSON_AddBoolToObject(o, "required", d->required);
    return o;
}

static cJSON *status(const struct orch *o)
{
    cJSON *out = cJSON_CreateObject();
    cJSON *deps = cJSON_AddArrayToObject(out, "dependencies");
    for (enum svc s = 0; s < SVC_COUNT; s++)
        cJSON_AddItemToArray(deps, dependency(&o->deps[s]));
    cJSON_AddNumberToObject(out, "jobs", o->job_cnt);
    cJSON_AddNumberToObject(out, "answers_kept", (double)o->answers.cnt);
    cJSON_AddNumberToObject(out, "terminations_waiting", orch_asks_waiting(o, ORCH_ASK_TERMINATE));
    cJSON_AddNumberToObject(out, "registrar_requests_waiting", orch_asks_waiting(o, ORCH_ASK_REGISTRAR));
    return out;
}

int orch_ctl(struct worker *w, const char *cmd, const char *args_json, struct buf *out)
{
    (void)args_json;
    bool known = strcmp(cmd, "status") == 0;
    cJSON *reply = known ? status(worker_state(w)) : cJSON_CreateObject();
    if (!known)
        cJSON_AddStringToObject(reply, "error", "unknown_command");
    char *text = cJSON_PrintUnformatted(reply);
    cJSON_Delete(reply);
    buf_puts(out, text != NULL ? text : "{}");
    free(text);
    return known ? 0 : 1;
}
