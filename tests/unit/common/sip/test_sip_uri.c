#include "common/sip/sip_limits.h"
#include "common/sip/sip_uri.h"
#include "tests/unit/common/sip/sipkit.h"

static struct sip_uri decode(const char *text)
{
    struct sip_uri u;
    assert_err(sip_uri_decode(&u, kit_z(text)), 0);
    return u;
}

static void parts(void **state)
{
    (void)state;
    struct sip_uri u = decode("sips:alice:secret@Example.COM:5071;transport=tcp;lr?subject=a%20b&priority=urgent");
    assert_int_equal(u.scheme, SIP_SCHEME_SIPS);
    assert_span(u.user, "alice");
    assert_span(u.password, "secret");
    assert_span(u.host, "Example.COM");
    assert_int_equal(u.port, 5071);
    assert_span(u.params, "transport=tcp;lr");
    assert_span(u.headers, "subject=a%20b&priority=urgent");
    struct span value;
    assert_true(sip_uri_param(&u, SPAN("TRANSPORT"), &value));
    assert_span(value, "tcp");
    assert_true(sip_uri_param(&u, SPAN("lr"), NULL));
    assert_false(sip_uri_param(&u, SPAN("ttl"), NULL));
    u = decode("sip:[2001:db8::1]:5080");
    assert_span(u.host, "[2001:db8::1]");
    assert_int_equal(u.port, 5080);
    assert_false(u.has_user);
    u = decode("SIP:user;par=u%40example.net@example.com");
    assert_span(u.user, "user;par=u%40example.net");
    assert_span(u.host, "example.com");
    u = decode("tel:+90-212-123.45(67);phone-context=example.com");
    assert_int_equal(u.scheme, SIP_SCHEME_TEL);
    assert_span(u.user, "+90-212-123.45(67)");
    u = decode("urn:service:sos");
    assert_int_equal(u.scheme, SIP_SCHEME_OTHER);
    assert_span(u.scheme_text, "urn");
}

static void decides(void **state)
{
    static const struct {
        const char *text;
        int want;
    } rows[] = {
        {"sip:a@b.c", 0},
        {"sip:b.c", 0},
        {"sip:1.2.3.4", 0},
        {"sip:*31#@b.c", 0},
        {"sip:a,b@c.d", 0},
        {"sip:a@b_c.d", 0},
        {"sip:a:@b.c", 0},
        {"sip:a%00b@c.d", 0},
        {"sip:a@b.c;x=%20", 0},
        {"sip:a@b.c.", 0},
        {"sip:a@b.c?Replaces=1@2.3.4;to-tag=5", 0},
        {"", -SIP_EMALFORMED},
        {"sip", -SIP_EMALFORMED},
        {"sip:", -SIP_EMALFORMED},
        {":a@b", -SIP_EMALFORMED},
        {"1sip:a@b", -SIP_EMALFORMED},
        {"sip:@b.c", -SIP_EMALFORMED},
        {"sip::pw@b.c", -SIP_EMALFORMED},
        {"sip:a@", -SIP_EMALFORMED},
        {"sip:a@b@c", -SIP_EMALFORMED},
        {"sip:a@b:", -SIP_EMALFORMED},
        {"sip:a@b:0", -SIP_EMALFORMED},
        {"sip:a@b:65536", -SIP_EMALFORMED},
        {"sip:a@b:123456", -SIP_EMALFORMED},
        {"sip:a@b:5x", -SIP_EMALFORMED},
        {"sip:a@[::1", -SIP_EMALFORMED},
        {"sip:a@[::1]x", -SIP_EMALFORMED},
        {"sip:a@[:::1]", -SIP_EMALFORMED},
        {"sip:a@[", -SIP_EMALFORMED},
        {"sip:a@[]", -SIP_EMALFORMED},
        {"sip:a@::1", -SIP_EMALFORMED},
        {"sip:a@1.2.3.256", -SIP_EMALFORMED},
        {"sip:a@b..c", -SIP_EMALFORMED},
        {"sip:a@.b", -SIP_EMALFORMED},
        {"sip:a%@b", -SIP_EESCAPE},
        {"sip:a%4@b", -SIP_EESCAPE},
        {"sip:a@b;x=%4", -SIP_EESCAPE},
        {"sip:a@b;x=%", -SIP_EESCAPE},
        {"sip:a b@c", -SIP_EMALFORMED},
        {"sip:a@b c", -SIP_EMALFORMED},
        {"sip:a\"@b", -SIP_EMALFORMED},
        {"sip:a@b;", -SIP_EMALFORMED},
        {"sip:a@b;;lr", -SIP_EMALFORMED},
        {"sip:a@b;x=", -SIP_EMALFORMED},
        {"sip:a@b;lr;LR", 0},
        {"sip:a@b;transport=udp;transport=udp", 0},
        {"sip:a@b;transport=udp;lr;Transport=UDP", 0},
        {"sip:a@b;transport=udp;transport=tcp", -SIP_EDUP},
        {"sip:a@b;x=1;x=1;x=2", -SIP_EDUP},
        {"sip:a@b;lr;lr=on", -SIP_EDUP},
        {"tel:112;ext=1;ext=1", 0},
        {"tel:112;ext=1;ext=2", -SIP_EDUP},
        {"sip:a@b?", -SIP_EMALFORMED},
        {"sip:a@b?x", -SIP_EMALFORMED},
        {"sip:a@b?=x", -SIP_EMALFORMED},
        {"sip:a@b?x=", 0},
        {"sip:a@b\r\nX: y", -SIP_EMALFORMED},
        {"tel:", -SIP_EMALFORMED},
        {"tel:+", -SIP_EMALFORMED},
        {"tel:1+2", -SIP_EMALFORMED},
        {"tel:112", 0},
        {"tel:12;phone-context=", -SIP_EMALFORMED},
        {"tel:xyz", -SIP_EMALFORMED},
        {"urn:", -SIP_EMALFORMED},
        {"urn: x", -SIP_EMALFORMED},
        {"<sip:a@b>", -SIP_EMALFORMED},
        {"x<y:z", -SIP_EMALFORMED},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sip_uri u;
        int got = sip_uri_decode(&u, kit_z(rows[i].text));
        if (got != rows[i].want)
            fprintf(stderr, "row \"%s\":\n", rows[i].text);
        assert_err(got, rows[i].want);
    }
}

