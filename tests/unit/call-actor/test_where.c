/* Who is rung for a user, an extension or a name: which question leads to which, and what the call is told. */
#include "tests/unit/call-actor/where_kit.h"

#include "call-actor/reach.h"

/* --- a name --- */

static void who_is_here_is_told_at_the_end_of_the_turn(void **state)
{
    (void)state;
    w.registered = user_of(0, "alice");
    ask(w.registered);
    expect_told(w.registered, "0 1 sip:phone@192.0.2.7");
    assert_int_equal(w.sent_cnt, 0);
}

static void who_is_silent_rings_when_nobody_else_can(void **state)
{
    (void)state;
    w.registered = user_of(0, "alice");
    w.misses = REACH_MISSES_MAX;
    w.second = "sip:other@192.0.2.8";
    ask(w.registered);
    expect_told(w.registered, "0 1 sip:other@192.0.2.8");
    w.told_cnt = 0;
    w.second = NULL;
    ask(w.registered);
    expect_told(w.registered, "0 1 sip:phone@192.0.2.7");
    w.told_cnt = 0;
    w.second = "sip:other@192.0.2.8";
    w.misses = REACH_MISSES_MAX - 1;
    ask(w.registered);
    expect_told(w.registered, "0 2 sip:phone@192.0.2.7");
}

static void who_is_away_is_known_or_not(void **state)
{
    (void)state;
    const struct cred known = {.known = true}, unknown = {.known = false};
    const struct {
        const struct cred *told;
        const char *what;
    } rows[] = {{&known, "480 0 "}, {&unknown, "404 0 "}, {NULL, "503 0 "}};
    const char *who = user_of(0, "bob");
    for (size_t i = 0; i < 3; i++) {
        w.told_cnt = 0;
        ask(who);
        assert_int_equal(w.told_cnt, 0);
        tell_known(rows[i].told);
        expect_told(who, rows[i].what);
    }
}

static void what_was_said_lately_is_not_asked(void **state)
{
    (void)state;
    const char *who = user_of(0, "bob");
    w.known = 1;
    ask(who);
    expect_told(who, "480 0 ");
    w.told_cnt = 0;
    w.known = 0;
    ask(who);
    expect_told(who, "404 0 ");
    assert_null(w.waits);
}

static void without_memory_it_cannot_be_found_out(void **state)
{
    (void)state;
    const char *who = user_of(0, "bob");
    w.no_users = true;
    ask(who);
    expect_told(who, "503 0 ");
}

/* A contact that would cost money is as good as none: he is known, and cannot be reached. */
static void a_contact_that_may_not_be_rung(void **state)
{
    (void)state;
    w.registered = user_of(0, "eve");
    w.contact = "sip:+19005551234@gw.example.com";
    ask(w.registered);
    expect_told(w.registered, "480 0 ");
    w.told_cnt = 0;
    row_text(&entry->call->row->auth_user, SPAN("carol")); /* she may call it herself */
    ask(w.registered);
    expect_told(w.registered, "0 1 sip:+19005551234@gw.example.com");
}

/* --- another shard's --- */

static void another_shard_is_asked(void **state)
{
    (void)state;
    const char *who = user_of(1, "dave");
    w.registered = who; /* not looked at here */
    ask(who);
    expect_sent(0, "where", who);
    assert_int_equal(w.told_cnt, 0);
    tell_where(who, "sip:dave@192.0.2.8");
    expect_told(who, "0 1 sip:dave@192.0.2.8");
    tell_where(who, "sip:dave@192.0.2.8"); /* again: too late */
    assert_int_equal(w.told_cnt, 1);
}

static void another_shard_has_nobody(void **state)
{
    (void)state;
    const char *who = user_of(1, "dave");
    w.known = 1;
    ask(who);
    tell_where(who, NULL);
    expect_told(who, "480 0 ");
}

static void another_shard_is_asked_again_and_given_up(void **state)
{
    (void)state;
    const char *who = user_of(1, "dave");
    ask(who);
    where_ask_again(&a); /* the orchestrator is new */
    assert_int_equal(w.sent_cnt, 2);
    pass(WHERE_AGAIN_MS);
    assert_int_equal(w.sent_cnt, 3);
    pass(WHERE_ANSWER_MS);
    expect_told(who, "503 0 ");
    assert_null(w.timer);
    assert_int_equal(w.sent_cnt, 3);
}

