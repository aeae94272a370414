/* The orchestrator process and ports: media-service goes and comes back without its memory, and no call loses its port
 * to the ReleasePort of another. */
#include "tests/unit/orchestrator/orch_rig.h"

static int fresh(void **state)
{
    (void)state;
    if (rig.platform == NULL)
        rig_start_platform();
    if (rig.pid == 0)
        rig_start();
    rig_wait(rig_actor_up, "the link to the actor");
    rig_wait(rig_all_ready, "the three channels");
    rig_forget();
    return 0;
}

static bool media_is_down(void)
{
    return strcmp(rig.dep_state[SVC_MEDIA], "connecting") == 0;
}

static bool release_held(void)
{
    return rig.release.held != NULL;
}

static bool allocate_held(void)
{
    return rig.allocate.held != NULL;
}

static bool resolved(void)
{
    return rig.resolve.cnt >= 1;
}

static bool four_releases(void)
{
    return rig.release.cnt >= 4;
}

static void platform_is_replaced(void)
{
    rig_stop_platform();
    rig_wait(media_is_down, "the connection is lost");
    rig_start_platform();
    rig_wait(rig_all_ready, "another server");
}

static void release_port(const char *id, uint32_t port)
{
    rig_ask(id, PLANE__RUN_JOB__KIND__RELEASE_PORT, port);
}

static void answer_release(void)
{
    struct serve_call *c = rig.release.held;
    rig.release.held = NULL;
    Sentiric__Media__V1__ReleasePortResponse r = SENTIRIC__MEDIA__V1__RELEASE_PORT_RESPONSE__INIT;
    serve_answer(c, RPC_OK, "", &r.base);
}

static const char *awaited; /* id of a job */

static const Plane__JobDone *done_of_awaited(void)
{
    for (size_t i = 0; i < rig.done_cnt; i++)
        if (rig.done[i]->id.len == strlen(awaited) && memcmp(rig.done[i]->id.data, awaited, strlen(awaited)) == 0)
            return rig.done[i];
    return NULL;
}

static bool is_done(void)
{
    return done_of_awaited() != NULL;
}

static void wait_ok(const char *id, uint32_t port)
{
    awaited = id;
    rig_wait(is_done, id);
    assert_int_equal(done_of_awaited()->result, PLANE__JOB_DONE__RESULT__OK);
    assert_int_equal(done_of_awaited()->rtp_port, port);
}

static void set_up(const char *id, const char *call_id, uint32_t port)
{
    rig.call_id = call_id;
    rig.next_port = port;
    rig_setup_job(id);
    wait_ok(id, port);
}

/* --- order -----------------------------------------------------------------------------------------------------------
 */

static void test_release_goes_first(void **state)
{
    (void)state;
    rig_stop_platform();
    rig_wait(media_is_down, "the connection is lost");
    release_port("o1", 40100);
    rig.release.hold = true;
    rig_start_platform();
    rig_wait(release_held, "ReleasePort as soon as it is back");
    rig_wait(rig_all_ready, "the three channels");
    rig.next_port = 40106;
    rig_setup_job("o2");
    rig_wait(resolved, "ResolveDialplan");
    rig_cancel("unknown"); /* its answer says that all before it was handled */
    rig_wait(rig_one_done, "an answer");
    assert_int_equal(rig.allocate.cnt, 0);
    answer_release();
    wait_ok("o1", 0);
    wait_ok("o2", 40106);
    assert_int_equal(rig.allocate.cnt, 1);
    assert_in_range(rig.release.cnt, 1, 2); /* or its deadline was over meanwhile, and it was tried again */
}

static void test_release_goes_first_for_a_while(void **state)
{
    (void)state;
    rig_stop_platform();
    rig_wait(media_is_down, "the connection is lost");
    release_port("w1", 40102);
    rig.release.hold = true;
    rig_start_platform();
    rig_wait(release_held, "ReleasePort");
    rig_wait(rig_all_ready, "the three channels");
    int64_t began_ms = clock_mono_ms();
    rig.next_port = 40110;
    rig_setup_job("w2");
    wait_ok("w2", 40110);
    assert_true(clock_mono_ms() - began_ms < 5000);
    assert_int_equal(rig.allocate.cnt, 1);
    answer_release();
    wait_ok("w1", 0); /* by this, or its deadline was over and it was tried again */
}

