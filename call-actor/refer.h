/*
 * refer: a REFER in a call, and the subscription it opens. Layer: call-actor, pure, private to the call machine. RFC
 * 3515, RFC 4488 (Refer-Sub), RFC 6665 (what a notifier does), RFC 7647; docs/transfer.md.
 *
 * What is asked for is served elsewhere (call_act_refer.c, transfer.h); here stands what is told of it. Of one REFER
 * one NOTIFY is out at a time, and what happens meanwhile is told when it is answered: the last word always, what is
 * overtaken never. Whether anybody hears it changes nothing about the transfer. The subscription outlives the call's
 * own use of the dialog (RFC 5057 §4): who has said BYE is told all the same.
 */
#ifndef CALL_ACTOR_REFER_H
#define CALL_ACTOR_REFER_H

#include "call-actor/call_fx.h"
#include "call-actor/call_step.h"
#include "call-actor/number.h"
#include "common/base/fsm.h"

#define REFERS_MAX 4u            /* of a call: one that is under way, and those whose last word has no answer yet */
#define REFER_EXPIRES_MAX_S 600u /* a SUBSCRIBE may ask for less, and gets no more */
#define REFER_EXPIRES_MORE_S 64u /* a subscription lasts longer than anybody rings, by this */
#define REFER_BYE_FACTOR 8u      /* of T1: when the two are joined, so long its sender has for his BYE */

/* The subscription. */
enum refer_sub {
    REFER_SUB_QUIET = 0, /* there is none: Refer-Sub: false */
    REFER_SUB_WAITS = 1, /* everything is told */
    REFER_SUB_TELLS = 2, /* a NOTIFY is out */
    REFER_SUB_LAST = 3,  /* the last one is out */
    REFER_SUB_OVER = 4,
    REFER_SUBS
};

#define REFER_EVENT_LIST(X)                                                                                            \
    X(BEGIN, "begin")             /* taken: 100 */                                                                     \
    X(NEWS, "news")               /* a provisional */                                                                  \
    X(LAST, "last word")          /* final */                                                                          \
    X(HEARD, "heard")             /* 2xx to the NOTIFY, and nothing has happened since */                              \
    X(HEARD_MORE, "heard, news")  /* the same, and there is news */                                                    \
    X(HEARD_LAST, "heard, last")  /* the same, and there is the last word, or it is over */                            \
    X(UNHEARD, "unheard")         /* any other final response to it, or none */                                        \
    X(SUBSCRIBE, "SUBSCRIBE")     /* for longer, or to hear how it stands */                                           \
    X(UNSUBSCRIBE, "unsubscribe") /* he wants to hear no more */                                                       \
    X(EXPIRED, "expired")

enum refer_event {
#define REFER_EVENT_ENUM(name, text) REFER_EV_##name,
    REFER_EVENT_LIST(REFER_EVENT_ENUM)
#undef REFER_EVENT_ENUM
        REFER_EVENTS,
};

/* Why nothing more is told. */
enum refer_over {
    REFER_GOES_ON = 0,
    REFER_NO_RESOURCE = 1, /* the last word is said (RFC 3515 §2.4.7) */
    REFER_TIMEOUT = 2,     /* expired, or he did not want to hear more */
};

/* On whose behalf the target is rung. */
struct refer_who {
    char caller[NUMBER_MAX]; /* as the dialplan knows him */
    bool may_leave;          /* he may call numbers outside */
};

extern const struct fsm refer_machine;

struct refer_ref { /* what its actions act on */
    struct call *call;
    Store__Refer *refer;
};

/* --- questions --- */

/** The one that is under way, or NULL. */
Store__Refer *refer_running(const struct call *c);
/** The one whose NOTIFY has this branch, or NULL. */
Store__Refer *refer_of_response(const struct call *c, struct span branch);
/** The one that this SUBSCRIBE is about: by its dialog, and the id in Event; NULL: none, or its subscription is over.
 */
Store__Refer *refer_of_subscribe(const struct call *c, const struct sip_msg *m);
/** The request is in a dialog that is kept for a REFER alone. */
bool refer_has_dialog(const struct call *c, const struct sip_msg *m);
/** Who sends st->in, and what an INVITE of his could reach (route.h). false: nothing. */
bool refer_read_who(struct refer_who *out, const struct call *c, const struct call_step *st);
/** The side of the call whose dialog Target-Dialog names, if it is that of the user who has sent it; else d is NULL. */
struct side refer_target_side(const struct call *c, const struct call_input *in);
/** Fills st->refer. status 0: this REFER can be taken. */
struct refusal refer_check(const struct call *c, struct call_step *st);
/** Whom it names is nobody of ours (located: 404, 503), but the dialplan has not been asked, and may know him. */
bool refer_may_be_planned(const struct call *c, unsigned located);
/** What the dialplan says of whom it names: st->in is the job's end. */
enum call_event refer_plan(const struct call *c, struct call_step *st);
/** On whose behalf whom it names is rung. */
struct route_caller refer_caller(const struct call *c);
/** There is room for one more. */
bool refer_has_room(const struct call *c);
/** A NOTIFY is out, or has to be said yet. */
bool refer_is_out(const struct call *c);
/** The dialog in which its sender is told. */
Store__Dialog *refer_dialog(const struct call *c, const Store__Refer *r);

/* --- steps --- */

/** A new one: st->in, which passed refer_check. Its 202 leaves, and 100 is told. */
Store__Refer *refer_open(struct call *c, struct call_effects *fx, const struct call_step *st, struct now now);
/** What is known of the one that is under way; 200 and more is the last word. reason: NULL: the registered phrase. */
void refer_progress(struct call *c, struct call_effects *fx, unsigned status, const char *reason, struct now now);
/** The final response to a NOTIFY, or none. */
void refer_take_response(struct call *c, struct call_effects *fx, const struct call_input *in, struct now now);
/** A SUBSCRIBE about it, which is answered. */
void refer_take_subscribe(struct call *c, struct call_effects *fx, Store__Refer *r, const struct call_step *st,
                          struct now now);
/** Those whose time has come are over. Who has been told that he is no longer needed, and does not hang up, is hung up
 * on (RFC 5589 §6.1). */
void refer_expire(struct call *c, struct call_effects *fx, struct now now);
/** At the end of every step: CALL_TMR_REFER stands on what is next. */
void refer_arm(struct call *c, struct call_effects *fx);
/** The A leg's dialog is used no more: what is still to be told to its party goes on in a copy. */
void refer_keep_dialog(struct call *c);
void refer_ask_again(struct call *c, struct call_effects *fx, struct now now);

/* Actions (refer_act.c). */
void refer_send_notify(const struct refer_ref *ref, struct call_effects *fx, struct span auth, struct now now);
fsm_act_fn refer_notify, refer_notify_last, refer_notify_timeout, refer_forget, refer_note_timeout;

#endif
