/*
 * edge: the heart of the process: transactions between the network and the call-actors. Layer: sip-edge.
 *
 * It owns no socket and no link: datagrams and messages come in through the functions below, and leave through the
 * functions of struct edge_out. So the very same code runs in the worker (edge_worker.c), in the unit tests with
 * virtual time, and in the fuzzer. One thread. Transports (edge_udp.c) and the resolver (edge_dns.c) plug in beside it.
 */
#ifndef SIP_EDGE_EDGE_H
#define SIP_EDGE_EDGE_H

#include "common/base/clock.h"
#include "common/base/list.h"
#include "common/rt/timer.h"
#include "common/sip/sip_msg.h"
#include "proto/plane.h"
#include "sip-edge/edge_addr.h"
#include "sip-edge/edge_challenge.h"
#include "sip-edge/edge_guard.h"
#include "sip-edge/edge_kept.h"
#include "sip-edge/edge_notes.h"
#include "sip-edge/edge_own.h"
#include "sip-edge/edge_switch.h"
#include "sip-edge/locate.h"
#include "sip-edge/locate_bad.h"
#include "sip-edge/txn.h"
#include "sip-edge/txn_index.h"

#define EDGE_SHARDS_MAX 16
#define EDGE_TXN_MAX (1u << 18)        /* transactions at once; then new requests get 503 */
#define EDGE_KEPT_BYTES_MAX (1u << 28) /* messages kept for them, together; same answer */
#define EDGE_GRACE_MS 3000             /* a call-actor may be away this long before calls are refused */
#define EDGE_RETRY_MS 100              /* what a full link did not take is offered again after this */
#define EDGE_KEY_MAX 480               /* bytes of a transaction key on the message plane; longer ones are hashed */
#define EDGE_WHY_MAX 160               /* text of a reason shown to operators */

struct edge;

/* How things leave. */
struct edge_out {
    void *user;
    /* A message. owner: the transaction that wants to hear of a failure (edge_send_failed); empty: nobody. */
    void (*send)(void *user, const struct edge_path *to, struct span bytes, struct span owner, bool is_server);
    /* Would a message on this path go over a connection that is there? NULL: there are no connections. */
    bool (*has)(void *user, const struct edge_path *to);
    /* Is the very connection that this path's flow names there? NULL: nobody can tell. */
    bool (*is_open)(void *user, const struct edge_path *to);
    /* Pin a call-actor's note to the connection of this path (edge_notes.h). false: there is no such connection. NULL:
     * there are none at all. */
    bool (*watch)(void *user, const struct edge_path *to, const struct edge_pin *pin);
    /* Our address on the way to a peer. false: it cannot be told. NULL: nor can any. */
    bool (*local)(void *user, const struct edge_path *to, struct in6_addr *out);
    /* A message to a call-actor. 0, -BUS_EDOWN or -BUS_EFULL. */
    int (*say)(void *user, unsigned shard, enum plane_type type, const ProtobufCMessage *body);
    /* The same for what may wait a moment for company (bus_send_later). NULL: nothing waits. */
    int (*say_later)(void *user, unsigned shard, enum plane_type type, const ProtobufCMessage *body);
    /* Ask a name server. The answer, borrowed until the next call, or NULL: it comes through edge_on_dns, later. NULL
     * instead of a function: names cannot be resolved. */
    const struct dns_answer *(*ask)(void *user, const struct dns_question *q);
};

struct edge_conf {
    const char *public_ip;     /* in our Via; without brackets; one, or one of each family: "192.0.2.1,2001:db8::1" */
    uint16_t public_port;      /* UDP and TCP */
    uint16_t public_sips_port; /* TLS; 0: there is none */
    uint16_t listen_port;      /* of the sockets themselves; 0: as the public ones */
    uint16_t listen_sips_port;
    uint32_t udp_bytes_max; /* longer requests go over TCP; 0: none does */
    unsigned shards;        /* 1..EDGE_SHARDS_MAX */
    uint32_t t1_ms;
    uint32_t txn_max;          /* 0: EDGE_TXN_MAX */
    size_t kept_bytes_max;     /* 0: EDGE_KEPT_BYTES_MAX */
    struct locate_means means; /* of the transports that are there; all zero: UDP over IPv4 */
    const char *trusted;       /* _TRUSTED_PEERS in normal form; NULL: nobody */
    uint32_t rate_limit;       /* _RATE_LIMIT; 0: none */
    uint32_t sources_max;      /* strangers and blocked sources at once; 0: SOURCES_MAX, BLOCKED_MAX */
    uint32_t block_s;          /* _BLOCK_S; 0: nobody is blocked */
    uint32_t calls_max;        /* _CALLS_MAX, a shard; 0: no bound on set-ups but the adaptive one */
};

