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
    Q850_TEMPORARY = 41,    /* temporary failure */
    Q850_INCOMPATIBLE = 88, /* incompatible destination */
    Q850_TIMER = 102,       /* recovery on timer expiry */
};

#define END_REASON_SIZE 512 /* of the Reason values that are passed on */

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

/*
 * How a call ended, and how long each part of it took: what the log, call.ended, the metric and `sigctl call` say, in
 * the same words. Texts are borrowed from the row.
 */
struct call_ending {
    const char *reason; /* as in call_end */
    const char *by;
    const char *stage; /* what it was in: "user_lookup", "dialplan", "media", "locating", "ringing", "answering",
                          "answered", "established" */
    const char *detail;
    unsigned sip_code;   /* final status of the INVITE: 200 of a call that was answered */
    unsigned q850_cause; /* what was said, or what follows from sip_code (RFC 3398) */
    uint64_t setup_ms;   /* from the INVITE until somebody was rung, or the answer; 0 where it did not come so far: */
    uint64_t ring_ms;    /* from then on until the answer */
    uint64_t talk_ms;    /* from the ACK on */
};

/** Of a call that has ended; of any other how far it has come. */
struct call_ending call_ending_of(const Store__CallRow *row);

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
/** All values of Reason, for whoever is to hear them as well: as many as have room in `out`. Borrows it. */
struct span end_reason_of(const struct sip_msg *m, char out[END_REASON_SIZE]);
/** Over for the caller: what late requests do not need is dropped, and the call is remembered for 64*T1. */
void end_linger(struct call *c, struct call_effects *fx, struct now now);

#endif
