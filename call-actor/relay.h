/*
 * relay: a request of one leg, passed on to the other inside the established dialogs, and its response passed back.
 * Layer: call-actor, pure, private to the call machine. RFC 3261 §14 (re-INVITE), RFC 3264 (the offer and the answer
 * are theirs).
 *
 * The server transaction on one leg and the client transaction on the other are ours; bodies pass through. One INVITE
 * at a time: whoever comes second gets 491 (§14.2). The 2xx is repeated to who asked until his ACK; it is acknowledged
 * to who answered at once, or with the ACK that brings his answer.
 */
#ifndef CALL_ACTOR_RELAY_H
#define CALL_ACTOR_RELAY_H

#include "call-actor/call_fx.h"
#include "call-actor/call_step.h"

enum relay_state {
    RELAY_ASKED = 0,    /* no final response yet */
    RELAY_ANSWERED = 1, /* 2xx passed back; the ACK of who asked is awaited */
    RELAY_DONE = 2,     /* kept for repeats of the 2xx */
};

/** A re-INVITE is under way, in either direction. */
bool relay_is_busy(const struct call *c);
/** The 2xx that was passed back has the offer; its answer comes with the ACK. */
bool relay_waits_for_answer(const struct call *c);
/** The relay whose request has this branch, or NULL. */
Store__Relay *relay_of_response(const struct call *c, struct span branch);
/** st->in is a re-INVITE that can be passed on. */
void relay_ask(struct call *c, struct call_effects *fx, const struct call_step *st);
/** A response to it, or none. */
void relay_take_response(struct call *c, struct call_effects *fx, const struct call_step *st, struct now now);
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
