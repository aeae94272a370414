/*
 * grpc_link: one long-lived mutual-TLS channel to one service, and the RPCs on it. Layer: orchestrator; the only
 * client-side home of the gRPC C core.
 *
 * The channel connects by itself, from the start and for ever (pauses of 100 ms to 2 s). Its state is watched; while it
 * cannot connect, a probe RPC that fails at once inside the library fetches the reason. New certificates make a new
 * channel beside the old one, which serves on until the new one is connected, for ever if need be, and goes when its
 * last RPC has ended.
 */
#ifndef ORCHESTRATOR_GRPC_LINK_H
#define ORCHESTRATOR_GRPC_LINK_H

#include "orchestrator/grpc_hub.h"
#include "orchestrator/link_why.h"
#include "orchestrator/tls_files.h"
#include "proto/plane.pb-c.h" /* for what every generated message is */

#define GRPC_LINK_METHODS_MAX 4
#define GRPC_LINK_DETAIL_SIZE (LINK_WHY_SIZE + 80)
#define GRPC_LINK_REPLY_MAX 65536 /* bytes of an answer; a longer one fails its RPC */

struct grpc_link;
struct grpc_rpc;

enum grpc_link_state {
    GRPC_LINK_CONNECTING, /* not there, or not yet; trying on may be enough */
    GRPC_LINK_READY,
    GRPC_LINK_FAILED, /* there, but it cannot work as things are set: certificates, names, port */
};

struct grpc_link_args {
    struct grpc_hub *hub;
    const char *name;           /* "media-service": for logs; lives as long as the link */
    const char *url;            /* "host:port", with or without a scheme; TLS in any case */
    const char *tls_name;       /* expected in the server's certificate; also the :authority */
    const char *const *methods; /* paths, at most GRPC_LINK_METHODS_MAX, ended by NULL; live as long as the link */
    const struct tls_files *tls;
    void (*on_change)(struct grpc_link *k, void *user); /* state or detail is another, or it was lost and is back */
    void *user;
};

/** Never NULL: what cannot work (a bad URL, a bad certificate) shows as a failed state. */
struct grpc_link *grpc_link_new(const struct grpc_link_args *args);
/** Cancels every RPC without reporting it. The hub must still run (or be freed next). */
void grpc_link_free(struct grpc_link *k);
/** With these as soon as a channel that uses them is connected; until then the former ones serve on. Replaces what an
 * earlier one of these is still trying. */
void grpc_link_set_tls(struct grpc_link *k, const struct tls_files *tls);

const char *grpc_link_name(const struct grpc_link *k);
enum grpc_link_state grpc_link_state(const struct grpc_link *k);
/** For people: why it is not ready; when it is, why new certificates are not in use yet, or "". */
const char *grpc_link_detail(const struct grpc_link *k);
int64_t grpc_link_since_wall_ms(const struct grpc_link *k);
/** Counts up whenever the channel becomes ready: what was learned of the server may be another server's by then. */
uint64_t grpc_link_generation(const struct grpc_link *k);
uint32_t grpc_link_in_flight(const struct grpc_link *k);

struct rpc_reply {
    int code;           /* enum rpc_code */
    const char *detail; /* status message, "" when there is none */
    struct span body;
    int64_t took_ms;
};
/* Runs once, on the loop, never inside grpc_link_call. The reply is borrowed. The rpc is gone. */
typedef void rpc_done_fn(void *user, const struct rpc_reply *r);

struct rpc_args {
    uint32_t method; /* index into grpc_link_args.methods */
    const ProtobufCMessage *request;
    int64_t deadline_ms;  /* from now */
    const char *trace_id; /* metadata x-trace-id, traceparent */
    rpc_done_fn *done;
    void *user;
};
/** Starts a unary RPC that fails at once when the channel cannot connect. Owned by the link until done. */
struct grpc_rpc *grpc_link_call(struct grpc_link *k, const struct rpc_args *args);
/** Cancel on the wire; done will not run. The pointer is dead after this. */
void grpc_rpc_cancel(struct grpc_rpc *r);

#endif
