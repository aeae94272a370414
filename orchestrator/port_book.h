/*
 * port_book: what must be known of RTP ports after a kill -9: for which jobs AllocatePort is out, which number came,
 * and whose each number is. Layer: orchestrator. No channel, no loop.
 *
 * AllocatePort takes a new port each time and nobody can be asked which one, so the number has to be kept from the turn
 * in which it is read. A round trip to call-actor's store would come later and cost a wake-up; the book is a file that
 * is mapped: what is written there is in the page cache at once, and a killed process loses none of it. Only this
 * process writes it. It is no store: after a power loss or without the file the service works as well, it knows less.
 *
 * A job is written down before its AllocatePort leaves (port_book_ask) and the number as soon as it is here. What a
 * life leaves behind: jobs with a number (port_book_find gives it to whoever asks again) and jobs without one, of which
 * the contract lets nobody say whether a port was taken: these are counted as unanswered.
 */
#ifndef ORCHESTRATOR_PORT_BOOK_H
#define ORCHESTRATOR_PORT_BOOK_H

#include "common/base/buf.h"

#define PORT_BOOK_FILE "ports.book"
#define PORT_BOOK_NUMBERS 65536u
#define PORT_BOOK_JOBS                                                                                                 \
    16384u /* more than set-ups at once: the rest is how many numbers a successor still finds by job */
#define PORT_BOOK_KEY_MAX 84u /* bytes of a job's key; a longer one is not written down */

struct port_book;

/* Who has a number. */
struct port_owner {
    uint64_t call;    /* port_book_hash of the call; 0: nobody that we know of */
    int64_t since_ms; /* monotonic; of an earlier boot it may lie ahead */
    uint32_t shard;   /* of its call-actor */
    uint32_t freed;   /* it was given back: the book's own, nobody else sets it */
};

/* AllocatePort that got no answer, or none that says whether a port was taken. */
struct port_unanswered {
    uint32_t cnt;
    int64_t since_wall_ms; /* the first of them */
};

/**
 * Opens dir/ports.book, made when it is not there, or not ours, or another version's. What an earlier life left open is
 * counted as unanswered.
 * why      filled when the book is kept in memory only, because the file cannot be used
 * returns  never NULL; dies when memory is out
 */
struct port_book *port_book_open(const char *dir, int64_t wall_ms, struct buf *why);
void port_book_close(struct port_book *b);

/** The same call has the same number in every life. Never 0. */
uint64_t port_book_hash(const struct port_book *b, struct span call_id, struct span trace_id);

/** AllocatePort is about to leave. returns a mark for the two below; 0: not written down */
uint32_t port_book_ask(struct port_book *b, struct span key);
/** Its answer: this number, which is `o`'s from now on. */
void port_book_came(struct port_book *b, uint32_t mark, uint32_t port, const struct port_owner *o);
/** Its answer: none. open: it may be taken all the same. */
void port_book_failed(struct port_book *b, uint32_t mark, bool open, int64_t wall_ms);
/** The number that came for this job and still is its call's; 0: none. */
uint32_t port_book_find(const struct port_book *b, struct span key, uint64_t call);

struct port_owner port_book_owner(const struct port_book *b, uint32_t port);
/** It was given back. */
void port_book_forget(struct port_book *b, uint32_t port);
/** This call had it last, and gave it back: a second ReleasePort would be one too many. */
bool port_book_was_freed(const struct port_book *b, uint32_t port, uint64_t call);
/** Numbers with an owner. */
uint32_t port_book_count(const struct port_book *b);
/** The lowest and the highest number ever seen. false: none was */
bool port_book_range(const struct port_book *b, uint32_t *low, uint32_t *high);

struct port_unanswered port_book_unanswered(const struct port_book *b);
/** What became of them has been found out. */
void port_book_settle(struct port_book *b);

#endif
