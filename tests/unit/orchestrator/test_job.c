/* The job machine: its table, every path and failure of a set-up, and how a job is made. */
#include "tests/unit/orchestrator/job_kit.h"

/* --- the table ---------------------------------------------------------------------------------------------------- */

static void test_table_is_sound(void **state)
{
    (void)state;
    assert_null(fsm_check(&job_fsm, JOB_ST_NEW, JOB_ST_DONE));
}

/* --- set-up --------------------------------------------------------------------------------------------------------
 */

static void test_setup(void **state)
{
    (void)state;
    struct run r = begin();
    assert_int_equal(ms_of(&r, JOB_EFF_FIND_USER), 2000);
    assert_int_equal(ms_of(&r, JOB_EFF_RESOLVE), 5000); /* both at once */
    assert_int_equal(ms_of(&r, JOB_EFF_ARM), 9000);
    assert_string_equal(job_step_name(r.j->step), "user");
    finds_user(&r);
    assert_null(find(&r, JOB_EFF_RESOLVE));
    assert_string_equal(find(&r, JOB_EFF_STEP)->text, "found");
    assert_string_equal(job_step_name(r.j->step), "dialplan");
    resolves(&r, "START_AI_CONVERSATION");
    assert_string_equal(job_step_name(r.j->step), "media");
    assert_int_equal(ms_of(&r, JOB_EFF_ARM), 4000);
    assert_int_equal(ms_of(&r, JOB_EFF_ALLOCATE), 4000 + JOB_PORT_LATE_MS); /* the RPC outlives the job's patience */
    not_answered(&r);
    allocates(&r, 40000);
    answered(&r, PLANE__JOB_DONE__RESULT__OK, 40000);
    assert_non_null(find(&r, JOB_EFF_DISARM));
    assert_int_equal(r.j->state, JOB_ST_DONE);
    Plane__JobDone d;
    job_answer(r.j, PLANE__JOB_DONE__RESULT__OK, &d);
    assert_string_equal(d.user->id, "u1");
    assert_string_equal(d.plan->action, "START_AI_CONVERSATION");
    end(&r);
}

/* No port before both are there: a caller who is looked up for long holds none. */
static void test_the_plan_comes_first(void **state)
{
    (void)state;
    struct run r = begin();
    resolves(&r, "START_AI_CONVERSATION");
    assert_int_equal(r.j->state, JOB_ST_USER);
    assert_string_equal(find(&r, JOB_EFF_STEP)->text, "resolved");
    assert_string_equal(job_step_name(r.j->step), "user");
    assert_null(find(&r, JOB_EFF_ALLOCATE));
    not_answered(&r);
    finds_user(&r);
    assert_string_equal(find(&r, JOB_EFF_STEP)->text, "found");
    assert_string_equal(job_step_name(r.j->step), "media");
    assert_int_equal(ms_of(&r, JOB_EFF_ALLOCATE), 4000 + JOB_PORT_LATE_MS);
    allocates(&r, 40000);
    answered(&r, PLANE__JOB_DONE__RESULT__OK, 40000);
    Plane__JobDone d;
    job_answer(r.j, PLANE__JOB_DONE__RESULT__OK, &d);
    assert_string_equal(d.user->id, "u1");
    assert_string_equal(d.plan->action, "START_AI_CONVERSATION");
    end(&r);
}

static void test_the_plan_comes_first_and_wants_no_port(void **state)
{
    (void)state;
    char *portless[] = {(char *)"ECHO"};
    Plane__RunJob m = setup_job();
    m.portless_actions = portless;
    m.n_portless_actions = 1;
    struct run r = begin_with(&m);
    resolves(&r, "ECHO");
    not_answered(&r);
    fails_user(&r, RPC_UNAVAILABLE);
    answered(&r, PLANE__JOB_DONE__RESULT__OK, 0);
    assert_string_equal(r.j->detail, "user-service: UNAVAILABLE because");
    assert_string_equal(find(&r, JOB_EFF_STEP)->text, "guest");
    end(&r);
}

static void test_setup_without_look_up(void **state)
{
    (void)state;
    Plane__RunJob m = setup_job();
    m.caller_type = (char *)"";
    struct run r = begin_with(&m);
    assert_null(find(&r, JOB_EFF_FIND_USER));
    assert_non_null(find(&r, JOB_EFF_RESOLVE));
    assert_non_null(find(&r, JOB_EFF_ARM));
    end(&r);
}

