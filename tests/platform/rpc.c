#include "tests/platform/rpc.h"

#include "common/base/err.h"
#include "tests/platform/rpc_call.h"
#include <grpc/grpc_security.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const status_names[RPC_STATUSES] = {
    "OK",        "CANCELLED",       "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
    "NOT_FOUND", "ALREADY_EXISTS",  "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
    "ABORTED",   "OUT_OF_RANGE",    "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
    "DATA_LOSS", "UNAUTHENTICATED",
};

const char *rpc_status_name(int status)
{
    return status >= 0 && status < RPC_STATUSES ? status_names[status] : NULL;
}

int rpc_status_parse(const char *name)
{
    for (int i = 0; i < RPC_STATUSES; i++) {
        if (strcmp(status_names[i], name) == 0)
            return i;
    }
    return -1;
}

/* Mutual TLS: a client without a certificate of our CA does not get past the handshake. ALPN h2 is gRPC's own doing. */
static grpc_server_credentials *credentials_new(const struct rpc_args *a)
{
    grpc_ssl_pem_key_cert_pair pair = {.private_key = a->key_pem, .cert_chain = a->cert_pem};
    grpc_ssl_server_certificate_config *certs = grpc_ssl_server_certificate_config_create(a->ca_pem, &pair, 1);
    if (certs == NULL)
        return NULL;
    return grpc_ssl_server_credentials_create_with_options(grpc_ssl_server_credentials_create_options_using_config(
        GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY, certs));
}

static grpc_arg arg_int(const char *key, int value)
{
    return (grpc_arg){.type = GRPC_ARG_INTEGER, .key = (char *)key, .value = {.integer = value}};
}

static void server_create(struct rpc *s)
{
    grpc_arg args[] = {
        arg_int(GRPC_ARG_ALLOW_REUSEPORT, 0), /* a second instance must notice that the port is taken */
        arg_int(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, RPC_BODY_MAX),
        arg_int(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, s->args.keepalive_min_ms),
        arg_int(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1),
    };
    grpc_channel_args channel_args = {.num_args = sizeof args / sizeof args[0], .args = args};
    s->server = grpc_server_create(&channel_args, NULL);
    s->cq = grpc_completion_queue_create_for_next(NULL);
    grpc_server_register_completion_queue(s->server, s->cq, NULL);
    for (size_t m = 0; m < s->args.nmethods; m++)
        s->slots[m].registered = grpc_server_register_method(s->server, s->args.methods[m].path, NULL,
                                                             GRPC_SRM_PAYLOAD_READ_INITIAL_BYTE_BUFFER, 0);
}

static int bind_all(struct rpc *s, char *fault, size_t fault_size)
{
    grpc_server_credentials *creds = credentials_new(&s->args);
    if (creds == NULL) {
        (void)snprintf(fault, fault_size, "certificate, key or CA cannot be used");
        return -1;
    }
    for (size_t i = 0; i < s->args.nlisten && fault[0] == '\0'; i++) {
        s->ports[i] = grpc_server_add_http2_port(s->server, s->args.listen[i], creds);
        if (s->ports[i] == 0)
            (void)snprintf(fault, fault_size, "cannot listen on %s (address taken, or certificate, key or CA unusable)",
                           s->args.listen[i]);
    }
    grpc_server_credentials_release(creds);
    return fault[0] == '\0' ? 0 : -1;
}

struct rpc *rpc_start(const struct rpc_args *args, char *fault, size_t fault_size)
{
    BUG_ON(args->nlisten > RPC_LISTEN_MAX);
    fault[0] = '\0';
    struct rpc *s = calloc(1, sizeof *s);
    if (s == NULL || (s->slots = calloc(args->nmethods + 1, sizeof *s->slots)) == NULL) {
        (void)snprintf(fault, fault_size, "out of memory");
        free(s);
        return NULL;
    }
    s->args = *args;
    s->shutdown_tag.kind = RPC_TAG_SHUTDOWN;
    list_init(&s->free_calls);
    list_init(&s->held);
    buf_init(&s->reply.body, RPC_BODY_MAX);
    grpc_init();
    server_create(s);
    if (bind_all(s, fault, fault_size) != 0) {
        s->stopping = true;
        rpc_free(s);
        return NULL;
    }
    grpc_server_start(s->server);
    rpc_call_refill(s);
    return s;
}

int rpc_port(const struct rpc *s, size_t i)
{
    return s->ports[i];
}

static grpc_event next_event(struct rpc *s, int64_t wait_ms)
{
    gpr_timespec until = gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(wait_ms, GPR_TIMESPAN));
    return grpc_completion_queue_next(s->cq, until, NULL);
}

void rpc_run(struct rpc *s, atomic_bool *stop)
{
    int64_t tick_ms = 0;
    while (!atomic_load_explicit(stop, memory_order_relaxed)) {
        int64_t now_ms = clock_mono_ms();
        if (now_ms >= tick_ms) {
            s->args.tick(s->args.owner);
            tick_ms = now_ms + RPC_TICK_MS;
        }
        int64_t due_ms = rpc_call_run_due(s, now_ms);
        grpc_event ev = next_event(s, (due_ms < tick_ms ? due_ms : tick_ms) - now_ms);
        if (ev.type == GRPC_OP_COMPLETE)
            rpc_call_event(ev.tag, ev.success != 0);
    }
}

void rpc_free(struct rpc *s)
{
    s->stopping = true;
    grpc_server_shutdown_and_notify(s->server, s->cq, &s->shutdown_tag);
    grpc_server_cancel_all_calls(s->server);
    bool down = false;
    for (;;) {
        grpc_event ev = grpc_completion_queue_next(s->cq, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
        if (ev.type == GRPC_QUEUE_SHUTDOWN)
            break;
        struct rpc_tag *tag = ev.tag;
        if (tag->kind != RPC_TAG_SHUTDOWN) {
            rpc_call_event(tag, ev.success != 0);
        } else if (!down) {
            down = true;
            grpc_completion_queue_shutdown(s->cq);
        }
    }
    grpc_server_destroy(s->server);
    grpc_completion_queue_destroy(s->cq);
    while (!list_empty(&s->free_calls)) {
        struct rpc_call *c = LIST_ENTRY(list_first(&s->free_calls), struct rpc_call, node);
        list_remove(&c->node);
        grpc_metadata_array_destroy(&c->metadata);
        grpc_call_details_destroy(&c->details);
        free(c);
    }
    buf_fini(&s->reply.body);
    free(s->slots);
    free(s);
    grpc_shutdown_blocking();
}
