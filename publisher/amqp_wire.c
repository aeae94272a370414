#include "publisher/amqp_wire.h"

#include "common/base/err.h"
#include <amqp.h>
#include <amqp_framing.h>
#include <stdlib.h>

#define METHOD_BYTES_MAX 4096u /* every method frame we send; the largest are login and publish */
#define FRAME_HEAD 7u          /* type u8, channel u16, length u32 */
#define FRAME_END 1u
#define BASIC_CLASS 60
#define HEADER_FIXED 12u /* class u16, weight u16, body size u64 */

struct amqp_wire {
    amqp_connection_state_t codec;
};

/* --- decoding --- */

struct amqp_wire *amqp_wire_new(void)
{
    struct amqp_wire *w = calloc(1, sizeof *w);
    if (w != NULL)
        w->codec = amqp_new_connection();
    if (w == NULL || w->codec == NULL)
        die(EX_INTERNAL, "out of memory for the AMQP codec");
    return w;
}

void amqp_wire_free(struct amqp_wire *w)
{
    if (w == NULL)
        return;
    (void)amqp_destroy_connection(w->codec);
    free(w);
}

int amqp_wire_tune(struct amqp_wire *w, uint16_t channel_max, uint32_t frame_max, uint16_t heartbeat_s)
{
    return amqp_tune_connection(w->codec, channel_max, (int)frame_max, heartbeat_s) == AMQP_STATUS_OK ? 0 : -1;
}

static struct span span_of_bytes(amqp_bytes_t b)
{
    return span_of(b.bytes, b.len);
}

static bool has_word(struct span list, struct span word)
{
    while (list.len > 0) {
        size_t end = span_find(list, ' ');
        if (span_eq(span_of(list.p, end), word))
            return true;
        list = span_from(list, end + 1);
    }
    return false;
}

static void take_close(struct amqp_rx *out, enum amqp_rx_kind kind, uint16_t code, amqp_bytes_t text)
{
    out->kind = kind;
    out->code = code;
    out->text = span_of_bytes(text);
}

static void take_tag(struct amqp_rx *out, enum amqp_rx_kind kind, uint64_t tag, amqp_boolean_t on)
{
    out->kind = kind;
    out->tag = tag;
    out->on = on != 0;
}

/* Answers that say nothing but "done". */
static enum amqp_rx_kind plain_kind(amqp_method_number_t id)
{
    static const struct {
        amqp_method_number_t id;
        enum amqp_rx_kind kind;
    } plain[] = {
        {AMQP_CONNECTION_OPEN_OK_METHOD, AMQP_RX_OPEN_OK},
        {AMQP_CONNECTION_CLOSE_OK_METHOD, AMQP_RX_CLOSE_OK},
        {AMQP_CONNECTION_UNBLOCKED_METHOD, AMQP_RX_UNBLOCKED},
        {AMQP_CHANNEL_OPEN_OK_METHOD, AMQP_RX_CHANNEL_OPEN_OK},
        {AMQP_CONFIRM_SELECT_OK_METHOD, AMQP_RX_CONFIRM_OK},
        {AMQP_EXCHANGE_DECLARE_OK_METHOD, AMQP_RX_EXCHANGE_OK},
        {AMQP_QUEUE_DECLARE_OK_METHOD, AMQP_RX_QUEUE_OK},
        {AMQP_QUEUE_BIND_OK_METHOD, AMQP_RX_BIND_OK},
        {AMQP_BASIC_QOS_OK_METHOD, AMQP_RX_QOS_OK},
        {AMQP_BASIC_CONSUME_OK_METHOD, AMQP_RX_CONSUME_OK},
        {AMQP_BASIC_CANCEL_METHOD, AMQP_RX_CANCEL},
    };
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
        if (plain[i].id == id)
            return plain[i].kind;
    }
    return AMQP_RX_OTHER;
}

static void take_start(struct amqp_rx *out, const amqp_connection_start_t *m)
{
    out->kind = AMQP_RX_START;
    out->on = has_word(span_of_bytes(m->mechanisms), SPAN("PLAIN"));
}

static void take_tune(struct amqp_rx *out, const amqp_connection_tune_t *m)
{
    out->kind = AMQP_RX_TUNE;
    out->channel_max = m->channel_max;
    out->frame_max = m->frame_max;
    out->heartbeat_s = m->heartbeat;
}

