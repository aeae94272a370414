/* The orchestrator process between a platform and a call-actor: what a port costs, who repeats what. */
#include "tests/unit/orchestrator/orch_rig.h"

static bool allocate_held(void)
{
    return rig.allocate.held != NULL;
}

static bool find_held(void)
{
    return rig.find.held != NULL;
}

static bool both_held(void)
{
    return rig.find.held != NULL && rig.resolve.held != NULL;
}

static bool one_release(void)
{
    return rig.release.cnt >= 1;
}

static bool three_releases(void)
{
    return rig.release.cnt >= 3;
}

static int fresh(void **state)
{
    (void)state;
    rig_forget();
    if (rig.platform == NULL)
        rig_start_platform();
    if (rig.call_bus == NULL)
        rig_start_actor();
    if (rig.pid == 0)
        rig_start();
    rig_wait(rig_actor_up, "the link to the actor");
    return 0;
}

static uint32_t set_up(const char *id)
{
    uint32_t port = rig.next_port;
    size_t n = rig.done_cnt;
    rig_setup_job(id);
    rig_wait(n == 0 ? rig_one_done : rig_two_done, "the answer");
    rig_expect(n, PLANE__JOB_DONE__RESULT__OK, port);
    return port;
}

/* --- set-up ----------------------------------------------------------------------------------------------------------
 */

static void test_setup(void **state)
{
    (void)state;
    (void)set_up("s1");
    assert_string_equal(rig.done[0]->user->id, "u1");
    assert_string_equal(rig.done[0]->plan->dialplan_id, "DP_TEST");
    assert_string_equal(rig.done[0]->plan->action, "ECHO");
    assert_int_equal(rig.done[0]->plan->action_type, 3);
    assert_memory_equal(rig.done[0]->id.data, "s1", 2);
    assert_int_equal(rig.find.cnt + rig.resolve.cnt + rig.allocate.cnt, 3);
}

static void test_asked_again_when_done(void **state)
{
    (void)state;
    uint32_t port = set_up("again");
    rig_setup_job("again");
    rig_wait(rig_two_done, "the same answer");
    rig_expect(1, PLANE__JOB_DONE__RESULT__OK, port);
    assert_string_equal(rig.done[1]->plan->dialplan_id, "DP_TEST");
    assert_int_equal(rig.allocate.cnt, 1);
}

static bool told(const char *step)
{
    for (size_t i = 0; i < rig.step_cnt && i < RIG_KEPT; i++)
        if (strcmp(rig.steps[i], step) == 0)
            return true;
    return false;
}

static bool waits_for_user(void)
{
    return told("user started");
}

static bool plan_told(void)
{
    return told("dialplan resolved");
}

static void test_asked_again_while_it_runs(void **state)
{
    (void)state;
    rig.find.hold = true;
    rig_setup_job("twice");
    rig_wait(find_held, "FindUserByContact");
    rig_wait(waits_for_user, "the step that takes long");
    rig_wait(plan_told, "the one beside it");
    rig.step_cnt = 0;
    rig_setup_job("twice");
    rig_wait(waits_for_user, "the step again");
    rig.step_cnt = 0;
    serve_answer(rig.find.held, RPC_INTERNAL, "no", NULL);
    rig_wait(rig_one_done, "the answer");
    assert_null(rig.done[0]->user);
    assert_string_equal(rig.done[0]->detail, "user-service: INTERNAL no");
    assert_string_equal(rig.steps[0], "user guest");
    assert_string_equal(rig.steps[1], "media started");
    assert_string_equal(rig.steps[2], "media allocated");
    assert_int_equal(rig.resolve.cnt, 1);
    assert_int_equal(rig.find.cnt, 1);
    assert_int_equal(rig.allocate.cnt, 1);
}

