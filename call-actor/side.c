#include "call-actor/side.h"

#include "call-actor/call_row.h"
#include "call-actor/dialog.h"
#include "call-actor/out_leg.h"
#include "call-actor/rel100.h"

static const struct side nobody = {.d = NULL};

static struct side of_leg(Store__OutLeg *leg)
{
    return (struct side){.id = leg->id, .d = leg->dialog, .leg = leg};
}

struct side side_of(const struct call *c, uint32_t id)
{
    if (id == SIDE_CALLER)
        return (struct side){.id = SIDE_CALLER, .d = c->row->a};
    for (size_t i = 0; i < c->row->n_out_legs; i++) {
        if (c->row->out_legs[i]->id == id)
            return of_leg(c->row->out_legs[i]);
    }
    return nobody;
}

struct side side_other(const struct call *c, uint32_t id)
{
    return side_of(c, id == SIDE_CALLER ? c->row->winner : SIDE_CALLER);
}

/* --- places and who is there --- */

uint32_t side_party(const struct call *c, uint32_t id)
{
    const struct side s = side_of(c, id);
    return s.d != NULL && s.d->party != 0 ? s.d->party - 1 : id;
}

struct side side_of_party(const struct call *c, uint32_t party)
{
    for (uint32_t id = 0; id <= c->row->n_out_legs; id++) {
        if (side_party(c, id) == party && side_of(c, id).d != NULL)
            return side_of(c, id);
    }
    return side_of(c, party);
}

Store__OutLeg *side_placed_for(const struct call *c, uint32_t id)
{
    return side_of(c, side_party(c, id)).leg;
}

const char *side_user(const struct call *c, uint32_t id)
{
    const Store__OutLeg *placed = side_placed_for(c, id);
    return placed != NULL ? placed->target->user : c->row->auth_user;
}

/* The world goes on calling it what it did. */
static void keep_name(Store__CallRow *row, const char *from, const char *to)
{
    if (row->name != NULL)
        return;
    Store__CallName *name = row_alloc(sizeof(*name));
    store__call_name__init(name);
    row_text(&name->call_id, span_cstr(row->a->call_id));
    row_text(&name->from, span_cstr(from));
    row_text(&name->to, span_cstr(to));
    row->name = name;
}

static void exchange(uint32_t *id, uint32_t leg)
{
    if (*id == SIDE_CALLER || *id == leg)
        *id = leg - *id;
}

static void exchange_ids(Store__CallRow *row, uint32_t leg)
{
    for (size_t i = 0; i < row->n_server_txns; i++)
        exchange(&row->server_txns[i]->leg, leg);
    for (size_t i = 0; i < row->n_relays; i++) {
        exchange(&row->relays[i]->from, leg);
        exchange(&row->relays[i]->to, leg);
    }
    for (size_t i = 0; i < row->n_passes; i++) {
        exchange(&row->passes[i]->from, leg);
        exchange(&row->passes[i]->to, leg);
        exchange(&row->passes[i]->asked->leg, leg);
    }
}

void side_swap(struct call *c, struct call_effects *fx, uint32_t leg)
{
    Store__CallRow *row = c->row;
    Store__OutLeg *other = side_of(c, leg).leg;
    keep_name(row, call_from(c), call_to(c));
    uint32_t a = side_party(c, SIDE_CALLER), b = side_party(c, leg);
    Store__Dialog *d = row->a;
    row->a = other->dialog;
    other->dialog = d;
    row->a->party = b + 1;
    other->dialog->party = a + 1;
    exchange_ids(row, leg);
    for (size_t i = 0; i < fx->count; i++)
        exchange(&fx->list[i].leg, leg);
}

/* --- requests --- */

static bool is_in(const Store__Dialog *d, const struct sip_msg *m)
{
    return span_eq(span_cstr(d->call_id), m->call_id) && span_eq(span_cstr(d->remote_tag), m->from_tag);
}

/* Until the call is answered our tag for the caller is the beginning of those of the legs. */
static bool is_our_tag(const struct call *c, struct span tag)
{
    struct span ours = span_cstr(c->row->a->local_tag);
    return span_eq(tag, ours) || (call_state(c) == CALL_ST_RINGING && span_starts(tag, ours));
}

/* In one that is over only the PRACK of what was said in it is taken (RFC 3262 §3). */
static bool is_of_caller(const struct call *c, const struct sip_msg *m, const Store__Early *early)
{
    return is_in(c->row->a, m) && (is_our_tag(c, m->to_tag) || (m->method == SIP_M_PRACK && early != NULL));
}

/* Once there is an answer what he says counts in the dialog that it has confirmed, but for late PRACKs. */
static struct side of_caller(const struct call *c, Store__Early *early, enum sip_method method)
{
    struct side s = side_of(c, SIDE_CALLER);
    bool rings = call_state(c) == CALL_ST_RINGING || call_state(c) == CALL_ST_ANSWERING;
    s.early = rings || method == SIP_M_PRACK ? early : NULL;
    return s;
}

static struct side of_early_leg(const struct call *c, Store__Early *early)
{
    struct side s = side_of(c, early->leg);
    s.d = early->dialog;
    s.early = early;
    return s;
}

struct side side_of_request(const struct call *c, const struct sip_msg *m)
{
    if (c->row->a == NULL)
        return nobody;
    Store__Early *early = rel100_of_tag(c, m->to_tag);
    if (is_of_caller(c, m, early))
        return of_caller(c, early, m->method);
    early = rel100_of_callee(c, m);
    if (early != NULL)
        return of_early_leg(c, early);
    for (size_t i = 0; i < c->row->n_out_legs; i++) {
        Store__OutLeg *leg = c->row->out_legs[i];
        if (out_leg_has_dialog(leg) && is_in(leg->dialog, m) && span_eq(span_cstr(leg->dialog->local_tag), m->to_tag))
            return of_leg(leg);
    }
    return nobody;
}

uint32_t *side_remote_cseq(const struct side *s)
{
    return s->early != NULL && s->leg == NULL ? &s->early->remote_cseq : &s->d->remote_cseq;
}

void side_note_request(const struct side *s, const struct sip_msg *request, const Plane__Endpoint *source)
{
    uint32_t kept = s->d->remote_cseq;
    dialog_note_request(s->d, request, source);
    if (side_remote_cseq(s) == &s->d->remote_cseq)
        return;
    s->d->remote_cseq = kept;
    s->early->remote_cseq = request->cseq.num;
}