static void take_return(struct amqp_rx *out, const amqp_basic_return_t *m)
{
    take_close(out, AMQP_RX_RETURN, m->reply_code, m->reply_text);
    out->key = span_of_bytes(m->routing_key);
}

static void take_channel_close(struct amqp_rx *out, const amqp_channel_close_t *m)
{
    take_close(out, AMQP_RX_CHANNEL_CLOSE, m->reply_code, m->reply_text);
    out->on = ((uint32_t)m->class_id << 16 | m->method_id) == AMQP_BASIC_PUBLISH_METHOD;
}

static void take_deliver(struct amqp_rx *out, const amqp_basic_deliver_t *m)
{
    take_tag(out, AMQP_RX_DELIVER, m->delivery_tag, m->redelivered);
    out->key = span_of_bytes(m->routing_key);
}

static void take_method(struct amqp_rx *out, amqp_method_number_t id, const void *m)
{
    switch (id) {
    case AMQP_BASIC_ACK_METHOD:
        take_tag(out, AMQP_RX_ACK, ((const amqp_basic_ack_t *)m)->delivery_tag,
                 ((const amqp_basic_ack_t *)m)->multiple);
        break;
    case AMQP_BASIC_NACK_METHOD:
        take_tag(out, AMQP_RX_NACK, ((const amqp_basic_nack_t *)m)->delivery_tag,
                 ((const amqp_basic_nack_t *)m)->multiple);
        break;
    case AMQP_BASIC_RETURN_METHOD:
        take_return(out, m);
        break;
    case AMQP_BASIC_DELIVER_METHOD:
        take_deliver(out, m);
        break;
    case AMQP_CONNECTION_START_METHOD:
        take_start(out, m);
        break;
    case AMQP_CONNECTION_TUNE_METHOD:
        take_tune(out, m);
        break;
    case AMQP_CONNECTION_CLOSE_METHOD:
        take_close(out, AMQP_RX_CLOSE, ((const amqp_connection_close_t *)m)->reply_code,
                   ((const amqp_connection_close_t *)m)->reply_text);
        break;
    case AMQP_CHANNEL_CLOSE_METHOD:
        take_channel_close(out, m);
        break;
    case AMQP_CONNECTION_BLOCKED_METHOD:
        take_close(out, AMQP_RX_BLOCKED, 0, ((const amqp_connection_blocked_t *)m)->reason);
        break;
    case AMQP_CHANNEL_FLOW_METHOD:
        take_tag(out, AMQP_RX_FLOW, 0, ((const amqp_channel_flow_t *)m)->active);
        break;
    default:
        out->kind = plain_kind(id);
    }
}

static void take_header(struct amqp_rx *out, const amqp_frame_t *f)
{
    const amqp_basic_properties_t *p = f->payload.properties.decoded;
    out->kind = AMQP_RX_HEADER;
    out->body_bytes = f->payload.properties.body_size;
    if (f->payload.properties.class_id != BASIC_CLASS || p == NULL)
        return;
    if ((p->_flags & AMQP_BASIC_MESSAGE_ID_FLAG) != 0)
        out->message_id = span_of_bytes(p->message_id);
    if ((p->_flags & AMQP_BASIC_CONTENT_TYPE_FLAG) != 0)
        out->content_type = span_of_bytes(p->content_type);
    if ((p->_flags & AMQP_BASIC_REPLY_TO_FLAG) != 0)
        out->reply_to = span_of_bytes(p->reply_to);
    if ((p->_flags & AMQP_BASIC_CORRELATION_ID_FLAG) != 0)
        out->correlation = span_of_bytes(p->correlation_id);
}

static int take_frame(struct amqp_rx *out, const amqp_frame_t *f)
{
    *out = (struct amqp_rx){.channel = f->channel};
    switch (f->frame_type) {
    case AMQP_FRAME_METHOD:
        take_method(out, f->payload.method.id, f->payload.method.decoded);
        return 1;
    case AMQP_FRAME_HEADER:
        take_header(out, f);
        return 1;
    case AMQP_FRAME_BODY:
        out->kind = AMQP_RX_BODY;
        out->body = span_of_bytes(f->payload.body_fragment);
        return 1;
    case AMQP_FRAME_HEARTBEAT:
        out->kind = AMQP_RX_HEARTBEAT;
        return 1;
    default:
        return -1; /* a protocol header: the broker speaks another version of AMQP */
    }
}