static void test_portless_action(void **state)
{
    (void)state;
    char *portless[] = {(char *)"ECHO", (char *)"BRIDGE_CALL"};
    Plane__RunJob m = setup_job();
    m.portless_actions = portless;
    m.n_portless_actions = 2;
    struct run r = begin_with(&m);
    finds_user(&r);
    resolves(&r, "BRIDGE_CALL");
    answered(&r, PLANE__JOB_DONE__RESULT__OK, 0);
    assert_null(find(&r, JOB_EFF_ALLOCATE));
    end(&r);
    r = begin_with(&m);
    finds_user(&r);
    resolves(&r, "BRIDGE_CALL_TOO");
    assert_non_null(find(&r, JOB_EFF_ALLOCATE));
    end(&r);
}

/* A user's call to what is not served: the plan is named by its id, whatever it would have us do. */
static void test_portless_plan(void **state)
{
    (void)state;
    char *actions[] = {(char *)"BRIDGE_CALL"};
    char *plans[] = {(char *)"DP_1", (char *)"DP_2\xff"};
    Plane__RunJob m = setup_job();
    m.portless_actions = actions;
    m.n_portless_actions = 1;
    m.portless_plans = plans;
    m.n_portless_plans = 2;
    static const struct {
        const char *id, *action;
        bool port;
    } rows[] = {{"DP_1", "ECHO_TEST", false},
                {"DP_2?", "ECHO_TEST", false},
                {"DP_3", "BRIDGE_CALL", false},
                {"DP_3", "ECHO_TEST", true},
                {"BRIDGE_CALL", "DP_1", true}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct run r = begin_with(&m);
        finds_user(&r);
        resolves_to(&r, rows[i].id, rows[i].action);
        assert_int_equal(find(&r, JOB_EFF_ALLOCATE) != NULL, rows[i].port);
        end(&r);
    }
}

static void test_any_user_failure_makes_a_guest(void **state)
{
    (void)state;
    for (int code = RPC_OK; code < RPC_CODES; code++) {
        struct run r = begin();
        fails_user(&r, code);
        assert_int_equal(r.j->state, JOB_ST_PLAN);
        assert_string_equal(find(&r, JOB_EFF_STEP)->text, "guest");
        not_answered(&r);
        resolves(&r, "ECHO");
        allocates(&r, 40000);
        answered(&r, PLANE__JOB_DONE__RESULT__OK, 40000);
        Plane__JobDone d;
        job_answer(r.j, PLANE__JOB_DONE__RESULT__OK, &d);
        assert_null(d.user);
        bool told = code != RPC_OK && code != RPC_NOT_FOUND; /* an unknown caller is nothing to explain */
        assert_int_equal(strstr(d.detail, rpc_code_name(code)) != NULL, told);
        end(&r);
    }
}

static Plane__JobDone__Result wanted(int code)
{
    if (code == RPC_UNAVAILABLE || code == RPC_RESOURCE_EXHAUSTED || code == RPC_DEADLINE_EXCEEDED)
        return PLANE__JOB_DONE__RESULT__UNAVAILABLE;
    return PLANE__JOB_DONE__RESULT__FAILED;
}

static void test_dialplan_failures(void **state)
{
    (void)state;
    for (int code = RPC_OK + 1; code < RPC_CODES; code++) {
        for (int asking_user = 0; asking_user < 2; asking_user++) { /* a refusal waits for nobody */
            struct run r = begin();
            if (!asking_user)
                finds_user(&r);
            fails(&r, code);
            answered(&r, code == RPC_PERMISSION_DENIED ? PLANE__JOB_DONE__RESULT__DENIED : wanted(code), 0);
            assert_non_null(find(&r, JOB_EFF_DROP_RPCS));
            assert_non_null(find(&r, JOB_EFF_DISARM));
            assert_int_equal(r.j->state, JOB_ST_DONE);
            Plane__JobDone d;
            job_answer(r.j, find(&r, JOB_EFF_ANSWER)->result, &d);
            assert_string_equal(d.step, "dialplan");
            assert_string_equal(d.grpc_status, rpc_code_name(code));
            assert_string_equal(d.detail, "because");
            end(&r);
        }
    }
}

