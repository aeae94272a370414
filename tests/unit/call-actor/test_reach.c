/* Which bindings get what to keep their way open, and which leave when it is lost. */
#include "tests/unit/testkit.h"

#include "call-actor/call_row.h"
#include "call-actor/reach.h"

#define WALL_MS 1700000000000

static Store__AorRow *row;
static struct now now;

static int begin(void **state)
{
    (void)state;
    row = row_alloc(sizeof(*row));
    store__aor_row__init(row);
    now = (struct now){.mono_ms = 1000, .wall_ms = WALL_MS};
    return 0;
}

static int end(void **state)
{
    (void)state;
    store__aor_row__free_unpacked(row, NULL);
    return 0;
}

/* Came from 192.0.2.1:4000 by this transport; flow 0 on UDP. */
static Store__Binding *add(const char *contact, const char *transport, uint64_t flow)
{
    Store__Binding *b = row_alloc(sizeof(*b));
    Plane__Endpoint from = PLANE__ENDPOINT__INIT;
    store__binding__init(b);
    row_text(&b->contact, span_cstr(contact));
    from.transport = (char *)(uintptr_t)transport;
    from.addr = (char *)(uintptr_t) "192.0.2.1";
    from.port = 4000;
    from.flow = flow;
    b->source = row_endpoint(&from);
    b->request = 7;
    row_list_add(&row->bindings, &row->n_bindings, b);
    return b;
}

static void add_path(Store__Binding *b)
{
    row_list_add(&b->path, &b->n_path, row_text_dup(SPAN("<sip:p.example;lr>")));
}

static void assert_gets(const Store__Binding *b, enum reach_ping when_crlf, enum reach_ping when_options)
{
    assert_int_equal(reach_ping_of(b, REACH_NOTHING), REACH_NOTHING);
    assert_int_equal(reach_ping_of(b, REACH_CRLF), when_crlf);
    assert_int_equal(reach_ping_of(b, REACH_OPTIONS), when_options);
}

static void what_each_gets(void **state)
{
    (void)state;
    Store__Binding *udp = add("sip:a@192.0.2.1:4000", "UDP", 0);
    assert_gets(udp, REACH_NOTHING, REACH_OPTIONS);
    assert_false(reach_wants_ping(row, REACH_CRLF));
    assert_true(reach_wants_ping(row, REACH_OPTIONS));
    udp->nat = true;
    assert_gets(udp, REACH_CRLF, REACH_OPTIONS);
    assert_gets(add("sip:a@192.0.2.1:5060;transport=tcp", "TCP", 9), REACH_CRLF, REACH_CRLF);
    assert_gets(add("sip:a@192.0.2.1:5060;transport=tcp", "TCP", 0), REACH_NOTHING, REACH_OPTIONS);
    assert_gets(add("sip:a@192.0.2.1:4000;transport=tcp", "TCP", 0), REACH_NOTHING, REACH_NOTHING);
    assert_gets(add("sips:a@192.0.2.1:5061", "TLS", 9), REACH_CRLF, REACH_CRLF);
    assert_gets(add("sips:a@192.0.2.1:5061", "TLS", 0), REACH_NOTHING, REACH_NOTHING);
    Store__Binding *proxied = add("sip:a@10.0.0.1", "UDP", 0);
    proxied->nat = true;
    add_path(proxied);
    assert_gets(proxied, REACH_NOTHING, REACH_NOTHING);
    Store__Binding *by_service = add("sip:a@h", "UDP", 0);
    plane__endpoint__free_unpacked(by_service->source, NULL);
    by_service->source = NULL;
    assert_gets(by_service, REACH_NOTHING, REACH_NOTHING);
}

