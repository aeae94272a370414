/*
 * leg: one side of a call on the wire: replies, the server transactions kept for repeats, our BYE. Layer: call-actor,
 * pure. RFC 3261 §8.2.6, §12, §13.3.1, §15.
 *
 * The INVITE is answered long after its message has gone. What every reply to it begins with (Via to CSeq, our tag in
 * To) is therefore written once, when it comes, and kept in its store.ServerTxn as `head`.
 */
#ifndef CALL_ACTOR_LEG_H
#define CALL_ACTOR_LEG_H

#include "call-actor/call_fx.h"
#include "call-actor/call_step.h"
#include "call-actor/side.h"

#define LEG_TXNS_MAX 8        /* server transactions kept per call; the oldest answered one makes room */
#define LEG_TAG_RANDOM 16     /* random characters of a tag that opens no dialog */
#define LEG_RETRY_MIN_S 5     /* Retry-After of a 503: this, and up to LEG_RETRY_SPREAD_S more, */
#define LEG_RETRY_SPREAD_S 10 /* so that callers do not all come back in the same second */
#define LEG_DISORDER_S 10     /* … of a 500 to a request out of turn: 0 to this (RFC 3261 §14.2) */

/* --- server transactions (leg_txn.c) --- */

Store__ServerTxn *leg_txn_find(const struct call *c, struct span key);
/** Keep a transaction. An INVITE's head is written into it. */
Store__ServerTxn *leg_txn_open(struct call *c, const struct call_input *in);
/** The same of an INVITE that opens the dialog of this side. */
Store__ServerTxn *leg_txn_open_for(struct call *c, const struct call_input *in, const struct side *to);
/** The same in two steps: one that is kept elsewhere until it is answered. */
Store__ServerTxn *leg_txn_new(const struct call *c, const struct call_input *in);
void leg_txn_add(struct call *c, Store__ServerTxn *txn);
/** The same for another method that is answered later. */
void leg_txn_keep_head(const struct call *c, Store__ServerTxn *txn, const struct call_input *in);
/** The INVITE that still waits for its final reply, or NULL. */
Store__ServerTxn *leg_txn_pending(const struct call *c);
/** The INVITE whose 2xx still waits for its ACK, or NULL. */
Store__ServerTxn *leg_txn_unacked(const struct call *c);
void leg_txn_drop(struct call *c, const Store__ServerTxn *txn);

/* --- replies (leg.c) --- */

/** Begin a reply in `out` (initialised here): to the request at hand, with our tag, or to an INVITE kept. */
void leg_begin(struct buf *out, const struct call *c, const struct call_input *in, unsigned status);
/** The same in a dialog of its own, with this tag of ours. */
void leg_begin_apart(struct buf *out, const struct call_input *in, unsigned status, const char *own_tag);
void leg_begin_kept(struct buf *out, const Store__ServerTxn *txn, unsigned status);
/** The same; more: text after our tag, which makes it the tag of another dialog (of a callee that rings). */
void leg_begin_for(struct buf *out, const Store__ServerTxn *txn, unsigned status, struct span more);
/** Our Contact, as this peer may reach it; d: the dialog it is for, NULL: none. */
void leg_put_contact(struct buf *out, const struct call *c, const Store__Dialog *d, const Plane__Endpoint *peer);
/** A URI that leads to us, with this user part (escaped), without brackets. */
void leg_put_own_uri(struct buf *out, const struct call *c, const Store__Dialog *d, const Plane__Endpoint *peer,
                     struct span user);
/** What may come in its dialogs. Static text. */
const char *leg_allow(const struct call *c);
/** Contact, Allow, Supported: what a request or reply that opens or confirms a dialog carries. */
void leg_put_dialog(struct buf *out, const struct call *c, const Store__Dialog *d, const Plane__Endpoint *peer);
/** The Retry-After that a 500 or 503 in this call needs; of another status nothing. */
void leg_put_retry(struct buf *out, const struct call *c, unsigned status);
/** The same of an INVITE of ours. reliable: a provisional to it may be one of RFC 3262. */
void leg_put_invite(struct buf *out, const struct call *c, const Store__Dialog *d, const Plane__Endpoint *peer,
                    bool reliable);
