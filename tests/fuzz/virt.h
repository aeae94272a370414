/*
 * virt: common/rt and the store in virtual time, for a worker that runs inside a fuzzer. The functions of loop.h,
 * bus.h, worker.h and store.h that call-actor uses are defined in virt_rt.c and virt_store.c and stand in for the real
 * ones when the fuzzer is linked.
 *
 * One worker a shard, all at the same time of day. Everything one says waits until the end of its turn, when its hooks
 * have run: a kill before that loses what was said and what was not committed, as the real one does.
 */
#ifndef TESTS_FUZZ_VIRT_H
#define TESTS_FUZZ_VIRT_H

#include "call-actor/store.h"
#include "common/base/list.h"
#include "common/rt/worker.h"

#define VIRT_WALL_0 INT64_C(1750000000000)

/* A record on its way, as plane_batch_add encoded it. */
struct virt_msg {
    struct list link;
    uint16_t type;
    size_t len;
    uint8_t body[];
};

struct virt;

struct bus_link {
    struct virt *of;
    struct bus_link_args args;
    Plane__Hello hello; /* of the peer */
    bool up, ever_up;
    bool full; /* the next sends do not fit */
    int64_t down_since;
    struct list said; /* in this turn */
    struct list wire; /* left, not yet taken by the peer */
};

#define VIRT_LINKS 3
#define VIRT_SHARDS_MAX 4

/* The worker of one shard. */
struct virt {
    struct timers timers; /* of the worker */
    struct bus_link link[VIRT_LINKS];
    size_t link_cnt;
    void *state; /* worker_set_state */
    loop_hook_fn *hook;
    void *hook_user;
    int64_t open_since_ms; /* the store has had changes that are not committed since; 0: it has none */
};

extern struct virt virt[VIRT_SHARDS_MAX];
extern struct now virt_now; /* of all of them; kept by the caller */

/** How many shards the settings name: 1 unless it is said before the first worker begins. */
void virt_set_shards(unsigned cnt);
unsigned virt_shards(void);
unsigned virt_shard_of(const struct virt *v);
/** Begins a worker's life: no links, no timers. */
void virt_begin(struct virt *v);
/** kill -9: what was said and not committed is gone; links and timers too. What left already stays on the wire of
 * `keep` (VIRT_LINKS lists, initialised here). */
void virt_kill(struct virt *v, struct list keep[VIRT_LINKS]);
/** Runs the hooks; then what was said leaves. */
void virt_turn_end(struct virt *v);
/** Fires what is due at virt_now, a turn each. */
void virt_run_timers(struct virt *v);
/** The peer came (with a new epoch) or went. A turn each. */
void virt_link_up(struct bus_link *k);
void virt_link_down(struct bus_link *k);
/** The worker hears `m` from the peer, decoded and checked as the bus does. The turn goes on. */
void virt_hear(struct bus_link *k, uint16_t type, struct span body);
/** Encodes a message. Owned by the caller: free(). */
struct virt_msg *virt_msg_new(uint16_t type, const ProtobufCMessage *m);
/** Decodes one; it must pass. Free with protobuf_c_message_free_unpacked. */
ProtobufCMessage *virt_msg_decode(uint16_t type, struct span body);
void virt_list_free(struct list *l);

/* The stores, one a shard. They outlive the workers. */
void virt_store_wipe(void);
size_t virt_store_rows(unsigned shard, enum store_table t);
/** Nothing is open. */
bool virt_store_is_committed(unsigned shard);
void virt_store_roll_back(unsigned shard);

#endif
