/*
 * floor_grpc: what the four RPCs of a call cost a client that does nothing else. Layer: tests/bench.
 *
 * The gRPC C core over mutual TLS, one channel, one thread, one completion queue. A chain is one call's worth:
 * FindUserByContact, ResolveDialplan, AllocatePort, ReleasePort of that port. --in-flight chains start together, as
 * often as --rate chains a second ask for (0: the next burst starts when the last has ended). The CPU time printed is
 * this process's own, all of gRPC's threads included, from the first measured chain to the last; connecting and the
 * warm-up are not in it.
 */
#include "proto/platform/dialplan.pb-c.h"
#include "proto/platform/media.pb-c.h"
#include "proto/platform/user.pb-c.h"
#include "tests/bench/floor.h"
#include <getopt.h>
#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/support/alloc.h>
#include <grpc/support/time.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUEST_BYTES_MAX 256
#define FILE_BYTES_MAX 65536
#define DEADLINE_MS 10000
#define CONNECT_MS 10000
#define IN_FLIGHT_MAX 1000
#define WARM_UP_CHAINS 500

enum step { STEP_USER = 0, STEP_DIALPLAN, STEP_ALLOCATE, STEP_RELEASE, STEPS };

static const struct {
    const char *path;
    const char *server_name;
} step_kinds[STEPS] = {
    [STEP_USER] = {"/sentiric.user.v1.UserService/FindUserByContact", "user-service"},
    [STEP_DIALPLAN] = {"/sentiric.dialplan.v1.DialplanService/ResolveDialplan", "dialplan-service"},
    [STEP_ALLOCATE] = {"/sentiric.media.v1.MediaService/AllocatePort", "media-service"},
    [STEP_RELEASE] = {"/sentiric.media.v1.MediaService/ReleasePort", "media-service"},
};

struct bench;

struct chain {
    struct bench *b;
    enum step step;
    uint32_t port;
    grpc_call *call;
    grpc_metadata_array initial, trailing;
    grpc_status_code status;
    grpc_slice details;
    grpc_byte_buffer *answer;
};

struct bench {
    struct floor_args args;
    grpc_channel *channel;
    grpc_completion_queue *cq;
    void *methods[STEPS];
    struct chain chains[IN_FLIGHT_MAX];
    unsigned busy;
    unsigned long rpcs, failed;
};

static size_t pack_request(const struct chain *c, uint8_t out[REQUEST_BYTES_MAX])
{
    static char type[] = "phone", caller[] = "905551234567", called[] = "902121234567";
    static char call_id[] = "1-4711-00000000@127.0.0.1";
    switch (c->step) {
    case STEP_USER: {
        Sentiric__User__V1__FindUserByContactRequest m = SENTIRIC__USER__V1__FIND_USER_BY_CONTACT_REQUEST__INIT;
        m.contact_type = type;
        m.contact_value = caller;
        return sentiric__user__v1__find_user_by_contact_request__pack(&m, out);
    }
    case STEP_DIALPLAN: {
        Sentiric__Dialplan__V1__ResolveDialplanRequest m = SENTIRIC__DIALPLAN__V1__RESOLVE_DIALPLAN_REQUEST__INIT;
        m.caller_contact_value = caller;
        m.destination_number = called;
        return sentiric__dialplan__v1__resolve_dialplan_request__pack(&m, out);
    }
    case STEP_ALLOCATE: {
        Sentiric__Media__V1__AllocatePortRequest m = SENTIRIC__MEDIA__V1__ALLOCATE_PORT_REQUEST__INIT;
        m.call_id = call_id;
        return sentiric__media__v1__allocate_port_request__pack(&m, out);
    }
    default: {
        Sentiric__Media__V1__ReleasePortRequest m = SENTIRIC__MEDIA__V1__RELEASE_PORT_REQUEST__INIT;
        m.rtp_port = c->port;
        return sentiric__media__v1__release_port_request__pack(&m, out);
    }
    }
}

