/*
 * edge_stream: SIP over TCP and TLS. Layer: sip-edge. RFC 3261 §18, RFC 5626 §3.5.1 (keep-alive).
 *
 * All connections, those that were accepted and those made by us. A message goes over the connection its path names
 * (flow), else over one to the same peer, else over a new one. Each connection has a bounded queue each way, and all
 * together a bounded number of bytes; a turn reads a bounded number of bytes, fairly. Nothing here blocks, and no
 * function calls into the edge but the turn's end: what fails is told then.
 */
#ifndef SIP_EDGE_EDGE_STREAM_H
#define SIP_EDGE_EDGE_STREAM_H

#include "common/rt/loop.h"
#include "sip-edge/edge.h"
#include "sip-edge/edge_tls.h"

#define EDGE_STREAM_READ_BYTES 65536           /* one connection's share of a turn */
#define EDGE_STREAM_TURN_BYTES (1u << 20)      /* read in a turn; the rest waits in the kernel */
#define EDGE_STREAM_READ_COST 512              /* least that a read counts for, however few bytes came */
#define EDGE_STREAM_HANDSHAKE_COST 65536       /* what a step of a TLS handshake counts for: they cost about a ms */
#define EDGE_STREAM_TX_HIGH (128u << 10)       /* a peer that does not read this much is not read from either */
#define EDGE_STREAM_HELD_BYTES_MAX (64u << 20) /* in all queues together */
#define EDGE_STREAM_ACCEPT_TURN 64             /* connections accepted a turn and listener */
#define EDGE_STREAM_LISTENERS_MAX 4
#define EDGE_STREAM_SLOTS_MAX (1u << 16) /* connections there can be numbers for */

/* In ms. */
#define EDGE_STREAM_UNPROVEN_MS 60000  /* until the first SIP message of who connects to us */
#define EDGE_STREAM_MESSAGE_MS 30000   /* from a message's first byte to its last */
#define EDGE_STREAM_STALL_MS 30000     /* the peer takes nothing of what waits for it */
#define EDGE_STREAM_HANDSHAKE_MS 10000 /* TLS */
#define EDGE_STREAM_LINGER_MS 2000     /* after our last word, for the peer to read it */
#define EDGE_STREAM_BREATH_MS 200      /* no accepting after descriptors ran out */

struct edge_stream;

struct edge_stream_conf {
    uint32_t conns_max;      /* at once */
    uint32_t per_source_max; /* of them, accepted from one address (IPv6: one /64); 0: no limit */
    uint32_t idle_ms;        /* nothing said: closed; 0: never */
    uint32_t t1_ms;
    bool (*is_exempt)(void *user, const struct in6_addr *peer); /* from per_source_max; may be NULL */
    void *user;
};

/** Dies when memory is out. */
struct edge_stream *edge_stream_new(struct loop *l, struct edge *e, const struct edge_stream_conf *conf);
void edge_stream_free(struct edge_stream *s);
/** TLS from now on by these certificates; ctx is owned (NULL: no TLS). Connections there are go on with theirs. */
void edge_stream_set_tls(struct edge_stream *s, struct edge_tls_ctx *ctx);
/** fd: listening socket, not owned. returns 0, or -1 with errno. */
int edge_stream_listen(struct edge_stream *s, int fd, enum sip_transport transport);
/** fd: a connected socket, owned from here on, as if it had been accepted. false: refused, and closed. */
bool edge_stream_adopt(struct edge_stream *s, int fd, enum sip_transport transport);
/** Queue a message; fits edge_out.send. A failure is told at the end of a turn. */
void edge_stream_send(struct edge_stream *s, const struct edge_path *to, struct span bytes, struct span owner,
                      bool is_server);
/** Is there a connection that a message to this path would go over? */
bool edge_stream_has(struct edge_stream *s, const struct edge_path *to);
/** Is it the one this path's flow names? Another connection to the same peer is another's: behind a NAT it may be
 * another phone's. */
bool edge_stream_is_open(struct edge_stream *s, const struct edge_path *to);
/** Fits edge_out.watch. A note for which there is no room is not kept, and that is no failure. */
bool edge_stream_watch(struct edge_stream *s, const struct edge_path *to, const struct edge_pin *pin);
/** Does it accept now from this listening socket, and how often has it looked? */
bool edge_stream_reads(const struct edge_stream *s, int fd, uint64_t *looks);
/** No accepting: new connections wait in the kernel. */
void edge_stream_hold(struct edge_stream *s, bool on);
/** No more accepting and reading: new connections wait in the kernel for who comes after us. */
void edge_stream_pause(struct edge_stream *s);
/** Append "connections":{…}, a member of an object. */
void edge_stream_report(const struct edge_stream *s, struct buf *out);

#endif
