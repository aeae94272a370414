/*
 * call_end: how a call comes to its end: for the platform (call.ended, the port), and then for everybody. Layer:
 * call-actor, pure, private to the call machine. docs/calls.md lists the reasons.
 */
#ifndef CALL_ACTOR_CALL_END_H
#define CALL_ACTOR_CALL_END_H

#include "call-actor/call_fx.h"

/* Q.850 causes we give */
enum {
    Q850_NORMAL = 16,       /* normal call clearing */
    Q850_NO_ANSWER = 19,    /* no answer from user (user alerted) */
    Q850_INCOMPATIBLE = 88, /* incompatible destination */
    Q850_TIMER = 102,       /* recovery on timer expiry */
};

struct refusal;

struct call_end {
    const char *reason; /* normal_clearing, system_terminated, cancelled, busy, no_answer, failure */
    const char *by;     /* "caller", "callee", "platform", "operator", "timer", "service" */
    unsigned status;    /* final status of the INVITE, when it was not answered */
    unsigned q850;
    struct span detail;            /* for people */
    struct span carried;           /* value of a Reason header that the callees are to hear; may be empty */
    const struct refusal *refusal; /* more about status; NULL: it says all */
};

/** Why it ends; the first word stands. */
void end_because(struct call *c, const struct call_end *why);
/** Over for the platform: call.ended if call.started was published, the port goes back, no timer of the session runs
 * on. */
void end_session(struct call *c, struct call_effects *fx, struct now now);
/** Over by our BYE to the caller and to whoever he talks to. carried: value of Reason in them; empty: what
 * row->end_q850 says. */
void end_by_bye(struct call *c, struct call_effects *fx, struct span carried, struct now now);
/** Cause of the first Q.850 value of Reason (RFC 3326), or 0. */
unsigned end_q850_of(const struct sip_msg *m);
/** Over for the caller: what late requests do not need is dropped, and the call is remembered for 64*T1. */
void end_linger(struct call *c, struct call_effects *fx, struct now now);

#endif
