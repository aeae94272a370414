/*
 * unread: a worker whose loop turns, and which no longer reads a socket that was handed down to it. Private to
 * supervisor/. Pure.
 *
 * The supervisor holds the same sockets, so it sees whether something waits in one; the worker's heartbeat says how
 * often it has looked. Whoever does not look once between heartbeats while something waits has forgotten the socket.
 * What comes in a flood, and what is of no use, does not matter for that: it is looked at.
 */
#ifndef SUPERVISOR_UNREAD_H
#define SUPERVISOR_UNREAD_H

#include <stdbool.h>
#include <stdint.h>

#define UNREAD_MS 1500     /* from the first heartbeat that found something waiting */
#define UNREAD_GAP_MS 1250 /* between heartbeats, at most: longer, and its loop may not have come to it */

/* One socket; all zero: not looked at yet. */
struct unread {
    uint64_t looks;
    int64_t since_ms; /* monotonic; 0: nothing has waited since its last look */
    int64_t at_ms;    /* of the last heartbeat */
};

/**
 * A heartbeat has come.
 * reads  the worker says that it reads this socket; then looks is how often it has done so
 * waits  there is something to be read
 * returns true when it has waited for too long
 */
bool unread_note(struct unread *u, bool reads, uint64_t looks, bool waits, int64_t now_ms);

#endif
