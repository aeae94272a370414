/* Set-up that fails, comes to nothing or takes too long; what a repeated INVITE is told. */
#include "tests/unit/call-actor/call_kit.h"

#include "call-actor/leg.h"

static void assert_setup_ends(struct kit *k, unsigned status)
{
    struct call_effect *e = kit_assert_reply(k, status);
    kit_assert_hasnt(e, "Record-Route");
    kit_assert_has(e, ";tag=a3-");
    kit_assert_state(k, CALL_ST_ENDED);
    assert_int_equal(kit_count(k, CALL_EFF_PUBLISH), 0); /* call.started was not, so nothing is */
    assert_int_equal(kit_arm(k, CALL_TMR_SETUP)->at_wall_ms, 0);
    assert_int_equal(kit_arm(k, CALL_TMR_LINGER)->at_wall_ms, (uint64_t)k->now.wall_ms + 64 * KIT_T1);
    assert_int_equal(k->c->row->end_status, status);
    assert_string_equal(k->c->row->end_stage, "media");
    assert_false(call_is_live(k->c));
}

static void unavailable_gets_503(void **s)
{
    struct kit *k = *s;
    kit_invite(k);
    kit_setup_done(k, PLANE__JOB_DONE__RESULT__UNAVAILABLE, 0, NULL);
    assert_setup_ends(k, 503);
    const struct call_effect *e = kit_effect(k, CALL_EFF_REPLY, 0);
    const char *retry = memmem(e->raw, e->raw_len, "Retry-After: ", 13);
    assert_non_null(retry);
    assert_in_range(atoi(retry + 13), LEG_RETRY_MIN_S, LEG_RETRY_MIN_S + LEG_RETRY_SPREAD_S);
    assert_string_equal(k->c->row->end_reason, "failure");
    assert_string_equal(k->c->row->ended_by, "service");
    assert_string_equal(k->c->row->end_detail, "as told");
    kit_assert_log(k, CALL_LOG_WARN, "refused with 503: set-up failed at media: UNAVAILABLE as told");
    assert_int_equal(k->c->row->end_status, 503);
    kit_assert_say(k, CALL_SAY_ENDED);
    assert_false(call_is_busy(k->c));
}

static void denied_gets_403(void **s)
{
    struct kit *k = *s;
    kit_invite(k);
    kit_setup_done(k, PLANE__JOB_DONE__RESULT__DENIED, 0, NULL);
    assert_setup_ends(k, 403);
    kit_assert_log(k, CALL_LOG_INFO, "refused with 403");
    kit_assert_hasnt(kit_effect(k, CALL_EFF_REPLY, 0), "Retry-After");
}

static void failed_gets_503_with_retry_after(void **s)
{
    struct kit *k = *s;
    kit_invite(k);
    kit_setup_done(k, PLANE__JOB_DONE__RESULT__FAILED, 0, NULL);
    assert_setup_ends(k, 503);
    kit_assert_has(kit_effect(k, CALL_EFF_REPLY, 0), "Retry-After");
}

static void a_port_with_a_failure_goes_back(void **s)
{
    struct kit *k = *s;
    kit_invite(k);
    kit_setup_done(k, PLANE__JOB_DONE__RESULT__FAILED, KIT_PORT, NULL);
    assert_setup_ends(k, 503);
    assert_int_equal(kit_job(k, PLANE__RUN_JOB__KIND__RELEASE_PORT)->job->rtp_port, KIT_PORT);
    assert_true(call_is_busy(k->c));
}

static void no_plan_or_no_port_gets_500(void **s)
{
    struct kit *k = *s;
    struct kit other;
    kit_invite(k);
    kit_setup_done(k, PLANE__JOB_DONE__RESULT__OK, KIT_PORT, NULL);
    assert_setup_ends(k, 503);
    assert_non_null(kit_job(k, PLANE__RUN_JOB__KIND__RELEASE_PORT));
    kit_init(&other);
    kit_invite(&other);
    kit_setup_done(&other, PLANE__JOB_DONE__RESULT__OK, 0, "ECHO");
    assert_setup_ends(&other, 503);
    kit_fini(&other);
}

