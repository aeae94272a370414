/*
 * rpc_call: the life of one call inside the server, private to rpc*.c. Layer: tests/platform.
 *
 *   POSTED    waits in gRPC for a request of its method
 *   HELD      has a request and a fault: waits for its time, or for its client to give up
 *   ANSWERING the late answer is leaving, the end of the call has not been seen
 *   SENDING   only the answer is still leaving (at once, the usual case: answer and end in one batch)
 *   CLOSING   only the end of the call has not been seen
 *   FREE      nothing of it is left in gRPC
 */
#ifndef TESTS_PLATFORM_RPC_CALL_H
#define TESTS_PLATFORM_RPC_CALL_H

#include "common/base/fsm.h"
#include "common/base/list.h"
#include "tests/platform/rpc.h"
#include <grpc/byte_buffer.h>
#include <grpc/grpc.h>
#include <grpc/slice.h>

#define RPC_MESSAGE_MAX 160 /* bytes of a grpc-message, NUL included */

enum rpc_state {
    RPC_ST_POSTED = 0,
    RPC_ST_HELD,
    RPC_ST_ANSWERING,
    RPC_ST_SENDING,
    RPC_ST_CLOSING,
    RPC_ST_FREE,
    RPC_STS
};
enum rpc_event {
    RPC_EV_ARRIVED = 0,
    RPC_EV_ARRIVED_HELD,
    RPC_EV_REFUSED,
    RPC_EV_DUE,
    RPC_EV_SENT,
    RPC_EV_CLOSED,
    RPC_EVS
};

/* What a step asks for, performed in this order. */
enum rpc_effect {
    RPC_FX_WATCH_END = 1 << 0,  /* ask gRPC for the end of the call */
    RPC_FX_HOLD = 1 << 1,       /* into the list of held calls */
    RPC_FX_UNHOLD = 1 << 2,     /* out of it */
    RPC_FX_ANSWER = 1 << 3,     /* run the handler and send, the end in the same batch */
    RPC_FX_ANSWER_HELD = 1 << 4 /* the same, the end being watched already */
};

extern const struct fsm rpc_call_fsm;

enum rpc_tag_kind { RPC_TAG_ARRIVED = 0, RPC_TAG_SENT, RPC_TAG_CLOSED, RPC_TAG_SHUTDOWN, RPC_TAGS };

struct rpc_call;
struct rpc_tag { /* what comes out of the completion queue */
    struct rpc_call *call;
    enum rpc_tag_kind kind;
};

struct rpc_call {
    struct rpc *server;
    size_t method; /* nmethods: a path that nobody serves */
    uint8_t state;
    struct rpc_tag tags[RPC_TAGS];
    struct list node; /* free list, or held list */

    grpc_call *call;
    gpr_timespec deadline;
    grpc_metadata_array metadata;
    grpc_call_details details; /* only of an unserved path */
    grpc_byte_buffer *payload;
    grpc_slice request;       /* the payload in one piece */
    grpc_byte_buffer *answer; /* NULL: status only */
    int status;
    char message[RPC_MESSAGE_MAX];
    int cancelled; /* written by gRPC with CLOSED */
    bool worked;
    bool answered; /* an answer was given to gRPC */

    struct rpc_fault fault; /* .message unused: the text is in fault_message */
    char fault_message[RPC_MESSAGE_MAX];
    int64_t due_ms; /* held: when to answer; INT64_MAX: never */
};

struct rpc_slot { /* per method, and one for unserved paths */
    void *registered;
    unsigned posted;
};

struct rpc {
    struct rpc_args args;
    grpc_server *server;
    grpc_completion_queue *cq;
    int ports[RPC_LISTEN_MAX];
    struct rpc_slot *slots; /* nmethods + 1 */
    struct list free_calls;
    struct list held; /* ordered by due_ms */
    size_t live;      /* calls that are not in free_calls */
    bool stopping;
    struct rpc_tag shutdown_tag;
    struct rpc_reply reply; /* reused by every handler run */
};

/** Keeps enough requests posted for every method. */
void rpc_call_refill(struct rpc *s);
/** Takes one event of the queue to its call. */
void rpc_call_event(struct rpc_tag *tag, bool ok);
/** Answers what is due; returns when the next is, or INT64_MAX. */
int64_t rpc_call_run_due(struct rpc *s, int64_t now_ms);

#endif
