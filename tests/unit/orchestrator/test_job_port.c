/* The job machine: a cancel at every step, ports that come late, ports given back, PlayAudio in its forms. */
#include "tests/unit/orchestrator/job_kit.h"

/* --- cancel --------------------------------------------------------------------------------------------------------
 */

static void test_cancel_before_the_port(void **state)
{
    (void)state;
    for (int step = 0; step < 3; step++) {
        struct run r = begin();
        if (step == 1)
            finds_user(&r);
        else if (step == 2)
            resolves(&r, "ECHO");
        (void)job_cancel(r.j, &r.fx, t0);
        assert_non_null(find(&r, JOB_EFF_DROP_RPCS));
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
    assert_null(find(&r, JOB_EFF_DROP_RPCS)); /* the port may be taken already */
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
    assert_null(find(&r, JOB_EFF_DROP_RPCS));
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

/* --- media-service is away, and back --------------------------------------------------------------------------------
 */

static struct run begin_at_wait(void)
{
    struct run r = begin();
    finds_user(&r);
    rpc_result(
        &r, &(struct job_result){.of = JOB_STEP_DIALPLAN, .detail = "", .plan = plan("ECHO"), .media = JOB_MEDIA_WAIT},
        t0);
    assert_int_equal(r.j->state, JOB_ST_WAIT);
    return r;
}

static void test_waits_for_releases(void **state)
{
    (void)state;
    struct run r = begin_at_wait();
    assert_null(find(&r, JOB_EFF_ALLOCATE));
    assert_non_null(find(&r, JOB_EFF_AWAIT_MEDIA));
    assert_int_equal(ms_of(&r, JOB_EFF_ARM), JOB_MEDIA_WAIT_MS);
    assert_string_equal(find(&r, JOB_EFF_STEP)->text, "resolved");
    assert_false(job_has_port_at_stake(r.j));
    (void)job_open(r.j, &r.fx, at(500));
    assert_int_equal(ms_of(&r, JOB_EFF_ALLOCATE), 4000 + JOB_PORT_LATE_MS);
    assert_int_equal(ms_of(&r, JOB_EFF_ARM), 4000);
    allocates(&r, 40000);
    answered(&r, PLANE__JOB_DONE__RESULT__OK, 40000);
    end(&r);
}

static void test_waits_in_vain(void **state)
{
    (void)state;
    struct run r = begin_at_wait();
    (void)job_timer(r.j, &r.fx, at(JOB_MEDIA_WAIT_MS));
    answered(&r, PLANE__JOB_DONE__RESULT__UNAVAILABLE, 0);
    Plane__JobDone d;
    job_answer(r.j, PLANE__JOB_DONE__RESULT__UNAVAILABLE, &d);
    assert_string_equal(d.step, "media");
    assert_string_equal(d.grpc_status, "UNAVAILABLE");
    end(&r);
    r = begin_at_wait();
    (void)job_cancel(r.j, &r.fx, at(1));
    answered(&r, PLANE__JOB_DONE__RESULT__CANCELLED, 0);
    end(&r);
}

static void test_media_is_away(void **state)
{
    (void)state;
    struct run r = begin();
    finds_user(&r);
    struct job_result res = {
        .of = JOB_STEP_DIALPLAN, .detail = "", .plan = plan("ECHO"), .media = JOB_MEDIA_AWAY, .media_why = "refused"};
    rpc_result(&r, &res, t0);
    answered(&r, PLANE__JOB_DONE__RESULT__UNAVAILABLE, 0);
    assert_string_equal(r.j->detail, "refused");
    assert_null(find(&r, JOB_EFF_ALLOCATE));
    end(&r);
    /* Who needs no port does not mind. */
    char *portless[] = {(char *)"ECHO"};
    Plane__RunJob m = setup_job();
    m.portless_actions = portless;
    m.n_portless_actions = 1;
    r = begin_with(&m);
    finds_user(&r);
    res.plan = plan("ECHO");
    rpc_result(&r, &res, t0);
    answered(&r, PLANE__JOB_DONE__RESULT__OK, 0);
    end(&r);
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

/* The port's number has been given to another call: whatever stage the release is in, it is not tried (again). */
static void test_taken(void **state)
{
    (void)state;
    Plane__RunJob m = release_job();
    struct run r = {.j = job_new(&m, &limits, t0)};
    (void)job_taken(r.j, &r.fx, t0); /* not begun */
    answered(&r, PLANE__JOB_DONE__RESULT__OK, 0);
    assert_null(find(&r, JOB_EFF_RELEASE));
    end(&r);

    r = begin_with(&m);
    (void)job_taken(r.j, &r.fx, t0); /* begun, and not sent */
    answered(&r, PLANE__JOB_DONE__RESULT__OK, 0);
    assert_int_equal(r.j->state, JOB_ST_DONE);
    end(&r);

    r = begin_with(&m);
    fails(&r, RPC_UNAVAILABLE);
    (void)job_taken(r.j, &r.fx, t0); /* between two tries */
    answered(&r, PLANE__JOB_DONE__RESULT__OK, 0);
    assert_non_null(find(&r, JOB_EFF_DISARM));
    end(&r);

    r = begin_with(&m);
    r.j->taken = true; /* under way */
    fails(&r, RPC_UNAVAILABLE);
    answered(&r, PLANE__JOB_DONE__RESULT__OK, 0);
    assert_int_equal(r.j->state, JOB_ST_DONE);
    end(&r);
}

static void test_server_is_back(void **state)
{
    (void)state;
    Plane__RunJob m = release_job();
    struct run r = begin_with(&m);
    fails(&r, RPC_UNAVAILABLE);
    (void)job_timer(r.j, &r.fx, t0);
    fails(&r, RPC_UNAVAILABLE);
    assert_int_equal(ms_of(&r, JOB_EFF_ARM), 2 * JOB_RELEASE_MIN_MS);
    job_server_is_back(r.j);
    (void)job_timer(r.j, &r.fx, t0);
    fails(&r, RPC_UNAVAILABLE);
    assert_int_equal(ms_of(&r, JOB_EFF_ARM), JOB_RELEASE_MIN_MS);
    end(&r);
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
    assert_non_null(find(&r, JOB_EFF_DROP_RPCS));
    answered(&r, PLANE__JOB_DONE__RESULT__CANCELLED, 0);
    end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
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
        cmocka_unit_test(test_waits_for_releases),
        cmocka_unit_test(test_waits_in_vain),
        cmocka_unit_test(test_media_is_away),
        cmocka_unit_test(test_taken),
        cmocka_unit_test(test_server_is_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
