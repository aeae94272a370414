/*
 * call_fx: appending to a step's effects. Layer: call-actor, pure, private to the call machine.
 */
#ifndef CALL_ACTOR_CALL_FX_H
#define CALL_ACTOR_CALL_FX_H

#include "call-actor/call.h"

/** raw: its bytes pass to the effect. leg: to whom, OutLeg.id or 0 for the caller. */
void fx_reply(struct call_effects *fx, struct span txn, unsigned status, struct buf *raw, const Plane__Endpoint *peer,
              uint32_t leg);
/** method: static. txn: its branch and bytes are copied, where it goes is borrowed. leg: to whom, OutLeg.id or 0. */
void fx_request(struct call_effects *fx, const char *method, const Store__ClientTxn *txn, uint32_t leg);
/** job: copied; its texts must live in the row, but for the id, which is kept with the effect. */
void fx_job(struct call_effects *fx, const Plane__RunJob *job);
void fx_cancel_job(struct call_effects *fx, struct span id);
void fx_publish(struct call_effects *fx, const char *routing_key, const char *content_type, struct buf *body);
/** One of several of this key: nth tells them apart, from 1. Nobody need take it. */
void fx_publish_nth(struct call_effects *fx, const char *routing_key, const char *content_type, struct buf *body,
                    uint32_t nth);
/**
 * The ACK of the 2xx `in` (RFC 3261 §13.2.2.4): over the connection that one came by, where there is one, for the
 * connection of the INVITE may be gone, and its peer reachable by no other.
 */
void fx_ack(struct call_effects *fx, const Store__ClientTxn *ack, uint32_t leg, const struct call_input *in);
/** Sets the row's deadline too. fx_disarm does nothing when the timer is not armed. */
void fx_arm(struct call *c, struct call_effects *fx, enum call_timer timer, uint64_t at_wall_ms);
void fx_disarm(struct call *c, struct call_effects *fx, enum call_timer timer);
void fx_log(struct call_effects *fx, enum call_log level, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/** A line at info that the shell makes of the row; text: only where enum call_say wants one. */
void fx_say(struct call_effects *fx, enum call_say say, unsigned status, struct span text);
/** The same for an INVITE that is refused at once. why: static; NULL: the status says it. Borrows in->source. */
void fx_refused(struct call_effects *fx, const struct call_input *in, unsigned status, const char *why);
/** Where is `who`? */
void fx_locate(struct call_effects *fx, struct span who);
/** CANCEL our INVITE of this branch to this leg. reason: value of its Reason header, may be empty. */
void fx_cancel(struct call_effects *fx, struct span branch, struct span reason, uint32_t leg);
/** Answer one who waits for this question's answer, or for its outcome. */
void fx_tell(struct call_effects *fx, const Store__Control *k, const Store__Asker *asker);
void fx_forget(struct call_effects *fx);

#endif
