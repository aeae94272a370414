#include "common/sip/sip_limits.h"
#include "common/sip/sipfrag.h"
#include "tests/unit/common/sip/sipkit.h"

static void decodes(void **state)
{
    struct sipfrag f;
    (void)state;
    assert_err(sipfrag_decode(&f, kit_z("SIP/2.0 200 OK")), 0);
    assert_int_equal(f.status, 200);
    assert_span(f.reason, "OK");
    assert_err(sipfrag_decode(&f, kit_z("SIP/2.0 100 Trying\r\n")), 0);
    assert_int_equal(f.status, 100);
    assert_int_equal(f.headers.len, 0);
    assert_err(sipfrag_decode(&f, kit_z("SIP/2.0 603 \nTo: <sip:a@b>\nCall-ID: 1\n x\n\nbody")), 0);
    assert_int_equal(f.status, 603);
    assert_span(f.headers, "To: <sip:a@b>\nCall-ID: 1\n x\n");
    assert_span(f.body, "body");
    assert_err(sipfrag_decode(&f, kit_z("INVITE sip:a@b SIP/2.0\r\nTo: x")), 0);
    assert_span(f.method, "INVITE");
    assert_span(f.uri, "sip:a@b");
    assert_int_equal(f.status, 0);
    assert_span(f.headers, "To: x");
    assert_err(sipfrag_decode(&f, kit_z("To: x\r\nContact: y\r\n")), 0);
    assert_span(f.headers, "To: x\r\nContact: y\r\n");
    assert_err(sipfrag_decode(&f, kit_z("")), 0);
    assert_int_equal(f.status, 0);
    assert_err(sipfrag_decode(&f, kit_z("\r\nbody only")), 0);
    assert_span(f.body, "body only");
}

static void refuses(void **state)
{
    static const struct {
        const char *text;
        int want;
    } rows[] = {
        {"SIP/2.0", -SIP_EMALFORMED},       {"SIP/2.0 2", -SIP_EMALFORMED},
        {"SIP/2.0 999 x", -SIP_EMALFORMED}, {"SIP/3.0 200 OK", -SIP_EVERSION},
        {"garbage", -SIP_EMALFORMED},       {"SIP/2.0 200 OK\r\nbad", -SIP_EMALFORMED},
        {"To: a\x01", -SIP_EMALFORMED},     {"INVITE sip:a@b", -SIP_EMALFORMED},
        {"\x02\r\n", -SIP_EMALFORMED},
    };
    struct sipfrag f;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_err(sipfrag_decode(&f, kit_z(rows[i].text)), rows[i].want);
}

static void round_trip(void **state)
{
    struct buf out;
    struct sipfrag f;
    (void)state;
    buf_init(&out, 256);
    sipfrag_write_status(&out, 503, (struct span){NULL, 0});
    assert_span(buf_span(&out), "SIP/2.0 503 Service Unavailable\r\n");
    assert_err(sipfrag_decode(&f, kit_buf(&out)), 0);
    assert_int_equal(f.status, 503);
    buf_fini(&out);
}

static void limit(void **state)
{
    struct buf b;
    struct sipfrag f;
    (void)state;
    buf_init(&b, 65536);
    while (b.len < SIP_HEAD_BYTES_MAX)
        buf_puts(&b, "X:\r\n");
    assert_err(sipfrag_decode(&f, kit_buf(&b)), 0);
    buf_putc(&b, 'X');
    assert_err(sipfrag_decode(&f, kit_buf(&b)), -SIP_ELIMIT);
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes),
        cmocka_unit_test(refuses),
        cmocka_unit_test(round_trip),
        cmocka_unit_test(limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
