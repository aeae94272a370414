/* What waits for a peer, and who hears when it cannot be sent. */
#include "sip-edge/edge_txq.h"
#include "tests/unit/testkit.h"

static struct {
    struct edge_txq q;
    struct buf owners; /* as they were told, with blanks between */
} t;

static int setup(void **state)
{
    (void)state;
    memset(&t, 0, sizeof(t));
    edge_txq_init(&t.q);
    buf_init(&t.owners, 256);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    edge_txq_fini(&t.q);
    buf_fini(&t.owners);
    return 0;
}

static void on_owner(void *user, struct span owner, bool is_server)
{
    (void)user;
    buf_put_span(&t.owners, owner);
    buf_puts(&t.owners, is_server ? "s " : "c ");
}

static const char *told(void)
{
    edge_txq_give_up(&t.q, on_owner, NULL);
    return buf_cstr(&t.owners);
}

static void only_what_was_not_written_whole_has_failed(void **state)
{
    (void)state;
    assert_true(edge_txq_put(&t.q, SPAN("aaaa"), SPAN("A"), true));
    assert_true(edge_txq_put(&t.q, SPAN("bbbb"), SPAN("B"), false));
    assert_true(edge_txq_put(&t.q, SPAN("cccc"), SPAN(""), false));
    assert_true(edge_txq_put(&t.q, SPAN("dddd"), SPAN("D"), false));
    edge_txq_wrote(&t.q, 4);
    edge_txq_wrote(&t.q, 3);
    assert_true(span_eq(edge_txq_front(&t.q), SPAN("bccccdddd")));
    assert_string_equal(told(), "Bc Dc ");
    assert_int_equal(edge_txq_len(&t.q), 0);
}

static void an_empty_queue_holds_nothing(void **state)
{
    (void)state;
    assert_true(edge_txq_put(&t.q, SPAN("aaaa"), SPAN("A"), true));
    edge_txq_wrote(&t.q, 4);
    assert_null(t.q.bytes.p);
    assert_null(t.q.owners.p);
    assert_true(edge_txq_put(&t.q, SPAN("bbbb"), SPAN("B"), true)); /* offsets go on */
    edge_txq_wrote(&t.q, 1);
    assert_string_equal(told(), "Bs ");
}

static void a_full_queue_takes_no_part_of_a_message(void **state)
{
    static char block[EDGE_TXQ_BYTES_MAX / 2];
    (void)state;
    assert_true(edge_txq_put(&t.q, span_of(block, sizeof(block)), SPAN("A"), true));
    assert_true(edge_txq_put(&t.q, span_of(block, sizeof(block) - 1), SPAN("B"), true));
    assert_false(edge_txq_put(&t.q, SPAN("xy"), SPAN("C"), true));
    assert_int_equal(edge_txq_len(&t.q), EDGE_TXQ_BYTES_MAX - 1);
    assert_true(edge_txq_put(&t.q, SPAN("x"), SPAN("D"), true));
    assert_string_equal(told(), "As Bs Ds ");
}

/* A peer that reads all the time, but never everything. */
static void what_was_written_makes_room(void **state)
{
    static char block[40000];
    (void)state;
    assert_true(edge_txq_put(&t.q, span_of(block, 10), SPAN("first"), true));
    for (int i = 0; i < 1000; i++) {
        assert_true(edge_txq_put(&t.q, span_of(block, sizeof(block)), SPAN("x"), true));
        edge_txq_wrote(&t.q, sizeof(block));
    }
    assert_int_equal(edge_txq_len(&t.q), 10);
    assert_true(t.q.bytes.cap <= EDGE_TXQ_BYTES_MAX);
    assert_string_equal(told(), "xs ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
        CASE(only_what_was_not_written_whole_has_failed),
        CASE(an_empty_queue_holds_nothing),
        CASE(a_full_queue_takes_no_part_of_a_message),
        CASE(what_was_written_makes_room),
#undef CASE
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
