#include "tests/unit/testkit.h"

#include "publisher/asks.h"
#include <stdio.h>
#include <string.h>

struct seen {
    size_t sent[3];
    char id[ID_UUID_SIZE]; /* of the last request */
    char call_id[COMMAND_TEXT_MAX];
    bool down[3];
    size_t done;
    uint64_t tag;
    enum asks_outcome how;
};

static struct seen seen;
static struct asks *asks;

static bool on_send(void *user, uint32_t shard, const struct ask *k)
{
    (void)user;
    if (seen.down[shard])
        return false;
    seen.sent[shard]++;
    (void)snprintf(seen.id, sizeof seen.id, "%s", k->id);
    (void)snprintf(seen.call_id, sizeof seen.call_id, "%s", k->command.call_id);
    return true;
}

static void on_done(void *user, const struct ask *k, enum asks_outcome how, const char *detail)
{
    (void)user;
    assert_non_null(detail);
    assert_int_not_equal(k->command.call_id[0], '\0');
    (void)snprintf(seen.call_id, sizeof seen.call_id, "%s", k->command.call_id);
    seen.done++;
    seen.tag = k->tag;
    seen.how = how;
}

static int set_up(void **state)
{
    (void)state;
    seen = (struct seen){0};
    asks = asks_new(3, on_send, on_done, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    asks_free(asks);
    return 0;
}

static void add(uint64_t tag)
{
    struct command c = {.kind = COMMAND_TERMINATE, .call_id = "call", .reason = "why"};
    assert_int_equal(asks_add(asks, &(struct asks_from){.tag = tag}, &c, 0), 0);
}

static void answer(uint32_t shard, Plane__Terminated__Result result)
{
    Plane__Terminated t = PLANE__TERMINATED__INIT;
    t.id.data = (uint8_t *)seen.id;
    t.id.len = strlen(seen.id);
    t.result = result;
    asks_terminated(asks, shard, &t);
}

#define ENDING PLANE__TERMINATED__RESULT__ENDING
#define NOT_FOUND PLANE__TERMINATED__RESULT__NOT_FOUND
#define BUSY PLANE__TERMINATED__RESULT__BUSY

static void the_one_that_has_the_call_settles_it(void **state)
{
    (void)state;
    add(5);
    assert_int_equal(seen.sent[0] + seen.sent[1] + seen.sent[2], 3);
    assert_string_equal(seen.call_id, "call");
    answer(0, NOT_FOUND);
    assert_int_equal(seen.done, 0);
    answer(2, ENDING);
    assert_int_equal(seen.done, 1);
    assert_int_equal(seen.tag, 5);
    assert_int_equal(seen.how, ASKS_DONE);
    answer(1, NOT_FOUND); /* late */
    answer(2, ENDING);    /* doubled */
    assert_int_equal(seen.done, 1);
    assert_int_equal(asks_count(asks), 0);
}

static void nobody_knows_it(void **state)
{
    (void)state;
    add(1);
    answer(1, NOT_FOUND);
    answer(1, NOT_FOUND);
    answer(0, NOT_FOUND);
    assert_int_equal(seen.done, 0);
    answer(2, NOT_FOUND);
    assert_int_equal(seen.how, ASKS_NOT_FOUND);
}

static void busy_is_asked_again(void **state)
{
    (void)state;
    add(1);
    answer(0, NOT_FOUND);
    answer(1, BUSY);
    asks_tick(asks, 1000);
    assert_int_equal(seen.sent[0], 1); /* it has answered */
    assert_int_equal(seen.sent[1], 2);
}

static void a_shard_that_comes_back_is_asked(void **state)
{
    (void)state;
    seen.down[1] = true;
    add(1);
    char first[ID_UUID_SIZE];
    memcpy(first, seen.id, sizeof first);
    seen.down[1] = false;
    asks_shard_up(asks, 1);
    assert_int_equal(seen.sent[1], 1);
    assert_int_equal(seen.sent[0], 1);
    assert_string_equal(seen.id, first); /* the same id: done once, answered twice */
}

static void silence_is_given_up(void **state)
{
    (void)state;
    seen.down[2] = true;
    add(9);
    answer(0, NOT_FOUND);
    answer(1, NOT_FOUND);
    asks_tick(asks, ASKS_GIVE_UP_MS - 1);
    assert_int_equal(seen.done, 0);
    asks_tick(asks, ASKS_GIVE_UP_MS);
    assert_int_equal(seen.done, 1);
    assert_int_equal(seen.how, ASKS_NO_ANSWER);
    assert_int_equal(asks_count(asks), 0);
}

static void bounded(void **state)
{
    (void)state;
    struct command c = {.kind = COMMAND_TERMINATE, .call_id = "call"};
    for (uint64_t i = 0; i < ASKS_MAX; i++)
        add(i);
    assert_int_equal(asks_add(asks, &(struct asks_from){.tag = 99}, &c, 0), -1);
    asks_clear(asks);
    assert_int_equal(asks_count(asks), 0);
    assert_int_equal(seen.done, 0);
    answer(0, ENDING); /* of one that was forgotten */
    assert_int_equal(seen.done, 0);
    add(1);
}

static void strange_answers(void **state)
{
    (void)state;
    Plane__Terminated t = PLANE__TERMINATED__INIT;
    add(1);
    asks_terminated(asks, 0, &t); /* no id at all */
    answer(77, NOT_FOUND);        /* no such shard */
    answer(0, (Plane__Terminated__Result)42);
    assert_int_equal(seen.done, 0);
    assert_int_equal(asks_count(asks), 1);
}

static void control(enum command_kind kind, const char *call_id)
{
    struct command c = {.kind = kind, .to = "1002", .from = "1001", .key = "k"};
    (void)snprintf(c.call_id, sizeof c.call_id, "%s", call_id);
    assert_int_equal(asks_add(asks, &(struct asks_from){.tag = 7}, &c, 0), 0);
}

static void controlled(uint32_t shard, Plane__Controlled__Result result)
{
    Plane__Controlled m = PLANE__CONTROLLED__INIT;
    m.id.data = (uint8_t *)seen.id;
    m.id.len = strlen(seen.id);
    m.call_id = (char *)(uintptr_t) "answered";
    m.result = result;
    asks_controlled(asks, shard, &m);
}

static void a_transfer_is_for_whoever_has_the_call(void **state)
{
    (void)state;
    control(COMMAND_TRANSFER, "call");
    assert_int_equal(seen.sent[0] + seen.sent[1] + seen.sent[2], 3);
    controlled(0, PLANE__CONTROLLED__RESULT__NOT_FOUND);
    controlled(1, PLANE__CONTROLLED__RESULT__OK);
    assert_int_equal(seen.how, ASKS_DONE);
    control(COMMAND_TRANSFER, "call");
    controlled(2, PLANE__CONTROLLED__RESULT__REFUSED);
    assert_int_equal(seen.how, ASKS_REFUSED);
    control(COMMAND_TRANSFER, "call");
    controlled(2, PLANE__CONTROLLED__RESULT__INVALID);
    assert_int_equal(seen.how, ASKS_INVALID);
    assert_int_equal(asks_count(asks), 0);
}

static void a_new_call_is_for_one_shard(void **state)
{
    (void)state;
    control(COMMAND_INITIATE, "");
    assert_int_equal(seen.sent[0] + seen.sent[1] + seen.sent[2], 1);
    assert_int_equal(strlen(seen.call_id), ID_UUID_SIZE - 1); /* one was made */
    uint32_t shard = seen.sent[0] > 0 ? 0 : seen.sent[1] > 0 ? 1 : 2;
    controlled(shard, PLANE__CONTROLLED__RESULT__UNAVAILABLE); /* worth asking again */
    assert_int_equal(seen.done, 0);
    asks_tick(asks, 1000);
    assert_int_equal(seen.sent[shard], 2);
    controlled(shard, PLANE__CONTROLLED__RESULT__OK);
    assert_string_equal(seen.call_id, "answered"); /* that of the first time it was asked for */
    control(COMMAND_INITIATE, "mine");
    controlled(shard, PLANE__CONTROLLED__RESULT__NOT_FOUND);
    assert_int_equal(seen.how, ASKS_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_one_that_has_the_call_settles_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nobody_knows_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_transfer_is_for_whoever_has_the_call, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_new_call_is_for_one_shard, set_up, tear_down),
        cmocka_unit_test_setup_teardown(busy_is_asked_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_shard_that_comes_back_is_asked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(silence_is_given_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(strange_answers, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("asks", tests, NULL, NULL);
}
