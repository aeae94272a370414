#include "common/sip/sip_limits.h"
#include "common/sip/sip_num.h"
#include "tests/unit/common/sip/sipkit.h"

static void cseq(void **state)
{
    static const struct {
        const char *text;
        int want;
        uint32_t num;
        enum sip_method method;
    } rows[] = {
        {"1 INVITE", 0, 1, SIP_M_INVITE},
        {"0009\r\n  INVITE ", 0, 9, SIP_M_INVITE},
        {"2147483647 ACK", 0, 2147483647u, SIP_M_ACK},
        {"0 NEWMETHOD", 0, 0, SIP_M_OTHER},
        {"2147483648 ACK", -SIP_ECSEQ, 0, SIP_M_OTHER},
        {"4294967296 ACK", -SIP_ECSEQ, 0, SIP_M_OTHER},
        {"9999999999999999999999999999999999999999 ACK", -SIP_ECSEQ, 0, SIP_M_OTHER},
        {"0000000000000000000000000000000000000001 ACK", 0, 1, SIP_M_ACK},
        {"", -SIP_ECSEQ, 0, SIP_M_OTHER},
        {"1", -SIP_ECSEQ, 0, SIP_M_OTHER},
        {"1 ", -SIP_ECSEQ, 0, SIP_M_OTHER},
        {"INVITE", -SIP_ECSEQ, 0, SIP_M_OTHER},
        {"-1 INVITE", -SIP_ECSEQ, 0, SIP_M_OTHER},
        {"1INVITE", -SIP_ECSEQ, 0, SIP_M_OTHER},
        {"1 INVITE x", -SIP_ECSEQ, 0, SIP_M_OTHER},
        {"1 INV,ITE", -SIP_ECSEQ, 0, SIP_M_OTHER},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sip_cseq c = {0};
        assert_err(sip_cseq_decode(&c, kit_z(rows[i].text)), rows[i].want);
        assert_int_equal(c.num, rows[i].num);
        assert_int_equal(c.method, rows[i].method);
    }
}

static void numbers(void **state)
{
    uint32_t n = 7;
    (void)state;
    assert_err(sip_num_decode(&n, kit_z(" 0070 "), SIP_MAX_FORWARDS_MAX), 0);
    assert_int_equal(n, 70);
    assert_err(sip_num_decode(&n, kit_z("255"), SIP_MAX_FORWARDS_MAX), 0);
    assert_err(sip_num_decode(&n, kit_z("256"), SIP_MAX_FORWARDS_MAX), -SIP_ENUMBER);
    assert_err(sip_num_decode(&n, kit_z("4294967295"), SIP_DELTA_S_MAX), 0);
    assert_err(sip_num_decode(&n, kit_z("4294967296"), SIP_DELTA_S_MAX), -SIP_ENUMBER);
    assert_err(sip_num_decode(&n, kit_z("18446744073709551616"), SIP_DELTA_S_MAX), -SIP_ENUMBER);
    assert_err(sip_num_decode(&n, kit_z(""), SIP_DELTA_S_MAX), -SIP_ENUMBER);
    assert_err(sip_num_decode(&n, kit_z("1 2"), SIP_DELTA_S_MAX), -SIP_ENUMBER);
    assert_err(sip_num_decode(&n, kit_z("+1"), SIP_DELTA_S_MAX), -SIP_ENUMBER);
    assert_err(sip_num_decode(&n, kit_z("-1"), SIP_DELTA_S_MAX), -SIP_ENUMBER);
    assert_err(sip_num_decode(&n, kit_z("1;x"), SIP_DELTA_S_MAX), -SIP_ENUMBER);
}

static void rack(void **state)
{
    static const char *const bad[] = {
        "", "1", "1 2", "1  INVITE", "x 1 INVITE", "1 2147483648 INVITE", "12INVITE", "4294967296 1 INVITE"};
    struct sip_rack r;
    (void)state;
    assert_err(sip_rack_decode(&r, kit_z("776656 1 INVITE")), 0);
    assert_int_equal(r.rseq, 776656);
    assert_int_equal(r.cseq.num, 1);
    assert_int_equal(r.cseq.method, SIP_M_INVITE);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_err(sip_rack_decode(&r, kit_z(bad[i])), -SIP_ENUMBER);
}

static void retry_after(void **state)
{
    static const char *const bad[] = {"",   "x",          "5 (unclosed", "5 (a\\)", "5 x", "5;duration", "5;duration=x",
                                      "5;", "4294967296", "5 ()x"};
    struct sip_retry_after r;
    (void)state;
    assert_err(sip_retry_after_decode(&r, kit_z("120 (I'm \\) in (a) meeting) ;duration=3600;x=y")), 0);
    assert_int_equal(r.delay_s, 120);
    assert_int_equal(r.duration_s, 3600);
    assert_span(r.comment, "I'm \\) in (a) meeting");
    assert_err(sip_retry_after_decode(&r, kit_z("0")), 0);
    assert_int_equal(r.duration_s, 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_err(sip_retry_after_decode(&r, kit_z(bad[i])), -SIP_ENUMBER);
}

static void session_expires(void **state)
{
    static const char *const bad[] = {"", "x", "5 x", "5;refresher=me", "5;refresher", "5;;", "4294967296"};
    struct sip_session_expires s;
    (void)state;
    assert_err(sip_session_expires_decode(&s, kit_z("1800 ;\r\n refresher = UAS")), 0);
    assert_int_equal(s.delta_s, 1800);
    assert_int_equal(s.refresher, SIP_REFRESHER_UAS);
    assert_err(sip_session_expires_decode(&s, kit_z("90")), 0);
    assert_int_equal(s.refresher, SIP_REFRESHER_NONE);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_err(sip_session_expires_decode(&s, kit_z(bad[i])), -SIP_ENUMBER);
}

static void round_trips(void **state)
{
    struct buf out;
    struct sip_cseq c;
    struct sip_rack r;
    struct sip_session_expires s;
    (void)state;
    buf_init(&out, 256);
    assert_err(sip_cseq_decode(&c, kit_z("0012\t!odd~")), 0);
    sip_cseq_write(&out, &c);
    assert_span(buf_span(&out), "12 !odd~");
    buf_reset(&out);
    assert_err(sip_rack_decode(&r, kit_z("1 \r\n 2  PRACK")), 0);
    sip_rack_write(&out, &r);
    assert_span(buf_span(&out), "1 2 PRACK");
    buf_reset(&out);
    assert_err(sip_session_expires_decode(&s, kit_z("5;refresher=uac")), 0);
    sip_session_expires_write(&out, &s);
    assert_span(buf_span(&out), "5;refresher=uac");
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cseq),        cmocka_unit_test(numbers),         cmocka_unit_test(rack),
        cmocka_unit_test(retry_after), cmocka_unit_test(session_expires), cmocka_unit_test(round_trips),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
