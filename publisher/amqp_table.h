/*
 * amqp_table: the two machines of the broker's link, as tables. Layer: publisher. Pure.
 *
 *   conn   the connection, from resolving its name to publishing on channel 1 (AMQP 0-9-1 §2.2.4)
 *   cmdq   the command queue on channel 2: declared, bound, subscribed. A channel of its own, because whatever is wrong
 * with the queue closes its channel, and events must go on
 *
 * Actions append effects; amqp_link performs them.
 */
#ifndef PUBLISHER_AMQP_TABLE_H
#define PUBLISHER_AMQP_TABLE_H

#include "common/base/backoff.h"
#include "common/base/fsm.h"
#include "common/base/span.h"

#define AMQP_RETRY_MIN_MS 100
#define AMQP_RETRY_MAX_MS 5000
#define AMQP_RETRY_SLOW_MS 10000 /* after a refusal that only a person can cure */
#define AMQP_CALM_MS 10000       /* a link that held this long starts again with the shortest delay */
#define AMQP_RESOLVE_MS 10000
#define AMQP_DIAL_MS 3000   /* one address */
#define AMQP_SETUP_MS 15000 /* from the greeting to publishing; a broker under load is slow to open a connection */
#define AMQP_CLOSE_MS 500
#define AMQP_DETAIL_MAX 256

/* --- the connection --- */

enum conn_state {
    CONN_ST_WAITING = 0, /* no socket; the next try is timed */
    CONN_ST_RESOLVING,
    CONN_ST_DIALLING,
    CONN_ST_SECURING,  /* TLS handshake */
    CONN_ST_GREETING,  /* header sent: expects start */
    CONN_ST_TUNING,    /* start-ok sent: expects tune */
    CONN_ST_OPENING,   /* tune-ok, open sent: expects open-ok */
    CONN_ST_CHANNEL,   /* channel.open 1 sent */
    CONN_ST_CONFIRM,   /* confirm.select sent */
    CONN_ST_DECLARING, /* exchange.declare sent */
    CONN_ST_READY,     /* publishing */
    CONN_ST_BLOCKED,   /* the broker takes nothing for now (connection.blocked) */
    CONN_ST_CLOSING,   /* close sent: expects close-ok */
    CONN_ST_STOPPED,
    CONN_STATES
};

enum conn_event {
    CONN_EV_TIMER = 0, /* the time of this state is over */
    CONN_EV_RESOLVED,
    CONN_EV_DIALLED,
    CONN_EV_DIALLED_TLS, /* connected, and the URL asks for TLS */
    CONN_EV_SECURED,
    CONN_EV_NEXT_ADDRESS, /* this address failed and there is another */
    CONN_EV_RX_EXPECTED,  /* the answer that conn_expects names */
    CONN_EV_RX_UNEXPECTED,
    CONN_EV_RX_BLOCKED,
    CONN_EV_RX_UNBLOCKED,
    CONN_EV_RX_CHANNEL_CLOSE, /* of channel 1 */
    CONN_EV_RX_CLOSE,
    CONN_EV_LOST, /* name, socket, TLS or codec failed; missed heartbeats */
    CONN_EV_STOP,
    CONN_EVENTS
};

enum conn_effect {
    CONN_FX_RESOLVE = 1,
    CONN_FX_DIAL, /* the first address, or the next */
    CONN_FX_SECURE,
    CONN_FX_GREET,
    CONN_FX_LOGIN,
    CONN_FX_OPEN, /* tune-ok and open */
    CONN_FX_OPEN_CHANNEL,
    CONN_FX_CONFIRM,
    CONN_FX_DECLARE,
    CONN_FX_UP,      /* publishing may begin */
    CONN_FX_DOWN,    /* and is over: nothing sent will be confirmed any more */
    CONN_FX_HOLD,    /* blocked */
    CONN_FX_GO_ON,   /* unblocked */
    CONN_FX_FAILED,  /* a try failed: say why */
    CONN_FX_HANG_UP, /* close the socket, forget what waits on it */
    CONN_FX_CLOSE,   /* send close */
    CONN_FX_CLOSE_OK,
    CONN_FX_ARM, /* the state's timer, in fx.arm_ms */
    CONN_FX_DISARM,
    CONN_FX_STOPPED,
};

/* What comes with an event: a close's code and reason, or only a text. */
struct amqp_cause {
    uint16_t code;
    struct span text;
};

struct amqp_conn {
    uint8_t state;
    struct backoff retry;
    bool refused;                 /* the last try ended in a refusal that only a person can cure */
    char detail[AMQP_DETAIL_MAX]; /* why it is down or blocked, for people */
};

/* --- the command queue --- */

enum cmdq_state {
    CMDQ_ST_OFF = 0,
    CMDQ_ST_CHANNEL,   /* channel.open 2 sent */
    CMDQ_ST_DECLARING, /* queue.declare sent */
    CMDQ_ST_BINDING_1, /* to call.terminate.request */
    CMDQ_ST_BINDING_2, /* to call.transfer.request */
    CMDQ_ST_BINDING_3, /* to call.initiate.request */
    CMDQ_ST_LIMITING,  /* basic.qos sent */
    CMDQ_ST_SUBSCRIBING,
    CMDQ_ST_CONSUMING,
    CMDQ_ST_REPAIR, /* the broker closed the channel; tried again in a while */
    CMDQ_STATES
};

enum cmdq_event {
    CMDQ_EV_UP = 0, /* the connection publishes */
    CMDQ_EV_DOWN,
    CMDQ_EV_TIMER,
    CMDQ_EV_RX_EXPECTED,
    CMDQ_EV_RX_UNEXPECTED,
    CMDQ_EV_RX_CHANNEL_CLOSE,
    CMDQ_EV_RX_CANCEL, /* somebody deleted the queue */
    CMDQ_EVENTS
};

enum cmdq_effect {
    CMDQ_FX_CHANNEL = 1,
    CMDQ_FX_DECLARE,
    CMDQ_FX_BIND_1,
    CMDQ_FX_BIND_2,
    CMDQ_FX_BIND_3,
    CMDQ_FX_LIMIT,
    CMDQ_FX_SUBSCRIBE,
    CMDQ_FX_CLOSE_OK,
    CMDQ_FX_READY,
    CMDQ_FX_REFUSED, /* say why */
    CMDQ_FX_FAULT,   /* the broker speaks out of turn or not at all: give the connection up */
    CMDQ_FX_ARM,
    CMDQ_FX_DISARM,
};

struct amqp_cmdq {
    uint8_t state;
    char detail[AMQP_DETAIL_MAX];
};

/* --- both --- */

#define AMQP_FX_MAX 8

struct amqp_fx {
    uint8_t list[AMQP_FX_MAX];
    size_t count;
    int64_t arm_ms;
};

extern const struct fsm conn_fsm;
extern const struct fsm cmdq_fsm;
/** enum amqp_rx_kind a state waits for, or 0. */
int conn_expects(uint8_t state);
int cmdq_expects(uint8_t state);

#endif
