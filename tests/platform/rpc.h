/*
 * rpc: a unary gRPC server over mutual TLS on the gRPC C core. Layer: tests/platform. The only file pair that sees
 * gRPC.
 *
 * One thread (the caller of rpc_run) takes every event from one completion queue and runs the handlers, which must not
 * block. A delayed or hanging answer holds no thread: the call waits in a list for its time, and is dropped when its
 * client gives up.
 */
#ifndef TESTS_PLATFORM_RPC_H
#define TESTS_PLATFORM_RPC_H

#include "common/base/buf.h"
#include <stdatomic.h>

/* gRPC status codes as on the wire; rpc_status_name knows all of them. */
enum rpc_status {
    RPC_OK = 0,
    RPC_CANCELLED = 1,
    RPC_UNKNOWN = 2,
    RPC_INVALID_ARGUMENT = 3,
    RPC_NOT_FOUND = 5,
    RPC_PERMISSION_DENIED = 7,
    RPC_RESOURCE_EXHAUSTED = 8,
    RPC_UNIMPLEMENTED = 12,
    RPC_INTERNAL = 13,
};
#define RPC_STATUSES 17
#define RPC_LISTEN_MAX 8
#define RPC_BODY_MAX 65536 /* bytes of a request or an answer */

/** "NOT_FOUND"; NULL outside 0..16. */
const char *rpc_status_name(int status);
/** The code of a name, or -1. */
int rpc_status_parse(const char *name);

struct rpc_request {
    struct span body;
    struct span trace_id;    /* metadata x-trace-id, or empty */
    struct span traceparent; /* metadata traceparent, or empty */
};

struct rpc_reply {
    struct buf body;     /* the encoded answer, used when the status is OK */
    const char *message; /* grpc-message of any other status; static or as long-lived as the configuration */
};

/* returns an rpc_status; `re` comes empty. Everything in `rq` is borrowed for the time of the call. */
typedef int rpc_handler_fn(void *owner, const struct rpc_request *rq, struct rpc_reply *re);

struct rpc_method {
    const char *path; /* "/package.Service/Method" */
    const char *name; /* "Method" */
    rpc_handler_fn *handler;
};

/* What to do to one call instead of answering it at once. */
struct rpc_fault {
    int64_t delay_ms;
    int status;          /* other than RPC_OK: answered instead of the handler's */
    const char *message; /* with that status */
    bool hang;           /* never answered */
    bool after_work;     /* the handler runs first; only its answer is delayed, replaced or kept back */
};

struct rpc_done { /* a finished call */
    size_t method;
    int status;
    bool cancelled; /* the client was gone before the answer left */
    bool worked;    /* the handler ran */
    struct span request;
    struct span trace_id;
    struct span traceparent;
};

struct rpc_args {
    const struct rpc_method *methods;
    size_t nmethods;
    const char *cert_pem; /* contents, not paths */
    const char *key_pem;
    const char *ca_pem;
    const char *listen[RPC_LISTEN_MAX]; /* "host:port"; port 0 is chosen by the kernel */
    size_t nlisten;
    int keepalive_min_ms; /* clients that ping more often are sent away, as by any gRPC server */
    void *owner;
    /* The fault for a call that has just come, or NULL. The result is copied before anything else happens. */
    const struct rpc_fault *(*fault)(void *owner, size_t method);
    void (*done)(void *owner, const struct rpc_done *done);
    /* Runs about every RPC_TICK_MS between calls. */
    void (*tick)(void *owner);
};
#define RPC_TICK_MS 50

struct rpc;

/**
 * Binds and starts. Everything in args but the PEM texts must outlive the server.
 * returns NULL, with one line of reason in fault
 */
struct rpc *rpc_start(const struct rpc_args *args, char *fault, size_t fault_size);
/** The port that listen[i] is bound to. */
int rpc_port(const struct rpc *s, size_t i);
/** Serves until *stop is true (seen within RPC_TICK_MS); then every open call is cancelled. */
void rpc_run(struct rpc *s, atomic_bool *stop);
void rpc_free(struct rpc *s);

#endif
