#include "orchestrator/orch_ask.h"
#include "common/rt/killpoint.h"
#include "orchestrator/rpc_code.h"
#include "proto/platform/sip.pb-c.h"
#include <stdio.h>
#include <stdlib.h>

#define STOPPING "the service is stopping"

static void ask_free(struct ask *a)
{
    for (size_t i = 0; i < ASK_TEXTS; i++)
        free(a->text[i]);
    free(a);
}

void ask_end(struct ask *a, int code, const char *text, const ProtobufCMessage *reply)
{
    struct orch *o = a->orch;
    KILL_POINT("orch.serve.answer");
    serve_answer(a->call, code, text, reply);
    a->kind->log(a, code);
    loop_timer_cancel(o->loop, &a->timer);
    map_del(&o->asks, &a->by_id);
    ask_free(a);
}

/* Nobody is left to wait for. */
static void end_if_unknown(struct ask *a)
{
    if (a->asked != 0)
        return;
    if (a->unreachable)
        ask_end(a, RPC_UNAVAILABLE, "a call-actor cannot be asked now", NULL);
    else
        ask_end(a, a->kind->none_code, a->kind->none_text, NULL);
}

void ask_passed(struct ask *a, const struct shard *s, bool unreachable)
{
    a->asked &= ~(1U << s->no);
    a->unreachable = a->unreachable || unreachable;
    end_if_unknown(a);
}

static void on_timer(struct timer *timer, int64_t now_ms)
{
    (void)now_ms;
    struct ask *a = timer->owner;
    if (a->waits)
        ask_end(a, RPC_DEADLINE_EXCEEDED, a->kind->late_text, NULL);
    else
        ask_end(a, RPC_UNAVAILABLE, "the call-actor did not answer in time", NULL);
}

/* A shard that is down now may be back before the caller has waited enough: it stays asked. */
static void ask_shard(struct ask *a, struct shard *s)
{
    if (a->kind->send(a, s) != -BUS_EFULL)
        return;
    a->unreachable = true;
    a->asked &= ~(1U << s->no);
}

static struct ask *ask_new(struct orch *o, const struct ask_args *args)
{
    struct ask *a = calloc(1, sizeof *a);
    if (a == NULL)
        return NULL;
    a->orch = o;
    a->call = args->call;
    a->kind = args->kind;
    a->op = args->op;
    a->num = args->num;
    a->waits = args->wait_s > 0;
    for (size_t i = 0; i < ASK_TEXTS; i++) {
        a->text[i] = span_dup(span_cstr(args->text[i] != NULL ? args->text[i] : ""));
        if (a->text[i] == NULL) {
            ask_free(a);
            return NULL;
        }
    }
    (void)snprintf(a->id, sizeof a->id, "%c%llx-%llu", a->kind->letter, (unsigned long long)worker_epoch(o->worker),
                   (unsigned long long)++o->next_ask);
    (void)snprintf(a->asked_by, sizeof a->asked_by, "grpc:%s", serve_call_peer(a->call));
    timer_init(&a->timer, on_timer, a);
    if (map_put(&o->asks, &a->by_id, span_cstr(a->id)) != 0) {
        ask_free(a);
        return NULL;
    }
    return a;
}

void ask_begin(struct orch *o, const struct ask_args *args)
{
    if (o->stopping) {
        serve_answer(args->call, RPC_UNAVAILABLE, STOPPING, NULL);
        return;
    }
    struct ask *a = ask_new(o, args);
    if (a == NULL) {
        serve_answer(args->call, RPC_RESOURCE_EXHAUSTED, "out of memory", NULL);
        return;
    }
    a->asked = args->only > 0 ? 1U << (args->only - 1) : (uint32_t)((1ULL << o->shard_cnt) - 1);
    int64_t wait_ms = a->kind->wait_ms > 0 ? a->kind->wait_ms : ORCH_ASK_MS;
    loop_timer_in(o->loop, &a->timer, a->waits ? (int64_t)args->wait_s * 1000 : wait_ms);
    for (uint32_t i = 0; i < o->shard_cnt; i++) {
        if (a->asked & 1U << i)
            ask_shard(a, &o->shards[i]);
    }
    KILL_POINT("orch.serve.asked");
    end_if_unknown(a);
}

struct ask *ask_find(const struct orch *o, ProtobufCBinaryData id)
{
    struct map_node *n = map_get(&o->asks, span_of((const char *)id.data, id.len));
    return n != NULL ? MAP_ENTRY(n, struct ask, by_id) : NULL;
}

/* --- what is served ---------------------------------------------------------------------------------------------- */

const struct serve_method orch_serve_methods[] = {
    {"/sentiric.sip.v1.SipSignalingService/TerminateCall", &sentiric__sip__v1__terminate_call_request__descriptor,
     orch_term_on_call, ORCH_MAY_TERMINATE},
    {"/sentiric.sip.v1.B2BUAService/InitiateCall", &sentiric__sip__v1__initiate_call_request__descriptor,
     orch_control_on_dial, ORCH_MAY_DIAL},
    {"/sentiric.sip.v1.B2BUAService/TransferCall", &sentiric__sip__v1__transfer_call_request__descriptor,
     orch_control_on_transfer, ORCH_MAY_TRANSFER},
    {"/sentiric.sip.v1.RegistrarService/Register", &sentiric__sip__v1__register_request__descriptor,
     orch_reg_on_register, 0},
    {"/sentiric.sip.v1.RegistrarService/Unregister", &sentiric__sip__v1__unregister_request__descriptor,
     orch_reg_on_unregister, 0},
    {"/sentiric.sip.v1.RegistrarService/LookupContact", &sentiric__sip__v1__lookup_contact_request__descriptor,
     orch_reg_on_lookup, 0},
    {0},
};

/* --- all of them ------------------------------------------------------------------------------------------------- */

void orch_asks_again(struct shard *s)
{
    const struct map *all = &s->orch->asks;
    for (struct map_node *n = map_next(all, NULL); n != NULL; n = map_next(all, n)) {
        struct ask *a = MAP_ENTRY(n, struct ask, by_id);
        if (a->asked & 1U << s->no)
            ask_shard(a, s);
    }
}

uint32_t orch_asks_waiting(const struct orch *o, char letter)
{
    uint32_t cnt = 0;
    for (struct map_node *n = map_next(&o->asks, NULL); n != NULL; n = map_next(&o->asks, n))
        cnt += MAP_ENTRY(n, struct ask, by_id)->kind->letter == letter;
    return cnt;
}

void orch_asks_init(struct orch *o)
{
    map_init(&o->asks);
    orch_term_init();
    orch_reg_init();
    orch_control_init();
}

void orch_asks_end_all(struct orch *o)
{
    for (struct map_node *n; (n = map_next(&o->asks, NULL)) != NULL;)
        ask_end(MAP_ENTRY(n, struct ask, by_id), RPC_UNAVAILABLE, STOPPING, NULL);
    map_fini(&o->asks);
    map_init(&o->asks);
}
