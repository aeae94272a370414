#include "call-actor/call_check.h"

#include "call-actor/call_step.h"
#include "call-actor/control.h"
#include "call-actor/dial.h"
#include "call-actor/leg.h"
#include "call-actor/out_leg.h"
#include "call-actor/pass.h"
#include "call-actor/refer.h"
#include "call-actor/rel100.h"
#include "call-actor/relay.h"
#include "call-actor/ring.h"

static bool request_leads_somewhere(const Store__ClientTxn *txn)
{
    return txn == NULL || txn->dest != NULL;
}

/* Its requests lead somewhere; an ACK follows a request. */
static bool session_is_ours(const Store__Dialog *d)
{
    const Store__Session *s = d->session;
    return s == NULL || (request_leads_somewhere(s->request) && request_leads_somewhere(s->ack) &&
                         (s->ack == NULL || s->request != NULL));
}

static bool peers_are_there(const Store__CallRow *row)
{
    if (row->a == NULL || row->a->peer == NULL || !session_is_ours(row->a))
        return false;
    for (size_t i = 0; i < row->n_server_txns; i++) {
        if (row->server_txns[i]->source == NULL)
            return false;
    }
    for (size_t i = 0; i < row->n_client_txns; i++) {
        if (row->client_txns[i]->dest == NULL)
            return false;
    }
    return true;
}

static bool timers_can_fire(const Store__CallRow *row)
{
    for (unsigned t = 0; t < CALL_TIMERS && t < row->n_timers; t++) {
        if (row->timers[t] != 0 && fsm_cannot(&call_machine, (uint8_t)row->state, (uint8_t)(CALL_EV_TMR_SETUP + t)))
            return false;
    }
    return true;
}

/* Who wanted it stands first among those who have asked anything of it. */
static bool dial_is_ours(const Store__CallRow *row)
{
    if (row->n_controls > CONTROLS_MAX)
        return false;
    if (row->ring_first > row->n_out_legs ||
        (row->transfer != NULL && (row->transfer->step > DIAL_SENT_OFF || row->transfer->old > row->n_out_legs)))
        return false;
    if (row->dial == NULL)
        return true;
    return row->n_controls > 0 && row->controls[0]->op == PLANE__CONTROL__OP__DIAL && row->dial->step <= DIAL_JOINED &&
           (row->dial->answered || row->state == CALL_ST_SETUP || row->state == CALL_ST_RINGING ||
            row->state == CALL_ST_ENDED);
}

/* The INVITE that waits for its answer, or whose answer waits for its ACK. */
static bool invite_is_there(const Store__CallRow *row)
{
    const struct call c = {.row = (Store__CallRow *)(uintptr_t)row}; /* only read */
    if (row->dial != NULL)                                           /* nobody called us */
        return row->state != CALL_ST_ANSWERED && row->state != CALL_ST_CLOSING;
    if (row->state == CALL_ST_SETUP || row->state == CALL_ST_RINGING || row->state == CALL_ST_ANSWERING)
        return leg_txn_pending(&c) != NULL;
    if (row->state == CALL_ST_ANSWERED || row->state == CALL_ST_CLOSING)
        return leg_txn_unacked(&c) != NULL;
    return true;
}

/* What the actions of a leg take for granted in the state it is in. */
static bool leg_is_ours(const Store__OutLeg *leg, size_t place)
{
    bool parts = leg->target != NULL && leg->dialog != NULL && leg->dialog->peer != NULL && leg->invite != NULL;
    if (!parts || leg->id != place + 1 || leg->state >= OUT_LEG_STATES || !session_is_ours(leg->dialog))
        return false;
    bool answered = out_leg_has_dialog(leg);
    bool hung_up = leg->state == OUT_LEG_ENDING || leg->state == OUT_LEG_OVER;
    bool open = out_leg_rings(leg) || leg->state == OUT_LEG_CANCELLING;
    return (open ? !answered : answered || leg->state == OUT_LEG_OVER) && (leg->bye == NULL || hung_up) &&
           request_leads_somewhere(leg->invite) && request_leads_somewhere(leg->ack) &&
           request_leads_somewhere(leg->bye);
}

static bool legs_are_ours(const Store__CallRow *row)
{
    if (row->n_out_legs + row->n_targets > OUT_LEGS_MAX || row->n_locating > RING_MAX ||
        (row->n_out_legs > 0 && row->state == CALL_ST_SETUP))
        return false;
    for (size_t i = 0; i < row->n_out_legs; i++) {
        if (!leg_is_ours(row->out_legs[i], i))
            return false;
    }
    return row->winner <= row->n_out_legs;
}

/* Who is about to take a place waits for the answer to what is passed on for him, and nobody else does. */
static bool replacing_is_ours(const Store__CallRow *row)
{
    const Store__Replacing *r = row->replacing;
    uint32_t waits = r != NULL && r->pending ? r->leg : 0;
    for (size_t i = 0; i < row->n_out_legs; i++) {
        if ((row->out_legs[i]->state == OUT_LEG_JOINING) != (i + 1 == waits))
            return false;
    }
    bool asked = row->n_relays > 0 && row->relays[0]->state == RELAY_ASKED && row->relays[0]->from == waits;
    return waits == 0 || (waits <= row->n_out_legs && row->winner > 0 && row->winner != waits && asked &&
                          row->state == CALL_ST_ESTABLISHED);
}

