/*
 * call_step: what the parts of the call machine share: its events, what a step knows, its actions. Layer: call-actor,
 * pure, private to call*.c and leg*.c.
 */
#ifndef CALL_ACTOR_CALL_STEP_H
#define CALL_ACTOR_CALL_STEP_H

#include "call-actor/call.h"
#include "call-actor/call_row.h"
#include "call-actor/side.h"
#include "common/base/fsm.h"
#include "common/sip/sip_dtmf.h"
#include "common/sip/sip_refer.h"

/* What can happen to a call, and the words people see. call_classify tells them apart, so that a cell of the table
 * needs no guard. */
#define CALL_EVENT_LIST(X)                                                                                             \
    X(INVITE, "INVITE")           /* the initial one, and we can take it */                                            \
    X(INVITE_BAD, "bad INVITE")   /* the initial one, refused at once */                                               \
    X(REINVITE, "re-INVITE")      /* in the dialog, and we can take it */                                              \
    X(ACK, "ACK")                 /* for the 2xx that waits for it */                                                  \
    X(ACK_UNFIT, "unfit ACK")     /* the same, but what it answers to our offer is of no use */                        \
    X(BYE, "BYE")                 /* of the caller */                                                                  \
    X(BYE_CALLEE, "callee's BYE") /* of the one he talks to */                                                         \
    X(BYE_STRAY, "stray BYE")     /* of a leg that is no part of the session (any more) */                             \
    X(RELAY, "offer to relay")    /* a re-INVITE or an UPDATE in a bridged call, and we can pass it on */              \
    X(PASS, "request to pass")    /* INFO or MESSAGE in a bridged call, and we can pass it on */                       \
    X(CANCEL_RELAY, "CANCEL of re-INVITE")                                                                             \
    X(CANCEL, "CANCEL")             /* of the initial INVITE */                                                        \
    X(OPTIONS, "OPTIONS")           /* in the dialog */                                                                \
    X(INFO, "INFO")                 /* in a call we answer, and we can take it */                                      \
    X(UPDATE, "UPDATE")             /* we answer it: without an offer, or with one for us */                           \
    X(UPDATE_EARLY, "early UPDATE") /* an offer in an early dialog, and we can pass it on */                           \
    X(REFRESH, "refresh")           /* re-INVITE in a bridged call with nothing new in it */                           \
    X(PRACK, "PRACK")               /* of a provisional that waits for it, or waited */                                \
    X(PRACK_LAST, "last PRACK")     /* the same, and now the 200 may go */                                             \
    X(REFUSED, "refused")           /* any other request to this call: the step says with what it is refused */        \
    X(STEP, "step")                 /* set-up has got a step further */                                                \
    X(SETUP_OK, "set-up done")      /* set-up is done: a plan for us to answer, and a port */                          \
    X(SETUP_RINGS, "set-up done, 180 first") /* the same, and the 200 waits for the 180's PRACK */                     \
    X(SETUP_UNFIT, "set-up unfit")           /* set-up is done, but not with something we can answer */                \
    X(SETUP_FAILED, "set-up failed")                                                                                   \
    X(BRIDGE, "plan to bridge")           /* set-up is done: somebody is to be rung, who must be looked up first */    \
    X(RING, "plan to ring")               /* set-up is done: somebody is to be rung, and it is known where */          \
    X(TARGETS, "targets")                 /* there is somebody to ring */                                              \
    X(NOBODY, "nobody to ring")           /* there is not: the step says with what the caller is refused */            \
    X(NOT_A_USER, "not a user")           /* there is not, before the dialplan was asked: it may know what to do */    \
    X(RELEASED, "port is back")           /* a port is back */                                                         \
    X(RELEASE_LATER, "port not back")     /* media-service cannot be reached: the port is still out */                 \
    X(EXTRA_PORT, "second port")          /* set-up was answered twice, the second time with another port */           \
    X(PROGRESS, "progress")               /* a callee rings: to be told */                                             \
    X(ANSWER, "answer")                   /* a callee answered first */                                                \
    X(ANSWER_HELD, "answer, PRACK first") /* the same, and the 200 waits for a PRACK */                                \
    X(EARLY_DONE, "early answer")         /* final response to a request of ours in an early dialog, or none */        \
    X(NO_PRACK, "no PRACK")               /* the PRACK of a provisional did not come in time */                        \
    X(RING_ON, "ringing goes on")         /* one refused, or nobody was found behind him: others are left */           \
    X(RING_FAILED, "nobody answers")      /* nobody is left, or one refused for all */                                 \
    X(RELAYED, "response to relay")       /* to an offer that was passed on */                                         \
    X(PASSED, "response to pass")         /* to an INFO or MESSAGE that was passed on */                               \
    X(REFRESHED, "refreshed")             /* answer to a request of ours that keeps the call alive */                  \
    X(SESSION_LOST, "session lost")       /* the same, or none, and it tells that nobody is there any more */          \
    X(EXPIRED, "session expired")         /* the session timer of a side has run out */                                \
    X(DIAL, "dial")                       /* somebody wants a call placed */                                           \
    X(DIAL_ON, "dial goes on")            /* its set-up has got further: who is rung, or that it is not `from` */      \
    X(DIAL_RING, "dial may ring")         /* its set-up is done: there is a port */                                    \
    X(DIAL_JOIN, "dial join")             /* who was rung second has answered */                                       \
    X(DIAL_FAILED, "dial failed")         /* he has not, or the two cannot be joined: the step says with what */       \
    X(TRANSFER, "transfer")               /* the platform or an operator wants the caller joined to somebody */        \
    X(TRANSFER_FAILED, "transfer failed") /* … who does not come; the call stays as it was */                        \
    X(TRANSFER_RINGS, "target rings")     /* the target has said a provisional */                                      \
    X(SENT_OFF, "sent off")               /* a word about our REFER: its 2xx, or a NOTIFY that is not the last */      \
    X(SENT_DONE, "has gone")              /* the last NOTIFY of it: he talks to the target */                          \
    X(BYE_OLD, "BYE amid transfer")       /* of whom the one who stays has talked to: the transfer goes on */          \
    X(REPLACE, "INVITE with Replaces")    /* its sender takes the place of a party of a bridged call */                \
    X(REPLACE_US, "INVITE with Replaces to us") /* … of a call that we answered */                                   \
    X(REPLACE_LOST, "replacing failed")         /* who stays does not take the new one, and the old one has hung up */ \
    X(REFER, "REFER")                           /* one that we can take */                                             \
    X(REFER_ASK, "REFER's user unknown")        /* nobody of ours is whom it names: the dialplan may know */           \
    X(REFER_RING, "REFER's plan")               /* the dialplan has said where whom it names is */                     \
    X(REFER_TOLD, "NOTIFY done")                /* final response to a NOTIFY of ours, or none */                      \
    X(SUBSCRIBE, "SUBSCRIBE")                   /* to what a REFER opened */                                           \
    X(DIAL_ANSWER, "dial answer")               /* who was rung first has answered */                                  \
    X(BYE_DONE, "BYE done")                     /* final answer to our BYE, or none in time */                         \
    X(TERMINATE, "hangup")                      /* the platform or an operator wants it ended */                       \
    X(TMR_SETUP, "set-up timer")                                                                                       \
    X(TMR_2XX, "2xx timer")                                                                                            \
    X(TMR_NO_ACK, "no-ACK timer")                                                                                      \
    X(TMR_LINGER, "linger timer")                                                                                      \
    X(TMR_RELEASE, "release timer")                                                                                    \
    X(TMR_NO_ANSWER, "no-answer timer")                                                                                \
    X(TMR_PRACK, "PRACK timer")                                                                                        \
    X(TMR_SESSION, "session timer")                                                                                    \
    X(TMR_EXPIRES, "expires timer")                                                                                    \
    X(TMR_REINVITE, "re-INVITE timer")                                                                                 \
    X(TMR_REFER, "REFER timer")

