/* The job machine: every path, every failure, a cancel at every step, ports that come late. */
#include "tests/unit/testkit.h"

#include "orchestrator/job.h"
#include <stdlib.h>
#include <string.h>

static const struct job_limits limits = {.user_ms = 2000, .dialplan_ms = 5000, .media_ms = 4000};
static const struct now t0 = {.mono_ms = 1000000};

static struct now at(int64_t ms)
{
    return (struct now){.mono_ms = t0.mono_ms + ms};
}

static Plane__RunJob setup_job(void)
{
    Plane__RunJob m = PLANE__RUN_JOB__INIT;
    m.kind = PLANE__RUN_JOB__KIND__SETUP;
    m.call_id = (char *)"call-1";
    m.trace_id = (char *)"trace-1";
    m.caller_type = (char *)"phone";
    m.caller = (char *)"905550000001";
    m.destination = (char *)"902121234567";
    m.budget_ms = 9000;
    return m;
}

/* A job and what came of its last event. */
struct run {
    struct job *j;
    struct job_effects fx;
};

static struct run begin_with(const Plane__RunJob *m)
{
    struct run r = {.j = job_new(m, &limits, t0)};
    assert_non_null(r.j);
    (void)job_run(r.j, &r.fx, t0);
    return r;
}

static struct run begin(void)
{
    Plane__RunJob m = setup_job();
    return begin_with(&m);
}

static void end(struct run *r)
{
    job_free(r->j);
}

static const struct job_effect *find(const struct run *r, enum job_effect_kind kind)
{
    for (size_t i = 0; i < r->fx.cnt; i++)
        if (r->fx.list[i].kind == kind)
            return &r->fx.list[i];
    return NULL;
}

static int64_t ms_of(const struct run *r, enum job_effect_kind kind)
{
    const struct job_effect *e = find(r, kind);
    assert_non_null(e);
    return e->after_ms;
}

static void answered(const struct run *r, Plane__JobDone__Result result, uint32_t port)
{
    const struct job_effect *e = find(r, JOB_EFF_ANSWER);
    assert_non_null(e);
    assert_int_equal(e->result, result);
    Plane__JobDone d;
    job_answer(r->j, e->result, &d);
    assert_int_equal(d.rtp_port, port);
}

static void not_answered(const struct run *r)
{
    assert_null(find(r, JOB_EFF_ANSWER));
}

static void rpc_result(struct run *r, const struct job_result *res, struct now now)
{
    (void)job_rpc_ended(r->j, res, &r->fx, now);
}

static void fails(struct run *r, int code)
{
    rpc_result(r, &(struct job_result){.code = code, .detail = "because"}, t0);
}

static void finds_user(struct run *r)
{
    Plane__User *u = malloc(sizeof *u);
    plane__user__init(u);
    u->id = strdup("u1");
    rpc_result(r, &(struct job_result){.detail = "", .user = u}, t0);
}

static Plane__Plan *plan(const char *action)
{
    Plane__Plan *p = malloc(sizeof *p);
    plane__plan__init(p);
    p->action = strdup(action);
    return p;
}

static void resolves(struct run *r, const char *action)
{
    rpc_result(r, &(struct job_result){.detail = "", .plan = plan(action)}, t0);
}

static void allocates(struct run *r, uint32_t port)
{
    rpc_result(r, &(struct job_result){.detail = "", .port = port}, t0);
}

static struct run begin_at_port(void)
{
    struct run r = begin();
    finds_user(&r);
    resolves(&r, "START_AI_CONVERSATION");
    assert_int_equal(r.j->state, JOB_ST_PORT);
    return r;
}

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
    assert_int_equal(ms_of(&r, JOB_EFF_ARM), 9000);
    finds_user(&r);
    assert_int_equal(ms_of(&r, JOB_EFF_RESOLVE), 5000);
    assert_string_equal(find(&r, JOB_EFF_STEP)->text, "found");
    resolves(&r, "START_AI_CONVERSATION");
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

