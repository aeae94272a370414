/*
 * A request of ours in a dialog could not be sent: the connection it should have gone by is gone, and nobody listens
 * where it came from, as with any phone behind a NAT. Who is registered comes back and registers over another
 * connection: the dialog goes on there. Only from the same address and over the same transport, so that no other phone
 * of the user is taken for this one; of several, the one that registered last. For users of this shard.
 */
#include "call-actor/actor.h"
#include "call-actor/call_fx.h"
#include "call-actor/call_row.h"
#include "call-actor/location.h"
#include "call-actor/registrar.h"

/* A request, and the dialog it is in. */
struct asked_in {
    Store__ClientTxn *txn;
    Store__Dialog *dialog;
    const char *user;
    uint32_t leg;
};

static bool is_stream(const Plane__Endpoint *e)
{
    return e != NULL && e->transport[0] != '\0' && strcmp(e->transport, "UDP") != 0;
}

static bool has_branch(const Store__ClientTxn *txn, struct span branch)
{
    return txn != NULL && txn->raw.len > 0 && span_eq(row_span(txn->branch), branch);
}

static Store__ClientTxn *find_session(const Store__Dialog *d, struct span branch)
{
    Store__ClientTxn *txn = d != NULL && d->session != NULL ? d->session->request : NULL;
    return has_branch(txn, branch) ? txn : NULL;
}

/* Not an INVITE that rings somebody: where he is was looked up for it. */
static Store__ClientTxn *find_txn(const Store__CallRow *row, struct span branch)
{
    Store__ClientTxn *found = find_session(row->a, branch);
    for (size_t i = 0; found == NULL && i < row->n_client_txns; i++)
        found = has_branch(row->client_txns[i], branch) ? row->client_txns[i] : NULL;
    for (size_t i = 0; found == NULL && i < row->n_out_legs; i++)
        found = has_branch(row->out_legs[i]->bye, branch) ? row->out_legs[i]->bye
                                                          : find_session(row->out_legs[i]->dialog, branch);
    for (size_t i = 0; found == NULL && i < row->n_relays; i++)
        found = has_branch(row->relays[i]->request, branch) ? row->relays[i]->request : NULL;
    for (size_t i = 0; found == NULL && i < row->n_passes; i++)
        found = has_branch(row->passes[i]->request, branch) ? row->passes[i]->request : NULL;
    return found;
}

static bool is_with(const Store__Dialog *d, const struct asked_in *q)
{
    return d != NULL && d->peer != NULL && row_endpoint_eq(d->peer, q->txn->dest);
}

static bool find_asked(const Store__CallRow *row, struct span branch, struct asked_in *out)
{
    *out = (struct asked_in){.txn = find_txn(row, branch)};
    if (out->txn == NULL || !is_stream(out->txn->dest))
        return false;
    if (is_with(row->a, out)) {
        out->dialog = row->a;
        out->user = row->auth_user;
    }
    for (size_t i = 0; out->dialog == NULL && i < row->n_out_legs; i++) {
        const Store__OutLeg *leg = row->out_legs[i];
        if (!is_with(leg->dialog, out))
            continue;
        *out = (struct asked_in){.txn = out->txn, .dialog = leg->dialog, .user = leg->target->user, .leg = leg->id};
    }
    return out->dialog != NULL && out->user[0] != '\0';
}

/* Where he is now; NULL: nowhere else. Owned by `aor`. */
static const Plane__Endpoint *new_way(const Store__AorRow *aor, const Plane__Endpoint *old)
{
    const Store__Binding *best = NULL;
    for (size_t i = 0; i < aor->n_bindings; i++) {
        const Store__Binding *b = aor->bindings[i];
        bool is_other = is_stream(b->source) && b->source->flow != 0 && b->source->flow != old->flow;
        if (is_other && strcmp(b->source->transport, old->transport) == 0 && strcmp(b->source->addr, old->addr) == 0 &&
            (best == NULL || b->expires_wall_ms > best->expires_wall_ms))
            best = b;
    }
    return best != NULL ? best->source : NULL;
}

static void go_by(Plane__Endpoint **at, const Plane__Endpoint *way)
{
    plane__endpoint__free_unpacked(*at, NULL);
    *at = row_endpoint(way);
}

bool actor_follow(struct actor *a, struct entry *e, struct span branch)
{
    struct asked_in q;
    if (!find_asked(e->call->row, branch, &q))
        return false;
    Store__AorRow *aor = location_get(registrar_location(a->registrar), span_cstr(q.user));
    const Plane__Endpoint *way = aor != NULL ? new_way(aor, q.txn->dest) : NULL;
    if (way != NULL) {
        struct call_effects fx = {.count = 0};
        log_ev(LOG_INFO, "a phone is asked by its new connection", log_z("user", q.user),
               log_z("method", q.txn->method), log_z("trace_id", e->call->row->trace_id));
        go_by(&q.dialog->peer, way);
        go_by(&q.txn->dest, way);
        row_text(&q.txn->next_hop, SPAN(""));
        e->call->dirty = true;
        fx_request(&fx, q.txn->method, q.txn, q.leg);
        turn_apply(a, e, &fx);
    }
    store__aor_row__free_unpacked(aor, NULL);
    return way != NULL;
}
