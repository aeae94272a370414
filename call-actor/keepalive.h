/*
 * keepalive: what registered phones get regularly, and what is learnt from it. Layer: call-actor (shell around
 * reach.h). RFC 5626 §4.4; OPTIONS: RFC 3261 §11.
 *
 * The location says whose turn it is. CRLF leaves nothing behind. An OPTIONS is remembered until its answer, or the
 * edge's word that there is none, or its deadline; what is remembered is bounded (beyond it phones get CRLF) and lost
 * with the process, which then has asked nothing.
 */
#ifndef CALL_ACTOR_KEEPALIVE_H
#define CALL_ACTOR_KEEPALIVE_H

#include "call-actor/actor.h"
#include "call-actor/location.h"
#include "call-actor/reach.h"

#define KEEPALIVE_OPEN_MAX 16384u /* OPTIONS without an answer yet */

struct keepalive;

/** NULL when memory is out. */
struct keepalive *keepalive_new(struct actor *a);
void keepalive_free(struct keepalive *k);
/** What phones get, by the setting. */
enum reach_ping keepalive_wanted(const struct keepalive *k);

/** This user's bindings have their turn. */
void keepalive_ping(struct keepalive *k, const Store__AorRow *row);
enum keepalive_heard {
    KEEPALIVE_ANSWER = 0,
    KEEPALIVE_SILENCE = 1, /* the edge's word that there will be no answer */
    KEEPALIVE_UNSENT = 2,  /* the edge had no room for it: nothing was asked, nothing is learnt */
};
/** What became of a request of ours. false: it was no OPTIONS of here. */
bool keepalive_on_heard(struct keepalive *k, struct span branch, enum keepalive_heard is);
/** The edge is a new one: what was open has no answer, and nobody is to blame. */
void keepalive_forget(struct keepalive *k);

#endif
