#include "call-actor/actor.h"
#include "call-actor/gate.h"
#include "call-actor/keepalive.h"
#include "call-actor/registrar.h"
#include "call-actor/registrar_rpc.h"
#include "call-actor/where.h"
#include "common/base/err.h"
#include "common/base/stat.h"
#include "common/rt/killpoint.h"
#include "common/rt/work.h"
#include "common/sip/sip_index.h"
#include <stdio.h>
#include <stdlib.h>

#define REPLY_BYTES_MAX 65535u
#define RESERVE_MB 64u           /* of the store, for any number of calls */
#define RESERVE_CALLS_PER_MB 32u /* 32 KiB a call: its row and the events it may still have to say */

static struct stat_series stat_orphans = {.name = "sip_signaling_orphan_answers_total",
                                          .help = "answers for calls that are gone; normal after a restart"};

/* --- one step ------------------------------------------------------------------------------------------------------
 */

/* What a peer counts in seconds must not end, or be forgotten, because somebody sets the clock. */
void actor_follow_clock(struct actor *a)
{
    int64_t by_ms = calls_follow_clock(&a->calls, loop_now(a->loop));
    if (by_ms != 0)
        log_ev(LOG_WARN, "the clock was set: calls go on as they did", log_n("by_ms", by_ms),
               log_n("calls", (int64_t)calls_count(&a->calls)));
}

void actor_step(struct actor *a, struct entry *e, const struct call_input *in)
{
    struct call_effects fx;
    fx.count = 0;
    actor_follow_clock(a);
    KILL_POINT("actor.step.decide");
    call_handle(e->call, in, &fx, loop_now(a->loop));
    KILL_POINT("actor.step.decided");
    turn_apply(a, e, &fx);
    KILL_POINT("actor.step.applied");
}

/* Said of the same timer after a restart, too. Valid until the next call. */
static struct span work_of_timer(const struct entry *e, unsigned due)
{
    static char id[64];
    int n = snprintf(id, sizeof id, "timer %u of call %llx", due, (unsigned long long)e->call->row->key);
    return span_of(id, (size_t)n);
}

void actor_worked(struct actor *a)
{
    work_end();
    if (work_is_careful())
        loop_cut_turn(a->loop);
}

/* Its step arms the timer for the next deadline, which may have passed too. */
static void on_call_timer(struct timer *t, int64_t now_ms)
{
    (void)now_ms;
    struct entry *e = t->owner;
    struct actor *a = e->owner; /* the call may be freed with the turn */
    unsigned due = calls_next_due(e);
    KILL_POINT("actor.timer.fired");
    struct span id = work_of_timer(e, due);
    e->due_ms[due] = 0;
    enum work_verdict v = work_begin(WORK_TIMER, id, id);
    work_known();
    bool over = due == CALLS_DUE_DOOM;
    if (v == WORK_GO && !over)
        actor_step(a, e, &(struct call_input){.type = CALL_IN_TIMER, .timer = (enum call_timer)due});
    else
        actor_end_poisoned(a, e, v != WORK_DROP && !over);
    actor_worked(a);
}

void actor_own(struct actor *a, struct entry *e)
{
    e->owner = a;
    timer_init(&e->timer, on_call_timer, e);
}

struct entry *actor_new_call(struct actor *a)
{
    struct now now = loop_now(a->loop);
    struct call *c = call_new(&a->conf, calls_next_key(&a->calls, now), now);
    struct entry *e = c != NULL ? calls_add(&a->calls, c) : NULL;
    if (e == NULL)
        return NULL;
    actor_own(a, e);
    return e;
}

/* --- answers to what calls asked
 * --------------------------------------------------------------------------------------- */

static struct entry *call_for_id(struct actor *a, ProtobufCBinaryData id)
{
    struct entry *e = calls_by_key(&a->calls, call_key_of(span_of((const char *)id.data, id.len)));
    if (e == NULL || e->gone) {
        stat_inc(&stat_orphans);
        return NULL;
    }
    return e;
}

