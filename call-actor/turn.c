/*
 * One turn: steps are run, their effects are queued on the links, and at the turn's end the changed rows are committed.
 * The bus sends in the loop's last hook, after ours, so nothing is said that is not in the store (rule 2). A commit
 * that fails ends the process: nothing was said, and the next one starts from what is committed.
 *
 * A turn after which nothing leaves (an ACK has come, a port is back, an event is confirmed) is committed together with
 * the next one that speaks, at most COMMIT_MS later: until then a death makes it one that has not been, as a death
 * before we had read what it heard does. Then it is heard again: requests and ACKs sip-edge tells again by itself, and
 * a final response when we ask for it, which it keeps for some seconds over any transport. That a request has failed it
 * does not keep: that one would go out again, so such turns are committed at once (actor_txn_failed).
 */
#include "call-actor/actor.h"
#include "call-actor/clock_mark.h"
#include "call-actor/where.h"
#include "common/base/err.h"
#include "common/rt/killpoint.h"
#include "common/rt/work.h"
#include <stdio.h>

#define ROW_BYTES_MAX (1u << 22) /* thrice what the bounds of a call's parts come to */
#define ASK_AGAIN_MS 200         /* after a link was full */
#define SWEEP_MS 500             /* between turns that forget ended calls */
#define COMMIT_MS BUS_LATER_MS   /* what is told later is committed later */

/* --- effects ------------------------------------------------------------------------------------------------------ */

static ProtobufCBinaryData bytes_of(const char *p, size_t n)
{
    return (ProtobufCBinaryData){.len = n, .data = (uint8_t *)(uintptr_t)p};
}

/* What a full link did not take is asked again later; a link that is down asks when it is back. */
static void sent(struct actor *a, int rv)
{
    if (rv == -BUS_EFULL && !timer_is_set(&a->ask_timer))
        loop_timer_in(a->loop, &a->ask_timer, ASK_AGAIN_MS);
}

static void do_reply(struct actor *a, struct call_effect *f)
{
    Plane__SendReply m = PLANE__SEND_REPLY__INIT;
    m.txn = bytes_of(f->txn, f->txn_len);
    m.status = f->status;
    m.raw = bytes_of(f->raw, f->raw_len);
    m.dest = &f->peer;
    sent(a, bus_send(a->edge, PLANE_EDGE_SEND_REPLY, &m.base));
}

static void do_request(struct actor *a, struct call_effect *f)
{
    Plane__SendRequest m = PLANE__SEND_REQUEST__INIT;
    m.txn = bytes_of(f->txn, f->txn_len);
    m.method = (char *)(uintptr_t)f->method;
    m.raw = bytes_of(f->raw, f->raw_len);
    m.dest = &f->peer;
    m.next_hop = f->next_hop;
    m.own = f->own;
    sent(a, bus_send(a->edge, PLANE_EDGE_SEND_REQUEST, &m.base));
}

static void do_cancel(struct actor *a, const struct call_effect *f)
{
    Plane__CancelTxn m = PLANE__CANCEL_TXN__INIT;
    m.txn = bytes_of(f->txn, f->txn_len);
    m.reason = f->raw != NULL ? f->raw : (char *)"";
    sent(a, bus_send(a->edge, PLANE_EDGE_CANCEL, &m.base));
}

/* A caller waits for a set-up. Nobody waits for a port to go back, nor for the first packet towards a NAT so closely.
 */
static void do_job(struct actor *a, const struct call_effect *f)
{
    bool urgent = f->job->kind == PLANE__RUN_JOB__KIND__SETUP;
    int (*send)(struct bus_link *, enum plane_type, const ProtobufCMessage *) = urgent ? bus_send : bus_send_later;
    KILL_POINT("actor.job.ask");
    sent(a, send(a->orch, PLANE_ORCH_RUN_JOB, &f->job->base));
}

static void do_cancel_job(struct actor *a, const struct call_effect *f)
{
    Plane__CancelJob m = PLANE__CANCEL_JOB__INIT;
    m.id = bytes_of(f->txn, f->txn_len);
    sent(a, bus_send(a->orch, PLANE_ORCH_CANCEL_JOB, &m.base));
}

/* The id is the call's own and the event's name, and its place when there are several, so it is the same however often
 * the event is sent. */