/* Decode, write, decode: the same parts; each text is also its own writing. */
static void round_trip(void **state)
{
    static const char *const texts[] = {
        "sip:alice@example.com",
        "sips:a:b@[2001:db8::1]:5061;transport=tls;lr?x=y&z=",
        "sip:1.2.3.4:65535;maddr=[::1]",
        "tel:+90-212;ext=3",
        "sip:a:@b.c",
        "urn:service:sos",
    };
    struct buf out;
    (void)state;
    buf_init(&out, 4096);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct sip_uri u = decode(texts[i]);
        buf_reset(&out);
        sip_uri_write(&out, &u);
        assert_span(buf_span(&out), texts[i]);
        struct sip_uri back;
        assert_err(sip_uri_decode(&back, kit_buf(&out)), 0);
        assert_true(sip_uri_eq(&u, &back));
        assert_int_equal(back.has_password, u.has_password);
    }
    buf_fini(&out);
}

/* RFC 3261 §19.1.4 gives the pairs. */
static void equality(void **state)
{
    static const struct {
        const char *a;
        const char *b;
        bool same;
    } rows[] = {
        {"sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp", true},
        {"sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5", true},
        {"sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5", true},
        {"sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off", false},
        {"sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
         "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com", true},
        {"sip:alice@atlanta.com?subject=project%20x&priority=urgent",
         "sip:alice@atlanta.com?priority=urgent&subject=project%20x", true},
        {"SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP", false},
        {"sip:bob@biloxi.com", "sip:bob@biloxi.com:5060", false},
        {"sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp", false},
        {"sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp", false},
        {"sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting", false},
        {"sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4", false},
        {"sip:a@b", "sips:a@b", false},
        {"sip:a@[2001:db8::9:1]", "sip:a@[2001:DB8:0:0::9:01]", true},
        {"sip:a@[2001:db8::9:1]", "sip:a@[2001:db8::9:2]", false},
        {"sip:a@[::ffff:1.2.3.4]", "sip:a@1.2.3.4", false},
        {"sip:a@b", "sip:b", false},
        {"sip:a%3Bb@c.d", "sip:a;b@c.d", false}, /* an escaped reserved character is another one */
        {"sip:a%2db@c.d", "sip:a-b@c.d", true},
        {"sip:a:x@c.d", "sip:a:y@c.d", false},
        {"sip:a:@c.d", "sip:a@c.d", false},
        {"sip:a@c.d;maddr=1.2.3.4", "sip:a@c.d", false},
        {"sip:a@c.d;user=phone", "sip:a@c.d", false},
        {"sip:a@c.d?x=1&x=1", "sip:a@c.d?x=1&x=2", false},
        {"tel:+90-212-1", "tel:+902121", true},
        {"tel:+902121", "tel:902121", false},
        {"tel:12;ext=3", "tel:12", false},
        {"tel:12;a=1;b=2", "tel:12;B=2;a=1", true},
        {"urn:a:B", "URN:a:B", true},
        {"urn:a:b", "urn:a:B", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sip_uri a = decode(rows[i].a);
        struct sip_uri b = decode(rows[i].b);
        if (sip_uri_eq(&a, &b) != rows[i].same)
            fprintf(stderr, "row %s | %s\n", rows[i].a, rows[i].b);
        assert_int_equal(sip_uri_eq(&a, &b), rows[i].same);
        assert_int_equal(sip_uri_eq(&b, &a), rows[i].same);
        assert_true(sip_uri_eq(&a, &a));
    }
}

static void user_and_aor(void **state)
{
    static const struct {
        const char *uri;
        int user_err;
        const char *user;
        int aor_err;
        const char *aor;
    } rows[] = {
        {"sip:%61lice@Example.COM:5060;x=y", 0, "alice", 0, "sip:alice@example.com"},
        {"SIPS:A@b.C:5062", 0, "A", 0, "sips:A@b.c:5062"},
        {"sips:a@b.c:5061", 0, "a", 0, "sips:a@b.c"},
        {"sip:b.c", 0, "", 0, "sip:b.c"},
        {"sip:a%3bb@c.d", 0, "a;b", 0, "sip:a%3Bb@c.d"},
        {"sip:a;b@c.d", 0, "a;b", 0, "sip:a;b@c.d"},
        {"sip:%23@c.d", 0, "#", 0, "sip:%23@c.d"},
        {"sip:#@c.d", 0, "#", 0, "sip:%23@c.d"},
        {"sip:a%00b@c.d", -SIP_ECONTROL, "", -SIP_ECONTROL, ""},
        {"sip:a%0d%0ab@c.d", -SIP_ECONTROL, "", -SIP_ECONTROL, ""},
        {"tel:+90-21(2)", 0, "+90212", -SIP_EMALFORMED, ""},
    };
    struct buf out;
    (void)state;
    buf_init(&out, 4096);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sip_uri u = decode(rows[i].uri);
        buf_reset(&out);
        assert_err(sip_uri_user(&out, &u), rows[i].user_err);
        assert_span(buf_span(&out), rows[i].user);
        buf_reset(&out);
        assert_err(sip_uri_write_aor(&out, &u), rows[i].aor_err);
        assert_span(buf_span(&out), rows[i].aor);
    }
    buf_fini(&out);
}

