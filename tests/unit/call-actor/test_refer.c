/* REFER in a bridged call, in virtual time: what is told of it, and what it leads to (docs/transfer.md). */
#include "tests/unit/call-actor/bridge_kit.h"

#include "call-actor/refer.h"
#include "call-actor/transfer.h"

#define TO "Refer-To: <sip:carol@203.0.113.5>\r\n"
#define CAROL_SDP                                                                                                      \
    "v=0\r\no=carol 9 9 IN IP4 198.51.100.30\r\ns=-\r\nc=IN IP4 198.51.100.30\r\nt=0 0\r\nm=audio 7000 RTP/AVP 96\r\n"

static const struct bridge_target carol = {.uri = "sip:carol@198.51.100.30:5062", .q = 1000, .addr = "198.51.100.30"};

static void talk(struct kit *k)
{
    k->user = "ali";
    bridge_up(k);
}

/* The caller's. Afterwards he is the leg that was placed for bob, and bob is the A leg. */
static void refer_with(struct kit *k, uint32_t cseq, const char *more)
{
    KIT_REQUEST(k, .method = "REFER", .cseq = cseq, .more = more);
}

static Store__Refer *last(struct kit *k)
{
    assert_true(k->c->row->n_refers > 0);
    return k->c->row->refers[k->c->row->n_refers - 1];
}

static struct call_effect *notify(struct kit *k)
{
    for (size_t i = 0; i < k->fx.count; i++) {
        if (k->fx.list[i].type == CALL_EFF_REQUEST && strcmp(k->fx.list[i].method, "NOTIFY") == 0)
            return &k->fx.list[i];
    }
    return NULL;
}

static void assert_notify(struct kit *k, const char *line, const char *state)
{
    kit_assert_has(notify(k), line);
    kit_assert_has(notify(k), state);
    kit_assert_has(notify(k), "Content-Type: message/sipfrag;version=2.0\r\n");
}

/* The NOTIFY's answer; status 0: none. */
static void notify_answered(struct kit *k, unsigned status)
{
    char branch[64];
    const Store__Refer *r = last(k);
    assert_non_null(r->notify);
    struct span b = row_span(r->notify->branch);
    memcpy(branch, b.p, b.len);
    struct call_input in = {.type = CALL_IN_RESPONSE, .txn = span_of(branch, b.len), .status = status};
    kit_step(k, &in);
}

static void found(struct kit *k)
{
    bridge_rings(k, &carol, 1);
}

static void assert_refused(struct kit *k, const char *more, unsigned status)
{
    static uint32_t cseq = 1000;
    refer_with(k, cseq++, more);
    kit_assert_reply(k, status);
    assert_int_equal(k->c->row->n_refers, 0);
    assert_int_equal(kit_count(k, CALL_EFF_REQUEST), 0);
}

/* --- the table --- */

static void the_table_is_whole(void **s)
{
    (void)s;
    const char *fault = refer_machine.states == REFER_SUBS ? fsm_check(&refer_machine, REFER_SUB_QUIET, REFER_SUB_OVER)
                                                           : "states are missing";
    if (fault != NULL)
        fail_msg("%s", fault);
}

/* --- what is told --- */

static void it_is_taken_and_told(void **s)
{
    struct kit *k = *s;
    talk(k);
    refer_with(k, 11, TO "Referred-By: <sip:ali@h>;cid=\"1@h\"\r\n");
    assert_int_equal(k->fx.list[0].type, CALL_EFF_REPLY); /* before everything else */
    kit_assert_has(kit_assert_reply(k, 202), "Contact: <sip:sentiric@203.0.113.5:5060>\r\n");
    assert_notify(k, "SIP/2.0 100 Trying\r\n", "Subscription-State: active;expires=124\r\n");
    kit_assert_has(notify(k), "Event: refer\r\n");
    assert_non_null(kit_event(k, "call.transfer.started"));
    found(k);
    struct call_effect *invite = bridge_request(k, 2, "INVITE");
    kit_assert_has(invite, "Referred-By: <sip:ali@h>\r\n");
    kit_assert_has(invite, "To: <sip:carol@203.0.113.5>\r\n");
    BRIDGE_SAYS(k, 2, .status = 180);
    assert_null(notify(k)); /* one at a time */
    notify_answered(k, 200);
    assert_notify(k, "SIP/2.0 180 Ringing\r\n", "Subscription-State: active;");
    notify_answered(k, 200);
    assert_null(notify(k));
    BRIDGE_SAYS(k, 2, .status = 180);
    assert_null(notify(k));
    BRIDGE_SAYS(k, 2, .status = 183);
    assert_notify(k, "SIP/2.0 183 Session Progress\r\n", "Subscription-State: active;");
}

