/* SipSignalingService.TerminateCall: asked of every call-actor shard, answered with what the first that knows the call
 * says. */
#include "common/base/id.h"
#include "common/base/stat.h"
#include "orchestrator/orch.h"
#include "orchestrator/rpc_code.h"
#include "proto/platform/sip.pb-c.h"
#include <stdio.h>
#include <stdlib.h>

#define CALL_ID_MAX 512 /* bytes; a longer one is nobody's */
#define REASON_MAX 512
#define STOPPING "the service is stopping"

struct termination {
    struct map_node by_id;
    struct timer timer;
    struct orch *orch;
    struct serve_call *call;
    uint32_t asked;   /* bit a shard: it still owes an answer */
    bool unreachable; /* a shard could not be asked, or had no time */
    char id[ID_MAX];
    char *call_id;
    char *reason;
    char asked_by[GRPC_SERVE_PEER_MAX + 8];
};

static struct stat_series terminations = {
    .name = "sip_signaling_terminate_requests_total", .help = "TerminateCall requests", .kind = STAT_COUNTER};

static void end(struct termination *t, int code, const char *text)
{
    struct orch *o = t->orch;
    Sentiric__Sip__V1__TerminateCallResponse re = SENTIRIC__SIP__V1__TERMINATE_CALL_RESPONSE__INIT;
    re.success = true;
    re.message = (char *)text;
    serve_answer(t->call, code, text, &re.base);
    log_ev(LOG_INFO, "terminate", log_z("call_id", t->call_id), log_z("by", t->asked_by), log_z("reason", t->reason),
           log_z("result", rpc_code_name(code)));
    loop_timer_cancel(o->loop, &t->timer);
    map_del(&o->terminations, &t->by_id);
    free(t->call_id);
    free(t->reason);
    free(t);
}

/* Nobody is left to wait for. */
static void end_if_unknown(struct termination *t)
{
    if (t->asked != 0)
        return;
    if (t->unreachable)
        end(t, RPC_UNAVAILABLE, "a call-actor cannot be asked now");
    else
        end(t, RPC_NOT_FOUND, "no such call");
}

static void on_timer(struct timer *timer, int64_t now_ms)
{
    (void)now_ms;
    end(timer->owner, RPC_UNAVAILABLE, "the call-actor did not answer in time");
}

/* A shard that is down now may be back before the caller has waited enough: it stays asked. */
static void ask(struct termination *t, struct shard *s)
{
    Plane__Terminate m = PLANE__TERMINATE__INIT;
    m.id.data = (uint8_t *)t->id;
    m.id.len = strlen(t->id);
    m.call_id = t->call_id;
    m.reason = t->reason;
    m.asked_by = t->asked_by;
    if (bus_send(s->link, PLANE_CALL_TERMINATE, &m.base) != -BUS_EFULL)
        return;
    t->unreachable = true;
    t->asked &= ~(1U << s->no);
}

static struct termination *termination_new(struct orch *o, struct serve_call *c,
                                           const Sentiric__Sip__V1__TerminateCallRequest *q)
{
    struct termination *t = calloc(1, sizeof *t);
    if (t == NULL)
        return NULL;
    t->orch = o;
    t->call = c;
    t->call_id = span_dup(span_cstr(q->call_id));
    t->reason = span_dup(span_cstr(q->reason));
    if (t->call_id == NULL || t->reason == NULL) {
        free(t->call_id);
        free(t->reason);
        free(t);
        return NULL;
    }
    (void)snprintf(t->id, sizeof t->id, "t%llx-%llu", (unsigned long long)worker_epoch(o->worker),
                   (unsigned long long)++o->next_termination);
    (void)snprintf(t->asked_by, sizeof t->asked_by, "grpc:%s", serve_call_peer(c));
    timer_init(&t->timer, on_timer, t);
    (void)map_put(&o->terminations, &t->by_id, span_cstr(t->id));
    return t;
}

static void on_terminate_call(void *user, struct serve_call *c, const ProtobufCMessage *request)
{
    struct orch *o = user;
    const Sentiric__Sip__V1__TerminateCallRequest *q = (const void *)request;
    stat_inc(&terminations);
    if (q->call_id[0] == '\0' || strlen(q->call_id) > CALL_ID_MAX || strlen(q->reason) > REASON_MAX) {
        serve_answer(c, RPC_INVALID_ARGUMENT, "call_id is missing or too long, or reason too long", NULL);
        return;
    }
    if (o->stopping) {
        serve_answer(c, RPC_UNAVAILABLE, STOPPING, NULL);
        return;
    }
    struct termination *t = termination_new(o, c, q);
    if (t == NULL) {
        serve_answer(c, RPC_RESOURCE_EXHAUSTED, "out of memory", NULL);
        return;
    }
    t->asked = (uint32_t)((1ULL << o->shard_cnt) - 1);
    loop_timer_in(o->loop, &t->timer, ORCH_TERMINATE_MS);
    for (uint32_t i = 0; i < o->shard_cnt; i++)
        ask(t, &o->shards[i]);
    end_if_unknown(t);
}

const struct serve_method orch_serve_methods[] = {
    {"/sentiric.sip.v1.SipSignalingService/TerminateCall", &sentiric__sip__v1__terminate_call_request__descriptor,
     on_terminate_call},
    {0},
};

void orch_term_answered(struct shard *s, const Plane__Terminated *m)
{
    struct map_node *n = map_get(&s->orch->terminations, span_of((const char *)m->id.data, m->id.len));
    if (n == NULL)
        return; /* too late, or answered by another shard: normal */
    struct termination *t = MAP_ENTRY(n, struct termination, by_id);
    t->asked &= ~(1U << s->no);
    if (m->result == PLANE__TERMINATED__RESULT__ENDING)
        end(t, RPC_OK, m->detail[0] != '\0' ? m->detail : "the call is being ended");
    else {
        t->unreachable = t->unreachable || m->result == PLANE__TERMINATED__RESULT__BUSY;
        end_if_unknown(t);
    }
}

void orch_term_ask_again(struct shard *s)
{
    const struct map *all = &s->orch->terminations;
    for (struct map_node *n = map_next(all, NULL); n != NULL; n = map_next(all, n)) {
        struct termination *t = MAP_ENTRY(n, struct termination, by_id);
        if (t->asked & 1U << s->no)
            ask(t, s);
    }
}

uint32_t orch_term_waiting(const struct orch *o)
{
    return (uint32_t)o->terminations.count;
}

void orch_term_init(struct orch *o)
{
    stat_register(&terminations);
    map_init(&o->terminations);
}

void orch_term_end_all(struct orch *o)
{
    for (struct map_node *n; (n = map_next(&o->terminations, NULL)) != NULL;)
        end(MAP_ENTRY(n, struct termination, by_id), RPC_UNAVAILABLE, STOPPING);
    map_fini(&o->terminations);
    map_init(&o->terminations);
}
