/* Bytes of a broker: whatever comes, and however it is cut, decoding takes no more than it was given and content is in
 * order. */
#include "publisher/amqp_content.h"
#include "tests/fuzz/fuzz.h"

#define BODY_MAX 256

static void check_rx(const struct amqp_rx *rx, struct amqp_content *c)
{
    FUZZ_ASSERT(rx->kind >= AMQP_RX_START && rx->kind <= AMQP_RX_OTHER);
    FUZZ_ASSERT(rx->key.len <= AMQP_SHORT_MAX && rx->text.len <= AMQP_SHORT_MAX);
    FUZZ_ASSERT(rx->message_id.len <= AMQP_SHORT_MAX && rx->content_type.len <= AMQP_SHORT_MAX);
    if (amqp_content_take(c, rx) != AMQP_CONTENT_WHOLE)
        return;
    FUZZ_ASSERT(c->body.len <= BODY_MAX && (c->cut || !c->body.failed));
}

/* The first byte says how large the pieces are. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    size_t piece = (size_t)data[0] + 1;
    struct span rest = fuzz_span(data + 1, size - 1);
    struct amqp_wire *w = amqp_wire_new();
    struct amqp_content c;
    amqp_content_init(&c, BODY_MAX);
    while (rest.len > 0) {
        struct span in = span_of(rest.p, piece < rest.len ? piece : rest.len);
        struct amqp_rx rx;
        size_t used;
        int rc = amqp_wire_decode(w, in, &used, &rx);
        FUZZ_ASSERT(used <= in.len);
        if (rc < 0)
            break;
        FUZZ_ASSERT(rc > 0 || used == in.len);
        if (rc > 0)
            check_rx(&rx, &c);
        rest = span_from(rest, used);
    }
    amqp_content_fini(&c);
    amqp_wire_free(w);
    return 0;
}