static void ports(void **state)
{
    (void)state;
    struct sip_uri u = decode("sip:a@b");
    assert_int_equal(sip_uri_port(&u), 5060);
    u = decode("sip:a@b;transport=TLS");
    assert_int_equal(sip_uri_port(&u), 5061);
    u = decode("sips:a@b");
    assert_int_equal(sip_uri_port(&u), 5061);
    u = decode("sip:a@b:7");
    assert_int_equal(sip_uri_port(&u), 7);
}

static void hostports(void **state)
{
    static const struct {
        const char *text;
        int want;
        const char *host;
        unsigned port;
    } rows[] = {
        {"a.b", 0, "a.b", 0},
        {" a.b : 5060 ", 0, "a.b", 5060},
        {"[::1]:1", 0, "[::1]", 1},
        {"[::ffff:1.2.3.4]", 0, "[::ffff:1.2.3.4]", 0},
        {"a.b:", -SIP_EMALFORMED, "", 0},
        {"", -SIP_EMALFORMED, "", 0},
        {":5060", -SIP_EMALFORMED, "", 0},
        {":::]", -SIP_EMALFORMED, "", 0},
        {"a b", -SIP_EMALFORMED, "", 0},
        {"[::1", -SIP_EMALFORMED, "", 0},
        {"[::1%eth0]", -SIP_EMALFORMED, "", 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct span host = {NULL, 0};
        uint16_t port = 0;
        assert_err(sip_hostport_decode(kit_z(rows[i].text), &host, &port), rows[i].want);
        assert_span(host, rows[i].host);
        assert_int_equal(port, rows[i].port);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts),     cmocka_unit_test(decides),      cmocka_unit_test(round_trip),
        cmocka_unit_test(equality),  cmocka_unit_test(user_and_aor), cmocka_unit_test(ports),
        cmocka_unit_test(hostports),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
