/*
 * gate: requests that must show who sends them. Layer: call-actor (shell around auth.h).
 *
 * What can be decided is: it passes, or is answered here (401, 407, 400, 403, 503). Where user-service must be asked
 * (users.h) the request is held, and brought again with the answer. Held requests and
 * their bytes are bounded, and nobody fills them alone (shares.h); over the bound, and when no answer comes, it is 503:
 * a digest that cannot be checked is never called wrong. What is held is lost with the process, and told again by the
 * edge.
 */
#ifndef CALL_ACTOR_GATE_H
#define CALL_ACTOR_GATE_H

#include "call-actor/answer.h"
#include "call-actor/auth.h"
#include "call-actor/users.h"

#define GATE_HELD_MAX 8192u
#define GATE_HELD_BYTES_MAX (32u << 20)

struct gate;

/** again: brings a held request back, with what user-service said. */
typedef void gate_again_fn(struct actor *a, const struct asked *q, const struct cred *told);

/** told: the answer about the user a Registration is for; NULL: user-service could not be asked. */
typedef void gate_told_fn(struct actor *a, const Plane__Registration *m, const struct cred *told);

struct gate *gate_new(struct actor *a, gate_again_fn *again, gate_told_fn *told);
/** With the requests it holds, which get no answer. */
void gate_free(struct gate *g);

/**
 * REGISTER must come from the user in To (401), anything else from the one in From (407).
 * told     as gate_again_fn got it, else NULL
 * returns  it passes; false: it is answered, or held
 */
bool gate_passes(struct gate *g, const struct asked *q, const struct cred *told);
/** The edge is there: it may challenge who registers without credentials. */
void gate_tell_edge(struct gate *g);
/** A CANCEL has come for a request that is held: it gets its 487 and is forgotten. false: none is. */
bool gate_cancel(struct gate *g, struct span txn);
/** Is there such a user? The answer comes to gate_told_fn, now or later; the message is copied. */
void gate_ask_user(struct gate *g, const Plane__Registration *m, struct span user);
/** Who asks user-service for it. */
struct users *gate_users(const struct gate *g);

#endif
