#include "tests/unit/testkit.h"

#include "publisher/window.h"
#include <stdio.h>
#include <string.h>

struct told {
    uint32_t shard[64];
    uint64_t seq[64];
    enum window_outcome how[64];
    size_t count;
};

static void on_done(void *user, uint32_t shard, uint64_t seq, enum window_outcome how)
{
    struct told *t = user;
    assert_true(t->count < 64);
    t->shard[t->count] = shard;
    t->seq[t->count] = seq;
    t->how[t->count++] = how;
}

static int put_id(struct window *w, uint32_t shard, uint64_t seq, const char *id)
{
    struct window_event e = {.shard = shard,
                             .seq = seq,
                             .message_id = span_cstr(id),
                             .key = SPAN("call.started"),
                             .content_type = SPAN("application/json"),
                             .body = SPAN("{}"),
                             .wall_ms = 1};
    return window_put(w, &e);
}

static int put(struct window *w, uint32_t shard, uint64_t seq)
{
    char id[32];
    (void)snprintf(id, sizeof id, "%u-%llu", shard, (unsigned long long)seq);
    return put_id(w, shard, seq, id);
}

/* Sends all that may be sent; tags go on from *tag. */
static void send_all(struct window *w, uint64_t *tag)
{
    while (window_next(w) != NULL)
        window_sent(w, ++*tag);
}

static void keeps_order_and_content(void **state)
{
    (void)state;
    struct window *w = window_new(2);
    assert_int_equal(put(w, 1, 7), WINDOW_TAKEN);
    assert_int_equal(put(w, 0, 7), WINDOW_TAKEN);
    const struct window_event *e = window_next(w);
    assert_int_equal(e->shard, 1);
    assert_int_equal(e->seq, 7);
    assert_true(span_eq(e->message_id, SPAN("1-7")));
    assert_true(span_eq(e->key, SPAN("call.started")));
    assert_true(span_eq(e->content_type, SPAN("application/json")));
    assert_true(span_eq(e->body, SPAN("{}")));
    window_sent(w, 1);
    assert_int_equal(window_next(w)->shard, 0);
    window_sent(w, 2);
    assert_null(window_next(w));
    assert_int_equal(window_sent_count(w), 2);
    window_free(w);
}

static void single_and_multiple_acks(void **state)
{
    (void)state;
    struct window *w = window_new(1);
    struct told t = {0};
    uint64_t tag = 0;
    for (uint64_t seq = 1; seq <= 5; seq++)
        (void)put(w, 0, seq);
    send_all(w, &tag);
    window_settle(w, 2, false, true, on_done, &t);
    assert_int_equal(t.count, 1);
    assert_int_equal(t.seq[0], 2);
    window_settle(w, 2, false, true, on_done, &t); /* twice is once */
    assert_int_equal(t.count, 1);
    window_settle(w, 4, true, true, on_done, &t);
    assert_int_equal(t.count, 4);
    assert_int_equal(t.seq[1], 1);
    assert_int_equal(t.seq[2], 3);
    assert_int_equal(t.seq[3], 4);
    window_settle(w, 99, true, true, on_done, &t); /* a tag never given */
    assert_int_equal(window_count(w), 1);
    window_settle(w, 0, true, true, on_done, &t); /* 0 and multiple: all */
    assert_int_equal(window_count(w), 0);
    assert_int_equal(window_bytes(w), 0);
    window_free(w);
}

static void nacked_and_returned(void **state)
{
    (void)state;
    struct window *w = window_new(1);
    struct told t = {0};
    uint64_t tag = 0;
    for (uint64_t seq = 1; seq <= 3; seq++)
        (void)put(w, 0, seq);
    send_all(w, &tag);
    assert_true(window_returned(w, SPAN("0-2")));
    assert_false(window_returned(w, SPAN("0-2"))); /* only once */
    assert_false(window_returned(w, SPAN("0-9")));
    window_settle(w, 2, true, true, on_done, &t);
    window_settle(w, 3, false, false, on_done, &t);
    assert_int_equal(t.how[0], WINDOW_CONFIRMED);
    assert_int_equal(t.how[1], WINDOW_RETURNED);
    assert_int_equal(t.how[2], WINDOW_NACKED);
    /* What was not kept by the broker is taken again. */
    assert_int_equal(put(w, 0, 2), WINDOW_TAKEN);
    assert_int_equal(put(w, 0, 3), WINDOW_TAKEN);
    window_free(w);
}

static void unsent_is_never_returned(void **state)
{
    (void)state;
    struct window *w = window_new(1);
    (void)put(w, 0, 1);
    assert_false(window_returned(w, SPAN("0-1")));
    window_free(w);
}

static void repeats_are_known(void **state)
{
    (void)state;
    struct window *w = window_new(2);
    struct told t = {0};
    uint64_t tag = 0;
    assert_int_equal(put(w, 0, 1), WINDOW_TAKEN);
    assert_int_equal(put(w, 0, 1), WINDOW_KNOWN);
    assert_int_equal(put(w, 1, 1), WINDOW_TAKEN); /* another shard's */
    send_all(w, &tag);
    assert_int_equal(put(w, 0, 1), WINDOW_KNOWN);
    window_settle(w, 2, true, true, on_done, &t);
    assert_int_equal(put(w, 0, 1), WINDOW_DONE);
    assert_int_equal(put_id(w, 0, 1, "after a new store"), WINDOW_TAKEN);
    window_free(w);
}

