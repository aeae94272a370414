/*
 * call_history: the last steps of a call, for people. Layer: call-actor, pure, private to the call machine.
 */
#ifndef CALL_ACTOR_CALL_HISTORY_H
#define CALL_ACTOR_CALL_HISTORY_H

#include "call-actor/call_step.h"

#define CALL_HISTORY_STEPS 16

/** Kept in row->steps as 8 bytes: event, from, to, 0, milliseconds since the call began (little-endian). */
void history_add(struct call *c, const struct fsm_step *step, struct now now);

#endif
