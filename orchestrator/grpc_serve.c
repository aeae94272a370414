#include "orchestrator/grpc_serve.h"
#include "common/base/err.h"
#include "common/base/list.h"
#include "common/base/log.h"
#include "common/base/utf8.h"
#include "common/rt/work.h"
#include "orchestrator/rpc_code.h"
#include "orchestrator/text.h"
#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define METHOD_SLOTS 32 /* calls of one method the library may hand over between two turns */
#define UNKNOWN_SLOTS 4 /* the same for methods we do not have */
#define STREAMS_MAX 256 /* calls at once on one connection */
#define HANDSHAKE_MS 5000
#define KEY_METADATA "idempotency-key"
#define WAIT_METADATA "wait"
#define STAYS_METADATA "stays"
#define STAYS_MAX 16

/* A standing request to the library for the next call. */
struct slot {
    struct hub_tag tag;
    struct grpc_serve *serve;
    const struct serve_method *method; /* NULL: any other */
    void *registered;
    grpc_call *call;
    grpc_call_details details;
    gpr_timespec deadline;
    grpc_metadata_array metadata;
    grpc_byte_buffer *payload;
};

struct serve_call {
    struct hub_tag answered;
    struct hub_tag closed;
    struct list node; /* in serve->open until answered */
    struct grpc_serve *serve;
    grpc_call *call;
    int cancelled;
    uint8_t tags_out;
    char peer[GRPC_SERVE_PEER_MAX];
    char key[GRPC_SERVE_KEY_MAX];
    uint32_t wait_s;
    char stays[STAYS_MAX];
};

struct grpc_serve {
    struct hub_tag down;
    struct grpc_hub *hub;
    grpc_server *server;
    void *user;
    const struct serve_right *rights;
    struct list open;
    uint32_t open_cnt;
    uint16_t port;
    bool closing;
    struct slot *slots;
    size_t slot_cnt;
    size_t slots_out;
    pthread_mutex_t lock; /* around next_config: handshakes ask for it on the library's threads */
    grpc_ssl_server_certificate_config *next_config;
};

/* --- certificates ------------------------------------------------------------------------------------------------ */

static grpc_ssl_server_certificate_config *make_config(const struct tls_files *tls)
{
    grpc_ssl_pem_key_cert_pair pair = {.private_key = tls->key_pem, .cert_chain = tls->cert_pem};
    return grpc_ssl_server_certificate_config_create(tls->ca_pem, &pair, 1);
}

static grpc_ssl_certificate_config_reload_status on_fetch(void *user, grpc_ssl_server_certificate_config **out)
{
    struct grpc_serve *s = user;
    pthread_mutex_lock(&s->lock);
    *out = s->next_config;
    s->next_config = NULL;
    pthread_mutex_unlock(&s->lock);
    return *out != NULL ? GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW : GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
}

void grpc_serve_set_tls(struct grpc_serve *s, const struct tls_files *tls)
{
    grpc_ssl_server_certificate_config *fresh = make_config(tls);
    pthread_mutex_lock(&s->lock);
    grpc_ssl_server_certificate_config *old = s->next_config;
    s->next_config = fresh;
    pthread_mutex_unlock(&s->lock);
    if (old != NULL)
        grpc_ssl_server_certificate_config_destroy(old);
}

/* --- answering --------------------------------------------------------------------------------------------------- */

static void call_unref(struct serve_call *c)
{
    if (--c->tags_out > 0)
        return;
    grpc_call_unref(c->call);
    free(c);
}

static void on_answered(struct hub_tag *t, bool ok)
{
    (void)ok; /* false: the client was gone before; nothing is left to be done */
    call_unref(LIST_ENTRY(t, struct serve_call, answered));
}

static void on_closed(struct hub_tag *t, bool ok)
{
    (void)ok;
    call_unref(LIST_ENTRY(t, struct serve_call, closed));
}

