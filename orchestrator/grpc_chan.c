#include "orchestrator/grpc_chan.h"
#include "common/base/err.h"
#include "common/base/id.h"
#include "common/base/list.h"
#include "orchestrator/text.h"
#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/support/alloc.h>
#include <limits.h>
#include <stdlib.h>

#define RECONNECT_MIN_MS 100
#define RECONNECT_MAX_MS 2000
#define CONNECT_MAX_MS 5000 /* one attempt, TLS and HTTP/2 settings included */
/* Servers of grpc-go's default policy cut a connection that is pinged more often than every 5 minutes, or without an
 * RPC under way. What the library also does with these two: TCP_USER_TIMEOUT is the latter. */
#define KEEPALIVE_MS 330000
#define DEAD_PEER_MS 5000
#define RESOLVE_AGAIN_MS 1000 /* shortest time between two DNS look-ups */
#define RPC_SPARE_MAX 1024    /* contexts kept for the next RPC */
#define RPC_METADATA 2
#define PROBE_PATH "/grpc.health.v1.Health/Check"

struct grpc_rpc {
    struct hub_tag tag;
    struct list node; /* in chan->open, or in the spare list */
    struct grpc_chan *chan;
    grpc_call *call;
    rpc_done_fn *done; /* NULL: nobody wants to know any more */
    void *user;
    int64_t started_ms;
    grpc_metadata metadata[RPC_METADATA];
    grpc_metadata_array initial;
    grpc_metadata_array trailing;
    grpc_byte_buffer *request;
    grpc_byte_buffer *reply;
    grpc_status_code code;
    grpc_slice detail;
};

struct grpc_chan {
    struct hub_tag watch; /* always out, until the library has shut the channel down */
    struct grpc_hub *hub;
    grpc_channel *channel; /* NULL once closed and idle */
    grpc_connectivity_state seen;
    void *method[GRPC_LINK_METHODS_MAX];
    void *probe;
    struct list open;
    uint32_t open_cnt;
    bool closed;
    bool watched;
    bool hurries; /* the hub looks often while it connects */
    void (*on_state)(void *user, enum grpc_chan_state st);
    void *user;
};

/* Contexts are used again, so that an RPC costs us no allocation of our own. */
static struct list spare = {&spare, &spare};
static size_t spare_cnt;

static void maybe_end(struct grpc_chan *c);

/* --- one RPC ----------------------------------------------------------------------------------------------------- */

static void on_rpc_end(struct hub_tag *t, bool ok);

static struct grpc_rpc *rpc_take(void)
{
    struct grpc_rpc *r;
    if (list_empty(&spare)) {
        r = calloc(1, sizeof *r);
        if (r == NULL)
            die(EX_INTERNAL, "no memory for an RPC");
        list_init(&r->node);
        r->tag.done = on_rpc_end;
        grpc_metadata_array_init(&r->initial);
        grpc_metadata_array_init(&r->trailing);
        return r;
    }
    r = LIST_ENTRY(list_first(&spare), struct grpc_rpc, node);
    list_remove(&r->node);
    spare_cnt--;
    return r;
}

static void rpc_free(struct grpc_rpc *r)
{
    grpc_metadata_array_destroy(&r->initial);
    grpc_metadata_array_destroy(&r->trailing);
    free(r);
}

static void rpc_put_back(struct grpc_rpc *r)
{
    grpc_byte_buffer_destroy(r->request);
    if (r->reply != NULL)
        grpc_byte_buffer_destroy(r->reply);
    r->reply = NULL;
    r->initial.count = 0;
    r->trailing.count = 0;
    for (size_t i = 0; i < RPC_METADATA; i++)
        grpc_slice_unref(r->metadata[i].value);
    grpc_slice_unref(r->detail);
    grpc_call_unref(r->call);
    r->call = NULL;
    list_remove(&r->node);
    if (spare_cnt >= RPC_SPARE_MAX) {
        rpc_free(r);
        return;
    }
    list_append(&spare, &r->node);
    spare_cnt++;
}

/* The reply's bytes as one piece. *held keeps them; unref it after use. */
static struct span reply_bytes(struct grpc_rpc *r, grpc_slice *held)
{
    *held = grpc_empty_slice();
    grpc_byte_buffer_reader reader;
    grpc_slice *piece;
    if (r->reply == NULL || !grpc_byte_buffer_reader_init(&reader, r->reply))
        return (struct span){0};
    if (grpc_byte_buffer_reader_peek(&reader, &piece) &&
        GRPC_SLICE_LENGTH(*piece) == grpc_byte_buffer_length(r->reply)) {
        *held = grpc_slice_ref(*piece); /* one piece, the usual case: no copy */
    } else {
        grpc_byte_buffer_reader_destroy(&reader);
        if (!grpc_byte_buffer_reader_init(&reader, r->reply))
            return (struct span){0};
        *held = grpc_byte_buffer_reader_readall(&reader);
    }
    grpc_byte_buffer_reader_destroy(&reader);
    return span_of((const char *)GRPC_SLICE_START_PTR(*held), GRPC_SLICE_LENGTH(*held));
}

