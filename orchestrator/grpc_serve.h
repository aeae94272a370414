/*
 * grpc_serve: our gRPC server, mutual TLS: who has no certificate of our CA gets no further than the handshake.
 * Layer: orchestrator. Knows methods, messages and rights by table, not what they mean. Who may not gets
 * PERMISSION_DENIED, and is told which setting says so.
 */
#ifndef ORCHESTRATOR_GRPC_SERVE_H
#define ORCHESTRATOR_GRPC_SERVE_H

#include "common/base/buf.h"
#include "orchestrator/grpc_hub.h"
#include "orchestrator/grpc_may.h"
#include "orchestrator/tls_files.h"
#include "proto/plane.pb-c.h" /* for what every generated message is */

#define GRPC_SERVE_OPEN_MAX 1024 /* calls being answered; one more gets RESOURCE_EXHAUSTED */
#define GRPC_SERVE_METHODS_MAX 8
#define GRPC_SERVE_REQUEST_MAX 16384 /* bytes of a request */
#define GRPC_SERVE_KEY_MAX 512       /* of a key of idempotency, NUL included */
#define GRPC_SERVE_WAIT_MAX_S 300u
#define GRPC_SERVE_PEER_MAX 64 /* of the name of who asks */

struct grpc_serve;
struct serve_call;

struct serve_method {
    const char *path; /* "/package.Service/Method" */
    const ProtobufCMessageDescriptor *request;
    /* One call: answer it, now or later, exactly once, with serve_answer. request is borrowed, its texts are UTF-8. */
    void (*handler)(void *user, struct serve_call *c, const ProtobufCMessage *request);
    unsigned right; /* place in grpc_serve_args.rights of what a caller needs; 0: nothing */
};

struct grpc_serve_args {
    struct grpc_hub *hub;
    uint16_t port;                      /* on every address, IPv6 and IPv4; 0: the kernel chooses */
    const struct serve_method *methods; /* ended by a row with path NULL; lives as long as the server */
    const struct serve_right *rights;   /* those that methods name, from place 1 on; lives as long as the server */
    const struct tls_files *tls;
    void *user;
};

/**
 * Opens the port.
 * err       one line, when NULL is returned; *busy then says whether the port was taken
 */
struct grpc_serve *grpc_serve_open(const struct grpc_serve_args *args, struct buf *err, bool *busy);
/** The port that is open. */
uint16_t grpc_serve_port(const struct grpc_serve *s);
/** Open calls end with UNAVAILABLE. Waits for nothing but the library; the hub is freed next. */
void grpc_serve_free(struct grpc_serve *s);
/** Handshakes from now on with these. */
void grpc_serve_set_tls(struct grpc_serve *s, const struct tls_files *tls);

/** Common name of the client's certificate, or its first DNS name; "" when it has neither. */
const char *serve_call_peer(const struct serve_call *c);
/** What the client sent as metadata `idempotency-key`, "" when it sent none; cut at GRPC_SERVE_KEY_MAX. */
const char *serve_call_key(const struct serve_call *c);
/** Metadata `stays`: who of a call stays ("caller", "callee"); "" when it is not said. */
const char *serve_call_stays(const struct serve_call *c);
/** Metadata `wait`: so many seconds the client waits for the outcome, at most GRPC_SERVE_WAIT_MAX_S; 0: it does not. */
uint32_t serve_call_wait_s(const struct serve_call *c);
/** code: enum rpc_code. reply: with RPC_OK only. text: status message of the others. The call is gone after this. */
void serve_answer(struct serve_call *c, int code, const char *text, const ProtobufCMessage *reply);

#endif