static void confirmed_ones_are_forgotten_in_the_end(void **state)
{
    (void)state;
    struct window *w = window_new(1);
    struct told t;
    uint64_t tag = 0;
    for (uint64_t seq = 1; seq <= WINDOW_RECENT_MAX + 1; seq++) {
        (void)put(w, 0, seq);
        send_all(w, &tag);
        t.count = 0;
        window_settle(w, tag, true, true, on_done, &t);
    }
    assert_int_equal(put(w, 0, 2), WINDOW_DONE);
    assert_int_equal(put(w, 0, 1), WINDOW_TAKEN);
    window_free(w);
}

static void seq_of_a_new_store_does_not_answer_for_the_old(void **state)
{
    (void)state;
    struct window *w = window_new(1);
    struct told t = {0};
    uint64_t tag = 0;
    assert_int_equal(put_id(w, 0, 1, "old"), WINDOW_TAKEN);
    assert_int_equal(put_id(w, 0, 1, "new"), WINDOW_TAKEN);
    send_all(w, &tag);
    assert_int_equal(tag, 2); /* both are published */
    window_settle(w, 1, false, true, on_done, &t);
    assert_int_equal(t.count, 0);
    window_settle(w, 2, false, true, on_done, &t);
    assert_int_equal(t.count, 1);
    window_free(w);
}

static void rewind_sends_again_in_order(void **state)
{
    (void)state;
    struct window *w = window_new(1);
    struct told t = {0};
    uint64_t tag = 0;
    for (uint64_t seq = 1; seq <= 4; seq++)
        (void)put(w, 0, seq);
    for (int i = 0; i < 3; i++)
        window_sent(w, ++tag);
    window_settle(w, 2, false, true, on_done, &t);
    (void)window_returned(w, SPAN("0-3"));
    assert_int_equal(window_rewind(w), 2);
    assert_int_equal(window_sent_count(w), 0);
    window_settle(w, 1, false, true, on_done, &t); /* an ack of the connection before */
    assert_int_equal(t.count, 1);
    tag = 0;
    static const uint64_t order[] = {1, 3, 4};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(window_next(w)->seq, order[i]);
        window_sent(w, ++tag);
    }
    window_settle(w, 3, true, true, on_done, &t);
    assert_int_equal(t.count, 4);
    assert_int_equal(t.how[2], WINDOW_CONFIRMED); /* returned on the other connection, not on this */
    window_free(w);
}

static void bounds(void **state)
{
    (void)state;
    static char long_text[WINDOW_TEXT_MAX + 1];
    struct window *w = window_new(2);
    memset(long_text, 'x', sizeof long_text);
    struct window_event e = {
        .message_id = span_of(long_text, WINDOW_TEXT_MAX), .key = SPAN("k"), .content_type = SPAN("c")};
    assert_int_equal(window_put(w, &e), WINDOW_TAKEN);
    e.seq = 1;
    e.message_id.len++;
    assert_int_equal(window_put(w, &e), -WINDOW_EBAD);
    assert_int_equal(put(w, 2, 1), -WINDOW_EBAD);
    for (uint64_t seq = 2; window_shard_count(w, 0) < WINDOW_SHARD_CNT_MAX; seq++)
        assert_int_equal(put(w, 0, seq), WINDOW_TAKEN);
    assert_int_equal(put(w, 0, 1), -WINDOW_EFULL);
    assert_int_equal(put(w, 1, 1), WINDOW_TAKEN); /* a shard does not take another's room */
    window_free(w);
}

static void bytes_are_bounded(void **state)
{
    (void)state;
    static char big[1 << 20];
    struct window *w = window_new(1);
    struct window_event e = {
        .message_id = SPAN("m"), .key = SPAN("k"), .content_type = SPAN("c"), .body = {big, sizeof big}};
    int rc;
    while ((rc = window_put(w, &e)) == WINDOW_TAKEN)
        e.seq++;
    assert_int_equal(rc, -WINDOW_EFULL);
    assert_true(window_bytes(w) <= WINDOW_SHARD_BYTES_MAX + sizeof big);
    window_free(w);
}

/* One event whose answer stays out, while everything behind it is answered one by one. */
static void a_late_ack_holds_the_ring_and_no_more(void **state)
{
    (void)state;
    struct window *w = window_new(1);
    struct told t;
    uint64_t tag = 0;
    uint64_t seq = 0;
    for (size_t i = 0; i < 3 * WINDOW_SHARD_CNT_MAX; i++) {
        (void)put(w, 0, ++seq);
        if (window_next(w) == NULL)
            break;
        window_sent(w, ++tag);
        t.count = 0;
        if (tag > 1)
            window_settle(w, tag, false, true, on_done, &t);
    }
    assert_int_equal(tag, WINDOW_SHARD_CNT_MAX);
    t.count = 0;
    window_settle(w, 1, false, true, on_done, &t);
    assert_int_equal(t.count, 1);
    assert_non_null(window_next(w));
    window_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_order_and_content),
        cmocka_unit_test(single_and_multiple_acks),
        cmocka_unit_test(nacked_and_returned),
        cmocka_unit_test(unsent_is_never_returned),
        cmocka_unit_test(repeats_are_known),
        cmocka_unit_test(confirmed_ones_are_forgotten_in_the_end),
        cmocka_unit_test(seq_of_a_new_store_does_not_answer_for_the_old),
        cmocka_unit_test(rewind_sends_again_in_order),
        cmocka_unit_test(bounds),
        cmocka_unit_test(bytes_are_bounded),
        cmocka_unit_test(a_late_ack_holds_the_ring_and_no_more),
    };
    return cmocka_run_group_tests_name("window", tests, NULL, NULL);
}
