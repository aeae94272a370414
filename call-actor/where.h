/*
 * where: who is to be rung for a user, extension or name. Layer: call-actor (shell around route.h, location.h,
 * users.h). Answers CALL_EFF_LOCATE by CALL_IN_TARGETS, never inside a step.
 *
 *   his bindings      in this shard's location, or asked of the shard that owns him, by way of the orchestrator
 *   an extension      that is nobody's SIP user name: whose is it (FindUserByContact)? Then the bindings of that user
 *   nobody is there   does user-service know him? 480, 404; 503 when it cannot be found out in WHERE_ANSWER_MS
 *
 * What is here is answered at the end of the turn it was asked in, before the commit. The rest is lost with the
 * process, and asked again by the calls.
 */
#ifndef CALL_ACTOR_WHERE_H
#define CALL_ACTOR_WHERE_H

#include "call-actor/actor.h"

#define WHERE_QUESTIONS_MAX 8192u /* that wait for others; more get 503 */
#define WHERE_ANSWER_MS 4000
#define WHERE_AGAIN_MS 500 /* who has not answered is asked again */
#define WHERE_JOB_MS 3000u /* for the orchestrator */
#define WHERE_NAMES_MAX 4u /* SIP user names of one user that are looked at */

struct where;

/** NULL when memory is out. */
struct where *where_new(struct actor *a);
/** With the questions that are open, which get no answer. Before gate_free. */
void where_free(struct where *w);

/** Note the question of a call; the answer comes by where_answer or later. who: copied. Asked twice it is one. */
void where_ask(struct actor *a, struct entry *e, struct span who);
/** Answers what can be answered, also what the answers lead to. At the end of a turn. */
void where_answer(struct actor *a);

/** Another shard wants to know about a user of ours. */
void where_serve(struct actor *a, const Plane__Where *m);
/** Another shard has told. */
void where_on_told(struct actor *a, const Plane__Whereabouts *m);
/** An answer of the orchestrator. false: to another's question. */
bool where_on_job_done(struct actor *a, const Plane__JobDone *m);
/** The orchestrator is back: every open question once more. */
void where_ask_again(struct actor *a);

#endif
