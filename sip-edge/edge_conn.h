/*
 * edge_conn: one connection, and what all of them share. Layer: sip-edge, private to edge_stream.
 *
 *   CONNECTING -> SECURING -> OPEN -> HALF -> (gone)        SECURING only with TLS, CONNECTING only when we call
 *                              |------> LAST -> (gone)      LAST: what came is no SIP; our answer is on its way
 */
#ifndef SIP_EDGE_EDGE_CONN_H
#define SIP_EDGE_EDGE_CONN_H

#include "common/base/map.h"
#include "sip-edge/edge_inbox.h"
#include "sip-edge/edge_notes.h"
#include "sip-edge/edge_stream.h"
#include "sip-edge/edge_stream_stat.h"
#include "sip-edge/edge_txq.h"
#include "sip-edge/edge_unsent.h"

enum edge_conn_state {
    EDGE_CONN_CONNECTING = 0,
    EDGE_CONN_SECURING = 1,
    EDGE_CONN_OPEN = 2,
    EDGE_CONN_HALF = 3, /* the peer says no more, but is owed answers */
    EDGE_CONN_LAST = 4, /* we say no more than what is queued, and listen to nothing */
    EDGE_CONN_GONE = 5, /* freed at the end of the turn */
};

/* Who connects to us. */
struct edge_source {
    struct map_node node;
    struct in6_addr addr; /* the key: IPv6 without its last 64 bits */
    uint32_t cnt;
};

struct edge_conn {
    struct edge_stream *s;
    struct loop_io *io;
    int fd;
    int dirs; /* watched now */
    uint8_t state;
    bool ours;          /* we connected */
    bool proven;        /* has said something that is SIP, or is ours */
    bool shut;          /* our side is closed */
    bool blocked;       /* the kernel took not all; it says when it takes more */
    bool tls_writes;    /* the handshake waits for room to write */
    bool pong;          /* a CRLF is in the queue already */
    bool indexed;       /* in s->by_peer */
    enum edge_gone why; /* for LAST */
    uint32_t slot;
    bool asked;            /* a request of ours went over it */
    uint32_t owed;         /* requests without a final response, about: what a half-closed connection waits for */
    size_t held;           /* bytes accounted to s->held */
    int64_t since_ms;      /* in this state */
    int64_t heard_ms;      /* last message or keep-alive, either way */
    int64_t busy_until_ms; /* an actor has said that it is not idle before */
    int64_t part_ms;       /* the message that is not whole began */
    int64_t stall_ms;      /* the queue has not moved since */
    struct edge_path path;
    struct edge_tls *tls; /* NULL: plain */
    struct edge_inbox in;
    struct edge_txq out;
    struct edge_notes notes;
    struct edge_source *source; /* NULL: not counted */
    struct timer timer;
    struct list ready;    /* in s->ready: can be read */
    struct list dirty;    /* in s->dirty: has something to write */
    struct list age;      /* in s->spare, or at the end in s->gone */
    struct map_node node; /* in s->by_peer */
    size_t key_len;
    size_t name_len; /* TLS of ours: the name that is verified ends the key */
    char key[];      /* see edge_conn_key */
};

struct edge_slot {
    struct edge_conn *conn;
    uint64_t generation; /* changes with each use, so that an old flow finds nothing */
};

struct edge_listener {
    struct edge_stream *s;
    struct loop_io *io;
    int fd;
    enum sip_transport transport;
    uint64_t looks; /* how often it has accepted, or tried to */
};

struct edge_stream {
    struct loop *loop;
    struct edge *edge;
    struct edge_stream_conf conf;
    struct edge_tls_ctx *tls;
    struct edge_listener listener[EDGE_STREAM_LISTENERS_MAX];
    size_t listener_cnt;
    struct sockaddr_storage bind; /* our connections leave from this address; family 0: the kernel's choice */
    struct edge_slot *slot;       /* conf.conns_max */
    uint32_t *free_slot;          /* stack */
    uint32_t free_cnt;
    uint32_t cnt;
    struct map by_peer;
    struct map sources;
    struct list ready;
    struct list dirty;
    struct list spare; /* who makes room when it is needed, first to last: said nothing yet, or says no more */
    struct list gone;
    struct timer breath; /* after descriptors ran out */
    bool paused;
    bool hold; /* the listeners only */
    size_t held;
    size_t budget;             /* bytes left to read in this turn */
    struct edge_unsent unsent; /* told at the turn's end */
    int64_t said_ms;           /* last line about a failed handshake */
    uint32_t unsaid;           /* failures since then */
    char scratch[EDGE_STREAM_READ_BYTES];
};

#define EDGE_CONN_KEY_MAX (1 + 2 + 16 + SIP_HOST_BYTES_MAX)

/** What makes two connections alike: transport, peer, port, and for TLS the name that was verified. returns its
 * length. */
size_t edge_conn_key(const struct edge_path *path, char *out);

/* --- life (edge_conn.c) --- */
/** fd is owned by the connection from here on. NULL: no room, and fd is still the caller's. The state is for the
 * caller to set. */
struct edge_conn *edge_conn_new(struct edge_stream *s, int fd, const struct edge_path *path, bool ours);
void edge_conn_enter(struct edge_conn *c, enum edge_conn_state state);
/** End it: its queue's owners will hear of it. It stays in memory until the end of the turn. */
void edge_conn_end(struct edge_conn *c, enum edge_gone why);
/** After what is queued, end it. */
void edge_conn_end_politely(struct edge_conn *c, enum edge_gone why);
void edge_conn_free(struct edge_conn *c);
/** A whole SIP message came. */
void edge_conn_prove(struct edge_conn *c);
/** Queue a message; false: it has been ended for being full. */
bool edge_conn_put(struct edge_conn *c, struct span bytes, struct span owner, bool is_server);
/** Watch what it waits for, and have its timer be right; after anything that happened to it. */
void edge_conn_settle(struct edge_conn *c);
/** Begin a TLS handshake. */
void edge_conn_secure(struct edge_conn *c);
bool edge_conn_wants_read(const struct edge_conn *c);

/* --- input and output (edge_conn_io.c) --- */
/** As much as its share of the turn; the edge hears of what is whole. */
void edge_conn_read(struct edge_conn *c);
/** What became of connecting is known. */
void edge_conn_connected(struct edge_conn *c);
/** As much as the kernel takes of what waits; nothing before the connection is open. */
void edge_conn_write(struct edge_conn *c);
/** A step of the TLS handshake. */
void edge_conn_shake(struct edge_conn *c);

/** Options of a socket that will connect, or of a listener, which hands them on. */
void edge_conn_tune(int fd);

/* --- who comes in (edge_accept.c) --- */
void edge_accept_init(struct edge_stream *s);
void edge_accept_start(struct edge_listener *l);
void edge_accept_watch(struct edge_stream *s);
/** The source of an accepted connection is gone. */
void edge_source_leave(struct edge_stream *s, struct edge_source *src);

/** May it be told (rate limit)? Then *missed is how many were not. */
bool edge_stream_may_say(struct edge_stream *s, uint32_t *missed);

#endif