static void a_refusal_is_the_last_word(void **s)
{
    struct kit *k = *s;
    talk(k);
    refer_with(k, 11, TO);
    notify_answered(k, 200);
    found(k);
    BRIDGE_SAYS(k, 2, .status = 486);
    assert_notify(k, "SIP/2.0 486 Busy Here\r\n", "Subscription-State: terminated;reason=noresource\r\n");
    assert_non_null(kit_event(k, "call.transfer.failed"));
    assert_int_equal(last(k)->sub, REFER_SUB_LAST);
    notify_answered(k, 200);
    assert_int_equal(last(k)->sub, REFER_SUB_OVER);
    kit_assert_state(k, CALL_ST_ESTABLISHED);
    bridge_asks(k, 1, "REFER", 12, "", TO); /* his dialog is there now */
    assert_int_equal(last(k)->cseq, 12);
    kit_assert_has(notify(k), "Event: refer;id=12\r\n");
}

static void what_is_overtaken_is_not_told(void **s)
{
    struct kit *k = *s;
    talk(k);
    refer_with(k, 11, TO);
    found(k);
    BRIDGE_SAYS(k, 2, .status = 180);
    BRIDGE_SAYS(k, 2, .status = 486);
    assert_null(notify(k));
    notify_answered(k, 200);
    assert_notify(k, "SIP/2.0 486 Busy Here\r\n", "terminated;reason=noresource");
}

static void nobody_needs_to_listen(void **s)
{
    struct kit *k = *s;
    static const unsigned answers[] = {0, 481, 500, 408, 489};
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        kit_fini(k);
        kit_init(k);
        talk(k);
        refer_with(k, 11, TO);
        notify_answered(k, answers[i]);
        assert_int_equal(last(k)->sub, REFER_SUB_OVER);
        found(k);
        BRIDGE_SAYS(k, 2, .status = 200, .body = CAROL_SDP);
        assert_null(notify(k));
        assert_non_null(bridge_request(k, 0, "INVITE"));
    }
}

static void without_a_subscription(void **s)
{
    struct kit *k = *s;
    talk(k);
    refer_with(k, 11, TO "Refer-Sub: false\r\n");
    kit_assert_has(kit_assert_reply(k, 202), "Refer-Sub: false\r\n");
    assert_null(notify(k));
    found(k);
    BRIDGE_SAYS(k, 2, .status = 486);
    assert_null(notify(k));
    assert_non_null(kit_event(k, "call.transfer.failed"));
    assert_false(call_awaits_answers(k->c));
}

static void a_subscription_ends(void **s)
{
    struct kit *k = *s;
    talk(k);
    refer_with(k, 11, TO);
    notify_answered(k, 200);
    uint64_t at = k->c->row->timers[CALL_TMR_REFER];
    assert_int_equal(at, (uint64_t)k->now.wall_ms + (60 + REFER_EXPIRES_MORE_S) * 1000);
    bridge_asks(k, 1, "SUBSCRIBE", 12, "", "Event: refer\r\nExpires: 5000\r\n");
    kit_assert_has(kit_assert_reply(k, 200), "Expires: 600\r\n");
    assert_notify(k, "SIP/2.0 100 Trying\r\n", "Subscription-State: active;expires=600\r\n");
    bridge_asks(k, 1, "SUBSCRIBE", 13, "", "Event: refer;id=11\r\nExpires: 7\r\n"); /* told again, when that is heard */
    assert_null(notify(k));
    notify_answered(k, 200);
    assert_notify(k, "SIP/2.0 100 Trying\r\n", "Subscription-State: active;expires=7\r\n");
    kit_timer(k, CALL_TMR_REFER); /* while it is out */
    assert_null(notify(k));
    notify_answered(k, 200);
    assert_notify(k, "SIP/2.0 100 Trying\r\n", "Subscription-State: terminated;reason=timeout\r\n");
    assert_int_equal(k->c->row->timers[CALL_TMR_REFER], 0);
    bridge_asks(k, 1, "SUBSCRIBE", 14, "", "Event: refer\r\n");
    kit_assert_reply(k, 481);
    bridge_asks(k, 1, "SUBSCRIBE", 15, "", "Event: dialog\r\n");
    kit_assert_has(kit_assert_reply(k, 489), "Allow-Events: refer\r\n");
    found(k);
    BRIDGE_SAYS(k, 2, .status = 486);
    assert_null(notify(k));
}

