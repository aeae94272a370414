/*
 * call_events: call.started, call.answered, call.ended, each once and in this order, and call.dtmf.received between
 * them. Layer: call-actor, pure.
 * The flags in the row rise in the same step as the events go into the outbox, so no restart can double or lose one.
 */
#ifndef CALL_ACTOR_CALL_EVENTS_H
#define CALL_ACTOR_CALL_EVENTS_H

#include "call-actor/call_fx.h"
#include "common/sip/sip_dtmf.h"
#include "proto/event.h"

/** plan: of the set-up, borrowed. */
void events_started(struct call *c, struct call_effects *fx, const Plane__Plan *plan, struct now now);
/** Nothing when it was said before. */
void events_answered(struct call *c, struct call_effects *fx, struct now now);
/** Nothing when call.started was not, or call.ended was said before. row->end_* say why. */
void events_ended(struct call *c, struct call_effects *fx, struct now now);
/**
 * A key was pressed on that side: call.dtmf.received, with a message id of its own.
 * returns false, and nothing was said: EVENTS_DTMF_PER_S were told in this second
 */
#define EVENTS_DTMF_PER_S 20u /* no hand and hardly a machine is faster (ITU-T Q.24: 40 ms a tone at least) */
bool events_dtmf(struct call *c, struct call_effects *fx, const struct sip_dtmf *key, uint32_t side, struct now now);

/** call.transfer.started, .completed or .failed, of row->transfer. */
void events_transfer(struct call *c, struct call_effects *fx, enum event_kind kind, struct now now);

#endif
