/*
 * transfer: the caller of a call that we answered is joined to somebody else, because the platform or an operator asks
 * for it. Layer: call-actor, pure, private to the call machine. docs/control.md.
 *
 * He goes on talking to the platform until his re-INVITE is answered; when the target does not come, or he does not
 * take it, nothing has changed for him. The joining itself is that of dial.h.
 */
#ifndef CALL_ACTOR_TRANSFER_H
#define CALL_ACTOR_TRANSFER_H

#include "call-actor/call_fx.h"

/** Why this call cannot be transferred now, for people; NULL: it can. Static text. */
const char *transfer_check(const struct call *c);
/** They are joined. */
void transfer_done(struct call *c, struct call_effects *fx, struct now now);
/** The caller took it, but the target has hung up since: he comes back to the media port. */
void transfer_undo(struct call *c, struct call_effects *fx, struct now now);
/** The call ends: a transfer that is under way has failed. */
void transfer_end(struct call *c, struct call_effects *fx, struct now now);

#endif
