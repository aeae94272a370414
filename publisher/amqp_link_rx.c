/* Frames in: which machine a frame is for, and the content that follows a return or a delivery. */
#include "publisher/amqp_link_priv.h"

#include <stdio.h>

static void on_conn_frame(struct amqp_link *l, const struct amqp_rx *rx)
{
    struct amqp_cause cause = {.code = rx->code, .text = rx->text};
    switch (rx->kind) {
    case AMQP_RX_CLOSE:
        amqp_link_conn(l, CONN_EV_RX_CLOSE, &cause);
        break;
    case AMQP_RX_CHANNEL_CLOSE:
        amqp_link_conn(l, CONN_EV_RX_CHANNEL_CLOSE, &cause);
        break;
    case AMQP_RX_BLOCKED:
        amqp_link_conn(l, CONN_EV_RX_BLOCKED, &cause);
        break;
    case AMQP_RX_UNBLOCKED:
        amqp_link_conn(l, CONN_EV_RX_UNBLOCKED, NULL);
        break;
    default:
        amqp_link_conn(l, (int)rx->kind == conn_expects(l->conn.state) ? CONN_EV_RX_EXPECTED : CONN_EV_RX_UNEXPECTED,
                       NULL);
    }
}

static void on_start(struct amqp_link *l, const struct amqp_rx *rx)
{
    if (rx->on)
        on_conn_frame(l, rx);
    else
        amqp_link_lose(l, "the broker does not offer PLAIN logins");
}

static void on_tune(struct amqp_link *l, const struct amqp_rx *rx)
{
    uint32_t wish_s = l->url.heartbeat_s > 0 ? l->url.heartbeat_s : AMQP_HEARTBEAT_S;
    bool theirs = rx->heartbeat_s > 0 && rx->heartbeat_s < wish_s;
    l->heartbeat_s = theirs ? rx->heartbeat_s : (uint16_t)wish_s;
    l->channel_max = rx->channel_max;
    l->frame_max = rx->frame_max > 0 && rx->frame_max < AMQP_FRAME_BYTES_MAX ? rx->frame_max : AMQP_FRAME_BYTES_MAX;
    bool usable = l->frame_max >= FRAME_BYTES_MIN && (rx->channel_max == 0 || rx->channel_max >= CHANNEL_COMMANDS);
    if (usable && amqp_wire_tune(l->wire, l->channel_max, l->frame_max, l->heartbeat_s) == 0)
        on_conn_frame(l, rx);
    else
        amqp_link_lose(l, "the broker's limits on frames or channels are too small");
}

static void take_content(struct amqp_link *l, struct amqp_content *c, const struct amqp_rx *rx)
{
    enum amqp_content_step step = amqp_content_take(c, rx);
    if (step == AMQP_CONTENT_BAD) {
        amqp_link_lose(l, "the broker spoke out of turn: content");
    } else if (step == AMQP_CONTENT_WHOLE && c == &l->returned) {
        l->on->on_returned(l->user, span_cstr(c->message_id), span_cstr(c->key), span_cstr(c->text));
    } else if (step == AMQP_CONTENT_WHOLE) {
        struct amqp_delivery d = {.tag = c->tag,
                                  .redelivered = c->on,
                                  .cut = c->cut,
                                  .key = span_cstr(c->key),
                                  .content_type = span_cstr(c->content_type),
                                  .message_id = span_cstr(c->message_id),
                                  .reply_to = span_cstr(c->reply_to),
                                  .correlation = span_cstr(c->correlation),
                                  .body = buf_span(&c->body)};
        l->on->on_command(l->user, &d);
    }
}

static bool publishes(const struct amqp_link *l)
{
    return l->conn.state == CONN_ST_READY || l->conn.state == CONN_ST_BLOCKED;
}

static void on_events_frame(struct amqp_link *l, const struct amqp_rx *rx)
{
    if (!publishes(l)) {
        on_conn_frame(l, rx);
        return;
    }
    switch (rx->kind) {
    case AMQP_RX_ACK:
    case AMQP_RX_NACK:
        l->on->on_settled(l->user, rx->tag, rx->on, rx->kind == AMQP_RX_ACK);
        break;
    case AMQP_RX_RETURN:
    case AMQP_RX_HEADER:
    case AMQP_RX_BODY:
        take_content(l, &l->returned, rx);
        break;
    default:
        on_conn_frame(l, rx);
    }
}

static void on_commands_frame(struct amqp_link *l, const struct amqp_rx *rx)
{
    struct amqp_cause cause = {.code = rx->code, .text = rx->text};
    if (!publishes(l))
        return; /* we said close */
    switch (rx->kind) {
    case AMQP_RX_DELIVER:
    case AMQP_RX_HEADER:
    case AMQP_RX_BODY:
        take_content(l, &l->command, rx);
        break;
    case AMQP_RX_CHANNEL_CLOSE:
        if (rx->on)
            amqp_link_mute(l, rx->text);
        amqp_link_cmdq(l, CMDQ_EV_RX_CHANNEL_CLOSE, &cause);
        break;
    case AMQP_RX_CANCEL:
        amqp_link_cmdq(l, CMDQ_EV_RX_CANCEL, NULL);
        break;
    default:
        amqp_link_cmdq(l, (int)rx->kind == cmdq_expects(l->cmdq.state) ? CMDQ_EV_RX_EXPECTED : CMDQ_EV_RX_UNEXPECTED,
                       NULL);
    }
}

static void on_frame(struct amqp_link *l, const struct amqp_rx *rx)
{
    if (rx->kind == AMQP_RX_HEARTBEAT)
        return; /* any byte proves the broker alive */
    if (rx->kind == AMQP_RX_FLOW)
        amqp_put_flow_ok(&l->out, rx->channel, rx->on);
    else if (rx->kind == AMQP_RX_START)
        on_start(l, rx);
    else if (rx->kind == AMQP_RX_TUNE)
        on_tune(l, rx);
    else if (rx->channel == CHANNEL_COMMANDS)
        on_commands_frame(l, rx);
    else if (rx->channel == CHANNEL_EVENTS)
        on_events_frame(l, rx);
    else
        on_conn_frame(l, rx);
}

/* returns false when the connection was given up on the way */
static bool take_bytes(struct amqp_link *l, struct span in)
{
    struct amqp_wire *wire = l->wire;
    while (in.len > 0) {
        struct amqp_rx rx;
        size_t used;
        int rc = amqp_wire_decode(wire, in, &used, &rx);
        if (rc < 0) {
            amqp_link_lose(l, "what the broker sent is not AMQP 0-9-1");
            return false;
        }
        in = span_from(in, used);
        if (rc > 0)
            on_frame(l, &rx);
        if (l->wire != wire)
            return false;
    }
    return true;
}

void amqp_link_read(struct amqp_link *l)
{
    for (int i = 0; i < READS_PER_TURN; i++) {
        const char *why = NULL;
        ssize_t n = amqp_io_read(&l->io, l->in, sizeof l->in, &why);
        if (n < 0)
            amqp_link_lose(l, l->conn.state == CONN_ST_TUNING ? "the broker hung up at the login: user or password?"
                                                              : why);
        if (n <= 0)
            return;
        l->last_rx_ms = amqp_link_now_ms(l);
        if (!take_bytes(l, span_of(l->in, (size_t)n)) || (size_t)n < sizeof l->in)
            return;
    }
}
