/*
 * rel100: provisionals that must not be lost, and the early dialogs they are in. Layer: call-actor, pure, private to
 * the call machine. RFC 3262.
 *
 * Each side has its own: towards the caller we are the UAS (rel100_uas.c), who numbers, repeats and waits for PRACK;
 * towards a callee the UAC (rel100_uac.c), who says PRACK. When both do it, a callee gets his PRACK with the caller's,
 * so that what he is told is true; when only one does, we do it for the other. docs/provisionals.md.
 */
#ifndef CALL_ACTOR_REL100_H
#define CALL_ACTOR_REL100_H

#include "call-actor/call_fx.h"
#include "call-actor/call_step.h"

#define REL100_DIALOGS_MAX 16u      /* early dialogs of a call that are kept; a provisional of more is not taken */
#define REL100_UNACKED_MAX 4u       /* provisionals of one that wait for PRACK, the one that is out included */
#define REL100_ASKS_MAX 4u          /* requests of ours in one without final response */
#define REL100_OPEN_MAX 32u         /* of both in all of a call; what is not taken is said again */
#define REL100_HEAD_BYTES_MAX 8192u /* of a reliable provisional that is taken, without its body */

#define REL100_BYTES_MAX 262144u /* of a call's messages that wait or are out in its early dialogs */

/* What the caller's INVITE says of it. */
enum rel100_caller {
    REL100_NO = 0,        /* nothing: he gets none that is reliable (§3) */
    REL100_SUPPORTED = 1, /* he may */
    REL100_REQUIRED = 2,  /* he gets no other */
};

enum rel100_caller rel100_of_invite(const struct sip_msg *invite);
/** A message asks for it: it is to be acknowledged. */
bool rel100_is_required(const struct sip_msg *m);

/* --- early dialogs (rel100.c) --- */

/** The one whose tag towards the caller is `tag`, or NULL. */
Store__Early *rel100_of_tag(const struct call *c, struct span tag);
/** The one a request of a callee is in, before his 2xx, or NULL. */
Store__Early *rel100_of_callee(const struct call *c, const struct sip_msg *m);
/** The one with a request of ours that has this branch, and which; or NULL. */
Store__Early *rel100_of_branch(const struct call *c, struct span branch, size_t *at);
/** Has this leg such a dialog with this tag of the callee? Or NULL. */
Store__Early *rel100_of_leg(const struct call *c, const Store__OutLeg *leg, struct span remote_tag);
/** The same, made when there is none; msg: the callee's provisional. NULL: there is no room. */
Store__Early *rel100_open(struct call *c, Store__OutLeg *leg, const struct sip_msg *msg, const Plane__Endpoint *source);
/** Is there room for it, and can its dialog be kept? */
bool rel100_has_room(const struct call *c, const Store__OutLeg *leg, const struct sip_msg *msg);
/** May so many bytes more wait in the early dialogs of this call? */
bool rel100_fits(const struct call *c, size_t more);
/** Of a call that we answer ourselves. */
Store__Early *rel100_open_own(struct call *c);
/** A leg's INVITE has had its final response: nothing of its early dialogs is repeated; who waits for an answer of it
 * gets 487. */
void rel100_leg_over(struct call *c, struct call_effects *fx, const Store__OutLeg *leg);
/** Somebody has answered in the dialog `but` (NULL: in one that is not kept): the others are over. */
void rel100_others_over(struct call *c, struct call_effects *fx, const Store__Early *but);
/** The same for all of them: the INVITE has its final reply (§3), and what must match late PRACKs is all that stays. */
void rel100_end(struct call *c, struct call_effects *fx);
/** Static text. */
const char *rel100_method(const Store__EarlyAsk *ask);
/** The leg's dialog is confirmed by a 2xx: it goes on counting where the early one was. */
void rel100_confirm(struct call *c, Store__OutLeg *leg);
void rel100_ask_again(const struct call *c, struct call_effects *fx);

/* --- towards the caller (rel100_uas.c) --- */

/** Is a provisional sent reliably? came_so: a callee's that was. */
bool rel100_must_say(const struct call *c, bool came_so, bool has_sdp);
/**
 * Sends a provisional reliably, or keeps it until the one before it has its PRACK (§3). callee_rseq: the callee waits
 * for his PRACK until then; 0: he does not. false: too many wait, and nothing is kept.
 */
