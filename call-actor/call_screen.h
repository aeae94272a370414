/*
 * call_screen: what a UAS looks at before it takes a request. Layer: call-actor, pure. RFC 3261 §8.2.2-§8.2.3, §12.1.1,
 * §21.4.
 */
#ifndef CALL_ACTOR_CALL_SCREEN_H
#define CALL_ACTOR_CALL_SCREEN_H

#include "call-actor/call_step.h"

/* Whose offer is it to answer? */
enum screen_for {
    SCREEN_US = 0,       /* ours: with one we cannot take the request is refused */
    SCREEN_ANYBODY = 1,  /* not known yet: it must be one that can be read */
    SCREEN_SOMEBODY = 2, /* somebody else's: it is passed on whatever it says */
};
/** Extensions, body and session description of an INVITE, first or in the dialog. Fills st->no or st->sdp and st->rtp.
 */
bool screen_invite(const struct call *c, struct call_step *st, enum screen_for whose);
/**
 * Our answer to this offer, or our offer when there is none, into st->answer. The o= version is one more than the last
 * when, and only when, anything else has changed (RFC 3264 §8).
 */
bool screen_answer(const struct call *c, struct call_step *st, struct span offer, uint32_t rtp_port);
/** A session description of the peer's can be used by us. rtp: as offer_check wants it. */
bool screen_sdp(const struct call *c, struct span sdp, char *rtp);
/** The session description of an ACK that answers our offer. */
bool screen_ack(const struct call *c, struct call_step *st);
/** What only the initial INVITE must have: a scheme we know, a Contact, readable routes, a destination. */
bool screen_initial(struct call_step *st);
/** The body is understood (§8.2.3); st->sdp: its session description, empty when it has none. */
bool screen_body(struct call_step *st);
/** The key that an INFO brings, if it brings one, into st->dtmf. returns 0 or a negative sip_err: it brings one that
 * cannot be read */
int screen_dtmf(struct call_step *st);
/** An INFO for us: nothing but a key, and no package, for we know none (RFC 6086 §4.2.2). dtmf: of screen_dtmf. */
bool screen_info(struct call_step *st, int dtmf);
/** Extensions asked for (any request but ACK and CANCEL, §8.2.2.3). */
bool screen_require(struct call_step *st);
/** The session timer of an INVITE or UPDATE is not too short (RFC 4028 §9). */
bool screen_session(const struct call *c, struct call_step *st);
/**
 * Where an INVITE wants to go, and who sends it (NUMBER_MAX bytes each): the Request-URI's user, or that of To when it
 * has none, as a gateway may send; identity_number. Contract forms of number.h. returns 0, 484 (no destination) or 404
 * (one that cannot be anybody's)
 */
unsigned screen_parties(const struct call_input *in, char *caller, char *destination);

#endif
