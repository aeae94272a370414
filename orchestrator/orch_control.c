/* B2BUAService: calls that other services have us place, asked of the call-actor shard that the key says. */
#include "common/base/stat.h"
#include "orchestrator/orch_ask.h"
#include "orchestrator/rpc_code.h"
#include "proto/platform/sip.pb-c.h"
#include <stdio.h>

#define TEXT_MAX 256
#define CONTROL_WAIT_MS 15000 /* an INVITE leaves when its set-up is done; _SETUP_S is shorter, as a rule */

enum { TEXT_CALL_ID, TEXT_FROM, TEXT_TO, TEXT_KEY }; /* TRANSFER: TEXT_FROM is who stays */

static struct stat_series dialed = {.name = "sip_signaling_b2bua_requests_total",
                                    .labels = "rpc=\"InitiateCall\"",
                                    .help = "B2BUAService requests",
                                    .kind = STAT_COUNTER};

static struct stat_series transferred = {
    .name = "sip_signaling_b2bua_requests_total", .labels = "rpc=\"TransferCall\"", .kind = STAT_COUNTER};

static int send_it(const struct ask *a, struct shard *s)
{
    Plane__Control m = PLANE__CONTROL__INIT;
    m.id.data = (uint8_t *)(uintptr_t)a->id;
    m.id.len = strlen(a->id);
    m.op = (Plane__Control__Op)a->op;
    m.call_id = a->text[TEXT_CALL_ID];
    if (m.op == PLANE__CONTROL__OP__TRANSFER)
        m.stays = a->text[TEXT_FROM];
    else
        m.from = a->text[TEXT_FROM];
    m.to = a->text[TEXT_TO];
    m.key = a->text[TEXT_KEY];
    m.asked_by = (char *)(uintptr_t)a->asked_by;
    m.wait = a->waits;
    return bus_send(s->link, PLANE_CALL_CONTROL, &m.base);
}

static void log_it(const struct ask *a, int code)
{
    log_ev(LOG_INFO, a->op == PLANE__CONTROL__OP__TRANSFER ? "transfer" : "dial",
           log_z("call_id", a->text[TEXT_CALL_ID]), log_z("from", a->text[TEXT_FROM]), log_z("to", a->text[TEXT_TO]),
           log_z("by", a->asked_by), log_z("result", rpc_code_name(code)));
}

static bool is_bad(const char *text)
{
    size_t len = strlen(text);
    return len == 0 || len > ASK_TEXT_MAX;
}

static const struct ask_kind kind = {.letter = ORCH_ASK_CONTROL,
                                     .send = send_it,
                                     .log = log_it,
                                     .wait_ms = CONTROL_WAIT_MS,
                                     .late_text = "not known yet: ask again with the same key",
                                     .none_code = RPC_NOT_FOUND,
                                     .none_text = "no such call"};

void orch_control_on_dial(void *user, struct serve_call *c, const ProtobufCMessage *request)
{
    struct orch *o = user;
    const Sentiric__Sip__V1__InitiateCallRequest *q = (const void *)request;
    char made[ID_UUID_SIZE];
    stat_inc(&dialed);
    if (is_bad(q->from_uri) || is_bad(q->to_uri) || strlen(q->call_id) > ASK_TEXT_MAX) {
        serve_answer(c, RPC_INVALID_ARGUMENT, "from_uri or to_uri is missing, or a text too long", NULL);
        return;
    }
    id_uuid(made);
    const char *call_id = q->call_id[0] != '\0' ? q->call_id : made;
    const char *key = serve_call_key(c)[0] != '\0' ? serve_call_key(c) : call_id;
    ask_begin(o, &(struct ask_args){.kind = &kind,
                                    .call = c,
                                    .op = PLANE__CONTROL__OP__DIAL,
                                    .wait_s = serve_call_wait_s(c),
                                    .only = 1 + id_shard_of_user(span_cstr(key), o->shard_cnt),
                                    .text = {call_id, q->from_uri, q->to_uri, key}});
}

void orch_control_on_transfer(void *user, struct serve_call *c, const ProtobufCMessage *request)
{
    const Sentiric__Sip__V1__TransferCallRequest *q = (const void *)request;
    char made[ID_UUID_SIZE];
    stat_inc(&transferred);
    if (is_bad(q->existing_call_id) || is_bad(q->transfer_target_uri)) {
        serve_answer(c, RPC_INVALID_ARGUMENT, "existing_call_id or transfer_target_uri is missing or too long", NULL);
        return;
    }
    id_uuid(made);
    const char *key = serve_call_key(c)[0] != '\0' ? serve_call_key(c) : made;
    ask_begin(user,
              &(struct ask_args){.kind = &kind,
                                 .call = c,
                                 .op = PLANE__CONTROL__OP__TRANSFER,
                                 .wait_s = serve_call_wait_s(c),
                                 .text = {q->existing_call_id, serve_call_stays(c), q->transfer_target_uri, key}});
}

static int code_of(Plane__Controlled__Result result)
{
    switch (result) {
    case PLANE__CONTROLLED__RESULT__NOT_FOUND:
        return RPC_NOT_FOUND;
    case PLANE__CONTROLLED__RESULT__INVALID:
        return RPC_INVALID_ARGUMENT;
    case PLANE__CONTROLLED__RESULT__EXISTS:
        return RPC_ALREADY_EXISTS;
    case PLANE__CONTROLLED__RESULT__REFUSED:
        return RPC_FAILED_PRECONDITION;
    case PLANE__CONTROLLED__RESULT__FULL:
        return RPC_RESOURCE_EXHAUSTED;
    case PLANE__CONTROLLED__RESULT__UNAVAILABLE:
        return RPC_UNAVAILABLE;
    default:
        return RPC_INTERNAL;
    }
}

/* "busy, 486": what has become of it, in the words of the event. */
static void end_refused(struct ask *a, const Plane__Controlled *m)
{
    char text[TEXT_MAX];
    bool outcome = a->waits && m->result == PLANE__CONTROLLED__RESULT__FAILED;
    if (m->sip_code != 0)
        (void)snprintf(text, sizeof text, "%s, %u", m->detail, m->sip_code);
    else
        (void)snprintf(text, sizeof text, "%s", m->detail);
    ask_end(a, outcome ? RPC_ABORTED : code_of(m->result), text, NULL);
}

void orch_control_answered(struct shard *s, const Plane__Controlled *m)
{
    struct ask *a = ask_find(s->orch, m->id);
    if (a == NULL)
        return;
    bool transfer = a->op == PLANE__CONTROL__OP__TRANSFER;
    if (transfer && m->result == PLANE__CONTROLLED__RESULT__NOT_FOUND) {
        ask_passed(a, s, false);
        return;
    }
    if (m->result != PLANE__CONTROLLED__RESULT__OK) {
        end_refused(a, m);
        return;
    }
    Sentiric__Sip__V1__InitiateCallResponse re = SENTIRIC__SIP__V1__INITIATE_CALL_RESPONSE__INIT;
    re.success = true;
    re.new_call_id = m->call_id;
    Sentiric__Sip__V1__TransferCallResponse moved = SENTIRIC__SIP__V1__TRANSFER_CALL_RESPONSE__INIT;
    moved.success = true;
    ask_end(a, RPC_OK, "", transfer ? &moved.base : &re.base);
}

void orch_control_init(void)
{
    stat_register(&dialed);
    stat_register(&transferred);
}
