/*
 * relay: an offer of one leg, passed on to the other inside the established dialogs, and its response passed back.
 * Layer: call-actor, pure, private to the call machine. RFC 3261 §14 (re-INVITE), RFC 3311 (UPDATE), RFC 3264 (the
 * offer and the answer are theirs).
 *
 * The server transaction on one leg and the client transaction on the other are ours; bodies pass through. One at a
 * time in either direction: relay_glare. A re-INVITE goes on as such, an UPDATE too when the other side takes one, else
 * as a re-INVITE. The 2xx to an INVITE is repeated to who asked until his ACK; it is acknowledged to who answered at
 * once, or with the ACK that brings his answer.
 */
#ifndef CALL_ACTOR_RELAY_H
#define CALL_ACTOR_RELAY_H

#include "call-actor/call_fx.h"
#include "call-actor/call_step.h"

#define RELAYS_MAX 4u /* kept: who answered may say his 2xx again behind the next offer, when our ACK was lost */

enum relay_state {
    RELAY_ASKED = 0,    /* no final response yet */
    RELAY_ANSWERED = 1, /* 2xx passed back; the ACK of who asked is awaited */
    RELAY_DONE = 2,     /* kept for repeats of the 2xx */
};

/**
 * May this side make an offer now?
 * returns  0; 500: its last one has no answer yet (§14.2, RFC 3311 §5.2); 491: the other side's has none, or an ACK is
 *          awaited (RFC 5407 §3.1.5)
 */
unsigned relay_glare(const struct call *c, uint32_t from);
/** An UPDATE of this side has no final response yet: no other may come (RFC 3311 §5.2). */
bool relay_is_updating(const struct call *c, uint32_t from);
/** The 2xx that was passed back has the offer; its answer comes with the ACK. */
bool relay_waits_for_answer(const struct call *c);
/** Its re-INVITE, when that has no final response yet and nobody has cancelled it, and to whom; or NULL. */
Store__ClientTxn *relay_invite_out(const struct call *c, uint32_t *to);
/** An UPDATE that was passed on to this side has no final response yet. */
bool relay_updates(const struct call *c, uint32_t to);
/** The relay whose request has this branch, or NULL. */
Store__Relay *relay_of_response(const struct call *c, struct span branch);
/** The last offer that was passed on has no final response yet; it has one, and was accepted: the ACK is awaited. */
bool relay_is_asked(const struct call *c);
bool relay_has_answered(const struct call *c);
/** st->in, whose server transaction is open, goes to the other side. */
void relay_pass_on(struct call *c, struct call_effects *fx, const struct call_step *st);
/** st->in is a re-INVITE, or an UPDATE with an offer, that can be passed on. */
void relay_ask(struct call *c, struct call_effects *fx, const struct call_step *st);
/** A response to it, or none. */
void relay_take_response(struct call *c, struct call_effects *fx, const struct call_step *st, struct now now);
/** What who asked is told of a final response that is no 2xx, or of none: 401, 407 and 3xx are not about him. */
unsigned relay_status_for_asker(const struct call_input *in);
/** The ACK of who asked has come. */
void relay_ack(struct call *c, struct call_effects *fx, struct span sdp);
/** The CANCEL of who asked: it is passed on. reason: value of Reason, may be empty. */
void relay_cancel(struct call *c, struct call_effects *fx, struct span reason);
/** The session ends: who asked gets his final response, who answered his ACK. */
void relay_end(struct call *c, struct call_effects *fx);
/** The same after that: a response to what was under way. */
void relay_take_late(struct call *c, struct call_effects *fx, const struct call_input *in);
/** Its request has no final response yet. */
bool relay_is_out(const struct call *c);
void relay_ask_again(const struct call *c, struct call_effects *fx);

#endif
