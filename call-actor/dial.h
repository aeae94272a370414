/*
 * dial: a call that we place because the platform or an operator asks for it. Layer: call-actor, pure, private to the
 * call machine. docs/control.md.
 *
 *   `from` is a user of ours who is registered: he is rung first, and then connected to `to`
 *   else: `to` is called, and connected to the platform as a caller of ours would be
 *
 * In either case who is rung first is offered a media port of ours. When he has answered, his dialog is row->a: from
 * then on the call is one like any other that we have answered.
 */
#ifndef CALL_ACTOR_DIAL_H
#define CALL_ACTOR_DIAL_H

#include "call-actor/call_fx.h"
#include "call-actor/call_step.h"

#define DIAL_URI_BYTES_MAX 512u
#define DIAL_CALL_ID_MAX 200u

/* What the set-up waits for. */
enum dial_step {
    DIAL_FROM = 0,  /* is `from` registered? */
    DIAL_TO = 1,    /* where is `to`? */
    DIAL_MEDIA = 2, /* the dialplan's answer and a port, and then who is rung first */
    /* `from` has answered: */
    DIAL_SECOND = 3,  /* `to` is looked up and rung */
    DIAL_JOINING = 4, /* `to` has answered; our re-INVITE brings `from` his media address */
    DIAL_JOINED = 5,
    DIAL_LOST = 6,     /* of a transfer: it has come to nothing */
    DIAL_SENT_OFF = 7, /* of a transfer: who stays is to call the target himself: send_off.h */
};

/* What is asked for, as header values: "<sip:…>". */
struct dial_parties {
    char from[DIAL_URI_BYTES_MAX + 3];
    char to[DIAL_URI_BYTES_MAX + 3];
};

/**
 * Reads what is asked for. why: static, set when it is not OK.
 * returns OK; INVALID: a text that is no URI, number or user, or no Call-ID; NOT_FOUND: there is no way to `to`
 */
Plane__Controlled__Result dial_read(struct dial_parties *out, const struct call_conf *conf, const Plane__Control *m,
                                    const char **why);

/** What the party of the A leg is to the call: "caller", or "callee" of the platform. Static text. */
const char *dial_party(const struct call *c);
/** It rings whom it rings first. */
bool dial_is_ringing_first(const struct call *c);

static inline bool dial_is_at(const struct call *c, enum dial_step step)
{
    const Store__Transfer *t = c->row->transfer;
    return (c->row->dial != NULL && c->row->dial->step == step) || (t != NULL && t->step == step);
}

/** What the first says of his session is what the second is to be offered: without the directions that it had. */
void dial_set_offer(struct call *c, struct span sdp);
/** The first talks: now the second, to whom this way leads, is looked up and rung. The row's offer is what the first
 * said of his session. */
void dial_second(struct call *c, struct call_effects *fx, const struct route *way, struct now now);
/** Of a call whose second party is rung, or being joined. */
void dial_set_step(struct call *c, enum dial_step step);
/** As dial_read reads `to`. */
Plane__Controlled__Result dial_read_to(char to[DIAL_URI_BYTES_MAX + 3], const struct call_conf *conf, const char *asked,
                                       const char **why);
/** The answer to our re-INVITE, when one was taken: if it was that of DIAL_JOINING, they are joined. */
void dial_take_joined(struct call *c, struct call_effects *fx, const struct call_step *st, struct now now);

/** What it is to the call that the second party does not come. */
enum call_event dial_no(const struct call *c);

/* For call_classify: an answer to a look-up of the set-up, its end, and the answer to our re-INVITE (`taken`: what it
 * is in any other call). */
enum call_event dial_joining(const struct call *c, const struct call_step *st, enum call_event taken);
enum call_event dial_targets(const struct call *c, struct call_step *st);
enum call_event dial_setup_done(const struct call *c, struct call_step *st);

#endif
