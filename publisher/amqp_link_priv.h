/* Private to amqp_link*.c: one link, and what its files call of each other. */
#ifndef PUBLISHER_AMQP_LINK_PRIV_H
#define PUBLISHER_AMQP_LINK_PRIV_H

#include "publisher/amqp_content.h"
#include "publisher/amqp_io.h"
#include "publisher/amqp_link.h"
#include "publisher/amqp_table.h"

#define CHANNEL_EVENTS 1
#define CHANNEL_COMMANDS 2
#define IN_BYTES (64u << 10)
#define READS_PER_TURN 16
#define OUT_BYTES_MAX (4u << 20) /* AMQP_OUT_FULL_BYTES, the largest event, and the answers to commands */
#define OUT_COMPACT_BYTES (64u << 10)
#define FRAME_BYTES_MIN 4096u /* AMQP 0-9-1: the least a broker may ask for */
#define PEER_MAX 300

struct amqp_link {
    struct loop *loop;
    struct amqp_url url;
    char *ca_path;
    const struct amqp_link_events *on;
    void *user;
    char peer[PEER_MAX]; /* host:port, for people */

    struct amqp_conn conn;
    struct amqp_cmdq cmdq;
    struct timer conn_timer;
    struct timer cmdq_timer;
    struct timer beat_timer;
    int next_event; /* raised while effects were performed; -1: none */
    struct span next_text;

    struct resolver *resolver;
    struct resolve_addr addrs[RESOLVE_ADDRS_MAX];
    size_t addr_cnt;
    size_t addr_at;

    struct amqp_io io;
    struct loop_io *watch;
    struct amqp_wire *wire;
    struct buf out;
    size_t out_done;              /* bytes at the front of out that are written */
    struct amqp_content returned; /* channel 1 */
    struct amqp_content command;  /* channel 2 */
    bool mute;                    /* since it is up the broker has refused an answer: it would refuse every one */
    int64_t last_rx_ms;
    int64_t last_tx_ms;
    uint16_t channel_max; /* as tuned */
    uint32_t frame_max;
    uint16_t heartbeat_s;
    uint64_t last_tag;

    bool tried;                 /* at least one try has failed since it was last up */
    char told[AMQP_DETAIL_MAX]; /* the reason in the last line about it */
    int64_t since_wall_ms;
    char in[IN_BYTES];
};

static inline int64_t amqp_link_now_ms(const struct amqp_link *l)
{
    return loop_now(l->loop).mono_ms;
}

/* One event into a machine, and what follows from it. */
void amqp_link_conn(struct amqp_link *l, enum conn_event ev, const struct amqp_cause *cause);
void amqp_link_cmdq(struct amqp_link *l, enum cmdq_event ev, const struct amqp_cause *cause);
/** The broker refuses answers: none is said until the link comes up anew. Its refusal closes the channel, what was said
 * on it is lost with it, and commands whose ack was among that come again: with their answers they would for ever. */
void amqp_link_mute(struct amqp_link *l, struct span why);
/** The connection is of no use any more. why: copied */
void amqp_link_lose(struct amqp_link *l, const char *why);
/** Take what the socket has. */
void amqp_link_read(struct amqp_link *l);

#endif
