#include "common/sip/sip_dtmf.h"
#include "common/sip/sip_limits.h"
#include "tests/unit/common/sip/sipkit.h"

static void bodies(void **state)
{
    static const struct {
        const char *text;
        int want;
        char key;
        uint32_t ms;
    } rows[] = {
        {"Signal=5\r\nDuration=160\r\n", 0, '5', 160},
        {"Signal= *\nDuration= 250", 0, '*', 250},
        {"signal=#\r\n\r\nDURATION = 60000\r\n", 0, '#', 60000},
        {"Duration=100\r\nSignal=a\r\nVolume=10\r\n", 0, 'A', 100},
        {"Signal=10\r\n", 0, '*', 0},
        {"Signal=11\r\n", 0, '#', 0},
        {"Signal=15\r\n", 0, 'D', 0},
        {"Signal=16\r\n", 0, '!', 0},
        {"Signal=17\r\n", -SIP_EMALFORMED, 0, 0},
        {"Signal=05\r\n", -SIP_EMALFORMED, 0, 0},
        {"Signal=-1\r\n", -SIP_EMALFORMED, 0, 0},
        {"Signal=E\r\n", -SIP_EMALFORMED, 0, 0},
        {"Signal=\r\nDuration=160\r\n", -SIP_EMALFORMED, 0, 0},
        {"Signal=5\r\nSignal=6\r\n", -SIP_EMALFORMED, 0, 0},
        {"Signal=5\r\nDuration=60001\r\n", -SIP_EMALFORMED, 0, 0},
        {"Signal=5\r\nDuration=-1\r\n", -SIP_EMALFORMED, 0, 0},
        {"Signal=5\r\nDuration=99999999999999999999\r\n", -SIP_EMALFORMED, 0, 0},
        {"Duration=160\r\n", -SIP_EMALFORMED, 0, 0},
        {"7", 0, '7', 0},
        {" 7\r\n", 0, '7', 0},
        {"77", -SIP_EMALFORMED, 0, 0},
        {"7\r\n8\r\n", -SIP_EMALFORMED, 0, 0},
        {"", -SIP_EMALFORMED, 0, 0},
        {"\r\n\r\n", -SIP_EMALFORMED, 0, 0},
        {"=", 0, 0, 0},
        {"Signal=5\nA=1\nB=1\nC=1\nD=1\nE=1\nF=1\nG=1\n", 0, '5', 0},
        {"Signal=5\nA=1\nB=1\nC=1\nD=1\nE=1\nF=1\nG=1\nH=1\n", -SIP_ELIMIT, 0, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sip_dtmf d = {.key = '\0'};
        int want = rows[i].want == 0 && rows[i].key == 0 ? -SIP_EMALFORMED : rows[i].want;
        assert_err(sip_dtmf_decode(&d, kit_z(rows[i].text)), want);
        assert_int_equal(d.key, rows[i].key);
        assert_int_equal(d.duration_ms, rows[i].ms);
    }
}

static void its_bytes_are_bounded(void **state)
{
    (void)state;
    char text[SIP_DTMF_BYTES_MAX + 2] = "Signal=5\nX=";
    struct sip_dtmf d;
    memset(text + strlen(text), 'x', sizeof(text) - 1 - strlen(text));
    text[SIP_DTMF_BYTES_MAX + 1] = '\0';
    assert_err(sip_dtmf_decode(&d, span_of(text, SIP_DTMF_BYTES_MAX)), 0);
    assert_err(sip_dtmf_decode(&d, span_of(text, SIP_DTMF_BYTES_MAX + 1)), -SIP_EBODYBIG);
}

static void which_bodies_are_keys(void **state)
{
    static const struct {
        const char *headers;
        bool is;
    } rows[] = {{"Content-Type: application/dtmf-relay\r\n", true},
                {"c: Application/DTMF;x=y\r\n", true},
                {"Content-Type: application/dtmf\r\nContent-Encoding: gzip\r\n", false},
                {"Content-Type: application/sdp\r\n", false},
                {"Content-Type: audio/dtmf\r\n", false},
                {"Content-Type: application/dtmf-relay2\r\n", false},
                {"", false}};
    static struct sip_msg m;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[512];
        int n = snprintf(text, sizeof text,
                         "INFO sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\n"
                         "To: <sip:c@d>;tag=2\r\nCall-ID: i\r\nCSeq: 1 INFO\r\n%sContent-Length: 1\r\n\r\n5",
                         rows[i].headers);
        assert_int_equal(sip_msg_decode(&m, span_of(text, (size_t)n)), 0);
        assert_int_equal(sip_dtmf_is(&m), rows[i].is);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(bodies), cmocka_unit_test(its_bytes_are_bounded),
                                       cmocka_unit_test(which_bodies_are_keys)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
