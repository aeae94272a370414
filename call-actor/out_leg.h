/*
 * out_leg: a leg that we placed: our INVITE, what comes of it, its dialog, its end. Layer: call-actor, pure, private to
 * the call machine. RFC 3261 §9.1, §13.2, §15.1.1.
 *
 * Its durable state is store.OutLeg. It acts on its own messages only; what its steps mean for the call is call_act_
 * bridge.c's. The edge runs the transactions: it waits for a provisional before a CANCEL leaves, gives up after 64*T1,
 * and acknowledges refusals.
 */
#ifndef CALL_ACTOR_OUT_LEG_H
#define CALL_ACTOR_OUT_LEG_H

#include "call-actor/call_fx.h"
#include "common/base/fsm.h"

#define OUT_LEGS_MAX 24u       /* of a call in its whole life: those that ring (RING_MAX) and strays */
#define OUT_LEG_EARLY_MAX 4u   /* early dialogs told apart in one leg; more share the last tag */
#define OUT_LEG_PASSED_MAX 16u /* provisionals of one leg that are passed on; more are dropped, and change nothing */
#define OUT_LEG_TAG_SIZE 32

enum out_leg_state {
    OUT_LEG_CALLING = 0,    /* INVITE is out */
    OUT_LEG_RINGING = 1,    /* a provisional came */
    OUT_LEG_CANCELLING = 2, /* not wanted any more; its final response has not come */
    OUT_LEG_ACKING = 3,     /* 2xx came; the ACK waits for the caller's, which brings the answer to its offer */
    OUT_LEG_UP = 4,         /* acknowledged */
    OUT_LEG_ENDING = 5,     /* our BYE is out */
    OUT_LEG_OVER = 6,
    OUT_LEG_JOINING = 7, /* it called us, to take somebody's place; who stays has not answered (replace.h) */
    OUT_LEG_STATES
};

#define OUT_LEG_EVENT_LIST(X)                                                                                          \
    X(PROVISIONAL, "provisional")                                                                                      \
    X(PROVISIONAL_AGAIN, "provisional again")                                                                          \
    X(ANSWER, "answer")                /* the first 2xx, and it can be acknowledged at once */                         \
    X(ANSWER_WAITS, "offer")           /* the first 2xx; its ACK waits for the caller's */                             \
    X(ANSWER_UNFIT, "unfit answer")    /* the first 2xx, of no use or too late */                                      \
    X(ANSWER_AGAIN, "answer again")    /* the same 2xx */                                                              \
    X(CHALLENGE, "challenge")          /* 401 or 407 that we can answer */                                             \
    X(TOO_SHORT, "interval too small") /* 422 that we can do something about */                                        \
    X(REFUSAL, "refusal")              /* any other final response, or none in time */                                 \
    X(CANCEL, "cancel")                /* we do not want it any more */                                                \
    X(ACK, "ACK")                      /* the caller's has come */                                                     \
    X(HANG_UP, "hang up")              /* we end it */                                                                 \
    X(BYE, "BYE")                      /* the callee ends it */                                                        \
    X(BYE_DONE, "BYE done")            /* final answer to our BYE, or none in time */                                  \
    X(TAKEN, "taken")                  /* its dialog has become the A leg's: of a call that we place */                \
    X(CAME, "came")                    /* nobody is called: it has called us, to take somebody's place */              \
    X(JOINED, "joined")                /* … and has taken it */

enum out_leg_event {
#define OUT_LEG_EVENT_ENUM(name, text) OUT_LEG_EV_##name,
    OUT_LEG_EVENT_LIST(OUT_LEG_EVENT_ENUM)
#undef OUT_LEG_EVENT_ENUM
        OUT_LEG_EVENTS,
    OUT_LEG_EV_NONE = OUT_LEG_EVENTS,
};

struct out_leg_ref { /* what its actions act on */
    struct call *call;
    Store__OutLeg *leg;
};

