#include "publisher/amqp_act.h"

#include "publisher/amqp_wire.h"

/* --- the connection --- */

static const char *const conn_states[CONN_STATES] = {
    "waiting", "resolving", "dialling",  "securing", "greeting", "tuning",  "opening",
    "channel", "confirm",   "declaring", "ready",    "blocked",  "closing", "stopped",
};

static const char *const conn_events[CONN_EVENTS] = {
    "timer",      "resolved", "dialled",   "dialled_tls",   "secured",  "next_address", "expected",
    "unexpected", "blocked",  "unblocked", "channel_close", "rx_close", "lost",         "stop",
};

/* Events of our own making that a state has no use for: a late resolver, a socket that is closed by now. */
#define NO_DIAL                                                                                                        \
    [CONN_EV_RESOLVED] = FSM_IGNORE, [CONN_EV_DIALLED] = FSM_NEVER, [CONN_EV_DIALLED_TLS] = FSM_NEVER,                 \
    [CONN_EV_NEXT_ADDRESS] = FSM_NEVER

/* No frame is read in a state without AMQP on the wire. */
#define NO_FRAMES                                                                                                      \
    [CONN_EV_RX_EXPECTED] = FSM_NEVER, [CONN_EV_RX_UNEXPECTED] = FSM_NEVER, [CONN_EV_RX_BLOCKED] = FSM_NEVER,          \
    [CONN_EV_RX_UNBLOCKED] = FSM_NEVER, [CONN_EV_RX_CHANNEL_CLOSE] = FSM_NEVER, [CONN_EV_RX_CLOSE] = FSM_NEVER

/* One step of the set-up: the expected answer leads on, everything else ends the try. "Blocked" may be said here
 * already; it is said again when we publish. */
#define SETUP_STEP(act, next)                                                                                          \
    NO_DIAL,                                                                                                           \
        [CONN_EV_SECURED] = FSM_NEVER, [CONN_EV_RX_EXPECTED] = FSM_TO(act, next),                                      \
        [CONN_EV_RX_UNEXPECTED] = FSM_TO(act_out_of_turn, CONN_ST_WAITING), [CONN_EV_RX_BLOCKED] = FSM_IGNORE,         \
        [CONN_EV_RX_UNBLOCKED] = FSM_IGNORE, [CONN_EV_RX_CHANNEL_CLOSE] = FSM_TO(act_channel_closed, CONN_ST_WAITING), \
        [CONN_EV_RX_CLOSE] = FSM_TO(act_closed, CONN_ST_WAITING),                                                      \
        [CONN_EV_TIMER] = FSM_TO(act_timed_out, CONN_ST_WAITING), [CONN_EV_LOST] = FSM_TO(act_lost, CONN_ST_WAITING),  \
        [CONN_EV_STOP] = FSM_TO(act_stopped, CONN_ST_STOPPED)