static void test_media_failures(void **state)
{
    (void)state;
    for (int code = RPC_OK + 1; code < RPC_CODES; code++) {
        struct run r = begin_at_port();
        fails(&r, code);
        answered(&r, wanted(code), 0);
        assert_string_equal(job_step_name(r.j->step), "media");
        assert_int_equal(r.j->state, JOB_ST_DONE);
        end(&r);
    }
}

static void test_budget(void **state)
{
    (void)state;
    struct run r = begin();
    (void)job_timer(r.j, &r.fx, at(9000));
    assert_non_null(find(&r, JOB_EFF_DROP_RPCS));
    answered(&r, PLANE__JOB_DONE__RESULT__UNAVAILABLE, 0);
    end(&r);

    r = begin();
    resolves(&r, "ECHO");
    (void)job_timer(r.j, &r.fx, at(9000));
    assert_non_null(find(&r, JOB_EFF_DROP_RPCS));
    answered(&r, PLANE__JOB_DONE__RESULT__UNAVAILABLE, 0);
    end(&r);

    r = begin();
    finds_user(&r);
    rpc_result(&r, &(struct job_result){.of = JOB_STEP_DIALPLAN, .detail = "", .plan = plan("ECHO")}, at(8500));
    assert_int_equal(ms_of(&r, JOB_EFF_ARM), 500);
    end(&r);
}

static void test_budget_bounds(void **state)
{
    (void)state;
    Plane__RunJob m = setup_job();
    m.budget_ms = 0;
    struct run r = begin_with(&m);
    assert_int_equal(ms_of(&r, JOB_EFF_ARM), JOB_BUDGET_MS);
    end(&r);
    m.budget_ms = UINT32_MAX;
    r = begin_with(&m);
    assert_int_equal(ms_of(&r, JOB_EFF_ARM), JOB_BUDGET_MAX_MS);
    end(&r);
    m.budget_ms = 1;
    r = begin_with(&m);
    assert_int_equal(ms_of(&r, JOB_EFF_FIND_USER), 1);
    assert_int_equal(ms_of(&r, JOB_EFF_RESOLVE), 1);
    finds_user(&r);
    struct job_result late = {.of = JOB_STEP_DIALPLAN, .detail = "", .plan = plan("ECHO")};
    rpc_result(&r, &late, at(50)); /* past its end, before its timer ran */
    assert_int_equal(ms_of(&r, JOB_EFF_ARM), 1);
    end(&r);
}

/* --- credentials ---------------------------------------------------------------------------------------------------
 */

static Plane__RunJob credentials_job(void)
{
    Plane__RunJob m = PLANE__RUN_JOB__INIT;
    m.kind = PLANE__RUN_JOB__KIND__GET_CREDENTIALS;
    m.sip_username = (char *)"alice\xff";
    m.realm = (char *)"sentiric_demo";
    m.budget_ms = 9000;
    return m;
}

static void test_credentials(void **state)
{
    (void)state;
    Plane__RunJob m = credentials_job();
    struct run r = begin_with(&m);
    assert_int_equal(ms_of(&r, JOB_EFF_CREDENTIALS), 2000); /* as any RPC to user-service */
    assert_string_equal(r.j->sip_username, "alice?");
    assert_string_equal(r.j->realm, "sentiric_demo");
    Plane__Credentials *c = malloc(sizeof *c);
    plane__credentials__init(c);
    c->ha1 = strdup("0123456789abcdef0123456789abcdef");
    rpc_result(&r, &(struct job_result){.detail = "", .creds = c}, t0);
    answered(&r, PLANE__JOB_DONE__RESULT__OK, 0);
    assert_int_equal(r.j->state, JOB_ST_DONE);
    Plane__JobDone d;
    job_answer(r.j, PLANE__JOB_DONE__RESULT__OK, &d);
    assert_string_equal(d.credentials->ha1, "0123456789abcdef0123456789abcdef");
    end(&r);

    m.budget_ms = 700;
    r = begin_with(&m);
    assert_int_equal(ms_of(&r, JOB_EFF_CREDENTIALS), 700);
    (void)job_cancel(r.j, &r.fx, t0);
    assert_non_null(find(&r, JOB_EFF_DROP_RPCS));
    answered(&r, PLANE__JOB_DONE__RESULT__CANCELLED, 0);
    end(&r);
}