/* What an event brings; what it does not is empty. */
struct out_leg_news {
    const struct call_input *in; /* response */
    struct span sdp;             /* ACK: the caller's answer */
    struct span reason;          /* CANCEL, HANG_UP: value of Reason */
};

extern const struct fsm out_leg_machine;

/** Rings somebody: takes the target. breadth: Max-Breadth. The call must have room for the leg (OUT_LEGS_MAX). */
void out_leg_call(struct call *c, struct call_effects *fx, Store__Target *target, uint32_t breadth);
/** What a response is to this leg, one of whose requests has its branch. Changes nothing. */
enum out_leg_event out_leg_classify(const struct call *c, const Store__OutLeg *leg, const struct call_input *in);
/** One step. returns what it did */
struct fsm_step out_leg_step(struct call *c, Store__OutLeg *leg, enum out_leg_event ev, const struct out_leg_news *news,
                             struct call_effects *fx, struct now now);
/**
 * The leg a response is for: by its branch, and of those that a proxy forked from one INVITE by the To tag. A 2xx of
 * one that has no leg yet gets one (§13.2.2.4), within OUT_LEGS_MAX. returns NULL when it is for none
 */
Store__OutLeg *out_leg_of_response(struct call *c, const struct call_input *in);

/** At the end of every step: until when the INVITE of each leg that rings is wanted, in ClientTxn.until_wall_ms, which
 * a clock that is set takes along (call_follow_clock). */
void out_legs_reckon(const struct call *c, struct now now);
/** The same of one that is cancelled: never longer than before. */
void out_leg_reckon_cancel(const struct call *c, const Store__OutLeg *leg, struct now now);
/** Everything it is owed is asked again of the edge. An INVITE that must be over everywhere by now is not said again:
 * it would ring anew; the edge says of its CANCEL that there is nothing to cancel. */
void out_leg_ask_again(const struct call *c, const Store__OutLeg *leg, struct call_effects *fx, struct now now);
/** What the caller's dialog with this early dialog of the leg has after our tag (".2", ".2.1"): noted on first sight.
 */
void out_leg_tag(Store__OutLeg *leg, struct span remote_tag, char out[OUT_LEG_TAG_SIZE]);
/* A challenge to a request of ours. */
struct out_leg_challenge {
    const struct sip_msg *response; /* 401 or 407 */
    const char *uri;                /* what the request was for */
    const char *used;               /* nonce that it had an answer to; "": it had none */
};
/** Append the answer to this challenge (digest_client.h), noting its nonce in *nonce. false: there is none. */
bool out_leg_answer_challenge(struct buf *out, const struct call_conf *conf, const Store__OutLeg *leg,
                              const struct out_leg_challenge *q, struct span *nonce);
/** What is challenged of a leg's own: its INVITE, or its BYE. */
struct out_leg_challenge out_leg_challenge_of(const Store__OutLeg *leg, const struct sip_msg *response);
/** "calling" …; static text. */
const char *out_leg_state_name(unsigned state);

static inline bool out_leg_rings(const Store__OutLeg *leg)
{
    return leg->state == OUT_LEG_CALLING || leg->state == OUT_LEG_RINGING;
}
/** A 2xx has come, and opened its dialog. */
static inline bool out_leg_has_dialog(const Store__OutLeg *leg)
{
    return leg->dialog->remote_tag[0] != '\0' || leg->ack != NULL || leg->state == OUT_LEG_ACKING;
}
/** It takes part in the session, or will. */
static inline bool out_leg_is_up(const Store__OutLeg *leg)
{
    return leg->state == OUT_LEG_ACKING || leg->state == OUT_LEG_UP;
}

/* Actions (out_leg_act.c). */
fsm_act_fn out_leg_provisional, out_leg_prack_again, out_leg_answered, out_leg_offered, out_leg_unwanted,
    out_leg_ack_again, out_leg_authorize, out_leg_authorize_bye, out_leg_ask_longer, out_leg_refused, out_leg_cancel,
    out_leg_cancelled, out_leg_ack, out_leg_ack_bye, out_leg_bye, out_leg_over, out_leg_taken;

#endif