static void test_failures(void **state)
{
    (void)state;
    rig.resolve.next[0] = RPC_PERMISSION_DENIED;
    rig_setup_job("denied");
    rig_wait(rig_one_done, "the answer");
    rig_expect(0, PLANE__JOB_DONE__RESULT__DENIED, 0);
    assert_string_equal(rig.done[0]->step, "dialplan");
    assert_string_equal(rig.done[0]->grpc_status, "PERMISSION_DENIED");
    rig.allocate.next[0] = RPC_RESOURCE_EXHAUSTED;
    rig_setup_job("full");
    rig_wait(rig_two_done, "the answer");
    rig_expect(1, PLANE__JOB_DONE__RESULT__UNAVAILABLE, 0);
}

/* --- cancel, late ----------------------------------------------------------------------------------------------------
 */

static void test_cancel_before_the_port(void **state)
{
    (void)state;
    rig.find.hold = rig.resolve.hold = true;
    rig_setup_job("c1");
    rig_wait(both_held, "FindUserByContact and ResolveDialplan");
    rig_cancel("c1");
    rig_wait(rig_one_done, "the answer");
    rig_expect(0, PLANE__JOB_DONE__RESULT__CANCELLED, 0);
    serve_answer(rig.find.held, RPC_NOT_FOUND, "", NULL); /* its client has gone */
    serve_answer(rig.resolve.held, RPC_NOT_FOUND, "", NULL);
    rig_cancel("never heard of");
    rig_wait(rig_two_done, "an answer nevertheless");
    rig_expect(1, PLANE__JOB_DONE__RESULT__CANCELLED, 0);
    assert_int_equal(rig.allocate.cnt, 0);
}

/* What dialplan-service says is the end, whoever calls. */
static void test_refused_while_the_caller_is_looked_up(void **state)
{
    (void)state;
    rig.find.hold = rig.resolve.hold = true;
    rig_setup_job("refused");
    rig_wait(both_held, "FindUserByContact and ResolveDialplan");
    serve_answer(rig.resolve.held, RPC_PERMISSION_DENIED, "no", NULL);
    rig_wait(rig_one_done, "the answer");
    rig_expect(0, PLANE__JOB_DONE__RESULT__DENIED, 0);
    serve_answer(rig.find.held, RPC_NOT_FOUND, "", NULL); /* its client has gone */
    assert_int_equal(rig.allocate.cnt, 0);
}

static void test_cancel_while_the_port_comes(void **state)
{
    (void)state;
    uint32_t port = rig.next_port;
    rig.allocate.hold = true;
    rig_setup_job("c2");
    rig_wait(allocate_held, "AllocatePort");
    rig_cancel("c2");
    rig_ask("nothing", PLANE__RUN_JOB__KIND__RELEASE_PORT, 4);
    rig_wait(rig_one_done, "what was asked after the cancel");
    assert_memory_equal(rig.done[0]->id.data, "nothing", 7);
    rig_give_port(rig.allocate.held);
    rig_wait(rig_two_done, "the answer");
    rig_expect(1, PLANE__JOB_DONE__RESULT__CANCELLED, port);
    assert_int_equal(rig.release.cnt, 1); /* only "nothing": giving it back is the actor's */
}

static void test_late_port_is_given_back(void **state)
{
    (void)state;
    uint32_t port = rig.next_port;
    rig.allocate.hold = true;
    rig_setup_job("late");
    rig_wait(rig_one_done, "the answer at the deadline");
    rig_expect(0, PLANE__JOB_DONE__RESULT__UNAVAILABLE, 0);
    assert_string_equal(rig.done[0]->grpc_status, "DEADLINE_EXCEEDED");
    assert_string_equal(rig.done[0]->step, "media");
    rig_setup_job("late"); /* asked again: nothing new */
    rig_wait(rig_two_done, "the same answer");
    rig_expect(1, PLANE__JOB_DONE__RESULT__UNAVAILABLE, 0);
    rig.release.next[0] = RPC_UNAVAILABLE;
    rig.release.next[1] = RPC_INTERNAL;
    rig_give_port(rig.allocate.held);
    rig_wait(three_releases, "ReleasePort, until it is OK");
    assert_int_equal(rig.released[port % RIG_KEPT], 1);
    assert_int_equal(rig.allocate.cnt, 1);
    assert_int_equal(rig.done_cnt, 2);
}