static void a_row_that_is_none(void **state)
{
    (void)state;
    const char *who = user_of(1, "dave");
    uint8_t junk[] = "\xff\xff\xff";
    ask(who);
    Plane__Whereabouts m = PLANE__WHEREABOUTS__INIT;
    m.id = last_id();
    m.row = (ProtobufCBinaryData){.len = 3, .data = junk};
    where_on_told(&a, &m);
    expect_told(who, "503 0 ");
}

static void others_are_served(void **state)
{
    (void)state;
    Plane__Where m = PLANE__WHERE__INIT;
    w.registered = "alice";
    m.id = (ProtobufCBinaryData){.len = 2, .data = (uint8_t *)(uintptr_t) "q1"};
    m.user = (char *)"alice";
    m.asker = 1;
    where_serve(&a, &m);
    m.user = (char *)"nobody";
    where_serve(&a, &m);
    expect_sent(0, "told", "1 row");
    expect_sent(1, "told", "1 nothing");
}

/* --- an extension --- */

static const char *extension(unsigned shard)
{
    return user_of(shard, "10");
}

static void an_extension_that_is_a_sip_user(void **state)
{
    (void)state;
    w.registered = extension(0);
    ask(w.registered);
    expect_told(w.registered, "0 1 sip:phone@192.0.2.7");
}

static void an_extension_leads_to_its_users_phone(void **state)
{
    (void)state;
    const char *who = extension(0);
    w.registered = user_of(0, "alice");
    ask(who);
    expect_sent(0, "owner", who);
    tell_owner(PLANE__JOB_DONE__RESULT__OK, "sip", w.registered);
    expect_told(who, "0 1 sip:phone@192.0.2.7");
}

static void a_contact_may_be_an_address(void **state)
{
    (void)state;
    static const char *const forms[][2] = {
        {"", "@sentiric_demo"}, {"sip:", "@sentiric_demo"}, {"<sip:", "@sentiric_demo>"}};
    const char *who = extension(0);
    w.registered = user_of(0, "alice");
    for (size_t i = 0; i < 3; i++) {
        char value[64];
        (void)snprintf(value, sizeof(value), "%s%s%s", forms[i][0], w.registered, forms[i][1]);
        w.told_cnt = 0;
        ask(who);
        tell_owner(PLANE__JOB_DONE__RESULT__OK, "sip", value);
        expect_told(who, "0 1 sip:phone@192.0.2.7");
    }
    w.told_cnt = 0;
    ask(who);
    tell_owner(PLANE__JOB_DONE__RESULT__OK, "sip", "@");
    expect_told(who, "480 0 ");
}

static void an_extension_leads_to_another_shard(void **state)
{
    (void)state;
    const char *who = extension(0);
    const char *user = user_of(1, "alice");
    ask(who);
    tell_owner(PLANE__JOB_DONE__RESULT__OK, "sip", user);
    expect_sent(1, "where", user);
    tell_where(user, "sip:alice@192.0.2.8");
    expect_told(who, "0 1 sip:alice@192.0.2.8");
}

static void an_extension_whose_user_is_away(void **state)
{
    (void)state;
    const char *who = extension(0);
    ask(who);
    tell_owner(PLANE__JOB_DONE__RESULT__OK, "sip", user_of(0, "alice"));
    expect_told(who, "480 0 ");
    w.told_cnt = 0;
    ask(who);
    tell_owner(PLANE__JOB_DONE__RESULT__OK, NULL, NULL); /* a user without a SIP name */
    expect_told(who, "480 0 ");
}

static void an_extension_of_nobody(void **state)
{
    (void)state;
    const char *who = extension(0);
    const struct cred known = {.known = true};
    w.known = 0;
    ask(who);
    tell_owner(PLANE__JOB_DONE__RESULT__NOT_FOUND, NULL, NULL);
    expect_told(who, "404 0 ");
    w.told_cnt = 0;
    w.known = -1;
    ask(who); /* it may be a SIP user name all the same */
    tell_owner(PLANE__JOB_DONE__RESULT__NOT_FOUND, NULL, NULL);
    tell_known(&known);
    expect_told(who, "480 0 ");
}

