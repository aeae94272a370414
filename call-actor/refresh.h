/*
 * refresh: our own requests that keep a call alive: the refreshes of session timers (RFC 4028 §10), and OPTIONS to a
 * side that has none. Layer: call-actor, pure, private to the call machine. Terms and deadlines: session_timer.h.
 *
 * A refresh is an UPDATE without body where the other side knows UPDATE, else a re-INVITE with the session description
 * as it stands: ours, or in a bridged call what the other side said last. Such an INVITE is an exchange under way like
 * any other: a second one gets 491 (RFC 3261 §14).
 */
#ifndef CALL_ACTOR_REFRESH_H
#define CALL_ACTOR_REFRESH_H

#include "call-actor/call_fx.h"
#include "call-actor/call_step.h"

/* What the answer to such a request (or none) is. */
enum refresh_news {
    REFRESH_NOTHING = 0, /* provisional, or of no use any more */
    REFRESH_DONE = 1,    /* to be taken: agreed, refused, or a 2xx once more */
    REFRESH_LOST = 2,    /* nobody is there, or nobody who knows of the call: it ends (§10) */
};

/** A re-INVITE of ours has no final answer yet, on either side. */
bool refresh_is_exchange(const struct call *c);
/** That one, and to whom; or NULL. */
Store__ClientTxn *refresh_invite_out(const struct call *c, uint32_t *to);
/** An UPDATE of ours in this dialog has no final answer yet. */
bool refresh_is_updating(const Store__Dialog *d);
/** The side to whom we sent the request with this branch; d is NULL when it is none of these. */
struct side refresh_side_of(const struct call *c, struct span branch);
/** His dialog is one of those that make the session. Who has left it, or was left, may know nothing of it any more. */
bool refresh_concerns(const struct call *c, const struct side *side);
/** The re-INVITE of ours that st->in refuses will leave again at once: with credentials, or for longer (422). */
bool refresh_can_ask_otherwise(const struct call *c, const struct call_step *st);
/** This response of his is glare (RFC 3261 §14.1), and comes again by itself. Who says it over and over just refuses.
 */
bool refresh_has_crossed(const struct side *side, unsigned status);
enum refresh_news refresh_classify(const struct side *side, const struct call_input *in);
/** REFRESH_DONE. */
void refresh_take(struct call *c, struct call_effects *fx, const struct call_step *st, struct now now);
/** Any answer, when the session is over: a 2xx to a re-INVITE gets its ACK. */
void refresh_take_late(struct call *c, struct call_effects *fx, const struct call_step *st);
/** The side whose session is over at this time; d is NULL: none. */
struct side refresh_expired(const struct call *c, uint64_t at_wall_ms);
/** A re-INVITE brings this side what refresh_sdp_for says, as soon as nothing else is under way. Glare repeats it. */
void refresh_offer(struct call *c, struct call_effects *fx, const struct side *to, struct now now);
/** The request to this side that is out brings it that. */
bool refresh_is_news(const struct call *c, const struct side *side);
/** Whatever is due leaves. */
void refresh_send_due(struct call *c, struct call_effects *fx, struct now now);
/** At the end of every step: CALL_TMR_SESSION stands on the earliest deadline of both sides, in ESTABLISHED; terms that
 * were agreed in this step begin now. */
void refresh_arm(struct call *c, struct call_effects *fx, struct now now);
void refresh_ask_again(const struct call *c, struct call_effects *fx);
/** May this re-INVITE of a side with a session timer be answered with what the other side of the bridged call said
 * last? There is nothing new in it. */
bool refresh_is_plain(const struct call *c, const struct side *side, struct span sdp);
/** The session description to say to this side: ours, or in a bridged call the other side's. */
struct span refresh_sdp_for(const struct call *c, const struct side *side);

#endif
