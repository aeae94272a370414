/*
 * edge_guard: who is listened to, and how much. Layer: sip-edge.
 *
 * It stands between decoding and everything else. Trusted peers pass with one look at a short list. Of everybody else
 * it knows what is left of the allowances (source.h), who is blocked (blocked.h), and which dialogs are real
 * (tagset.h). Calls in progress pass: what belongs to a transaction that is there, or carries a tag an actor uses, is
 * served also from a source that is blocked or over its limit. What goes out to an address that nothing has proven is
 * limited in bytes, repeats too. New calls of anybody meet the adaptive bound (shed.h).
 * docs/abuse.md says it for operators.
 */
#ifndef SIP_EDGE_EDGE_GUARD_H
#define SIP_EDGE_EDGE_GUARD_H

#include "common/base/buf.h"
#include "common/base/log.h"
#include "common/rt/timer.h"
#include "common/sip/sip_msg.h"
#include "sip-edge/blocked.h"
#include "sip-edge/edge_addr.h"
#include "sip-edge/policy.h"
#include "sip-edge/shed.h"
#include "sip-edge/source.h"
#include "sip-edge/tagset.h"
#include "sip-edge/trust.h"

#define GUARD_REINVITE_COST                                                                                            \
    12                    /* claims a re-INVITE with an unknown tag counts for: its refusal is sent up to 12 times */
#define GUARD_LOG_MS 1000 /* at most one line about blocked sources in this time */
/* Lines about INVITEs the edge refuses, a second: those of strangers must not hide those of peers. */
#define GUARD_REFUSED_TRUSTED_PER_S 20
#define GUARD_REFUSED_STRANGERS_PER_S 5
#define GUARD_REPORT_MAX 1000 /* blocked sources that `sigctl blocked` lists */

struct edge;
struct edge_txn;
struct edge_word;
struct edge_conf;
struct sip_msg;

struct edge_guard {
    struct trust trust;
    struct sources sources;
    struct blocked blocked;
    struct tagset tags;
    struct shed shed;
    int64_t block_ms;  /* 0: nobody is blocked */
    struct timer beat; /* runs while set-ups are in flight: is the loop late? */
    int64_t beat_due_ms;
    int64_t log_next_ms;
    uint32_t log_held; /* lines not written since the last one */
    struct log_gate refused_trusted;
    struct log_gate refused_strangers;
};

void edge_guard_init(struct edge *e, const struct edge_conf *conf);
void edge_guard_fini(struct edge *e);

/** Is the peer one of _TRUSTED_PEERS? */
bool edge_guard_trusts(const struct edge *e, const struct edge_path *from);
/** What the policy says about a new request. */
struct policy edge_guard_policy(const struct edge *e, const struct sip_msg *m, const struct edge_path *from);
/** The request in e->msg, whose transaction key is in e->key. false: it goes no further; it has its answer, or gets
 * none.
 */
bool edge_guard_request(struct edge *e, const struct edge_path *from);
/** A malformed request of that many bytes. false: it is not to be answered. */
bool edge_guard_fault(struct edge *e, const struct edge_path *from, size_t bytes);
/** A response without a client transaction. false: it goes no further. */
bool edge_guard_stray(struct edge *e, const struct edge_path *from);
/** A stateless answer of our own. false: it must not be sent. */
bool edge_guard_reply(struct edge *e, const struct edge_path *to, unsigned status, size_t bytes);

/** Are the replies to a request from there, with this To tag (may be empty), to be charged to its source? So it is
 * while they may go to whom somebody forged: a stranger's over UDP, with no tag that an actor uses. */
bool edge_guard_charges(const struct edge *e, const struct edge_path *from, struct span to_tag);
/** A reply of such a transaction, the first time or again. false: it must not be sent. */
bool edge_guard_charge(struct edge *e, const struct edge_path *to, size_t bytes);

/** The edge refuses the INVITE `m` with `status`: one line at info, and the counter. reason: empty: the status says it.
 */
void edge_guard_say_refused(struct edge *e, const struct edge_path *from, const struct sip_msg *m, unsigned status,
                            struct span reason);
/** An answer with this status goes to a peer: does it make him suspicious? */
void edge_guard_note(struct edge *e, const struct edge_path *to, unsigned status);
/** An actor uses this tag for a dialog. */
void edge_guard_learn(struct edge *e, struct span tag);
/** The peer takes part in a call of ours. */
void edge_guard_vouch(struct edge *e, const struct edge_path *peer);

/** May a new call begin? If so, edge_guard_opened with its transaction, or edge_guard_not_opened, must follow. */
bool edge_guard_admits(struct edge *e);
void edge_guard_opened(struct edge_txn *x);
void edge_guard_not_opened(struct edge *e);
/** A server transaction gives its answer w (100 too). */
void edge_guard_answered(struct edge_txn *x, const struct edge_word *w);
/** A transaction is dropped. */
void edge_guard_dropped(struct edge_txn *x);

/** Append {"blocked":[…],…}, the latest first. */
void edge_guard_report(struct edge *e, struct now now, struct buf *out);
/** false: `source` is no address, or not blocked. */
bool edge_guard_unblock(struct edge *e, struct span source, struct now now);

#endif
