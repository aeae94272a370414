#include "common/sip/sip_multipart.h"
#include "tests/unit/common/sip/sipkit.h"

#define MIXED "multipart/mixed;boundary=b1"

static struct sip_msg msg;

static void media_types(void **state)
{
    struct sip_ctype t;
    (void)state;
    assert_err(sip_ctype_decode(&t, kit_z("Application / SDP ; charset = utf-8")), 0);
    assert_true(sip_ctype_is(&t, SPAN("application"), SPAN("sdp")));
    assert_false(sip_ctype_is(&t, SPAN("application"), SPAN("sd")));
    static const char *const bad[] = {
        "", "application", "application/", "/sdp", "application/sdp x", "application/sdp;", "a/b;c=\"d"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_err(sip_ctype_decode(&t, kit_z(bad[i])), -SIP_EMALFORMED);
}

static void parts(void **state)
{
    struct sip_parts it;
    struct sip_part p;
    (void)state;
    assert_err(sip_parts_init(&it, SPAN("multipart/mixed;boundary=\"b 1\""),
                              kit_z("preamble --b 1 not at a line start\r\n"
                                    "--b 1 \t\r\n"
                                    "content-type: application/sdp\r\n"
                                    "Content-Disposition:\r\n session\r\n"
                                    "\r\n"
                                    "v=0\r\n--b 1x\r\n--\r\n"
                                    "\r\n--b 1\r\n"
                                    "\r\nno headers"
                                    "\n--b 1\n"
                                    "Content-ID: <x>\nContent-Transfer-Encoding: base64\n\n"
                                    "--b 1\r\n"
                                    "--b 1--\r\nepilogue --b 1")),
               0);
    assert_int_equal(sip_parts_next(&it, &p), 1);
    assert_span(p.content_type, "application/sdp");
    assert_span(p.disposition, "session");
    assert_span(p.body, "v=0\r\n--b 1x\r\n--\r\n");
    assert_int_equal(sip_parts_next(&it, &p), 1);
    assert_int_equal(p.content_type.len, 0);
    assert_span(p.body, "no headers");
    assert_int_equal(sip_parts_next(&it, &p), 1);
    assert_span(p.content_id, "<x>");
    assert_span(p.encoding, "base64");
    assert_int_equal(p.body.len, 0);
    assert_int_equal(sip_parts_next(&it, &p), 1);
    assert_int_equal(p.body.len, 0);
    assert_int_equal(sip_parts_next(&it, &p), 0);
    assert_int_equal(sip_parts_next(&it, &p), 0);
}

/* What crashed PJSIP, Kamailio and OpenSIPS: how many parts, and how it ends. */
static void odd_bodies(void **state)
{
    static const struct {
        const char *type;
        const char *body;
        int init;
        unsigned parts;
        int end;
    } rows[] = {
        {MIXED, "--b1--", 0, 0, 0},
        {MIXED, "--b1--\r\n", 0, 0, 0},
        {MIXED, "\r\n--b1--\r\n", 0, 0, 0},
        {MIXED, "--b1", 0, 0, -SIP_EMULTIPART},
        {MIXED, "--b1\r\n", 0, 0, -SIP_EMULTIPART},
        {MIXED, "--b1-", -SIP_EMULTIPART, 0, 0},
        {MIXED, "--b1\r\n\r\nx", 0, 0, -SIP_EMULTIPART},
        {MIXED, "--b1\r\n\r\nx\r\n--b1", 0, 1, -SIP_EMULTIPART},
        {MIXED, "--b1\r\n\r\nx\r\n--b1-", 0, 0, -SIP_EMULTIPART},
        {MIXED, "--b1\r\n\r\nx\r\n--b1--", 0, 1, 0},
        {MIXED, "--b1\n\nx\n--b1--", 0, 1, 0},
        {MIXED, "--b1\r\n--b1--", 0, 1, 0},
        {MIXED, "--b1\r\nno colon\r\n\r\nx\r\n--b1--", 0, 0, -SIP_EMULTIPART},
        {MIXED, "--b1\r\nA: b\r\n--b1--", 0, 1, 0},
        {MIXED, "x--b1\r\n--b1--", 0, 0, 0}, /* a delimiter begins its line */
        {MIXED, "--b1\r\n\r\nx--b1\r\n--b1--", 0, 1, 0},
        {MIXED, "--b1--\r\n--b1\r\n\r\n--b1--", 0, 0, 0},
        {MIXED, "", -SIP_EMULTIPART, 0, 0},
        {MIXED, "--", -SIP_EMULTIPART, 0, 0},
        {MIXED, "b1", -SIP_EMULTIPART, 0, 0},
        {MIXED, "-b1", -SIP_EMULTIPART, 0, 0},
        {"multipart/mixed", "--b1--", -SIP_EMULTIPART, 0, 0},
        {"multipart/mixed;boundary", "--b1--", -SIP_EMULTIPART, 0, 0},
        {"multipart/mixed;boundary=\"\"", "----", -SIP_EMULTIPART, 0, 0},
        {"multipart/mixed;boundary=\"b1", "--b1--", -SIP_EMULTIPART, 0, 0},
        {"multipart/mixed;boundary=\"++\"", "--++\r\n\r\nx\r\n--++--", 0, 1, 0},
        {"multipart/mixed;boundary=--", "----\r\n\r\nx\r\n------", 0, 1, 0},
        {"text/plain;boundary=b1", "--b1--", -SIP_EMULTIPART, 0, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sip_parts it;
        struct sip_part p;
        struct span body = kit_z(rows[i].body);
        int got = sip_parts_init(&it, SPAN(""), body);
        got = sip_parts_init(&it, span_cstr(rows[i].type), body);
        if (got != rows[i].init)
            fprintf(stderr, "row %zu\n", i);
        assert_err(got, rows[i].init);
        if (got != 0)
            continue;
        unsigned cnt = 0;
        while ((got = sip_parts_next(&it, &p)) > 0)
            cnt++;
        if (got != rows[i].end || cnt != rows[i].parts)
            fprintf(stderr, "row %zu: %u parts\n", i, cnt);
        assert_err(got, rows[i].end);
        assert_int_equal(cnt, rows[i].parts);
    }
}

static int sdp_of(const char *headers, const char *body, struct span *out)
{
    struct buf b;
    buf_init(&b, 65536);
    buf_printf(&b,
               "INVITE sip:a SIP/2.0\r\nVia: SIP/2.0/UDP a\r\nFrom: <sip:a@b>\r\nTo: <sip:a@b>\r\nCall-ID: 1\r\n"
               "CSeq: 1 INVITE\r\n%s\r\n%s",
               headers, body);
    assert_err(sip_msg_decode(&msg, kit_buf(&b)), 0);
    buf_fini(&b);
    return sip_msg_sdp(&msg, out);
}

static void session_description(void **state)
{
    static const struct {
        const char *headers;
        const char *body;
        int want;
        const char *sdp;
    } rows[] = {
        {"Content-Type: application/sdp\r\n", "v=0\r\n", 0, "v=0\r\n"},
        {"c: APPLICATION/sdp;x=y\r\n", "v=0", 0, "v=0"},
        {"Content-Type: application/sdp\r\n", "", -SIP_ENOTFOUND, ""},
        {"", "v=0", -SIP_ENOTFOUND, ""},
        {"Content-Type: application/sdp\r\nContent-Encoding: gzip\r\n", "v=0", -SIP_ENOTFOUND, ""},
        {"Content-Type: application/sdp\r\ne: Identity\r\n", "v=0", 0, "v=0"},
        {"Content-Type: text/plain\r\n", "v=0", -SIP_ENOTFOUND, ""},
        {"Content-Type: nonsense\r\n", "v=0", -SIP_EMALFORMED, ""},
        {"Content-Type: " MIXED "\r\n",
         "--b1\r\nContent-Type: text/plain\r\n\r\nhi\r\n--b1\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n\r\n--b1--",
         0, "v=0\r\n"},
        {"Content-Type: " MIXED "\r\n", "--b1\r\nContent-Type: text/plain\r\n\r\nhi\r\n--b1--", -SIP_ENOTFOUND, ""},
        {"Content-Type: " MIXED "\r\n", "--b1--", -SIP_ENOTFOUND, ""},
        {"Content-Type: " MIXED "\r\n", "--b1\r\n", -SIP_EMULTIPART, ""},
        {"Content-Type: " MIXED "\r\n",
         "--b1\r\nContent-Type: multipart/alternative;boundary=in\r\n\r\n--in\r\nContent-Type: "
         "application/sdp\r\n\r\nv=1\r\n--in--\r\n--b1--",
         0, "v=1"},
        {"Content-Type: " MIXED "\r\n",
         "--b1\r\nContent-Type: multipart/x;boundary=i\r\n\r\n--i\r\nContent-Type: "
         "multipart/x;boundary=j\r\n\r\n--j\r\n"
         "Content-Type: application/sdp\r\n\r\nv=1\r\n--j--\r\n--i--\r\n--b1--",
         -SIP_ENOTFOUND, ""},
        {"Content-Type: " MIXED "\r\n",
         "--b1\r\nContent-Type: application/sdp\r\nContent-Disposition: early-session\r\n\r\nv=1\r\n--b1\r\n"
         "Content-Type: application/sdp\r\nContent-Transfer-Encoding: base64\r\n\r\ndj0w\r\n--b1\r\n"
         "Content-Type: application/sdp\r\nContent-Disposition: session;handling=required\r\n\r\nv=2\r\n--b1--",
         0, "v=2"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct span sdp = {NULL, 0};
        int got = sdp_of(rows[i].headers, rows[i].body, &sdp);
        if (got != rows[i].want)
            fprintf(stderr, "row %zu\n", i);
        assert_err(got, rows[i].want);
        assert_span(sdp, rows[i].sdp);
    }
}

static void limits(void **state)
{
    struct buf b;
    struct sip_parts it;
    struct sip_part p;
    (void)state;
    for (unsigned cnt = SIP_PARTS_MAX; cnt <= SIP_PARTS_MAX + 1; cnt++) {
        buf_init(&b, 65536);
        for (unsigned i = 0; i < cnt; i++)
            buf_puts(&b, "--b1\r\n\r\nx\r\n");
        buf_puts(&b, "--b1--");
        assert_err(sip_parts_init(&it, SPAN(MIXED), kit_buf(&b)), 0);
        for (unsigned i = 0; i < SIP_PARTS_MAX; i++)
            assert_int_equal(sip_parts_next(&it, &p), 1);
        assert_err(sip_parts_next(&it, &p), cnt > SIP_PARTS_MAX ? -SIP_ELIMIT : 0);
        buf_fini(&b);
    }
    for (unsigned len = SIP_BOUNDARY_BYTES_MAX; len <= SIP_BOUNDARY_BYTES_MAX + 1; len++) {
        struct buf type;
        buf_init(&b, 65536);
        buf_init(&type, 1024);
        buf_puts(&type, "multipart/mixed;boundary=");
        kit_fill(&type, 'x', len);
        buf_puts(&b, "--");
        kit_fill(&b, 'x', len);
        buf_puts(&b, "--");
        assert_err(sip_parts_init(&it, buf_span(&type), kit_buf(&b)),
                   len > SIP_BOUNDARY_BYTES_MAX ? -SIP_EMULTIPART : 0);
        buf_fini(&type);
        buf_fini(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(media_types),         cmocka_unit_test(parts),  cmocka_unit_test(odd_bodies),
        cmocka_unit_test(session_description), cmocka_unit_test(limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