int amqp_wire_decode(struct amqp_wire *w, struct span in, size_t *used, struct amqp_rx *out)
{
    *used = 0;
    amqp_maybe_release_buffers(w->codec); /* the frame before this one is done with */
    while (in.len > 0) {
        amqp_frame_t frame;
        amqp_bytes_t bytes = {.len = in.len, .bytes = (void *)(uintptr_t)in.p};
        int n = amqp_handle_input(w->codec, bytes, &frame);
        if (n <= 0 || (size_t)n > in.len)
            return -1;
        *used += (size_t)n;
        in = span_from(in, (size_t)n);
        if (frame.frame_type != 0)
            return take_frame(out, &frame);
    }
    return 0;
}

/* --- encoding --- */

static void put_u16(char *p, unsigned v)
{
    p[0] = (char)(v >> 8 & 0xff);
    p[1] = (char)(v & 0xff);
}

static void put_u32(char *p, uint32_t v)
{
    put_u16(p, v >> 16);
    put_u16(p + 2, v & 0xffff);
}

static void put_u64(char *p, uint64_t v)
{
    put_u32(p, (uint32_t)(v >> 32));
    put_u32(p + 4, (uint32_t)v);
}

/* Head and end of a frame around `n` bytes of payload that stand at frame + FRAME_HEAD already. */
static void finish_frame(struct buf *out, char *frame, int type, uint16_t channel, size_t n)
{
    frame[0] = (char)type;
    put_u16(frame + 1, channel);
    put_u32(frame + 3, (uint32_t)n);
    frame[FRAME_HEAD + n] = (char)AMQP_FRAME_END;
    buf_commit(out, FRAME_HEAD + n + FRAME_END);
}

static void put_method(struct buf *out, uint16_t channel, amqp_method_number_t id, void *m)
{
    char *frame = buf_reserve(out, METHOD_BYTES_MAX);
    if (frame == NULL)
        return;
    amqp_bytes_t room = {.len = METHOD_BYTES_MAX - FRAME_HEAD - 4 - FRAME_END, .bytes = frame + FRAME_HEAD + 4};
    int n = amqp_encode_method(id, m, room);
    BUG_ON(n < 0); /* every text we send is bounded */
    put_u32(frame + FRAME_HEAD, id);
    finish_frame(out, frame, AMQP_FRAME_METHOD, channel, 4 + (size_t)n);
}

static amqp_bytes_t bytes_of(struct span s)
{
    return (amqp_bytes_t){.len = s.len, .bytes = (void *)(uintptr_t)s.p};
}

static amqp_bytes_t bytes_z(const char *z)
{
    return bytes_of(span_cstr(z));
}

void amqp_put_greeting(struct buf *out)
{
    buf_put(out, "AMQP\0\0\x09\x01", 8); /* AMQP 0-9-1 §4.2.2 */
}

static amqp_table_entry_t text_entry(const char *key, const char *value)
{
    amqp_table_entry_t e = {.key = bytes_z(key)};
    e.value.kind = AMQP_FIELD_KIND_UTF8;
    e.value.value.bytes = bytes_z(value);
    return e;
}

static amqp_table_entry_t yes_entry(const char *key)
{
    amqp_table_entry_t e = {.key = bytes_z(key)};
    e.value.kind = AMQP_FIELD_KIND_BOOLEAN;
    e.value.value.boolean = 1;
    return e;
}

static amqp_table_entry_t table_entry(const char *key, amqp_table_t value)
{
    amqp_table_entry_t e = {.key = bytes_z(key)};
    e.value.kind = AMQP_FIELD_KIND_TABLE;
    e.value.value.table = value;
    return e;
}

