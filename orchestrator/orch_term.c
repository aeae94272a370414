/* SipSignalingService.TerminateCall: asked of every call-actor shard, answered with what the first that knows the call
 * says. */
#include "common/base/stat.h"
#include "orchestrator/orch_ask.h"
#include "orchestrator/rpc_code.h"
#include "proto/platform/sip.pb-c.h"

enum { TEXT_CALL_ID, TEXT_REASON };

static struct stat_series terminations = {
    .name = "sip_signaling_terminate_requests_total", .help = "TerminateCall requests", .kind = STAT_COUNTER};

static int send_it(const struct ask *a, struct shard *s)
{
    Plane__Terminate m = PLANE__TERMINATE__INIT;
    m.id.data = (uint8_t *)(uintptr_t)a->id;
    m.id.len = strlen(a->id);
    m.call_id = a->text[TEXT_CALL_ID];
    m.reason = a->text[TEXT_REASON];
    m.asked_by = (char *)(uintptr_t)a->asked_by;
    return bus_send(s->link, PLANE_CALL_TERMINATE, &m.base);
}

static void log_it(const struct ask *a, int code)
{
    log_ev(LOG_INFO, "terminate", log_z("call_id", a->text[TEXT_CALL_ID]), log_z("by", a->asked_by),
           log_z("reason", a->text[TEXT_REASON]), log_z("result", rpc_code_name(code)));
}

void orch_term_on_call(void *user, struct serve_call *c, const ProtobufCMessage *request)
{
    static const struct ask_kind kind = {.letter = ORCH_ASK_TERMINATE,
                                         .send = send_it,
                                         .log = log_it,
                                         .none_code = RPC_NOT_FOUND,
                                         .none_text = "no such call"};
    const Sentiric__Sip__V1__TerminateCallRequest *q = (const void *)request;
    stat_inc(&terminations);
    if (q->call_id[0] == '\0' || strlen(q->call_id) > ASK_TEXT_MAX || strlen(q->reason) > ASK_TEXT_MAX) {
        serve_answer(c, RPC_INVALID_ARGUMENT, "call_id is missing or too long, or reason too long", NULL);
        return;
    }
    ask_begin(user, &(struct ask_args){.kind = &kind, .call = c, .text = {q->call_id, q->reason}});
}

void orch_term_answered(struct shard *s, const Plane__Terminated *m)
{
    struct ask *a = ask_find(s->orch, m->id);
    if (a == NULL)
        return;
    if (m->result != PLANE__TERMINATED__RESULT__ENDING) {
        ask_passed(a, s, m->result == PLANE__TERMINATED__RESULT__BUSY);
        return;
    }
    Sentiric__Sip__V1__TerminateCallResponse re = SENTIRIC__SIP__V1__TERMINATE_CALL_RESPONSE__INIT;
    re.success = true;
    re.message = m->detail[0] != '\0' ? m->detail : (char *)"the call is being ended";
    ask_end(a, RPC_OK, re.message, &re.base);
}

void orch_term_init(void)
{
    stat_register(&terminations);
}
