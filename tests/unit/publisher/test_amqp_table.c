#include "tests/unit/testkit.h"

#include "publisher/amqp_table.h"
#include "publisher/amqp_wire.h"
#include <string.h>

static struct amqp_fx fx;
static struct now at = {.mono_ms = 1000000};

static bool did(int effect)
{
    for (size_t i = 0; i < fx.count; i++) {
        if (fx.list[i] == effect)
            return true;
    }
    return false;
}

static void conn(struct amqp_conn *c, enum conn_event ev, uint16_t code, const char *text, enum conn_state expect)
{
    struct amqp_cause cause = {.code = code, .text = span_cstr(text)};
    fx = (struct amqp_fx){.count = 0};
    (void)fsm_step(&conn_fsm, &c->state, (uint8_t)ev, c, &cause, &fx, at);
    assert_int_equal(c->state, expect);
}

static struct amqp_conn new_conn(void)
{
    return (struct amqp_conn){
        .retry = {.min_ms = AMQP_RETRY_MIN_MS, .max_ms = AMQP_RETRY_MAX_MS, .calm_ms = AMQP_CALM_MS}};
}

static struct amqp_conn ready_conn(void)
{
    struct amqp_conn c = new_conn();
    conn(&c, CONN_EV_TIMER, 0, "", CONN_ST_RESOLVING);
    assert_true(did(CONN_FX_RESOLVE) && did(CONN_FX_ARM));
    conn(&c, CONN_EV_RESOLVED, 0, "", CONN_ST_DIALLING);
    assert_true(did(CONN_FX_DIAL) && did(CONN_FX_ARM));
    conn(&c, CONN_EV_DIALLED, 0, "", CONN_ST_GREETING);
    assert_true(did(CONN_FX_GREET) && did(CONN_FX_ARM));
    static const struct {
        int expects, effect, next;
    } steps[] = {
        {AMQP_RX_START, CONN_FX_LOGIN, CONN_ST_TUNING},
        {AMQP_RX_TUNE, CONN_FX_OPEN, CONN_ST_OPENING},
        {AMQP_RX_OPEN_OK, CONN_FX_OPEN_CHANNEL, CONN_ST_CHANNEL},
        {AMQP_RX_CHANNEL_OPEN_OK, CONN_FX_CONFIRM, CONN_ST_CONFIRM},
        {AMQP_RX_CONFIRM_OK, CONN_FX_DECLARE, CONN_ST_DECLARING},
        {AMQP_RX_EXCHANGE_OK, CONN_FX_UP, CONN_ST_READY},
    };
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        assert_int_equal(conn_expects(c.state), steps[i].expects);
        conn(&c, CONN_EV_RX_EXPECTED, 0, "", (enum conn_state)steps[i].next);
        assert_true(did(steps[i].effect));
    }
    assert_true(did(CONN_FX_DISARM)); /* no timer runs while it publishes */
    return c;
}

static void tables_are_sound(void **state)
{
    (void)state;
    const char *fault = fsm_check(&conn_fsm, CONN_ST_WAITING, CONN_ST_STOPPED);
    assert_string_equal(fault != NULL ? fault : "", "");
    fault = fsm_check(&cmdq_fsm, CMDQ_ST_OFF, CMDQ_ST_OFF);
    assert_string_equal(fault != NULL ? fault : "", "");
}

static void comes_up_and_is_lost(void **state)
{
    (void)state;
    struct amqp_conn c = ready_conn();
    conn(&c, CONN_EV_LOST, 0, "gone", CONN_ST_WAITING);
    assert_true(did(CONN_FX_DOWN) && did(CONN_FX_HANG_UP) && did(CONN_FX_FAILED) && did(CONN_FX_ARM));
    assert_int_equal(fx.list[0], CONN_FX_DOWN); /* the window is told before the socket goes */
    assert_int_equal(fx.arm_ms, AMQP_RETRY_MIN_MS);
    assert_string_equal(c.detail, "gone");
}

static void tries_for_ever_with_growing_pauses(void **state)
{
    (void)state;
    static const int64_t pauses[] = {100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000};
    struct amqp_conn c = new_conn();
    for (size_t i = 0; i < sizeof pauses / sizeof pauses[0]; i++) {
        conn(&c, CONN_EV_TIMER, 0, "", CONN_ST_RESOLVING);
        conn(&c, CONN_EV_RESOLVED, 0, "", CONN_ST_DIALLING);
        conn(&c, CONN_EV_LOST, 0, "refused", CONN_ST_WAITING);
        assert_int_equal(fx.arm_ms, pauses[i]);
        assert_false(did(CONN_FX_DOWN)); /* it was not up */
        at.mono_ms += fx.arm_ms;
    }
}

