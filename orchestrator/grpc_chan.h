/*
 * grpc_chan: one gRPC channel of the C core and its RPCs. Layer: orchestrator; grpc_link.h is what the others use.
 */
#ifndef ORCHESTRATOR_GRPC_CHAN_H
#define ORCHESTRATOR_GRPC_CHAN_H

#include "orchestrator/grpc_link.h"

struct grpc_chan;

enum grpc_chan_state { GRPC_CHAN_CONNECTING, GRPC_CHAN_READY, GRPC_CHAN_BROKEN };

struct grpc_chan_args {
    struct grpc_hub *hub;
    const char *target;
    const char *tls_name;
    const char *const *methods;
    const struct tls_files *tls;
    void (*on_state)(void *user, enum grpc_chan_state st); /* not after grpc_chan_close */
    void *user;
};

/** Never NULL. Starts to connect at once. */
struct grpc_chan *grpc_chan_open(const struct grpc_chan_args *args);
/** No new RPCs; it goes when the open ones have ended. now: they are cancelled, and their done does not run. */
void grpc_chan_close(struct grpc_chan *c, bool now);
struct grpc_rpc *grpc_chan_call(struct grpc_chan *c, const struct rpc_args *args);
/** An RPC no server of the platform has (grpc.health.v1): on a broken channel it fails with the reason. */
struct grpc_rpc *grpc_chan_probe(struct grpc_chan *c, int64_t deadline_ms, rpc_done_fn *done, void *user);
uint32_t grpc_chan_in_flight(const struct grpc_chan *c);

#endif
