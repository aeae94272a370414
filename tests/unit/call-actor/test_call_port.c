/* Ports on their way back; asking again after a restart; ids. */
#include "tests/unit/call-actor/call_kit.h"

#include "call-actor/call_job.h"

/* --- ports --- */

static void unreachable_media_service_is_asked_again(void **s)
{
    struct kit *k = *s;
    char first[64];
    kit_established(k);
    kit_bye(k, 11);
    struct call_effect *e = kit_job(k, PLANE__RUN_JOB__KIND__RELEASE_PORT);
    (void)snprintf(first, sizeof(first), "%.*s", (int)e->txn_len, e->txn);
    kit_released(k, PLANE__JOB_DONE__RESULT__UNAVAILABLE);
    assert_int_equal(kit_count(k, CALL_EFF_JOB), 0);
    assert_int_equal(kit_arm(k, CALL_TMR_RELEASE)->at_wall_ms, (uint64_t)k->now.wall_ms + JOB_RELEASE_RETRY_MS);
    kit_timer(k, CALL_TMR_RELEASE);
    e = kit_job(k, PLANE__RUN_JOB__KIND__RELEASE_PORT);
    assert_int_equal(e->job->rtp_port, KIT_PORT);
    assert_string_not_equal(strndupa(e->txn, e->txn_len), first); /* the old id is answered */
    kit_released(k, PLANE__JOB_DONE__RESULT__UNAVAILABLE);
    assert_int_equal(kit_arm(k, CALL_TMR_RELEASE)->at_wall_ms, (uint64_t)k->now.wall_ms + 2 * JOB_RELEASE_RETRY_MS);
    kit_timer(k, CALL_TMR_RELEASE);
    kit_released(k, PLANE__JOB_DONE__RESULT__OK);
    assert_int_equal(k->c->row->port_state, STORE__PORT_STATE__PORT_RELEASED);
}

static void release_is_given_up_in_the_end(void **s)
{
    struct kit *k = *s;
    kit_established(k);
    kit_bye(k, 11);
    for (unsigned i = 0; i < JOB_RELEASE_TRIES_MAX; i++) {
        uint64_t wait = (uint64_t)JOB_RELEASE_RETRY_MS << i;
        kit_released(k, PLANE__JOB_DONE__RESULT__UNAVAILABLE);
        assert_int_equal(k->c->row->timers[CALL_TMR_RELEASE] - (uint64_t)k->now.wall_ms,
                         wait < JOB_RELEASE_RETRY_MAX_MS ? wait : JOB_RELEASE_RETRY_MAX_MS);
        kit_timer(k, CALL_TMR_RELEASE);
        assert_int_equal(kit_count(k, CALL_EFF_JOB), 1);
    }
    kit_released(k, PLANE__JOB_DONE__RESULT__UNAVAILABLE);
    kit_assert_log(k, CALL_LOG_ERROR, "port 10050 may be lost");
    assert_false(call_is_busy(k->c));
}

/* Two ports are out: the timer that runs serves both. */
static void one_timer_serves_all_releases(void **s)
{
    struct kit *k = *s;
    ProtobufCBinaryData setup = {0};
    uint8_t id[64];
    kit_invite(k);
    setup = (ProtobufCBinaryData){.len = k->c->row->jobs[0]->id.len, .data = id};
    memcpy(id, k->c->row->jobs[0]->id.data, setup.len);
    kit_setup_ok(k);
    kit_ack(k, 10);
    kit_bye(k, 11);
    kit_done_id(k, setup, PLANE__JOB_DONE__RESULT__OK, KIT_PORT + 2, "ECHO");
    kit_done_id(k, k->c->row->jobs[0]->id, PLANE__JOB_DONE__RESULT__UNAVAILABLE, 0, NULL);
    uint64_t due = kit_arm(k, CALL_TMR_RELEASE)->at_wall_ms;
    k->now.wall_ms += 100;
    kit_done_id(k, k->c->row->jobs[1]->id, PLANE__JOB_DONE__RESULT__UNAVAILABLE, 0, NULL);
    assert_null(kit_arm(k, CALL_TMR_RELEASE));
    assert_int_equal(k->c->row->timers[CALL_TMR_RELEASE], due);
    kit_timer(k, CALL_TMR_RELEASE);
    assert_int_equal(kit_count(k, CALL_EFF_JOB), 2);
    kit_done_id(k, k->c->row->jobs[0]->id, PLANE__JOB_DONE__RESULT__UNAVAILABLE, 0, NULL);
    kit_timer(k, CALL_TMR_RELEASE);
    assert_int_equal(kit_count(k, CALL_EFF_JOB), 1); /* the other one is being done */
}

