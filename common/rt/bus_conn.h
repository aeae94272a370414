/*
 * bus_conn: one end of a link: a unix stream socket that carries batches, each behind its length (u32, big-endian).
 * Layer: common/rt, private to the bus. It knows no message and no Hello.
 *
 * A listening end keeps its newest connection and drops the one before: a peer dials again only when it was started
 * again. A dialling end tries again for ever. Nothing blocks but
 * bus_conn_finish.
 */
#ifndef COMMON_RT_BUS_CONN_H
#define COMMON_RT_BUS_CONN_H

#include "common/base/buf.h"
#include "common/rt/loop.h"

struct bus_conn;

struct bus_conn_args {
    const char *path; /* file of the socket; copied */
    bool listen;      /* else dial */
    size_t batch_max; /* bytes; a longer batch ends the connection */
    void (*on_open)(void *user);
    void (*on_close)(void *user); /* only after an on_open */
    void (*on_batch)(void *user, struct span batch);
    void *user;
};

/** returns NULL with errno when the socket cannot be made. No callback runs before the next turn. */
struct bus_conn *bus_conn_new(struct loop *l, const struct bus_conn_args *args);
void bus_conn_free(struct bus_conn *c); /* no callback; NULL is fine */

/**
 * Hands one batch to the kernel, or what it takes of it and the rest when it takes more; `batch` is empty afterwards.
 * returns false, and leaves `batch` alone, while an earlier one is still on its way or nobody is connected
 */
bool bus_conn_send(struct bus_conn *c, struct buf *batch);

/** More waits than was taken, and some was, in either direction, since the last call: by the peer of ours, or by us of
 * the peer's. */
bool bus_conn_moves(struct bus_conn *c);

/**
 * Waits for the batch on its way, at most until `until_mono_ms`: the one call that blocks, for who is about to leave.
 * returns true when the kernel has all of it, false when nobody is connected or will take the rest in time
 */
bool bus_conn_finish(struct bus_conn *c, int64_t until_mono_ms);

#endif
