#include "tests/platform/rpc_call.h"

#include "common/base/err.h"
#include <grpc/byte_buffer_reader.h>
#include <grpc/support/alloc.h>
#include <stdio.h>
#include <stdlib.h>

#define RPC_POSTED_MAX 64    /* requests waiting in gRPC, per method */
#define RPC_CALLS_MAX 32768u /* calls of all kinds; beyond it requests wait inside gRPC */

/* --- posting --- */

static struct rpc_call *call_new(struct rpc *s)
{
    struct rpc_call *c;
    if (!list_empty(&s->free_calls)) {
        c = LIST_ENTRY(list_first(&s->free_calls), struct rpc_call, node);
        list_remove(&c->node);
        return c;
    }
    c = calloc(1, sizeof *c);
    if (c == NULL)
        return NULL;
    c->server = s;
    list_init(&c->node);
    grpc_metadata_array_init(&c->metadata);
    grpc_call_details_init(&c->details);
    for (int k = 0; k < RPC_TAGS; k++)
        c->tags[k] = (struct rpc_tag){.call = c, .kind = (enum rpc_tag_kind)k};
    return c;
}

static bool call_post(struct rpc *s, size_t method)
{
    struct rpc_call *c = call_new(s);
    if (c == NULL)
        return false;
    c->method = method;
    c->state = RPC_ST_POSTED;
    c->request = grpc_empty_slice();
    c->metadata.count = 0;
    void *tag = &c->tags[RPC_TAG_ARRIVED];
    grpc_call_error e =
        method < s->args.nmethods
            ? grpc_server_request_registered_call(s->server, s->slots[method].registered, &c->call, &c->deadline,
                                                  &c->metadata, &c->payload, s->cq, s->cq, tag)
            : grpc_server_request_call(s->server, &c->call, &c->details, &c->metadata, s->cq, s->cq, tag);
    BUG_ON(e != GRPC_CALL_OK);
    s->live++;
    s->slots[method].posted++;
    return true;
}

void rpc_call_refill(struct rpc *s)
{
    if (s->stopping)
        return;
    for (size_t m = 0; m <= s->args.nmethods; m++) {
        while (s->slots[m].posted < RPC_POSTED_MAX && s->live < RPC_CALLS_MAX) {
            if (!call_post(s, m))
                return; /* out of memory: the next finished call leaves its struct */
        }
    }
}

/* --- reading --- */

static struct span slice_span(const grpc_slice *s)
{
    return span_of((const char *)GRPC_SLICE_START_PTR(*s), GRPC_SLICE_LENGTH(*s));
}

static struct span metadata_get(const struct rpc_call *c, struct span key)
{
    for (size_t i = 0; i < c->metadata.count; i++) {
        if (span_eq(slice_span(&c->metadata.metadata[i].key), key))
            return slice_span(&c->metadata.metadata[i].value);
    }
    return (struct span){0};
}

static void read_request(struct rpc_call *c)
{
    grpc_byte_buffer_reader reader;
    if (c->payload == NULL || !grpc_byte_buffer_reader_init(&reader, c->payload))
        return; /* a client that half-closed without a message: an empty request */
    c->request = grpc_byte_buffer_reader_readall(&reader);
    grpc_byte_buffer_reader_destroy(&reader);
}

/* --- answering --- */

static void run_handler(struct rpc_call *c)
{
    struct rpc *s = c->server;
    struct rpc_reply *re = &s->reply;
    buf_reset(&re->body);
    re->message = "";
    struct rpc_request rq = {.body = slice_span(&c->request),
                             .trace_id = metadata_get(c, SPAN("x-trace-id")),
                             .traceparent = metadata_get(c, SPAN("traceparent"))};
    c->worked = true;
    c->status = s->args.methods[c->method].handler(s->args.owner, &rq, re);
    if (c->status == RPC_OK && re->body.failed) {
        c->status = RPC_INTERNAL;
        re->message = "answer too long";
    }
    (void)snprintf(c->message, sizeof c->message, "%s", re->message);
    if (c->status == RPC_OK) {
        grpc_slice body = grpc_slice_from_copied_buffer(re->body.p != NULL ? re->body.p : "", re->body.len);
        c->answer = grpc_raw_byte_buffer_create(&body, 1);
        grpc_slice_unref(body);
    }
}

/* The handler, and what the fault makes of its answer. Runs once, however often it is asked. */
static void work(struct rpc_call *c)
{
    if (c->worked)
        return;
    if (c->fault.status == RPC_OK || c->fault.after_work)
        run_handler(c);
    if (c->fault.status == RPC_OK)
        return;
    c->status = c->fault.status;
    (void)snprintf(c->message, sizeof c->message, "%s", c->fault_message);
    if (c->answer != NULL)
        grpc_byte_buffer_destroy(c->answer);
    c->answer = NULL;
}

static void start_batch(struct rpc_call *c, const grpc_op *ops, size_t n, enum rpc_tag_kind tag)
{
    grpc_call_error e = grpc_call_start_batch(c->call, ops, n, &c->tags[tag], NULL);
    BUG_ON(e != GRPC_CALL_OK);
}

static void watch_end(struct rpc_call *c)
{
    grpc_op op = {.op = GRPC_OP_RECV_CLOSE_ON_SERVER};
    op.data.recv_close_on_server.cancelled = &c->cancelled;
    start_batch(c, &op, 1, RPC_TAG_CLOSED);
}

