/*
 * edge_txn: a transaction with what its machine does not know: bytes, addresses, timers, the actor it belongs to.
 * Layer: sip-edge, private to it. Performs the effects of txn.h.
 */
#ifndef SIP_EDGE_EDGE_TXN_H
#define SIP_EDGE_EDGE_TXN_H

#include "sip-edge/edge.h"

struct edge_bytes {
    char *p; /* from malloc; NULL: none */
    size_t len;
};

struct edge_txn {
    struct txn t;
    uint8_t tmr[TXN_SLOTS]; /* enum txn_tmr that runs in each slot */
    uint8_t method;         /* enum sip_method */
    bool in_dialog;         /* server: the request has a To tag */
    bool asked;             /* server: the actor, as it runs now, was given the request */
    bool asked_before;      /* … one that is gone was */
    bool mute;              /* client: a CANCEL of our own; nobody is told */
    bool own;               /* client: for ourselves (edge_hairpin.h) */
    bool untold;            /* client: the actor was away when the last word came */
    bool switched;          /* client: too long for UDP, so it went over TCP (edge_switch.h) */
    bool turned;            /* server: its replies go to the sent-by (edge_back.h) */
    bool resent;            /* client: its connection was lost, and it was sent over another */
    bool failed;            /* client: the last word is `cause`, not `heard` */
    bool sent;              /* client: the request went out once */
    bool overdue;           /* IST: timer U fired in this step */
    bool trying;            /* IST: timer T fired in this step */
    bool doomed;            /* memory ran out for its timer */
    bool setting_up;        /* IST: a new call that its actor has not answered (edge_guard) */
    bool charged;           /* server: its replies count against its source (edge_guard_charges) */
    int64_t since_ms;       /* setting_up: since when */
    int64_t came_ms;        /* IST: the INVITE did */
    int64_t asked_ms;       /* IST: asked: since when */
    uint8_t cause;
    uint16_t heard_status;
    uint16_t reply_port; /* server: where replies go (§18.2.2, RFC 3581 §4) */
    uint16_t key_len;
    uint16_t id_len; /* how much of the key the actor knows it by: all (server), the branch it chose (client) */
    struct edge_shard *shard;
    struct edge_hop *hop; /* client: the target that has more addresses (edge_hop.h), or NULL */
    struct txn_entry entry;
    struct list link; /* in shard->open or shard->untold */
    struct timer timer[TXN_SLOTS];
    struct edge_path path;     /* server: where the request came from; client: where it goes */
    struct edge_bytes request; /* server: until answered; client: as sent, until answered */
    struct edge_bytes reply;   /* server: the last one; ICT: the ACK of a 300-699 */
    struct edge_bytes heard;   /* client: the last response */
    struct edge_bytes reason;  /* ICT: Reason value for the CANCEL to come */
    char key[];                /* and behind it path.name */
};

/* What a step is about. */
struct edge_word {
    struct span bytes;            /* the message */
    const struct sip_msg *msg;    /* decoded; NULL when nobody needs it */
    const struct edge_path *from; /* received from */
    uint16_t status;              /* of a response */
};

struct edge_txn_args {
    enum txn_kind kind;
    enum sip_method method;
    struct span key;
    size_t id_len;
    struct span request; /* copied; may be empty */
    const struct edge_path *path;
    struct edge_shard *shard;
    struct edge_hop *hop;
    uint16_t reply_port;
    bool in_dialog;
    bool charged;
    bool mute;
    bool own;
    bool switched;
};

/** NULL: no room or no memory. Ownership stays with the edge; the transaction frees itself when it is over. */
struct edge_txn *edge_txn_new(struct edge *e, const struct edge_txn_args *a);
/** One step and its effects. w may be NULL. false: the transaction is gone. */
bool edge_txn_do(struct edge_txn *x, enum txn_what what, const struct edge_word *w);
/** A client transaction that nothing was heard of begins anew, its request as it is now. */
void edge_txn_restart(struct edge_txn *x, bool reliable);
/** Server: send the last reply again, if it is kept. */
void edge_txn_reply_again(struct edge_txn *x);
/** Server: its sender says it again over another connection (w->from). Replies go there from now on, and the actor is
 * told, whose dialog goes over, too. */
void edge_txn_follow(struct edge_txn *x, const struct edge_word *w, uint16_t reply_port);
/** The connection its request went over is gone, and nothing was heard: the request goes once over another. */
void edge_txn_resend(struct edge_txn *x);
/** Answer a server transaction in the actor's place. Without its request it is dropped. false: it is gone. */
bool edge_txn_refuse(struct edge_txn *x, unsigned status);
/** Give the request to the actor (again); false: the link takes no more now. */
bool edge_txn_ask_again(struct edge_txn *x);
/** Tell the actor the last word (again). The transaction may be gone afterwards. */
void edge_txn_tell_again(struct edge_txn *x);
/** Unlink, stop timers, free. */
void edge_txn_drop(struct edge_txn *x);

struct edge_txn *edge_txn_server(struct edge *e, struct span key);
struct edge_txn *edge_txn_client(struct edge *e, struct span key);
static inline struct span edge_txn_id(const struct edge_txn *x)
{
    return span_of(x->key, x->id_len);
}
/* Shared by edge_txn.c and edge_txn_fx.c. */
void edge_bytes_forget(struct edge *e, struct edge_bytes *b);
/** Keeps a copy in place of what was kept before. false: over the byte cap or out of memory; nothing is kept then. */
bool edge_bytes_keep_dup(struct edge *e, struct edge_bytes *b, struct span s);
/** Performs the effects of a step. false: the transaction is gone. */
bool edge_txn_perform(struct edge_txn *x, const struct txn_fx *fx, const struct edge_word *w);

/** A server transaction key fit for the message plane (EDGE_KEY_MAX): itself, or its hash. Rewrites *key in place. */
void edge_key_fit(struct buf *key);

#endif
