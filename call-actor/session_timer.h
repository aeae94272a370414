/*
 * session_timer: RFC 4028 of one dialog: what is asked, what is agreed, and when it is due. Layer: call-actor, pure.
 * The state is store.Session. Who has no session timer is asked whether he is still there by OPTIONS instead.
 *
 * Each dialog of a call is ours alone and has terms of its own, whatever the other side of the call agreed to. Every
 * INVITE and UPDATE is a refresh request, also one that asks for something else (§4); its 2xx decides.
 */
#ifndef CALL_ACTOR_SESSION_TIMER_H
#define CALL_ACTOR_SESSION_TIMER_H

#include "common/base/clock.h"
#include "common/sip/sip_msg.h"
#include "proto/store.pb-c.h"

#define SESSION_MIN_S 90u      /* RFC 4028 §5: no Min-SE is lower */
#define SESSION_FLOOR_S 20u    /* an interval that a 2xx names against the RFC: a shorter one counts as this */
#define SESSION_MARGIN_S 32u   /* §10: who waits for a refresh ends the session so long before its expiry, */
#define SESSION_MARGIN_PART 3u /* or by this part of the interval, whichever is less */
#define SESSION_CROSSED_MAX                                                                                            \
    10u                        /* 491s, one after the other, that are believed: each side has left the other its turn */
#define SESSION_TRIES_MAX 3u   /* a refresh is asked again at once so often: 422, challenge, UPDATE not known */
#define SESSION_SILENT_MAX 2u  /* OPTIONS without an answer, after which one who has answered before is gone */
#define SESSION_RETRY_MIN_S 4u /* a refresh that failed is not tried again so shortly before the expiry */
#define SESSION_T1_MS 500u     /* of T1, one second of the RFC is */
#define SESSION_SECOND_MS 1000u /* so long */

/* The settings. */
struct session_rules {
    uint32_t expires_s;  /* what we ask for; 0: nothing */
    uint32_t min_se_s;   /* below it: 422. 0: SESSION_MIN_S */
    uint32_t liveness_s; /* an OPTIONS so often to who has no session timer; 0: none. Not of the RFC: never scaled */
    uint32_t t1_ms;
};

/** So many seconds of the RFC, in milliseconds: they scale with T1. */
static inline uint64_t session_ms(const struct session_rules *rules, uint64_t seconds)
{
    return seconds * SESSION_SECOND_MS * rules->t1_ms / SESSION_T1_MS;
}
/** That of a dialog; made when it has none. Never NULL. */
Store__Session *session_of(Store__Dialog *d);

/* --- they ask, we answer (§9) --- */

/** Session-Expires is below our Min-SE, and its sender knows what 422 means. */
bool session_is_too_short(const struct session_rules *rules, const struct sip_msg *request);
/** What any request of the other side says; of an INVITE or UPDATE also what it asks for. What cannot be read counts as
 * not there. */
void session_note_request(Store__Dialog *d, const struct sip_msg *request);
/** Our 2xx to the last INVITE or UPDATE: agrees to terms, which hold from now on, and appends them (Session-Expires,
 * Require). The interval is the asker's, or ours when he knows timers and names none; the refresher the one he names,
 * or else we (table 2). */
void session_put_answer(struct buf *out, Store__Dialog *d, const struct session_rules *rules);
/** Min-SE, as a 422 must have it. */
void session_put_min(struct buf *out, const struct session_rules *rules);

/* --- we ask, they answer (§7) --- */

/** Of an INVITE or UPDATE of ours: Session-Expires with the refresher there is (§7.4), Min-SE. */
void session_put_ask(struct buf *out, Store__Dialog *d, const struct session_rules *rules);
/** The 2xx to it: its terms hold from now on; without Session-Expires there is no timer (any more). */
void session_take_answer(Store__Dialog *d, const struct sip_msg *answer);
/** A 422 to it: would asking again ask for more? */
bool session_is_too_small(const Store__Dialog *d, const struct session_rules *rules, const struct sip_msg *refusal);
/** … and it shall: its Min-SE counts from now on. */
void session_take_too_small(Store__Dialog *d, const struct sip_msg *refusal);

/* --- time --- */

/** The seconds after which the session is given up (§10): by who refreshes at its expiry, by the other one before. */
uint32_t session_lifetime_s(uint32_t interval_s, bool we_refresh);
/**
 * Reckons the deadlines that new terms have not got yet, from now. While a request of ours is out none is due.
 * returns the earlier of row->due and row->expires; 0: neither
 */
uint64_t session_deadline(Store__Session *s, const struct session_rules *rules, struct now now);
/** A refresh was refused: it is due again in half the time that is left, or not at all. */
void session_retry_later(Store__Session *s, const struct session_rules *rules, struct now now);
/** 491 to our re-INVITE: due again within the RFC's window (RFC 3261 §14.1). owner: the Call-ID is ours. */
void session_retry_glare(Store__Session *s, const struct session_rules *rules, bool owner, struct now now);

/* --- what it said of its session (bridged calls) --- */

/** Empty changes nothing. */
void session_note_sdp(Store__Dialog *d, struct span sdp);
/** Empty: not known. */
struct span session_sdp(const Store__Dialog *d);

#endif