/* Only set-up jobs bring ports, and open jobs are bounded. */
static void extra_ports_are_bounded(void **s)
{
    struct kit *k = *s;
    ProtobufCBinaryData id = {.len = 18, .data = (uint8_t *)(uintptr_t) "a3-1234abcd-rxxxxx"};
    kit_established(k);
    kit_done_id(k, id, PLANE__JOB_DONE__RESULT__OK, 40000, NULL);
    assert_int_equal(k->fx.count, 0);
    id.data = (uint8_t *)(uintptr_t) "a3-1234abcd-sxxxxx";
    for (uint32_t i = 0; i < JOB_OPEN_MAX; i++) {
        kit_done_id(k, id, PLANE__JOB_DONE__RESULT__OK, 40000 + i, NULL);
        assert_int_equal(kit_job(k, PLANE__RUN_JOB__KIND__RELEASE_PORT)->job->rtp_port, 40000 + i);
    }
    kit_done_id(k, id, PLANE__JOB_DONE__RESULT__OK, 40100, NULL);
    assert_int_equal(kit_count(k, CALL_EFF_JOB), 0);
    kit_assert_log(k, CALL_LOG_ERROR, "port 40100 is lost");
    assert_int_equal(k->c->row->n_jobs, JOB_OPEN_MAX);
}

static void cancel_is_for_the_setup_only(void **s)
{
    struct kit *k = *s;
    ProtobufCBinaryData id = {.len = 18, .data = (uint8_t *)(uintptr_t) "a3-1234abcd-sxxxxx"};
    kit_invite(k);
    kit_done_id(k, id, PLANE__JOB_DONE__RESULT__OK, 40000, NULL); /* of a life before */
    assert_int_equal(k->c->row->n_jobs, 2);
    kit_cancel(k);
    assert_int_equal(kit_count(k, CALL_EFF_CANCEL_JOB), 1);
}

/* A release that may have got through is not repeated: by then the port may have a new owner. */
static void release_in_doubt_is_not_repeated(void **s)
{
    struct kit *k = *s;
    kit_established(k);
    kit_bye(k, 11);
    ProtobufCBinaryData id = k->c->row->jobs[0]->id;
    Plane__JobDone done = PLANE__JOB_DONE__INIT;
    done.id = id;
    done.result = PLANE__JOB_DONE__RESULT__UNAVAILABLE;
    done.grpc_status = (char *)(uintptr_t) "DEADLINE_EXCEEDED";
    struct call_input in = {.type = CALL_IN_JOB_DONE, .done = &done};
    kit_step(k, &in);
    assert_int_equal(k->c->row->timers[CALL_TMR_RELEASE], 0);
    assert_int_equal(kit_effect(k, CALL_EFF_LOG, 0)->level, CALL_LOG_ERROR);
    assert_false(call_is_busy(k->c));
}

/* The orchestrator died between two answers to one set-up: two ports, and only one of them is ours to use. */
static void second_port_of_a_setup_goes_back(void **s)
{
    struct kit *k = *s;
    uint8_t id[64];
    kit_invite(k);
    ProtobufCBinaryData job = {.len = k->c->row->jobs[0]->id.len, .data = id};
    memcpy(id, k->c->row->jobs[0]->id.data, job.len);
    kit_setup_ok(k);
    kit_done_id(k, job, PLANE__JOB_DONE__RESULT__OK, KIT_PORT, "ECHO"); /* the same answer twice */
    assert_int_equal(k->fx.count, 0);
    kit_done_id(k, job, PLANE__JOB_DONE__RESULT__OK, KIT_PORT + 2, "ECHO");
    assert_int_equal(k->fx.count, 1);
    assert_int_equal(kit_job(k, PLANE__RUN_JOB__KIND__RELEASE_PORT)->job->rtp_port, KIT_PORT + 2);
    kit_released(k, PLANE__JOB_DONE__RESULT__OK);
    assert_int_equal(k->c->row->port_state, STORE__PORT_STATE__PORT_HELD); /* ours is still ours */
    kit_assert_state(k, CALL_ST_ANSWERED);
}