static grpc_byte_buffer *encode(const ProtobufCMessage *m)
{
    grpc_slice s = grpc_slice_malloc(protobuf_c_message_get_packed_size(m));
    protobuf_c_message_pack(m, GRPC_SLICE_START_PTR(s));
    grpc_byte_buffer *b = grpc_raw_byte_buffer_create(&s, 1);
    grpc_slice_unref(s);
    return b;
}

void serve_answer(struct serve_call *c, int code, const char *text, const ProtobufCMessage *reply)
{
    grpc_slice details = grpc_slice_from_copied_string(text);
    grpc_byte_buffer *body = code == RPC_OK ? encode(reply) : NULL;
    grpc_op ops[3] = {{.op = GRPC_OP_SEND_INITIAL_METADATA}, {.op = GRPC_OP_SEND_STATUS_FROM_SERVER}};
    ops[1].data.send_status_from_server.status = (grpc_status_code)code;
    ops[1].data.send_status_from_server.status_details = &details;
    size_t n = 2;
    if (body != NULL) {
        ops[n].op = GRPC_OP_SEND_MESSAGE;
        ops[n++].data.send_message.send_message = body;
    }
    list_remove(&c->node);
    c->serve->open_cnt--;
    grpc_call_error e = grpc_call_start_batch(c->call, ops, n, &c->answered, NULL);
    BUG_ON(e != GRPC_CALL_OK); /* answered twice */
    grpc_slice_unref(details);
    if (body != NULL)
        grpc_byte_buffer_destroy(body);
}

const char *serve_call_peer(const struct serve_call *c)
{
    return c->peer;
}

const char *serve_call_key(const struct serve_call *c)
{
    return c->key;
}

const char *serve_call_stays(const struct serve_call *c)
{
    return c->stays;
}

uint32_t serve_call_wait_s(const struct serve_call *c)
{
    return c->wait_s;
}

/* --- taking calls ------------------------------------------------------------------------------------------------ */

/* Every value of a property of the client's certificate, until `use` says that it is enough. */
static void each_value(const grpc_auth_context *ctx, const char *property, bool (*use)(void *user, struct span value),
                       void *user)
{
    grpc_auth_property_iterator it = grpc_auth_context_find_properties_by_name(ctx, property);
    const grpc_auth_property *p;
    while ((p = grpc_auth_property_iterator_next(&it)) != NULL) {
        if (use(user, span_of(p->value, p->value_length)))
            break;
    }
}

/* Those it is known by: the common name, then the DNS names. */
static void each_name(const struct serve_call *c, bool (*use)(void *user, struct span value), void *user)
{
    grpc_auth_context *ctx = grpc_call_auth_context(c->call);
    if (ctx == NULL)
        return;
    each_value(ctx, GRPC_X509_CN_PROPERTY_NAME, use, user);
    each_value(ctx, GRPC_PEER_DNS_PROPERTY_NAME, use, user);
    grpc_auth_context_release(ctx);
}

static bool take_name(void *user, struct span name)
{
    struct serve_call *c = user;
    if (c->peer[0] == '\0')
        (void)snprintf(c->peer, sizeof c->peer, "%.*s", SPAN_ARG(name));
    return true;
}

static void read_peer(struct serve_call *c)
{
    each_name(c, take_name, c);
    utf8_mend(c->peer);
}

static struct span text_of(const grpc_slice *s)
{
    return span_of((const char *)GRPC_SLICE_START_PTR(*s), GRPC_SLICE_LENGTH(*s));
}

