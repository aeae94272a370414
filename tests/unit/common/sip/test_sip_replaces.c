#include "common/sip/sip_limits.h"
#include "common/sip/sip_replaces.h"
#include "tests/unit/common/sip/sipkit.h"

#define GOOD "425928@bobster.example.org;to-tag=7743;from-tag=6472"

static void values(void **state)
{
    static const struct {
        const char *text;
        int want;
        bool early_only;
    } rows[] = {
        {GOOD, 0, false},
        {GOOD ";early-only", 0, true},
        {" 425928@bobster.example.org \r\n ;from-tag=6472 ; To-Tag=7743", 0, false},
        {GOOD ";x=y;EARLY-ONLY", 0, true},
        {GOOD ";early-only=yes", -SIP_EMALFORMED, false},
        {GOOD ";to-tag=7743", -SIP_EDUP, false},
        {GOOD ";early-only;early-only", -SIP_EDUP, false},
        {"425928@bobster.example.org;to-tag=7743", -SIP_EMISSING, false},
        {"425928@bobster.example.org;from-tag=6472", -SIP_EMISSING, false},
        {"425928@bobster.example.org", -SIP_EMISSING, false},
        {"a;to-tag=;from-tag=1", -SIP_EMALFORMED, false},
        {"a;to-tag;from-tag=1", -SIP_EMALFORMED, false},
        {"a;to-tag=\"7\";from-tag=1", -SIP_EMALFORMED, false},
        {"a;to-tag=1 2;from-tag=1", -SIP_EMALFORMED, false},
        {GOOD ";", -SIP_EMALFORMED, false},
        {GOOD ", b;to-tag=1;from-tag=2", -SIP_EMALFORMED, false},
        {";to-tag=7743;from-tag=6472", -SIP_ECALLID, false},
        {"a@;to-tag=7743;from-tag=6472", -SIP_ECALLID, false},
        {"a@b@c;to-tag=7743;from-tag=6472", -SIP_ECALLID, false},
        {"a b;to-tag=7743;from-tag=6472", -SIP_ECALLID, false},
        {"", -SIP_ECALLID, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sip_replaces r = {.early_only = false};
        assert_err(sip_replaces_decode(&r, kit_z(rows[i].text)), rows[i].want);
        if (rows[i].want != 0)
            continue;
        assert_true(span_eq(r.to_tag, SPAN("7743")));
        assert_true(span_eq(r.from_tag, SPAN("6472")));
        assert_true(span_eq(r.call_id, SPAN("425928@bobster.example.org")));
        assert_int_equal(r.early_only, rows[i].early_only);
    }
}

static void limits(void **state)
{
    static char text[SIP_CALLID_BYTES_MAX + SIP_TAG_BYTES_MAX + 64];
    struct sip_replaces r;
    (void)state;
    for (int over = 0; over < 2; over++) {
        (void)snprintf(text, sizeof text, "%0*d;to-tag=1;from-tag=2", SIP_CALLID_BYTES_MAX + over, 0);
        assert_err(sip_replaces_decode(&r, kit_z(text)), over ? -SIP_ELIMIT : 0);
        (void)snprintf(text, sizeof text, "a;to-tag=%0*d;from-tag=2", SIP_TAG_BYTES_MAX + over, 0);
        assert_err(sip_replaces_decode(&r, kit_z(text)), over ? -SIP_ELIMIT : 0);
    }
}

static int of(const char *method, const char *to_tag, const char *more)
{
    static char raw[1024];
    static struct sip_msg m;
    struct sip_replaces r;
    int n = snprintf(raw, sizeof raw,
                     "%s sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP c;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n"
                     "To: <sip:a@b>%s\r\nCall-ID: x\r\nCSeq: 1 %s\r\nMax-Forwards: 70\r\n%sContent-Length: 0\r\n\r\n",
                     method, to_tag, method, more);
    assert_err(sip_msg_decode(&m, span_of(raw, (size_t)n)), 0);
    return sip_replaces_of(&r, &m);
}

/* RFC 3891 §3 */
static void of_requests(void **state)
{
    (void)state;
    assert_int_equal(of("INVITE", "", ""), 0);
    assert_int_equal(of("INVITE", "", "Replaces: " GOOD "\r\n"), 1);
    assert_err(of("INVITE", "", "Replaces: " GOOD "\r\nJoin: " GOOD "\r\n"), -SIP_EMALFORMED);
    assert_err(of("INVITE", ";tag=2", "Replaces: " GOOD "\r\n"), -SIP_EMALFORMED);
    assert_err(of("OPTIONS", "", "Replaces: " GOOD "\r\n"), -SIP_EMALFORMED);
    assert_int_equal(of("BYE", ";tag=2", ""), 0);
    assert_err(of("INVITE", "", "Replaces: x\r\n"), -SIP_EMISSING);
}

/* "More than one": a second header is a fault of the message. */
static void only_one(void **state)
{
    static const char raw[] =
        "INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP c;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n"
        "To: <sip:a@b>\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\nReplaces: " GOOD "\r\nReplaces: " GOOD
        "\r\nContent-Length: 0\r\n\r\n";
    static struct sip_msg m;
    (void)state;
    assert_err(sip_msg_decode(&m, kit_z(raw)), -SIP_EDUP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values),
        cmocka_unit_test(limits),
        cmocka_unit_test(of_requests),
        cmocka_unit_test(only_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
