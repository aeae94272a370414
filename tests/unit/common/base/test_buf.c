#include "tests/unit/testkit.h"

#include "common/base/buf.h"
#include <stdlib.h>

static void appends(void **state)
{
    struct buf b;
    (void)state;
    buf_init(&b, 4096);
    assert_int_equal(buf_span(&b).len, 0);
    buf_puts(&b, "a");
    buf_putc(&b, '\0');
    buf_put_span(&b, SPAN("bc"));
    buf_put_span(&b, (struct span){NULL, 0});
    buf_put_u64(&b, 0);
    buf_put_u64(&b, UINT64_MAX);
    buf_printf(&b, "%s-%d", "x", -1);
    assert_true(span_eq(buf_span(&b), SPAN("a\0bc018446744073709551615x--1")));
    assert_false(b.failed);
    buf_reset(&b);
    assert_int_equal(b.len, 0);
    buf_fini(&b);
    assert_null(b.p);
}

static void cap_is_exact_and_failure_sticks(void **state)
{
    struct buf b;
    (void)state;
    buf_init(&b, 10);
    buf_puts(&b, "0123456789");
    assert_false(b.failed);
    assert_string_equal(buf_cstr(&b), "0123456789");
    buf_putc(&b, 'x');
    assert_true(b.failed);
    assert_true(span_eq(buf_span(&b), SPAN("0123456789")));
    assert_null(buf_cstr(&b));
    buf_consume(&b, 9);
    buf_puts(&b, "y");
    buf_printf(&b, "y");
    buf_put_u64(&b, 1);
    assert_null(buf_reserve(&b, 1));
    assert_true(span_eq(buf_span(&b), SPAN("9")));
    buf_reset(&b);
    buf_printf(&b, "%s", "abcdefghij");
    assert_false(b.failed);
    assert_string_equal(buf_cstr(&b), "abcdefghij");
    buf_reset(&b);
    buf_printf(&b, "%s", "abcdefghijk");
    assert_true(b.failed);
    assert_int_equal(b.len, 0);
    buf_fini(&b);

    buf_init(&b, 0);
    assert_string_equal(buf_cstr(&b), "");
    buf_put(&b, "x", 0);
    assert_false(b.failed);
    buf_putc(&b, 'x');
    assert_true(b.failed);
    buf_fini(&b);

    buf_init(&b, SIZE_MAX);
    buf_putc(&b, 'x');
    assert_null(buf_reserve(&b, SIZE_MAX));
    assert_true(b.failed);
    buf_fini(&b);
}

static void grows_in_steps(void **state)
{
    struct buf b;
    (void)state;
    buf_init(&b, 100000);
    for (int i = 0; i < 100000; i++)
        buf_putc(&b, (char)('a' + i % 26));
    assert_false(b.failed);
    assert_int_equal(b.len, 100000);
    assert_int_equal(b.p[99999], 'a' + 99999 % 26);
    buf_putc(&b, 'x');
    assert_true(b.failed);
    buf_fini(&b);
    buf_init(&b, 100000);
    buf_printf(&b, "%060000d", 7); /* far more than the first allocation */
    assert_int_equal(b.len, 60000);
    assert_int_equal(b.p[59999], '7');
    buf_fini(&b);
}

static void reserve_and_consume(void **state)
{
    struct buf b;
    (void)state;
    buf_init(&b, 64);
    char *at = buf_reserve(&b, 64);
    assert_non_null(at);
    memset(at, 'r', 64);
    buf_commit(&b, 3);
    buf_commit(&b, 0);
    buf_puts(&b, "end");
    assert_true(span_eq(buf_span(&b), SPAN("rrrend")));
    buf_consume(&b, 0);
    buf_consume(&b, 2);
    assert_true(span_eq(buf_span(&b), SPAN("rend")));
    buf_consume(&b, 4);
    assert_int_equal(b.len, 0);
    buf_fini(&b);
}

static void take_passes_ownership(void **state)
{
    struct buf b;
    size_t len = 9;
    (void)state;
    buf_init(&b, 4);
    assert_null(buf_take(&b, &len));
    assert_int_equal(len, 0);
    buf_puts(&b, "abcd");
    char *p = buf_take(&b, &len);
    assert_int_equal(len, 4);
    assert_memory_equal(p, "abcd", 4);
    free(p);
    assert_int_equal(b.len, 0);
    buf_puts(&b, "ab"); /* and it may be used again, with its cap */
    buf_puts(&b, "cde");
    assert_true(b.failed);
    assert_null(buf_take(&b, &len));
    assert_null(b.p);
}

static void memory_out_is_a_failure_like_the_cap(void **state)
{
    unsigned n = 0;
    bool failed;
    (void)state;
    do {
        struct buf b;
        buf_init(&b, 10000);
        testkit_fail_alloc(n++);
        buf_puts(&b, "head");
        buf_printf(&b, "%0500d", 1);
        buf_reserve(&b, 2000);
        buf_puts(&b, "tail");
        failed = testkit_alloc_failed();
        assert_int_equal(b.failed, failed);
        assert_int_equal(b.len, failed ? (n == 1 ? 0 : n == 2 ? 4 : 504) : 508);
        buf_fini(&b);
    } while (failed);
    assert_int_equal(n, 4);
}

static void whole_buffer_never_moves(void **state)
{
    (void)state;
    struct buf b;
    buf_init_whole(&b, 3000);
    const char *at = b.p;
    assert_non_null(at);
    for (int i = 0; i < 3000; i++)
        buf_putc(&b, 's');
    assert_false(b.failed);
    assert_ptr_equal(b.p, at);
    buf_putc(&b, 's');
    assert_true(b.failed);
    buf_wipe(&b);
    assert_null(b.p);
    buf_wipe(&b); /* as buf_fini */
}

static void commit_too_much(void)
{
    struct buf b;
    buf_init(&b, 8);
    buf_reserve(&b, 8);
    buf_commit(&b, 9);
}

static void consume_too_much(void)
{
    struct buf b;
    buf_init(&b, 8);
    buf_puts(&b, "abc");
    buf_consume(&b, 4);
}

static void misuse_is_a_bug(void **state)
{
    (void)state;
    testkit_assert_bug(commit_too_much, "n > b->cap - b->len");
    testkit_assert_bug(consume_too_much, "n > b->len");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appends),
        cmocka_unit_test(cap_is_exact_and_failure_sticks),
        cmocka_unit_test(grows_in_steps),
        cmocka_unit_test(reserve_and_consume),
        cmocka_unit_test(take_passes_ownership),
        cmocka_unit_test(memory_out_is_a_failure_like_the_cap),
        cmocka_unit_test(whole_buffer_never_moves),
        cmocka_unit_test(misuse_is_a_bug),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
