/*
 * virt_service: the edge and the call-actors behind it in virtual time, with the wires between all processes in
 * the tester's hands: what was said waits on them until it is delivered, and either process can be killed at any
 * moment.
 */
#ifndef TESTS_FUZZ_VIRT_SERVICE_H
#define TESTS_FUZZ_VIRT_SERVICE_H

#include "sip-edge/edge.h"
#include "tests/fuzz/virt.h"

enum { TO_EDGE = 0, TO_ORCH = 1, TO_PUB = 2 }; /* an actor's links */

/* Connections, where the tester has some. */
struct service_streams {
    bool (*has)(void *user, const struct edge_path *to);
    bool (*is_open)(void *user, const struct edge_path *to);
    bool (*watch)(void *user, const struct edge_path *to, const struct edge_pin *pin);
    void (*send)(const struct edge_path *to, struct span bytes, struct span owner, bool is_server);
};

struct service {
    const struct service_streams *streams; /* NULL: there are none */
    struct edge edge;
    struct timers edge_timers;
    struct list to_actor[VIRT_SHARDS_MAX]; /* from the edge, on the wire */
    bool edge_full;
    int64_t full_until_ms;       /* who takes nothing for longer is killed by the supervisor */
    bool alive[VIRT_SHARDS_MAX]; /* the actors */
    bool edge_died;
    /* The tester's: a message left for a peer. stateless: no transaction of the edge stands behind it. */
    void (*said)(const struct edge_path *to, struct span bytes, bool stateless);
};

extern struct service service;

/** Before all else. The shards are those of virt_set_shards. */
void service_init(void);
void service_edge_begins(void);
void service_edge_ends(void); /* it left nothing behind; a kill is this, too */
/** The edge, newly started, may turn away the repeat of an INVITE whose call goes on. */
bool service_edge_may_refuse(void);
void service_actor_begins(unsigned shard);
/** kill -9. What had left its sockets still arrives, or not. */
void service_actor_dies(unsigned shard, bool arrives);
/** Nothing when it is so already. `link`: TO_EDGE ... */
void service_link_up(unsigned shard, size_t link);
void service_link_down(unsigned shard, size_t link);
/** "ready", "connecting": what the orchestrator says of media-service. */
void service_tell_dependencies(unsigned shard, const char *state);
/** User 1, whom everybody calls, has two phones. */
void service_register_callee(void);
/** Every process runs and every link is up and takes what it is given. */
void service_all_up(void);
/** One message of that link, or of the edge. false: there is none. */
bool service_deliver_from_actor(unsigned shard, size_t link);
bool service_deliver_to_actor(unsigned shard);
void service_deliver_all(void);

#endif
