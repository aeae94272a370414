/*
 * reinvite: the deadline of a re-INVITE of ours, one that passes on an offer (relay.h) or one that refreshes or joins
 * (refresh.h). Layer: call-actor, pure, private to the call machine. RFC 3261 §9.1, §14.
 *
 * An INVITE that has had a provisional has no timer in its transaction, and while it is out every other offer gets 491.
 * So it is cancelled when there is no final response after NO_ANSWER_S; what comes then is taken like any response.
 * There is one at most: relay_glare, refresh_is_exchange.
 */
#ifndef CALL_ACTOR_REINVITE_H
#define CALL_ACTOR_REINVITE_H

#include "call-actor/call_fx.h"

/** At the end of every step: CALL_TMR_REINVITE stands on its deadline, which begins now when it has none; in
 * ESTABLISHED. */
void reinvite_arm(struct call *c, struct call_effects *fx, struct now now);
/** The deadline has passed: CANCEL. */
void reinvite_give_up(struct call *c, struct call_effects *fx);

#endif