void amqp_put_start_ok(struct buf *out, const struct amqp_url *login)
{
    char response[2 * AMQP_URL_TEXT_MAX]; /* PLAIN (RFC 4616): NUL user NUL password */
    size_t user = strlen(login->user);
    size_t password = strlen(login->password);
    response[0] = '\0';
    memcpy(response + 1, login->user, user + 1);
    memcpy(response + user + 2, login->password, password);
    amqp_table_entry_t can[] = {yes_entry("publisher_confirms"), yes_entry("basic.nack"),
                                yes_entry("consumer_cancel_notify"), yes_entry("connection.blocked"),
                                yes_entry("authentication_failure_close")};
    amqp_table_t capabilities = {.num_entries = (int)(sizeof can / sizeof can[0]), .entries = can};
    amqp_table_entry_t about[] = {text_entry("product", "sentiric-sip-signaling-service"),
                                  text_entry("version", SIG_VERSION), text_entry("platform", "C"),
                                  text_entry("connection_name", "sip-signaling publisher"),
                                  table_entry("capabilities", capabilities)};
    amqp_connection_start_ok_t m = {
        .client_properties = {.num_entries = (int)(sizeof about / sizeof about[0]), .entries = about},
        .mechanism = bytes_z("PLAIN"),
        .response = bytes_of(span_of(response, user + password + 2)),
        .locale = bytes_z("en_US"),
    };
    put_method(out, 0, AMQP_CONNECTION_START_OK_METHOD, &m);
    explicit_bzero(response, sizeof response);
}

void amqp_put_tune_ok(struct buf *out, uint16_t channel_max, uint32_t frame_max, uint16_t heartbeat_s)
{
    amqp_connection_tune_ok_t m = {.channel_max = channel_max, .frame_max = frame_max, .heartbeat = heartbeat_s};
    put_method(out, 0, AMQP_CONNECTION_TUNE_OK_METHOD, &m);
}

void amqp_put_open(struct buf *out, const char *vhost)
{
    amqp_connection_open_t m = {.virtual_host = bytes_z(vhost)};
    put_method(out, 0, AMQP_CONNECTION_OPEN_METHOD, &m);
}

void amqp_put_close(struct buf *out)
{
    amqp_connection_close_t m = {.reply_code = AMQP_REPLY_SUCCESS, .reply_text = bytes_z("stopping")};
    put_method(out, 0, AMQP_CONNECTION_CLOSE_METHOD, &m);
}

void amqp_put_close_ok(struct buf *out)
{
    amqp_connection_close_ok_t m = {0};
    put_method(out, 0, AMQP_CONNECTION_CLOSE_OK_METHOD, &m);
}

void amqp_put_heartbeat(struct buf *out)
{
    char *frame = buf_reserve(out, FRAME_HEAD + FRAME_END);
    if (frame != NULL)
        finish_frame(out, frame, AMQP_FRAME_HEARTBEAT, 0, 0);
}

void amqp_put_channel_open(struct buf *out, uint16_t channel)
{
    amqp_channel_open_t m = {0};
    put_method(out, channel, AMQP_CHANNEL_OPEN_METHOD, &m);
}

void amqp_put_channel_close_ok(struct buf *out, uint16_t channel)
{
    amqp_channel_close_ok_t m = {0};
    put_method(out, channel, AMQP_CHANNEL_CLOSE_OK_METHOD, &m);
}

void amqp_put_flow_ok(struct buf *out, uint16_t channel, bool active)
{
    amqp_channel_flow_ok_t m = {.active = active};
    put_method(out, channel, AMQP_CHANNEL_FLOW_OK_METHOD, &m);
}

void amqp_put_confirm_select(struct buf *out, uint16_t channel)
{
    amqp_confirm_select_t m = {0};
    put_method(out, channel, AMQP_CONFIRM_SELECT_METHOD, &m);
}

void amqp_put_exchange_declare(struct buf *out, uint16_t channel, const char *exchange)
{
    amqp_exchange_declare_t m = {.exchange = bytes_z(exchange), .type = bytes_z("topic"), .durable = 1};
    put_method(out, channel, AMQP_EXCHANGE_DECLARE_METHOD, &m);
}

void amqp_put_queue_declare(struct buf *out, uint16_t channel, const char *queue)
{
    amqp_queue_declare_t m = {.queue = bytes_z(queue), .durable = 1};
    put_method(out, channel, AMQP_QUEUE_DECLARE_METHOD, &m);
}

void amqp_put_queue_bind(struct buf *out, uint16_t channel, const char *queue, const char *exchange, const char *key)
{
    amqp_queue_bind_t m = {.queue = bytes_z(queue), .exchange = bytes_z(exchange), .routing_key = bytes_z(key)};
    put_method(out, channel, AMQP_QUEUE_BIND_METHOD, &m);
}

