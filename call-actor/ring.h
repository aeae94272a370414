/*
 * ring: whom a call rings next, and what becomes of it when nobody answers. Layer: call-actor, pure, private to the
 * call machine. RFC 3261 §16.6, §16.7 (what a proxy does, done by a B2BUA), RFC 5393 (Max-Breadth).
 *
 * Targets of the highest q ring together; when all of them have refused, the next do. A redirection is followed in the
 * place of whom it came from.
 */
#ifndef CALL_ACTOR_RING_H
#define CALL_ACTOR_RING_H

#include "call-actor/call_fx.h"

#define RING_MAX 16u          /* targets of one call, redirections included */
#define RING_DEPTH_MAX 3u     /* redirections one after the other */
#define RING_REDIRECTS_MAX 8u /* Contacts of one 3xx that are looked at */
#define RING_BREADTH 60u      /* Max-Breadth of a caller that says none (RFC 5393 §5.3.3) */

/** Adds targets (copied), as far as there is room; who is rung or waits already is not added again. While somebody
 * rings, they are whom he redirects to, and join him. */
void ring_add(struct call *c, Store__Target *const *targets, size_t cnt);
/** Would ring_add add any of them? */
bool ring_adds(const struct call *c, Store__Target *const *targets, size_t cnt);
/** Rings whoever is due, if anybody is. */
void ring_next(struct call *c, struct call_effects *fx);
/** A leg that rang has refused (status 300 and up). msg: its response, NULL: none. A 3xx is followed: see ring_next. */
void ring_note_refusal(struct call *c, struct call_effects *fx, const Store__OutLeg *leg, unsigned status,
                       const struct sip_msg *msg);
/** Nobody can answer any more: all have refused, or one has for all (6xx). */
bool ring_is_over(const struct call *c);
/** It will be, when the look-up that is left finds nobody. */
bool ring_hangs_on(const struct call *c);
/** Ends every leg that rings, but `but` (may be NULL). reason: value of Reason, may be empty. */
void ring_cancel(struct call *c, struct call_effects *fx, const Store__OutLeg *but, struct span reason, struct now now);
/** Drops who was not rung yet. */
void ring_forget(struct call *c);
/** What the caller is told when it is over. */
unsigned ring_final_status(const struct call *c);
/** May the caller's INVITE go on at all? 0, 483 (Max-Forwards), 440 (Max-Breadth) or 500 (Privacy). */
unsigned ring_check_limits(const struct call *c);

#endif