static const struct fsm_cell conn_cells[CONN_STATES][CONN_EVENTS] =
    {
        [CONN_ST_WAITING] =
            {
                NO_DIAL,
                NO_FRAMES,
                [CONN_EV_SECURED] = FSM_NEVER,
                [CONN_EV_TIMER] = FSM_TO(act_resolve, CONN_ST_RESOLVING),
                [CONN_EV_LOST] = FSM_IGNORE,
                [CONN_EV_STOP] = FSM_TO(act_stopped, CONN_ST_STOPPED),
            },
        [CONN_ST_RESOLVING] =
            {
                NO_FRAMES,
                [CONN_EV_RESOLVED] = FSM_TO(act_dial, CONN_ST_DIALLING),
                [CONN_EV_DIALLED] = FSM_NEVER,
                [CONN_EV_DIALLED_TLS] = FSM_NEVER,
                [CONN_EV_NEXT_ADDRESS] = FSM_NEVER,
                [CONN_EV_SECURED] = FSM_NEVER,
                [CONN_EV_TIMER] = FSM_TO(act_timed_out, CONN_ST_WAITING),
                [CONN_EV_LOST] = FSM_TO(act_lost, CONN_ST_WAITING),
                [CONN_EV_STOP] = FSM_TO(act_stopped, CONN_ST_STOPPED),
            },
        [CONN_ST_DIALLING] =
            {
                NO_FRAMES,
                [CONN_EV_RESOLVED] = FSM_IGNORE,
                [CONN_EV_DIALLED] = FSM_TO(act_greet, CONN_ST_GREETING),
                [CONN_EV_DIALLED_TLS] = FSM_TO(act_secure, CONN_ST_SECURING),
                [CONN_EV_NEXT_ADDRESS] = FSM_TO(act_dial_next, CONN_ST_DIALLING),
                [CONN_EV_SECURED] = FSM_NEVER,
                [CONN_EV_TIMER] = FSM_TO(act_timed_out, CONN_ST_WAITING),
                [CONN_EV_LOST] = FSM_TO(act_lost, CONN_ST_WAITING),
                [CONN_EV_STOP] = FSM_TO(act_stopped, CONN_ST_STOPPED),
            },
        [CONN_ST_SECURING] =
            {
                NO_DIAL,
                NO_FRAMES,
                [CONN_EV_SECURED] = FSM_TO(act_greet, CONN_ST_GREETING),
                [CONN_EV_TIMER] = FSM_TO(act_timed_out, CONN_ST_WAITING),
                [CONN_EV_LOST] = FSM_TO(act_lost, CONN_ST_WAITING),
                [CONN_EV_STOP] = FSM_TO(act_stopped, CONN_ST_STOPPED),
            },
        [CONN_ST_GREETING] = {SETUP_STEP(act_login, CONN_ST_TUNING)},
        [CONN_ST_TUNING] = {SETUP_STEP(act_open, CONN_ST_OPENING)},
        [CONN_ST_OPENING] = {SETUP_STEP(act_open_channel, CONN_ST_CHANNEL)},
        [CONN_ST_CHANNEL] = {SETUP_STEP(act_confirm, CONN_ST_CONFIRM)},
        [CONN_ST_CONFIRM] = {SETUP_STEP(act_declare, CONN_ST_DECLARING)},
        [CONN_ST_DECLARING] = {SETUP_STEP(act_up, CONN_ST_READY)},
        [CONN_ST_READY] =
            {
                NO_DIAL,
                [CONN_EV_SECURED] = FSM_NEVER,
                [CONN_EV_TIMER] = FSM_NEVER, /* none is armed */
                [CONN_EV_RX_EXPECTED] = FSM_NEVER,
                [CONN_EV_RX_UNEXPECTED] = FSM_TO(act_out_of_turn_ready, CONN_ST_WAITING),
                [CONN_EV_RX_BLOCKED] = FSM_TO(act_hold, CONN_ST_BLOCKED),
                [CONN_EV_RX_UNBLOCKED] = FSM_IGNORE,
                [CONN_EV_RX_CHANNEL_CLOSE] = FSM_TO(act_channel_closed_ready, CONN_ST_WAITING),
                [CONN_EV_RX_CLOSE] = FSM_TO(act_closed_ready, CONN_ST_WAITING),
                [CONN_EV_LOST] = FSM_TO(act_lost_ready, CONN_ST_WAITING),
                [CONN_EV_STOP] = FSM_TO(act_stop_ready, CONN_ST_CLOSING),
            },
        [CONN_ST_BLOCKED] =
            {
                NO_DIAL,
                [CONN_EV_SECURED] = FSM_NEVER,
                [CONN_EV_TIMER] = FSM_NEVER,
                [CONN_EV_RX_EXPECTED] = FSM_NEVER,
                [CONN_EV_RX_UNEXPECTED] = FSM_TO(act_out_of_turn_ready, CONN_ST_WAITING),
                [CONN_EV_RX_BLOCKED] = FSM_IGNORE,
                [CONN_EV_RX_UNBLOCKED] = FSM_TO(act_go_on, CONN_ST_READY),
                [CONN_EV_RX_CHANNEL_CLOSE] = FSM_TO(act_channel_closed_ready, CONN_ST_WAITING),
                [CONN_EV_RX_CLOSE] = FSM_TO(act_closed_ready, CONN_ST_WAITING),
                [CONN_EV_LOST] = FSM_TO(act_lost_ready, CONN_ST_WAITING),
                [CONN_EV_STOP] = FSM_TO(act_stop_ready, CONN_ST_CLOSING),
            },
        [CONN_ST_CLOSING] =
            {
                NO_DIAL,
                [CONN_EV_SECURED] = FSM_NEVER,
                [CONN_EV_TIMER] = FSM_TO(act_stopped, CONN_ST_STOPPED),
                [CONN_EV_RX_EXPECTED] = FSM_TO(act_stopped, CONN_ST_STOPPED),
                [CONN_EV_RX_UNEXPECTED] = FSM_IGNORE, /* what was under way when we said close */
                [CONN_EV_RX_BLOCKED] = FSM_IGNORE,
                [CONN_EV_RX_UNBLOCKED] = FSM_IGNORE,
                [CONN_EV_RX_CHANNEL_CLOSE] = FSM_IGNORE,
                [CONN_EV_RX_CLOSE] = FSM_TO(act_stopped, CONN_ST_STOPPED),
                [CONN_EV_LOST] = FSM_TO(act_stopped, CONN_ST_STOPPED),
                [CONN_EV_STOP] = FSM_IGNORE,
            },
        [CONN_ST_STOPPED] =
            {
                NO_DIAL,
                NO_FRAMES,
                [CONN_EV_SECURED] = FSM_NEVER,
                [CONN_EV_TIMER] = FSM_NEVER,
                [CONN_EV_LOST] = FSM_IGNORE,
                [CONN_EV_STOP] = FSM_IGNORE,
            },
};