static bool is_keepalive(struct actor *a, ProtobufCBinaryData txn, enum keepalive_heard is)
{
    return keepalive_on_heard(registrar_keepalive(a->registrar), span_of((const char *)txn.data, txn.len), is);
}

static void on_response(struct actor *a, const Plane__RxResponse *rx)
{
    static struct sip_msg msg;
    if (is_keepalive(a, rx->txn, KEEPALIVE_ANSWER))
        return;
    KILL_POINT("actor.response.read");
    struct entry *e = call_for_id(a, rx->txn);
    struct span raw = span_of((const char *)rx->raw.data, rx->raw.len);
    if (e == NULL || sip_index_decode(&msg, raw, span_of((const char *)rx->index.data, rx->index.len)) != 0)
        return;
    struct call_input in = {
        .type = CALL_IN_RESPONSE,
        .msg = &msg,
        .status = rx->status,
        .txn = span_of((const char *)rx->txn.data, rx->txn.len),
        .source = rx->source,
    };
    actor_step(a, e, &in);
}

void actor_txn_failed(struct actor *a, const Plane__TxnFailed *m)
{
    bool sent = m->cause != PLANE__TXN_FAILED__CAUSE__NO_ROOM;
    if (is_keepalive(a, m->txn, sent ? KEEPALIVE_SILENCE : KEEPALIVE_UNSENT))
        return;
    struct entry *e = call_for_id(a, m->txn);
    struct call_input in = {.type = CALL_IN_RESPONSE,
                            .txn = span_of((const char *)m->txn.data, m->txn.len),
                            .unreachable = m->cause != PLANE__TXN_FAILED__CAUSE__TIMEOUT};
    if (e == NULL)
        return;
    actor_step(a, e, &in);
    a->commit_now = true; /* asked again, the edge, which keeps no failure, would send it again */
}

static void on_txn_failed(struct actor *a, const Plane__TxnFailed *m)
{
    struct span branch = span_of((const char *)m->txn.data, m->txn.len);
    struct entry *e = calls_by_key(&a->calls, call_key_of(branch));
    if (e == NULL || e->gone || !actor_follow(a, e, m->cause, branch))
        actor_txn_failed(a, m);
}

static void on_job_step(struct actor *a, const Plane__JobStep *m)
{
    struct entry *e = call_for_id(a, m->id);
    if (e != NULL)
        actor_step(a, e, &(struct call_input){.type = CALL_IN_JOB_STEP, .step = m});
}

void actor_job_done(struct actor *a, const Plane__JobDone *m)
{
    if (users_on_job_done(gate_users(a->gate), m) || where_on_job_done(a, m))
        return;
    KILL_POINT("actor.job.read");
    struct entry *e = call_for_id(a, m->id);
    if (e != NULL)
        actor_step(a, e, &(struct call_input){.type = CALL_IN_JOB_DONE, .done = m});
}

/* --- who wants a call ended
 * --------------------------------------------------------------------------------------------- */

bool actor_terminate(struct actor *a, struct span name, const char *reason, const char *asked_by)
{
    struct entry *e = calls_by_name(&a->calls, name);
    if (e == NULL || e->gone || !call_is_live(e->call))
        return false;
    actor_step(a, e, &(struct call_input){.type = CALL_IN_TERMINATE, .reason = reason, .asked_by = asked_by});
    return true;
}

static void on_terminate(struct actor *a, struct bus_link *from, const Plane__Terminate *m)
{
    KILL_POINT("actor.terminate.read");
    bool found = actor_terminate(a, span_cstr(m->call_id), m->reason, m->asked_by);
    Plane__Terminated r = PLANE__TERMINATED__INIT;
    r.id = m->id;
    r.result = found ? PLANE__TERMINATED__RESULT__ENDING : PLANE__TERMINATED__RESULT__NOT_FOUND;
    r.detail = (char *)(found ? "the call is being ended" : "no such call");
    (void)bus_send(from, PLANE_CALL_TERMINATED, &r.base);
}

