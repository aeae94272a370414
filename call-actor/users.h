/*
 * users: does user-service know this SIP user? Layer: call-actor (shell).
 *
 * One question a user, however many want to know; what was said is kept for a while (creds.h). The answer includes the
 * digest secret, so it goes to those who ask and nowhere else. What waits is lost with the process: who asks asks
 * again.
 */
#ifndef CALL_ACTOR_USERS_H
#define CALL_ACTOR_USERS_H

#include "call-actor/actor.h"
#include "call-actor/creds.h"

#define USERS_JOB_MS 4000u   /* for the orchestrator */
#define USERS_ANSWER_MS 5000 /* then nobody is told, whatever became of the question */

struct users;

/* Who waits for an answer: embedded in his own. */
struct users_wait {
    struct list link; /* in nobody's list: does not wait */
    /* Once, no longer waiting. told NULL: user-service could not be asked. */
    void (*told)(struct users_wait *w, const struct cred *told);
};

/** cache: outlives it. NULL when memory is out. */
struct users *users_new(struct actor *a, struct creds *cache);
/** Nobody who waits is told. */
void users_free(struct users *u);

/** What is known already. false: nothing. *out is a copy, to be wiped by creds_wipe. */
bool users_find(struct users *u, struct span user, struct cred *out);
/** Ask, or join whoever asks. w->told comes later, never from inside. false: no memory. user: at most CREDS_USER_MAX.
 */
bool users_ask(struct users *u, struct span user, struct users_wait *w);
/** An answer of the orchestrator. false: to another's question. */
bool users_on_job_done(struct users *u, const Plane__JobDone *m);
/** The orchestrator is back: every open question once more. */
void users_ask_again(struct users *u);

#endif