static void a_connection_that_ends_takes_those_along_that_had_no_other_way(void **state)
{
    (void)state;
    (void)add("sips:tls@192.0.2.1:5061", "TLS", 9);
    (void)add("sip:own-end@192.0.2.1:4000;transport=tcp", "TCP", 9);
    add("sip:nat@10.0.0.1:5060;transport=tcp", "TCP", 9)->nat = true;
    add("sip:outbound@192.0.2.1:5060;transport=tcp", "TCP", 9)->reg_id = 1;
    (void)add("sip:listens@192.0.2.1:5060;transport=tcp", "TCP", 9);
    (void)add("sip:other@192.0.2.1:4000;transport=tcp", "TCP", 10);
    (void)add("sip:udp@192.0.2.1:4000", "UDP", 0);
    add_path(add("sip:proxied@192.0.2.1:4000", "TCP", 9));
    struct reach_change is = reach_lose_flow(row, 9, true);
    assert_true(is.changed);
    assert_int_equal(is.removed, 4);
    static const char *const left[] = {"sip:listens@192.0.2.1:5060;transport=tcp",
                                       "sip:other@192.0.2.1:4000;transport=tcp", "sip:udp@192.0.2.1:4000",
                                       "sip:proxied@192.0.2.1:4000"};
    assert_int_equal(row->n_bindings, 4);
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(row->bindings[i]->contact, left[i]);
    assert_int_equal(row->bindings[0]->source->flow, 0);
    assert_int_equal(row->bindings[1]->source->flow, 10);
    assert_int_equal(row->bindings[3]->source->flow, 9);
}

static void one_that_may_have_ended_marks_only(void **state)
{
    (void)state;
    (void)add("sips:tls@192.0.2.1:5061", "TLS", 9);
    struct reach_change is = reach_lose_flow(row, 9, false);
    assert_true(is.changed);
    assert_int_equal(is.removed, 0);
    assert_int_equal(row->bindings[0]->source->flow, 0);
    is = reach_lose_flow(row, 9, true);
    assert_false(is.changed);
    is = reach_lose_flow(row, 0, true);
    assert_false(is.changed);
}

static void who_is_told_of_a_connection(void **state)
{
    (void)state;
    Plane__Endpoint flow = PLANE__ENDPOINT__INIT;
    flow.transport = (char *)(uintptr_t) "TCP";
    flow.flow = 9;
    (void)add("sip:udp@192.0.2.1", "UDP", 0);
    assert_int_equal(reach_flow_s(row, &flow, now), 0);
    add("sip:tcp@192.0.2.1", "TCP", 9)->expires_wall_ms = WALL_MS + 60000;
    add("sip:other@192.0.2.1", "TCP", 9)->expires_wall_ms = WALL_MS + 50000;
    add("sip:elsewhere@192.0.2.1", "TCP", 10)->expires_wall_ms = WALL_MS + 90000;
    assert_int_equal(reach_flow_s(row, &flow, now), 60);
    flow.transport = (char *)(uintptr_t) "UDP";
    assert_int_equal(reach_flow_s(row, &flow, now), 0);
}

static void where_a_phone_is_registered_from(void **state)
{
    (void)state;
    Plane__Endpoint e = PLANE__ENDPOINT__INIT;
    e.transport = (char *)(uintptr_t) "UDP";
    e.addr = (char *)(uintptr_t) "192.0.2.1";
    e.port = 4000;
    assert_false(reach_is_at(row, &e));
    (void)add("sip:a@10.0.0.1", "UDP", 0);
    assert_true(reach_is_at(row, &e));
    e.port = 4001;
    assert_false(reach_is_at(row, &e));
    e.port = 4000;
    e.addr = (char *)(uintptr_t) "192.0.2.2";
    assert_false(reach_is_at(row, &e));
    e.addr = row->bindings[0]->source->addr;
    e.transport = (char *)(uintptr_t) "TCP";
    assert_false(reach_is_at(row, &e));
}

static const struct reach_name name = {.contact = SPAN_INIT("sip:a@192.0.2.1"), .request = 7};

static Store__Binding *add_listening_by_tcp(void)
{
    return add("sip:a@192.0.2.1", "TCP", 0);
}

/* A phone that is cut off with its whole site for some minutes is still registered when the way is back. */
static void silence_marks_who_has_answered_before(void **state)
{
    (void)state;
    Store__Binding *b = add("sip:a@192.0.2.1", "UDP", 0);
    assert_true(reach_heard(row, &name).changed);
    for (unsigned i = 1; i <= REACH_MISSES_MAX + 5; i++) {
        struct reach_change is = reach_missed(row, &name, WALL_MS + 1000, now);
        assert_int_equal(is.removed, 0);
        assert_int_equal(is.changed, i <= REACH_MISSES_MAX);
        assert_int_equal(is.fell_silent, i == REACH_MISSES_MAX);
        assert_int_equal(reach_is_silent(b), i >= REACH_MISSES_MAX);
    }
    struct reach_change is = reach_heard(row, &name);
    assert_true(is.changed && is.is_back && !reach_is_silent(b));
    (void)reach_missed(row, &name, 0, now);
    assert_false(reach_heard(row, &name).is_back); /* it was not gone */
}

