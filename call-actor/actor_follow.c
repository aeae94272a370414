/*
 * A request of ours in a dialog could not be sent: the connection it should have gone by is gone, and nobody listens
 * where it came from, as with any phone behind a NAT. Who is registered comes back and registers over another
 * connection: the dialog goes on there. Only from the same address and over the same transport, so that no other phone
 * of the user is taken for this one; of several, the one that registered last. For users of this shard.
 *
 * Who is not registered, or not yet again, may come back with a request in the dialog, as a caller over TLS does whose
 * target is new (RFC 3261 §12.2.2). For 8*T1 such a request of ours waits for that, as one to a peer over UDP is said
 * again for a while; then it has failed. After a restart of ours it is asked again, fails again and waits anew.
 */
#include "call-actor/actor.h"
#include "call-actor/call_fx.h"
#include "call-actor/call_row.h"
#include "call-actor/location.h"
#include "call-actor/out_leg.h"
#include "call-actor/refer.h"
#include "call-actor/registrar.h"
#include "call-actor/side.h"

#define LOOK_PER_T1 5 /* so often in T1 is looked for who came back */

/* A request of ours that is out, and the dialog it is in. */
struct asked_in {
    Store__ClientTxn *txn;
    Store__Dialog *dialog;
    const char *user; /* of ours, who is asked; empty: nobody that we know */
    uint32_t leg;     /* OutLeg.id of who is asked, or SIDE_CALLER */
};

static bool is_stream(const Plane__Endpoint *e)
{
    return e != NULL && e->transport[0] != '\0' && strcmp(e->transport, "UDP") != 0;
}

static bool has_branch(const Store__ClientTxn *txn, struct span branch)
{
    return txn != NULL && txn->raw.len > 0 && span_eq(row_span(txn->branch), branch);
}

/* It rang there, and does so still: the phone knows the INVITE when it comes again. One that has rung nobody yet fails
 * at once: where its callee is was looked up for it. */
static bool is_open_ring(const Store__OutLeg *leg)
{
    return leg->state == OUT_LEG_RINGING || leg->state == OUT_LEG_CANCELLING;
}

static Store__OutLeg *ring_of(const Store__CallRow *row, struct span branch)
{
    for (size_t i = 0; i < row->n_out_legs; i++) {
        if (is_open_ring(row->out_legs[i]) && has_branch(row->out_legs[i]->invite, branch))
            return row->out_legs[i];
    }
    return NULL;
}

static void look_at(struct asked_in *q, struct span branch, Store__ClientTxn *txn, uint32_t leg)
{
    if (q->txn == NULL && has_branch(txn, branch)) {
        q->txn = txn;
        q->leg = leg;
    }
}

static void look_in_session(struct asked_in *q, struct span branch, const Store__Dialog *d, uint32_t leg)
{
    if (d != NULL && d->session != NULL)
        look_at(q, branch, d->session->request, leg);
}

static void look_at_legs(struct asked_in *q, struct span branch, const Store__CallRow *row)
{
    for (size_t i = 0; i < row->n_out_legs; i++) {
        const Store__OutLeg *leg = row->out_legs[i];
        if (is_open_ring(leg))
            look_at(q, branch, leg->invite, leg->id);
        look_at(q, branch, leg->bye, leg->id);
        look_in_session(q, branch, leg->dialog, leg->id);
    }
}

/* Requests to who has a place in the call: it says which dialog they are in. */
static void look_in_call(struct asked_in *q, struct span branch, const Store__CallRow *row)
{
    look_in_session(q, branch, row->a, SIDE_CALLER);
    for (size_t i = 0; i < row->n_client_txns; i++)
        look_at(q, branch, row->client_txns[i], SIDE_CALLER);
    look_at_legs(q, branch, row);
    for (size_t i = 0; i < row->n_relays; i++)
        look_at(q, branch, row->relays[i]->request, row->relays[i]->to);
    for (size_t i = 0; i < row->n_passes; i++)
        look_at(q, branch, row->passes[i]->request, row->passes[i]->to);
    if (row->transfer != NULL)
        look_at(q, branch, row->transfer->refer, SIDE_CALLER);
}

