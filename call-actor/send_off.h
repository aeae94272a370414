/*
 * send_off: who stays in a transfer has refused the target's media, but takes REFER: he is asked to call the target
 * himself. Layer: call-actor, pure, private to the call machine. RFC 3515 §2.4 (we are the one that refers), RFC 5589
 * §6.1.
 *
 * Until the last NOTIFY has come he goes on talking to whom he talks to. A 2xx in it is the transfer's success, and the
 * call with us ends; anything else its failure, and nothing has changed.
 */
#ifndef CALL_ACTOR_SEND_OFF_H
#define CALL_ACTOR_SEND_OFF_H

#include "call-actor/call_fx.h"
#include "call-actor/call_step.h"

/** May who stays be asked, now that he has given this answer to our re-INVITE? */
bool send_off_can(const struct call *c, unsigned status);
/** REFER leaves. status: of his refusal, kept for who asks why */
void send_off_ask(struct call *c, struct call_effects *fx, unsigned status, struct now now);
/** Our REFER has this branch. */
bool send_off_is(const struct call *c, struct span branch);
/** What its response (st->in), or none, is: CALL_EV_NONE while nothing is lost. */
enum call_event send_off_answered(const struct call *c, const struct call_step *st);
/** What a NOTIFY in the dialog of who stays is; CALL_EV_REFUSED: st->no says with what it is refused. */
enum call_event send_off_notified(const struct call *c, struct call_step *st);
/** Status that it tells of (0: none that can be read). */
unsigned send_off_status(const struct call_step *st);
void send_off_ask_again(const struct call *c, struct call_effects *fx);

#endif
