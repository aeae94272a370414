#include "publisher/amqp_content.h"

enum { WANTS_METHOD = 0, WANTS_HEADER = 1, WANTS_BODY = 2 };

void amqp_content_init(struct amqp_content *c, size_t body_max)
{
    *c = (struct amqp_content){0};
    buf_init(&c->body, body_max);
}

void amqp_content_fini(struct amqp_content *c)
{
    buf_fini(&c->body);
}

void amqp_content_reset(struct amqp_content *c)
{
    c->state = WANTS_METHOD;
    buf_reset(&c->body);
}

/* A text with a NUL inside, or one that is too long, counts as absent. */
static void keep(char out[AMQP_SHORT_MAX + 1], struct span s)
{
    (void)span_copy(out, AMQP_SHORT_MAX + 1, s);
}

static enum amqp_content_step take_method(struct amqp_content *c, const struct amqp_rx *rx)
{
    amqp_content_reset(c);
    c->tag = rx->tag;
    c->on = rx->on;
    c->cut = false;
    keep(c->key, rx->key);
    keep(c->text, rx->text);
    c->state = WANTS_HEADER;
    return AMQP_CONTENT_MORE;
}

static enum amqp_content_step body_step(struct amqp_content *c)
{
    c->state = c->left > 0 ? WANTS_BODY : WANTS_METHOD;
    return c->left > 0 ? AMQP_CONTENT_MORE : AMQP_CONTENT_WHOLE;
}

static enum amqp_content_step take_header(struct amqp_content *c, const struct amqp_rx *rx)
{
    keep(c->message_id, rx->message_id);
    keep(c->content_type, rx->content_type);
    keep(c->reply_to, rx->reply_to);
    keep(c->correlation, rx->correlation);
    c->left = rx->body_bytes;
    c->cut = rx->body_bytes > c->body.max;
    return body_step(c);
}

static enum amqp_content_step take_body(struct amqp_content *c, const struct amqp_rx *rx)
{
    if (rx->body.len > c->left)
        return AMQP_CONTENT_BAD;
    c->left -= rx->body.len;
    if (!c->cut)
        buf_put_span(&c->body, rx->body);
    return body_step(c);
}

enum amqp_content_step amqp_content_take(struct amqp_content *c, const struct amqp_rx *rx)
{
    bool is_method = rx->kind == AMQP_RX_DELIVER || rx->kind == AMQP_RX_RETURN;
    if (c->state == WANTS_METHOD && is_method)
        return take_method(c, rx);
    if (c->state == WANTS_HEADER && rx->kind == AMQP_RX_HEADER)
        return take_header(c, rx);
    if (c->state == WANTS_BODY && rx->kind == AMQP_RX_BODY)
        return take_body(c, rx);
    return AMQP_CONTENT_BAD;
}