/* --- links
 * ---------------------------------------------------------------------------------------------------------------- */

static void on_edge_msg(struct bus_link *k, uint16_t type, const ProtobufCMessage *m)
{
    struct actor *a = bus_link_user(k);
    if (type == PLANE_PEER_PROBE)
        bus_answer_probe(k, m);
    else if (type == PLANE_EDGE_RX_REQUEST)
        actor_on_request(a, (const void *)m);
    else if (type == PLANE_EDGE_RX_RESPONSE)
        on_response(a, (const void *)m);
    else if (type == PLANE_EDGE_TXN_FAILED)
        on_txn_failed(a, (const void *)m);
    else if (type == PLANE_EDGE_FLOW_GONE)
        registrar_flow_gone(a->registrar, (const void *)m);
}

static void on_orch_msg(struct bus_link *k, uint16_t type, const ProtobufCMessage *m)
{
    struct actor *a = bus_link_user(k);
    if (type == PLANE_PEER_PROBE)
        bus_answer_probe(k, m);
    else if (type == PLANE_ORCH_JOB_STEP)
        on_job_step(a, (const void *)m);
    else if (type == PLANE_ORCH_JOB_DONE)
        actor_job_done(a, (const void *)m);
    else if (type == PLANE_ORCH_DEPENDENCIES)
        admit_take_dependencies(a, (const void *)m);
    else if (type == PLANE_CALL_TERMINATE)
        on_terminate(a, k, (const void *)m);
    else if (type == PLANE_CALL_CONTROL)
        actor_control(a, PLANE__PROC__PROC_ORCH, (const void *)m);
    else if (type == PLANE_CALL_REGISTRATION)
        registrar_rpc(a, (const void *)m);
    else if (type == PLANE_CALL_WHERE)
        where_serve(a, (const void *)m);
    else if (type == PLANE_ORCH_WHEREABOUTS)
        where_on_told(a, (const void *)m);
    else if (type == PLANE_CALL_PORTS)
        actor_ports(a, (const void *)m);
}

static void on_pub_msg(struct bus_link *k, uint16_t type, const ProtobufCMessage *m)
{
    struct actor *a = bus_link_user(k);
    if (type == PLANE_PEER_PROBE) {
        bus_answer_probe(k, m);
    } else if (type == PLANE_PUB_CONFIRMED) {
        const Plane__Confirmed *c = (const void *)m;
        for (size_t i = 0; i < c->n_seq; i++)
            outbox_confirmed(a->outbox, c->seq[i]);
    } else if (type == PLANE_PUB_REFUSED) {
        outbox_refused(a->outbox, ((const Plane__Refused *)(const void *)m)->seq, loop_now(a->loop));
    } else if (type == PLANE_PUB_LINK) {
        const Plane__BrokerLink *b = (const void *)m;
        if (b->up && !a->broker_up && outbox_count(a->outbox) > 0)
            log_ev(LOG_INFO, "events waited for the broker", log_n("count", (int64_t)outbox_count(a->outbox)));
        a->broker_up = b->up;
        a->broker_told = true;
        snprintf(a->broker_detail, sizeof(a->broker_detail), "%s", b->detail);
    } else if (type == PLANE_CALL_TERMINATE) {
        on_terminate(a, k, (const void *)m);
    } else if (type == PLANE_CALL_CONTROL) {
        actor_control(a, PLANE__PROC__PROC_PUB, (const void *)m);
    }
}

static void on_edge_up(struct bus_link *k, const Plane__Hello *peer, bool fresh)
{
    (void)peer;
    struct actor *a = bus_link_user(k);
    if (fresh)
        keepalive_forget(registrar_keepalive(a->registrar));
    gate_tell_edge(a->gate);
    admit_update(a, true);
    KILL_POINT("actor.edge.up");
    recover_ask(a, PLANE__PROC__PROC_EDGE);
    KILL_POINT("actor.edge.asked");
}

