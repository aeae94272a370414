/*
 * pass: a request without an offer, passed on between the legs of a bridged call, and its response passed back: INFO
 * (RFC 6086), MESSAGE (RFC 3428). Layer: call-actor, pure, private to the call machine.
 *
 * Nothing of it is ours but the hop: the body goes byte for byte, with the headers that are about it. Several may be
 * under way at once, and they go on in the order in which they came. What is open stands in row->passes with its server
 * transaction; what was answered is kept for repeats as any other transaction.
 */
#ifndef CALL_ACTOR_PASS_H
#define CALL_ACTOR_PASS_H

#include "call-actor/call_fx.h"
#include "call-actor/call_step.h"

#define PASS_OPEN_MAX 8u /* under way at once in each direction; one more: 500 with Retry-After */
#define PASS_BYTES_MAX                                                                                                 \
    65536u                   /* of all that are under way; when there is as much, the next one: 500 with Retry-After   \
                              */
#define PASS_BODY_MAX 16384u /* longer: 413; in a response it is left out */
#define PASS_VALUE_MAX 1024u /* longer header values are left out, */
#define PASS_FIELDS_MAX 8u   /* and more header fields */

/** 0, or what refuses the request at hand: 413, 500 (too many are under way, or there is nobody to give it to now). */
unsigned pass_check(const struct call *c, const struct call_step *st);
/** st->in goes on to the other side; pass_check let it. */
void pass_ask(struct call *c, struct call_effects *fx, const struct call_step *st, struct now now);
/** The one whose request has this branch, or NULL. */
Store__Relay *pass_of_response(const struct call *c, struct span branch);
/** Its final response, or none. */
void pass_take_response(struct call *c, struct call_effects *fx, const struct call_input *in);
/** A request of this transaction is under way. */
bool pass_knows(const struct call *c, struct span txn);
static inline bool pass_is_out(const struct call *c)
{
    return c->row->n_passes > 0;
}
/** The session ends: all get 487 (RFC 3261 §15.1.2), and what still comes to them is not waited for. */
void pass_end(struct call *c, struct call_effects *fx);
/** What the edge owes an answer for is asked again; what is older than 64*T1 is given up, for over there it would be a
 * new request. */
void pass_ask_again(struct call *c, struct call_effects *fx, struct now now);

#endif
