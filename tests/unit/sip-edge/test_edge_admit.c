/* New calls while an actor has not said that they may come, or that they may not; and an edge that has just started. */
#include "tests/unit/sip-edge/server_kit.h"
#include "tests/unit/testkit.h"

#define T1_MS 500 /* of the fake */

static void expect_503(const char *text)
{
    kit_expect_reply(text, "SIP/2.0 503 Service Unavailable");
    uint32_t after;
    assert_int_equal(span_to_u32(span_cstr(fake_header(fake_sent_back(0), "Retry-After")), 100, &after), 0);
    assert_in_range(after, 5, 15);
}

static void before_the_actor_is_ready_calls_get_503(void **state)
{
    (void)state;
    fake_end();
    fake_begin(1, NULL);
    expect_503(INVITE);
    expect_503(OPTIONS);
    edge_actor_up(&fake.edge, 0, (struct now){.mono_ms = fake.now_ms});
    expect_503(INVITE);
    fake_admit(0, true);
    fake_forget();
    fake_rx(INVITE);
    fake_wait(TRYING_MS);
    assert_string_equal(fake_line(fake_sent_back(0)), "SIP/2.0 100 Trying");
}

/* From now on the edge knows every INVITE that somebody may still repeat. */
static void grow_old(void)
{
    fake_wait(64 * T1_MS);
}

static void calls_are_refused_when_told_to_and_dialogs_are_not(void **state)
{
    (void)state;
    const char *why;
    grow_old();
    fake_admit(0, false);
    assert_false(edge_is_ready(&fake.edge, &why));
    expect_503(INVITE);
    fake_forget();
    fake_rx(REINVITE);
    fake_rx(BYE);
    assert_int_equal(fake.told_cnt, 2);
    fake_admit(0, true);
    assert_true(edge_is_ready(&fake.edge, &why));
}

static void draining_refuses_calls(void **state)
{
    (void)state;
    const char *why;
    grow_old();
    edge_drain(&fake.edge, true);
    expect_503(INVITE);
    expect_503(OPTIONS);
    assert_true(edge_is_idle(&fake.edge));
    fake_rx(BYE);
    assert_false(edge_is_idle(&fake.edge));
    kit_answer(BYE_KEY, 200, RESP("200 OK", "z9hG4bKb", "2 BYE"));
    assert_true(edge_is_idle(&fake.edge));
    edge_drain(&fake.edge, false);
    assert_true(edge_is_ready(&fake.edge, &why));
}

/* The actor may know it: the repeat of an INVITE that an edge before this one took. */
static void a_fresh_edge_lets_the_actor_refuse(void **state)
{
    (void)state;
    fake_admit(0, false);
    expect_503(OPTIONS);
    fake_forget();
    fake_wait(64 * T1_MS - 1);
    fake_rx(INVITE);
    assert_int_equal(fake.told_cnt, 1);
    kit_assert_span(kit_span(kit_told_request(0)->txn), KEY);
    fake_wait(TRYING_MS);
    assert_string_equal(fake_line(fake_sent_back(0)), "SIP/2.0 100 Trying");
    kit_answer(KEY, 183, RESP("183 Session Progress", "z9hG4bKa", "1 INVITE"));
    kit_answer(KEY, 200, RESP("200 OK", "z9hG4bKa", "1 INVITE"));
    assert_string_equal(fake_line(fake_sent_back(0)), "SIP/2.0 200 OK");
    fake_forget();
    fake_wait(1);
    fake_rx(REQ("INVITE", "z9hG4bKn", "", "7 INVITE"));
    assert_int_equal(fake.told_cnt, 0);
    assert_string_equal(fake_line(fake_sent_back(0)), "SIP/2.0 503 Service Unavailable");
}

static void a_fresh_edge_asks_no_actor_that_is_away(void **state)
{
    (void)state;
    fake_admit(0, false);
    edge_actor_down(&fake.edge, 0, (struct now){.mono_ms = fake.now_ms});
    fake_wait(EDGE_GRACE_MS);
    expect_503(INVITE);
}

static void a_fresh_edge_listens_when_its_actors_have_spoken(void **state)
{
    (void)state;
    struct now t = {.mono_ms = 0};
    fake_end();
    fake_begin(2, NULL);
    t.mono_ms = fake.now_ms;
    assert_false(edge_knows_actors(&fake.edge, t));
    edge_actor_up(&fake.edge, 0, t);
    edge_actor_up(&fake.edge, 1, t);
    fake_admit(1, true);
    assert_false(edge_knows_actors(&fake.edge, t));
    fake_admit(0, false); /* a no is an answer too */
    assert_true(edge_knows_actors(&fake.edge, t));
    fake_end();
    fake_begin(1, NULL);
    t.mono_ms = fake.now_ms + EDGE_GRACE_MS - 1;
    assert_false(edge_knows_actors(&fake.edge, t));
    t.mono_ms++; /* nobody comes: callers get their 503 */
    assert_true(edge_knows_actors(&fake.edge, t));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(fn) cmocka_unit_test_setup_teardown(fn, kit_setup, kit_teardown)
        CASE(before_the_actor_is_ready_calls_get_503),
        CASE(calls_are_refused_when_told_to_and_dialogs_are_not),
        CASE(draining_refuses_calls),
        CASE(a_fresh_edge_listens_when_its_actors_have_spoken),
        CASE(a_fresh_edge_lets_the_actor_refuse),
        CASE(a_fresh_edge_asks_no_actor_that_is_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
