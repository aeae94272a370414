#include "common/sip/sip_addr.h"
#include "common/sip/sip_limits.h"
#include "tests/unit/common/sip/sipkit.h"

static void decodes(void **state)
{
    static const struct {
        const char *text;
        const char *display;
        const char *uri;
        const char *params;
        bool bracketed;
    } rows[] = {
        {"sip:a@b.c", "", "sip:a@b.c", "", false},
        {"sip:a@b.c;tag=1", "", "sip:a@b.c", "tag=1", false},
        {"sip:a@b.c ;\r\n tag = 1", "", "sip:a@b.c", "\r\n tag = 1", false},
        {"<sip:a@b.c;lr>;tag=1", "", "sip:a@b.c;lr", "tag=1", true},
        {"Alice B. <sip:a@b.c>", "Alice B.", "sip:a@b.c", "", true},
        {"\"A \\\"<;,>\" <sip:a@b.c>;x", "\"A \\\"<;,>\"", "sip:a@b.c", "x", true},
        {"\"\"<sip:a@b.c>", "\"\"", "sip:a@b.c", "", true},
        {"J\xc3\xbcrgen <sip:a@b.c>", "J\xc3\xbcrgen", "sip:a@b.c", "", true},
        {"<tel:+1;ext=2>", "", "tel:+1;ext=2", "", true},
        {"sip:a@b.c;x=\"<\"", "", "sip:a@b.c", "x=\"<\"", false},
        {"<sip:a@b.c?Replaces=x%3By>", "", "sip:a@b.c?Replaces=x%3By", "", true},
        {"\r\n <sip:a@b.c> ", "", "sip:a@b.c", "", true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sip_addr a;
        assert_err(sip_addr_decode(&a, kit_z(rows[i].text)), 0);
        assert_span(a.display, rows[i].display);
        assert_span(a.uri, rows[i].uri);
        assert_span(a.params, rows[i].params);
        assert_int_equal(a.bracketed, rows[i].bracketed);
        assert_false(a.star);
    }
}

static void refuses(void **state)
{
    static const struct {
        const char *text;
        int want;
    } rows[] = {
        {"", -SIP_EADDR},
        {"None", -SIP_EADDR},
        {"<>", -SIP_EADDR},
        {"<sip:a@b", -SIP_EADDR},
        {"sip:a@b>", -SIP_EADDR},
        {"\"x <sip:a@b>", -SIP_EADDR},
        {"\"x\" sip:a@b", -SIP_EADDR},
        {"\"x", -SIP_EADDR},
        {"\"", -SIP_EADDR},
        {"Bell, A <sip:a@b>", -SIP_EADDR},
        {"< sip:a@b >", -SIP_EADDR},
        {"<sip:a@b> x", -SIP_EADDR},
        {"<sip:a@b>,<sip:c@d>", -SIP_EADDR},
        {"sip:a@b,sip:c@d", -SIP_EADDR},
        {"sip:a@b?x=y", -SIP_EADDR},
        {"sip:a@b x", -SIP_EADDR},
        {"<sip:a@b>;", -SIP_EADDR},
        {"<sip:a@b>;;tag=1", -SIP_EADDR},
        {"<sip:a@b>;tag=", -SIP_EADDR},
        {"<sip:a@b>;tag=\"x", -SIP_EADDR},
        {"<sip:a@b>;tag=1;TAG=2", -SIP_EDUP},
        {"<a@b>", -SIP_EADDR},
        {"sip:a\"b@c", -SIP_EADDR},
        {"<sip:a\"@b>", -SIP_EADDR},
        {"<sip:a<@b>", -SIP_EADDR},
        {"a:b <sip:a@b>", -SIP_EADDR},
        {"**", -SIP_EADDR},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sip_addr a;
        int got = sip_addr_decode(&a, kit_z(rows[i].text));
        if (got != rows[i].want)
            fprintf(stderr, "row %s\n", rows[i].text);
        assert_err(got, rows[i].want);
    }
}

static void star(void **state)
{
    struct sip_addr a;
    struct buf out;
    (void)state;
    assert_err(sip_addr_decode(&a, kit_z(" * ")), 0);
    assert_true(a.star);
    buf_init(&out, 64);
    sip_addr_write(&out, &a);
    assert_span(buf_span(&out), "*");
    buf_fini(&out);
}

static void round_trip(void **state)
{
    static const char *const texts[] = {
        "sip:a@b.c;tag=1",
        "Alice <sip:a@b.c;lr>;tag=1;x",
        "\"A \\\"B\\\"\" <sips:a@[::1]:5061>",
        "<tel:+1;ext=2>;q=0.5",
        "\"folded\r\n name\" <sip:a@b>;a =\r\n b",
    };
    struct buf out;
    (void)state;
    buf_init(&out, 4096);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct sip_addr a;
        struct sip_addr b;
        buf_reset(&out);
        assert_err(sip_addr_decode(&a, kit_z(texts[i])), 0);
        sip_addr_write(&out, &a);
        assert_int_equal(span_find(buf_span(&out), '\n'), out.len);
        assert_err(sip_addr_decode(&b, kit_buf(&out)), 0);
        assert_true(span_eq(a.uri, b.uri));
        struct span va = {NULL, 0};
        struct span vb = {NULL, 0};
        assert_int_equal(sip_addr_param(&a, SPAN("tag"), &va), sip_addr_param(&b, SPAN("tag"), &vb));
        assert_true(span_eq(va, vb));
    }
    buf_fini(&out);
}