static void report(struct grpc_rpc *r)
{
    grpc_slice held;
    struct span body = reply_bytes(r, &held);
    char *detail = GRPC_SLICE_LENGTH(r->detail) > 0 ? grpc_slice_to_c_string(r->detail) : NULL;
    struct rpc_reply reply = {
        .code = (int)r->code,
        .detail = detail != NULL ? detail : "",
        .body = body,
        .took_ms = clock_mono_ms() - r->started_ms,
    };
    r->done(r->user, &reply);
    gpr_free(detail);
    grpc_slice_unref(held);
}

static void on_rpc_end(struct hub_tag *t, bool ok)
{
    (void)ok; /* always true where a status is received */
    struct grpc_rpc *r = LIST_ENTRY(t, struct grpc_rpc, tag);
    struct grpc_chan *c = r->chan;
    if (r->done != NULL)
        report(r);
    rpc_put_back(r);
    c->open_cnt--;
    grpc_hub_unwant(c->hub, HUB_PACE_RPC);
    maybe_end(c);
}

/*
 * Span ids have to differ, not to be guessed by nobody: they guard nothing. So one random seed a process (SplitMix64:
 * no number comes twice before all have come) instead of a system call for each RPC.
 */
static uint64_t next_span_id(void)
{
    static uint64_t seed;
    if (seed == 0)
        seed = id_random_u64() | 1;
    uint64_t z = seed += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    z ^= z >> 31;
    return z != 0 ? z : 1;
}

static void put_metadata(struct grpc_rpc *r, const char *trace_id)
{
    char id[TEXT_TRACE_ID_MAX + 1];
    char parent[TEXT_TRACEPARENT_SIZE];
    text_trace_id(trace_id, id);
    text_traceparent(trace_id, next_span_id(), parent);
    r->metadata[0].key = grpc_slice_from_static_string("x-trace-id");
    r->metadata[0].value = grpc_slice_from_copied_string(id);
    r->metadata[1].key = grpc_slice_from_static_string("traceparent");
    r->metadata[1].value = grpc_slice_from_copied_string(parent);
}

/* m: NULL is an empty message */
static grpc_byte_buffer *encode(const ProtobufCMessage *m)
{
    grpc_slice s = grpc_slice_malloc(m != NULL ? protobuf_c_message_get_packed_size(m) : 0);
    if (m != NULL)
        protobuf_c_message_pack(m, GRPC_SLICE_START_PTR(s));
    grpc_byte_buffer *b = grpc_raw_byte_buffer_create(&s, 1);
    grpc_slice_unref(s);
    return b;
}

static void start_batch(struct grpc_rpc *r)
{
    grpc_op ops[] = {
        {.op = GRPC_OP_SEND_INITIAL_METADATA}, {.op = GRPC_OP_SEND_MESSAGE}, {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT},
        {.op = GRPC_OP_RECV_INITIAL_METADATA}, {.op = GRPC_OP_RECV_MESSAGE}, {.op = GRPC_OP_RECV_STATUS_ON_CLIENT},
    };
    ops[0].data.send_initial_metadata.count = RPC_METADATA;
    ops[0].data.send_initial_metadata.metadata = r->metadata;
    ops[1].data.send_message.send_message = r->request;
    ops[3].data.recv_initial_metadata.recv_initial_metadata = &r->initial;
    ops[4].data.recv_message.recv_message = &r->reply;
    ops[5].data.recv_status_on_client.trailing_metadata = &r->trailing;
    ops[5].data.recv_status_on_client.status = &r->code;
    ops[5].data.recv_status_on_client.status_details = &r->detail;
    /* Refused only for what cannot be sent, and texts and metadata have been mended. */
    grpc_call_error e = grpc_call_start_batch(r->call, ops, sizeof(ops) / sizeof(ops[0]), &r->tag, NULL);
    BUG_ON(e != GRPC_CALL_OK);
}

static struct grpc_rpc *start(struct grpc_chan *c, void *method, const struct rpc_args *args)
{
    struct grpc_rpc *r = rpc_take();
    gpr_timespec deadline =
        gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(args->deadline_ms, GPR_TIMESPAN));
    r->chan = c;
    r->done = args->done;
    r->user = args->user;
    r->started_ms = clock_mono_ms();
    r->call = grpc_channel_create_registered_call(c->channel, NULL, GRPC_PROPAGATE_DEFAULTS, grpc_hub_queue(c->hub),
                                                  method, deadline, NULL);
    r->request = encode(args->request);
    put_metadata(r, args->trace_id);
    list_append(&c->open, &r->node);
    c->open_cnt++;
    grpc_hub_want(c->hub, HUB_PACE_RPC);
    start_batch(r);
    return r;
}

