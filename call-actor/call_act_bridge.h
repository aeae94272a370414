/*
 * call_act_bridge: from a plan to bridge to a callee's answer. Layer: call-actor, pure, private to the call machine.
 */
#ifndef CALL_ACTOR_CALL_ACT_BRIDGE_H
#define CALL_ACTOR_CALL_ACT_BRIDGE_H

#include "call-actor/call_end.h"
#include "call-actor/call_step.h"
#include "call-actor/out_leg.h"

#define BRIDGE_ELSEWHERE "SIP;cause=200;text=\"Call completed elsewhere\"" /* RFC 3326 §2 */

/** On whose behalf the call asks for ways out. */
struct route_caller bridge_caller(const struct call *c);
/** Ask where `who` is: user, extension or name. The answer is CALL_IN_TARGETS. */
void bridge_locate(struct call *c, struct call_effects *fx, struct span who);
/** The set-up waits for that. */
void bridge_begin(struct call *c, struct call_effects *fx, struct span who);
/** Place in row->locating of one who is being looked up, or -1. */
int bridge_locates(const struct call *c, struct span who);
/** Ends every leg we placed: who rings is cancelled, who talks gets BYE. reason: value of Reason, may be empty. */
void bridge_hang_up(struct call *c, struct call_effects *fx, struct span reason, struct now now);
/** Why a call ends whose callees have given it this status: "busy", "no_answer", "failure". Static text. */
const char *bridge_reason(unsigned status);
/** What the step of a leg, raised by `ev`, is to the call; CALL_EV_NONE: nothing. */
enum call_event bridge_event(const struct call *c, const Store__OutLeg *leg, enum out_leg_event ev,
                             const struct fsm_step *step);
/** The 200 to the caller, which waited for a PRACK: his dialog with the winner, or with us. (call_act_setup.c) */
void answer_held(struct call *c, struct call_effects *fx, struct now now);
/** The same of a call that is bridged. */
void bridge_answer_held(struct call *c, struct call_effects *fx, struct now now);

/** The other side's media address, when its session description in st (may be none) brought another one: its NAT has
 * to be opened again. (call_act_dialog.c) */
void call_note_rtp(struct call *c, struct call_effects *fx, const struct call_step *st);
/** The look-up this answers is no longer open. */
void bridge_located(struct call *c, const struct call_input *in);

#define SETUP_MAX_FORWARDS 70 /* of who says none (RFC 3261 §8.1.1.6) */
/** Trace id and session id of a new call, which is kept from now on. (call_act_setup.c) */
void setup_name(struct call *c, const char *direction);
/** The dialplan is asked. (call_act_setup.c) */
void setup_begin(struct call *c, struct call_effects *fx, struct now now);
/** What set-up has found out. (call_act_setup.c) */
void setup_note(struct call *c, const Plane__JobDone *done);
/** The caller is refused before anybody answered: why->status. Whoever rings is cancelled. (call_act_end.c) */
void end_setup(struct call *c, struct call_effects *fx, const struct call_end *why, struct now now);

#endif
