/*
 * registrar: REGISTER, and who is registered. Layer: call-actor (shell around aor.h and location.h). RFC 3261 §10.
 */
#ifndef CALL_ACTOR_REGISTRAR_H
#define CALL_ACTOR_REGISTRAR_H

#include "call-actor/answer.h"
#include "call-actor/creds.h"
#include "call-actor/location.h"
#include "call-actor/reach.h"
#include <stdio.h>

struct registrar;

/** Opens the location of this shard on its store and loads it. NULL when memory is out. */
struct registrar *registrar_new(struct actor *a);
void registrar_free(struct registrar *g);

/** A REGISTER whose sender is proven (gate.h): does it and answers. told: what user-service said of him because of it,
 * or NULL. */
void registrar_take(struct registrar *g, const struct asked *q, const struct cred *told);

/** The edge says that a connection is gone that a user had registered over. */
void registrar_flow_gone(struct registrar *g, const Plane__FlowGone *m);
/** What was learnt of a user's bindings. The row is taken. why: for people */
void registrar_take_change(struct registrar *g, Store__AorRow *row, const struct reach_change *is, const char *why);
struct keepalive *registrar_keepalive(const struct registrar *g);

const struct aor_conf *registrar_conf(const struct registrar *g);
struct location *registrar_location(const struct registrar *g);
struct now registrar_now(const struct registrar *g);
/** This user is registered from there (reach_is_at). */
bool registrar_is_at(const struct registrar *g, struct span user, const Plane__Endpoint *source);
/** Bindings there are. */
size_t registrar_bindings(const struct registrar *g);
/** For operators: bindings of a user leave. contact: URI, or empty for all. returns how many there were */
unsigned registrar_unregister(struct registrar *g, struct span user, struct span contact, const char *asked_by);

#endif