/* --- who hangs up --- */

static void joined(struct kit *k)
{
    refer_with(k, 11, TO);
    notify_answered(k, 200);
    found(k);
    BRIDGE_SAYS(k, 2, .status = 200, .body = CAROL_SDP);
    const Store__ClientTxn *txn = k->c->row->a->session->request;
    kit_assert_has(bridge_request(k, 0, "INVITE"), "m=audio 7000 ");
    bridge_response_to(k, row_span(txn->branch), k->c->row->a->call_id,
                       &(struct bridge_rsp){.status = 200, .tag = "b1", .body = BRIDGE_OFFER});
    assert_notify(k, "SIP/2.0 200 OK\r\n", "terminated;reason=noresource");
    assert_non_null(kit_event(k, "call.transfer.completed"));
}

static void who_does_not_hang_up_is_hung_up_on(void **s)
{
    struct kit *k = *s;
    talk(k);
    joined(k);
    assert_null(bridge_request(k, 1, "BYE"));
    assert_int_equal(k->c->row->timers[CALL_TMR_REFER], (uint64_t)k->now.wall_ms + REFER_BYE_FACTOR * KIT_T1);
    kit_timer(k, CALL_TMR_REFER);
    assert_non_null(bridge_request(k, 1, "BYE"));
    assert_null(bridge_request(k, 2, "BYE"));
    kit_assert_state(k, CALL_ST_ESTABLISHED);
}

static void who_hangs_up_is_let_go(void **s)
{
    struct kit *k = *s;
    talk(k);
    joined(k);
    bridge_asks(k, 1, "BYE", 12, "", NULL);
    kit_assert_reply(k, 200);
    bridge_assert_leg(k, 1, OUT_LEG_OVER);
    assert_int_equal(k->c->row->timers[CALL_TMR_REFER], 0);
    kit_assert_state(k, CALL_ST_ESTABLISHED);
}

static void he_hears_it_all_the_same(void **s)
{
    struct kit *k = *s;
    talk(k);
    refer_with(k, 11, TO);
    notify_answered(k, 200);
    bridge_asks(k, 1, "BYE", 12, "", NULL);
    kit_assert_reply(k, 200);
    kit_assert_state(k, CALL_ST_ESTABLISHED);
    bridge_asks(k, 1, "SUBSCRIBE", 13, "", "Event: refer\r\nExpires: 60\r\n");
    kit_assert_reply(k, 200);
    notify_answered(k, 200);
    found(k);
    BRIDGE_SAYS(k, 2, .status = 486);
    assert_notify(k, "SIP/2.0 486 Busy Here\r\n", "terminated;reason=noresource");
    assert_non_null(bridge_request(k, 0, "BYE")); /* nobody is left to go back to */
    kit_assert_state(k, CALL_ST_ENDING);
    assert_true(call_awaits_answers(k->c));
    notify_answered(k, 200);
    assert_int_equal(last(k)->sub, REFER_SUB_OVER);
}

static void who_stays_hangs_up(void **s)
{
    struct kit *k = *s;
    talk(k);
    refer_with(k, 11, TO);
    notify_answered(k, 200);
    found(k);
    struct call_input in = {.type = CALL_IN_TERMINATE, .reason = "", .asked_by = "sigctl"};
    kit_step(k, &in);
    assert_notify(k, "SIP/2.0 487 Request Terminated\r\n", "terminated;reason=noresource");
    assert_non_null(bridge_request(k, 0, "BYE"));
    assert_non_null(bridge_request(k, 1, "BYE"));
    assert_non_null(bridge_cancel(k, 2));
}

/* Each refers the other, one after the other; the first has his last word behind the end of the call. */
static void what_is_to_be_told_outlives_the_dialog(void **s)
{
    struct kit *k = *s;
    char branch[64];
    talk(k);
    refer_with(k, 11, TO);
    struct span b = row_span(last(k)->notify->branch);
    (void)snprintf(branch, sizeof(branch), "%.*s", SPAN_ARG(b));
    found(k);
    BRIDGE_SAYS(k, 2, .status = 486);
    assert_null(notify(k));
    bridge_asks_in(k, k->c->row->a, "REFER", 12, "", TO);
    kit_assert_reply(k, 403); /* bob is nobody's phone, and comes from no trusted peer */
    row_text(&bridge_leg(k, 1)->target->user, SPAN("bob"));
    bridge_asks_in(k, k->c->row->a, "REFER", 13, "", TO);
    kit_assert_reply(k, 202);
    assert_int_equal(k->c->row->n_refers, 2);
    kit_terminate(k, "sigctl");
    kit_bye_answer(k, 200);
    kit_assert_state(k, CALL_ST_ENDED);
    struct call_input in = {.type = CALL_IN_RESPONSE, .txn = span_cstr(branch), .status = 200};
    kit_step(k, &in);
    assert_notify(k, "SIP/2.0 486 Busy Here\r\n", "terminated;reason=noresource");
    kit_assert_has(notify(k), "NOTIFY sip:ali@192.0.2.1:5070 SIP/2.0\r\n");
    kit_assert_has(notify(k), "To: \"Ali\" <sip:05321112233@192.0.2.1>;tag=ft1\r\n");
}