/** Ends a message: its session description, when there is one. */
void leg_put_sdp(struct buf *out, struct span sdp);
/** Ends the reply (sdp may be empty) and hands it over for a transaction that is kept; a final one is kept for repeats.
 * A 2xx to an INVITE or UPDATE agrees to a session timer (session_put_answer). */
void leg_send(struct call *c, struct call_effects *fx, Store__ServerTxn *txn, struct buf *out, unsigned status,
              struct span sdp);
/** The same with 200 and what the other side says of its session: onward.h. */
void leg_send_onward(struct call *c, struct call_effects *fx, Store__ServerTxn *txn, struct buf *out, struct span sdp);
/** The same with another body. */
void leg_send_body(struct call *c, struct call_effects *fx, Store__ServerTxn *txn, struct buf *out, unsigned status,
                   struct span type, struct span body);
/** The same, without a body, to a request that is answered anew when it comes again. */
void leg_send_once(struct call *c, struct call_effects *fx, const struct call_input *in, struct buf *out,
                   unsigned status);

/** A whole reply without a body to the request at hand: 200, 481, … kept: for repeats. */
void leg_reply(struct call *c, struct call_effects *fx, const struct call_input *in, unsigned status, bool kept);
/** Refuse the request at hand, with the headers its status asks for (Unsupported, Accept, Allow, Retry-After, Warning).
 */
void leg_refuse(struct call *c, struct call_effects *fx, const struct call_input *in, const struct refusal *no,
                bool kept);
/** Final reply other than 2xx to the first INVITE. no: more about the status; NULL: it says all. */
void leg_refuse_invite(struct call *c, struct call_effects *fx, unsigned status, const struct refusal *no);
/** The same bytes again. */
void leg_repeat(struct call_effects *fx, const Store__ServerTxn *txn);

/* --- requests of ours (leg_request.c) --- */

/** A request to be kept: its branch is made here, its bytes are those in `raw`, it goes where `d` leads. */
Store__ClientTxn *leg_request_new(const struct call *c, const char *method, const Store__Dialog *d, uint32_t cseq,
                                  struct span raw);
/** A BYE in this dialog; reason: value of its Reason header (RFC 3326), auth: a whole header line; both may be empty.
 */
Store__ClientTxn *leg_bye_new(const struct call *c, Store__Dialog *d, struct span reason, struct span auth);
/** Value of Reason in such a BYE that is out; empty: it has none. Borrows from it. */
struct span leg_bye_reason(const Store__ClientTxn *bye);
/** The ACK of a 2xx to our INVITE with this CSeq number (§13.2.2.4). */
Store__ClientTxn *leg_ack_new(const struct call *c, const Store__Dialog *d, uint32_t cseq, struct span sdp);
/** Takes the place of the one at `at`, which may be NULL, and is freed. */
void leg_request_put(Store__ClientTxn **at, Store__ClientTxn *txn);
/** Its bytes go, its branch stays for what comes again. */
static inline void leg_request_answered(Store__ClientTxn *txn)
{
    row_bytes(&txn->raw, span_of(NULL, 0));
}
/** Its body, while its bytes are kept. */
struct span leg_request_body(const Store__ClientTxn *txn);
/** It has no final answer yet. */
static inline bool leg_request_is_out(const Store__ClientTxn *txn)
{
    return txn != NULL && txn->raw.len > 0;
}
/** Is this the branch of the request? */
static inline bool leg_request_is(const Store__ClientTxn *txn, struct span branch)
{
    return txn != NULL && span_eq(row_span(txn->branch), branch);
}

/** BYE to the caller. It stays in row->client_txns until leg_requests_drop. */
void leg_bye(struct call *c, struct call_effects *fx, struct span reason);
bool leg_request_is_open(const struct call *c, struct span branch);
void leg_requests_drop(struct call *c);

/* --- the 2xx until its ACK (leg_2xx.c) --- */

/** The 2xx has just gone out: it is repeated from T1 on, for 64*T1 (§13.3.1.4). */
void leg_2xx_sent(struct call *c, struct call_effects *fx, struct now now);
void leg_2xx_repeat(struct call *c, struct call_effects *fx, struct now now);
/** ACK, or nobody waits for one any more: timers off; the initial INVITE's transaction is dropped. */
void leg_2xx_done(struct call *c, struct call_effects *fx);

#endif