/* What is known of one call-actor. */
struct edge_shard {
    struct edge *edge;
    unsigned no;
    bool up;
    bool ever_up;
    bool lost;              /* away for longer than EDGE_GRACE_MS */
    bool told;              /* EDGE_ADMIT has come */
    bool admits;            /* EDGE_ADMIT: calls may come */
    uint32_t retry_after_s; /* what it asked for; 0: our choice */
    char why[EDGE_WHY_MAX];
    struct edge_challenge challenge;
    struct list open;       /* server transactions it has not answered finally, oldest first */
    struct list untold;     /* client transactions whose last word it has not heard */
    struct edge_kept acks;  /* see edge_acks.h */
    struct edge_kept flows; /* ends of connections: see edge_flow.c */
    struct timer grace;     /* runs out EDGE_GRACE_MS after it went away */
    struct timer retry;     /* the link was full */
};

struct edge {
    struct edge_out out;
    struct timers *timers;
    struct now now; /* of the step at work */
    struct now started;
    struct txn_times times;
    struct txn_index index;
    struct locate_means means;
    struct locate_bad bad; /* addresses that failed a moment ago */
    struct map hops;       /* requests to names; see edge_hop.h */
    struct list waiting;   /* … those that wait for a name server */
    unsigned waiting_cnt;
    struct list backs; /* responses that wait for one; see edge_back.h */
    unsigned back_cnt;
    size_t kept_bytes;
    size_t kept_bytes_max;
    unsigned shard_cnt;
    struct edge_shard shard[EDGE_SHARDS_MAX];
    bool draining;
    struct edge_guard guard;
    uint64_t tag_key[2]; /* secret of the tags of stateless replies */
    struct edge_own own;
    struct edge_switch sw;

    /* Working memory of one step, kept to spare allocations. */
    struct sip_msg msg;   /* what came in */
    struct sip_msg again; /* a kept message, decoded anew */
    struct locate loc;    /* the search of a hop at work */
    struct buf key;
    struct buf other_key;
    struct buf line;    /* the message being written */
    struct buf offsets; /* its index */
};

/** In place. now: of the start. timers: the heap its timers live in; the caller runs it. Dies when memory is out. */
void edge_init(struct edge *e, const struct edge_conf *conf, const struct edge_out *out, struct timers *timers,
               struct now now);
/** Frees every transaction. */
void edge_fini(struct edge *e);

/** One datagram, or one framed message. Borrows `bytes`. */
void edge_rx(struct edge *e, const struct edge_path *from, struct span bytes, struct now now);
/** Start line and headers of a message whose end in its stream cannot be told (`err`: of sip_frame_next): refused, when
 * it can be. */
void edge_rx_unframed(struct edge *e, const struct edge_path *from, struct span head, int err, struct now now);
/** A message of call-actor `shard`; decoded and checked by the plane. Borrows `m`. */
void edge_on_actor(struct edge *e, unsigned shard, uint16_t type, const ProtobufCMessage *m, struct now now);
/** One that must not be handled, as it killed the edge twice (common/rt/work.h): whoever waits for it is told. */
void edge_on_poison(struct edge *e, unsigned shard, uint16_t type, const ProtobufCMessage *m, struct now now);
/** The link to a call-actor came up or went down. Every open server transaction is asked again when it comes up. */
void edge_actor_up(struct edge *e, unsigned shard, struct now now);
void edge_actor_down(struct edge *e, unsigned shard, struct now now);
/** A datagram that `owner` (a key given to edge_out.send) wanted sent could not be. */
void edge_send_failed(struct edge *e, struct span owner, bool is_server, struct now now);
/**
 * A network said that a datagram of ours, of which `sent` is the beginning, went nowhere (RFC 3261 §18.4). A client
 * INVITE fails, and any request that has another address to go to goes there; others are repeated: their peer may be
 * starting again.
 */
void edge_unreachable(struct edge *e, struct span sent, struct now now);
/** The answer to a question that edge_out.ask did not know. Borrows both. */
void edge_on_dns(struct edge *e, const struct dns_question *q, const struct dns_answer *a, struct now now);
/** A connection that requests of ours went over is gone: those that nothing was heard of go over another, once. */
void edge_flow_gone(struct edge *e, const struct edge_path *path, struct now now);
/** A connection that notes were pinned to is gone (edge_notes_all). */
void edge_flow_ended(struct edge *e, const struct edge_path *path, struct span notes, struct now now);
/** No new calls from now on (or again). */
void edge_drain(struct edge *e, bool on);

/** Can a new call be taken now? why: reason for people when not; static or of the edge's own. */
bool edge_is_ready(const struct edge *e, const char **why);
/** Every call-actor has said whether calls may come, or has had its time to: what is read now can be answered. */
bool edge_knows_actors(const struct edge *e, struct now now);
/** Every transaction has its answer: nothing would be cut off by leaving. */
bool edge_is_idle(const struct edge *e);
/** Append members of an object, "transactions":{…} and others: how many of each kind and state, and who is asked. */
void edge_report(const struct edge *e, struct buf *out);

#endif