static void test_release_is_tried_again(void **state)
{
    (void)state;
    rig.release.next[0] = RPC_UNAVAILABLE;
    rig.release.next[1] = RPC_RESOURCE_EXHAUSTED;
    rig_ask("r", PLANE__RUN_JOB__KIND__RELEASE_PORT, 40002);
    rig_wait(rig_one_done, "the answer");
    rig_expect(0, PLANE__JOB_DONE__RESULT__OK, 0);
    assert_int_equal(rig.release.cnt, 3);
    rig_ask("r", PLANE__RUN_JOB__KIND__RELEASE_PORT, 40002); /* by now it may be another call's */
    rig_wait(rig_two_done, "the same answer");
    assert_int_equal(rig.release.cnt, 3);
}

/* --- who is away -----------------------------------------------------------------------------------------------------
 */

static void test_actor_is_replaced(void **state)
{
    (void)state;
    uint32_t port = rig.next_port;
    rig.allocate.hold = true;
    rig_setup_job("orphan");
    rig_wait(allocate_held, "AllocatePort");
    rig_stop_actor();
    rig_give_port(rig.allocate.held);
    rig_start_actor();
    rig_wait(rig_actor_up, "the new actor");
    rig_setup_job("orphan");
    rig_wait(rig_one_done, "the answer");
    rig_expect(0, PLANE__JOB_DONE__RESULT__OK, port);
    assert_int_equal(rig.allocate.cnt, 1);
}

static bool media_is_down(void)
{
    return strcmp(rig.dep_state[SVC_MEDIA], "connecting") == 0;
}

static void test_platform_is_away(void **state)
{
    (void)state;
    rig_stop_platform();
    rig_wait(media_is_down, "the actor is told");
    rig_setup_job("away");
    rig_wait(rig_one_done, "the answer");
    rig_expect(0, PLANE__JOB_DONE__RESULT__UNAVAILABLE, 0);
    assert_string_equal(rig.done[0]->step, "dialplan");
    rig_start_platform();
    rig_wait(rig_all_ready, "the platform is back");
    rig_forget_answers();
    (void)set_up("back");
}

static void test_kill_and_again(void **state)
{
    (void)state;
    rig.find.hold = true;
    rig_setup_job("k");
    rig_wait(find_held, "FindUserByContact");
    unsigned before = rig.fresh_ups;
    rig_kill(SIGKILL);
    rig_start();
    rig_wait(rig_actor_up, "the new process");
    assert_true(rig.fresh_ups > before);
    (void)set_up("k");
    serve_answer(rig.find.held, RPC_NOT_FOUND, "", NULL);
}

/* --- PlayAudio -------------------------------------------------------------------------------------------------------
 */

static void punch(const char *id)
{
    rig_forget_answers();
    rig_ask(id, PLANE__RUN_JOB__KIND__PUNCH, 40000);
    rig_wait(rig_one_done, "the answer");
    rig_expect(0, PLANE__JOB_DONE__RESULT__OK, 0);
}

static void test_layout_is_learned(void **state)
{
    (void)state;
    rig_kill(SIGTERM);
    rig_start();
    rig.old_layout = true;
    punch("p1");
    assert_int_equal(rig.play.cnt, 2);
    assert_string_equal(rig.play_first[0], "control://set_target");
    assert_string_equal(rig.play_first[1], "127.0.0.1:4000");
    punch("p2"); /* at once in the layout that worked */
    assert_int_equal(rig.play.cnt, 3);
    assert_string_equal(rig.play_first[2], "127.0.0.1:4000");
    rig_stop_platform();
    rig_wait(media_is_down, "the connection is lost");
    rig_start_platform();
    rig_wait(rig_all_ready, "another server");
    rig.old_layout = false;
    punch("p3");
    assert_int_equal(rig.play.cnt, 4);
    assert_string_equal(rig.play_first[3], "control://set_target");
}

