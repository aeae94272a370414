/*
 * A request of ours in a dialog could not be sent: the connection it should have gone by is gone, and nobody listens
 * where it came from, as with any phone behind a NAT. Who is registered comes back and registers over another
 * connection: the dialog goes on there. For users of this shard. Only from the same address and over the same
 * transport, and under the Contact that he has in the dialog; another port in it, which may be his connection's own, is
 * as good if it was first registered after the call began. So no other phone of the user is taken for this one.
 *
 * Who is not registered, or not yet again, may come back with a request in the dialog, as a caller over TLS does whose
 * target is new (RFC 3261 §12.2.2). For 8*T1 such a request of ours waits for that, as one to a peer over UDP is said
 * again for a while; then it has failed. It goes over each connection once, so this ends whoever registers. After a
 * restart of ours it is asked again, fails again and waits anew.
 */
#include "call-actor/actor.h"
#include "call-actor/call_fx.h"
#include "call-actor/call_row.h"
#include "call-actor/location.h"
#include "call-actor/out_leg.h"
#include "call-actor/refer.h"
#include "call-actor/registrar.h"
#include "call-actor/side.h"
#include "common/rt/work.h"
#include "common/sip/sip_uri.h"
#include <stdio.h>

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

/* --- where he is now --- */

static bool is_same_host(const Plane__Endpoint *a, const Plane__Endpoint *b)
{
    return strcmp(a->transport, b->transport) == 0 && strcmp(a->addr, b->addr) == 0;
}

/* Contact is where he is in the dialog; began_wall_ms: the call. */
static bool is_his_contact(const Store__Binding *b, struct span contact, uint64_t began_wall_ms)
{
    struct sip_uri his, one;
    if (sip_uri_decode(&his, contact) != 0 || sip_uri_decode(&one, span_cstr(b->contact)) != 0)
        return false;
    if (sip_uri_eq(&his, &one))
        return true;
    one.port = his.port;
    return b->since_wall_ms >= began_wall_ms && sip_uri_eq(&his, &one);
}

/* What was registered through a proxy goes there, not by a connection of ours. */
static bool is_other_way(const Store__Binding *b, const Plane__Endpoint *old)
{
    return b->n_path == 0 && is_stream(b->source) && b->source->flow != 0 && b->source->flow != old->flow &&
           is_same_host(b->source, old);
}

static bool was_tried(const struct stray *s, uint64_t flow)
{
    for (size_t i = 0; i < s->tried_cnt; i++) {
        if (s->tried[i] == flow)
            return true;
    }
    return s->tried_cnt == ACTOR_STRAY_WAYS;
}

/* NULL: nowhere else. Owned by `aor`. */
static const Plane__Endpoint *new_way(const Store__AorRow *aor, const struct asked_in *q, const struct stray *s,
                                      uint64_t began_wall_ms)
{
    const Store__Binding *best = NULL;
    struct span contact = span_cstr(q->dialog->remote_target);
    for (size_t i = 0; i < aor->n_bindings; i++) {
        const Store__Binding *b = aor->bindings[i];
        bool fits = is_other_way(b, q->txn->dest) && !was_tried(s, b->source->flow) &&
                    is_his_contact(b, contact, began_wall_ms);
        if (fits && (best == NULL || b->expires_wall_ms > best->expires_wall_ms))
            best = b;
    }
    return best != NULL ? best->source : NULL;
}

/* He has registered since. The caller frees it. */
static Plane__Endpoint *registered_way(struct actor *a, const struct entry *e, const struct asked_in *q,
                                       const struct stray *s)
{
    if (q->user[0] == '\0')
        return NULL;
    Store__AorRow *aor = location_get(registrar_location(a->registrar), span_cstr(q->user));
    const Plane__Endpoint *way = aor != NULL ? new_way(aor, q, s, e->call->row->created_wall_ms) : NULL;
    Plane__Endpoint *found = way != NULL ? row_endpoint(way) : NULL;
    store__aor_row__free_unpacked(aor, NULL);
    return found;
}

static bool is_by_his_connection(const struct asked_in *q)
{
    const Plane__Endpoint *now = q->dialog->peer, *then = q->txn->dest;
    return is_same_host(now, then) && now->flow == then->flow && now->port == then->port;
}

static bool has_moved(const struct asked_in *q)
{
    const Plane__Endpoint *now = q->dialog->peer, *then = q->txn->dest;
    return is_same_host(now, then) && now->flow != then->flow;
}

/* He is there by another connection: he has said something in the dialog by it, or has registered. NULL: he is not. The
 * caller frees it. */
static Plane__Endpoint *other_way(struct actor *a, const struct entry *e, const struct asked_in *q,
                                  const struct stray *s)
{
    if (has_moved(q))
        return was_tried(s, q->dialog->peer->flow) ? NULL : row_endpoint(q->dialog->peer);
    return is_by_his_connection(q) ? registered_way(a, e, q, s) : NULL;
}

/* What may go by a connection only, may so by the next one. */
static void go_by(Plane__Endpoint **at, const Plane__Endpoint *way)
{
    bool flow_only = (*at)->flow_only;
    plane__endpoint__free_unpacked(*at, NULL);
    *at = row_endpoint(way);
    (*at)->flow_only = flow_only;
}

