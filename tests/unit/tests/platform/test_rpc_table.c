#include "tests/unit/testkit.h"

#include "tests/platform/rpc_call.h"

static unsigned step(uint8_t *state, enum rpc_event ev)
{
    unsigned fx = 0;
    (void)fsm_step(&rpc_call_fsm, state, (uint8_t)ev, NULL, NULL, &fx, (struct now){0});
    return fx;
}

static void test_table_is_sound(void **state)
{
    (void)state;
    assert_null(fsm_check(&rpc_call_fsm, RPC_ST_POSTED, RPC_ST_FREE));
}

static void test_usual_call(void **state)
{
    (void)state;
    uint8_t st = RPC_ST_POSTED;
    assert_int_equal(step(&st, RPC_EV_ARRIVED), RPC_FX_ANSWER);
    assert_int_equal(step(&st, RPC_EV_SENT), 0);
    assert_int_equal(st, RPC_ST_FREE);
}

/* The end of a held call may be seen before or after its late answer has left. */
static void test_held_call(void **state)
{
    (void)state;
    for (int end_first = 0; end_first < 2; end_first++) {
        uint8_t st = RPC_ST_POSTED;
        assert_int_equal(step(&st, RPC_EV_ARRIVED_HELD), RPC_FX_WATCH_END | RPC_FX_HOLD);
        assert_int_equal(step(&st, RPC_EV_DUE), RPC_FX_UNHOLD | RPC_FX_ANSWER_HELD);
        (void)step(&st, end_first ? RPC_EV_CLOSED : RPC_EV_SENT);
        assert_int_not_equal(st, RPC_ST_FREE);
        (void)step(&st, end_first ? RPC_EV_SENT : RPC_EV_CLOSED);
        assert_int_equal(st, RPC_ST_FREE);
    }
}

static void test_client_gives_up(void **state)
{
    (void)state;
    uint8_t st = RPC_ST_POSTED;
    (void)step(&st, RPC_EV_ARRIVED_HELD);
    assert_int_equal(step(&st, RPC_EV_CLOSED), RPC_FX_UNHOLD);
    assert_int_equal(st, RPC_ST_FREE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table_is_sound),
        cmocka_unit_test(test_usual_call),
        cmocka_unit_test(test_held_call),
        cmocka_unit_test(test_client_gives_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