static void on_orch_up(struct bus_link *k, const Plane__Hello *peer, bool fresh)
{
    (void)peer;
    struct actor *a = bus_link_user(k);
    if (fresh)
        admit_meet_orchestrator(a);
    KILL_POINT("actor.orch.up");
    recover_ask(a, PLANE__PROC__PROC_ORCH);
    users_ask_again(gate_users(a->gate));
    where_ask_again(a);
    admit_update(a, false);
}

static void on_pub_up(struct bus_link *k, const Plane__Hello *peer, bool fresh)
{
    (void)peer;
    (void)fresh;
    struct actor *a = bus_link_user(k);
    KILL_POINT("actor.pub.up");
    outbox_peer_up(a->outbox);
    admit_update(a, false);
}

static void on_pub_down(struct bus_link *k)
{
    struct actor *a = bus_link_user(k);
    outbox_peer_down(a->outbox);
    a->broker_up = false; /* who could say otherwise is gone */
}

static struct bus_link *open_link(struct actor *a, const char *peer_name, struct bus_link_args args)
{
    char path[108];
    worker_link_path(a->worker, a->conf.shard, peer_name, path);
    args.path = path;
    args.listen = true;
    args.on_poison = actor_on_poison;
    args.on_mute_poison = actor_on_mute_poison;
    args.user = a;
    return bus_link_open(worker_bus(a->worker), &args);
}

static bool open_links(struct actor *a)
{
    a->edge =
        open_link(a, "sip-edge",
                  (struct bus_link_args){.peer = PLANE__PROC__PROC_EDGE, .on_up = on_edge_up, .on_msg = on_edge_msg});
    a->orch =
        open_link(a, "orchestrator",
                  (struct bus_link_args){.peer = PLANE__PROC__PROC_ORCH, .on_up = on_orch_up, .on_msg = on_orch_msg});
    a->pub =
        open_link(a, "publisher",
                  (struct bus_link_args){
                      .peer = PLANE__PROC__PROC_PUB, .on_up = on_pub_up, .on_down = on_pub_down, .on_msg = on_pub_msg});
    return a->edge != NULL && a->orch != NULL && a->pub != NULL;
}

/* --- life
 * ------------------------------------------------------------------------------------------------------------------ */

/* For the rows and events of calls in progress, and for those that come before the edge knows that it is full. */
static uint32_t reserve_mb(uint32_t calls_max)
{
    return RESERVE_MB + calls_max / RESERVE_CALLS_PER_MB;
}

int actor_start(struct worker *w)
{
    struct actor *a = calloc(1, sizeof(*a));
    if (a == NULL)
        return EX_INTERNAL;
    a->worker = w;
    a->loop = worker_loop(w);
    worker_set_state(w, a);
    if (!actor_conf_read(a))
        return EX_BADUSE;
    const struct conf *c = worker_conf(w);
    a->store = store_open(&(struct store_args){.dir = conf_str(c, SET_STATE_DIR),
                                               .shard = a->conf.shard,
                                               .max_mb = conf_u32(c, SET_STORE_MAX_MB),
                                               .reserve_mb = reserve_mb(conf_u32(c, SET_CALLS_MAX)),
                                               .sync_commits = conf_is(c, SET_STORE_SYNC, "commit")});
    if (a->store == NULL)
        return EX_STORAGE;
    stat_register(&stat_orphans);
    say_init();
    actor_control_init();
    gauge_init();
    calls_init(&a->calls);
    a->outbox = outbox_new(a->store, conf_u32(c, SET_OUTBOX_MAX));
    turn_init(a);
    buf_init(&a->reply_buf, REPLY_BYTES_MAX);
    a->gate = gate_new(a, actor_take_request, registrar_rpc_told);
    a->registrar = registrar_new(a);
    a->where = where_new(a);
    if (a->gate == NULL || a->registrar == NULL || a->where == NULL || !open_links(a))
        return EX_INTERNAL;
    recover_load(a); /* after the links exist, before any can be up: the loop has not turned yet */
    store_opened(a->store);
    admit_init(a);
    follow_init(a);
    return EX_OK;
}