const struct fsm conn_fsm = {
    .name = "broker",
    .state_names = conn_states,
    .event_names = conn_events,
    .cells = &conn_cells[0][0],
    .states = CONN_STATES,
    .events = CONN_EVENTS,
};

int conn_expects(uint8_t state)
{
    static const uint8_t kinds[CONN_STATES] = {
        [CONN_ST_GREETING] = AMQP_RX_START,     [CONN_ST_TUNING] = AMQP_RX_TUNE,
        [CONN_ST_OPENING] = AMQP_RX_OPEN_OK,    [CONN_ST_CHANNEL] = AMQP_RX_CHANNEL_OPEN_OK,
        [CONN_ST_CONFIRM] = AMQP_RX_CONFIRM_OK, [CONN_ST_DECLARING] = AMQP_RX_EXCHANGE_OK,
        [CONN_ST_CLOSING] = AMQP_RX_CLOSE_OK,
    };
    return kinds[state];
}

/* --- the command queue --- */

static const char *const cmdq_states[CMDQ_STATES] = {
    "off",       "channel",  "declaring",   "binding_1", "binding_2",
    "binding_3", "limiting", "subscribing", "consuming", "repair",
};

static const char *const cmdq_events[CMDQ_EVENTS] = {
    "up", "down", "timer", "expected", "unexpected", "channel_close", "cancel",
};

#define CMDQ_STEP(act, next)                                                                                           \
    [CMDQ_EV_UP] = FSM_NEVER, [CMDQ_EV_DOWN] = FSM_TO(act_cmdq_off, CMDQ_ST_OFF),                                      \
    [CMDQ_EV_TIMER] = FSM_TO(act_cmdq_fault, CMDQ_ST_OFF), [CMDQ_EV_RX_EXPECTED] = FSM_TO(act, next),                  \
    [CMDQ_EV_RX_UNEXPECTED] = FSM_TO(act_cmdq_fault, CMDQ_ST_OFF),                                                     \
    [CMDQ_EV_RX_CHANNEL_CLOSE] = FSM_TO(act_cmdq_refused, CMDQ_ST_REPAIR),                                             \
    [CMDQ_EV_RX_CANCEL] = FSM_TO(act_cmdq_fault, CMDQ_ST_OFF)