static bool is_between_two(const Store__CallRow *row, const Store__Relay *r)
{
    return r->from != r->to && r->from <= row->n_out_legs && r->to <= row->n_out_legs;
}

/* Between the caller and somebody he talks to, or talked to before a transfer. */
static bool is_between(const Store__CallRow *row, const Store__Relay *r)
{
    return (r->from == 0 || r->to == 0) && is_between_two(row, r);
}

/* Only the first may be under way. One that is done was between the caller of then and somebody: when another has
 * taken the caller's place since (side_swap), both are legs. */
static bool relay_is_ours(const Store__CallRow *row, size_t at)
{
    const Store__Relay *r = row->relays[at];
    bool between = r->state == RELAY_DONE ? is_between_two(row, r) : is_between(row, r);
    return between && r->state <= RELAY_DONE && (at == 0 || r->state == RELAY_DONE) && r->request != NULL &&
           request_leads_somewhere(r->request) && request_leads_somewhere(r->ack);
}

static bool relays_are_ours(const Store__CallRow *row)
{
    bool before = row->state == CALL_ST_SETUP || row->state == CALL_ST_RINGING || row->state == CALL_ST_ANSWERING;
    if (row->n_relays > RELAYS_MAX || (before && row->n_relays > 0))
        return false;
    for (size_t i = 0; i < row->n_relays; i++) {
        if (!relay_is_ours(row, i))
            return false;
    }
    return true;
}

/* The same, while they talk. */
static bool passes_are_ours(const Store__CallRow *row)
{
    bool talks = row->state == CALL_ST_ANSWERED || row->state == CALL_ST_ESTABLISHED;
    for (size_t i = 0; i < row->n_passes; i++) {
        const Store__Relay *p = row->passes[i];
        if (!talks || !is_between(row, p) || p->request == NULL || p->request->dest == NULL || p->asked == NULL ||
            p->asked->source == NULL)
            return false;
    }
    return row->n_passes <= 2 * (size_t)PASS_OPEN_MAX;
}

/* What the actions take for granted of an early dialog: rel100.h. */
static bool early_is_ours(const Store__CallRow *row, const Store__Early *e)
{
    bool over = row->state == CALL_ST_ENDING || row->state == CALL_ST_ENDED;
    bool before = row->state == CALL_ST_RINGING || row->state == CALL_ST_ANSWERING;
    if (e->leg > row->n_out_legs || (e->dialog != NULL && (e->leg == 0 || e->dialog->peer == NULL)) ||
        (over && e->n_asks > 0))
        return false;
    for (size_t i = 0; i < e->n_asks; i++) {
        if (e->asks[i]->request == NULL || e->asks[i]->request->dest == NULL)
            return false;
    }
    for (size_t i = 0; i < e->n_unacked; i++) {
        if (!before && (e->unacked[i]->rseq == 0 || e->unacked[i]->next_wall_ms != 0))
            return false;
    }
    return true;
}

/* An answer of ours that is held waits in a dialog of its own. */
static bool earlies_are_ours(const Store__CallRow *row)
{
    const struct call c = {.row = (Store__CallRow *)(uintptr_t)row}; /* only read */
    if (row->n_earlies > REL100_DIALOGS_MAX || (row->n_earlies > 0 && row->state == CALL_ST_SETUP))
        return false;
    for (size_t i = 0; i < row->n_earlies; i++) {
        if (!early_is_ours(row, row->earlies[i]))
            return false;
    }
    return row->state != CALL_ST_ANSWERING || row->winner > 0 ||
           (row->n_out_legs == 0 && rel100_of_tag(&c, span_cstr(row->a->local_tag)) != NULL);
}

/* What its steps take for granted: somebody to be told, and a NOTIFY where one is out. */
static bool refer_is_ours(const struct call *c, const Store__Refer *r)
{
    bool tells = r->sub == REFER_SUB_TELLS || r->sub == REFER_SUB_LAST;
    const Store__Dialog *d = r->party <= c->row->n_out_legs ? refer_dialog(c, r) : NULL;
    return r->sub < REFER_SUBS && d != NULL && d->peer != NULL && (r->notify != NULL) == tells &&
           request_leads_somewhere(r->notify) && (r->done || c->row->state == CALL_ST_ESTABLISHED);
}

static bool refers_are_ours(const Store__CallRow *row)
{
    const struct call c = {.row = (Store__CallRow *)(uintptr_t)row}; /* only read */
    bool talked = row->state == CALL_ST_ESTABLISHED || row->state == CALL_ST_ENDING || row->state == CALL_ST_ENDED;
    for (size_t i = 0; i < row->n_refers; i++) {
        if (!talked || !refer_is_ours(&c, row->refers[i]))
            return false;
    }
    return row->n_refers <= REFERS_MAX;
}

bool call_row_is_ours(const Store__CallRow *row)
{
    return row->state != CALL_ST_NEW && row->state < CALL_STATES && peers_are_there(row) && timers_can_fire(row) &&
           invite_is_there(row) && dial_is_ours(row) && legs_are_ours(row) && relays_are_ours(row) &&
           replacing_is_ours(row) && passes_are_ours(row) && earlies_are_ours(row) && refers_are_ours(row);
}
