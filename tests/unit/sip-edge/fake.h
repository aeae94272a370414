/*
 * fake: an edge with neither network nor actors: what leaves is kept, what comes in is said by the test. Virtual time.
 */
#ifndef TESTS_UNIT_SIP_EDGE_FAKE_H
#define TESTS_UNIT_SIP_EDGE_FAKE_H

#include "common/sip/sip_index.h"
#include "sip-edge/edge.h"

#define FAKE_MAX 64

/* A datagram that left. */
struct fake_sent {
    char text[4096];
    size_t len;
    struct edge_path to;
    char owner[EDGE_KEY_MAX + 64];
    bool is_server;
};

/* A message an actor got; the body is a copy, decoded by the plane as the actor would. */
struct fake_told {
    unsigned shard;
    uint16_t type;
    ProtobufCMessage *m;
};

extern struct fake {
    struct edge edge;
    struct timers timers;
    int64_t now_ms;
    int say_rv; /* what the link answers */
    struct fake_sent sent[FAKE_MAX];
    unsigned sent_cnt;
    struct fake_told told[FAKE_MAX];
    unsigned told_cnt;
} fake;

/** Starts at 1000000 ms with `shards` actors, none of them there. conf may be NULL. */
void fake_begin(unsigned shards, const struct edge_conf *conf);
void fake_end(void);
/** Every actor is up and admits calls; what was said of it is forgotten. */
void fake_actors_ready(void);
void fake_admit(unsigned shard, bool calls);
/** Forget what left so far. */
void fake_forget(void);
/** Time passes; timers fire when they are due. */
void fake_wait(int64_t ms);

/** A datagram from 192.0.2.10:5062 (CRLF stands for every LF of `text`). */
void fake_rx(const char *text);
void fake_rx_from(const char *ip, uint16_t port, const char *text);
void fake_reply(unsigned shard, const char *txn, unsigned status, const char *text, const char *ip, uint16_t port);
void fake_request(unsigned shard, const char *branch, const char *method, const char *text);
void fake_cancel(unsigned shard, const char *branch, const char *reason);

/** The n-th datagram / message from the end (0: the last); fails the test when there are fewer. */
const struct fake_sent *fake_sent_back(unsigned n);
const struct fake_told *fake_told_back(unsigned n);
/** "SIP/2.0 200 OK" or "INVITE sip:… SIP/2.0" of it, in a static buffer. */
const char *fake_line(const struct fake_sent *s);
/** Value of the first header `name` of it, in a static buffer; NULL: not there. */
const char *fake_header(const struct fake_sent *s, const char *name);

#endif