/* What is no number of seconds is none. */
static void read_metadata(struct serve_call *c, const grpc_metadata_array *metadata)
{
    for (size_t i = 0; i < metadata->count; i++) {
        const grpc_metadata *m = &metadata->metadata[i];
        struct span value = text_of(&m->value);
        if (grpc_slice_str_cmp(m->key, KEY_METADATA) == 0)
            (void)snprintf(c->key, sizeof c->key, "%.*s", SPAN_ARG(value));
        if (grpc_slice_str_cmp(m->key, STAYS_METADATA) == 0)
            (void)snprintf(c->stays, sizeof c->stays, "%.*s", SPAN_ARG(value));
        if (grpc_slice_str_cmp(m->key, WAIT_METADATA) == 0 && span_to_u32(value, UINT32_MAX, &c->wait_s) == 0 &&
            c->wait_s > GRPC_SERVE_WAIT_MAX_S)
            c->wait_s = GRPC_SERVE_WAIT_MAX_S;
    }
    utf8_mend(c->key);
    utf8_mend(c->stays);
}

struct asked_right {
    const char *names;
    bool given;
};

static bool take_right(void *user, struct span name)
{
    struct asked_right *a = user;
    a->given = a->given || may_name(a->names, name);
    return a->given;
}

/* false: it was refused. */
static bool may_ask(struct serve_call *c, unsigned right)
{
    if (right == 0)
        return true;
    const struct serve_right *r = &c->serve->rights[right];
    struct asked_right asked = {.names = r->names};
    each_name(c, take_right, &asked);
    if (asked.given)
        return true;
    char why[320];
    (void)snprintf(why, sizeof why, "%s may not %s: no name in its certificate is in %s",
                   c->peer[0] != '\0' ? c->peer : "a client without a name", r->verb, r->setting);
    log_ev(LOG_WARN, "gRPC caller refused", log_z("by", c->peer), log_z("why", why));
    serve_answer(c, RPC_PERMISSION_DENIED, why, NULL);
    return false;
}

static struct serve_call *call_new(struct grpc_serve *s, grpc_call *call)
{
    struct serve_call *c = calloc(1, sizeof *c);
    if (c == NULL)
        die(EX_INTERNAL, "no memory for a gRPC call");
    c->serve = s;
    c->call = call;
    c->answered.done = on_answered;
    c->closed.done = on_closed;
    c->tags_out = 2; /* the close that is watched, and the answer that is owed */
    list_init(&c->node);
    list_append(&s->open, &c->node);
    s->open_cnt++;
    read_peer(c);
    grpc_op op = {.op = GRPC_OP_RECV_CLOSE_ON_SERVER};
    op.data.recv_close_on_server.cancelled = &c->cancelled;
    grpc_call_error e = grpc_call_start_batch(call, &op, 1, &c->closed, NULL);
    BUG_ON(e != GRPC_CALL_OK);
    return c;
}

static ProtobufCMessage *decode(const ProtobufCMessageDescriptor *d, struct span bytes)
{
    ProtobufCMessage *m = protobuf_c_message_unpack(d, NULL, bytes.len, (const uint8_t *)bytes.p);
    if (m == NULL || text_message_ok(m))
        return m;
    protobuf_c_message_free_unpacked(m, NULL);
    return NULL;
}

static void take_bytes(const struct slot *slot, struct serve_call *c, struct span bytes)
{
    if (work_begin(WORK_RPC, bytes, bytes) != WORK_GO) {
        serve_answer(c, RPC_INTERNAL, "set aside: it killed the orchestrator twice", NULL);
        work_end();
        return;
    }
    ProtobufCMessage *m = decode(slot->method->request, bytes);
    if (m == NULL) {
        serve_answer(c, RPC_INVALID_ARGUMENT, "the request cannot be decoded", NULL);
    } else {
        slot->method->handler(slot->serve->user, c, m);
        protobuf_c_message_free_unpacked(m, NULL);
    }
    work_end();
}