static void do_publish(struct actor *a, const struct entry *e, const struct call_effect *f)
{
    const Store__CallRow *row = e->call->row;
    char id[128], nth[16] = "";
    bool pb = strcmp(f->content_type, "application/json") != 0;
    if (f->nth > 0 && outbox_is_full(a->outbox))
        return; /* what nobody need take is not kept for nobody */
    if (f->nth > 0)
        (void)snprintf(nth, sizeof(nth), "/%u", f->nth);
    snprintf(id, sizeof(id), "%s/%016llx/%s%s%s", row->trace_id, (unsigned long long)row->key, f->routing_key, nth,
             pb ? "/pb" : "");
    Plane__Event ev = PLANE__EVENT__INIT;
    ev.message_id = id;
    ev.routing_key = (char *)(uintptr_t)f->routing_key;
    ev.content_type = (char *)(uintptr_t)f->content_type;
    ev.body = bytes_of(f->raw, f->raw_len);
    ev.wall_ms = (uint64_t)loop_now(a->loop).wall_ms;
    ev.optional = f->nth > 0;
    Store__OutboxRow o = STORE__OUTBOX_ROW__INIT;
    o.event = &ev;
    o.call_id = (char *)(uintptr_t)call_name(e->call);
    o.call_key = row->key;
    outbox_add(a->outbox, &o, loop_now(a->loop));
}

/* Nobody waits for a call to be forgotten: those of a while go in one turn and one commit. */
static int64_t next_sweep_ms(int64_t at_ms)
{
    return (at_ms / SWEEP_MS + 1) * SWEEP_MS;
}

static void do_arm(struct actor *a, struct entry *e, const struct call_effect *f)
{
    e->due_ms[f->timer] = 0;
    if (f->at_wall_ms == 0)
        return;
    struct now now = loop_now(a->loop);
    int64_t at_ms = now.mono_ms + ((int64_t)f->at_wall_ms - now.wall_ms);
    if (at_ms < 1)
        at_ms = 1; /* long past, on a machine that has just started: 0 is none */
    e->due_ms[f->timer] = f->timer == CALL_TMR_LINGER ? next_sweep_ms(at_ms) : at_ms;
}

static void set_timer(struct actor *a, struct entry *e)
{
    unsigned next = calls_next_due(e);
    if (next == CALLS_DUE)
        loop_timer_cancel(a->loop, &e->timer);
    else if (!timer_is_set(&e->timer) || e->timer.at_ms != e->due_ms[next])
        loop_timer_at(a->loop, &e->timer, e->due_ms[next]);
}

static void do_forget(struct entry *e)
{
    memset(e->due_ms, 0, sizeof e->due_ms);
    e->gone = true;
}

static struct bus_link *link_of(struct actor *a, Plane__Proc asker)
{
    switch (asker) {
    case PLANE__PROC__PROC_ORCH:
        return a->orch;
    case PLANE__PROC__PROC_PUB:
        return a->pub;
    default:
        return NULL; /* an operator has had his answer */
    }
}

/* Lost with its link, and asked for again by who waits. */
static void do_tell(struct actor *a, const struct entry *e, const struct call_effect *f)
{
    struct bus_link *k = link_of(a, f->asker);
    Plane__Controlled m = PLANE__CONTROLLED__INIT;
    m.id = bytes_of(f->txn, f->txn_len);
    m.result = f->result;
    m.call_id = (char *)(uintptr_t)call_name(e->call);
    m.detail = f->raw;
    m.sip_code = f->status;
    if (k != NULL)
        (void)bus_send(k, PLANE_CALL_CONTROLLED, &m.base);
}

static void perform(struct actor *a, struct entry *e, struct call_effect *f)
{
    switch (f->type) {
    case CALL_EFF_REPLY:
        do_reply(a, f);
        break;
    case CALL_EFF_REQUEST:
        do_request(a, f);
        break;
    case CALL_EFF_JOB:
        do_job(a, f);
        break;
    case CALL_EFF_CANCEL_JOB:
        do_cancel_job(a, f);
        break;
    case CALL_EFF_PUBLISH:
        do_publish(a, e, f);
        break;
    case CALL_EFF_ARM:
        do_arm(a, e, f);
        break;
    case CALL_EFF_LOG:
        say(e->call, f, loop_now(a->loop).mono_ms);
        break;
    case CALL_EFF_FORGET:
        do_forget(e);
        break;
    case CALL_EFF_LOCATE:
        where_ask(a, e, span_of(f->raw, f->raw_len));
        break;
    case CALL_EFF_CANCEL:
        do_cancel(a, f);
        break;
    case CALL_EFF_TELL:
        do_tell(a, e, f);
        break;
    }
}

