/* A stream cut anywhere gives the same messages. */
#include "common/sip/sip_err.h"
#include "common/sip/sip_limits.h"
#include "sip-edge/edge_inbox.h"
#include "tests/unit/testkit.h"
#include <stdio.h>
#include <stdlib.h>

#define MSG(branch, body)                                                                                              \
    "OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=" branch "\r\nContent-Length: " body "\r\n\r\n"
#define STREAM MSG("1", "0") MSG("2", "5") "hello\r\n\r\n" MSG("3", "0") "\r\n" MSG("4", "3") "\r\n\r" MSG("5", "0")

static struct {
    struct buf seen; /* every message, with a bar behind it; "P" for a ping */
    unsigned stop_after;
    unsigned msgs;
} t;

static bool on_msg(void *user, struct span msg)
{
    (void)user;
    buf_put_span(&t.seen, msg);
    buf_putc(&t.seen, '|');
    t.msgs++;
    return t.msgs != t.stop_after;
}

static void on_ping(void *user)
{
    (void)user;
    buf_puts(&t.seen, "P|");
}

static const struct edge_inbox_sink sink = {.on_msg = on_msg, .on_ping = on_ping};

static int setup(void **state)
{
    (void)state;
    memset(&t, 0, sizeof(t));
    buf_init(&t.seen, 1 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buf_fini(&t.seen);
    return 0;
}

/* In a block of its own, so that a read past its end is seen. */
static int take(struct edge_inbox *in, struct span s)
{
    struct span head;
    char *p = malloc(s.len > 0 ? s.len : 1);
    assert_non_null(p);
    if (s.len > 0)
        memcpy(p, s.p, s.len);
    int err = edge_inbox_take(in, span_of(p, s.len), &sink, &head);
    free(p);
    return err;
}

static void a_stream_read_at_once(void **state)
{
    struct edge_inbox in;
    (void)state;
    edge_inbox_init(&in);
    assert_int_equal(take(&in, SPAN(STREAM)), 0);
    assert_int_equal(t.msgs, 5);
    assert_true(span_starts(buf_span(&t.seen), SPAN(MSG("1", "0") "|" MSG("2", "5") "hello|P|" MSG("3", "0") "|")));
    assert_false(edge_inbox_is_waiting(&in));
    assert_null(in.part.p); /* between messages nothing is held */
    edge_inbox_fini(&in);
}

static void cut_in_three_anywhere(void **state)
{
    struct buf whole;
    struct span all = SPAN(STREAM);
    struct edge_inbox in;
    (void)state;
    edge_inbox_init(&in);
    assert_int_equal(take(&in, all), 0);
    whole = t.seen;
    for (size_t a = 0; a <= all.len; a++) {
        for (size_t b = a; b <= all.len; b += 1 + a % 7) {
            buf_init(&t.seen, 1 << 20);
            assert_int_equal(take(&in, span_of(all.p, a)), 0);
            assert_int_equal(take(&in, span_of(all.p + a, b - a)), 0);
            assert_int_equal(take(&in, span_from(all, b)), 0);
            assert_true(span_eq(buf_span(&t.seen), buf_span(&whole)));
            assert_null(in.part.p);
            buf_fini(&t.seen);
        }
    }
    t.seen = whole;
}

static void byte_by_byte(void **state)
{
    struct span all = SPAN(STREAM);
    struct edge_inbox in;
    (void)state;
    edge_inbox_init(&in);
    for (size_t i = 0; i < all.len; i++)
        assert_int_equal(take(&in, span_of(all.p + i, 1)), 0);
    assert_int_equal(t.msgs, 5);
    assert_null(in.part.p);
}

static void no_more_after_a_stop(void **state)
{
    struct edge_inbox in;
    (void)state;
    t.stop_after = 2;
    edge_inbox_init(&in);
    assert_int_equal(take(&in, SPAN(STREAM)), 0);
    assert_int_equal(t.msgs, 2);
    edge_inbox_fini(&in);
}

static void what_is_no_sip_is_known_at_once(void **state)
{
    static const struct span rows[] = {SPAN_INIT("\x16\x03\x01"), SPAN_INIT("\0"), SPAN_INIT("(x"), SPAN_INIT(" a")};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct edge_inbox in;
        edge_inbox_init(&in);
        assert_int_equal(take(&in, rows[i]), -SIP_ESTARTLINE);
        edge_inbox_fini(&in);
    }
}