static void ask_there(struct actor *a, struct entry *e, const struct asked_in *q, const Plane__Endpoint *way)
{
    struct call_effects fx = {.count = 0};
    log_ev(LOG_INFO, "a phone is asked by its new connection", log_z("method", q->txn->method),
           log_z("trace_id", e->call->row->trace_id));
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

/* --- who is waited for --- */

static void fail(struct actor *a, const struct stray *s)
{
    struct span branch = span_cstr(s->branch);
    Plane__TxnFailed failed = PLANE__TXN_FAILED__INIT;
    failed.txn.data = (uint8_t *)branch.p;
    failed.txn.len = branch.len;
    failed.cause = PLANE__TXN_FAILED__CAUSE__TRANSPORT;
    actor_txn_failed(a, &failed);
}

/* In the journal by its request: that comes again after a death. */
static void step_of_timer(struct actor *a, struct entry *e, const struct asked_in *q, const struct stray *s,
                          const Plane__Endpoint *way)
{
    char id[sizeof("stray ") + ACTOR_STRAY_BRANCH];
    int n = snprintf(id, sizeof id, "stray %s", s->branch);
    struct span what = span_of(id, (size_t)n);
    enum work_verdict v = work_begin(WORK_TIMER, what, what);
    work_known();
    if (v != WORK_GO)
        actor_end_poisoned(a, e, v == WORK_TELL);
    else if (way != NULL)
        ask_there(a, e, q, way);
    else
        fail(a, s);
    actor_worked(a);
}

/* Nothing is waited for any more. What was asked elsewhere is kept in mind until it is clear that it arrived. */
static bool is_settled(struct actor *a, struct stray *s, int64_t now_ms)
{
    struct entry *e = calls_by_key(&a->calls, s->key);
    struct asked_in q;
    if (e == NULL || e->gone || !find_asked(e->call, span_cstr(s->branch), &q))
        return true;
    bool over = now_ms >= s->until_ms;
    if (!s->waits)
        return over;
    Plane__Endpoint *way = other_way(a, e, &q, s);
    if (way == NULL && !over)
        return false;
    s->waits = false;
    step_of_timer(a, e, &q, s, way);
    bool failed = way == NULL;
    plane__endpoint__free_unpacked(way, NULL);
    return failed;
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

static struct stray *find_stray(struct actor *a, uint64_t key, struct span branch)
{
    for (size_t i = 0; i < a->stray_cnt; i++) {
        if (a->strays[i].key == key && span_eq(span_cstr(a->strays[i].branch), branch))
            return &a->strays[i];
    }
    return NULL;
}

/* Those that were asked elsewhere make room. */
static bool make_room(struct actor *a)
{
    for (size_t i = 0; a->stray_cnt == ACTOR_STRAYS_MAX && i < a->stray_cnt; i++) {
        if (a->strays[i].waits)
            continue;
        a->stray_cnt--;
        memmove(&a->strays[i], &a->strays[i + 1], (a->stray_cnt - i) * sizeof(a->strays[0]));
    }
    return a->stray_cnt < ACTOR_STRAYS_MAX;
}

/* NULL: there is no room. */
static struct stray *add_stray(struct actor *a, uint64_t key, struct span branch)
{
    if (!make_room(a))
        return NULL;
    struct stray *s = &a->strays[a->stray_cnt];
    *s = (struct stray){.key = key};
    if (!span_copy(s->branch, sizeof s->branch, branch))
        return NULL;
    a->stray_cnt++;
    return s;
}

/* It has failed there. */
static void note_failure(struct actor *a, struct stray *s, uint64_t flow)
{
    if (!was_tried(s, flow))
        s->tried[s->tried_cnt++] = flow;
    s->waits = true;
    s->until_ms = loop_now(a->loop).mono_ms + 8 * (int64_t)a->conf.t1_ms;
    if (!timer_is_set(&a->stray_timer))
        look_again(a);
}

void follow_init(struct actor *a)
{
    timer_init(&a->stray_timer, on_stray_timer, a);
}

static bool may_follow(const struct call *c, Plane__TxnFailed__Cause cause, struct span branch)
{
    bool rings = ring_of(c->row, branch) != NULL; /* by a binding: over its connection or not at all (NO_ROUTE) */
    return cause == PLANE__TXN_FAILED__CAUSE__TRANSPORT || (rings && cause == PLANE__TXN_FAILED__CAUSE__NO_ROUTE);
}

bool actor_follow(struct actor *a, struct entry *e, Plane__TxnFailed__Cause cause, struct span branch)
{
    struct asked_in q;
    uint64_t key = e->call->row->key;
    struct stray *s = find_stray(a, key, branch);
    if (s != NULL && s->waits)
        return true; /* a new edge was asked for it, too; nor does the edge know what its CANCEL is for */
    if (!may_follow(e->call, cause, branch) || !find_asked(e->call, branch, &q))
        return false;
    if (!has_moved(&q) && !is_by_his_connection(&q))
        return false;
    s = s != NULL ? s : add_stray(a, key, branch);
    if (s == NULL)
        return false;
    note_failure(a, s, q.txn->dest->flow);
    Plane__Endpoint *way = other_way(a, e, &q, s);
    s->waits = way == NULL;
    if (way != NULL)
        ask_there(a, e, &q, way);
    plane__endpoint__free_unpacked(way, NULL);
    return true;
}
