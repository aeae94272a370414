/*
 * stream_kit: an edge with real connections on loopback, and peers that do as the test says. Private ports; waits for
 * states, with a deadline.
 */
#ifndef TESTS_UNIT_SIP_EDGE_STREAM_KIT_H
#define TESTS_UNIT_SIP_EDGE_STREAM_KIT_H

#include "sip-edge/edge_conn.h"
#include "sip-edge/edge_stat.h"

#define KIT_DEADLINE_MS 10000
#define KIT_PEERS_MAX 128

#define KIT_REQUEST(method, branch, port)                                                                              \
    method " sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:" port ";branch=z9hG4bK" branch "\r\n"                \
           "From: <sip:a@b>;tag=1\r\nTo: <sip:127.0.0.1>\r\nCall-ID: " branch "\r\nCSeq: 1 " method "\r\n"             \
           "Max-Forwards: 70\r\nContact: <sip:a@127.0.0.1>\r\nContent-Length: 0\r\n\r\n"
#define KIT_OPTIONS(branch) KIT_REQUEST("OPTIONS", branch, "5060")

extern struct kit {
    struct loop *loop;
    struct edge edge;
    struct edge_stream *stream;
    int listener;
    uint16_t port;  /* of it */
    int say_rv;     /* what the link answers */
    unsigned asked; /* requests the actor was given */
    char txn[EDGE_KEY_MAX];
    size_t txn_len;      /* of the last one */
    unsigned failed;     /* requests of the actor's that failed */
    unsigned flows_gone; /* EDGE_FLOW_GONE; the last one's: */
    bool flow_ended;
    char flow_note[32];
    unsigned udp; /* datagrams sent */
    char udp_line[64];
} kit;

/** conf: NULL for one that fits everybody. */
void kit_begin(const struct edge_stream_conf *conf);
void kit_end(void);
/** Turns the loop until it is so; fails the test at the deadline. */
void kit_wait(bool (*question)(void));
/** Turns the loop a few times. */
void kit_turn(void);

/** A connected peer, non-blocking; the kit closes what is left open. */
int kit_connect(void);
/** The service has as many connections. */
void kit_wait_open(unsigned n);
void kit_say(int fd, const void *p, size_t n);
/** What has come from it so far, up to out_size - 1 bytes; *closed: it has ended. */
size_t kit_hear(int fd, char *out, size_t out_size, bool *closed);
/** Until `words` stand in what it says; the whole text so far is returned. */
const char *kit_wait_words(int fd, const char *words);
void kit_wait_closed(int fd);
/** A listening socket on loopback and its port. */
int kit_listen(uint16_t *port);
/** Waits for a connection to it. */
int kit_accept(int listener);

/** A reply of the actor to the last request: status line and all of it. */
void kit_reply(unsigned status, const char *branch, const char *method, uint16_t via_port);
/** A request of the actor's to a URI. bytes: padded to about that length; 0: as it is. */
void kit_request(const char *branch, const char *method, const char *next_hop, size_t bytes);
/** Its only connection. */
struct edge_conn *kit_conn(void);

#endif
