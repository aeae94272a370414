/*
 * grpc_hub: the one completion queue of the process, looked at by the loop. Layer: orchestrator.
 *
 * There is no thread that waits at the queue: waking two threads for each completion cost more than the RPC. A timer
 * takes what is there without waiting, and these looks also drive the library's sockets: every 1 to 4 ms while RPCs are
 * out, 10 ms while a channel connects, else 40 ms. The library's few own threads only watch its clocks.
 * What gRPC writes to its own log goes through here too: into ours, and the last TLS fault is kept, because the library
 * tells the reason of a refused handshake nowhere else.
 */
#ifndef ORCHESTRATOR_GRPC_HUB_H
#define ORCHESTRATOR_GRPC_HUB_H

#include "common/rt/loop.h"

struct grpc_hub;
struct grpc_completion_queue;

/* Embedded in whatever waits for an event; the address of it is the tag given to gRPC. */
struct hub_tag {
    void (*done)(struct hub_tag *t, bool ok); /* on the loop */
    struct hub_tag *next;
    bool ok;
};

/** Starts the library. One per process. */
struct grpc_hub *grpc_hub_new(struct loop *l);
/** Closed last: everything that has tags out must have been closed. Runs what is left; waits 2 s for it at most. */
void grpc_hub_free(struct grpc_hub *h);

/* How often the queue is looked at, the quickest that somebody wants. */
enum hub_pace {
    HUB_PACE_RPC,     /* an RPC is out */
    HUB_PACE_CONNECT, /* a channel is not connected */
    HUB_PACES,
};
void grpc_hub_want(struct grpc_hub *h, enum hub_pace pace);
/** As often as it was wanted. */
void grpc_hub_unwant(struct grpc_hub *h, enum hub_pace pace);
struct loop *grpc_hub_loop(struct grpc_hub *h);
struct grpc_completion_queue *grpc_hub_queue(struct grpc_hub *h);

#define GRPC_HUB_FAULT_MAX 160
/** The last TLS fault the library noted, if it is not older than max_age_ms ("" otherwise). out: GRPC_HUB_FAULT_MAX
 * bytes. */
void grpc_hub_tls_fault(struct grpc_hub *h, int64_t max_age_ms, char *out);
#define GRPC_HUB_ERROR_MAX 2048
/** The last error line of the library, whatever it was about; "" when none. out: GRPC_HUB_ERROR_MAX bytes. */
void grpc_hub_last_error(struct grpc_hub *h, char *out);

#endif
