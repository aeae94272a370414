/*
 * edge_hop: an actor's request on its way to the first address of its target that serves it. Layer: sip-edge, private.
 * RFC 3263 §4.3.
 *
 * A request to a name waits here for the name servers, then opens a client transaction to the first candidate. When
 * that one answers 503, does not answer or cannot be reached, the next candidate gets a transaction of its own: branch
 * "<txn>.2" and so on. The actor sees none of it: one request under the branch it chose, and one outcome.
 */
#ifndef SIP_EDGE_EDGE_HOP_H
#define SIP_EDGE_EDGE_HOP_H

#include "sip-edge/edge_txn.h"

#define EDGE_HOPS_WAITING_MAX 4096      /* requests that wait for name servers; more are told NO_ROUTE */
#define EDGE_HOP_WAIT_MS 10000          /* … this long together; then with what was found, or NO_ROUTE */
#define EDGE_HOP_WAIT_IN_DIALOG_MS 2000 /* … those that may go where their peer is known to be */
#define EDGE_HOP_MORE_MS 500            /* … for further candidates when there is one */

struct edge_hop {
    struct map_node node; /* in edge.hops, under key */
    struct list link;     /* in edge.waiting, or in none */
    struct edge_shard *shard;
    struct edge_txn *x;    /* the transaction in use; NULL: it waits */
    struct locate *loc;    /* while it waits */
    struct timer due;      /* … at the longest until then */
    struct edge_bytes raw; /* the request as the actor gave it, while there is another candidate */
    struct edge_path dest; /* of the actor's: when nothing is found; port 0: none */
    bool secure;           /* for sips: over TLS or not at all (RFC 3261 §26.2.2) */
    struct locate_candidate candidate[LOCATE_CANDIDATES_MAX];
    unsigned cnt, at;
    size_t txn_len; /* of key: what the actor knows it by */
    size_t key_len;
    size_t name_len;
    char key[]; /* txn;METHOD; behind it the host name that TLS peers must prove */
};

void edge_hops_init(struct edge *e, const struct locate_means *means);
void edge_hops_fini(struct edge *e);

struct edge_hop_args {
    struct edge_shard *shard;
    struct span key; /* txn;METHOD: unknown so far */
    struct span txn; /* the branch the actor chose */
    struct span raw;
    const struct edge_path *dest; /* locate: the last resort; may be NULL */
    struct span name;             /* locate: filled in by it */
    bool own;                     /* direct: it comes back to us */
};
/** Send to a->dest, without more ado. returns NULL, or why it cannot be sent (static) */
const char *edge_hop_direct(const struct edge_hop_args *a);
/** Send to where the URI in `text` leads, at once or when it is known; over TLS alone when that or the Request-URI is a
 * sips URI. returns NULL, or why not, when that is known at once. */
const char *edge_hop_locate(const struct edge_hop_args *a, struct span text);

struct edge_hop *edge_hop_find(struct edge *e, struct span key);
/** For the log, when a request of an actor fails: its Call-ID; empty when it has none. */
struct span edge_hop_call_id(struct span raw);
/** It still waits: it is not sent any more, and the actor is told so. */
void edge_hop_cancel(struct edge_hop *h);

/* What its transaction says (edge_txn.c, edge_txn_fx.c). true: another candidate is tried, and nobody is to be told. */
bool edge_hop_heard(struct edge_txn *x, unsigned status);
bool edge_hop_failed(struct edge_txn *x, enum txn_cause cause);
/** Would a failure now lead to another candidate? */
bool edge_hop_has_next(const struct edge_txn *x);
/** Its transaction is being freed. */
void edge_hop_over(struct edge_hop *h);

/** The actor's branch of a branch that may be a further candidate's. */
struct span edge_hop_txn_of(struct span branch);

#endif
