#include "common/sip/sip_hdr.h"
#include "common/sip/sip_method.h"
#include "common/sip/sip_status.h"
#include "tests/unit/common/sip/sipkit.h"

#include <ctype.h>

static void every_name_finds_its_id(void **state)
{
    (void)state;
    for (unsigned id = 1; id < SIP_H_CNT; id++) {
        char text[64];
        struct span name = sip_hdr_name((enum sip_hdr_id)id);
        assert_true(span_copy(text, sizeof text, name));
        assert_int_equal(sip_hdr_lookup(kit_z(text)), id);
        for (char *p = text; *p != '\0'; p++)
            *p = (char)toupper((unsigned char)*p);
        assert_int_equal(sip_hdr_lookup(kit_z(text)), id);
        for (char *p = text; *p != '\0'; p++)
            *p = (char)tolower((unsigned char)*p);
        assert_int_equal(sip_hdr_lookup(kit_z(text)), id);
    }
}

static void compact_forms(void **state)
{
    static const struct {
        const char *letter;
        enum sip_hdr_id id;
    } rows[] = {
        {"a", SIP_H_ACCEPT_CONTACT},
        {"b", SIP_H_REFERRED_BY},
        {"c", SIP_H_CONTENT_TYPE},
        {"d", SIP_H_REQUEST_DISPOSITION},
        {"e", SIP_H_CONTENT_ENCODING},
        {"f", SIP_H_FROM},
        {"i", SIP_H_CALL_ID},
        {"j", SIP_H_REJECT_CONTACT},
        {"k", SIP_H_SUPPORTED},
        {"l", SIP_H_CONTENT_LENGTH},
        {"m", SIP_H_CONTACT},
        {"o", SIP_H_EVENT},
        {"r", SIP_H_REFER_TO},
        {"s", SIP_H_SUBJECT},
        {"t", SIP_H_TO},
        {"u", SIP_H_ALLOW_EVENTS},
        {"v", SIP_H_VIA},
        {"x", SIP_H_SESSION_EXPIRES},
        {"y", SIP_H_IDENTITY},
        {"V", SIP_H_VIA},
        {"g", SIP_H_OTHER},
        {"-", SIP_H_OTHER},
        {"\xf6", SIP_H_OTHER},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(sip_hdr_lookup(kit_z(rows[i].letter)), rows[i].id);
}

/* A name that lands in the slot of another (same length, first, middle and last letter) is not taken for it. */
static void colliding_names_are_unknown(void **state)
{
    (void)state;
    assert_int_equal(sip_hdr_lookup(kit_z("Call-IX")), SIP_H_OTHER);
    assert_int_equal(sip_hdr_lookup(kit_z("CaXX-ID")), SIP_H_OTHER);
    assert_int_equal(sip_hdr_lookup(kit_z("Vxa")), SIP_H_OTHER);
    assert_int_equal(sip_hdr_lookup(kit_z("CXeq")), SIP_H_OTHER);
    assert_int_equal(sip_hdr_lookup(kit_z("Cseqq")), SIP_H_OTHER);
    assert_int_equal(sip_hdr_lookup(kit_z("")), SIP_H_OTHER);
    assert_int_equal(sip_hdr_lookup(kit_z("To\r")), SIP_H_OTHER);
}

static void kinds(void **state)
{
    (void)state;
    assert_int_equal(sip_hdr_kind(SIP_H_TO), SIP_HDR_ONE);
    assert_int_equal(sip_hdr_kind(SIP_H_VIA), SIP_HDR_LIST_OF);
    assert_int_equal(sip_hdr_kind(SIP_H_AUTHORIZATION), SIP_HDR_MANY);
    assert_int_equal(sip_hdr_kind(SIP_H_OTHER), SIP_HDR_MANY);
    assert_int_equal(sip_hdr_kind(SIP_H_CNT), SIP_HDR_MANY);
    assert_int_equal(sip_hdr_name(SIP_H_CNT).len, 0);
}

static void methods(void **state)
{
    (void)state;
    for (unsigned m = 1; m < SIP_M_CNT; m++)
        assert_int_equal(sip_method_lookup(sip_method_text((enum sip_method)m)), m);
    assert_int_equal(sip_method_lookup(kit_z("invite")), SIP_M_OTHER); /* RFC 3261 §7.1: case counts */
    assert_int_equal(sip_method_lookup(kit_z("INVITEX")), SIP_M_OTHER);
    assert_int_equal(sip_method_lookup(kit_z("")), SIP_M_OTHER);
    assert_int_equal(sip_method_text(SIP_M_OTHER).len, 0);
}

static void reasons(void **state)
{
    (void)state;
    assert_string_equal(sip_status_reason(100), "Trying");
    assert_string_equal(sip_status_reason(200), "OK");
    assert_string_equal(sip_status_reason(486), "Busy Here");
    assert_string_equal(sip_status_reason(608), "Rejected");
    assert_string_equal(sip_status_reason(199), "Early Dialog Terminated");
    assert_string_equal(sip_status_reason(299), "OK");
    assert_string_equal(sip_status_reason(499), "Request Failure");
    assert_string_equal(sip_status_reason(700), "Unknown");
    assert_string_equal(sip_status_reason(4294967295u), "Unknown");
    assert_string_equal(sip_status_reason(0), "Unknown");
}

static void errors(void **state)
{
    (void)state;
    assert_string_equal(sip_err_name(-SIP_EVIA), "SIP_EVIA");
    assert_string_equal(sip_err_name(SIP_EVIA), "SIP_EVIA");
    assert_string_equal(sip_err_name(-9999), "SIP_E?");
    assert_string_equal(sip_err_name(INT32_MIN), "SIP_E?");
    assert_int_equal(sip_err_status(-SIP_EVERSION), 505);
    assert_int_equal(sip_err_status(-SIP_EURILONG), 414);
    assert_int_equal(sip_err_status(-SIP_ETOOBIG), 513);
    for (int e = 1; e < SIP_ERR_CNT; e++) {
        assert_true(strlen(sip_err_text(-e)) > 0);
        assert_true(sip_err_status(-e) >= 400);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_name_finds_its_id),
        cmocka_unit_test(compact_forms),
        cmocka_unit_test(colliding_names_are_unknown),
        cmocka_unit_test(kinds),
        cmocka_unit_test(methods),
        cmocka_unit_test(reasons),
        cmocka_unit_test(errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
