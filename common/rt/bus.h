/*
 * bus: the message plane: unix stream sockets, one per pair of processes. Layer: common/rt.
 *
 * Messages to a peer gather during a turn and leave as one batch at its end (wake-ups are what costs). A link is up
 * from the peer's Hello until its connection closes; whatever arrives on a connection before its Hello is dropped, and
 * nothing is kept for a peer that is down: who is owed an answer asks again when the peer is back (rule 3). Every
 * record is checked against the catalogue (may this peer say this) and plane_check before the handler sees it; a bad
 * one is counted, logged and dropped.
 */
#ifndef COMMON_RT_BUS_H
#define COMMON_RT_BUS_H

#include "common/rt/loop.h"
#include "proto/plane.h"

enum bus_err {
    BUS_EDOWN = 1, /* the peer is not there */
    BUS_EFULL = 2, /* the link's queue is full: apply back-pressure */
};

struct bus;
struct bus_link;

/* me: who speaks; epoch is the process's. The bus adds its own turn-end hook when it is made: hooks added before run
 * first. */
struct bus *bus_new(struct loop *l, const Plane__Hello *me);
void bus_free(struct bus *b);

struct bus_link_args {
    const char *path;  /* file of the ipc socket */
    bool listen;       /* else dial, and dial again for ever */
    Plane__Proc peer;  /* what the other side must say it is */
    uint32_t instance; /* which of them: for bus_neighbours alone */
    /* A Hello came: `fresh` when its epoch is not the one last seen (first contact included). Ask again here. */
    void (*on_up)(struct bus_link *k, const Plane__Hello *peer, bool fresh);
    void (*on_down)(struct bus_link *k);
    /* One decoded, checked message; borrowed for the call. */
    void (*on_msg)(struct bus_link *k, uint16_t type, const ProtobufCMessage *m);
    /* One that is set aside, as it killed this process twice (work.h): tell its sender. NULL: nobody is told. */
    void (*on_poison)(struct bus_link *k, uint16_t type, const ProtobufCMessage *m);
    /* One whose telling killed, too: who would wait for ever for what it says is let go. NULL: nobody would. */
    void (*on_mute_poison)(struct bus_link *k, uint16_t type, const ProtobufCMessage *m);
    void *user;
};

/** Opens the socket. returns the link (owned by the bus), or NULL with errno when the socket cannot be made. */
struct bus_link *bus_link_open(struct bus *b, const struct bus_link_args *args);
void *bus_link_user(const struct bus_link *k);
bool bus_link_is_up(const struct bus_link *k);
/** Monotonic ms when the link went down or was opened; 0 while it is up. */
int64_t bus_link_down_since(const struct bus_link *k);
const Plane__Hello *bus_link_peer(const struct bus_link *k); /* last Hello seen, or NULL */
/** Messages refused on all links of this process so far. */
uint64_t bus_refused(void);
/** Bytes waiting in this process. */
size_t bus_link_queued(const struct bus_link *k);

/**
 * Queue one message for the end of this turn: nothing leaves before every other turn-end hook has run. The body is
 * copied (encoded) at once. returns 0, -BUS_EDOWN or -BUS_EFULL; saying what the catalogue does not allow is a BUG
 */
int bus_send(struct bus_link *k, enum plane_type type, const ProtobufCMessage *body);

/** Something leaves at this turn's end. */
bool bus_is_urgent(const struct bus *b);

/**
 * Asks every peer that answers such questions whether somebody is there (PEER_PROBE). Its handler answers with
 * bus_answer_probe, so that the question takes the way of all others: through both queues and whoever serves them.
 * It passes a link that is full to others. While more waits on the link than was taken since the last call, and some
 * was, nobody's silence grows: question or answer are on their way.
 * passed_ms   time since the last call that may be counted against who has not answered: none that we stood still in
 */
void bus_probe(struct bus *b, uint32_t passed_ms);
/** The handler's answer to PEER_PROBE. */
void bus_answer_probe(struct bus_link *k, const ProtobufCMessage *probe);

#define BUS_NEIGHBOURS_MAX 64

/** One row a link but the supervisor's: how long its other end has been silent. returns how many; out: so many fit. */
size_t bus_neighbours(const struct bus *b, Plane__Neighbour out[BUS_NEIGHBOURS_MAX]);

#define BUS_LATER_MS 20              /* what nobody waits for leaves at most this much later */
#define BUS_LATER_BYTES (128u << 10) /* ... or when this much has gathered */

/** As bus_send, for what nobody waits for: it leaves with the next message that somebody does wait for, or when
 * BUS_LATER_MS or BUS_LATER_BYTES are over. Order among all messages of a link is kept. */
int bus_send_later(struct bus_link *k, enum plane_type type, const ProtobufCMessage *body);

/** Hands over what was said so far, before the turn's other hooks: for a process that commits nothing, and whose peers
 * are to know before the network does (sip-edge). */
void bus_flush(struct bus *b);

#define BUS_FINISH_MS 50 /* what a peer that does not read may cost a process that leaves */

/** Hands everything that was said to the kernel, what may wait included; after the last turn, before the process exits.
 * Waits for peers to read, BUS_FINISH_MS for all of them together. */
void bus_finish(struct bus *b);

#endif