void amqp_put_qos(struct buf *out, uint16_t channel, uint16_t prefetch)
{
    amqp_basic_qos_t m = {.prefetch_count = prefetch};
    put_method(out, channel, AMQP_BASIC_QOS_METHOD, &m);
}

void amqp_put_consume(struct buf *out, uint16_t channel, const char *queue)
{
    amqp_basic_consume_t m = {.queue = bytes_z(queue)};
    put_method(out, channel, AMQP_BASIC_CONSUME_METHOD, &m);
}

void amqp_put_ack(struct buf *out, uint16_t channel, uint64_t tag)
{
    amqp_basic_ack_t m = {.delivery_tag = tag};
    put_method(out, channel, AMQP_BASIC_ACK_METHOD, &m);
}

void amqp_put_reject(struct buf *out, uint16_t channel, uint64_t tag)
{
    amqp_basic_reject_t m = {.delivery_tag = tag};
    put_method(out, channel, AMQP_BASIC_REJECT_METHOD, &m);
}

static void put_content_header(struct buf *out, uint16_t channel, const struct amqp_msg *m)
{
    amqp_basic_properties_t p = {
        ._flags = AMQP_BASIC_CONTENT_TYPE_FLAG | AMQP_BASIC_DELIVERY_MODE_FLAG | AMQP_BASIC_MESSAGE_ID_FLAG |
                  AMQP_BASIC_TIMESTAMP_FLAG | AMQP_BASIC_TYPE_FLAG | AMQP_BASIC_APP_ID_FLAG,
        .content_type = bytes_of(m->content_type),
        .delivery_mode = AMQP_DELIVERY_PERSISTENT,
        .message_id = bytes_of(m->message_id),
        .timestamp = (uint64_t)m->wall_ms / 1000,
        .type = bytes_of(m->key),
        .app_id = bytes_z("sip-signaling-service"),
        .correlation_id = bytes_of(m->correlation),
    };
    if (m->correlation.len > 0)
        p._flags |= AMQP_BASIC_CORRELATION_ID_FLAG;
    char *frame = buf_reserve(out, METHOD_BYTES_MAX);
    if (frame == NULL)
        return;
    char *payload = frame + FRAME_HEAD;
    amqp_bytes_t room = {.len = METHOD_BYTES_MAX - FRAME_HEAD - HEADER_FIXED - FRAME_END,
                         .bytes = payload + HEADER_FIXED};
    int n = amqp_encode_properties(BASIC_CLASS, &p, room);
    BUG_ON(n < 0);
    put_u16(payload, BASIC_CLASS);
    put_u16(payload + 2, 0);
    put_u64(payload + 4, m->body.len);
    finish_frame(out, frame, AMQP_FRAME_HEADER, channel, HEADER_FIXED + (size_t)n);
}

static void put_body(struct buf *out, uint16_t channel, uint32_t frame_max, struct span body)
{
    size_t most = frame_max - FRAME_HEAD - FRAME_END;
    while (body.len > 0) {
        size_t n = body.len < most ? body.len : most;
        char *frame = buf_reserve(out, FRAME_HEAD + n + FRAME_END);
        if (frame == NULL)
            return;
        memcpy(frame + FRAME_HEAD, body.p, n);
        finish_frame(out, frame, AMQP_FRAME_BODY, channel, n);
        body = span_from(body, n);
    }
}

void amqp_put_publish(struct buf *out, uint16_t channel, uint32_t frame_max, const struct amqp_msg *m)
{
    BUG_ON(m->key.len > AMQP_SHORT_MAX || m->message_id.len > AMQP_SHORT_MAX || m->content_type.len > AMQP_SHORT_MAX ||
           m->correlation.len > AMQP_SHORT_MAX);
    amqp_basic_publish_t p = {
        .exchange = bytes_of(m->exchange), .routing_key = bytes_of(m->key), .mandatory = m->optional ? 0 : 1};
    put_method(out, channel, AMQP_BASIC_PUBLISH_METHOD, &p);
    put_content_header(out, channel, m);
    put_body(out, channel, frame_max, m->body);
}
