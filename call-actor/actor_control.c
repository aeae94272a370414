/* What the platform (gRPC by the orchestrator, AMQP by the publisher) and operators ask of calls: docs/control.md. */
#include "call-actor/actor.h"
#include "call-actor/control.h"
#include "call-actor/dial.h"
#include "call-actor/transfer.h"
#include "common/base/err.h"
#include "common/base/id.h"
#include "common/base/stat.h"
#include <cjson/cJSON.h>
#include <stdlib.h>

#define CTL_ID "sigctl" /* of a question whose answer is read from the row at once */

static struct stat_series stat_dialed = {.name = "sip_signaling_control_requests_total",
                                         .labels = "what=\"dial\"",
                                         .help = "calls placed for the platform and operators, repeats included"};

static struct stat_series stat_transferred = {.name = "sip_signaling_control_requests_total",
                                              .labels = "what=\"transfer\""};

void actor_control_init(void)
{
    stat_register(&stat_transferred);
    stat_register(&stat_dialed);
}

/* What happened to a question when it was asked. */
struct taken {
    Plane__Controlled__Result result; /* other than OK: refused, nothing was done */
    const char *why;
    struct entry *e; /* OK: the call, which answers */
};

static struct taken refused(Plane__Controlled__Result result, const char *why)
{
    return (struct taken){.result = result, .why = why};
}

/* --- dial --- */

static struct taken new_dial(struct actor *a, const Plane__Control *m)
{
    struct dial_parties who;
    const char *why;
    Plane__Controlled__Result result = dial_read(&who, &a->conf, m, &why);
    if (result != PLANE__CONTROLLED__RESULT__OK)
        return refused(result, why);
    struct entry *other = calls_by_name(&a->calls, span_cstr(m->call_id));
    if (other != NULL && !other->gone)
        return refused(PLANE__CONTROLLED__RESULT__EXISTS, "there is a call with this id");
    const char *missing;
    why = admit_refusal(a);
    if (why == NULL && !admit_ready(a, &missing))
        why = missing;
    if (why != NULL)
        return refused(PLANE__CONTROLLED__RESULT__UNAVAILABLE, why);
    struct entry *e = actor_new_call(a);
    return e != NULL ? (struct taken){.e = e} : refused(PLANE__CONTROLLED__RESULT__FULL, "out of memory");
}

static struct taken dial(struct actor *a, Plane__Proc asker, const Plane__Control *m)
{
    struct entry *known = calls_by_dial(&a->calls, m->asked_by, m->key);
    struct taken t = known != NULL ? (struct taken){.e = known} : new_dial(a, m);
    stat_inc(&stat_dialed);
    if (t.e != NULL)
        actor_step(a, t.e, &(struct call_input){.type = CALL_IN_CONTROL, .control = m, .asker = asker});
    return t;
}

/* --- transfer --- */

static struct taken transfer(struct actor *a, Plane__Proc asker, const Plane__Control *m)
{
    struct entry *e = calls_by_name(&a->calls, span_cstr(m->call_id));
    char to[DIAL_URI_BYTES_MAX + 3];
    const char *why;
    if (e == NULL || e->gone)
        return refused(PLANE__CONTROLLED__RESULT__NOT_FOUND, "no such call");
    bool known = control_find(e->call, m->op, m->asked_by, m->key) != NULL;
    if (!known && !call_is_live(e->call))
        return refused(PLANE__CONTROLLED__RESULT__NOT_FOUND, "no such call");
    Plane__Controlled__Result result = dial_read_to(to, &a->conf, m->to, &why);
    if (!known &&
        result == PLANE__CONTROLLED__RESULT__NOT_FOUND) /* of a shard that has the call, it is no "not here" */
        return refused(PLANE__CONTROLLED__RESULT__REFUSED, why);
    if (!known && result != PLANE__CONTROLLED__RESULT__OK)
        return refused(result, why);
    if (!known && !transfer_stays_is_known(m->stays))
        return refused(PLANE__CONTROLLED__RESULT__INVALID, "who stays is caller, callee, or not said");
    why = transfer_check(e->call, transfer_side(e->call, m));
    if (!known && why != NULL)
        return refused(PLANE__CONTROLLED__RESULT__REFUSED, why);
    stat_inc(&stat_transferred);
    actor_step(a, e, &(struct call_input){.type = CALL_IN_CONTROL, .control = m, .asker = asker});
    return (struct taken){.e = e};
}

