/*
 * replace: an INVITE with Replaces, whose sender takes the place of a party of a call of ours. Layer: call-actor, pure,
 * private to the call machine. RFC 3891; docs/replaces.md.
 *
 * He gets a leg of his own. The one who stays is offered what the new one says of his session, by a re-INVITE, and what
 * he answers goes into the 200; only then is he the other party of the call and whose place he took gets BYE. Of a call
 * that we answered nobody need be asked: the media port is there. When it comes to nothing the call is as it was.
 */
#ifndef CALL_ACTOR_REPLACE_H
#define CALL_ACTOR_REPLACE_H

#include "call-actor/call_fx.h"
#include "call-actor/call_step.h"
#include "common/sip/sip_replaces.h"

/**
 * What the INVITE in st->in, which has Replaces, is to this call: CALL_EV_REPLACE, CALL_EV_REPLACE_US, or
 * CALL_EV_REFUSED with st->no: 481 no dialog like that, or one that rings and that we did not begin (§3); 603 it is
 * over; 403 it is not his to replace; 486 it is confirmed and early-only was asked for; 488 it rings; 491 its session
 * is being changed; else what any INVITE is refused with.
 */
enum call_event replace_classify(const struct call *c, struct call_step *st);
/** The same question before it is put to the call: one that is refused leaves nothing there. */
bool replace_may(const struct call *c, const struct call_input *in, struct refusal *no);

/**
 * Where an INVITE with this Replaces has to go when the dialog is one of ours, of whichever shard: to ourselves.
 * value    of Replaces
 * returns  owned by who asked; NULL: it is another's dialog, or no Replaces
 */
Store__Target *replace_target(const struct call_conf *conf, struct span value);

/** Append the line of an INVITE to ourselves that says who in this call has asked for it by the REFER st->in: what he
 * is known by there counts for what he may replace. It is believed of our own alone. */
void replace_put_asker(struct buf *out, const struct call *c, const struct call_step *st);

/** Somebody is taking a place, and who stays has not answered yet. */
bool replace_is_under_way(const struct call *c);
/** … and whose place it is has hung up: when it comes to nothing nobody is left. */
bool replace_is_last_hope(const struct call *c);
/** Is this CANCEL his? */
bool replace_is_cancelled_by(const struct call *c, const struct sip_msg *cancel);
/** After each response to what is passed on: has who stays answered? */
void replace_take(struct call *c, struct call_effects *fx, struct now now);
/** The call ends. His INVITE has its answer (relay_end). */
void replace_end(struct call *c, struct call_effects *fx, struct now now);

#endif