static void chain_ask(struct chain *c)
{
    uint8_t bytes[REQUEST_BYTES_MAX];
    grpc_slice slice = grpc_slice_from_copied_buffer((const char *)bytes, pack_request(c, bytes));
    grpc_byte_buffer *request = grpc_raw_byte_buffer_create(&slice, 1);
    grpc_slice_unref(slice);
    gpr_timespec deadline = gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(DEADLINE_MS, GPR_TIMESPAN));
    c->call = grpc_channel_create_registered_call(c->b->channel, NULL, GRPC_PROPAGATE_DEFAULTS, c->b->cq,
                                                  c->b->methods[c->step], deadline, NULL);
    grpc_metadata_array_init(&c->initial);
    grpc_metadata_array_init(&c->trailing);
    grpc_op ops[6] = {
        {.op = GRPC_OP_SEND_INITIAL_METADATA},
        {.op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = request},
        {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT},
        {.op = GRPC_OP_RECV_INITIAL_METADATA, .data.recv_initial_metadata.recv_initial_metadata = &c->initial},
        {.op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &c->answer},
        {.op = GRPC_OP_RECV_STATUS_ON_CLIENT,
         .data.recv_status_on_client = {.trailing_metadata = &c->trailing,
                                        .status = &c->status,
                                        .status_details = &c->details}},
    };
    if (grpc_call_start_batch(c->call, ops, 6, c, NULL) != GRPC_CALL_OK)
        floor_die("grpc_call_start_batch refused");
    grpc_byte_buffer_destroy(request);
}

static uint32_t port_of(grpc_byte_buffer *answer)
{
    grpc_byte_buffer_reader reader;
    if (!grpc_byte_buffer_reader_init(&reader, answer))
        return 0;
    grpc_slice all = grpc_byte_buffer_reader_readall(&reader);
    Sentiric__Media__V1__AllocatePortResponse *m =
        sentiric__media__v1__allocate_port_response__unpack(NULL, GRPC_SLICE_LENGTH(all), GRPC_SLICE_START_PTR(all));
    uint32_t port = m != NULL ? m->rtp_port : 0;
    if (m != NULL)
        sentiric__media__v1__allocate_port_response__free_unpacked(m, NULL);
    grpc_slice_unref(all);
    grpc_byte_buffer_reader_destroy(&reader);
    return port;
}

static void chain_answered(struct chain *c)
{
    struct bench *b = c->b;
    b->rpcs++;
    /* An unknown caller is an answer like any other. */
    bool good = c->status == GRPC_STATUS_OK || (c->step == STEP_USER && c->status == GRPC_STATUS_NOT_FOUND);
    if (good && c->step == STEP_ALLOCATE)
        c->port = c->answer != NULL ? port_of(c->answer) : 0;
    b->failed += !good;
    grpc_slice_unref(c->details);
    grpc_metadata_array_destroy(&c->initial);
    grpc_metadata_array_destroy(&c->trailing);
    if (c->answer != NULL)
        grpc_byte_buffer_destroy(c->answer);
    c->answer = NULL;
    grpc_call_unref(c->call);
    if (good && c->step + 1 < STEPS) {
        c->step++;
        chain_ask(c);
    } else {
        b->busy--;
    }
}

/* Takes answers until the time is up and, if there is to be no overlap, until all chains have ended. */
static void serve_until(struct bench *b, int64_t until_us)
{
    for (;;) {
        int64_t left_us = until_us - floor_now_us();
        if (b->busy == 0 && left_us <= 0)
            return;
        int64_t wait_us = b->busy > 0 ? DEADLINE_MS * 2000L : left_us;
        gpr_timespec t = gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_micros(wait_us, GPR_TIMESPAN));
        grpc_event ev = grpc_completion_queue_next(b->cq, t, NULL);
        if (ev.type == GRPC_OP_COMPLETE)
            chain_answered(ev.tag);
    }
}

