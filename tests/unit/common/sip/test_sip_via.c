#include "common/sip/sip_limits.h"
#include "common/sip/sip_via.h"
#include "tests/unit/common/sip/sipkit.h"

static struct sip_via decode(const char *text)
{
    struct sip_via v;
    assert_err(sip_via_decode(&v, kit_z(text)), 0);
    return v;
}

static void parts(void **state)
{
    (void)state;
    struct sip_via v = decode(" SIP / 2.0\r\n /UDP\t host.example : 5070 ; branch = z9hG4bK1;rport ;received=[::1]"
                              ";maddr=1.2.3.4;x=\"a;b\" ");
    assert_span(v.transport_text, "UDP");
    assert_int_equal(v.transport, SIP_TP_UDP);
    assert_span(v.host, "host.example");
    assert_int_equal(v.port, 5070);
    assert_span(v.branch, "z9hG4bK1");
    assert_span(v.received, "[::1]");
    assert_span(v.maddr, "1.2.3.4");
    assert_true(v.has_rport);
    assert_int_equal(v.rport, 0);
    assert_true(sip_via_has_cookie(&v));
    assert_int_equal(sip_via_port(&v), 5070);
    v = decode("SIP/2.0/tls [2001:db8::9:1];received=2001:db8::1;rport=65535");
    assert_int_equal(v.transport, SIP_TP_TLS);
    assert_int_equal(v.port, 0);
    assert_int_equal(sip_via_port(&v), 5061);
    assert_int_equal(v.rport, 65535);
    assert_span(v.received, "2001:db8::1");
    assert_int_equal(v.branch.len, 0);
    assert_false(sip_via_has_cookie(&v));
    v = decode("SIP/2.0/UNKNOWN a;branch=z9hG4bK");
    assert_int_equal(v.transport, SIP_TP_OTHER);
    assert_int_equal(sip_via_port(&v), 5060);
    assert_false(sip_via_has_cookie(&v)); /* the cookie alone identifies nothing */
    v = decode("sip/2.0/ws a;branch=Z9HG4BKx");
    assert_int_equal(v.transport, SIP_TP_WS);
    assert_true(sip_via_has_cookie(&v));
}