static void who_never_answered_is_not_counted(void **state)
{
    (void)state;
    const Store__Binding *b = add("sip:a@192.0.2.1", "UDP", 0);
    for (unsigned i = 0; i < 2 * REACH_MISSES_MAX; i++)
        assert_false(reach_missed(row, &name, WALL_MS, now).changed);
    assert_int_equal(b->misses, 0);
}

static void silence_without_a_connection_removes_while_others_answer(void **state)
{
    (void)state;
    const Store__Binding *b = add_listening_by_tcp();
    for (unsigned i = 1; i < REACH_MISSES_MAX; i++) {
        now.wall_ms = WALL_MS + i * 1000;
        struct reach_change is = reach_missed(row, &name, (uint64_t)now.wall_ms, now);
        assert_true(is.changed && is.removed == 0);
        assert_int_equal(b->misses, i);
        assert_int_equal(b->missed_wall_ms, WALL_MS + 1000);
    }
    assert_int_equal(reach_missed(row, &name, WALL_MS + 1000, now).removed, 1);
    assert_int_equal(row->n_bindings, 0);
}

static void silence_all_around_is_ours(void **state)
{
    (void)state;
    const Store__Binding *b = add_listening_by_tcp();
    for (unsigned i = 0; i < REACH_MISSES_MAX + 5; i++) {
        struct reach_change is = reach_missed(row, &name, WALL_MS - 1, now);
        assert_int_equal(is.removed, 0);
        assert_int_equal(is.changed, i < REACH_MISSES_MAX);
    }
    assert_int_equal(b->misses, REACH_MISSES_MAX);
    assert_int_equal(reach_missed(row, &name, WALL_MS, now).removed, 1); /* another has answered since */
}

static void an_answer_makes_good(void **state)
{
    (void)state;
    const Store__Binding *b = add("sip:a@192.0.2.1", "UDP", 0);
    assert_true(reach_heard(row, &name).changed);  /* it is one of those that answer */
    assert_false(reach_heard(row, &name).changed); /* nothing to write down */
    (void)reach_missed(row, &name, 0, now);
    assert_true(reach_heard(row, &name).changed);
    assert_int_equal(b->misses, 0);
    assert_int_equal(b->missed_wall_ms, 0);
}

static void what_was_registered_anew_is_another(void **state)
{
    (void)state;
    Store__Binding *b = add("sip:a@192.0.2.1", "UDP", 0);
    b->answers_options = true;
    b->request = 8;
    assert_false(reach_missed(row, &name, 0, now).changed);
    assert_false(reach_heard(row, &name).changed);
    b->request = 7;
    row_text(&b->contact, SPAN("sip:b@192.0.2.1"));
    assert_false(reach_missed(row, &name, 0, now).changed);
    assert_int_equal(b->misses, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_each_gets, begin, end),
        cmocka_unit_test_setup_teardown(a_connection_that_ends_takes_those_along_that_had_no_other_way, begin, end),
        cmocka_unit_test_setup_teardown(one_that_may_have_ended_marks_only, begin, end),
        cmocka_unit_test_setup_teardown(who_is_told_of_a_connection, begin, end),
        cmocka_unit_test_setup_teardown(where_a_phone_is_registered_from, begin, end),
        cmocka_unit_test_setup_teardown(silence_marks_who_has_answered_before, begin, end),
        cmocka_unit_test_setup_teardown(who_never_answered_is_not_counted, begin, end),
        cmocka_unit_test_setup_teardown(silence_without_a_connection_removes_while_others_answer, begin, end),
        cmocka_unit_test_setup_teardown(silence_all_around_is_ours, begin, end),
        cmocka_unit_test_setup_teardown(an_answer_makes_good, begin, end),
        cmocka_unit_test_setup_teardown(what_was_registered_anew_is_another, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
