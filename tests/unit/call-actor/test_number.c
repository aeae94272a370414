#include "tests/unit/testkit.h"

#include "call-actor/number.h"
#include <stdio.h>
#include <string.h>

static void check(const char *uri_text, enum number_kind kind, const char *number)
{
    struct sip_uri uri;
    char out[NUMBER_MAX];
    assert_int_equal(sip_uri_decode(&uri, span_cstr(uri_text)), 0);
    assert_int_equal(number_of_uri(out, &uri), kind);
    assert_string_equal(out, number);
}

/* Lesson of the platform: one subscriber comes as 0…, 90… and +90…. */
static void unifies_national_numbers(void **s)
{
    (void)s;
    check("sip:05321112233@h", NUMBER_PHONE, "905321112233");
    check("sip:5321112233@h", NUMBER_PHONE, "905321112233");
    check("sip:905321112233@h", NUMBER_PHONE, "905321112233");
    check("sip:+905321112233@h", NUMBER_PHONE, "905321112233");
    check("sip:00905321112233@h", NUMBER_PHONE, "905321112233");
    check("sip:00442071838750@h", NUMBER_PHONE, "442071838750");
    check("sip:+442071838750@h", NUMBER_PHONE, "442071838750");
    check("sips:+90-532-111.22(33)@h:5061", NUMBER_PHONE, "905321112233");
    check("tel:+90-532-111-22-33", NUMBER_PHONE, "905321112233");
}

static void leaves_other_lengths_alone(void **s)
{
    (void)s;
    check("sip:12125551234@h", NUMBER_PHONE, "12125551234");   /* 11 digits without 0 */
    check("sip:532111223@h", NUMBER_PHONE, "532111223");       /* 9 */
    check("sip:053211122334@h", NUMBER_PHONE, "053211122334"); /* 12 */
    check("sip:123456@h", NUMBER_PHONE, "123456");
    check("sip:12345@h", NUMBER_EXTENSION, "12345");
    check("sip:7@h", NUMBER_EXTENSION, "7");
}

static void leaves_parameters_out(void **s)
{
    (void)s;
    check("sip:+905321112233;phone-context=%2B90@h;user=phone", NUMBER_PHONE, "905321112233");
    check("tel:1001;phone-context=example.com", NUMBER_EXTENSION, "1001");
}

static void takes_names_as_they_are(void **s)
{
    (void)s;
    check("sip:alice@h", NUMBER_NAME, "alice");
    check("sip:al%69ce@h", NUMBER_NAME, "alice");
    check("sip:*98@h", NUMBER_NAME, "*98");
    check("sip:12+34@h", NUMBER_NAME, "12+34");
    check("sip:-@h", NUMBER_NAME, "-"); /* no digit in it */
}

static void knows_withheld_numbers(void **s)
{
    (void)s;
    check("sip:anonymous@anonymous.invalid", NUMBER_WITHHELD, "anonymous");
    check("sip:Anonymous@h", NUMBER_WITHHELD, "anonymous");
}

static void tells_none_from_bad(void **s)
{
    (void)s;
    char uri[200], digits[NUMBER_MAX];
    check("sip:203.0.113.5", NUMBER_NONE, "");
    check("urn:service:sos", NUMBER_NONE, "");
    check("sip:%c3%a9@h", NUMBER_BAD, ""); /* gRPC texts must be UTF-8, and latin-1 is met */
    check("sip:a%20b@h", NUMBER_BAD, "");
    check("sip:a%00b@h", NUMBER_BAD, "");
    memset(digits, 'a', sizeof(digits));
    (void)snprintf(uri, sizeof(uri), "sip:%.*s@h", NUMBER_MAX - 1, digits);
    check(uri, NUMBER_NAME, strndupa(digits, NUMBER_MAX - 1));
    (void)snprintf(uri, sizeof(uri), "sip:%.*s@h", NUMBER_MAX, digits);
    check(uri, NUMBER_BAD, "");
    memset(digits, '1', sizeof(digits));
    (void)snprintf(uri, sizeof(uri), "sip:%.*s@h", NUMBER_MAX - 1, digits);
    assert_true(strlen(uri) > NUMBER_MAX);
    check(uri, NUMBER_NAME, strndupa(digits, NUMBER_MAX - 1)); /* no number has 63 digits */
}

static void has_a_contact_type_for_each_kind(void **s)
{
    (void)s;
    assert_string_equal(number_contact_type(number_kind("905321112233")), "phone");
    assert_string_equal(number_contact_type(number_kind("1001")), "extension");
    assert_string_equal(number_contact_type(number_kind("alice")), "sip");
    assert_string_equal(number_contact_type(number_kind("anonymous")), "");
    assert_string_equal(number_contact_type(number_kind("")), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unifies_national_numbers),
        cmocka_unit_test(leaves_other_lengths_alone),
        cmocka_unit_test(leaves_parameters_out),
        cmocka_unit_test(takes_names_as_they_are),
        cmocka_unit_test(knows_withheld_numbers),
        cmocka_unit_test(tells_none_from_bad),
        cmocka_unit_test(has_a_contact_type_for_each_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
