/*
 * Messages that killed a call-actor twice (common/rt/work.h). They are not handled: whoever waits for an answer gets
 * one that ends his waiting, and what they brought besides is kept from being lost.
 */
#include "call-actor/actor.h"
#include "call-actor/answer.h"
#include "call-actor/call_fx.h"
#include "common/sip/sip_index.h"

#define DOOMED_T1 192 /* the ACK of our 2xx, our BYE, and what may be said again: 64 each */
#define WHY "set aside: it killed the call-actor twice"

static void refuse_request(struct actor *a, const Plane__RxRequest *rx)
{
    static struct sip_msg msg;
    struct span raw = span_of((const char *)rx->raw.data, rx->raw.len);
    if (sip_index_decode(&msg, raw, span_of((const char *)rx->index.data, rx->index.len)) == 0 && msg.is_request)
        answer_refuse(a, &(struct asked){.rx = rx, .msg = &msg}, 500, NULL);
}

/* For its call the transaction has failed: it waits no longer. */
static void fail_txn(struct actor *a, ProtobufCBinaryData txn)
{
    Plane__TxnFailed m = PLANE__TXN_FAILED__INIT;
    m.txn = txn;
    m.cause = PLANE__TXN_FAILED__CAUSE__TRANSPORT;
    m.detail = (char *)(uintptr_t)WHY;
    actor_txn_failed(a, &m);
}

/* port: what the job has taken; the call gives it back all the same. 0: none. */
static void fail_job(struct actor *a, ProtobufCBinaryData id, uint32_t port)
{
    Plane__JobDone m = PLANE__JOB_DONE__INIT;
    m.id = id;
    m.result = PLANE__JOB_DONE__RESULT__POISON;
    m.step = (char *)(uintptr_t) "quarantine";
    m.detail = (char *)(uintptr_t)WHY;
    m.rtp_port = port;
    actor_job_done(a, &m);
}

/* Our 2xx has no ACK yet. With it, or when the wait for it is over, the call ends as if nothing had killed (§15). */
static bool ends_by_itself(const struct entry *e)
{
    return call_state(e->call) == CALL_ST_CLOSING && e->due_ms[CALL_TMR_NO_ACK] != 0;
}

/* What is over for the platform waits only for a peer's last word, and nobody will say that the wait is over. */
static bool may_be_ended(const struct call *c)
{
    enum call_state st = call_state(c);
    return call_is_live(c) && st != CALL_ST_CLOSING && st != CALL_ST_ENDING;
}

static void forget(struct actor *a, struct entry *e)
{
    struct call_effects fx;
    fx.count = 0;
    log_ev(LOG_ERROR, "a call is forgotten: what would end it kills the call-actor",
           log_z("call_id", call_name(e->call)), log_n("key", (int64_t)e->call->row->key));
    fx_forget(&fx);
    turn_apply(a, e, &fx);
}

/* However it ends, it does not outlast this. */
static void doom(struct actor *a, struct entry *e)
{
    struct call_effects none;
    none.count = 0;
    if (e->due_ms[CALLS_DUE_DOOM] == 0)
        e->due_ms[CALLS_DUE_DOOM] = loop_now(a->loop).mono_ms + (int64_t)DOOMED_T1 * a->conf.t1_ms;
    turn_apply(a, e, &none); /* the deadline */
}

static void end(struct actor *a, struct entry *e)
{
    log_ev(LOG_ERROR, "a call is ended: a step of it killed the call-actor twice", log_z("call_id", call_name(e->call)),
           log_n("key", (int64_t)e->call->row->key));
    actor_step(a, e, &(struct call_input){.type = CALL_IN_TERMINATE, .reason = WHY, .asked_by = "quarantine"});
    if (!e->gone)
        doom(a, e);
}

void actor_end_poisoned(struct actor *a, struct entry *e, bool safe)
{
    if (safe && may_be_ended(e->call))
        end(a, e);
    else if (safe && ends_by_itself(e))
        doom(a, e);
    else
        forget(a, e);
}

/* Whatever the transaction was for, its call would wait for an end that is never told. */
static void end_call_of(struct actor *a, ProtobufCBinaryData id, bool safe)
{
    struct entry *e = calls_by_key(&a->calls, call_key_of(span_of((const char *)id.data, id.len)));
    if (e != NULL && !e->gone)
        actor_end_poisoned(a, e, safe);
}

