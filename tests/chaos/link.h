/*
 * link: how both sides of chaos_load reach the service, and it them: a UDP socket, or connections over TCP and TLS. One
 * to the service that ends is made again until link_finish(). Layer: tests/chaos.
 *
 * What is said while a connection is not there is lost; who waits for an answer hears of the new one (on_open) and says
 * it again. RFC 3261 has no timer for that, because a connection loses nothing: but a server's death takes what it had
 * not read, and its client cannot know. To say it again with the same branch is the only way that does nothing twice:
 * whoever has had it takes it for the same transaction (§17.2.3, the connection is no part of it), while a new branch
 * makes an INVITE a merged one (482, §8.2.2.2), and a new CSeq makes an INFO a second key.
 */
#ifndef TESTS_CHAOS_LINK_H
#define TESTS_CHAOS_LINK_H

#include "common/base/span.h"
#include <stdbool.h>
#include <stdint.h>

enum link_transport { LINK_UDP = 0, LINK_TCP, LINK_TLS, LINK_TRANSPORTS };
struct link;
typedef void link_message_fn(struct link *l, struct span m, int64_t now_us);
typedef void link_open_fn(struct link *l, bool again, int64_t now_us);

/* Callers, or callees. */
struct link_side {
    uint16_t service[LINK_TRANSPORTS];  /* where the service listens on loopback; 0: not over this */
    uint16_t port[LINK_TRANSPORTS];     /* our own, in Via and Contact */
    struct link *main[LINK_TRANSPORTS]; /* carries what has no connection of its own */
    link_message_fn *on_message;
    link_open_fn *on_open; /* a connection of ours is there; again: one that was lost */
};

struct link_counts {
    unsigned long made;     /* connections to the service */
    unsigned long lost;     /* of them, not ended by us */
    unsigned long accepted; /* from the service */
};
extern struct link_counts link_counts;

/** Before all else. pki: folder with ca.crt and the pair that callees show, sip-signaling; NULL: no TLS. */
void link_begin(const char *pki);
/** A way to the service. returns it, valid until link_end() */
struct link *link_new(struct link_side *side, enum link_transport transport);
/** Takes connections at side->port; is_deaf: keeps the port, and refuses them, as who is behind a NAT. */
void link_listen(struct link_side *side, enum link_transport transport, bool is_deaf);
/** Says a whole message; over the side's main one when this is one of the service's that has ended (RFC 3261 §18.2.2),
 * or finished. returns false when it is not there: the message is lost */
bool link_send(struct link *l, const char *text, int len);
/** Ours is over: says no more, hears the rest. NULL, and one of UDP: nothing. */
void link_finish(struct link *l);
/** Waits for so long at most, and hands over what has come. */
void link_wait(int ms);
/** Makes again what was lost. */
void link_on_time(int64_t now_us);
void link_end(void);

bool link_is_stream(const struct link *l);
/** Whether the service can connect to who has it. */
bool link_is_reachable(const struct link *l);
/** UDP, TCP, TLS. */
const char *link_name(const struct link *l);
/** Ours, for Via and Contact. */
uint16_t link_port(const struct link *l);
/** For the end of a URI in a Contact. */
const char *link_param(const struct link *l);
enum link_transport link_transport(const struct link *l);

#endif