/* --- asking again --- */

static void restart_asks_everything_again(void **s)
{
    struct kit *k = *s;
    kit_invite(k);
    struct call_effects again = {.count = 0};
    call_ask_again(k->c, PLANE__PROC__PROC_NONE, &again, k->now);
    assert_int_equal(again.count, 2); /* the job and the timer */
    assert_int_equal(again.list[0].type, CALL_EFF_ARM);
    assert_int_equal(again.list[0].at_wall_ms, KIT_WALL + 10000);
    assert_int_equal(again.list[1].type, CALL_EFF_JOB);
    assert_true(span_eq(row_span(again.list[1].job->id), row_span(k->c->row->jobs[0]->id)));
    assert_string_equal(again.list[1].job->destination, "902121234567");
    call_effects_clear(&again);
    call_ask_again(k->c, PLANE__PROC__PROC_EDGE, &again, k->now);
    assert_int_equal(again.count, 0);
}

static void edge_that_came_back_is_asked_for_the_bye(void **s)
{
    struct kit *k = *s;
    struct call_effects again = {.count = 0};
    kit_established(k);
    kit_terminate(k, "amqp");
    call_ask_again(k->c, PLANE__PROC__PROC_EDGE, &again, k->now);
    assert_int_equal(again.count, 1);
    const struct call_effect *e = kit_effect(k, CALL_EFF_REQUEST, 0);
    assert_int_equal(again.list[0].raw_len, e->raw_len);
    assert_memory_equal(again.list[0].raw, e->raw, e->raw_len);
    assert_memory_equal(again.list[0].txn, e->txn, e->txn_len);
    call_effects_clear(&again);
    call_ask_again(k->c, PLANE__PROC__PROC_ORCH, &again, k->now);
    assert_int_equal(again.count, 1);
    assert_int_equal(again.list[0].job->kind, PLANE__RUN_JOB__KIND__RELEASE_PORT);
    assert_int_equal(again.list[0].job->rtp_port, KIT_PORT);
    call_effects_clear(&again);
}

/* A caller that has had a 100 waits for it, and does not repeat his INVITE. */
static void edge_that_came_back_hears_the_refusal_again(void **s)
{
    struct kit *k = *s;
    struct call_effects again = {.count = 0};
    kit_invite(k);
    kit_setup_done(k, PLANE__JOB_DONE__RESULT__UNAVAILABLE, 0, NULL);
    const struct call_effect *e = kit_effect(k, CALL_EFF_REPLY, 0);
    call_ask_again(k->c, PLANE__PROC__PROC_EDGE, &again, k->now);
    assert_int_equal(again.count, 1);
    assert_int_equal(again.list[0].type, CALL_EFF_REPLY);
    assert_int_equal(again.list[0].status, 503);
    assert_int_equal(again.list[0].raw_len, e->raw_len);
    assert_memory_equal(again.list[0].raw, e->raw, e->raw_len);
    call_effects_clear(&again);
    call_ask_again(k->c, PLANE__PROC__PROC_ORCH, &again, k->now);
    assert_int_equal(again.count, 0);
}

static void cancelled_job_is_asked_and_cancelled_again(void **s)
{
    struct kit *k = *s;
    struct call_effects again = {.count = 0};
    kit_invite(k);
    kit_cancel(k);
    call_ask_again(k->c, PLANE__PROC__PROC_ORCH, &again, k->now);
    assert_int_equal(again.count, 2);
    assert_int_equal(again.list[0].type, CALL_EFF_JOB);
    assert_int_equal(again.list[1].type, CALL_EFF_CANCEL_JOB);
    call_effects_clear(&again);
}