/* What failed while nobody was there is tried when somebody is, whatever pause it was in. */
static void test_release_does_not_wait_for_its_pause(void **state)
{
    (void)state;
    for (size_t i = 0; i < 4; i++)
        rig.release.next[i] = RPC_UNAVAILABLE; /* the next pause is 800 ms and more */
    release_port("p1", 40104);
    rig_wait(four_releases, "four tries");
    rig_stop_platform();
    rig_wait(media_is_down, "the connection is lost");
    rig_start_platform();
    rig_wait(rig_all_ready, "the three channels");
    int64_t began_ms = clock_mono_ms();
    rig_wait(rig_one_done, "the port is given back");
    assert_true(clock_mono_ms() - began_ms < 500);
}

/* --- owner -----------------------------------------------------------------------------------------------------------
 */

static void test_pending_release_of_a_taken_port(void **state)
{
    (void)state;
    for (size_t i = 0; i < 4; i++)
        rig.release.next[i] = RPC_INTERNAL;
    rig.call_id = "call-a";
    release_port("t1", 40200);
    rig_wait(four_releases, "four tries"); /* the next is 800 ms away */
    set_up("t2", "call-b", 40200);
    wait_ok("t1", 0);
    assert_int_equal(rig.release.cnt, 4);
    assert_int_equal(rig.released[40200 % RIG_KEPT], 0);
}

static void test_release_of_a_taken_port_under_way(void **state)
{
    (void)state;
    rig.release.hold = true;
    rig.call_id = "call-a";
    release_port("u1", 40202);
    rig_wait(release_held, "ReleasePort");
    set_up("u2", "call-b", 40202);
    serve_answer(rig.release.held, RPC_UNAVAILABLE, "no", NULL);
    rig.release.held = NULL;
    wait_ok("u1", 0);
    assert_int_equal(rig.release.cnt, 1);
}

/* The first call lives on through the restart, and ends when its number is the second's. */
static void test_former_owner_releases_nothing(void **state)
{
    (void)state;
    set_up("f1", "call-a", 40204);
    platform_is_replaced();
    set_up("f2", "call-b", 40204);
    rig.call_id = "call-a";
    release_port("f3", 40204);
    wait_ok("f3", 0);
    assert_int_equal(rig.release.cnt, 0);
    rig.call_id = "call-b";
    release_port("f4", 40204);
    wait_ok("f4", 0);
    assert_int_equal(rig.released[40204 % RIG_KEPT], 1);
}

/* A port that comes late belongs to its call like any other. */
static void test_late_port_of_a_taken_number(void **state)
{
    (void)state;
    rig.allocate.hold = true;
    rig.next_port = 40206;
    rig.call_id = "call-a";
    rig_setup_job("l1");
    rig_wait(allocate_held, "AllocatePort");
    rig_wait(rig_one_done, "the answer at the deadline");
    for (size_t i = 0; i < 4; i++)
        rig.release.next[i] = RPC_INTERNAL;
    rig_give_port(rig.allocate.held);
    rig.allocate.held = NULL;
    rig_wait(four_releases, "it is given back, in vain");
    set_up("l2", "call-b", 40206);
    assert_int_equal(rig.release.cnt, 4);
}

/* --- death -----------------------------------------------------------------------------------------------------------
 */

/* Its answer was read and is lost with us: whoever asks again gets the same port, and no second one is taken. */
static void test_port_of_a_former_life(void **state)
{
    (void)state;
    set_up("k1", "call-a", 40400);
    assert_int_equal(rig.allocate.cnt, 1);
    rig_kill(SIGKILL);
    rig_start();
    rig_wait(rig_actor_up, "the link to the actor");
    rig_forget_answers();
    rig.next_port = 40402; /* what a second AllocatePort would give */
    rig_setup_job("k1");
    wait_ok("k1", 40400);
    assert_int_equal(rig.allocate.cnt, 1);
    set_up("k2", "call-b", 40402);
}

/* A port that no call has (its store was lost) is given back; one that has a call is not. */
static bool reclaimed(void)
{
    return rig.released[40500 % RIG_KEPT] == 1;
}

static void test_port_without_call(void **state)
{
    (void)state;
    set_up("v1", "call-a", 40500);
    set_up("v2", "call-b", 40502);
    rig.held_port = 40502;
    rig_kill(SIGKILL);
    rig_start();
    rig_wait(reclaimed, "the port that nobody has is given back");
    rig_cancel("unknown");
    rig_wait(rig_one_done, "an answer");
    assert_int_equal(rig.released[40502 % RIG_KEPT], 0);
}