static const struct fsm_cell cmdq_cells[CMDQ_STATES][CMDQ_EVENTS] = {
    [CMDQ_ST_OFF] =
        {
            [CMDQ_EV_UP] = FSM_TO(act_cmdq_channel, CMDQ_ST_CHANNEL),
            [CMDQ_EV_DOWN] = FSM_IGNORE,
            [CMDQ_EV_TIMER] = FSM_NEVER,
            [CMDQ_EV_RX_EXPECTED] = FSM_NEVER,
            [CMDQ_EV_RX_UNEXPECTED] = FSM_TO(act_cmdq_fault, CMDQ_ST_OFF), /* a channel that is not open speaks */
            [CMDQ_EV_RX_CHANNEL_CLOSE] = FSM_TO(act_cmdq_fault, CMDQ_ST_OFF),
            [CMDQ_EV_RX_CANCEL] = FSM_TO(act_cmdq_fault, CMDQ_ST_OFF),
        },
    [CMDQ_ST_CHANNEL] = {CMDQ_STEP(act_cmdq_declare, CMDQ_ST_DECLARING)},
    [CMDQ_ST_DECLARING] = {CMDQ_STEP(act_cmdq_bind_1, CMDQ_ST_BINDING_1)},
    [CMDQ_ST_BINDING_1] = {CMDQ_STEP(act_cmdq_bind_2, CMDQ_ST_BINDING_2)},
    [CMDQ_ST_BINDING_2] = {CMDQ_STEP(act_cmdq_bind_3, CMDQ_ST_BINDING_3)},
    [CMDQ_ST_BINDING_3] = {CMDQ_STEP(act_cmdq_limit, CMDQ_ST_LIMITING)},
    [CMDQ_ST_LIMITING] = {CMDQ_STEP(act_cmdq_subscribe, CMDQ_ST_SUBSCRIBING)},
    [CMDQ_ST_SUBSCRIBING] = {CMDQ_STEP(act_cmdq_ready, CMDQ_ST_CONSUMING)},
    [CMDQ_ST_CONSUMING] =
        {
            [CMDQ_EV_UP] = FSM_NEVER,
            [CMDQ_EV_DOWN] = FSM_TO(act_cmdq_off, CMDQ_ST_OFF),
            [CMDQ_EV_TIMER] = FSM_NEVER,
            [CMDQ_EV_RX_EXPECTED] = FSM_NEVER,
            [CMDQ_EV_RX_UNEXPECTED] = FSM_TO(act_cmdq_fault, CMDQ_ST_OFF),
            [CMDQ_EV_RX_CHANNEL_CLOSE] = FSM_TO(act_cmdq_refused, CMDQ_ST_REPAIR),
            [CMDQ_EV_RX_CANCEL] = FSM_TO(act_cmdq_declare, CMDQ_ST_DECLARING),
        },
    [CMDQ_ST_REPAIR] =
        {
            [CMDQ_EV_UP] = FSM_NEVER,
            [CMDQ_EV_DOWN] = FSM_TO(act_cmdq_off, CMDQ_ST_OFF),
            [CMDQ_EV_TIMER] = FSM_TO(act_cmdq_channel, CMDQ_ST_CHANNEL),
            [CMDQ_EV_RX_EXPECTED] = FSM_NEVER,
            [CMDQ_EV_RX_UNEXPECTED] = FSM_TO(act_cmdq_fault, CMDQ_ST_OFF),
            [CMDQ_EV_RX_CHANNEL_CLOSE] = FSM_TO(act_cmdq_fault, CMDQ_ST_OFF),
            [CMDQ_EV_RX_CANCEL] = FSM_TO(act_cmdq_fault, CMDQ_ST_OFF),
        },
};

const struct fsm cmdq_fsm = {
    .name = "command queue",
    .state_names = cmdq_states,
    .event_names = cmdq_events,
    .cells = &cmdq_cells[0][0],
    .states = CMDQ_STATES,
    .events = CMDQ_EVENTS,
};

int cmdq_expects(uint8_t state)
{
    static const uint8_t kinds[CMDQ_STATES] = {
        [CMDQ_ST_CHANNEL] = AMQP_RX_CHANNEL_OPEN_OK, [CMDQ_ST_DECLARING] = AMQP_RX_QUEUE_OK,
        [CMDQ_ST_BINDING_1] = AMQP_RX_BIND_OK,       [CMDQ_ST_BINDING_2] = AMQP_RX_BIND_OK,
        [CMDQ_ST_BINDING_3] = AMQP_RX_BIND_OK,       [CMDQ_ST_LIMITING] = AMQP_RX_QOS_OK,
        [CMDQ_ST_SUBSCRIBING] = AMQP_RX_CONSUME_OK,
    };
    return kinds[state];
}
