/*
 * call_act_bridge: from a plan to bridge to ringing. Layer: call-actor, pure, private to the call machine.
 */
#ifndef CALL_ACTOR_CALL_ACT_BRIDGE_H
#define CALL_ACTOR_CALL_ACT_BRIDGE_H

#include "call-actor/call_fx.h"
#include "call-actor/call_step.h"

/** What set-up has found out. (call_act_setup.c) */
void setup_note(struct call *c, const Plane__JobDone *done);
/** Why the call ends before it was answered: the caller is refused with why->status. (call_act_end.c) */
struct call_end;
void end_setup(struct call *c, struct call_effects *fx, const struct call_end *why, struct now now);
/** Ask where `who` is: user, extension or name. The answer is CALL_IN_TARGETS. */
void bridge_locate(struct call *c, struct call_effects *fx, struct span who);
/** Place in row->locating of one who is being looked up, or -1. */
int bridge_locates(const struct call *c, struct span who);

#endif
