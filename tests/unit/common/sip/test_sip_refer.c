#include "common/sip/sip_refer.h"
#include "tests/unit/common/sip/sipkit.h"

/* A REFER with these header lines; the bytes live until KIT_SLOTS further inputs. */
static int refer(struct sip_refer *out, const char *lines, enum sip_hdr_id *at)
{
    static struct sip_msg m;
    char text[8192];
    int n =
        snprintf(text, sizeof(text),
                 "REFER sip:b@example.com SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\r\nFrom: <sip:a@h>;tag=1\r\n"
                 "To: <sip:b@h>;tag=2\r\nCall-ID: c\r\nCSeq: 7 REFER\r\n%sContent-Length: 0\r\n\r\n",
                 lines);
    assert_true(n > 0 && (size_t)n < sizeof(text));
    assert_err(sip_msg_decode(&m, kit_guard(text, (size_t)n)), 0);
    return sip_refer_decode(out, &m, at);
}

static void targets(void **state)
{
    static const struct {
        const char *line;
        int want;
        const char *user, *replaces;
        bool invites;
        unsigned left_out;
    } rows[] = {
        {"Refer-To: <sip:carol@example.com>\r\n", 0, "carol", "", true, 0},
        {"r: sip:carol@example.com\r\n", 0, "carol", "", true, 0},
        {"Refer-To: \"Carol, of sales\" <sip:carol@example.com;transport=tcp>;x=y\r\n", 0, "carol", "", true, 0},
        {"Refer-To: <tel:+902121234567>\r\n", 0, "+902121234567", "", true, 0},
        {"Refer-To: <sip:carol@example.com;method=INVITE>\r\n", 0, "carol", "", true, 0},
        {"Refer-To: <sip:carol@example.com;method=invite>\r\n", 0, "carol", "", true, 0},
        {"Refer-To: <sip:carol@example.com;method=BYE>\r\n", 0, "carol", "", false, 0},
        {"Refer-To: <sip:carol@example.com;method=>\r\n", -SIP_EMALFORMED, NULL, NULL, false, 0},
        {"Refer-To: <sip:carol@h?Replaces=12%40h%3bto-tag%3d1%3bfrom-tag%3d2>\r\n", 0, "carol",
         "12@h;to-tag=1;from-tag=2", true, 0},
        {"Refer-To: <sip:carol@h?replaces=12%40h&Subject=hi&Route=%3csip:evil%3e&body=x>\r\n", 0, "carol", "12@h", true,
         3},
        {"Refer-To: <sip:carol@h?Replaces=1&REPLACES=2>\r\n", -SIP_EDUP, NULL, NULL, false, 0},
        {"Refer-To: <sip:carol@h?Replaces=>\r\n", -SIP_EMALFORMED, NULL, NULL, false, 0},
        {"Refer-To: <sip:carol@h?Replaces=%20>\r\n", -SIP_EMALFORMED, NULL, NULL, false, 0},
        {"Refer-To: <sip:carol@h?Replaces=a%0d%0aVia:x>\r\n", -SIP_ECONTROL, NULL, NULL, false, 0},
        {"Refer-To: <sip:carol@h?Replaces=a%4>\r\n", -SIP_EESCAPE, NULL, NULL, false, 0},
        {"Refer-To: <sip:carol@h>, <sip:dave@h>\r\n", -SIP_EDUP, NULL, NULL, false, 0},
        {"Refer-To: sip:carol@h?Replaces=1\r\n", -SIP_EADDR, NULL, NULL, false, 0}, /* RFC 8217 */
        {"Refer-To: <sip:carol@h\r\n", -SIP_EADDR, NULL, NULL, false, 0},
        {"Refer-To: *\r\n", -SIP_EADDR, NULL, NULL, false, 0},
        {"Refer-To:\r\n", -SIP_EADDR, NULL, NULL, false, 0},
        {"Refer-To: <sip:>\r\n", -SIP_EMALFORMED, NULL, NULL, false, 0},
        {"", -SIP_EMISSING, NULL, NULL, false, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sip_refer r = {.left_out = 99};
        enum sip_hdr_id at;
        struct buf replaces;
        int rv = refer(&r, rows[i].line, &at);
        if (rv != rows[i].want)
            print_error("row %zu: %s", i, rows[i].line);
        assert_err(rv, rows[i].want);
        assert_int_equal(at, SIP_H_REFER_TO);
        if (rv != 0) {
            assert_int_equal(r.left_out, 99);
            continue;
        }
        assert_span(r.target.user, rows[i].user);
        assert_int_equal(r.invites, rows[i].invites);
        assert_int_equal(r.left_out, rows[i].left_out);
        assert_true(r.subscribes);
        buf_init(&replaces, 256);
        assert_err(sip_refer_replaces(&replaces, &r), 0);
        assert_span(buf_span(&replaces), rows[i].replaces);
        buf_fini(&replaces);
    }
}

static void another_scheme_is_left_to_who_asks(void **state)
{
    struct sip_refer r;
    enum sip_hdr_id at;
    (void)state;
    assert_err(refer(&r, "Refer-To: <http://example.com/a?b=c&d>\r\n", &at), 0);
    assert_int_equal(r.target.scheme, SIP_SCHEME_OTHER);
}

#define TO "Refer-To: <sip:carol@h>\r\n"

static void others(void **state)
{
    static const struct {
        const char *line;
        int want;
        enum sip_hdr_id at;
        bool subscribes;
        const char *by;
    } rows[] = {
        {TO "Refer-Sub: false\r\n", 0, 0, false, ""},
        {TO "Refer-Sub: FALSE;x=y\r\n", 0, 0, false, ""},
        {TO "Refer-Sub: true\r\n", 0, 0, true, ""},
        {TO "Refer-Sub: no\r\n", -SIP_EMALFORMED, SIP_H_REFER_SUB, false, NULL},
        {TO "Refer-Sub:\r\n", -SIP_EMALFORMED, SIP_H_REFER_SUB, false, NULL},
        {TO "Referred-By: sip:alice@example.com\r\n", 0, 0, true, "<sip:alice@example.com>"},
        {TO "b: \"Alice\" <sip:alice@h;x=y>;cid=\"1@h\"\r\n", 0, 0, true, "\"Alice\" <sip:alice@h;x=y>"},
        {TO "Referred-By: <sip:alice@h>, <sip:bob@h>\r\n", -SIP_EDUP, SIP_H_REFERRED_BY, false, NULL},
        {TO "Referred-By: alice\r\n", -SIP_EADDR, SIP_H_REFERRED_BY, false, NULL},
        {TO "Referred-By: <sip:a@>\r\n", -SIP_EMALFORMED, SIP_H_REFERRED_BY, false, NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sip_refer r;
        enum sip_hdr_id at;
        struct buf by;
        int rv = refer(&r, rows[i].line, &at);
        if (rv != rows[i].want)
            print_error("row %zu: %s", i, rows[i].line);
        assert_err(rv, rows[i].want);
        if (rv != 0) {
            assert_int_equal(at, rows[i].at);
            continue;
        }
        assert_int_equal(r.subscribes, rows[i].subscribes);
        buf_init(&by, 256);
        if (r.referred_by.len > 0)
            sip_refer_write_by(&by, r.referred_by);
        assert_span(buf_span(&by), rows[i].by);
        buf_fini(&by);
    }
}

static void target_dialogs(void **state)
{
    static const struct {
        const char *text;
        int want;
        const char *call_id, *local, *remote;
    } rows[] = {
        {"a84b@h;local-tag=1;remote-tag=2", 0, "a84b@h", "1", "2"},
        {"a84b ; remote-tag=2 ; local-tag=1;x", 0, "a84b", "1", "2"},
        {"a84b@h;local-tag=1", -SIP_EMISSING, NULL, NULL, NULL},
        {"a84b@h;local-tag=1;remote-tag", -SIP_EMISSING, NULL, NULL, NULL},
        {"a84b@h", -SIP_EMISSING, NULL, NULL, NULL},
        {"a84b@h;local-tag=1;local-tag=2;remote-tag=3", -SIP_EDUP, NULL, NULL, NULL},
        {"a84b@h;local-tag=;remote-tag=3", -SIP_EMALFORMED, NULL, NULL, NULL},
        {"a b;local-tag=1;remote-tag=2", -SIP_ECALLID, NULL, NULL, NULL},
        {"a@;local-tag=1;remote-tag=2", -SIP_ECALLID, NULL, NULL, NULL},
        {"@h;local-tag=1;remote-tag=2", -SIP_ECALLID, NULL, NULL, NULL},
        {"a@b@c;local-tag=1;remote-tag=2", -SIP_ECALLID, NULL, NULL, NULL},
        {"", -SIP_ECALLID, NULL, NULL, NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sip_target_dialog d;
        int rv = sip_target_dialog_decode(&d, kit_z(rows[i].text));
        if (rv != rows[i].want)
            print_error("row %zu: %s\n", i, rows[i].text);
        assert_err(rv, rows[i].want);
        if (rv != 0)
            continue;
        assert_span(d.call_id, rows[i].call_id);
        assert_span(d.local_tag, rows[i].local);
        assert_span(d.remote_tag, rows[i].remote);
    }
}

static void limits(void **state)
{
    struct sip_target_dialog d;
    struct buf b;
    (void)state;
    buf_init(&b, 2048);
    kit_fill(&b, 'c', SIP_CALLID_BYTES_MAX);
    buf_puts(&b, ";remote-tag=2;local-tag=");
    kit_fill(&b, 't', SIP_TAG_BYTES_MAX);
    assert_err(sip_target_dialog_decode(&d, kit_buf(&b)), 0);
    buf_putc(&b, 't');
    assert_err(sip_target_dialog_decode(&d, kit_buf(&b)), -SIP_ELIMIT);
    buf_reset(&b);
    kit_fill(&b, 'c', SIP_CALLID_BYTES_MAX + 1);
    buf_puts(&b, ";remote-tag=2;local-tag=1");
    assert_err(sip_target_dialog_decode(&d, kit_buf(&b)), -SIP_ELIMIT);
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(targets), cmocka_unit_test(another_scheme_is_left_to_who_asks),
        cmocka_unit_test(others),  cmocka_unit_test(target_dialogs),
        cmocka_unit_test(limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