static void every_set_up_step_can_fail_every_way(void **state)
{
    (void)state;
    static const enum conn_event ways[] = {CONN_EV_TIMER, CONN_EV_RX_UNEXPECTED, CONN_EV_RX_CHANNEL_CLOSE,
                                           CONN_EV_RX_CLOSE, CONN_EV_LOST};
    for (uint8_t st = CONN_ST_GREETING; st < CONN_ST_READY; st++) {
        for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
            struct amqp_conn c = new_conn();
            c.state = st;
            conn(&c, ways[i], 500, "why", CONN_ST_WAITING);
            assert_true(did(CONN_FX_HANG_UP) && did(CONN_FX_ARM) && did(CONN_FX_FAILED));
            assert_int_not_equal(c.detail[0], '\0');
            assert_false(c.refused);
        }
    }
}

static void refusals_that_need_a_person_are_tried_slowly(void **state)
{
    (void)state;
    static const uint16_t codes[] = {403, 404, 406, 530};
    for (size_t i = 0; i < 4; i++) {
        struct amqp_conn c = new_conn();
        c.state = CONN_ST_DECLARING;
        conn(&c, CONN_EV_RX_CHANNEL_CLOSE, codes[i], "PRECONDITION_FAILED - inequivalent arg 'type'", CONN_ST_WAITING);
        assert_int_equal(fx.arm_ms, AMQP_RETRY_SLOW_MS);
        assert_true(c.refused);
        assert_non_null(strstr(c.detail, "inequivalent arg 'type'"));
        conn(&c, CONN_EV_TIMER, 0, "", CONN_ST_RESOLVING);
        conn(&c, CONN_EV_LOST, 0, "no such name", CONN_ST_WAITING);
        assert_false(c.refused);
    }
}

static void close_is_answered(void **state)
{
    (void)state;
    struct amqp_conn c = ready_conn();
    conn(&c, CONN_EV_RX_CLOSE, 320, "CONNECTION_FORCED", CONN_ST_WAITING);
    assert_true(did(CONN_FX_DOWN) && did(CONN_FX_CLOSE_OK) && did(CONN_FX_HANG_UP));
    assert_false(c.refused);
}

static void blocked_and_on_again(void **state)
{
    (void)state;
    struct amqp_conn c = ready_conn();
    conn(&c, CONN_EV_RX_UNBLOCKED, 0, "", CONN_ST_READY);
    conn(&c, CONN_EV_RX_BLOCKED, 0, "low on memory", CONN_ST_BLOCKED);
    assert_true(did(CONN_FX_HOLD));
    assert_string_equal(c.detail, "blocked by the broker: low on memory");
    conn(&c, CONN_EV_RX_BLOCKED, 0, "low on disk", CONN_ST_BLOCKED);
    conn(&c, CONN_EV_RX_UNBLOCKED, 0, "", CONN_ST_READY);
    assert_true(did(CONN_FX_GO_ON));
    assert_string_equal(c.detail, "");
    conn(&c, CONN_EV_RX_BLOCKED, 0, "low on memory", CONN_ST_BLOCKED);
    conn(&c, CONN_EV_LOST, 0, "gone", CONN_ST_WAITING);
    assert_true(did(CONN_FX_DOWN));
}

static void next_address(void **state)
{
    (void)state;
    struct amqp_conn c = new_conn();
    conn(&c, CONN_EV_TIMER, 0, "", CONN_ST_RESOLVING);
    conn(&c, CONN_EV_RESOLVED, 0, "", CONN_ST_DIALLING);
    conn(&c, CONN_EV_NEXT_ADDRESS, 0, "", CONN_ST_DIALLING);
    assert_int_equal(fx.list[0], CONN_FX_HANG_UP);
    assert_int_equal(fx.list[1], CONN_FX_DIAL);
    conn(&c, CONN_EV_DIALLED_TLS, 0, "", CONN_ST_SECURING);
    assert_true(did(CONN_FX_SECURE));
    conn(&c, CONN_EV_SECURED, 0, "", CONN_ST_GREETING);
    assert_true(did(CONN_FX_GREET));
}

static void stops_from_everywhere(void **state)
{
    (void)state;
    for (uint8_t st = 0; st < CONN_STATES; st++) {
        struct amqp_conn c = new_conn();
        c.state = st;
        bool up = st == CONN_ST_READY || st == CONN_ST_BLOCKED;
        conn(&c, CONN_EV_STOP, 0, "", up || st == CONN_ST_CLOSING ? CONN_ST_CLOSING : CONN_ST_STOPPED);
        if (up)
            assert_true(did(CONN_FX_CLOSE) && did(CONN_FX_ARM));
        else if (st != CONN_ST_CLOSING && st != CONN_ST_STOPPED)
            assert_true(did(CONN_FX_STOPPED));
    }
    static const enum conn_event ends[] = {CONN_EV_RX_EXPECTED, CONN_EV_TIMER, CONN_EV_LOST, CONN_EV_RX_CLOSE};
    for (size_t i = 0; i < 4; i++) {
        struct amqp_conn c = {.state = CONN_ST_CLOSING};
        conn(&c, ends[i], 0, "", CONN_ST_STOPPED);
        assert_true(did(CONN_FX_STOPPED));
    }
}