/* The head of what cannot be framed is given for its refusal, whether it was cut or not. */
static void faults_give_the_head(void **state)
{
    static const struct span bad = SPAN_INIT("OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/TCP h\r\n\r\n");
    (void)state;
    for (size_t cut = 0; cut < bad.len; cut++) {
        struct edge_inbox in;
        struct span head;
        edge_inbox_init(&in);
        assert_int_equal(edge_inbox_take(&in, span_of(bad.p, cut), &sink, &head), 0);
        assert_int_equal(edge_inbox_take(&in, span_from(bad, cut), &sink, &head), -SIP_EMISSING);
        assert_true(span_eq(head, bad));
        edge_inbox_fini(&in);
    }
    assert_int_equal(t.msgs, 0);
}

/* Of one that has no end as much as a head may have: what stands first in it may be enough to refuse it. */
static void a_head_that_is_too_long_is_given_as_far_as_it_may_reach(void **state)
{
    static char big[SIP_MSG_BYTES_MAX];
    (void)state;
    memset(big, 'x', sizeof(big));
    for (size_t step = 1; step < sizeof(big); step = step * 7 + 4000) {
        struct edge_inbox in;
        struct span head = SPAN("");
        int err = 0;
        edge_inbox_init(&in);
        for (size_t at = 0; err == 0 && at < sizeof(big); at += step)
            err = edge_inbox_take(&in, span_of(big + at, sizeof(big) - at < step ? sizeof(big) - at : step), &sink,
                                  &head);
        assert_int_equal(err, -SIP_ELIMIT);
        assert_int_equal(head.len, SIP_HEAD_BYTES_MAX);
        edge_inbox_fini(&in);
    }
}

static void the_largest_message_passes(void **state)
{
    static char big[SIP_MSG_BYTES_MAX + 1];
    (void)state;
    int head =
        snprintf(big, sizeof(big), "OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/TCP h\r\nContent-Length: 65000\r\n\r\n");
    memset(big + head, 'x', sizeof(big) - (size_t)head);
    size_t len = (size_t)head + 65000;
    for (size_t step = 1; step < len; step = step * 5 + 13) {
        struct edge_inbox in;
        edge_inbox_init(&in);
        t.msgs = 0;
        buf_reset(&t.seen);
        for (size_t at = 0; at < len; at += step)
            assert_int_equal(take(&in, span_of(big + at, len - at < step ? len - at : step)), 0);
        assert_int_equal(t.msgs, 1);
        assert_int_equal(t.seen.len, len + 1);
        edge_inbox_fini(&in);
    }
}

static void a_head_without_end_is_refused(void **state)
{
    static char line[4096];
    struct edge_inbox in;
    int err = 0;
    size_t sent = 0;
    (void)state;
    memset(line, 'a', sizeof(line));
    edge_inbox_init(&in);
    while (err == 0 && sent <= (size_t)2 * SIP_HEAD_BYTES_MAX) {
        err = take(&in, span_of(line, sizeof(line)));
        sent += sizeof(line);
    }
    assert_int_equal(err, -SIP_ELIMIT);
    assert_true(sent <= SIP_HEAD_BYTES_MAX + sizeof(line));
    edge_inbox_fini(&in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
        CASE(a_stream_read_at_once),
        CASE(cut_in_three_anywhere),
        CASE(byte_by_byte),
        CASE(no_more_after_a_stop),
        CASE(what_is_no_sip_is_known_at_once),
        CASE(faults_give_the_head),
        CASE(the_largest_message_passes),
        CASE(a_head_without_end_is_refused),
        CASE(a_head_that_is_too_long_is_given_as_far_as_it_may_reach),
#undef CASE
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
