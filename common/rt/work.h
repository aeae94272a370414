/*
 * work: what this process is at, written where it outlives the process, so that an input which kills it twice is known
 * and set aside. Layer: common/rt.
 *
 * Whoever takes an input calls work_begin before he does anything with it and work_end when he is done; the bus closes
 * the turn (work_turn_done) when all was committed and sent. The journal is shared memory that the supervisor hands to
 * one process of a worker after the other. What is found in it at the start is what the predecessor died of: the input
 * at work, or, when it died between two, any input of its turn. Each of them is suspected; one that is then handled to
 * the end of a turn was harmless; one that is at work alone when the next process dies, too, is poison. So that it is
 * alone, the first WORK_CAREFUL_MS after such a death are spent in turns of one message.
 *
 * Poison is saved once (quarantine.h), logged once, counted, and never handled again: its taker tells its sender, or,
 * when it was not even taken apart before the deaths, drops it. It is forgotten after WORK_POISON_S without having
 * come; a row of the store never. Deaths that are no input's fault (EX_STORAGE: a full disk; the supervisor says which
 * else: work_absolve) leave nothing. All of this is held against the program file that died: one of another build
 * begins with nothing suspected and nothing set aside, and what the old one knew counts again if it comes back.
 *
 * Without work_open every input is WORK_GO: in tests, fuzzers and the supervisor.
 */
#ifndef COMMON_RT_WORK_H
#define COMMON_RT_WORK_H

#include "common/base/span.h"
#include <stdbool.h>

#define WORK_JOURNAL_BYTES (1u << 20)
#define WORK_BYTES_MAX (128u << 10) /* of one input, that are kept */
#define WORK_MARKS_MAX 256          /* suspects and poison; the oldest suspect makes room */
#define WORK_DEATHS_MAX 2           /* so many make an input poison */
#define WORK_CAREFUL_MS 10000
#define WORK_SUSPECT_S 600 /* it has not come again */
#define WORK_POISON_S 3600

/* What kind of input; the words of the log and of saved files. */
enum work_kind {
    WORK_SIP = 1,     /* a message from the network */
    WORK_PLANE = 2,   /* a message of another process of ours */
    WORK_ANSWER = 3,  /* a platform service's answer */
    WORK_RPC = 4,     /* a question to our gRPC server */
    WORK_COMMAND = 5, /* from the broker */
    WORK_ROW = 6,     /* of the store, read at the start */
    WORK_TIMER = 7,   /* of a call */
    WORK_CALL = 8,    /* a call that asks again for what is open, after a death */
};

enum work_verdict {
    WORK_GO = 0,
    WORK_TELL = 1, /* poison: take it apart, tell its sender, do no more with it */
    WORK_DROP = 2, /* poison that cannot even be taken apart, or whose telling kills, too */
};

struct work_args {
    int fd;                /* the journal: at least WORK_JOURNAL_BYTES of shared memory */
    const char *state_dir; /* its folder "quarantine" takes what is set aside */
    const char *name;      /* of the worker */
    uint64_t build;        /* of the program; 0: asks the system which file it is */
};

/** Looks at what the predecessor left. false: there is no journal, and nothing will be found out. */
bool work_open(const struct work_args *args);
/** This process ends in order: nothing that is at work is suspected. */
void work_close(void);

/**
 * The next input is at work until work_end.
 * id     what is the same when it comes again; may lie in `bytes`
 * bytes  what is saved of it
 */
enum work_verdict work_begin(enum work_kind kind, struct span id, struct span bytes);
/** Of what is at work and was WORK_DROP: it can be taken apart without harm, only the telling kills. Somebody who would
 * wait for ever for what is dropped can be let go. */
bool work_is_readable(void);
/** It has been taken apart without harm: were it poison, its sender could be told. */
void work_known(void);
void work_end(void);
/** What the turn did is committed and sent. */
void work_turn_done(void);
/** For some time after a death: turns of one message. */
bool work_is_careful(void);
/** Inputs that are set aside now. */
uint32_t work_poison_count(void);

/** This process is at work and gets on with it: for the supervisor, while the loop does not turn. work_begin says it,
 * too. */
void work_sign(void);

/* --- for the supervisor --- */

struct work_head;
/** returns the head of a journal, mapped for good, or NULL */
struct work_head *work_look(int fd);
/** A number that changes while the worker gets on. */
uint32_t work_signs(const struct work_head *h);
/** What a worker that is dead was at, is not what it died of. */
void work_absolve(struct work_head *h);

#endif