static void long_reasons_are_cut(void **state)
{
    (void)state;
    char text[1000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    struct amqp_conn c = ready_conn();
    conn(&c, CONN_EV_RX_CLOSE, 500, text, CONN_ST_WAITING);
    assert_int_equal(strlen(c.detail), AMQP_DETAIL_MAX - 1);
}

/* --- the command queue --- */

static void cmdq(struct amqp_cmdq *q, enum cmdq_event ev, enum cmdq_state expect)
{
    struct amqp_cause cause = {.code = 406, .text = SPAN("PRECONDITION_FAILED")};
    fx = (struct amqp_fx){.count = 0};
    (void)fsm_step(&cmdq_fsm, &q->state, (uint8_t)ev, q, &cause, &fx, at);
    assert_int_equal(q->state, expect);
}

static struct amqp_cmdq consuming(void)
{
    static const struct {
        int expects, effect, next;
    } steps[] = {
        {AMQP_RX_CHANNEL_OPEN_OK, CMDQ_FX_DECLARE, CMDQ_ST_DECLARING},
        {AMQP_RX_QUEUE_OK, CMDQ_FX_BIND_1, CMDQ_ST_BINDING_1},
        {AMQP_RX_BIND_OK, CMDQ_FX_BIND_2, CMDQ_ST_BINDING_2},
        {AMQP_RX_BIND_OK, CMDQ_FX_BIND_3, CMDQ_ST_BINDING_3},
        {AMQP_RX_BIND_OK, CMDQ_FX_LIMIT, CMDQ_ST_LIMITING},
        {AMQP_RX_QOS_OK, CMDQ_FX_SUBSCRIBE, CMDQ_ST_SUBSCRIBING},
        {AMQP_RX_CONSUME_OK, CMDQ_FX_READY, CMDQ_ST_CONSUMING},
    };
    struct amqp_cmdq q = {0};
    cmdq(&q, CMDQ_EV_UP, CMDQ_ST_CHANNEL);
    assert_true(did(CMDQ_FX_CHANNEL) && did(CMDQ_FX_ARM));
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        assert_int_equal(cmdq_expects(q.state), steps[i].expects);
        cmdq(&q, CMDQ_EV_RX_EXPECTED, (enum cmdq_state)steps[i].next);
        assert_true(did(steps[i].effect));
    }
    assert_true(did(CMDQ_FX_DISARM));
    return q;
}

static void a_refused_queue_is_tried_again(void **state)
{
    (void)state;
    struct amqp_cmdq q = consuming();
    cmdq(&q, CMDQ_EV_RX_CHANNEL_CLOSE, CMDQ_ST_REPAIR);
    assert_true(did(CMDQ_FX_CLOSE_OK) && did(CMDQ_FX_REFUSED) && did(CMDQ_FX_ARM));
    assert_int_equal(fx.arm_ms, AMQP_RETRY_SLOW_MS);
    assert_non_null(strstr(q.detail, "406"));
    cmdq(&q, CMDQ_EV_TIMER, CMDQ_ST_CHANNEL);
    assert_true(did(CMDQ_FX_CHANNEL));
}

static void a_deleted_queue_is_declared_again(void **state)
{
    (void)state;
    struct amqp_cmdq q = consuming();
    cmdq(&q, CMDQ_EV_RX_CANCEL, CMDQ_ST_DECLARING);
    assert_true(did(CMDQ_FX_DECLARE) && did(CMDQ_FX_ARM));
}

static void a_broker_out_of_turn_costs_the_connection(void **state)
{
    (void)state;
    for (uint8_t st = CMDQ_ST_CHANNEL; st < CMDQ_ST_CONSUMING; st++) {
        struct amqp_cmdq q = {.state = st};
        cmdq(&q, CMDQ_EV_RX_UNEXPECTED, CMDQ_ST_OFF);
        assert_true(did(CMDQ_FX_FAULT));
        q.state = st;
        cmdq(&q, CMDQ_EV_TIMER, CMDQ_ST_OFF);
        assert_true(did(CMDQ_FX_FAULT));
    }
    for (uint8_t st = 0; st < CMDQ_STATES; st++) {
        struct amqp_cmdq q = {.state = st};
        cmdq(&q, CMDQ_EV_DOWN, CMDQ_ST_OFF);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_are_sound),
        cmocka_unit_test(comes_up_and_is_lost),
        cmocka_unit_test(tries_for_ever_with_growing_pauses),
        cmocka_unit_test(every_set_up_step_can_fail_every_way),
        cmocka_unit_test(refusals_that_need_a_person_are_tried_slowly),
        cmocka_unit_test(close_is_answered),
        cmocka_unit_test(blocked_and_on_again),
        cmocka_unit_test(next_address),
        cmocka_unit_test(stops_from_everywhere),
        cmocka_unit_test(long_reasons_are_cut),
        cmocka_unit_test(a_refused_queue_is_tried_again),
        cmocka_unit_test(a_deleted_queue_is_declared_again),
        cmocka_unit_test(a_broker_out_of_turn_costs_the_connection),
    };
    return cmocka_run_group_tests_name("amqp_table", tests, NULL, NULL);
}
