/*
 * registrar_rpc: RegistrarService of the platform, as the orchestrator asks it of every shard. Layer: call-actor
 * (shell). The shard of the user does it; the others say ELSEWHERE.
 */
#ifndef CALL_ACTOR_REGISTRAR_RPC_H
#define CALL_ACTOR_REGISTRAR_RPC_H

#include "call-actor/gate.h"
#include "call-actor/registrar.h"

void registrar_rpc(struct actor *a, const Plane__Registration *m);
/** gate_told_fn: whether the user of a REGISTER exists. */
void registrar_rpc_told(struct actor *a, const Plane__Registration *m, const struct cred *told);

#endif