/* --- credentials -----------------------------------------------------------------------------------------------------
 */

static void ask_credentials(const char *id)
{
    rig_forget_answers();
    rig_ask(id, PLANE__RUN_JOB__KIND__GET_CREDENTIALS, 0);
    rig_wait(rig_one_done, "the answer");
}

static bool asked_again(void)
{
    return rig.credentials.cnt >= 2;
}

static void test_credentials(void **state)
{
    (void)state;
    (void)snprintf(rig.ha1, sizeof rig.ha1, "0123456789ABCDEF0123456789abcdef");
    ask_credentials("g1");
    rig_expect(0, PLANE__JOB_DONE__RESULT__OK, 0);
    assert_string_equal(rig.asked_for, "alice@sentiric_demo");
    assert_string_equal(rig.done[0]->credentials->user_id, "u1");
    assert_string_equal(rig.done[0]->credentials->tenant_id, "t1");
    assert_string_equal(rig.done[0]->credentials->ha1, "0123456789abcdef0123456789abcdef");
    ask_credentials("g1"); /* not kept, so it is looked up again */
    rig_expect(0, PLANE__JOB_DONE__RESULT__OK, 0);
    assert_true(asked_again());
    assert_int_equal(rig.step_cnt, 0);
}

static void test_credentials_failures(void **state)
{
    (void)state;
    static const struct {
        int code;
        Plane__JobDone__Result result;
    } rows[] = {{RPC_NOT_FOUND, PLANE__JOB_DONE__RESULT__NOT_FOUND},
                {RPC_UNAVAILABLE, PLANE__JOB_DONE__RESULT__UNAVAILABLE},
                {RPC_INTERNAL, PLANE__JOB_DONE__RESULT__FAILED}};
    char id[] = "f0";
    for (size_t i = 0; i < 3; i++, id[1]++) {
        rig.credentials.next[0] = rows[i].code;
        ask_credentials(id);
        rig_expect(0, rows[i].result, 0);
        assert_null(rig.done[0]->credentials);
    }
    static const char *const bad[] = {"", "0123456789abcdef", "0123456789abcdef0123456789abcdeg",
                                      "0123456789abcdef0123456789abcdef0"};
    for (size_t i = 0; i < 4; i++, id[1]++) {
        (void)snprintf(rig.ha1, sizeof rig.ha1, "%s", bad[i]);
        ask_credentials(id);
        rig_expect(0, PLANE__JOB_DONE__RESULT__FAILED, 0);
        assert_string_equal(rig.done[0]->detail, "the server's answer makes no sense");
    }
}

/* --- look-ups and questions between actors --------------------------------------------------------------------------
 */

static void test_find_user(void **state)
{
    (void)state;
    rig_ask("w1", PLANE__RUN_JOB__KIND__FIND_USER, 0);
    rig_wait(rig_one_done, "the answer");
    rig_expect(0, PLANE__JOB_DONE__RESULT__OK, 0);
    assert_non_null(rig.done[0]->user);
    assert_null(rig.done[0]->plan);
    assert_int_equal(rig.resolve.cnt, 0);
    rig_forget_answers();
    rig.find.next[0] = RPC_NOT_FOUND;
    rig_ask("w1", PLANE__RUN_JOB__KIND__FIND_USER, 0); /* not kept: looked up again */
    rig_wait(rig_one_done, "the answer");
    rig_expect(0, PLANE__JOB_DONE__RESULT__NOT_FOUND, 0);
    assert_int_equal(rig.find.cnt, 2);
    assert_int_equal(rig.step_cnt, 0);
}

static void send_where(const char *user)
{
    Plane__Where m = PLANE__WHERE__INIT;
    m.id = (ProtobufCBinaryData){.len = 2, .data = (uint8_t *)(uintptr_t) "q1"};
    m.user = (char *)(uintptr_t)user;
    m.asker = 200; /* it is the orchestrator who knows */
    assert_int_equal(bus_send(rig.actor, PLANE_ORCH_PASS_WHERE, &m.base), 0);
}