static void settings_that_changed_refuse_an_old_offer(void **s)
{
    struct kit *k = *s;
    struct span bad;
    kit_invite(k);
    assert_int_equal(codecs_parse(&k->conf.codecs, SPAN("G729"), &bad), 0); /* in the offer */
    k->conf.media_addr = "2001:db8::6";
    kit_setup_ok(k);
    assert_setup_ends(k, 488);
    assert_non_null(kit_job(k, PLANE__RUN_JOB__KIND__RELEASE_PORT));
}

static void overdue_setup_gets_503_and_is_cancelled(void **s)
{
    struct kit *k = *s;
    kit_invite(k);
    kit_timer(k, CALL_TMR_SETUP);
    assert_int_equal(kit_count(k, CALL_EFF_CANCEL_JOB), 1);
    struct call_effect *e = kit_effect(k, CALL_EFF_REPLY, 0);
    assert_int_equal(e->status, 503);
    kit_assert_has(e, "Retry-After: ");
    kit_assert_state(k, CALL_ST_ENDED);
    assert_string_equal(k->c->row->ended_by, "timer");
    assert_string_equal(k->c->row->end_reason, "failure");
    kit_assert_log(k, CALL_LOG_WARN, "set-up took longer than 10000 ms");
    kit_setup_ok(k); /* late: the port goes back, and nothing else happens */
    assert_int_equal(kit_count(k, CALL_EFF_REPLY), 0);
    assert_int_equal(kit_count(k, CALL_EFF_PUBLISH), 0);
    assert_int_equal(kit_job(k, PLANE__RUN_JOB__KIND__RELEASE_PORT)->job->rtp_port, KIT_PORT);
}

static void repeated_invite_gets_the_refusal_again(void **s)
{
    struct kit *k = *s;
    char first[2048];
    kit_invite(k);
    kit_setup_done(k, PLANE__JOB_DONE__RESULT__FAILED, 0, NULL);
    struct call_effect *e = kit_effect(k, CALL_EFF_REPLY, 0);
    (void)snprintf(first, sizeof(first), "%.*s", (int)e->raw_len, e->raw);
    kit_invite(k);
    e = kit_assert_reply(k, 503);
    assert_int_equal(e->raw_len, strlen(first));
    assert_memory_equal(e->raw, first, e->raw_len);
    assert_int_equal(k->fx.count, 1);
}

static void repeated_invite_gets_the_answer_again(void **s)
{
    struct kit *k = *s;
    char first[4096];
    kit_answered(k);
    struct call_effect *e = kit_effect(k, CALL_EFF_REPLY, 1);
    (void)snprintf(first, sizeof(first), "%.*s", (int)e->raw_len, e->raw);
    kit_invite(k);
    e = kit_assert_reply(k, 200);
    assert_string_equal(strndupa(e->raw, e->raw_len), first);
    kit_ack(k, 10);
    assert_true(call_knows(k->c, row_span(k->c->row->invite_key)));
    assert_false(call_knows(k->c, SPAN("")) || call_knows(k->c, SPAN("z9hG4bKother;h:5060;INVITE")));
    kit_invite(k); /* the caller has its answer; the edge must not wait for one */
    (void)kit_assert_reply(k, 482);
    assert_int_equal(k->fx.count, 1);
    assert_int_equal(call_state(k->c), CALL_ST_ESTABLISHED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        KIT_TEST(unavailable_gets_503),
        KIT_TEST(denied_gets_403),
        KIT_TEST(failed_gets_503_with_retry_after),
        KIT_TEST(a_port_with_a_failure_goes_back),
        KIT_TEST(no_plan_or_no_port_gets_500),
        KIT_TEST(settings_that_changed_refuse_an_old_offer),
        KIT_TEST(overdue_setup_gets_503_and_is_cancelled),
        KIT_TEST(repeated_invite_gets_the_refusal_again),
        KIT_TEST(repeated_invite_gets_the_answer_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