/* Its answer never came: no number is known. The server is asked what is taken, and what it is was nobody's. */
static bool stranger_is_free(void)
{
    return rig.released[40604 % RIG_KEPT] == 1;
}

static void test_port_whose_answer_was_lost(void **state)
{
    (void)state;
    set_up("n1", "call-a", 40600);
    set_up("n2", "call-b", 40608);
    rig.held_port = 40600;
    rig.play_knows = true;
    rig.taken[0] = 40600;
    rig.taken[1] = 40608;
    rig.taken[2] = 40604; /* by the AllocatePort below */
    rig.allocate.hold = true;
    rig.call_id = "call-c";
    rig_setup_job("n3");
    rig_wait(allocate_held, "AllocatePort");
    rig_kill(SIGKILL);
    serve_answer(rig.allocate.held, RPC_UNAVAILABLE, "nobody is there", NULL);
    rig.allocate.held = NULL;
    rig.exclusive = true;
    rig_start();
    rig_wait(stranger_is_free, "the port without a number is given back");
    assert_int_equal(rig.released[40600 % RIG_KEPT], 0);
}

static bool many_are_free(void)
{
    return rig.release.cnt >= (40660 - 40602) / 2 + 1;
}

/* Thirty of them: each is looked at, one after the other, and given back. */
static void test_many_ports_whose_answer_was_lost(void **state)
{
    (void)state;
    set_up("n1", "call-a", 40600);
    set_up("n2", "call-b", 40670);
    rig.held_port = 40600;
    rig.play_knows = true;
    rig.taken_from = 40602;
    rig.taken_to = 40660;
    rig.allocate.hold = true;
    rig.call_id = "call-c";
    rig_setup_job("n3");
    rig_wait(allocate_held, "AllocatePort");
    rig_kill(SIGKILL);
    serve_answer(rig.allocate.held, RPC_UNAVAILABLE, "nobody is there", NULL);
    rig.allocate.held = NULL;
    rig.exclusive = true;
    rig_start();
    rig_wait(many_are_free, "the ports without a number are given back");
}

/* --- stop ------------------------------------------------------------------------------------------------------------
 */

/* Ports that actors want given back are asked for again of the next process. */
static void test_stop_does_not_wait_for_media(void **state)
{
    (void)state;
    rig_stop_platform();
    rig_wait(media_is_down, "the connection is lost");
    release_port("z1", 40300);
    release_port("z2", 40302);
    rig_cancel("z1"); /* begins the gathered one; giving back is not taken back */
    rig_cancel("unknown");
    rig_wait(rig_one_done, "all of it was handled");
    int64_t began_ms = clock_mono_ms();
    (void)kill(rig.pid, SIGTERM);
    rig_wait(rig_gone, "it leaves");
    assert_true(clock_mono_ms() - began_ms < 1500);
    assert_int_equal(WEXITSTATUS(rig.status), EX_OK);
}

static int open_rig(void **state)
{
    rig.grpc_port = (uint16_t)(20000 + getpid() % 2000);
    return rig_open(state);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return rig_worker_main(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_release_goes_first, fresh),
        cmocka_unit_test_setup(test_release_goes_first_for_a_while, fresh),
        cmocka_unit_test_setup(test_release_does_not_wait_for_its_pause, fresh),
        cmocka_unit_test_setup(test_pending_release_of_a_taken_port, fresh),
        cmocka_unit_test_setup(test_release_of_a_taken_port_under_way, fresh),
        cmocka_unit_test_setup(test_former_owner_releases_nothing, fresh),
        cmocka_unit_test_setup(test_late_port_of_a_taken_number, fresh),
        cmocka_unit_test_setup(test_port_of_a_former_life, fresh),
        cmocka_unit_test_setup(test_port_without_call, fresh),
        cmocka_unit_test_setup(test_port_whose_answer_was_lost, fresh),
        cmocka_unit_test_setup(test_many_ports_whose_answer_was_lost, fresh),
        cmocka_unit_test_setup(test_stop_does_not_wait_for_media, fresh),
    };
    return cmocka_run_group_tests(tests, open_rig, rig_close);
}