/* Who is asked is known by the leg that was placed for him, not by the place he has: they change (side_swap). */
static const char *user_of(const struct call *c, uint32_t party)
{
    const Store__OutLeg *placed = side_of(c, party).leg;
    return placed != NULL ? placed->target->user : c->row->auth_user;
}

/* What is told of a REFER is told to who said it, also when he has no place any more. */
static void look_at_refers(struct asked_in *q, struct span branch, const struct call *c)
{
    for (size_t i = 0; q->txn == NULL && i < c->row->n_refers; i++) {
        const Store__Refer *r = c->row->refers[i];
        look_at(q, branch, r->notify, side_of_party(c, r->party).id);
        if (q->txn != NULL) {
            q->dialog = refer_dialog(c, r);
            q->user = user_of(c, r->party);
        }
    }
}

/* false: it is no request that a connection was to take. */
static bool find_asked(const struct call *c, struct span branch, struct asked_in *out)
{
    *out = (struct asked_in){.user = ""};
    look_in_call(out, branch, c->row);
    if (out->txn != NULL) {
        out->dialog = side_of(c, out->leg).d;
        out->user = user_of(c, side_party(c, out->leg));
    }
    look_at_refers(out, branch, c);
    return out->txn != NULL && is_stream(out->txn->dest) && out->dialog != NULL && is_stream(out->dialog->peer);
}

static bool is_same_host(const Plane__Endpoint *a, const Plane__Endpoint *b)
{
    return strcmp(a->transport, b->transport) == 0 && strcmp(a->addr, b->addr) == 0;
}

/* Where he is now; NULL: nowhere else. Owned by `aor`. */
static const Plane__Endpoint *new_way(const Store__AorRow *aor, const Plane__Endpoint *old)
{
    const Store__Binding *best = NULL;
    for (size_t i = 0; i < aor->n_bindings; i++) {
        const Store__Binding *b = aor->bindings[i];
        bool is_other = is_stream(b->source) && b->source->flow != 0 && b->source->flow != old->flow;
        if (is_other && is_same_host(b->source, old) && (best == NULL || b->expires_wall_ms > best->expires_wall_ms))
            best = b;
    }
    return best != NULL ? best->source : NULL;
}

static void go_by(Plane__Endpoint **at, const Plane__Endpoint *way)
{
    plane__endpoint__free_unpacked(*at, NULL);
    *at = row_endpoint(way);
}

static void ask_there(struct actor *a, struct entry *e, const struct asked_in *q, const Plane__Endpoint *way)
{
    struct call_effects fx = {.count = 0};
    log_ev(LOG_INFO, "a phone is asked by its new connection", log_z("method", q->txn->method),
           log_z("trace_id", e->call->row->trace_id));
    if (way != q->dialog->peer)
        go_by(&q->dialog->peer, way);
    go_by(&q->txn->dest, way);
    row_text(&q->txn->next_hop, SPAN(""));
    e->call->dirty = true;
    const Store__OutLeg *ring = ring_of(e->call->row, row_span(q->txn->branch));
    if (ring != NULL)
        out_leg_ask_again(e->call, ring, &fx, loop_now(a->loop));
    else
        fx_request(&fx, q->txn->method, q->txn, q->leg);
    turn_apply(a, e, &fx);
}

/* He has registered since. */
static bool ask_registered(struct actor *a, struct entry *e, const struct asked_in *q)
{
    if (q->user[0] == '\0')
        return false;
    Store__AorRow *aor = location_get(registrar_location(a->registrar), span_cstr(q->user));
    const Plane__Endpoint *way = aor != NULL ? new_way(aor, q->txn->dest) : NULL;
    if (way != NULL)
        ask_there(a, e, q, way);
    store__aor_row__free_unpacked(aor, NULL);
    return way != NULL;
}

