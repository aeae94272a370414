/*
 * outbox: events from the commit that made them until the broker has confirmed them (rule 4). Layer: call-actor.
 *
 * Events of one call leave in order and one at a time: the next only when the one before it is confirmed, so neither a
 * nack nor a reconnect can turn them round. At most OUTBOX_INFLIGHT_MAX are with the publisher. What it refuses
 * (unroutable, nacked) waits OUTBOX_AGAIN_MS and is sent again, for ever. Bodies are kept in memory up to
 * OUTBOX_MEM_BYTES; beyond that they are read back from the store when their turn comes, so that an absent broker costs
 * disk, not memory.
 */
#ifndef CALL_ACTOR_OUTBOX_H
#define CALL_ACTOR_OUTBOX_H

#include "call-actor/store.h"
#include "common/base/list.h"
#include "common/rt/bus.h"
#include "proto/store.pb-c.h"

#define OUTBOX_INFLIGHT_MAX 512u
#define OUTBOX_AGAIN_MS 5000
#define OUTBOX_MEM_BYTES (32u << 20)

struct outbox;

struct outbox *outbox_new(struct store *st, size_t events_max);
void outbox_free(struct outbox *o);
/** Takes up what the store holds. Before the first outbox_add. */
void outbox_load(struct outbox *o);

/**
 * One event into the open transaction of this turn.
 * row->event's seq is set here; the row is copied (encoded)
 */
void outbox_add(struct outbox *o, Store__OutboxRow *row, struct now now);

/** Sends what may leave now. Call at the end of a turn, after the commit. */
void outbox_pump(struct outbox *o, struct bus_link *pub, struct now now);
/** The publisher came (back): whatever it had is sent again. */
void outbox_peer_up(struct outbox *o);
void outbox_peer_down(struct outbox *o);
/** The broker has it: it leaves the store in this turn's transaction. An unknown seq is an answer given twice. */
void outbox_confirmed(struct outbox *o, uint64_t seq);
void outbox_refused(struct outbox *o, uint64_t seq, struct now now);

size_t outbox_count(const struct outbox *o);
bool outbox_is_full(const struct outbox *o);
/** Monotonic ms at which outbox_pump should run again for refused events, or INT64_MAX. */
int64_t outbox_next_ms(const struct outbox *o);

/** Oldest first, for `sigctl events`. state: "waiting", "sent", "refused". */
typedef void outbox_each_fn(void *user, uint64_t seq, uint64_t call_key, const char *state);
void outbox_each(struct outbox *o, size_t max, outbox_each_fn *fn, void *user);

#endif
