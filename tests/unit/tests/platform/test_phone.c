#include "tests/unit/testkit.h"

#include "tests/platform/phone.h"
#include <string.h>

static void test_user_form(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"+905551112233", "+905551112233"},
        {"905551112233", "+905551112233"},
        {"05551112233", "+905551112233"},
        {"0 (555) 111-22-33", "+905551112233"},
        {"+49 30 123", "+4930123"},
        {"1001", "+1001"},
        {"", "+"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char out[PHONE_MAX];
        phone_for_user(out, span_cstr(cases[i][0]));
        assert_string_equal(out, cases[i][1]);
    }
}

static void test_dialplan_form(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"902121234567", "902121234567"},
        {"02121234567", "902121234567"},
        {"2121234567", "902121234567"},
        {"+902121234567", "902121234567"},
        {"4930123456", "904930123456"}, /* ten digits, wherever they are from */
        {"1001", "1001"},
        {"sip:02121234567@host;user=phone", "902121234567"},
        {"SIPS:2121234567@[::1]:5061", "902121234567"},
        {"tel:+90-212-123-4567", "902121234567"},
        {"\"0999\" <sip:05551112233@h:5060>;tag=77", "905551112233"},
        {"sip:anonymous@anonymous.invalid", "anonymous"},
        {"Anonymous", "anonymous"},
        {"sip:alice@host", ""},
        {"<sip:", ""},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char out[PHONE_MAX];
        phone_for_dialplan(out, span_cstr(cases[i][0]));
        assert_string_equal(out, cases[i][1]);
    }
}

static void test_long_input_is_cut(void **state)
{
    (void)state;
    char many[1000];
    memset(many, '7', sizeof many);
    char out[PHONE_MAX];
    phone_for_user(out, span_of(many, sizeof many));
    assert_true(strlen(out) < PHONE_MAX && strlen(out) > 50);
    phone_for_dialplan(out, span_of(many, sizeof many));
    assert_true(strlen(out) < PHONE_MAX && strlen(out) > 50);
}

static void test_contact_type(void **state)
{
    (void)state;
    assert_string_equal(phone_contact_type("10011"), "extension");
    assert_string_equal(phone_contact_type("100111"), "phone");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_user_form),
        cmocka_unit_test(test_dialplan_form),
        cmocka_unit_test(test_long_input_is_cut),
        cmocka_unit_test(test_contact_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