static void refuse_terminate(struct bus_link *from, const Plane__Terminate *q)
{
    Plane__Terminated m = PLANE__TERMINATED__INIT;
    m.id = q->id;
    m.result = PLANE__TERMINATED__RESULT__NOT_FOUND;
    m.detail = (char *)(uintptr_t)WHY;
    (void)bus_send(from, PLANE_CALL_TERMINATED, &m.base);
}

static void refuse_control(struct bus_link *from, const Plane__Control *q)
{
    Plane__Controlled m = PLANE__CONTROLLED__INIT;
    m.id = q->id;
    m.result = PLANE__CONTROLLED__RESULT__FAILED;
    m.call_id = q->call_id;
    m.detail = (char *)(uintptr_t)WHY;
    (void)bus_send(from, PLANE_CALL_CONTROLLED, &m.base);
}

static void refuse_registration(struct bus_link *from, const Plane__Registration *q)
{
    Plane__RegistrationDone m = PLANE__REGISTRATION_DONE__INIT;
    m.id = q->id;
    m.result = PLANE__REGISTRATION_DONE__RESULT__FAILED;
    m.detail = (char *)(uintptr_t)WHY;
    (void)bus_send(from, PLANE_CALL_REGISTRATION_DONE, &m.base);
}

void actor_on_poison(struct bus_link *k, uint16_t type, const ProtobufCMessage *m)
{
    struct actor *a = bus_link_user(k);
    if (type == PLANE_EDGE_RX_REQUEST)
        refuse_request(a, (const void *)m);
    else if (type == PLANE_EDGE_RX_RESPONSE)
        fail_txn(a, ((const Plane__RxResponse *)(const void *)m)->txn);
    else if (type == PLANE_EDGE_TXN_FAILED)
        end_call_of(a, ((const Plane__TxnFailed *)(const void *)m)->txn, true);
    else if (type == PLANE_ORCH_JOB_DONE)
        fail_job(a, ((const Plane__JobDone *)(const void *)m)->id, ((const Plane__JobDone *)(const void *)m)->rtp_port);
    else if (type == PLANE_CALL_TERMINATE)
        refuse_terminate(k, (const void *)m);
    else if (type == PLANE_CALL_CONTROL)
        refuse_control(k, (const void *)m);
    else if (type == PLANE_CALL_REGISTRATION)
        refuse_registration(k, (const void *)m);
}

/* What else there is kills by being said: its asker waits for his own time, or asks again. */
void actor_on_mute_poison(struct bus_link *k, uint16_t type, const ProtobufCMessage *m)
{
    if (type == PLANE_EDGE_TXN_FAILED)
        end_call_of(bus_link_user(k), ((const Plane__TxnFailed *)(const void *)m)->txn, false);
}

/* --- what a call asks again --- */

#define OPEN_MAX 16 /* of one call, that are given up; more wait for the call's own timers */

struct open_id {
    uint8_t bytes[128];
    size_t len;
};

static size_t add_id(struct open_id *list, size_t cnt, ProtobufCBinaryData id)
{
    if (cnt == OPEN_MAX || id.len > sizeof(list[0].bytes))
        return cnt;
    memcpy(list[cnt].bytes, id.data, id.len);
    list[cnt].len = id.len;
    return cnt + 1;
}

void actor_give_up(struct actor *a, const struct entry *e, Plane__Proc peer)
{
    struct open_id list[OPEN_MAX]; /* the rows' own change with each step */
    const Store__CallRow *row = e->call->row;
    size_t jobs = 0;
    for (size_t i = 0; i < row->n_jobs && peer != PLANE__PROC__PROC_EDGE; i++)
        jobs = add_id(list, jobs, row->jobs[i]->id);
    size_t cnt = jobs;
    for (size_t i = 0; i < row->n_client_txns && peer != PLANE__PROC__PROC_ORCH; i++)
        cnt = add_id(list, cnt, row->client_txns[i]->branch);
    for (size_t i = 0; i < cnt; i++) {
        ProtobufCBinaryData id = {.len = list[i].len, .data = list[i].bytes};
        if (i < jobs)
            fail_job(a, id, 0);
        else
            fail_txn(a, id);
    }
}