static void rows_that_are_no_calls_are_refused(void **s)
{
    struct kit *k = *s;
    Store__CallRow *row = calloc(1, sizeof(*row));
    store__call_row__init(row);
    row->state = CALL_STATES;
    assert_null(call_from_row(&k->conf, row));
    row = calloc(1, sizeof(*row));
    store__call_row__init(row);
    row->state = CALL_ST_ESTABLISHED; /* and no dialog */
    assert_null(call_from_row(&k->conf, row));
    row = calloc(1, sizeof(*row));
    store__call_row__init(row);
    row->state = CALL_ST_ESTABLISHED;
    row->a = calloc(1, sizeof(*row->a)); /* and nobody to talk to */
    store__dialog__init(row->a);
    assert_null(call_from_row(&k->conf, row));
}

static Store__CallRow *row_of(const struct kit *k)
{
    size_t len = store__call_row__get_packed_size(k->c->row);
    uint8_t *packed = malloc(len);
    (void)store__call_row__pack(k->c->row, packed);
    Store__CallRow *row = store__call_row__unpack(NULL, len, packed);
    free(packed);
    return row;
}

/* A damaged row would otherwise stop every process that loads it. */
static void rows_that_contradict_themselves_are_refused(void **s)
{
    struct kit *k = *s;
    kit_invite(k);
    Store__CallRow *row = row_of(k);
    row->timers[CALL_TMR_2XX] = 1; /* a 2xx that was never sent cannot be repeated */
    assert_null(call_from_row(&k->conf, row));
    row = row_of(k);
    row->server_txns[0]->status = 200; /* nothing is waiting for the answer that is being made */
    assert_null(call_from_row(&k->conf, row));
    row = row_of(k);
    plane__endpoint__free_unpacked(row->server_txns[0]->source, NULL);
    row->server_txns[0]->source = NULL; /* nobody to answer to */
    assert_null(call_from_row(&k->conf, row));
    kit_setup_ok(k);
    row = row_of(k);
    row->server_txns[0]->status = 0; /* and here no 2xx waits for its ACK */
    assert_null(call_from_row(&k->conf, row));
}

static void rows_with_fewer_timers_are_read(void **s)
{
    struct kit *k = *s;
    kit_invite(k);
    k->c->row->n_timers = 1; /* of a program that knew one */
    size_t len = store__call_row__get_packed_size(k->c->row);
    uint8_t *packed = malloc(len);
    (void)store__call_row__pack(k->c->row, packed);
    struct call *c = call_from_row(&k->conf, store__call_row__unpack(NULL, len, packed));
    free(packed);
    assert_int_equal(c->row->n_timers, CALL_TIMERS);
    assert_int_equal(c->row->timers[CALL_TMR_SETUP], KIT_WALL + 10000);
    assert_int_equal(c->row->timers[CALL_TMR_RELEASE], 0);
    assert_true(c->storable);
    call_free(c);
}

static void keys_are_read_back(void **s)
{
    (void)s;
    assert_int_equal(call_key_of(SPAN("a0-ff-s123")), 255);
    assert_int_equal(call_key_of(SPAN("z9hG4bKa12-ffffffffffffffff-x")), UINT64_MAX);
    assert_int_equal(call_key_of(SPAN("a0-fffffffffffffffff-x")), 0);
    assert_int_equal(call_key_of(SPAN("a0-xyz-x")), 0);
    assert_int_equal(call_key_of(SPAN("b0-ff-x")), 0);
    assert_int_equal(call_key_of(SPAN("")), 0);
    assert_int_equal(call_key_of(SPAN("z9hG4bK")), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        KIT_TEST(unreachable_media_service_is_asked_again),
        KIT_TEST(release_is_given_up_in_the_end),
        KIT_TEST(release_in_doubt_is_not_repeated),
        KIT_TEST(one_timer_serves_all_releases),
        KIT_TEST(extra_ports_are_bounded),
        KIT_TEST(cancel_is_for_the_setup_only),
        KIT_TEST(second_port_of_a_setup_goes_back),
        KIT_TEST(restart_asks_everything_again),
        KIT_TEST(edge_that_came_back_is_asked_for_the_bye),
        KIT_TEST(edge_that_came_back_hears_the_refusal_again),
        KIT_TEST(cancelled_job_is_asked_and_cancelled_again),
        KIT_TEST(rows_that_are_no_calls_are_refused),
        KIT_TEST(rows_that_contradict_themselves_are_refused),
        KIT_TEST(rows_with_fewer_timers_are_read),
        KIT_TEST(keys_are_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
