/*
 * edge_stat: what the edge counts. Layer: sip-edge. Names and labels are in edge_stat.c; /metrics shows them.
 */
#ifndef SIP_EDGE_EDGE_STAT_H
#define SIP_EDGE_EDGE_STAT_H

#include "common/base/stat.h"
#include "common/sip/sip_method.h"
#include "sip-edge/blocked.h"
#include "sip-edge/dns_msg.h"
#include "sip-edge/txn.h"

/* Why something that came in, or should go out, went no further. id, label, help for the reader of the code */
#define EDGE_DROP_LIST(X)                                                                                              \
    X(SHORT, "short") /* a datagram too short to be anything */                                                        \
    X(STUN, "stun")                                                                                                    \
    X(KEEPALIVE, "keepalive")           /* only CR and LF (RFC 5626 §4.4.1) */                                        \
    X(MALFORMED, "malformed")           /* cannot even be refused */                                                   \
    X(NOT_OURS, "not_ours")             /* a response whose top Via is not one of ours */                              \
    X(STRAY_RESPONSE, "stray_response") /* no client transaction */                                                    \
    X(STRAY_ACK, "stray_ack")           /* neither of a transaction nor of a dialog of ours */                         \
    X(ACTOR_DOWN, "actor_down")         /* an ACK of a 2xx; the 2xx comes again, and so will the ACK */                \
    X(FULL, "full")                     /* no room, and nobody to be told so */                                        \
    X(SEND_FULL, "send_full")           /* the kernel and our queue are full */                                        \
    X(UNREACHABLE, "unreachable")       /* ICMP: a client transaction was told */                                      \
    X(SEND_FAILED, "send_failed")                                                                                      \
    X(BLOCKED, "blocked")       /* its source is blocked */                                                            \
    X(SCANNER, "scanner")       /* a known scanner's */                                                                \
    X(RATE, "rate_limit")       /* over _RATE_LIMIT, and told so already */                                            \
    X(CLAIM, "claim_limit")     /* too many that claim to belong to something, without proof */                        \
    X(REPLY, "reply_limit")     /* an answer that would have made us an amplifier */                                   \
    X(POLICY, "policy")         /* the policy answers with silence */                                                  \
    X(ACTOR_LATE, "actor_late") /* the actor's word about a transaction that is over */

enum edge_drop {
#define EDGE_DROP_ENUM(id, label) EDGE_DROP_##id,
    EDGE_DROP_LIST(EDGE_DROP_ENUM)
#undef EDGE_DROP_ENUM
        EDGE_DROPS
};

/** Makes them known to /metrics; once a process. */
void edge_stat_register(void);

void edge_stat_drop(enum edge_drop why);
int64_t edge_stat_drops(enum edge_drop why);
void edge_stat_request(enum sip_method m); /* received */
void edge_stat_response(unsigned status);  /* received */
void edge_stat_reply(unsigned status);     /* sent: first time, by an actor or by the edge */
/** Final responses sent so far, and those of them that say 5xx. */
void edge_stat_finals(uint64_t *finals, uint64_t *failures);
void edge_stat_own_reply(unsigned status); /* of these, by the edge itself */
void edge_stat_sent_request(enum sip_method m);
void edge_stat_repeat_in(bool is_server);  /* absorbed: request or response seen before */
void edge_stat_repeat_out(bool is_server); /* sent again by a timer or for a repeated request */
void edge_stat_txn(enum txn_kind kind, int change);
void edge_stat_kept(int64_t bytes);
void edge_stat_asked_again(void);
void edge_stat_adopted(void);
void edge_stat_timeout(enum txn_kind kind); /* B, F, H */
void edge_stat_dns(enum dns_status result); /* of a name server, not of the cache */
void edge_stat_dns_ask(bool cached);
void edge_stat_waiting(unsigned cnt); /* requests that wait for a name server, now */
void edge_stat_failover(void);        /* a request went to the next candidate */
int64_t edge_stat_failovers(void);
void edge_stat_block(enum blocked_why why); /* a source was blocked */
void edge_stat_blocked(size_t cnt);         /* sources blocked now */
/** An INVITE that the edge itself refuses. */
void edge_stat_invite_refused(unsigned status);
void edge_stat_shed(void); /* a new call was refused: too many set-ups in flight */
void edge_stat_setups(int64_t in_flight, int64_t limit);
void edge_stat_setup(int64_t ms); /* a new call got its first answer from its actor */

#endif