static void refuses(void **state)
{
    static const struct {
        const char *text;
        int want;
        bool sent_by; /* where a refusal goes is known all the same */
    } rows[] = {
        {"", -SIP_EVIA, false},
        {"SIP", -SIP_EVIA, false},
        {"SIP/2.0", -SIP_EVIA, false},
        {"SIP/2.0/", -SIP_EVIA, false},
        {"SIP/2.0/UDP", -SIP_EVIA, false},
        {"SIP/2.0/UDP ", -SIP_EVIA, false},
        {"SIP/2.0/UDP;branch=1", -SIP_EVIA, false},
        {"SIP/2.0/UDP ;branch=1", -SIP_EVIA, false},
        {"SIP/2.0/U\x01 a", -SIP_EVIA, false},
        {"SIP/2.0/UDP :::]", -SIP_EVIA, false},
        {"SIP/2.0/UDP [::1", -SIP_EVIA, false},
        {"SIP/2.0/UDP a b", -SIP_EVIA, false},
        {"SIP/2.0/UDP a:", -SIP_EVIA, false},
        {"SIP/2.0/UDP a:0", -SIP_EVIA, false},
        {"SIP/2.0/UDP a:65536", -SIP_EVIA, false},
        {"SIP/2.0/UDP \"a\"", -SIP_EVIA, false},
        {"SIP/7.0/UDP a", -SIP_EVERSION, true},
        {"SIP/2.00/UDP a", -SIP_EVERSION, true},
        {"SAP/2.0/UDP a", -SIP_EVERSION, true},
        {"SIP/2.0/UDP a;", -SIP_EVIA, true},
        {"SIP/2.0/UDP a;;", -SIP_EVIA, true},
        {"SIP/2.0/UDP a;branch", -SIP_EVIA, true},
        {"SIP/2.0/UDP a;branch=", -SIP_EVIA, true},
        {"SIP/2.0/UDP a;branch=\"x\"", -SIP_EVIA, true},
        {"SIP/2.0/UDP a;branch=a/b", -SIP_EVIA, true},
        {"SIP/2.0/UDP a;branch=1;BRANCH=2", -SIP_EDUP, true},
        {"SIP/2.0/UDP a;rport=0", -SIP_EVIA, true},
        {"SIP/2.0/UDP a;rport=65536", -SIP_EVIA, true},
        {"SIP/2.0/UDP a;rport=x", -SIP_EVIA, true},
        {"SIP/2.0/UDP a;received=", -SIP_EVIA, true},
        {"SIP/2.0/UDP a;received", -SIP_EVIA, true},
        {"SIP/2.0/UDP a;received=a_\x02", -SIP_EVIA, true},
        {"SIP/2.0/UDP a;maddr=[::", -SIP_EVIA, true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sip_via v;
        int got = sip_via_decode(&v, kit_z(rows[i].text));
        if (got != rows[i].want)
            fprintf(stderr, "row %s\n", rows[i].text);
        assert_err(got, rows[i].want);
        assert_int_equal(v.host.len > 0, rows[i].sent_by);
    }
}

static void patches(void **state)
{
    static const struct {
        const char *text;
        const char *received;
        uint16_t rport;
        const char *want;
    } rows[] = {
        {"SIP/2.0/UDP a;branch=z;rport", "1.2.3.4", 7, "SIP/2.0/UDP a;branch=z;rport=7;received=1.2.3.4"},
        {"SIP/2.0/UDP a;branch=z", "1.2.3.4", 0, "SIP/2.0/UDP a;branch=z;received=1.2.3.4"},
        {"SIP/2.0/UDP a;rport;branch=z", "", 0, "SIP/2.0/UDP a;rport;branch=z"},
        {"SIP/2.0/UDP a", "", 9, "SIP/2.0/UDP a;rport=9"},
        {"SIP/2.0/UDP a;received=9.9.9.9;x=\"q;r\"", "::1", 0, "SIP/2.0/UDP a;received=::1;x=\"q;r\""},
        {"SIP/2.0/UDP a ; branch = z\r\n ;rport=3", "1.2.3.4", 8, "SIP/2.0/UDP a;branch = z;rport=8;received=1.2.3.4"},
        {"SIP / 2.0/UDP a:5;x", "", 0, "SIP / 2.0/UDP a:5;x"},
    };
    struct buf out;
    (void)state;
    buf_init(&out, 1024);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sip_via v = decode(rows[i].text);
        buf_reset(&out);
        sip_via_write_patched(&out, &v, span_cstr(rows[i].received), rows[i].rport);
        assert_span(buf_span(&out), rows[i].want);
        struct sip_via back;
        assert_err(sip_via_decode(&back, kit_buf(&out)), 0);
        assert_true(span_eq(back.branch, v.branch));
        assert_true(span_eq(back.host, v.host));
        assert_int_equal(back.port, v.port);
    }
    /* What cannot be told apart is left alone. */
    struct sip_via v;
    buf_reset(&out);
    assert_err(sip_via_decode(&v, kit_z("SIP/2.0/UDP a;;x")), -SIP_EVIA);
    sip_via_write_patched(&out, &v, SPAN("1.2.3.4"), 5);
    assert_span(buf_span(&out), "SIP/2.0/UDP a;;x");
    buf_fini(&out);
}

static void writes_its_own(void **state)
{
    struct buf out;
    (void)state;
    buf_init(&out, 1024);
    sip_via_write(
        &out,
        &(struct sip_via_args){
            .transport = SIP_TP_TCP, .host = SPAN("[::1]"), .port = 5070, .branch = SPAN("z9hG4bKabc"), .rport = true});
    assert_span(buf_span(&out), "SIP/2.0/TCP [::1]:5070;branch=z9hG4bKabc;rport");
    struct sip_via v;
    assert_err(sip_via_decode(&v, kit_buf(&out)), 0);
    assert_int_equal(v.transport, SIP_TP_TCP);
    assert_int_equal(v.port, 5070);
    assert_true(v.has_rport);
    buf_fini(&out);
}

static void transports(void **state)
{
    (void)state;
    for (unsigned t = SIP_TP_UDP; t <= SIP_TP_WSS; t++)
        assert_int_equal(sip_transport_lookup(sip_transport_text((enum sip_transport)t)), t);
    assert_int_equal(sip_transport_lookup(kit_z("")), SIP_TP_OTHER);
    assert_int_equal(sip_transport_lookup(kit_z("TLS-SCTP")), SIP_TP_OTHER);
    assert_int_equal(sip_transport_text((enum sip_transport)99).len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts),          cmocka_unit_test(refuses),    cmocka_unit_test(patches),
        cmocka_unit_test(writes_its_own), cmocka_unit_test(transports),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