struct grpc_rpc *grpc_chan_call(struct grpc_chan *c, const struct rpc_args *args)
{
    BUG_ON(args->method >= GRPC_LINK_METHODS_MAX || c->method[args->method] == NULL);
    return start(c, c->method[args->method], args);
}

struct grpc_rpc *grpc_chan_probe(struct grpc_chan *c, int64_t deadline_ms, rpc_done_fn *done, void *user)
{
    struct rpc_args a = {.deadline_ms = deadline_ms, .trace_id = "probe", .done = done, .user = user};
    return start(c, c->probe, &a);
}

void grpc_rpc_cancel(struct grpc_rpc *r)
{
    r->done = NULL;
    grpc_call_cancel(r->call, NULL);
}

/* --- the channel ------------------------------------------------------------------------------------------------- */

static void on_watch(struct hub_tag *t, bool ok);

static void watch(struct grpc_chan *c)
{
    c->watched = true;
    grpc_channel_watch_connectivity_state(c->channel, c->seen, gpr_inf_future(GPR_CLOCK_MONOTONIC),
                                          grpc_hub_queue(c->hub), &c->watch);
}

static void hurry(struct grpc_chan *c, bool on)
{
    if (on && !c->hurries)
        grpc_hub_want(c->hub, HUB_PACE_CONNECT);
    else if (!on && c->hurries)
        grpc_hub_unwant(c->hub, HUB_PACE_CONNECT);
    c->hurries = on;
}

static void tell_state(struct grpc_chan *c)
{
    if (c->seen == GRPC_CHANNEL_READY)
        c->on_state(c->user, GRPC_CHAN_READY);
    else if (c->seen == GRPC_CHANNEL_TRANSIENT_FAILURE || c->seen == GRPC_CHANNEL_SHUTDOWN)
        c->on_state(c->user, GRPC_CHAN_BROKEN);
    else
        c->on_state(c->user, GRPC_CHAN_CONNECTING);
}

static void on_watch(struct hub_tag *t, bool ok)
{
    (void)ok; /* no deadline that could pass */
    struct grpc_chan *c = LIST_ENTRY(t, struct grpc_chan, watch);
    c->watched = false;
    if (c->channel == NULL) {
        maybe_end(c);
        return;
    }
    c->seen = grpc_channel_check_connectivity_state(c->channel, 1); /* an idle channel connects again */
    hurry(c, c->seen != GRPC_CHANNEL_READY);
    if (c->seen != GRPC_CHANNEL_SHUTDOWN)
        watch(c);
    if (!c->closed)
        tell_state(c);
}

/* Ends the watch too. RPCs still open keep what they need of it. */
static void destroy_channel(struct grpc_chan *c)
{
    grpc_channel *ch = c->channel;
    hurry(c, false);
    c->channel = NULL;
    if (ch != NULL)
        grpc_channel_destroy(ch);
}

/* A closed channel is destroyed with its last RPC; that ends the watch, and with it the struct goes. */
static void maybe_end(struct grpc_chan *c)
{
    if (!c->closed || c->open_cnt > 0)
        return;
    destroy_channel(c);
    if (!c->watched)
        free(c);
}

/*
 * The server's certificate is verified when the connection is made: signed by our CA, for the name that is expected.
 * The library's other credentials (grpc_ssl_credentials_create) look the name up in it for each RPC once more, which
 * guards channels that are asked for several names. Ours has one.
 */
static grpc_channel_credentials *make_credentials(const struct tls_files *tls)
{
    grpc_tls_identity_pairs *pairs = grpc_tls_identity_pairs_create();
    grpc_tls_identity_pairs_add_pair(pairs, tls->key_pem, tls->cert_pem);
    grpc_tls_certificate_provider *files = grpc_tls_certificate_provider_static_data_create(tls->ca_pem, pairs);
    grpc_tls_certificate_verifier *by_name = grpc_tls_certificate_verifier_host_name_create();
    grpc_tls_credentials_options *options = grpc_tls_credentials_options_create();
    grpc_tls_credentials_options_set_certificate_provider(options, files);
    grpc_tls_credentials_options_watch_root_certs(options);
    grpc_tls_credentials_options_watch_identity_key_cert_pairs(options);
    grpc_tls_credentials_options_set_verify_server_cert(options, 1);
    grpc_tls_credentials_options_set_certificate_verifier(options, by_name);
    grpc_tls_credentials_options_set_check_call_host(options, 0);
    grpc_channel_credentials *creds = grpc_tls_credentials_create(options);
    grpc_tls_certificate_verifier_release(by_name);
    grpc_tls_certificate_provider_release(files);
    return creds;
}

