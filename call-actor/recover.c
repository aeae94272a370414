/*
 * After a kill of ours: the store's rows become calls again, and every neighbour that says Hello is asked again for
 * what it owes us. After a kill of a neighbour: the same, for that neighbour (rule 3).
 */
#include "call-actor/actor.h"
#include "call-actor/clock_mark.h"
#include "call-actor/move_in.h"
#include "call-actor/registrar.h"
#include "call-actor/store_mark.h"
#include "common/base/err.h"
#include "common/rt/killpoint.h"
#include "common/rt/work.h"
#include <stdio.h>

static void load_row(void *user, uint64_t key, struct span value)
{
    struct actor *a = user;
    Store__CallRow *row = store__call_row__unpack(NULL, value.len, (const uint8_t *)value.p);
    if (row != NULL && row->key != key) {
        store__call_row__free_unpacked(row, NULL);
        row = NULL;
    }
    struct call *c = row != NULL ? call_from_row(&a->conf, row) : NULL;
    if (c == NULL) {
        log_ev(LOG_ERROR, "a call in the store cannot be read", log_n("key", (int64_t)key));
        a->unreadable_cnt++;
        return; /* kept on disk for a person to look at */
    }
    int64_t by_ms = clock_mark_moved(c->row->clock, a->calls.clock_ms);
    if (by_ms != 0)
        call_follow_clock(c, by_ms);
    struct entry *e = calls_add(&a->calls, c);
    if (e == NULL)
        die(EX_INTERNAL, "out of memory while loading calls");
    e->stored = true;
    actor_own(a, e);
}

static void ask_for(struct actor *a, struct entry *e, Plane__Proc peer)
{
    struct call_effects fx;
    fx.count = 0;
    call_ask_again(e->call, peer, &fx, loop_now(a->loop));
    turn_apply(a, e, &fx);
}

/* To ask again is what kills. */
static void give_up(struct actor *a, struct entry *e, Plane__Proc peer)
{
    struct call_effects fx;
    fx.count = 0;
    if (peer == PLANE__PROC__PROC_NONE)
        call_arm_again(e->call, &fx);
    turn_apply(a, e, &fx);
    actor_give_up(a, e, peer);
}

static void ask(struct actor *a, struct entry *e, Plane__Proc peer)
{
    char id[64];
    int n = snprintf(id, sizeof id, "%s of call %llx", plane_proc_name(peer), (unsigned long long)e->call->row->key);
    struct span what = span_of(id, (size_t)n);
    enum work_verdict v = work_begin(WORK_CALL, what, what);
    work_known();
    if (v == WORK_GO)
        ask_for(a, e, peer);
    else if (v == WORK_TELL)
        give_up(a, e, peer);
    else
        actor_end_poisoned(a, e, false);
    actor_worked(a);
}

/* _CALL_ACTORS was changed. */
static void look_for_our_users(struct actor *a)
{
    const struct conf *c = worker_conf(a->worker);
    const struct move_in_args args = {.dir = conf_str(c, SET_STATE_DIR),
                                      .store = a->store,
                                      .location = registrar_location(a->registrar),
                                      .shard = a->conf.shard,
                                      .shards = conf_u32(c, SET_CALL_ACTORS)};
    if (store_mark_shards(a->store) != args.shards && move_in(&args) >= 0)
        store_mark_put(a->store, args.shards);
}

void recover_load(struct actor *a)
{
    store_mark_put(a->store, store_mark_shards(a->store));
    (void)calls_follow_clock(&a->calls, loop_now(a->loop)); /* there are none yet: it learns the time */
    store_each(a->store, STORE_CALLS, load_row, a);
    outbox_load(a->outbox);
    location_load(registrar_location(a->registrar));
    KILL_POINT("recover.loaded");
    look_for_our_users(a);
    recover_ask(a, PLANE__PROC__PROC_NONE);
    KILL_POINT("recover.asked");
    if (calls_count(&a->calls) > 0 || outbox_count(a->outbox) > 0 || registrar_bindings(a->registrar) > 0)
        log_ev(LOG_INFO, "taken up from the store", log_n("calls", (int64_t)calls_count(&a->calls)),
               log_n("events", (int64_t)outbox_count(a->outbox)),
               log_n("bindings", (int64_t)registrar_bindings(a->registrar)));
}

void recover_ask(struct actor *a, Plane__Proc peer)
{
    actor_follow_clock(a);
    struct entry *e = calls_after(&a->calls, 0);
    while (e != NULL) {
        uint64_t key = e->call->row->key;
        if (!e->gone)
            ask(a, e, peer);
        e = calls_after(&a->calls, key); /* any call may have been freed: the turn ends with each one after a death */
    }
}
