/*
 * answers: what finished jobs answered, kept for a while, so that a question asked again (the actor was restarted, or
 * our answer was lost with its link) gets the same answer and takes no second port. Pure.
 *
 * Bounded in number and age. An answer with a port that never reached its actor is not simply forgotten: the port is
 * handed to `on_orphan`.
 */
#ifndef ORCHESTRATOR_ANSWERS_H
#define ORCHESTRATOR_ANSWERS_H

#include "common/base/list.h"
#include "common/base/map.h"

#define ANSWERS_MAX 32768
#define ANSWERS_KEEP_MS 60000
#define ANSWERS_ASKERS_MAX 16 /* actors that may be owed one */

struct answer {
    struct map_node by_key;
    struct list by_age;
    struct list waiting; /* in answers->waiting[asker] until delivered */
    int64_t at_ms;
    uint32_t port; /* of a set-up; 0: none */
    uint64_t owner;
    struct span key;
    struct span body; /* packed JobDone */
};

struct answers {
    struct map by_key;
    struct list by_age;                      /* oldest first */
    struct list waiting[ANSWERS_ASKERS_MAX]; /* not delivered yet, oldest first */
    size_t cnt;
    size_t max;
    void (*on_orphan)(void *user, uint32_t port, uint64_t owner);
    void *user;
};

void answers_init(struct answers *a, size_t max, void (*on_orphan)(void *user, uint32_t port, uint64_t owner),
                  void *user);
/** Forgets everything without on_orphan. */
void answers_fini(struct answers *a);
struct answer_args {
    struct span key; /* copied, like the body */
    struct span body;
    uint32_t asker; /* below ANSWERS_ASKERS_MAX */
    uint32_t port;  /* 0: none */
    uint64_t owner; /* of the port; the keeper's own number */
};
/**
 * Keep one; it waits until answers_delivered. The oldest goes when there are too many. An answer with this key is
 * replaced. returns the kept one (owned by `a`), or NULL when memory is out
 */
struct answer *answers_put(struct answers *a, const struct answer_args *args, int64_t now_ms);
struct answer *answers_get(const struct answers *a, struct span key);
/** It was queued for a link that was up. */
void answers_delivered(struct answer *x);
/** The oldest that this asker was not sent; NULL: none. */
struct answer *answers_waiting(struct answers *a, uint32_t asker);
/** Drops what is older than ANSWERS_KEEP_MS. */
void answers_expire(struct answers *a, int64_t now_ms);

#endif