/* --- a death --- */

static void a_notify_is_said_again(void **s)
{
    struct kit *k = *s;
    talk(k);
    refer_with(k, 11, TO);
    char branch[64];
    (void)snprintf(branch, sizeof(branch), "%.*s", SPAN_ARG(row_span(last(k)->notify->branch)));
    come_back(k);
    assert_notify(k, "SIP/2.0 100 Trying\r\n", "active;");
    assert_int_equal(notify(k)->txn_len, strlen(branch));
    assert_memory_equal(notify(k)->txn, branch, strlen(branch));
    assert_non_null(kit_effect(k, CALL_EFF_LOCATE, 0));
    k->now.wall_ms += 64 * (int64_t)KIT_T1 + 1; /* what is older is over everywhere */
    come_back(k);
    assert_null(notify(k));
    assert_int_equal(last(k)->sub, REFER_SUB_OVER);
}

/* The edge was away for so long that nobody hears it: nothing holds the call any more. */
static void a_notify_that_is_too_old_does_not_keep_the_call(void **s)
{
    struct kit *k = *s;
    talk(k);
    refer_with(k, 11, TO);
    found(k);
    BRIDGE_SAYS(k, 2, .status = 486);
    kit_terminate(k, "sigctl");
    kit_bye_answer(k, 200);
    bridge_bye_answered(k, 1);
    kit_assert_state(k, CALL_ST_ENDED);
    kit_timer(k, CALL_TMR_LINGER);
    assert_int_equal(kit_count(k, CALL_EFF_FORGET), 0); /* the NOTIFY is out */
    k->now.wall_ms += 64 * (int64_t)KIT_T1 + 1;
    call_effects_clear(&k->fx);
    call_ask_again(k->c, PLANE__PROC__PROC_EDGE, &k->fx, k->now);
    assert_int_equal(kit_count(k, CALL_EFF_FORGET), 1);
}

static void a_plan_is_asked_for_again(void **s)
{
    struct kit *k = *s;
    talk(k);
    refer_with(k, 11, "Refer-To: <sip:905551112233@203.0.113.5>\r\n");
    come_back(k);
    struct call_effect *job = kit_job(k, PLANE__RUN_JOB__KIND__SETUP);
    assert_non_null(job);
    assert_true(job->job->portless);
    assert_string_equal(job->job->destination, "905551112233");
}

/* --- what is refused --- */

static void refusals(void **s)
{
    struct kit *k = *s;
    talk(k);
    assert_refused(k, "", 400);
    assert_refused(k, "Refer-To: <sip:a@b>, <sip:c@d>\r\n", 400);
    assert_refused(k, "Refer-To: <sip:a@b;method=BYE>\r\n", 403);
    assert_refused(k, "Refer-To: <http://a/b>\r\n", 416);
    assert_refused(k, "Refer-To: <sip:b>\r\n", 484);
    assert_refused(k, TO "Refer-Sub: x\r\n", 400);
    assert_refused(k, TO "Require: x\r\n", 420);
    assert_refused(k, TO "Referred-By: <sip:a@b>, <sip:c@d>\r\n", 400);
}

static void of_whom_nothing_is_known(void **s)
{
    struct kit *k = *s;
    bridge_up(k);
    assert_refused(k, TO, 403);
}

static void one_at_a_time(void **s)
{
    struct kit *k = *s;
    talk(k);
    refer_with(k, 11, TO);
    bridge_asks(k, 1, "REFER", 12, "", TO);
    kit_assert_reply(k, 491);
    assert_int_equal(k->c->row->n_refers, 1);
}

static void before_and_after(void **s)
{
    struct kit *k = *s;
    k->user = "ali";
    bridge_answered(k);
    refer_with(k, 11, TO);
    kit_assert_has(kit_assert_reply(k, 500), "Retry-After: ");
    kit_ack(k, 10);
    kit_bye(k, 12);
    refer_with(k, 13, TO);
    kit_assert_reply(k, 481);
}