static bool where_told(void)
{
    return rig.whereabouts_cnt >= 1;
}

static bool where_asked_twice(void)
{
    return rig.where_cnt >= 2;
}

static void test_where_is_passed_on(void **state)
{
    (void)state;
    send_where("alice");
    rig_wait(where_told, "the answer");
    assert_string_equal(rig.where_user, "alice@0");
    assert_string_equal(rig.where_row, "row");
    rig.where_answers_to = 7; /* a shard there is not */
    send_where("bob");
    rig_wait(where_asked_twice, "the second question");
    rig_ask("after", PLANE__RUN_JOB__KIND__FIND_USER, 0);
    rig_wait(rig_one_done, "what was said later");
    assert_int_equal(rig.whereabouts_cnt, 1);
}

/* --- stop ------------------------------------------------------------------------------------------------------------
 */

static void test_stop_waits_for_a_port(void **state)
{
    (void)state;
    uint32_t port = rig.next_port;
    rig.allocate.hold = true;
    rig_setup_job("stop");
    rig_wait(allocate_held, "AllocatePort");
    (void)kill(rig.pid, SIGTERM);
    rig_wait(rig_one_done, "the answer at the deadline");
    rig_expect(0, PLANE__JOB_DONE__RESULT__UNAVAILABLE, 0);
    assert_int_not_equal(rig.pid, 0);
    rig_give_port(rig.allocate.held);
    rig_wait(one_release, "the port is given back");
    assert_int_equal(rig.released[port % RIG_KEPT], 1);
    rig_wait(rig_gone, "then it leaves");
    assert_true(WIFEXITED(rig.status));
    assert_int_equal(WEXITSTATUS(rig.status), EX_OK);
}

static void test_port_in_use(void **state)
{
    (void)state;
    rig_kill(SIGTERM);
    uint16_t was = rig.grpc_port;
    rig.grpc_port = rig.port; /* the platform's */
    rig_spawn();
    rig_wait(rig_gone, "it leaves at once");
    rig.grpc_port = was;
    assert_true(WIFEXITED(rig.status));
    assert_int_equal(WEXITSTATUS(rig.status), EX_BUSY);
}

static int open_rig(void **state)
{
    rig.grpc_port = (uint16_t)(18000 + getpid() % 2000);
    return rig_open(state);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return rig_worker_main(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_setup, fresh),
        cmocka_unit_test_setup(test_asked_again_when_done, fresh),
        cmocka_unit_test_setup(test_asked_again_while_it_runs, fresh),
        cmocka_unit_test_setup(test_failures, fresh),
        cmocka_unit_test_setup(test_cancel_before_the_port, fresh),
        cmocka_unit_test_setup(test_refused_while_the_caller_is_looked_up, fresh),
        cmocka_unit_test_setup(test_cancel_while_the_port_comes, fresh),
        cmocka_unit_test_setup(test_late_port_is_given_back, fresh),
        cmocka_unit_test_setup(test_release_is_tried_again, fresh),
        cmocka_unit_test_setup(test_actor_is_replaced, fresh),
        cmocka_unit_test_setup(test_platform_is_away, fresh),
        cmocka_unit_test_setup(test_kill_and_again, fresh),
        cmocka_unit_test_setup(test_layout_is_learned, fresh),
        cmocka_unit_test_setup(test_credentials, fresh),
        cmocka_unit_test_setup(test_credentials_failures, fresh),
        cmocka_unit_test_setup(test_find_user, fresh),
        cmocka_unit_test_setup(test_where_is_passed_on, fresh),
        cmocka_unit_test_setup(test_stop_waits_for_a_port, fresh),
        cmocka_unit_test_setup(test_port_in_use, fresh),
    };
    return cmocka_run_group_tests(tests, open_rig, rig_close);
}