static void take_call(struct slot *slot)
{
    struct grpc_serve *s = slot->serve;
    struct serve_call *c = call_new(s, slot->call);
    grpc_byte_buffer_reader r;
    if (slot->method == NULL) {
        serve_answer(c, RPC_UNIMPLEMENTED, "no such method here", NULL);
        return;
    }
    if (s->open_cnt > GRPC_SERVE_OPEN_MAX) {
        serve_answer(c, RPC_RESOURCE_EXHAUSTED, "too many calls are waiting for an answer", NULL);
        return;
    }
    if (!may_ask(c, slot->method->right))
        return;
    read_metadata(c, &slot->metadata);
    if (slot->payload == NULL || !grpc_byte_buffer_reader_init(&r, slot->payload)) {
        serve_answer(c, RPC_INVALID_ARGUMENT, "the request cannot be decoded", NULL);
        return;
    }
    grpc_slice bytes = grpc_byte_buffer_reader_readall(&r);
    grpc_byte_buffer_reader_destroy(&r);
    take_bytes(slot, c, span_of((const char *)GRPC_SLICE_START_PTR(bytes), GRPC_SLICE_LENGTH(bytes)));
    grpc_slice_unref(bytes);
}

static void slot_clear(struct slot *slot)
{
    if (slot->payload != NULL)
        grpc_byte_buffer_destroy(slot->payload);
    slot->payload = NULL;
    grpc_metadata_array_destroy(&slot->metadata);
    if (slot->method == NULL)
        grpc_call_details_destroy(&slot->details);
}

static void slot_post(struct slot *slot)
{
    struct grpc_serve *s = slot->serve;
    grpc_completion_queue *q = grpc_hub_queue(s->hub);
    grpc_metadata_array_init(&slot->metadata);
    grpc_call_error e;
    if (slot->method == NULL) {
        grpc_call_details_init(&slot->details);
        e = grpc_server_request_call(s->server, &slot->call, &slot->details, &slot->metadata, q, q, &slot->tag);
    } else {
        e = grpc_server_request_registered_call(s->server, slot->registered, &slot->call, &slot->deadline,
                                                &slot->metadata, &slot->payload, q, q, &slot->tag);
    }
    BUG_ON(e != GRPC_CALL_OK);
    s->slots_out++;
}

static void maybe_free(struct grpc_serve *s)
{
    if (s->server != NULL || s->slots_out > 0)
        return;
    if (s->next_config != NULL)
        grpc_ssl_server_certificate_config_destroy(s->next_config);
    pthread_mutex_destroy(&s->lock);
    free(s->slots);
    free(s);
}

static void on_call(struct hub_tag *t, bool ok)
{
    struct slot *slot = LIST_ENTRY(t, struct slot, tag);
    struct grpc_serve *s = slot->serve;
    s->slots_out--;
    if (ok && !s->closing)
        take_call(slot);
    else if (ok)
        grpc_call_unref(slot->call);
    slot_clear(slot);
    if (s->closing)
        maybe_free(s);
    else
        slot_post(slot);
}

/* --- life -------------------------------------------------------------------------------------------------------- */

static void on_down(struct hub_tag *t, bool ok)
{
    (void)ok;
    struct grpc_serve *s = LIST_ENTRY(t, struct grpc_serve, down);
    grpc_server_destroy(s->server);
    s->server = NULL;
    maybe_free(s);
}

void grpc_serve_free(struct grpc_serve *s)
{
    if (s == NULL)
        return;
    s->closing = true;
    for (struct list *n; (n = list_first(&s->open)) != NULL;)
        serve_answer(LIST_ENTRY(n, struct serve_call, node), RPC_UNAVAILABLE, "the service is stopping", NULL);
    grpc_server_shutdown_and_notify(s->server, grpc_hub_queue(s->hub), &s->down);
    grpc_server_cancel_all_calls(s->server);
}

uint16_t grpc_serve_port(const struct grpc_serve *s)
{
    return s->port;
}