enum call_event {
#define CALL_EVENT_ENUM(name, text) CALL_EV_##name,
    CALL_EVENT_LIST(CALL_EVENT_ENUM)
#undef CALL_EVENT_ENUM
        CALL_EVENTS,
    CALL_EV_NONE = CALL_EVENTS, /* nothing of this call's: dropped */
};

/* Why and with what a request is refused; further headers follow from the status (leg.c). */
struct refusal {
    unsigned status;
    const char *reason;       /* static; NULL: the registered phrase */
    unsigned warning;         /* RFC 3261 §20.43; 0: none */
    const char *warning_text; /* static */
    unsigned q850;            /* cause to tell in a Reason header (RFC 6432); 0: none */
};

/* What call_classify found out, for the action: its `arg`. */
struct call_step {
    const struct call_input *in;
    struct refusal no;
    struct buf answer;       /* SETUP_OK, REINVITE: our session description */
    uint32_t answer_version; /* its o= version */
    struct span sdp;         /* of the request; empty: none */
    char rtp[OFFER_RTP_MAX]; /* the peer's address in it, or "" */
    struct sip_dtmf dtmf;    /* INFO, PASS: the key it brings; key 0: none */
    struct sip_refer refer;  /* REFER: what it asks for */
    size_t job;              /* place in row->jobs of the one that is done */
    struct side side;        /* whose dialog the request is in; the caller's for his first INVITE */
    Store__OutLeg *leg;      /* PROGRESS, ANSWER: of which */
    struct route way;        /* set-up is done: what the dialplan makes of it */
};

