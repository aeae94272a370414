/* Private to pub*.c. */
#ifndef PUBLISHER_PUB_PRIV_H
#define PUBLISHER_PUB_PRIV_H

#include "publisher/amqp_link.h"
#include "publisher/asks.h"
#include "publisher/pub.h"
#include "publisher/unroutable.h"
#include "publisher/window.h"

/* What a shard is still to be told. There is one place for each of its events the window may hold, so it cannot
 * overflow. */
struct answer {
    uint64_t seq;
    enum window_outcome how;
};

struct pub_shard {
    struct pub *pub;
    uint32_t no;
    struct bus_link *link;
    struct answer answers[WINDOW_SHARD_CNT_MAX];
    size_t answer_cnt;
};

struct pub {
    struct worker *worker;
    struct loop *loop;
    struct amqp_link *link;
    struct window *window;
    struct unroutable unroutable;
    struct asks *asks;
    struct timer ask_timer;
    struct timer stop_timer;
    bool draining;
    bool stopping; /* leave when the window is empty */
    bool leaving;  /* goodbye is said to the broker */
    uint32_t shard_cnt;
    struct pub_shard shards[];
};

/** Commands (pub_cmd.c): call once the shards are counted. */
void pub_cmd_init(struct pub *p);
/** One message of the command queue (struct amqp_link_events). */
void pub_cmd_take(void *user, const struct amqp_delivery *d);
/** The broker will deliver again what is not answered. */
void pub_cmd_forget(void *user);

#endif
