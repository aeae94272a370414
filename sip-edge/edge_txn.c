/* Life of a transaction: made, looked up, stepped, dropped. What a step entails is in edge_txn_fx.c. */
#include "sip-edge/edge_txn.h"
#include "common/base/log.h"
#include "sip-edge/edge_hop.h"
#include "sip-edge/edge_shard.h"
#include "sip-edge/edge_stat.h"
#include <stdlib.h>

void edge_bytes_forget(struct edge *e, struct edge_bytes *b)
{
    e->kept_bytes -= b->len;
    edge_stat_kept((int64_t)e->kept_bytes);
    free(b->p);
    *b = (struct edge_bytes){0};
}

bool edge_bytes_keep_dup(struct edge *e, struct edge_bytes *b, struct span s)
{
    edge_bytes_forget(e, b);
    if (s.len == 0)
        return true;
    if (e->kept_bytes + s.len > e->kept_bytes_max || (b->p = malloc(s.len)) == NULL)
        return false;
    memcpy(b->p, s.p, s.len);
    b->len = s.len;
    e->kept_bytes += s.len;
    edge_stat_kept((int64_t)e->kept_bytes);
    return true;
}

static bool step(struct edge_txn *x, const struct txn_in *in, const struct edge_word *w)
{
    struct edge *e = x->shard->edge;
    struct txn_fx fx;
    struct fsm_step s = txn_step(&x->t, in, &fx, e->now);
    if (s.from != s.to) {
        const struct fsm *m = txn_machine((enum txn_kind)x->t.kind);
        log_ev(LOG_DEBUG, "transaction", log_z("kind", m->name), log_s("txn", edge_txn_id(x)),
               log_z("event", m->event_names[s.event]), log_z("from", m->state_names[s.from]),
               log_z("to", m->state_names[s.to]));
    }
    return edge_txn_perform(x, &fx, w);
}

bool edge_txn_do(struct edge_txn *x, enum txn_what what, const struct edge_word *w)
{
    struct txn_in in = {.what = what, .status = w != NULL ? w->status : 0, .times = &x->shard->edge->times};
    return step(x, &in, w);
}

void edge_txn_restart(struct edge_txn *x, bool reliable)
{
    struct edge *e = x->shard->edge;
    bool cancel_wanted = x->t.cancel_wanted;
    for (unsigned i = 0; i < TXN_SLOTS; i++)
        timer_cancel(e->timers, &x->timer[i]);
    txn_init(&x->t, (enum txn_kind)x->t.kind, reliable);
    x->t.cancel_wanted = cancel_wanted;
    (void)edge_txn_do(x, TXN_TU_REQUEST, NULL);
}

static void on_timer(struct edge_txn *x, enum txn_slot slot, int64_t now_ms)
{
    struct edge *e = x->shard->edge;
    enum txn_tmr tmr = (enum txn_tmr)x->tmr[slot];
    x->tmr[slot] = TXN_TMR_NONE;
    e->now.mono_ms = now_ms;
    if (tmr == TXN_TMR_NONE) { /* it was over, and waited only to tell its last word */
        edge_txn_drop(x);
        return;
    }
    if (tmr == TXN_TMR_B || tmr == TXN_TMR_F || tmr == TXN_TMR_H)
        edge_stat_timeout((enum txn_kind)x->t.kind);
    struct txn_in in = {.what = TXN_TIMER, .tmr = tmr, .times = &e->times};
    (void)step(x, &in, NULL);
}

static void on_repeat_timer(struct timer *t, int64_t now_ms)
{
    on_timer(t->owner, TXN_SLOT_REPEAT, now_ms);
}

static void on_life_timer(struct timer *t, int64_t now_ms)
{
    on_timer(t->owner, TXN_SLOT_LIFE, now_ms);
}

/* Behind the key: the path borrows it for as long as the transaction lives. */
static void keep_name(struct edge_txn *x, const struct edge_txn_args *a)
{
    char *p = x->key + a->key.len;
    struct span name = a->path->name;
    if (name.len > 0)
        memcpy(p, name.p, name.len);
    x->path.name = span_of(p, name.len);
}

struct edge_txn *edge_txn_new(struct edge *e, const struct edge_txn_args *a)
{
    bool is_server = a->kind == TXN_IST || a->kind == TXN_NIST;
    struct edge_txn *x = txn_index_has_room(&e->index) ? calloc(1, sizeof(*x) + a->key.len + a->path->name.len) : NULL;
    if (x == NULL)
        return NULL;
    txn_init(&x->t, a->kind, a->path->transport != SIP_TP_UDP);
    x->came_ms = e->now.mono_ms;
    x->shard = a->shard;
    x->hop = a->hop;
    x->method = (uint8_t)a->method;
    x->in_dialog = a->in_dialog;
    x->charged = a->charged;
    x->mute = a->mute;
    x->own = a->own;
    x->switched = a->switched;
    x->path = *a->path;
    x->reply_port = a->reply_port;
    x->key_len = (uint16_t)a->key.len;
    x->id_len = (uint16_t)a->id_len;
    if (a->key.len > 0) /* none when memory is out */
        memcpy(x->key, a->key.p, a->key.len);
    keep_name(x, a);
    list_init(&x->link);
    timer_init(&x->timer[TXN_SLOT_REPEAT], on_repeat_timer, x);
    timer_init(&x->timer[TXN_SLOT_LIFE], on_life_timer, x);
    struct span key = span_of(x->key, x->key_len);
    if (!edge_bytes_keep_dup(e, &x->request, a->request) ||
        (is_server ? txn_index_add_server(&e->index, &x->entry, key)
                   : txn_index_add_client(&e->index, &x->entry, key)) != 0) {
        edge_bytes_forget(e, &x->request);
        free(x);
        return NULL;
    }
    if (is_server)
        list_append(&a->shard->open, &x->link);
    edge_stat_txn(a->kind, 1);
    return x;
}

void edge_txn_drop(struct edge_txn *x)
{
    struct edge *e = x->shard->edge;
    edge_guard_dropped(x);
    txn_index_del(&e->index, &x->entry, txn_is_server(&x->t));
    list_remove(&x->link);
    for (unsigned i = 0; i < TXN_SLOTS; i++)
        timer_cancel(e->timers, &x->timer[i]);
    edge_bytes_forget(e, &x->request);
    edge_bytes_forget(e, &x->reply);
    edge_bytes_forget(e, &x->heard);
    edge_bytes_forget(e, &x->reason);
    if (x->hop != NULL)
        edge_hop_over(x->hop);
    edge_stat_txn((enum txn_kind)x->t.kind, -1);
    free(x);
}

struct edge_txn *edge_txn_server(struct edge *e, struct span key)
{
    struct txn_entry *t = txn_index_server(&e->index, key);
    return t != NULL ? MAP_ENTRY(t, struct edge_txn, entry) : NULL;
}

struct edge_txn *edge_txn_client(struct edge *e, struct span key)
{
    struct txn_entry *t = txn_index_client(&e->index, key);
    return t != NULL ? MAP_ENTRY(t, struct edge_txn, entry) : NULL;
}