static bool has_moved(const struct asked_in *q)
{
    const Plane__Endpoint *now = q->dialog->peer, *then = q->txn->dest;
    return !row_endpoint_eq(now, then) && is_same_host(now, then) && now->flow != then->flow;
}

/* He is there by another connection: he has said something in the dialog by it, or has registered. */
static bool ask_elsewhere(struct actor *a, struct entry *e, const struct asked_in *q)
{
    if (has_moved(q)) {
        ask_there(a, e, q, q->dialog->peer);
        return true;
    }
    return row_endpoint_eq(q->dialog->peer, q->txn->dest) && ask_registered(a, e, q);
}

/* --- who is waited for --- */

static bool is_settled(struct actor *a, const struct stray *s, int64_t now_ms)
{
    struct entry *e = calls_by_key(&a->calls, s->key);
    struct span branch = span_cstr(s->branch);
    struct asked_in q;
    if (e == NULL || e->gone || !find_asked(e->call, branch, &q) || ask_elsewhere(a, e, &q))
        return true;
    if (now_ms < s->until_ms)
        return false;
    Plane__TxnFailed failed = PLANE__TXN_FAILED__INIT;
    failed.txn.data = (uint8_t *)branch.p;
    failed.txn.len = branch.len;
    failed.cause = PLANE__TXN_FAILED__CAUSE__TRANSPORT;
    actor_txn_failed(a, &failed);
    return true;
}

static void look_again(struct actor *a)
{
    if (a->stray_cnt > 0)
        loop_timer_in(a->loop, &a->stray_timer, a->conf.t1_ms / LOOK_PER_T1);
}

/* In the order they were asked in: a lower CSeq behind a higher one is refused (RFC 3261 §12.2.2). */
static void on_stray_timer(struct timer *t, int64_t now_ms)
{
    struct actor *a = t->owner;
    size_t left = 0;
    for (size_t i = 0; i < a->stray_cnt; i++) {
        struct stray s = a->strays[i];
        if (!is_settled(a, &s, now_ms))
            a->strays[left++] = s;
    }
    a->stray_cnt = left;
    look_again(a);
}

/* A new edge was asked for what waits already. */
static bool is_waited_for(const struct actor *a, uint64_t key, struct span branch)
{
    for (size_t i = 0; i < a->stray_cnt; i++) {
        if (a->strays[i].key == key && span_eq(span_cstr(a->strays[i].branch), branch))
            return true;
    }
    return false;
}

static bool wait_for_return(struct actor *a, const struct entry *e, struct span branch)
{
    if (is_waited_for(a, e->call->row->key, branch))
        return true;
    if (a->stray_cnt == ACTOR_STRAYS_MAX)
        return false;
    struct stray *s = &a->strays[a->stray_cnt];
    *s = (struct stray){.key = e->call->row->key, .until_ms = loop_now(a->loop).mono_ms + 8 * (int64_t)a->conf.t1_ms};
    if (!span_copy(s->branch, sizeof s->branch, branch))
        return false;
    a->stray_cnt++;
    if (!timer_is_set(&a->stray_timer))
        look_again(a);
    return true;
}

void follow_init(struct actor *a)
{
    timer_init(&a->stray_timer, on_stray_timer, a);
}

bool actor_follow(struct actor *a, struct entry *e, Plane__TxnFailed__Cause cause, struct span branch)
{
    struct asked_in q;
    bool rings = ring_of(e->call->row, branch) != NULL; /* by a binding: over its connection or not at all (NO_ROUTE) */
    if (is_waited_for(a, e->call->row->key, branch))
        return true; /* nor does the edge know what its CANCEL is for */
    if (cause != PLANE__TXN_FAILED__CAUSE__TRANSPORT && (!rings || cause != PLANE__TXN_FAILED__CAUSE__NO_ROUTE))
        return false;
    if (!find_asked(e->call, branch, &q))
        return false;
    if (ask_elsewhere(a, e, &q))
        return true;
    return row_endpoint_eq(q.dialog->peer, q.txn->dest) && wait_for_return(a, e, branch);
}
