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
    DIAL_MEDIA = 2, /* the dialplan's answer and a port */
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

/* For call_classify: an answer to a look-up of the set-up, and its end. */
enum call_event dial_targets(const struct call *c, struct call_step *st);
enum call_event dial_setup_done(const struct call *c, struct call_step *st);

#endif
