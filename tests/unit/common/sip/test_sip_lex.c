#include "common/sip/sip_lex.h"
#include "common/sip/sip_limits.h"
#include "common/sip/sip_scan.h"
#include "tests/unit/common/sip/sipkit.h"

static struct buf out;

static int setup(void **state)
{
    (void)state;
    buf_init(&out, 65536);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buf_fini(&out);
    return 0;
}

/* The fast search agrees with the obvious one for every byte at every place. */
static void scan_finds_every_control_character(void **state)
{
    (void)state;
    for (unsigned c = 0; c < 256; c++) {
        for (size_t at = 0; at < 19; at++) {
            char text[19];
            memset(text, 'x', sizeof text);
            text[at] = (char)c;
            if (at > 2)
                text[at - 2] = (char)0xff;
            struct span s = kit_guard(text, sizeof text);
            bool control = c < 0x20 || c == 0x7f;
            assert_int_equal(sip_scan_ctl(s.p, s.len), control ? at : s.len);
        }
    }
}

static void classes(void **state)
{
    static const char token[] = "-.!%*_+`'~";
    (void)state;
    for (unsigned c = 0; c < 256; c++) {
        bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        assert_int_equal(sip_is((char)c, SIP_C_TOKEN), alnum || (c != 0 && strchr(token, (int)c) != NULL));
        assert_int_equal(sip_is((char)c, SIP_C_LWS), c == ' ' || c == '\t' || c == '\r' || c == '\n');
    }
}

static void split(void **state)
{
    struct span rest = kit_z(" a , \"b,\\\",c\" <x,y> ,, d\r\n ,");
    struct span got;
    (void)state;
    assert_true(sip_lex_split(&rest, ',', &got));
    assert_span(got, "a");
    assert_true(sip_lex_split(&rest, ',', &got));
    assert_span(got, "\"b,\\\",c\" <x,y>");
    assert_true(sip_lex_split(&rest, ',', &got));
    assert_span(got, "");
    assert_true(sip_lex_split(&rest, ',', &got));
    assert_span(got, "d");
    assert_true(sip_lex_split(&rest, ',', &got));
    assert_span(got, "");
    assert_false(sip_lex_split(&rest, ',', &got));
    rest = kit_z("\"never closed, a, b");
    assert_true(sip_lex_split(&rest, ',', &got));
    assert_span(got, "\"never closed, a, b");
    assert_false(sip_lex_split(&rest, ',', &got));
}

static void params(void **state)
{
    struct sip_param p;
    struct span rest = kit_z(" a = 1 ; b;c=\"x;\\\"y\" ;d=[::1]");
    (void)state;
    assert_int_equal(sip_param_next(&rest, &p), 1);
    assert_span(p.name, "a");
    assert_span(p.value, "1");
    assert_true(p.has_value);
    assert_int_equal(sip_param_next(&rest, &p), 1);
    assert_span(p.name, "b");
    assert_false(p.has_value);
    assert_int_equal(sip_param_next(&rest, &p), 1);
    assert_span(p.value, "\"x;\\\"y\"");
    assert_int_equal(sip_param_next(&rest, &p), 1);
    assert_span(p.value, "[::1]");
    assert_int_equal(sip_param_next(&rest, &p), 0);
    assert_int_equal(sip_param_next(&rest, &p), 0);
}

