/* UTF-8 as RFC 3629 has it: each length at its first and last number, and everything that only looks like it. */
#include "tests/unit/testkit.h"

#include "common/base/utf8.h"
#include <string.h>

struct good {
    const char *bytes;
    uint32_t code;
};

static void test_first_and_last_of_each_length(void **state)
{
    static const struct good cases[] = {
        {"\x01", 0x01},
        {"\x7f", 0x7f},
        {"\xc2\x80", 0x80},
        {"\xdf\xbf", 0x7ff},
        {"\xe0\xa0\x80", 0x800},
        {"\xed\x9f\xbf", 0xd7ff},
        {"\xee\x80\x80", 0xe000},
        {"\xef\xbf\xbf", 0xffff},
        {"\xf0\x90\x80\x80", 0x10000},
        {"\xf4\x8f\xbf\xbf", 0x10ffff},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint32_t code = 0;
        assert_int_equal(utf8_char(span_cstr(cases[i].bytes), &code), strlen(cases[i].bytes));
        assert_int_equal(code, cases[i].code);
        assert_true(utf8_is_valid(span_cstr(cases[i].bytes)));
    }
    uint32_t nul = 7;
    assert_int_equal(utf8_char(span_of("\0", 1), &nul), 1);
    assert_int_equal(nul, 0);
}

static void test_what_is_none(void **state)
{
    static const char *const cases[] = {
        "\x80", /* continuation first */
        "\xbf",
        "\xc0\x80",
        "\xc1\xbf", /* overlong */
        "\xe0\x9f\xbf",
        "\xf0\x8f\xbf\xbf",
        "\xed\xa0\x80", /* surrogates */
        "\xed\xbf\xbf",
        "\xf4\x90\x80\x80", /* above U+10FFFF */
        "\xf8\x88\x80\x80",
        "\xff",
        "\xc2", /* cut */
        "\xe2\x82",
        "\xf0\x9f\x98",
        "\xc2x", /* no continuation */
        "\xe2x\x80",
        "\xe2\x82x",
        "\xf0\x9f\x98x",
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint32_t code = 7;
        assert_int_equal(utf8_char(span_cstr(cases[i]), &code), 0);
        assert_int_equal(code, 7); /* nothing is written */
        assert_false(utf8_is_valid(span_cstr(cases[i])));
    }
}

/* What every number encodes to is read back as that number, and nothing past the span is looked at. */
static void test_every_number(void **state)
{
    (void)state;
    for (uint32_t n = 0; n <= 0x110000; n++) {
        char b[4];
        size_t len = n < 0x80 ? 1 : n < 0x800 ? 2 : n < 0x10000 ? 3 : 4;
        for (size_t i = len; i-- > 1;)
            b[i] = (char)(0x80 | (n >> 6 * (len - 1 - i) & 0x3f));
        static const unsigned lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
        b[0] = (char)(lead[len] | n >> 6 * (len - 1));
        bool is = n <= 0x10ffff && (n < 0xd800 || n > 0xdfff);
        uint32_t code = 0;
        size_t got = utf8_char(span_of(b, len), &code);
        if (got != (is ? len : 0) || (is && code != n) || (len > 1 && utf8_char(span_of(b, len - 1), &code) != 0))
            fail_msg("U+%04X: %zu bytes, U+%04X", n, got, code);
    }
}

static void test_texts(void **state)
{
    (void)state;
    assert_true(utf8_is_valid(SPAN("")));
    assert_true(utf8_is_valid(SPAN("J\xc3\xbcrgen \xe2\x82\xac \xf0\x9f\x98\x80")));
    assert_false(utf8_is_valid(SPAN("J\xc3\xbcrgen \xe2\x82")));
    assert_false(utf8_is_valid(SPAN("\xff good")));
}

static void test_control_characters(void **state)
{
    static const uint32_t yes[] = {0, '\n', 0x1b, 0x1f, 0x7f, 0x9b, 0x200e, 0x200f, 0x2028, 0x202e, 0x2066, 0x2069};
    static const uint32_t no[] = {' ', '~', 0xa0, 0xfc, 0x200d, 0x2010, 0x2027, 0x202f, 0x2065, 0x206a, 0x1f600};
    (void)state;
    for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++)
        assert_true(utf8_is_control(yes[i]));
    for (size_t i = 0; i < sizeof no / sizeof no[0]; i++)
        assert_false(utf8_is_control(no[i]));
}

static void test_mending(void **state)
{
    (void)state;
    char z[] = "x\xed\xa0\x80y\xc3\xa7\xc3";
    utf8_mend(z);
    assert_string_equal(z, "x???y\xc3\xa7?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_and_last_of_each_length),
        cmocka_unit_test(test_what_is_none),
        cmocka_unit_test(test_every_number),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_control_characters),
        cmocka_unit_test(test_mending),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
