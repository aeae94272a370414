/*
 * floor_amqp: what the three confirmed publishes of a call cost a client that does nothing else. Layer: tests/bench.
 *
 * rabbitmq-c, one connection, one channel in confirm mode, persistent messages of the size of our events to the topic
 * exchange `sentiric_events`, no mandatory flag, nobody else's queue needed. --in-flight messages go out together, as
 * often as --rate calls a second (three messages each) ask for; then their confirms are awaited. The CPU time printed
 * is this process's own, without connecting.
 */
#include "tests/bench/floor.h"
#include <amqp.h>
#include <amqp_tcp_socket.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#define EVENTS_PER_CALL 3
#define WARM_UP_MESSAGES 1000
#define CONFIRM_SEC 30

/* Sizes of call.started (both spellings of the plan), call.answered and call.ended as published in JSON. */
static const size_t body_bytes[EVENTS_PER_CALL] = {1900, 200, 320};
static const char *const keys[EVENTS_PER_CALL] = {"call.started", "call.answered", "call.ended"};

struct bench {
    struct floor_args args;
    amqp_connection_state_t conn;
    uint64_t sent, confirmed; /* delivery tags */
    unsigned long refused;
    char body[2048];
};

static void must(amqp_rpc_reply_t r, const char *what)
{
    if (r.reply_type != AMQP_RESPONSE_NORMAL)
        floor_die(what);
}

static void publish(struct bench *b)
{
    int kind = (int)(b->sent % EVENTS_PER_CALL);
    amqp_basic_properties_t props = {
        ._flags = AMQP_BASIC_CONTENT_TYPE_FLAG | AMQP_BASIC_DELIVERY_MODE_FLAG | AMQP_BASIC_MESSAGE_ID_FLAG,
        .content_type = amqp_cstring_bytes("application/json"),
        .delivery_mode = 2,
    };
    char id[32];
    (void)snprintf(id, sizeof id, "floor-%llu", (unsigned long long)b->sent);
    props.message_id = amqp_cstring_bytes(id);
    amqp_bytes_t body = {.len = body_bytes[kind], .bytes = b->body};
    if (amqp_basic_publish(b->conn, 1, amqp_cstring_bytes("sentiric_events"), amqp_cstring_bytes(keys[kind]), 0, 0,
                           &props, body) != AMQP_STATUS_OK)
        floor_die("basic.publish failed");
    b->sent++;
}

static void take_confirm(struct bench *b)
{
    struct timeval patience = {.tv_sec = CONFIRM_SEC};
    amqp_frame_t frame;
    amqp_maybe_release_buffers(b->conn);
    if (amqp_simple_wait_frame_noblock(b->conn, &frame, &patience) != AMQP_STATUS_OK)
        floor_die("no confirm came");
    if (frame.frame_type != AMQP_FRAME_METHOD)
        return;
    if (frame.payload.method.id == AMQP_BASIC_ACK_METHOD) {
        const amqp_basic_ack_t *ack = frame.payload.method.decoded;
        b->confirmed = ack->multiple ? ack->delivery_tag : b->confirmed + 1;
    } else if (frame.payload.method.id == AMQP_BASIC_NACK_METHOD) {
        b->refused++;
        b->confirmed++;
    } else {
        floor_die("the broker closed the channel");
    }
}

static void run_messages(struct bench *b, uint64_t messages, double per_second)
{
    int64_t begin_us = floor_now_us();
    for (uint64_t done = 0; done < messages;) {
        uint64_t burst = b->args.in_flight < messages - done ? b->args.in_flight : messages - done;
        for (uint64_t i = 0; i < burst; i++)
            publish(b);
        done += burst;
        while (b->confirmed < b->sent)
            take_confirm(b);
        int64_t rest_us = per_second > 0 ? begin_us + (int64_t)((double)done / per_second * 1e6) - floor_now_us() : 0;
        if (rest_us > 0)
            (void)usleep((useconds_t)rest_us);
    }
}

static void open_channel(struct bench *b)
{
    char host[256];
    (void)snprintf(host, sizeof host, "%s", b->args.target);
    char *colon = strrchr(host, ':');
    if (colon == NULL)
        floor_die("--target is HOST:PORT");
    *colon = '\0';
    b->conn = amqp_new_connection();
    amqp_socket_t *socket = amqp_tcp_socket_new(b->conn);
    if (socket == NULL || amqp_socket_open(socket, host, (int)strtol(colon + 1, NULL, 10)) != AMQP_STATUS_OK)
        floor_die("the broker cannot be reached");
    must(amqp_login(b->conn, "/", 0, 131072, 0, AMQP_SASL_METHOD_PLAIN, "guest", "guest"), "login refused");
    (void)amqp_channel_open(b->conn, 1);
    must(amqp_get_rpc_reply(b->conn), "channel.open refused");
    (void)amqp_exchange_declare(b->conn, 1, amqp_cstring_bytes("sentiric_events"), amqp_cstring_bytes("topic"), 0, 1, 0,
                                0, amqp_empty_table);
    must(amqp_get_rpc_reply(b->conn), "exchange.declare refused");
    (void)amqp_confirm_select(b->conn, 1);
    must(amqp_get_rpc_reply(b->conn), "confirm.select refused");
}

int main(int argc, char **argv)
{
    static struct bench b;
    floor_args_parse(&b.args, argc, argv,
                     "usage: floor_amqp --target HOST:PORT [--calls N] [--rate N] [--in-flight N]\n");
    if (b.args.target == NULL)
        floor_die("--target is needed");
    memset(b.body, 'x', sizeof b.body);
    open_channel(&b);
    run_messages(&b, WARM_UP_MESSAGES, 0);
    b.refused = 0;
    uint64_t messages = (uint64_t)b.args.calls * EVENTS_PER_CALL;
    int64_t cpu_us = floor_cpu_us(), wall_us = floor_now_us();
    run_messages(&b, messages, b.args.rate * EVENTS_PER_CALL);
    floor_report("amqp", messages, b.refused, floor_cpu_us() - cpu_us, floor_now_us() - wall_us);
    (void)amqp_connection_close(b.conn, AMQP_REPLY_SUCCESS);
    (void)amqp_destroy_connection(b.conn);
    return b.refused > 0;
}
