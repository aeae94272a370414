#include "tests/unit/testkit.h"

#include "common/base/span.h"
#include <stdlib.h>

static const struct span none = {NULL, 0};

static void equality(void **state)
{
    (void)state;
    assert_true(span_eq(none, SPAN("")));
    assert_true(span_eq(SPAN("a\0b"), SPAN("a\0b")));
    assert_false(span_eq(SPAN("a\0b"), SPAN("a\0c")));
    assert_true(span_caseeq(SPAN("CSeq"), SPAN("cseq")));
    assert_true(span_caseeq(none, none));
    assert_false(span_caseeq(SPAN("CSeq"), SPAN("cse")));
    /* only letters fold: '@' and '`', '[' and '{' differ by the same bit as 'A' and 'a' */
    assert_false(span_caseeq(SPAN("@["), SPAN("`{")));
    assert_false(span_caseeq(SPAN("\xc3\x84"), SPAN("\xc3\xa4")));
}

static void prefixes(void **state)
{
    (void)state;
    assert_true(span_starts(SPAN("sip:bob"), SPAN("sip:")));
    assert_true(span_starts(SPAN("sip:"), SPAN("sip:")));
    assert_true(span_starts(none, none));
    assert_false(span_starts(SPAN("sip"), SPAN("sip:")));
    assert_false(span_starts(SPAN("SIP:bob"), SPAN("sip:")));
    assert_true(span_casestarts(SPAN("SIP:bob"), SPAN("sip:")));
    assert_false(span_casestarts(SPAN("si"), SPAN("sip:")));
}

static void trimming(void **state)
{
    (void)state;
    assert_true(span_eq(span_trim(SPAN(" \t\r\n a b \r\n")), SPAN("a b")));
    assert_int_equal(span_trim(SPAN(" \t ")).len, 0);
    assert_int_equal(span_trim(none).len, 0);
    assert_true(span_eq(span_trim(SPAN("\va")), SPAN("\va")));
}

static void finding(void **state)
{
    (void)state;
    assert_int_equal(span_find(SPAN("a:b:c"), ':'), 1);
    assert_int_equal(span_find(SPAN("abc"), ':'), 3);
    assert_int_equal(span_find(none, ':'), 0);
    assert_int_equal(span_find_span(SPAN("a\r\n\r\nb"), SPAN("\r\n\r\n")), 1);
    assert_int_equal(span_find_span(SPAN("a\r\n\r"), SPAN("\r\n\r\n")), 4);
    assert_int_equal(span_find_span(SPAN("abc"), none), 0);
    assert_int_equal(span_find_span(none, SPAN("a")), 0);
    assert_int_equal(span_from(SPAN("abc"), 3).len, 0);
    assert_true(span_eq(span_from(SPAN("abc"), 1), SPAN("bc")));
}

static void ordering(void **state)
{
    (void)state;
    assert_int_equal(span_cmp(SPAN("a"), SPAN("a")), 0);
    assert_int_equal(span_cmp(none, SPAN("")), 0);
    assert_true(span_cmp(SPAN("a"), SPAN("ab")) < 0);
    assert_true(span_cmp(SPAN("b"), SPAN("ab")) > 0);
    assert_true(span_cmp(SPAN("\xff"), SPAN("a")) > 0);
}

static void numbers(void **state)
{
    (void)state;
    uint64_t v = 7;
    uint32_t w = 7;
    assert_int_equal(span_to_u64(SPAN("18446744073709551615"), UINT64_MAX, &v), 0);
    assert_true(v == UINT64_MAX);
    assert_int_equal(span_to_u64(SPAN("0000000000000000000000000042"), UINT64_MAX, &v), 0);
    assert_true(v == 42);
    assert_int_equal(span_to_u32(SPAN("4294967295"), UINT32_MAX, &w), 0);
    assert_true(w == UINT32_MAX);
    assert_int_equal(span_to_u32(SPAN("65535"), 65535, &w), 0);
    assert_int_equal(span_to_u32(SPAN("0"), 0, &w), 0);
    assert_int_equal(w, 0);
}

static void numbers_refused(void **state)
{
    static const struct span bad[] = {
        SPAN_INIT(""),       SPAN_INIT("-1"),       SPAN_INIT("+1"),
        SPAN_INIT(" 1"),     SPAN_INIT("1 "),       SPAN_INIT("0x10"),
        SPAN_INIT("1.0"),    SPAN_INIT("1\0"),      SPAN_INIT("65536"),
        SPAN_INIT("100000"), SPAN_INIT("\xd9\xa1"), SPAN_INIT("99999999999999999999999999999999999999999999999"),
    };
    (void)state;
    uint32_t w = 7;
    uint64_t v = 7;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(span_to_u32(bad[i], 65535, &w), -1);
    assert_int_equal(w, 7);
    assert_int_equal(span_to_u64(SPAN("18446744073709551616"), UINT64_MAX, &v), -1);
    assert_int_equal(span_to_u64(SPAN("18446744073709551620"), UINT64_MAX, &v), -1);
    assert_int_equal(span_to_u32(SPAN("4294967296"), UINT32_MAX, &w), -1);
    assert_int_equal(span_to_u32(SPAN("7"), 3, &w), -1);
    assert_true(v == 7);
}

static void copies(void **state)
{
    (void)state;
    char small[4] = "zzz";
    assert_true(span_copy(small, sizeof small, SPAN("abc")));
    assert_string_equal(small, "abc");
    assert_false(span_copy(small, sizeof small, SPAN("abcd")));
    assert_string_equal(small, "");
    assert_false(span_copy(small, sizeof small, SPAN("a\0b")));
    assert_string_equal(small, "");
    assert_true(span_copy(small, sizeof small, none));
    assert_false(span_copy(small, 0, none));

    char *z = span_dup(SPAN("a\0b"));
    assert_memory_equal(z, "a\0b", 4);
    free(z);
    z = span_dup(none);
    assert_string_equal(z, "");
    free(z);
    assert_null(span_dup(span_of("", SIZE_MAX)));
    testkit_fail_alloc(0);
    assert_null(span_dup(SPAN("abc")));
    assert_true(testkit_alloc_failed());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equality),        cmocka_unit_test(prefixes), cmocka_unit_test(trimming),
        cmocka_unit_test(finding),         cmocka_unit_test(ordering), cmocka_unit_test(numbers),
        cmocka_unit_test(numbers_refused), cmocka_unit_test(copies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
