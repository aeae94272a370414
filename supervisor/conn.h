/*
 * conn: accepted stream connections that read a little, write a little and never block. Private to supervisor/; the
 * control socket and the HTTP responder stand on it. Number, bytes and idle time of the clients are bounded.
 */
#ifndef SUPERVISOR_CONN_H
#define SUPERVISOR_CONN_H

#include "common/base/buf.h"
#include "common/rt/loop.h"

struct conn;
struct conn_server;

struct conn_kind {
    const char *name;   /* for the log */
    size_t clients_max; /* more are turned away */
    size_t in_max;      /* bytes of a request */
    size_t out_max;     /* bytes of a reply */
    int64_t idle_ms;    /* without progress for this long: closed */
    const char *full;   /* what a client too many is told, or NULL */
    /* May this client connect? NULL: all. */
    bool (*is_welcome)(int fd);
    /* Bytes are there. returns how many were used; fewer: called again when more come. When in_max bytes were not
     * enough, it is called with all of them and has to end the connection. */
    size_t (*on_data)(struct conn *c, struct span in);
    /* It ends, whoever ended it. NULL: nothing to do. */
    void (*on_close)(struct conn *c);
};

/** fd: listening, non-blocking; owned from now on. Dies when memory is out. */
struct conn_server *conn_server_new(struct loop *l, int fd, const struct conn_kind *kind, void *user);
void conn_server_free(struct conn_server *s); /* closes all; NULL is fine */
void *conn_server_user(const struct conn *c);

/** A number its user may keep with the connection; 0 at first. */
uint64_t conn_tag(const struct conn *c);
void conn_set_tag(struct conn *c, uint64_t tag);

/** Where a reply is put; then conn_send. Empty when the last one has left. */
struct buf *conn_out(struct conn *c);
void conn_send(struct conn *c);
/** A reply built elsewhere, instead of conn_out and conn_send: its bytes pass to the connection, `reply` is empty then.
 */
void conn_give(struct conn *c, struct buf *reply);
/** Read no more until released: one request at a time. */
void conn_hold(struct conn *c, bool on);
/** Close when everything has been sent. */
void conn_finish(struct conn *c);

#endif
