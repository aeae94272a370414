/*
 * A connection's bytes in pieces: the first byte says how they are cut. The same messages, pings and end as in one
 * piece, byte by byte as well; nothing is held between messages, and never more than one message.
 */
#include "common/sip/sip_err.h"
#include "common/sip/sip_limits.h"
#include "sip-edge/edge_inbox.h"
#include "tests/fuzz/fuzz.h"

#define STREAM_MAX 200000

struct seen {
    uint64_t hash; /* of every message and its length, in order */
    unsigned msgs, pings;
    int err;
};

static bool on_msg(void *user, struct span msg)
{
    struct seen *s = user;
    FUZZ_ASSERT(msg.len > 0 && msg.len <= SIP_MSG_BYTES_MAX);
    for (size_t i = 0; i < msg.len; i++)
        s->hash = (s->hash ^ (unsigned char)msg.p[i]) * UINT64_C(1099511628211);
    s->hash = (s->hash ^ msg.len) * UINT64_C(1099511628211);
    s->msgs++;
    return true;
}

static void on_ping(void *user)
{
    ((struct seen *)user)->pings++;
}

/* step: how long the pieces are; 0: cut by a sequence that begins with `seed` */
static struct seen run(struct span in, size_t step, uint32_t seed)
{
    struct seen s = {0};
    const struct edge_inbox_sink sink = {.user = &s, .on_msg = on_msg, .on_ping = on_ping};
    struct edge_inbox box;
    struct span head;
    edge_inbox_init(&box);
    while (in.len > 0 && s.err == 0) {
        seed = seed * 1664525u + 1013904223u;
        size_t n = step > 0 ? step : 1 + (seed >> 16) % 97;
        n = n < in.len ? n : in.len;
        s.err = edge_inbox_take(&box, span_of(in.p, n), &sink, &head);
        FUZZ_ASSERT(box.part.len <= SIP_MSG_BYTES_MAX);
        FUZZ_ASSERT(s.err != 0 || edge_inbox_is_waiting(&box) || box.part.p == NULL);
        FUZZ_ASSERT(head.len == 0 || (s.err < 0 && head.len <= SIP_HEAD_BYTES_MAX));
        in = span_from(in, n);
    }
    edge_inbox_fini(&box);
    return s;
}

static void compare(const struct seen *a, const struct seen *b)
{
    FUZZ_ASSERT(a->hash == b->hash && a->msgs == b->msgs && a->err == b->err);
    FUZZ_ASSERT(a->pings == b->pings);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > STREAM_MAX)
        return 0;
    struct span in = fuzz_span(data + 1, size - 1);
    struct seen whole = run(in, in.len, 0);
    struct seen bytes = run(in, 1, 0);
    struct seen pieces = run(in, 0, data[0]);
    compare(&whole, &bytes);
    compare(&whole, &pieces);
    return 0;
}
