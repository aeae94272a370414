/*
 * calls: the shard's table of calls, found by row key (which our tags, branches and job ids carry), first
 * INVITE, Call-ID or trace id. Layer: call-actor
 * (shell).
 */
#ifndef CALL_ACTOR_CALLS_H
#define CALL_ACTOR_CALLS_H

#include "call-actor/call.h"
#include "common/base/list.h"
#include "common/base/map.h"
#include "common/rt/timer.h"

/* What comes due for a call: its timers (enum call_timer), and the shell's own. */
enum {
    CALLS_DUE_DOOM = CALL_TIMERS, /* it is being ended as a step of it kills: forgotten then, whatever it waits for */
    CALLS_DUE
};

/* A call with its places in the indexes and its deadlines. */
struct entry {
    struct call *call;
    struct map_node by_key;
    struct map_node by_invite;    /* Call-ID, From tag and CSeq number of its first INVITE: the newest call with them */
    struct map_node by_replacing; /* the same of the last INVITE with Replaces that it took */
    struct map_node by_call_id;   /* the newest call with this Call-ID */
    struct list namesakes;        /* all calls with this Call-ID: a ring without a head, the next is the next older */
    struct map_node by_trace;
    struct map_node by_dial; /* of a call that we place: who asked for it, and his key */
    char *invite_text;       /* key in by_invite */
    char *replacing_text;    /* … in by_replacing */
    char *dial_text;         /* … in by_dial */
    struct list all;
    struct list dirty;         /* to be committed at this turn's end */
    int64_t due_ms[CALLS_DUE]; /* monotonic, as armed: a step of the wall clock moves none; 0: not armed */
    struct timer timer;        /* the next of them: a call has many, and most calls one or two at a time */
    void *owner;               /* the actor, for the timer's function */
    bool live;                 /* as last counted */
    bool stored;               /* its row is in the store */
    bool gone;                 /* forgotten in this turn; freed after the commit */
};

struct calls {
    struct map by_key;
    struct map by_invite;
    struct map by_replacing;
    struct map by_call_id;
    struct map by_trace;
    struct map by_dial;
    struct list all; /* oldest first */
    uint64_t last_key;
    bool clock_known;
    int64_t clock_ms; /* the wall clock at monotonic 0, as last seen */
};

void calls_init(struct calls *cs);
/** Frees every call. Timers must have been cancelled. */
void calls_fini(struct calls *cs);

/** A row key that was never used before: grows with time, so that rows stand in the store in order of age. */
uint64_t calls_next_key(struct calls *cs, struct now now);
/** Takes ownership of `c`. NULL when memory is out (the call is freed). Indexed by row key only until calls_index. */
struct entry *calls_add(struct calls *cs, struct call *c);
/**
 * Enter a call's dialog, first INVITE, Call-ID and trace id, once its machine has set them. Where two calls have the
 * same first INVITE, the newer one is found; each is always found by its own tag.
 */
void calls_index(struct calls *cs, struct entry *e);
/** Leaves every index and is freed, the call with it. */
void calls_remove(struct calls *cs, struct entry *e);

/** The oldest call that is younger than the one with this key, which may have been freed since; NULL: there is none.
 * after 0: the oldest of all. */
struct entry *calls_after(const struct calls *cs, uint64_t key);

/** Which of its deadlines comes first; CALLS_DUE: none is armed. */
unsigned calls_next_due(const struct entry *e);

/** Before any of them looks at `now`. returns by how much the wall clock was set since the last time, and the deadlines
 * of all calls with it; 0: it was not */
int64_t calls_follow_clock(struct calls *cs, struct now now);

struct entry *calls_by_key(const struct calls *cs, uint64_t key);
/** The call one of whose dialogs a request is in (RFC 3261 §12.2.2): our tag, in its To, names the row. */
struct entry *calls_by_dialog(const struct calls *cs, const struct sip_msg *request);

/* What an INVITE outside any dialog is to the calls there are. */
enum invite_is {
    INVITE_NEW = 0,    /* of a call we do not have */
    INVITE_KNOWN = 1,  /* repeated, or asked about again by the edge: *e is its call */
    INVITE_MERGED = 2, /* the INVITE of a call in progress that reached us over a second way: 482 (§8.2.2.2) */
};

/**
 * msg   an INVITE without a tag in To, or the CANCEL of one
 * txn   the INVITE's server transaction
 * e     set for INVITE_KNOWN, else NULL
 * The same Call-ID and From tag under another CSeq is another request: the caller tries again, with credentials for
 * instance. So is the same CSeq once the call it began is over.
 */
enum invite_is calls_match_invite(const struct calls *cs, const struct sip_msg *msg, struct span txn, struct entry **e);
/** The call that was placed for the question with this key of idempotency of this asker. */
struct entry *calls_by_dial(const struct calls *cs, const char *asked_by, const char *key);
/**
 * By Call-ID (the caller's, or that of a leg we placed) or trace id: what people and services know. Of several calls
 * with one Call-ID (another From tag makes it another call) the newest that is not over, else the newest.
 */
struct entry *calls_by_name(const struct calls *cs, struct span name);
static inline size_t calls_count(const struct calls *cs)
{
    return cs->by_key.count;
}

#endif