static void user_service_is_away(void **state)
{
    (void)state;
    const char *who = extension(0);
    ask(who);
    tell_owner(PLANE__JOB_DONE__RESULT__UNAVAILABLE, NULL, NULL);
    expect_told(who, "503 0 ");
    w.told_cnt = 0;
    ask(who);
    where_ask_again(&a);
    pass(WHERE_AGAIN_MS);
    assert_int_equal(w.sent_cnt, 4);
    pass(WHERE_ANSWER_MS);
    expect_told(who, "503 0 ");
}

/* To be told that nobody knows kills: the call ends, or, when that kills, too, is forgotten. */
static void an_answer_that_kills_ends_its_call(void **state)
{
    (void)state;
    char id[64];
    const char *who = user_of(1, "dave");
    (void)snprintf(id, sizeof(id), "where %016llx/%s", (unsigned long long)KEY, who);
    w.verdict = WORK_TELL;
    ask(who);
    pass(WHERE_ANSWER_MS);
    assert_string_equal(w.at_work, id);
    assert_int_equal(w.ended, 1);
    w.verdict = WORK_DROP;
    ask(who);
    pass(WHERE_ANSWER_MS);
    assert_int_equal(w.forgotten, 1);
    entry->gone = true;
    ask(who);
    pass(WHERE_ANSWER_MS);
    assert_int_equal(w.ended + w.forgotten, 2);
    assert_int_equal(w.told_cnt, 0);
    assert_null(w.timer);
}

/* --- what calls do meanwhile --- */

static void asked_twice_it_is_one(void **state)
{
    (void)state;
    const char *who = user_of(1, "dave");
    ask(who);
    where_ask(&a, entry, span_cstr(who));
    where_answer(&a);
    assert_int_equal(w.sent_cnt, 1);
    tell_where(who, "sip:dave@192.0.2.8");
    assert_int_equal(w.told_cnt, 1);
}

static void a_call_that_is_gone_is_told_nothing(void **state)
{
    (void)state;
    const char *who = user_of(1, "dave");
    ask(who);
    entry->gone = true;
    tell_where(who, "sip:dave@192.0.2.8");
    assert_int_equal(w.told_cnt, 0);
    assert_null(w.timer);
}

static void strange_answers_are_dropped(void **state)
{
    (void)state;
    Plane__JobDone d = PLANE__JOB_DONE__INIT;
    d.id = (ProtobufCBinaryData){.len = 6, .data = (uint8_t *)(uintptr_t) "auth-1"};
    assert_false(where_on_job_done(&a, &d));
    d.id = (ProtobufCBinaryData){.len = 7, .data = (uint8_t *)(uintptr_t) "where-1"};
    assert_true(where_on_job_done(&a, &d));
    ask(user_of(1, "dave"));
    tell_owner(PLANE__JOB_DONE__RESULT__OK, "sip", "x"); /* it waits for something else */
    assert_int_equal(w.told_cnt, 0);
}

static void too_many_wait(void **state)
{
    (void)state;
    char who[16];
    for (unsigned i = 0; i < WHERE_QUESTIONS_MAX; i++) {
        (void)snprintf(who, sizeof(who), "user%u", i);
        where_ask(&a, entry, span_cstr(who));
    }
    where_ask(&a, entry, SPAN("one-more"));
    where_answer(&a);
    expect_told("user0", "503 0 ");
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(who_is_here_is_told_at_the_end_of_the_turn),
        TEST(who_is_silent_rings_when_nobody_else_can),
        TEST(who_is_away_is_known_or_not),
        TEST(what_was_said_lately_is_not_asked),
        TEST(without_memory_it_cannot_be_found_out),
        TEST(a_contact_that_may_not_be_rung),
        TEST(another_shard_is_asked),
        TEST(another_shard_has_nobody),
        TEST(another_shard_is_asked_again_and_given_up),
        TEST(a_row_that_is_none),
        TEST(others_are_served),
        TEST(an_extension_that_is_a_sip_user),
        TEST(an_extension_leads_to_its_users_phone),
        TEST(a_contact_may_be_an_address),
        TEST(an_extension_leads_to_another_shard),
        TEST(an_extension_whose_user_is_away),
        TEST(an_extension_of_nobody),
        TEST(user_service_is_away),
        TEST(an_answer_that_kills_ends_its_call),
        TEST(asked_twice_it_is_one),
        TEST(a_call_that_is_gone_is_told_nothing),
        TEST(strange_answers_are_dropped),
        TEST(too_many_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
