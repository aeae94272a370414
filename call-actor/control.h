/*
 * control: what the platform and operators have asked of a call, and what they were told. Layer: call-actor, pure,
 * private to the call machine. docs/control.md.
 *
 * A question has a key, which stands in the row with its answer: who asks again with it, after a kill of whichever
 * process, is told the same, and nothing is done twice.
 */
#ifndef CALL_ACTOR_CONTROL_H
#define CALL_ACTOR_CONTROL_H

#include "call-actor/call_fx.h"

#define CONTROL_ASKERS_MAX 8u /* wait for one answer; one more takes the place of who has waited longest */
#define CONTROLS_MAX 8u       /* kept of a call: the first, which may have placed it, and the newest */

/** The question of this kind with this key of this asker, or NULL: what somebody else asks is another question,
 * whatever key he has chosen. */
Store__Control *control_find(const struct call *c, Plane__Control__Op op, const char *asked_by, const char *key);
/** A new one is noted. Older ones make room, but not one that waits for its answer. NULL: there is no room. */
Store__Control *control_open(struct call *c, const struct call_input *in);
/** CALL_IN_CONTROL with a key that is known: answered again, or it waits with the others. false: it is none. */
bool control_repeat(struct call *c, const struct call_input *in, struct call_effects *fx);
/** What has become of the question of this kind that waits, if there is one. detail: for people. */
void control_settle(struct call *c, struct call_effects *fx, Plane__Control__Op op, Plane__Controlled__Result result,
                    const char *detail);
/** The outcome of the one with this key, which was begun with OK. reason: one word, as the events have it; sip_code: 0:
 * none. Nothing when nobody has asked, or it is known already. */
struct control_outcome {
    Plane__Control__Op op;
    const char *asked_by;
    const char *key;
    bool good;
    const char *reason;
    uint32_t sip_code;
};
void control_outcome(struct call *c, struct call_effects *fx, const struct control_outcome *o);
/** The session is over: who still waits is told so. */
void control_end(struct call *c, struct call_effects *fx);

#endif