extern const struct fsm call_machine;

/** What this input is, in the state the call is in. Changes nothing but *st, which call_step_fini frees. */
enum call_event call_classify(const struct call *c, const struct call_input *in, struct call_step *st);
static inline void call_step_fini(struct call_step *st)
{
    buf_fini(&st->answer);
    if (st->way.target != NULL)
        store__target__free_unpacked(st->way.target, NULL);
}

/* Actions, by the file they stand in. */

/* call_act_setup.c */
fsm_act_fn act_accept, act_turn_away, act_step, act_answer, act_ring_caller, act_setup_late;
/* call_act_dialog.c */
fsm_act_fn act_ack, act_reinvite, act_update, act_info, act_too_soon, act_repeat_2xx, act_options, act_refuse,
    act_no_dialog, act_cancel_late, act_reinvite_early;
/* call_act_bridge.c */
fsm_act_fn act_locate, act_ring_planned, act_ask_plan, act_nobody, act_ring, act_ring_more, act_ring_on,
    act_ring_failed, act_no_answer, act_leg_answer, act_leg_answer_held;
/* call_act_rel100.c */
fsm_act_fn act_progress, act_prack, act_prack_last, act_prack_repeat, act_no_prack, act_early_done, act_update_early,
    act_callee_bye_held;
/* call_act_bridged.c */
fsm_act_fn act_relay, act_pass, act_passed, act_relay_cancel, act_relayed, act_relayed_late, act_second_invite,
    act_callee_bye, act_callee_bye_early, act_stray_bye;
/* call_act_refresh.c */
fsm_act_fn act_session_due, act_refreshed, act_refreshed_late, act_refresh, act_session_expired, act_session_lost,
    act_invite_expired, act_reinvite_overdue;
/* call_act_replace.c */
fsm_act_fn act_replace, act_replace_us, act_replace_lost;
/* call_act_transfer.c */
fsm_act_fn act_transfer, act_transfer_failed, act_transfer_rings, act_old_bye, act_sent_off, act_sent_done;
/* call_act_refer.c */
fsm_act_fn act_refer, act_refer_ask, act_refer_ring, act_refer_told, act_subscribe, act_refer_expired;
/* call_act_dial.c */
fsm_act_fn act_dial, act_dial_on, act_dial_ring, act_dial_answer, act_dial_join, act_dial_failed, act_dial_no_answer;
/* call_act_end.c */
fsm_act_fn act_cancelled, act_setup_failed, act_setup_overdue, act_setup_ended;
fsm_act_fn act_bye_in, act_bye_glare, act_bye_out, act_close, act_ack_closing, act_ack_unfit, act_no_ack, act_over;
/* call_job.c */
fsm_act_fn act_released, act_release_later, act_release_again, act_extra_port;

#endif