static void test_credentials_failures(void **state)
{
    (void)state;
    for (int code = RPC_OK + 1; code < RPC_CODES; code++) {
        Plane__RunJob m = credentials_job();
        struct run r = begin_with(&m);
        fails(&r, code);
        answered(&r, code == RPC_NOT_FOUND ? PLANE__JOB_DONE__RESULT__NOT_FOUND : wanted(code), 0);
        assert_int_equal(r.j->state, JOB_ST_DONE);
        Plane__JobDone d;
        job_answer(r.j, find(&r, JOB_EFF_ANSWER)->result, &d);
        assert_string_equal(d.step, "user");
        assert_string_equal(d.grpc_status, rpc_code_name(code));
        assert_null(d.credentials);
        end(&r);
    }
}

/* --- whose a contact is ------------------------------------------------------------------------------------------- */

static void test_find_user(void **state)
{
    (void)state;
    Plane__RunJob m = PLANE__RUN_JOB__INIT;
    m.kind = PLANE__RUN_JOB__KIND__FIND_USER;
    m.caller_type = (char *)"extension";
    m.caller = (char *)"1001";
    m.budget_ms = 700;
    struct run r = begin_with(&m);
    assert_int_equal(ms_of(&r, JOB_EFF_FIND_USER), 700);
    assert_null(find(&r, JOB_EFF_ARM));
    Plane__User *u = malloc(sizeof *u);
    plane__user__init(u);
    u->id = strdup("u1");
    rpc_result(&r, &(struct job_result){.detail = "", .user = u}, t0);
    answered(&r, PLANE__JOB_DONE__RESULT__OK, 0);
    assert_null(find(&r, JOB_EFF_RESOLVE));
    Plane__JobDone d;
    job_answer(r.j, PLANE__JOB_DONE__RESULT__OK, &d);
    assert_string_equal(d.user->id, "u1");
    end(&r);
    for (int code = RPC_OK + 1; code < RPC_CODES; code++) {
        r = begin_with(&m);
        fails(&r, code);
        answered(&r, code == RPC_NOT_FOUND ? PLANE__JOB_DONE__RESULT__NOT_FOUND : wanted(code), 0);
        assert_int_equal(r.j->state, JOB_ST_DONE);
        end(&r);
    }
}

/* --- making one ----------------------------------------------------------------------------------------------------
 */

static void test_texts_are_mended(void **state)
{
    (void)state;
    Plane__RunJob m = setup_job();
    m.call_id = (char *)"a\xff\xc3xb";
    m.caller = (char *)"Ay\xc5\x9f"
                       "e";
    struct run r = begin_with(&m);
    assert_string_equal(r.j->call_id, "a??xb");
    assert_string_equal(r.j->caller, "Ay\xc5\x9f"
                                     "e");
    end(&r);
}

static void test_refused(void **state)
{
    (void)state;
    Plane__RunJob m = setup_job();
    m.kind = PLANE__RUN_JOB__KIND__NONE;
    assert_null(job_new(&m, &limits, t0));
    m.kind = (Plane__RunJob__Kind)99;
    assert_null(job_new(&m, &limits, t0));
    m.kind = PLANE__RUN_JOB__KIND__SETUP;
    testkit_fail_alloc(0);
    assert_null(job_new(&m, &limits, t0));
    assert_true(testkit_alloc_failed());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table_is_sound),
        cmocka_unit_test(test_setup),
        cmocka_unit_test(test_the_plan_comes_first),
        cmocka_unit_test(test_the_plan_comes_first_and_wants_no_port),
        cmocka_unit_test(test_setup_without_look_up),
        cmocka_unit_test(test_portless_action),
        cmocka_unit_test(test_portless_plan),
        cmocka_unit_test(test_any_user_failure_makes_a_guest),
        cmocka_unit_test(test_dialplan_failures),
        cmocka_unit_test(test_media_failures),
        cmocka_unit_test(test_budget),
        cmocka_unit_test(test_budget_bounds),
        cmocka_unit_test(test_credentials),
        cmocka_unit_test(test_credentials_failures),
        cmocka_unit_test(test_find_user),
        cmocka_unit_test(test_texts_are_mended),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