static void display(void **state)
{
    static const struct {
        const char *text;
        const char *want;
    } rows[] = {
        {"\"A \\\"B\\\" \\\\\" <sip:a@b>", "A \"B\" \\"},
        {"Alice\r\n  Bell <sip:a@b>", "Alice Bell"},
        {"<sip:a@b>", ""},
        {"sip:a@b", ""},
    };
    struct buf out;
    (void)state;
    buf_init(&out, 256);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sip_addr a;
        buf_reset(&out);
        assert_err(sip_addr_decode(&a, kit_z(rows[i].text)), 0);
        sip_addr_display(&out, &a);
        assert_span(buf_span(&out), rows[i].want);
    }
    buf_fini(&out);
}

static void contact_numbers(void **state)
{
    static const struct {
        const char *text;
        int q;
        int has_expires;
        uint32_t expires_s;
    } rows[] = {
        {"<sip:a@b>", 1000, 0, 0},
        {"<sip:a@b>;q=1", 1000, 0, 0},
        {"<sip:a@b>;q=1.000;expires=0", 1000, 1, 0},
        {"<sip:a@b>;q=0.5;expires=60", 500, 1, 60},
        {"<sip:a@b>;q=0.123;expires=4294967295", 123, 1, 4294967295u},
        {"<sip:a@b>;q=0;expires=4294967296", 0, 1, 3600},
        {"<sip:a@b>;q=0.;expires=x", 0, 1, 3600},
        {"<sip:a@b>;q=1.1;expires=\"7\"", -SIP_ENUMBER, 1, 7},
        {"<sip:a@b>;q=2;expires=-1", -SIP_ENUMBER, 1, 3600},
        {"<sip:a@b>;q=0.1234;expires", -SIP_ENUMBER, 1, 3600},
        {"<sip:a@b>;q=.5", -SIP_ENUMBER, 0, 0},
        {"<sip:a@b>;q", -SIP_ENUMBER, 0, 0},
        {"<sip:a@b>;q=0x1", -SIP_ENUMBER, 0, 0},
        {"<sip:a@b>;q=0.x", -SIP_ENUMBER, 0, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sip_addr a;
        uint32_t expires_s = 0;
        assert_err(sip_addr_decode(&a, kit_z(rows[i].text)), 0);
        assert_int_equal(sip_addr_q(&a), rows[i].q);
        assert_int_equal(sip_addr_expires(&a, &expires_s), rows[i].has_expires);
        assert_int_equal(expires_s, rows[i].expires_s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes),    cmocka_unit_test(refuses), cmocka_unit_test(star),
        cmocka_unit_test(round_trip), cmocka_unit_test(display), cmocka_unit_test(contact_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