static void count_live(struct actor *a, struct entry *e)
{
    bool live = !e->gone && call_is_live(e->call);
    if (live == e->live)
        return;
    e->live = live;
    if (live)
        a->live_cnt++;
    else
        a->live_cnt--;
    if (a->live_cnt >= a->calls_max || (!a->admitting && a->live_cnt + 1 == a->calls_max))
        admit_update(a, false);
}

void turn_apply(struct actor *a, struct entry *e, struct call_effects *fx)
{
    for (size_t i = 0; i < fx->count; i++)
        perform(a, e, &fx->list[i]);
    set_timer(a, e);
    call_effects_clear(fx);
    calls_index(&a->calls, e);
    count_live(a, e);
    if ((e->call->dirty && e->call->storable) || e->gone)
        list_append(&a->dirty, &e->dirty);
    a->commit_now = a->commit_now || e->gone;
}

/* --- the end of the turn --------------------------------------------------------------------------------------------
 */

static void save_row(struct actor *a, struct entry *e)
{
    Store__CallRow *row = e->call->row;
    row->clock = clock_mark(a->calls.clock_ms);
    buf_reset(&a->row_buf);
    size_t n = store__call_row__get_packed_size(row);
    char *p = buf_reserve(&a->row_buf, n);
    if (p == NULL)
        die(EX_INTERNAL, "a call's row has grown to %zu bytes", n);
    store__call_row__pack(row, (uint8_t *)p);
    store_put(a->store, STORE_CALLS, row->key, span_of(p, n));
    e->stored = true;
    e->call->dirty = false;
}

static void settle(struct actor *a, struct entry *e)
{
    list_remove(&e->dirty);
    if (!e->gone) {
        save_row(a, e);
        return;
    }
    KILL_POINT("actor.call.forget");
    if (e->stored)
        store_del(a->store, STORE_CALLS, e->call->row->key);
    calls_remove(&a->calls, e);
}

/* What is gone is in no index any more before the next turn looks. What kills us is found by its turn (work.h). */
static bool must_commit(const struct actor *a)
{
    return a->commit_now || bus_is_urgent(worker_bus(a->worker)) || loop_is_stopping(a->loop) || work_is_careful();
}

static void commit(struct actor *a)
{
    struct list *n;
    while ((n = list_first(&a->dirty)) != NULL)
        settle(a, LIST_ENTRY(n, struct entry, dirty));
    store_commit(a->store);
    loop_timer_cancel(a->loop, &a->commit_timer);
    a->commit_now = false;
}

static void pump(struct actor *a)
{
    outbox_pump(a->outbox, a->pub, loop_now(a->loop));
    KILL_POINT("actor.turn.pumped");
    int64_t next = outbox_next_ms(a->outbox);
    if (next != INT64_MAX)
        loop_timer_at(a->loop, &a->pump_timer, next);
}

static void on_turn_end(void *user)
{
    struct actor *a = user;
    where_answer(a);
    pump(a);
    if (must_commit(a))
        commit(a);
    else if ((store_is_changed(a->store) || !list_empty(&a->dirty)) && !timer_is_set(&a->commit_timer))
        loop_timer_in(a->loop, &a->commit_timer, COMMIT_MS);
}

static void on_commit(struct timer *t, int64_t now_ms)
{
    (void)now_ms;
    struct actor *a = t->owner;
    a->commit_now = true;
}

static void on_ask_again(struct timer *t, int64_t now_ms)
{
    (void)now_ms;
    struct actor *a = t->owner;
    recover_ask(a, PLANE__PROC__PROC_ORCH);
    recover_ask(a, PLANE__PROC__PROC_EDGE);
}

/* Waking the loop is all that is needed: the turn's end pumps. */
static void on_pump(struct timer *t, int64_t now_ms)
{
    (void)t;
    (void)now_ms;
}

void turn_init(struct actor *a)
{
    list_init(&a->dirty);
    buf_init(&a->row_buf, ROW_BYTES_MAX);
    timer_init(&a->ask_timer, on_ask_again, a);
    timer_init(&a->pump_timer, on_pump, a);
    timer_init(&a->commit_timer, on_commit, a);
    loop_at_turn_end(a->loop, on_turn_end, a);
}
