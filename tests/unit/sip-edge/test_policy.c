/* The policy table, and its copy in docs/abuse.md. */
#include "sip-edge/policy.h"
#include "tests/unit/testkit.h"
#include <stdio.h>
#include <stdlib.h>

static void test_nothing_is_open_to_strangers(void **state)
{
    (void)state;
    for (int m = 0; m < SIP_M_CNT; m++) {
        struct policy p = policy_of((enum sip_method)m, POLICY_STRANGER);
        bool harmless = m == SIP_M_OPTIONS || m == SIP_M_CANCEL; /* answered here; ends what is there */
        assert_int_equal(p.act == POLICY_PASS, harmless);
    }
}

static void test_calls_in_progress_pass(void **state)
{
    static const enum sip_method needed[] = {SIP_M_INVITE, SIP_M_ACK,  SIP_M_BYE,   SIP_M_CANCEL, SIP_M_PRACK,
                                             SIP_M_UPDATE, SIP_M_INFO, SIP_M_REFER, SIP_M_NOTIFY};
    (void)state;
    for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
        assert_int_equal(policy_of(needed[i], POLICY_IN_DIALOG).act, POLICY_PASS);
}

static void test_an_ack_is_never_answered(void **state)
{
    (void)state;
    for (int who = 0; who < POLICY_WHOS; who++) {
        struct policy p = policy_of(SIP_M_ACK, (enum policy_who)who);
        assert_true(p.act == POLICY_PASS || p.act == POLICY_DROP);
    }
}

static void test_refusals_have_a_status(void **state)
{
    (void)state;
    for (int m = 0; m < SIP_M_CNT; m++)
        for (int who = 0; who < POLICY_WHOS; who++) {
            struct policy p = policy_of((enum sip_method)m, (enum policy_who)who);
            assert_int_equal(p.act == POLICY_REFUSE, p.status >= 400 && p.status < 600);
        }
}

static void row_of(enum sip_method m, char *out, size_t size)
{
    char text[POLICY_WHOS][POLICY_TEXT_SIZE];
    struct span name = m == SIP_M_OTHER ? SPAN("any other") : sip_method_text(m);
    for (int who = 0; who < POLICY_WHOS; who++)
        (void)policy_text(policy_of(m, (enum policy_who)who), text[who]);
    (void)snprintf(out, size, "| %.*s | %s | %s | %s |\n", SPAN_ARG(name), text[0], text[1], text[2]);
}

static void test_the_documentation_shows_it(void **state)
{
    static char doc[65536];
    char row[128];
    (void)state;
    FILE *f = fopen("docs/abuse.md", "r");
    assert_non_null(f);
    doc[fread(doc, 1, sizeof(doc) - 1, f)] = '\0';
    (void)fclose(f);
    const char *at = strstr(doc, "| method | trusted | stranger | in a dialog |\n|---|---|---|---|\n");
    assert_non_null(at);
    at = strstr(at, "|---|---|---|---|\n") + strlen("|---|---|---|---|\n");
    for (int i = 1; i <= SIP_M_CNT; i++) { /* in the order of sip_method.h, what is unknown at the end */
        row_of((enum sip_method)(i % SIP_M_CNT), row, sizeof(row));
        assert_int_equal(strncmp(at, row, strlen(row)), 0);
        at += strlen(row);
    }
    assert_int_equal(*at, '\n');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_open_to_strangers), cmocka_unit_test(test_calls_in_progress_pass),
        cmocka_unit_test(test_an_ack_is_never_answered),     cmocka_unit_test(test_refusals_have_a_status),
        cmocka_unit_test(test_the_documentation_shows_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