bool rel100_say(struct call *c, struct call_effects *fx, Store__Early *e, unsigned status, struct span sdp,
                uint32_t callee_rseq, struct now now);
/** The one this PRACK acknowledges (§3, §7.2), or NULL. */
Store__Provisional *rel100_match(const Store__Early *e, const struct call *c, const struct sip_msg *prack);
/** Somebody waits for its PRACK, and `e` has no other. */
bool rel100_is_last(const Store__Early *e, const Store__Provisional *p);
/** Must the 2xx of this dialog (NULL: it is none of these) wait? For a session description it must (§3); for what has
 * been sent it does, because callers expect their PRACKs answered first. */
bool rel100_holds_answer(const Store__Early *e);
/** The PRACK has come: it is repeated no more, and the next may go. */
void rel100_acked(struct call *c, struct call_effects *fx, Store__Early *e, Store__Provisional *p, struct now now);
/** The 2xx is held: what was not sent yet goes, unless it must (it has a session description). */
void rel100_trim(Store__Early *e);
/** CALL_TMR_PRACK: is one given up (64*T1)? */
bool rel100_is_overdue(const struct call *c);
void rel100_repeat(struct call *c, struct call_effects *fx, struct now now);
/** Sets CALL_TMR_PRACK to what is next. */
void rel100_arm(struct call *c, struct call_effects *fx);

/* --- towards callees (rel100_uac.c) --- */

/** May our INVITEs say that we take reliable provisionals? Not when nobody could answer the offer in one, nor in a call
 * that we place (dial.h): there is nobody whom its ringing is told. */
bool rel100_may_offer(const struct call *c);
/** RSeq of a provisional that is reliable (§4); 0: it is not. */
uint32_t rel100_rseq(const struct call *c, const struct sip_msg *msg);

enum rel100_is {
    REL100_NEXT = 0,  /* the first, the next, or none that is reliable */
    REL100_AGAIN = 1, /* the last one once more, and its PRACK got no answer */
    REL100_DROP = 2,  /* seen before, out of order (§4), or there is no room */
};
enum rel100_is rel100_is(const struct call *c, const Store__OutLeg *leg, const struct sip_msg *msg);
/** The offer that this INVITE had not came in a reliable provisional of this dialog, and is the PRACK's to answer. */
bool rel100_is_offered(const struct call *c, const Store__OutLeg *leg, struct span remote_tag);
/** PRACK to the callee. sdp: the caller's; key: server transaction of his PRACK, which is passed on; or empty. */
void rel100_prack(struct call *c, struct call_effects *fx, Store__Early *e, uint32_t rseq, struct span sdp,
                  struct span key);
/** It got no answer, and the callee asks again. */
void rel100_prack_again(struct call *c, struct call_effects *fx, const Store__OutLeg *leg, const struct sip_msg *msg);
/** The callee's dialog: the early one, or what it has become; NULL when it is over. */
Store__Dialog *rel100_dialog(const struct call *c, const Store__Early *e);
/** A final response to a request of ours in an early dialog, or none: passed on when the request was. */
void rel100_answered(struct call *c, struct call_effects *fx, const struct call_step *st);

/* --- offers in early dialogs (rel100_update.c) --- */

/** May this side make an offer by UPDATE, before the INVITE has its final reply? 0; 500 or 491: not yet (RFC 3311
 * §5.2); 488: the other side takes no UPDATE. */
unsigned rel100_glare(const struct call *c, const struct side *from);
/** A request of this side that was passed on has no final response yet: no UPDATE may come (RFC 3311 §5.2). */
bool rel100_has_asked(const struct side *side);
/** The same of anybody's, in any early dialog. */
bool rel100_is_updating(const struct call *c);
/** st->in is an UPDATE with an offer that can be passed on. */
void rel100_update(struct call *c, struct call_effects *fx, const struct call_step *st);
/** UPDATE to the callee. auth: a whole header line, or empty. NULL: it has no room. */
Store__ClientTxn *rel100_update_new(const struct call *c, Store__Early *e, struct span sdp, struct span auth);
/** It was taken. */
void rel100_updated(struct call *c, const Store__Early *e, const Store__EarlyAsk *ask, const struct sip_msg *answer);

#endif