/* --- by another process --- */

static void answer(struct actor *a, Plane__Proc asker, const Plane__Control *m, const struct taken *t)
{
    Plane__Controlled re = PLANE__CONTROLLED__INIT;
    re.id = m->id;
    re.result = t->result;
    re.call_id = m->call_id;
    re.detail = (char *)(uintptr_t)t->why;
    (void)bus_send(asker == PLANE__PROC__PROC_ORCH ? a->orch : a->pub, PLANE_CALL_CONTROLLED, &re.base);
}

void actor_control(struct actor *a, Plane__Proc asker, const Plane__Control *m)
{
    struct taken t = m->op == PLANE__CONTROL__OP__DIAL ? dial(a, asker, m) : transfer(a, asker, m);
    if (t.e == NULL)
        answer(a, asker, m, &t);
}

/* --- by an operator --- */

static const char *arg(const cJSON *args, const char *key)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(args, key));
    return text != NULL ? text : "";
}

static const char *word_of(Plane__Controlled__Result result)
{
    switch (result) {
    case PLANE__CONTROLLED__RESULT__NOT_FOUND:
        return "not_found";
    case PLANE__CONTROLLED__RESULT__INVALID:
        return "bad_request";
    case PLANE__CONTROLLED__RESULT__UNAVAILABLE:
        return "unavailable";
    case PLANE__CONTROLLED__RESULT__FULL:
        return "busy";
    default:
        return "refused";
    }
}

/* The call may have ended in the step that began it. */
static struct taken outcome(const struct taken *t, const Plane__Control *m)
{
    const Store__Control *k = t->e != NULL ? control_find(t->e->call, m->op, m->asked_by, m->key) : NULL;
    return k != NULL && k->settled ? (struct taken){.result = k->result, .why = k->detail, .e = t->e} : *t;
}

static int print_outcome(const struct taken *t, struct buf *out)
{
    cJSON *o = cJSON_CreateObject();
    bool ok = t->result == PLANE__CONTROLLED__RESULT__OK;
    if (ok)
        cJSON_AddStringToObject(o, "call_id", call_name(t->e->call));
    else
        cJSON_AddStringToObject(o, "error", word_of(t->result));
    if (!ok)
        cJSON_AddStringToObject(o, "detail", t->why);
    char *text = cJSON_PrintUnformatted(o);
    buf_puts(out, text != NULL ? text : "{\"error\":\"out_of_memory\"}");
    free(text);
    cJSON_Delete(o);
    return ok ? EX_OK : EX_REFUSED;
}

static Plane__Control question(const struct cJSON *args, Plane__Control__Op op, const char *call)
{
    Plane__Control m = PLANE__CONTROL__INIT;
    m.op = op;
    m.id = (ProtobufCBinaryData){.len = sizeof(CTL_ID) - 1, .data = (uint8_t *)(uintptr_t)CTL_ID};
    m.call_id = (char *)(uintptr_t)arg(args, call);
    m.key = (char *)(uintptr_t)arg(args, "key");
    m.stays = (char *)(uintptr_t)arg(args, "stays");
    m.asked_by = (char *)(uintptr_t) "sigctl";
    return m;
}

int actor_ctl_dial(struct actor *a, const struct cJSON *args, struct buf *out)
{
    Plane__Control m = question(args, PLANE__CONTROL__OP__DIAL, "call_id");
    m.from = (char *)(uintptr_t)arg(args, "from");
    m.to = (char *)(uintptr_t)arg(args, "to");
    m.key = m.key[0] != '\0' ? m.key : m.call_id;
    struct taken t = dial(a, PLANE__PROC__PROC_SUP, &m);
    t = outcome(&t, &m);
    return print_outcome(&t, out);
}

int actor_ctl_transfer(struct actor *a, const struct cJSON *args, struct buf *out)
{
    char key[ID_UUID_SIZE];
    Plane__Control m = question(args, PLANE__CONTROL__OP__TRANSFER, "id");
    id_uuid(key);
    m.to = (char *)(uintptr_t)arg(args, "uri");
    m.key = m.key[0] != '\0' ? m.key : key;
    struct taken t = transfer(a, PLANE__PROC__PROC_SUP, &m);
    t = outcome(&t, &m);
    return print_outcome(&t, out);
}