static void bad_params(void **state)
{
    static const struct {
        const char *text;
        int want;
    } rows[] = {
        {"a;b", 0},
        {"", -SIP_EMALFORMED},
        {"a;", -SIP_EMALFORMED},
        {"a;;b", -SIP_EMALFORMED},
        {";", -SIP_EMALFORMED},
        {"a=", -SIP_EMALFORMED},
        {"a=;b", -SIP_EMALFORMED},
        {"a=\"x", -SIP_EMALFORMED},
        {"a=\"x\\\"", -SIP_EMALFORMED},
        {"a=\"", -SIP_EMALFORMED},
        {"a=x\"y", -SIP_EMALFORMED},
        {"a b", -SIP_EMALFORMED},
        {"a=b c", -SIP_EMALFORMED},
        {"=b", -SIP_EMALFORMED},
        {"a;b;A", -SIP_EDUP},
        {"a=1;a=1", -SIP_EDUP},
        {"a=\x01", -SIP_EMALFORMED},
        {"a==", 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_err(sip_params_check(kit_z(rows[i].text)), rows[i].want);
}

static void find_param(void **state)
{
    struct span value = {NULL, 0};
    (void)state;
    assert_true(sip_param_find(kit_z("x=1;TAG=abc"), SPAN("tag"), &value));
    assert_span(value, "abc");
    assert_true(sip_param_find(kit_z("lr"), SPAN("lr"), &value));
    assert_int_equal(value.len, 0);
    assert_false(sip_param_find(kit_z("xtag=1"), SPAN("tag"), &value));
    assert_false(sip_param_find((struct span){NULL, 0}, SPAN("tag"), &value));
}

static void unfold(void **state)
{
    static const struct {
        const char *in;
        const char *want;
    } rows[] = {
        {"plain text", "plain text"},
        {"a\r\n b", "a b"},
        {"a\r\n \t\r\n b", "a b"},
        {"a\nb", "a b"},
        {"a\rEvil: x", "a Evil: x"},
        {"a\r\n\r\nBody", "a Body"},
        {"tab\tstays", "tab\tstays"},
        {"\x01\x02", "  "},
        {"pair\\\x07 stays", "pair\\\x07 stays"},
        {"pair\\\r\nX", "pair\\ X"},
        {"end\r\n", "end "},
        {"", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        buf_reset(&out);
        sip_unfold(&out, kit_z(rows[i].in));
        assert_span(buf_span(&out), rows[i].want);
    }
}

static void quote_and_unquote(void **state)
{
    (void)state;
    sip_unquote(&out, kit_z("\"a \\\"b\\\\ c\r\n d\""));
    assert_span(buf_span(&out), "a \"b\\ c d");
    buf_reset(&out);
    sip_unquote(&out, kit_z("bare\\"));
    assert_span(buf_span(&out), "bare\\");
    buf_reset(&out);
    sip_quote(&out, kit_z("a\"b\\c\nd"));
    assert_span(buf_span(&out), "\"a\\\"b\\\\c?d\"");
    assert_int_equal(sip_lex_quoted(kit_buf(&out)), out.len);
    assert_int_equal(sip_lex_quoted(kit_z("\"\\\"")), 0);
    assert_int_equal(sip_lex_quoted(kit_z("\"")), 0);
    assert_int_equal(sip_lex_quoted(kit_z("\"\\")), 0);
}

static void unescape(void **state)
{
    static const struct {
        const char *in;
        int want;
        const char *text;
    } rows[] = {
        {"a%20b%41", 0, "a bA"},
        {"%c3%BC", 0, "\xc3\xbc"},
        {"%", -SIP_EESCAPE, ""},
        {"%4", -SIP_EESCAPE, ""},
        {"abc%4", -SIP_EESCAPE, ""},
        {"%zz", -SIP_EESCAPE, ""},
        {"a%00b", -SIP_ECONTROL, ""},
        {"a%0d%0ab", -SIP_ECONTROL, ""},
        {"%7f", -SIP_ECONTROL, ""},
        {"%%41", -SIP_EESCAPE, ""},
        {"", 0, ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        buf_reset(&out);
        assert_err(sip_unescape(&out, kit_z(rows[i].in)), rows[i].want);
        assert_span(buf_span(&out), rows[i].text);
    }
}

/* What was escaped comes back, whatever the bytes (control characters are the caller's to refuse). */
static void escape_round_trip(void **state)
{
    (void)state;
    for (unsigned c = 0x20; c < 256; c++) {
        char text[3] = {'a', (char)c, 'b'};
        struct buf back;
        buf_init(&back, 64);
        buf_reset(&out);
        sip_escape(&out, span_of(text, 3), SIP_C_USER);
        for (size_t i = 0; i < out.len; i++)
            assert_true(sip_is(out.p[i], SIP_C_USER) || out.p[i] == '%');
        assert_err(sip_unescape(&back, kit_buf(&out)), c == 0x7f ? -SIP_ECONTROL : 0);
        if (c != 0x7f)
            assert_true(span_eq(buf_span(&back), span_of(text, 3)));
        buf_fini(&back);
    }
}

static void trim_and_all(void **state)
{
    (void)state;
    assert_int_equal(sip_lex_trim(kit_z(" \r\n\t ")).len, 0);
    assert_span(sip_lex_trim(kit_z("\r\n a b\t")), "a b");
    assert_false(sip_lex_all(kit_z(""), SIP_C_TOKEN));
    assert_true(sip_lex_all(kit_z("abc"), SIP_C_TOKEN));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scan_finds_every_control_character),
        cmocka_unit_test(classes),
        cmocka_unit_test(split),
        cmocka_unit_test(params),
        cmocka_unit_test(bad_params),
        cmocka_unit_test(find_param),
        cmocka_unit_test_setup_teardown(unfold, setup, teardown),
        cmocka_unit_test_setup_teardown(quote_and_unquote, setup, teardown),
        cmocka_unit_test_setup_teardown(unescape, setup, teardown),
        cmocka_unit_test_setup_teardown(escape_round_trip, setup, teardown),
        cmocka_unit_test(trim_and_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
