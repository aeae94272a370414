/*
 * call_events: call.started, call.answered, call.ended, each once and in this order. Layer: call-actor, pure.
 * The flags in the row rise in the same step as the events go into the outbox, so no restart can double or lose one.
 */
#ifndef CALL_ACTOR_CALL_EVENTS_H
#define CALL_ACTOR_CALL_EVENTS_H

#include "call-actor/call_fx.h"

/** plan: of the set-up, borrowed. */
void events_started(struct call *c, struct call_effects *fx, const Plane__Plan *plan, struct now now);
/** Nothing when it was said before. */
void events_answered(struct call *c, struct call_effects *fx, struct now now);
/** Nothing when call.started was not, or call.ended was said before. row->end_* say why. */
void events_ended(struct call *c, struct call_effects *fx, struct now now);

#endif
