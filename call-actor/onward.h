/*
 * onward: a session description of one side, as it goes on to the other. Layer: call-actor, pure, private to the call
 * machine. RFC 3264 §8, RFC 3725 §4.
 *
 * Between two parties who were joined from the beginning it passes byte for byte. To one whose session goes on with
 * somebody else it must stay one session: the o= line that he has seen of us stays, and only its version grows,
 * whenever anything else changes.
 */
#ifndef CALL_ACTOR_ONWARD_H
#define CALL_ACTOR_ONWARD_H

#include "call-actor/call.h"

/** The session of d goes on with somebody else. told: what d was told last; the o= line of it stays. Nothing when it
 * stays already. */
void onward_hold(Store__Dialog *d, struct span told);
/** Append `sdp` as d is told it. */
void onward_put(struct buf *out, Store__Dialog *d, struct span sdp);
/** The same session descriptions but for the o= line? Some count its version up each time they are asked. */
bool onward_is_same(struct span a, struct span b);
/** Append the offer for somebody new: `sdp` without the directions in it, which were between other two (RFC 3264 §5.1:
 * sendrecv). */
void onward_put_fresh(struct buf *out, struct span sdp);
/** Does `now` say anything that such an offer did not? sendrecv is what nobody needs to say. */
bool onward_has_moved(struct span fresh, struct span now);

#endif
