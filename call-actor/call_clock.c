/* The wall clock is set: what stands in a row as a time to come goes along. */
#include "call-actor/call.h"

static void move(uint64_t *wall_ms, int64_t by_ms)
{
    int64_t to = (int64_t)*wall_ms + by_ms;
    if (*wall_ms != 0)
        *wall_ms = to > 0 ? (uint64_t)to : 1;
}

static void move_request(Store__ClientTxn *txn, int64_t by_ms)
{
    if (txn != NULL)
        move(&txn->until_wall_ms, by_ms);
}

static void move_session(Store__Dialog *d, int64_t by_ms)
{
    if (d == NULL || d->session == NULL)
        return;
    move(&d->session->due_wall_ms, by_ms);
    move(&d->session->expires_wall_ms, by_ms);
    move_request(d->session->request, by_ms);
}

static void move_early(Store__Early *e, int64_t by_ms)
{
    move_session(e->dialog, by_ms);
    for (size_t i = 0; i < e->n_unacked; i++) {
        move(&e->unacked[i]->sent_wall_ms, by_ms);
        move(&e->unacked[i]->next_wall_ms, by_ms);
    }
}

void call_follow_clock(struct call *c, int64_t by_ms)
{
    Store__CallRow *row = c->row;
    for (size_t i = 0; i < row->n_timers; i++)
        move(&row->timers[i], by_ms);
    for (size_t i = 0; i < row->n_earlies; i++)
        move_early(row->earlies[i], by_ms);
    for (size_t i = 0; i < row->n_passes; i++)
        move(&row->passes[i]->asked_wall_ms, by_ms);
    for (size_t i = 0; i < row->n_relays; i++)
        move_request(row->relays[i]->request, by_ms);
    for (size_t i = 0; i < row->n_refers; i++) {
        move(&row->refers[i]->expires_wall_ms, by_ms);
        move(&row->refers[i]->bye_wall_ms, by_ms);
        move(&row->refers[i]->notify_wall_ms, by_ms);
    }
    move_session(row->a, by_ms);
    for (size_t i = 0; i < row->n_out_legs; i++) {
        move_session(row->out_legs[i]->dialog, by_ms);
        move_request(row->out_legs[i]->invite, by_ms);
    }
}