static void run_chains(struct bench *b, unsigned long chains, double rate)
{
    int64_t begin_us = floor_now_us();
    for (unsigned long started = 0; started < chains;) {
        unsigned burst = b->args.in_flight;
        if (burst > chains - started)
            burst = (unsigned)(chains - started);
        for (unsigned i = 0; i < burst; i++) {
            b->chains[i].step = STEP_USER;
            chain_ask(&b->chains[i]);
        }
        b->busy = burst;
        started += burst;
        serve_until(b, rate > 0 ? begin_us + (int64_t)((double)started / rate * 1e6) : 0);
    }
}

static char *read_file(const char *path)
{
    char *text = calloc(1, FILE_BYTES_MAX);
    FILE *f = fopen(path, "re");
    if (text == NULL || f == NULL || fread(text, 1, FILE_BYTES_MAX - 1, f) == 0)
        floor_die(path);
    (void)fclose(f);
    return text;
}

static void connect_channel(struct bench *b, const char *pki)
{
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/ca.crt", pki);
    char *ca = read_file(path);
    (void)snprintf(path, sizeof path, "%s/sip-signaling.crt", pki);
    char *cert = read_file(path);
    (void)snprintf(path, sizeof path, "%s/sip-signaling.key", pki);
    char *key = read_file(path);
    grpc_ssl_pem_key_cert_pair pair = {.private_key = key, .cert_chain = cert};
    grpc_channel_credentials *creds = grpc_ssl_credentials_create(ca, &pair, NULL, NULL);
    static char name_key[] = GRPC_SSL_TARGET_NAME_OVERRIDE_ARG, name[] = "user-service";
    grpc_arg arg = {.type = GRPC_ARG_STRING, .key = name_key, .value.string = name};
    grpc_channel_args args = {.num_args = 1, .args = &arg};
    b->cq = grpc_completion_queue_create_for_next(NULL);
    b->channel = grpc_channel_create(b->args.target, creds, &args);
    grpc_channel_credentials_release(creds);
    free(ca);
    free(cert);
    free(key);
    for (int i = 0; i < STEPS; i++)
        b->methods[i] = grpc_channel_register_call(b->channel, step_kinds[i].path, step_kinds[i].server_name, NULL);
    for (;;) {
        grpc_connectivity_state s = grpc_channel_check_connectivity_state(b->channel, 1);
        if (s == GRPC_CHANNEL_READY)
            return;
        gpr_timespec t = gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(CONNECT_MS, GPR_TIMESPAN));
        grpc_channel_watch_connectivity_state(b->channel, s, t, b->cq, NULL);
        if (!grpc_completion_queue_next(b->cq, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL).success)
            floor_die("the platform cannot be reached");
    }
}

int main(int argc, char **argv)
{
    static struct bench b;
    floor_args_parse(&b.args, argc, argv,
                     "usage: floor_grpc --target HOST:PORT --pki DIR [--calls N] [--rate N] [--in-flight N]\n");
    if (b.args.target == NULL || b.args.pki == NULL || b.args.in_flight > IN_FLIGHT_MAX)
        floor_die("--target and --pki are needed, --in-flight is at most 1000");
    for (int i = 0; i < IN_FLIGHT_MAX; i++)
        b.chains[i].b = &b;
    grpc_init();
    connect_channel(&b, b.args.pki);
    run_chains(&b, WARM_UP_CHAINS, 0);
    b.rpcs = b.failed = 0;
    int64_t cpu_us = floor_cpu_us(), wall_us = floor_now_us();
    run_chains(&b, b.args.calls, b.args.rate);
    floor_report("grpc", b.rpcs, b.failed, floor_cpu_us() - cpu_us, floor_now_us() - wall_us);
    grpc_channel_destroy(b.channel);
    grpc_completion_queue_shutdown(b.cq);
    while (grpc_completion_queue_next(b.cq, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL).type != GRPC_QUEUE_SHUTDOWN)
        continue;
    grpc_completion_queue_destroy(b.cq);
    grpc_shutdown_blocking();
    return b.failed > 0;
}
