#include "call-actor/call_check.h"

#include "call-actor/call_step.h"
#include "call-actor/leg.h"

static bool peers_are_there(const Store__CallRow *row)
{
    if (row->a == NULL || row->a->peer == NULL)
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

/* The INVITE that waits for its answer, or whose answer waits for its ACK. */
static bool invite_is_there(const Store__CallRow *row)
{
    const struct call c = {.row = (Store__CallRow *)(uintptr_t)row}; /* only read */
    if (row->state == CALL_ST_SETUP)
        return leg_txn_pending(&c) != NULL;
    if (row->state == CALL_ST_ANSWERED || row->state == CALL_ST_CLOSING)
        return leg_txn_unacked(&c) != NULL;
    return true;
}

bool call_row_is_ours(const Store__CallRow *row)
{
    return row->state != CALL_ST_NEW && row->state < CALL_STATES && peers_are_there(row) && timers_can_fire(row) &&
           invite_is_there(row);
}
