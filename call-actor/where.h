/*
 * where: who is to be rung for a user, extension or name. Layer: call-actor (shell). Answers CALL_EFF_LOCATE by
 * CALL_IN_TARGETS, at the end of the turn it was asked in: before the commit, and never inside a step.
 */
#ifndef CALL_ACTOR_WHERE_H
#define CALL_ACTOR_WHERE_H

#include "call-actor/calls.h"

struct actor;

/** Note the question of a call; the answer comes by where_answer. who: copied. */
void where_ask(struct actor *a, struct entry *e, struct span who);
/** Answers all that was asked, also what the answers lead to. */
void where_answer(struct actor *a);

#endif