static void test_any_user_failure_makes_a_guest(void **state)
{
    (void)state;
    for (int code = RPC_OK; code < RPC_CODES; code++) {
        struct run r = begin();
        fails(&r, code);
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
        struct run r = begin();
        finds_user(&r);
        fails(&r, code);
        answered(&r, code == RPC_PERMISSION_DENIED ? PLANE__JOB_DONE__RESULT__DENIED : wanted(code), 0);
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
    assert_non_null(find(&r, JOB_EFF_DROP_RPC));
    answered(&r, PLANE__JOB_DONE__RESULT__UNAVAILABLE, 0);
    end(&r);

    r = begin();
    rpc_result(&r, &(struct job_result){.code = RPC_DEADLINE_EXCEEDED, .detail = ""}, at(7000));
    assert_int_equal(ms_of(&r, JOB_EFF_RESOLVE), 2000); /* what is left, not what dialplan-service could have had */
    (void)job_timer(r.j, &r.fx, at(9000));
    assert_non_null(find(&r, JOB_EFF_DROP_RPC));
    answered(&r, PLANE__JOB_DONE__RESULT__UNAVAILABLE, 0);
    end(&r);

    r = begin();
    finds_user(&r);
    rpc_result(&r, &(struct job_result){.detail = "", .plan = plan("ECHO")}, at(8500));
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
    rpc_result(&r, &(struct job_result){.detail = ""}, at(50)); /* past its end, before its timer ran */
    assert_int_equal(ms_of(&r, JOB_EFF_RESOLVE), 1);
    end(&r);
}

/* --- cancel --------------------------------------------------------------------------------------------------------
 */

static void test_cancel_before_the_port(void **state)
{
    (void)state;
    for (int step = 0; step < 2; step++) {
        struct run r = begin();
        if (step == 1)
            finds_user(&r);
        (void)job_cancel(r.j, &r.fx, t0);
        assert_non_null(find(&r, JOB_EFF_DROP_RPC));
        assert_non_null(find(&r, JOB_EFF_DISARM));
        answered(&r, PLANE__JOB_DONE__RESULT__CANCELLED, 0);
        assert_int_equal(r.j->state, JOB_ST_DONE);
        (void)job_cancel(r.j, &r.fx, t0);
        not_answered(&r);
        end(&r);
    }
}

static void test_cancel_while_the_port_comes(void **state)
{
    (void)state;
    struct run r = begin_at_port();
    (void)job_cancel(r.j, &r.fx, t0);
    assert_null(find(&r, JOB_EFF_DROP_RPC)); /* the port may be taken already */
    not_answered(&r);
    assert_true(job_has_port_at_stake(r.j));
    (void)job_cancel(r.j, &r.fx, t0);
    not_answered(&r);
    allocates(&r, 40002);
    answered(&r, PLANE__JOB_DONE__RESULT__CANCELLED, 40002); /* the actor gives it back */
    end(&r);

    r = begin_at_port();
    (void)job_cancel(r.j, &r.fx, t0);
    fails(&r, RPC_RESOURCE_EXHAUSTED);
    answered(&r, PLANE__JOB_DONE__RESULT__CANCELLED, 0);
    end(&r);
}

static void test_cancel_then_late(void **state)
{
    (void)state;
    struct run r = begin_at_port();
    (void)job_cancel(r.j, &r.fx, t0);
    (void)job_timer(r.j, &r.fx, at(4000));
    answered(&r, PLANE__JOB_DONE__RESULT__CANCELLED, 0);
    assert_int_equal(r.j->state, JOB_ST_LATE);
    (void)job_cancel(r.j, &r.fx, at(4001));
    not_answered(&r);
    allocates(&r, 40004);
    not_answered(&r);
    assert_non_null(find(&r, JOB_EFF_LATE));
    assert_non_null(find(&r, JOB_EFF_RELEASE));
    assert_int_equal(r.j->rtp_port, 40004);
    end(&r);
}

/* --- late ports ----------------------------------------------------------------------------------------------------
 */

static void test_late_port(void **state)
{
    (void)state;
    struct run r = begin_at_port();
    (void)job_timer(r.j, &r.fx, at(4000));
    answered(&r, PLANE__JOB_DONE__RESULT__UNAVAILABLE, 0);
    assert_null(find(&r, JOB_EFF_DROP_RPC));
    assert_true(job_has_port_at_stake(r.j));
    rpc_result(&r, &(struct job_result){.detail = "", .port = 40006}, at(20000));
    assert_non_null(find(&r, JOB_EFF_LATE));
    not_answered(&r);
    assert_int_equal(ms_of(&r, JOB_EFF_RELEASE), 4000);
    rpc_result(&r, &(struct job_result){.code = RPC_UNAVAILABLE, .detail = ""}, at(20001));
    assert_int_equal(ms_of(&r, JOB_EFF_ARM), JOB_RELEASE_MIN_MS);
    assert_true(job_has_port_at_stake(r.j));
    (void)job_timer(r.j, &r.fx, at(20101));
    assert_non_null(find(&r, JOB_EFF_RELEASE));
    rpc_result(&r, &(struct job_result){.detail = ""}, at(20102));
    not_answered(&r); /* it was answered long ago */
    assert_int_equal(r.j->state, JOB_ST_DONE);
    end(&r);
}

static void test_late_port_never_comes(void **state)
{
    (void)state;
    static const struct {
        int code;
        bool leaked;
    } rows[] = {{RPC_DEADLINE_EXCEEDED, true}, {RPC_RESOURCE_EXHAUSTED, false}};
    for (size_t i = 0; i < 2; i++) {
        struct run r = begin_at_port();
        (void)job_timer(r.j, &r.fx, at(4000));
        fails(&r, rows[i].code);
        assert_int_equal(find(&r, JOB_EFF_LEAKED) != NULL, rows[i].leaked);
        assert_int_equal(r.j->state, JOB_ST_DONE);
        end(&r);
    }
}

/* --- release -------------------------------------------------------------------------------------------------------
 */

static Plane__RunJob release_job(void)
{
    Plane__RunJob m = PLANE__RUN_JOB__INIT;
    m.kind = PLANE__RUN_JOB__KIND__RELEASE_PORT;
    m.rtp_port = 40010;
    m.budget_ms = 1; /* not for the actor to shorten */
    return m;
}

static void test_release(void **state)
{
    (void)state;
    static const int good[] = {RPC_OK, RPC_NOT_FOUND};
    for (size_t i = 0; i < 2; i++) {
        Plane__RunJob m = release_job();
        struct run r = begin_with(&m);
        assert_int_equal(ms_of(&r, JOB_EFF_RELEASE), 4000);
        assert_int_equal(r.j->rtp_port, 40010);
        fails(&r, good[i]);
        answered(&r, PLANE__JOB_DONE__RESULT__OK, 0);
        end(&r);
    }
}

static void test_release_is_tried_again(void **state)
{
    (void)state;
    Plane__RunJob m = release_job();
    struct run r = begin_with(&m);
    int64_t ms = 0;
    int64_t longest = 0;
    unsigned tries = 0;
    for (;; tries++) {
        ms += 10;
        rpc_result(&r, &(struct job_result){.code = RPC_UNAVAILABLE, .detail = "down"}, at(ms));
        if (r.j->state == JOB_ST_DONE)
            break;
        (void)job_cancel(r.j, &r.fx, at(ms)); /* not taken back */
        assert_int_equal(r.j->state, JOB_ST_FREE_WAIT);
        longest = r.j->pause.cur_ms;
        ms += longest;
        (void)job_timer(r.j, &r.fx, at(ms));
        assert_non_null(find(&r, JOB_EFF_RELEASE));
    }
    assert_int_equal(longest, JOB_RELEASE_MAX_MS);
    assert_in_range(ms, JOB_RELEASE_FOR_MS, JOB_RELEASE_FOR_MS + JOB_RELEASE_MAX_MS + 10);
    assert_in_range(tries, 100, 140);
    assert_non_null(find(&r, JOB_EFF_LEAKED));
    answered(&r, PLANE__JOB_DONE__RESULT__UNAVAILABLE, 0);
    end(&r);
}

static void test_own_release_answers_nobody(void **state)
{
    (void)state;
    struct run r = {.j = job_new_release(40012, &limits, t0)};
    (void)job_run(r.j, &r.fx, t0);
    assert_non_null(find(&r, JOB_EFF_RELEASE));
    assert_true(job_has_port_at_stake(r.j));
    fails(&r, RPC_OK);
    not_answered(&r);
    assert_int_equal(r.j->state, JOB_ST_DONE);
    end(&r);
}

/* --- playing -------------------------------------------------------------------------------------------------------
 */

static struct run begin_play(Plane__RunJob__Kind kind)
{
    Plane__RunJob m = PLANE__RUN_JOB__INIT;
    m.kind = kind;
    m.rtp_port = 40020;
    m.rtp_target = (char *)"127.0.0.1:4000";
    m.audio_uri = (char *)"file://x.wav";
    return begin_with(&m);
}

static void play_ends(struct run *r, int code, bool may_swap)
{
    rpc_result(r, &(struct job_result){.code = code, .detail = "", .may_swap = may_swap}, t0);
}

static void test_punch_forms(void **state)
{
    (void)state;
    struct run r = begin_play(PLANE__RUN_JOB__KIND__PUNCH);
    assert_false(r.j->silence || r.j->swapped);
    play_ends(&r, RPC_INVALID_ARGUMENT, true); /* the other layout */
    assert_true(r.j->swapped && !r.j->silence);
    play_ends(&r, RPC_INVALID_ARGUMENT, true); /* no control words there: silence, first layout first */
    assert_true(!r.j->swapped && r.j->silence);
    play_ends(&r, RPC_INVALID_ARGUMENT, true);
    assert_true(r.j->swapped && r.j->silence);
    not_answered(&r);
    play_ends(&r, RPC_INVALID_ARGUMENT, true); /* nothing is left */
    answered(&r, PLANE__JOB_DONE__RESULT__FAILED, 0);
    end(&r);
}

static void test_punch_where_the_layout_is_known(void **state)
{
    (void)state;
    struct run r = begin_play(PLANE__RUN_JOB__KIND__PUNCH);
    play_ends(&r, RPC_INVALID_ARGUMENT, false);
    assert_true(!r.j->swapped && r.j->silence);
    play_ends(&r, RPC_INTERNAL, false);
    answered(&r, PLANE__JOB_DONE__RESULT__FAILED, 0);
    end(&r);
}

static void test_punch_gives_up_at_once(void **state)
{
    (void)state;
    static const int codes[] = {RPC_UNAVAILABLE, RPC_DEADLINE_EXCEEDED, RPC_NOT_FOUND};
    for (size_t i = 0; i < 3; i++) {
        struct run r = begin_play(PLANE__RUN_JOB__KIND__PUNCH);
        play_ends(&r, codes[i], true);
        assert_int_equal(r.j->state, JOB_ST_DONE);
        end(&r);
    }
}

static void test_play(void **state)
{
    (void)state;
    struct run r = begin_play(PLANE__RUN_JOB__KIND__PLAY);
    assert_int_equal(ms_of(&r, JOB_EFF_PLAY), JOB_PLAY_MS);
    play_ends(&r, RPC_INVALID_ARGUMENT, true);
    assert_true(r.j->swapped);
    play_ends(&r, RPC_OK, false);
    answered(&r, PLANE__JOB_DONE__RESULT__OK, 0);
    end(&r);

    r = begin_play(PLANE__RUN_JOB__KIND__PLAY);
    play_ends(&r, RPC_INTERNAL, true); /* the announcement is not there: silence would be no announcement */
    answered(&r, PLANE__JOB_DONE__RESULT__FAILED, 0);
    end(&r);

    r = begin_play(PLANE__RUN_JOB__KIND__PLAY);
    (void)job_cancel(r.j, &r.fx, t0);
    assert_non_null(find(&r, JOB_EFF_DROP_RPC));
    answered(&r, PLANE__JOB_DONE__RESULT__CANCELLED, 0);
    end(&r);
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
        cmocka_unit_test(test_setup_without_look_up),
        cmocka_unit_test(test_portless_action),
        cmocka_unit_test(test_any_user_failure_makes_a_guest),
        cmocka_unit_test(test_dialplan_failures),
        cmocka_unit_test(test_media_failures),
        cmocka_unit_test(test_budget),
        cmocka_unit_test(test_budget_bounds),
        cmocka_unit_test(test_cancel_before_the_port),
        cmocka_unit_test(test_cancel_while_the_port_comes),
        cmocka_unit_test(test_cancel_then_late),
        cmocka_unit_test(test_late_port),
        cmocka_unit_test(test_late_port_never_comes),
        cmocka_unit_test(test_release),
        cmocka_unit_test(test_release_is_tried_again),
        cmocka_unit_test(test_own_release_answers_nobody),
        cmocka_unit_test(test_punch_forms),
        cmocka_unit_test(test_punch_where_the_layout_is_known),
        cmocka_unit_test(test_punch_gives_up_at_once),
        cmocka_unit_test(test_play),
        cmocka_unit_test(test_texts_are_mended),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