static void send_answer(struct rpc_call *c, bool with_end)
{
    grpc_op ops[4] = {{.op = GRPC_OP_SEND_INITIAL_METADATA}};
    size_t n = 1;
    if (c->answer != NULL) {
        ops[n].op = GRPC_OP_SEND_MESSAGE;
        ops[n++].data.send_message.send_message = c->answer;
    }
    grpc_slice details = grpc_slice_from_copied_string(c->message);
    ops[n].op = GRPC_OP_SEND_STATUS_FROM_SERVER;
    ops[n].data.send_status_from_server.status = (grpc_status_code)c->status;
    ops[n++].data.send_status_from_server.status_details = c->status != RPC_OK ? &details : NULL;
    if (with_end) {
        ops[n].op = GRPC_OP_RECV_CLOSE_ON_SERVER;
        ops[n++].data.recv_close_on_server.cancelled = &c->cancelled;
    }
    c->answered = true;
    start_batch(c, ops, n, RPC_TAG_SENT);
    grpc_slice_unref(details);
}

/* Sorted by time. Faults of one RPC mostly have one delay, so the place is nearly always at the end. */
static void hold(struct rpc_call *c)
{
    if (c->fault.after_work)
        work(c);
    c->due_ms = c->fault.hang ? INT64_MAX : clock_mono_ms() + c->fault.delay_ms;
    struct list *at = c->server->held.prev;
    while (at != &c->server->held && LIST_ENTRY(at, struct rpc_call, node)->due_ms > c->due_ms)
        at = at->prev;
    list_append(at->next, &c->node); /* before at->next, so after at */
}

/* --- the end --- */

static void finish(struct rpc_call *c)
{
    struct rpc *s = c->server;
    if (c->call != NULL) {
        struct rpc_done done = {.method = c->method,
                                .status = c->answered ? c->status : RPC_CANCELLED,
                                .cancelled = c->cancelled != 0,
                                .worked = c->worked,
                                .request = slice_span(&c->request),
                                .trace_id = metadata_get(c, SPAN("x-trace-id")),
                                .traceparent = metadata_get(c, SPAN("traceparent"))};
        s->args.done(s->args.owner, &done);
        grpc_call_unref(c->call);
        c->call = NULL;
    }
    if (c->payload != NULL)
        grpc_byte_buffer_destroy(c->payload);
    if (c->answer != NULL)
        grpc_byte_buffer_destroy(c->answer);
    grpc_slice_unref(c->request);
    if (c->method == s->args.nmethods) {
        grpc_call_details_destroy(&c->details);
        grpc_call_details_init(&c->details);
    }
    c->payload = c->answer = NULL;
    c->cancelled = 0;
    c->worked = c->answered = false;
    c->fault = (struct rpc_fault){0};
    s->live--;
    list_append(&s->free_calls, &c->node);
    rpc_call_refill(s);
}

static void step(struct rpc_call *c, enum rpc_event ev)
{
    unsigned fx = 0;
    (void)fsm_step(&rpc_call_fsm, &c->state, (uint8_t)ev, c, NULL, &fx, (struct now){0});
    if (fx & RPC_FX_WATCH_END)
        watch_end(c);
    if (fx & RPC_FX_HOLD)
        hold(c);
    if (fx & RPC_FX_UNHOLD)
        list_remove(&c->node);
    if (fx & (RPC_FX_ANSWER | RPC_FX_ANSWER_HELD)) {
        work(c);
        send_answer(c, (fx & RPC_FX_ANSWER) != 0);
    }
    if (c->state == RPC_ST_FREE)
        finish(c);
}

static void arrived(struct rpc_call *c)
{
    struct rpc *s = c->server;
    s->slots[c->method].posted--;
    rpc_call_refill(s);
    if (c->method == s->args.nmethods) { /* a path that nobody serves */
        c->fault.status = RPC_UNIMPLEMENTED;
        (void)snprintf(c->fault_message, sizeof c->fault_message, "unknown method");
        step(c, RPC_EV_ARRIVED);
        return;
    }
    read_request(c);
    const struct rpc_fault *f = s->args.fault(s->args.owner, c->method);
    if (f != NULL) {
        c->fault = *f;
        (void)snprintf(c->fault_message, sizeof c->fault_message, "%s", f->message);
    }
    step(c, c->fault.hang || c->fault.delay_ms > 0 ? RPC_EV_ARRIVED_HELD : RPC_EV_ARRIVED);
}

void rpc_call_event(struct rpc_tag *tag, bool ok)
{
    switch (tag->kind) {
    case RPC_TAG_ARRIVED:
        if (ok) {
            arrived(tag->call);
        } else {
            tag->call->server->slots[tag->call->method].posted--;
            step(tag->call, RPC_EV_REFUSED);
        }
        break;
    case RPC_TAG_SENT:
        step(tag->call, RPC_EV_SENT);
        break;
    case RPC_TAG_CLOSED:
        step(tag->call, RPC_EV_CLOSED);
        break;
    case RPC_TAG_SHUTDOWN:
    case RPC_TAGS:
        break;
    }
}

int64_t rpc_call_run_due(struct rpc *s, int64_t now_ms)
{
    while (!list_empty(&s->held)) {
        struct rpc_call *c = LIST_ENTRY(list_first(&s->held), struct rpc_call, node);
        if (c->due_ms > now_ms)
            return c->due_ms;
        step(c, RPC_EV_DUE);
    }
    return INT64_MAX;
}
