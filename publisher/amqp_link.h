/*
 * amqp_link: the connection to the broker on the loop, for ever: resolve, connect, set up, publish, consume, reconnect.
 * Layer: publisher. It performs what the machines of amqp_table decide; nothing here blocks.
 *
 * Output gathers in a bounded buffer and leaves with amqp_link_flush at the end of a turn.
 */
#ifndef PUBLISHER_AMQP_LINK_H
#define PUBLISHER_AMQP_LINK_H

#include "common/rt/amqp_url.h"
#include "common/rt/loop.h"
#include "publisher/amqp_wire.h"

#define AMQP_EXCHANGE "sentiric_events"
#define AMQP_COMMAND_QUEUE "sentiric.sip_signaling_service.commands"
#define AMQP_KEY_TERMINATE "call.terminate.request"
#define AMQP_KEY_TRANSFER "call.transfer.request"
#define AMQP_KEY_INITIATE "call.initiate.request"
#define AMQP_PREFETCH 64u                /* commands under way at once */
#define AMQP_COMMAND_MAX (64u << 10)     /* bytes of a command's body; a longer one is cut and malformed */
#define AMQP_OUT_FULL_BYTES (512u << 10) /* above it nothing more is published until the socket takes some */
#define AMQP_HEARTBEAT_S 10u

struct amqp_delivery {
    uint64_t tag;
    bool redelivered;
    bool cut; /* longer than AMQP_COMMAND_MAX: the body is not whole */
    struct span key;
    struct span content_type;
    struct span message_id;
    struct span reply_to;    /* queue of who wants an answer; empty: nobody does */
    struct span correlation; /* … by which he knows it */
    struct span body;
};

/* Called on the loop; none may free the link. Spans are borrowed for the call. */
struct amqp_link_events {
    /* No more can be published: what was sent and not settled never will be. */
    void (*on_down)(void *user);
    /* amqp_link_status has changed. Ready: publishing is possible (again), and tags start at 1. */
    void (*on_status)(void *user);
    void (*on_settled)(void *user, uint64_t tag, bool multiple, bool ack);
    void (*on_returned)(void *user, struct span message_id, struct span key, struct span why);
    void (*on_command)(void *user, const struct amqp_delivery *d);
    /* Commands delivered so far cannot be answered any more; the broker will deliver them again. */
    void (*on_commands_lost)(void *user);
    void (*on_stopped)(void *user);
};

/* To whom a command came from. */
struct amqp_reply {
    struct span to; /* queue */
    struct span correlation;
    struct span message_id;
    struct span body; /* JSON */
    int64_t wall_ms;
};

struct amqp_link_args {
    struct loop *loop;
    const struct amqp_url *url; /* copied */
    const char *ca_path;        /* for amqps; copied */
    const struct amqp_link_events *events;
    void *user;
};

struct amqp_link;

/** Begins to connect in the next turn. Dies when memory is out. */
struct amqp_link *amqp_link_new(const struct amqp_link_args *args);
void amqp_link_free(struct amqp_link *l);
/** Says goodbye to the broker if there is one, then on_stopped. */
void amqp_link_stop(struct amqp_link *l);

/** Publishing is possible now: up, not blocked, and room in the output. */
bool amqp_link_can_publish(const struct amqp_link *l);
/** Only when amqp_link_can_publish. returns the event's tag */
uint64_t amqp_link_publish(struct amqp_link *l, const struct amqp_msg *m);
/** Said on the channel of the commands, before the command is settled; lost when that channel is gone. */
void amqp_link_reply(struct amqp_link *l, const struct amqp_reply *r);
/** Answer a command. accept: it is done with; else it is rejected and not delivered again. */
void amqp_link_settle_command(struct amqp_link *l, uint64_t tag, bool accept);
/** Write what waits. */
void amqp_link_flush(struct amqp_link *l);

struct amqp_status {
    const char *state;  /* "connecting" (for ever), "ready", "blocked", "failed" (refused; tried again, slowly) */
    const char *detail; /* why; no secrets */
    int64_t since_wall_ms;
    bool commands; /* the command queue is subscribed */
    const char *commands_detail;
};

/** The texts live until the next change. */
struct amqp_status amqp_link_status(const struct amqp_link *l);

#endif
