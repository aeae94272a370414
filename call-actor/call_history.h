/*
 * call_history: what happened to a call, step by step and message by message, for people. Layer: call-actor, pure.
 *
 * Kept in row->steps as records of 8 bytes, oldest first: what, two bytes of value, one of detail, and the milliseconds
 * since the call began (little-endian). A step has its event, the states before and after, and the method of the
 * request that raised it; a message has 0x80 and its kind, its value, and how often it was repeated.
 */
#ifndef CALL_ACTOR_CALL_HISTORY_H
#define CALL_ACTOR_CALL_HISTORY_H

#include "call-actor/call_step.h"

#define CALL_HISTORY_RECORDS 64 /* older ones are dropped; an ordinary call has about twenty */
#define CALL_HISTORY_WHAT_MAX 64
#define CALL_HISTORY_TEXT_MAX 160

/* What raised a step, noted before the step: what the input borrows may go in it. */
struct history_heard {
    uint8_t message[4]; /* all zero: no message but a request of the caller, or none at all */
    uint8_t method;     /* enum sip_method of the caller's request */
};

/** leg: who it came from, OutLeg.id or 0 for the caller. */
struct history_heard history_hear(const struct call_input *in, uint32_t leg);
/** The step (NULL: the call itself made none), the message that raised it, and what it asked for: fx from `first` on.
 */
void history_add(struct call *c, const struct history_heard *heard, const struct fsm_step *step,
                 const struct call_effects *fx, size_t first, struct now now);

/* One line of it. */
struct call_history_line {
    uint32_t after_ms;
    const char *from; /* "caller", "callee 1" …, "call-actor", "platform", "broker"; NULL: nothing was sent, `what` is a
                         note */
    const char *to;
    char what[CALL_HISTORY_WHAT_MAX]; /* "INVITE", "180 Ringing", "setup -> answered" */
};

typedef void call_history_fn(void *user, const struct call_history_line *l);
/** Every line, oldest first. Records of a newer program that this one cannot name are shown as "?". */
void call_history_each(const struct call *c, call_history_fn *fn, void *user);
/** "caller" for 0, else "callee N"; static text. */
const char *call_history_party(uint32_t leg);
/** As text: "+12 ms caller => call-actor: BYE", "+12 ms established -> ended: BYE". */
void call_history_text(const struct call_history_line *l, char out[CALL_HISTORY_TEXT_MAX]);

#endif