static void with_the_platform(void **s)
{
    struct kit *k = *s;
    k->user = "ali";
    kit_established(k);
    refer_with(k, 11, TO);
    kit_assert_reply(k, 403);
}

/* --- where it leads --- */

static void the_plan(struct kit *k, const char *action, const char *to, const char *plan)
{
    k->bridge_to = to;
    k->plan_id = plan;
    kit_done_id(k, kit_open_job(k, PLANE__RUN_JOB__KIND__SETUP)->id, PLANE__JOB_DONE__RESULT__OK, 0, action);
}

static void numbers_outside_are_for_users(void **s)
{
    struct kit *k = *s;
    static const char *const guests[] = {"GUEST", NULL};
    for (int user = 1; user >= 0; user--) {
        kit_fini(k);
        kit_init(k);
        k->trusted = user == 0;
        k->user = user ? "ali" : NULL;
        bridge_up(k);
        k->conf.route.trunk = "sip:trunk.example";
        k->conf.route.guest_plans = guests;
        refer_with(k, 11, "Refer-To: <sip:+905551112233@elsewhere.example;user=phone>\r\n");
        kit_assert_reply(k, 202);
        notify_answered(k, 200);
        the_plan(k, "BRIDGE_CALL", "", "GUEST");
        if (user) {
            kit_assert_has(bridge_request(k, 2, "INVITE"), "INVITE sip:905551112233@trunk.example SIP/2.0\r\n");
        } else {
            assert_null(bridge_request(k, 2, "INVITE"));
            assert_notify(k, "SIP/2.0 404 Not Found\r\n", "terminated;reason=noresource");
        }
        assert_int_equal(k->c->row->n_jobs, 0);
    }
}

static void a_name_that_is_nobodys_may_have_a_plan(void **s)
{
    struct kit *k = *s;
    talk(k);
    refer_with(k, 11, "Refer-To: <sip:sales@203.0.113.5>\r\n");
    notify_answered(k, 200);
    bridge_targets(k, "sales", NULL, 0, 404);
    assert_null(notify(k));
    the_plan(k, "BRIDGE_CALL", "carol", "DP_1");
    found(k);
    assert_non_null(bridge_request(k, 2, "INVITE"));
}

static void the_platform_is_no_target(void **s)
{
    struct kit *k = *s;
    talk(k);
    refer_with(k, 11, "Refer-To: <tel:+902121234567>\r\n");
    notify_answered(k, 200);
    the_plan(k, "START_AI_CONVERSATION", NULL, "DP_1");
    assert_notify(k, "SIP/2.0 403 Forbidden\r\n", "terminated;reason=noresource");
    kit_assert_state(k, CALL_ST_ESTABLISHED);
}

static void a_dialplan_that_fails(void **s)
{
    struct kit *k = *s;
    talk(k);
    refer_with(k, 11, "Refer-To: <tel:+902121234567>\r\n");
    notify_answered(k, 200);
    kit_setup_done(k, PLANE__JOB_DONE__RESULT__UNAVAILABLE, 0, NULL);
    assert_notify(k, "SIP/2.0 503 Service Unavailable\r\n", "terminated;reason=noresource");
    kit_assert_state(k, CALL_ST_ESTABLISHED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_is_whole),
        KIT_TEST(it_is_taken_and_told),
        KIT_TEST(a_refusal_is_the_last_word),
        KIT_TEST(what_is_overtaken_is_not_told),
        KIT_TEST(nobody_needs_to_listen),
        KIT_TEST(without_a_subscription),
        KIT_TEST(a_subscription_ends),
        KIT_TEST(who_does_not_hang_up_is_hung_up_on),
        KIT_TEST(who_hangs_up_is_let_go),
        KIT_TEST(he_hears_it_all_the_same),
        KIT_TEST(who_stays_hangs_up),
        KIT_TEST(what_is_to_be_told_outlives_the_dialog),
        KIT_TEST(a_notify_is_said_again),
        KIT_TEST(a_notify_that_is_too_old_does_not_keep_the_call),
        KIT_TEST(a_plan_is_asked_for_again),
        KIT_TEST(refusals),
        KIT_TEST(of_whom_nothing_is_known),
        KIT_TEST(one_at_a_time),
        KIT_TEST(before_and_after),
        KIT_TEST(with_the_platform),
        KIT_TEST(numbers_outside_are_for_users),
        KIT_TEST(a_name_that_is_nobodys_may_have_a_plan),
        KIT_TEST(the_platform_is_no_target),
        KIT_TEST(a_dialplan_that_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