static grpc_server *make_server(void)
{
    grpc_arg args[] = {
        {.type = GRPC_ARG_INTEGER, .key = (char *)GRPC_ARG_ALLOW_REUSEPORT, .value.integer = 0}, /* busy is busy */
        {.type = GRPC_ARG_INTEGER, .key = (char *)GRPC_ARG_MAX_CONCURRENT_STREAMS, .value.integer = STREAMS_MAX},
        {.type = GRPC_ARG_INTEGER,
         .key = (char *)GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH,
         .value.integer = GRPC_SERVE_REQUEST_MAX},
        {.type = GRPC_ARG_INTEGER, .key = (char *)GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, .value.integer = HANDSHAKE_MS},
    };
    grpc_channel_args list = {.num_args = sizeof(args) / sizeof(args[0]), .args = args};
    return grpc_server_create(&list, NULL);
}

/* The system's reason is deep inside the library's line: ... os_error:"Address already in use" ... */
static struct span reason_in(const char *line)
{
    static const char mark[] = "os_error:\"";
    const char *p = strstr(line, mark);
    if (p == NULL && strstr(line, "create secure server") != NULL)
        return SPAN("our certificate and key cannot be used");
    if (p == NULL)
        return span_cstr(line);
    p += sizeof mark - 1;
    return span_of(p, strcspn(p, "\""));
}

static bool open_port(struct grpc_serve *s, uint16_t port, struct buf *err, bool *busy)
{
    char addr[32];
    (void)snprintf(addr, sizeof addr, "[::]:%u", port);
    grpc_server_credentials *creds =
        grpc_ssl_server_credentials_create_with_options(grpc_ssl_server_credentials_create_options_using_config_fetcher(
            GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY, on_fetch, s));
    int bound = grpc_server_add_http2_port(s->server, addr, creds);
    grpc_server_credentials_release(creds);
    s->port = (uint16_t)bound;
    if (bound != 0)
        return true;
    char line[GRPC_HUB_ERROR_MAX];
    grpc_hub_last_error(s->hub, line);
    *busy = strstr(line, "Address already in use") != NULL;
    buf_printf(err, "gRPC server: cannot open port %u: ", port);
    buf_put_span(err, reason_in(line));
    return false;
}

static void make_slots(struct grpc_serve *s, const struct serve_method *methods)
{
    size_t n = 0;
    for (const struct serve_method *m = methods; m->path != NULL; m++) {
        void *reg = grpc_server_register_method(s->server, m->path, NULL, GRPC_SRM_PAYLOAD_READ_INITIAL_BYTE_BUFFER, 0);
        for (size_t i = 0; i < METHOD_SLOTS; i++)
            s->slots[n++] = (struct slot){.tag.done = on_call, .serve = s, .method = m, .registered = reg};
    }
    for (size_t i = 0; i < UNKNOWN_SLOTS; i++)
        s->slots[n++] = (struct slot){.tag.done = on_call, .serve = s};
    s->slot_cnt = n;
}

struct grpc_serve *grpc_serve_open(const struct grpc_serve_args *a, struct buf *err, bool *busy)
{
    struct grpc_serve *s = calloc(1, sizeof *s);
    if (s != NULL)
        s->slots = calloc(GRPC_SERVE_METHODS_MAX * METHOD_SLOTS + UNKNOWN_SLOTS, sizeof s->slots[0]);
    if (s == NULL || s->slots == NULL)
        die(EX_INTERNAL, "no memory for the gRPC server");
    s->hub = a->hub;
    s->user = a->user;
    s->rights = a->rights;
    s->down.done = on_down;
    list_init(&s->open);
    pthread_mutex_init(&s->lock, NULL);
    s->next_config = make_config(a->tls);
    s->server = make_server();
    grpc_server_register_completion_queue(s->server, grpc_hub_queue(s->hub), NULL);
    make_slots(s, a->methods);
    *busy = false;
    if (!open_port(s, a->port, err, busy)) {
        grpc_serve_free(s);
        return NULL;
    }
    grpc_server_start(s->server);
    for (size_t i = 0; i < s->slot_cnt; i++)
        slot_post(&s->slots[i]);
    return s;
}
