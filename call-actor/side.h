/*
 * side: the dialogs of a call: the caller's, and one for each leg we placed. Layer: call-actor, pure, private to the
 * call machine. Requests are told apart by our own tag (RFC 3261 §12.2.2).
 */
#ifndef CALL_ACTOR_SIDE_H
#define CALL_ACTOR_SIDE_H

#include "call-actor/call.h"

#define SIDE_CALLER 0u

struct side {
    uint32_t id;         /* OutLeg.id, or SIDE_CALLER */
    Store__Dialog *d;    /* NULL: there is none */
    Store__OutLeg *leg;  /* NULL: the caller */
    Store__Early *early; /* the early dialog that the request is in, when it is one that is kept (rel100.h) */
};

/** The one with this id; d is NULL when there is none. */
struct side side_of(const struct call *c, uint32_t id);
/** The one whose dialog the request is in; d is NULL when it is in none. While it rings, each leg has a dialog with the
 * caller, under a tag of its own. */
struct side side_of_request(const struct call *c, const struct sip_msg *m);
/** CSeq number of the last request that came in it. */
uint32_t *side_remote_cseq(const struct side *s);
/** A request in it was taken (dialog_note_request). What the caller counts in one early dialog says nothing of another.
 */
void side_note_request(const struct side *s, const struct sip_msg *request, const Plane__Endpoint *source);
/** The other one of an answered call. */
struct side side_other(const struct call *c, uint32_t id);
/**
 * The caller's place and that of a leg that is up change occupants: who was rung is the A leg from now on, and what we
 * placed for him has the dialog of the A leg. With them go all ids of the two in the row.
 */
void side_swap(struct call *c, struct call_effects *fx, uint32_t leg);
/** Who is there, whichever place he has: 0 the caller, else the id of the leg that was placed for him. */
uint32_t side_party(const struct call *c, uint32_t id);
/** The leg that was placed for who is there; NULL: he called us. */
Store__OutLeg *side_placed_for(const struct call *c, uint32_t id);
/** The user of ours who is there; empty: none that we know. */
const char *side_user(const struct call *c, uint32_t id);
/** The place of whom this leg was placed for: its id, or where he has moved since. */
struct side side_of_party(const struct call *c, uint32_t party);
/** The call is bridged: the other party is somebody who was rung, or who is. */
static inline bool side_is_bridged(const struct call *c)
{
    return c->row->winner > 0 || (c->row->n_out_legs > 0 && call_state(c) == CALL_ST_RINGING);
}

#endif