static grpc_channel *make_channel(const struct grpc_chan_args *a)
{
    grpc_channel_credentials *creds = make_credentials(a->tls);
#define NUMBER(k, v) {.type = GRPC_ARG_INTEGER, .key = (char *)(k), .value.integer = (v)}
#define STRING(k, v)                                                                                                   \
    {                                                                                                                  \
        .type = GRPC_ARG_STRING, .key = (char *)(k), .value.string = (char *)(v)                                       \
    }
    grpc_arg args[] = {
        STRING(GRPC_SSL_TARGET_NAME_OVERRIDE_ARG, a->tls_name),
        STRING(GRPC_ARG_DEFAULT_AUTHORITY, a->tls_name),
        STRING(GRPC_ARG_PRIMARY_USER_AGENT_STRING, "sentiric-sip-signaling/" SIG_VERSION),
        NUMBER(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, RECONNECT_MIN_MS),
        NUMBER(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, RECONNECT_MAX_MS),
        NUMBER(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS,
               CONNECT_MAX_MS), /* which is the library's name for an attempt's time */
        NUMBER(GRPC_ARG_DNS_MIN_TIME_BETWEEN_RESOLUTIONS_MS, RESOLVE_AGAIN_MS),
        NUMBER(GRPC_ARG_KEEPALIVE_TIME_MS, KEEPALIVE_MS),
        NUMBER(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, DEAD_PEER_MS),
        NUMBER(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 0),
        NUMBER(GRPC_ARG_HTTP2_BDP_PROBE, 0),              /* pings too, and our messages are small */
        NUMBER(GRPC_ARG_CLIENT_IDLE_TIMEOUT_MS, INT_MAX), /* kept, however long nobody calls */
        NUMBER(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, GRPC_LINK_REPLY_MAX),
        NUMBER(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1), /* new certificates must mean a new connection */
        NUMBER(GRPC_ARG_ENABLE_HTTP_PROXY, 0),         /* the environment's proxy is not for the platform's traffic */
        NUMBER(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1),
        /* What an RPC need not pay for (docs/decisions.md 27). The library retries nothing that a server may have seen,
         * messages are too small to compress, and the name stands at each method. */
        NUMBER(GRPC_ARG_ENABLE_RETRIES, 0),
        NUMBER(GRPC_ARG_ENABLE_PER_MESSAGE_COMPRESSION, 0),
        NUMBER(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0),
        NUMBER(GRPC_ARG_DISABLE_CLIENT_AUTHORITY_FILTER, 1),
        NUMBER(GRPC_ARG_ENABLE_CHANNELZ, 0),
        NUMBER(GRPC_ARG_MAX_CHANNEL_TRACE_EVENT_MEMORY_PER_NODE, 0),
    };
#undef NUMBER
#undef STRING
    grpc_channel_args list = {.num_args = sizeof(args) / sizeof(args[0]), .args = args};
    grpc_channel *ch = grpc_channel_create(a->target, creds, &list);
    grpc_channel_credentials_release(creds);
    return ch;
}

struct grpc_chan *grpc_chan_open(const struct grpc_chan_args *a)
{
    struct grpc_chan *c = calloc(1, sizeof *c);
    if (c == NULL)
        die(EX_INTERNAL, "no memory for a channel");
    c->hub = a->hub;
    c->on_state = a->on_state;
    c->user = a->user;
    c->watch.done = on_watch;
    list_init(&c->open);
    c->channel = make_channel(a);
    for (size_t i = 0; a->methods[i] != NULL; i++) {
        BUG_ON(i == GRPC_LINK_METHODS_MAX);
        c->method[i] = grpc_channel_register_call(c->channel, a->methods[i], a->tls_name, NULL);
    }
    c->probe = grpc_channel_register_call(c->channel, PROBE_PATH, a->tls_name, NULL);
    c->seen = grpc_channel_check_connectivity_state(c->channel, 1);
    hurry(c, true);
    watch(c);
    return c;
}

void grpc_chan_close(struct grpc_chan *c, bool now)
{
    c->closed = true;
    if (now) {
        for (struct list *n = c->open.next; n != &c->open; n = n->next)
            grpc_rpc_cancel(LIST_ENTRY(n, struct grpc_rpc, node));
        destroy_channel(c); /* at once: the hub cannot end while the watch is out */
    }
    maybe_end(c);
}

uint32_t grpc_chan_in_flight(const struct grpc_chan *c)
{
    return c->open_cnt;
}
