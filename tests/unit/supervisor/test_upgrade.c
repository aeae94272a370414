/*
 * Upgrades: the verdict on a new worker, what programs say of themselves, which directories are refused, and one that
 * goes wrong in a whole supervisor. (tests/process/test_upgrade.py has calls beside it.)
 */
#include "supervisor/upgrade.h"
#include "tests/unit/supervisor/rig.h"

/* --- the verdict --- */

/* A worker that has been well for long enough. */
static struct upgrade_look well(void)
{
    return (struct upgrade_look){.now_ms = 10000,
                                 .asked_ms = 1000,
                                 .fresh = true,
                                 .up = true,
                                 .started_ms = 1100,
                                 .up_ms = 1200,
                                 .hello_ms = UPGRADE_HELLO_MS,
                                 .good_since_ms = 10000 - UPGRADE_WATCH_MS};
}

static void is_sick(struct upgrade_look l, const char *because)
{
    const char *why = NULL;
    assert_int_equal(upgrade_judge(&l, &why), UPGRADE_SICK);
    assert_non_null(strstr(why, because));
}

static void is(struct upgrade_look l, enum upgrade_verdict want)
{
    const char *why = NULL;
    assert_int_equal(upgrade_judge(&l, &why), want);
    assert_null(why);
}

static void test_well_for_long_enough(void **state)
{
    (void)state;
    struct upgrade_look l = well();
    is(l, UPGRADE_WELL);
    l.now_ms--;
    is(l, UPGRADE_WAIT);
    l.now_ms = l.up_ms + UPGRADE_READY_MS;
    l.good_since_ms = 0;
    is(l, UPGRADE_WAIT);
    l.now_ms++;
    is_sick(l, "not ready in time");
}

static void test_dead_mute_or_foreign(void **state)
{
    (void)state;
    struct upgrade_look l = well();
    l.died = true;
    is_sick(l, "it died");
    l = well();
    l.alien = true;
    is_sick(l, "message plane");
    l = well();
    l.up = false;
    l.now_ms = l.started_ms + l.hello_ms;
    is(l, UPGRADE_WAIT);
    l.now_ms++;
    is_sick(l, "no Hello in time");
    l.sign_ms = l.now_ms - UPGRADE_STILL_MS; /* its store is large */
    is(l, UPGRADE_WAIT);
    l.sign_ms--;
    is_sick(l, "no Hello in time");
    l.now_ms = l.started_ms + UPGRADE_HELLO_MAX_MS;
    l.sign_ms = l.now_ms;
    is(l, UPGRADE_WAIT);
    l.now_ms++;
    is_sick(l, "no Hello in time");
    l = (struct upgrade_look){.now_ms = UPGRADE_GONE_MS, .asked_ms = 0};
    is(l, UPGRADE_WAIT);
    l.now_ms++;
    is_sick(l, "predecessor");
}

static void test_errors_while_watched(void **state)
{
    (void)state;
    struct upgrade_look l = well();
    l.faults = UPGRADE_FAULTS_MAX;
    is(l, UPGRADE_WELL);
    l.faults++;
    is_sick(l, "errors in the log");
    /* A quarter of what is answered says 5xx; before, none did. */
    l = well();
    l.finals = 20;
    l.failures = 5;
    l.old_finals = 1000;
    is_sick(l, "5xx");
    l.failures = 4;
    is(l, UPGRADE_WELL);
    l.failures = 5;
    l.finals = 21;
    is(l, UPGRADE_WELL);
    /* It was like that before: a backend that is down, or a flood. */
    l.finals = 20;
    l.old_failures = 200;
    is(l, UPGRADE_WELL);
}

static void test_time_for_hello(void **state)
{
    (void)state;
    const struct child_kind *actor = &child_kinds[CHILD_KINDS - 1];
    assert_int_equal(upgrade_hello_ms(actor, 0), UPGRADE_HELLO_MS);
    assert_int_equal(upgrade_hello_ms(actor, 1000), UPGRADE_HELLO_MS + 3000);
    assert_int_equal(upgrade_hello_ms(actor, 1000000), actor->hello_ms);
}

/* --- what programs say --- */

static void test_versions_are_read(void **state)
{
    (void)state;
    struct upgrade_said v;
    assert_true(upgrade_said_parse(SPAN("call-actor 1.2.3\nplane 4 2\nstore 7\n"), "call-actor", &v));
    assert_string_equal(v.version, "1.2.3");
    assert_int_equal(v.plane, 4);
    assert_int_equal(v.plane_oldest, 2);
    assert_int_equal(v.store, 7);
    assert_true(upgrade_said_parse(SPAN("publisher 2\nand more\nplane 1 1"), "publisher", &v));
    assert_int_equal(v.store, 0);
    static const char *const bad[] = {
        "",
        "publisher",
        "publisher 1\n",
        "publisher 1\nplane\n",
        "publisher 1\nplane x 1\n",
        "publisher 1\nplane 1\n",
        "publisher 1\nplane 1 4294967296\n",
        "orchestrator 1\nplane 1 1\n",
        "publisher 11111111111111111111111111111111111111111111111111111111111111111111111"
        "\nplane 1 1\n"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(upgrade_said_parse(span_cstr(bad[i]), "publisher", &v));
}

static void test_which_planes_fit(void **state)
{
    (void)state;
    assert_true(plane_fits(PLANE_VERSION, PLANE_OLDEST));
    assert_true(plane_fits(PLANE_VERSION, 0)); /* from before it was said */
    assert_true(plane_fits(PLANE_VERSION + 5, PLANE_VERSION));
    assert_false(plane_fits(PLANE_VERSION + 5, PLANE_VERSION + 1));
    assert_false(plane_fits(PLANE_OLDEST - 1, 0));
}

/* --- directories --- */

static void make_dir(const struct rig *r, const char *name, char path[RIG_PATH_MAX + 64])
{
    char program[RIG_PATH_MAX + 128];
    rig_path(r, name, path);
    assert_int_equal(mkdir(path, 0755), 0);
    for (size_t i = 0; i < CHILD_KINDS; i++) {
        (void)snprintf(program, sizeof program, "%s/%s", path, child_kinds[i].name);
        assert_int_equal(symlink("/bin/true", program), 0);
    }
}

static void refused(const char *dir, const char *because)
{
    char real[SUP_PATH_MAX];
    char why[SUP_TEXT_MAX];
    assert_int_equal(upgrade_dir_check(dir, real, why), -1);
    if (strstr(why, because) == NULL)
        fail_msg("%s: %s", because, why);
}

static void test_directories(void **state)
{
    (void)state;
    struct rig r;
    char dir[RIG_PATH_MAX + 64];
    char program[RIG_PATH_MAX + 128];
    char real[SUP_PATH_MAX];
    char why[SUP_TEXT_MAX];
    rig_init(&r);
    make_dir(&r, "new", dir);
    assert_int_equal(upgrade_dir_check(dir, real, why), 0);
    refused("new", "absolute");
    assert_int_equal(chmod(dir, 0775), 0);
    refused(dir, "written by others");
    assert_int_equal(chmod(dir, 0755), 0);
    assert_int_equal(chmod(r.dir, 0777), 0); /* above it */
    refused(dir, "written by others");
    assert_int_equal(chmod(r.dir, 0700), 0);
    (void)snprintf(program, sizeof program, "%s/publisher", dir);
    assert_int_equal(unlink(program), 0);
    refused(dir, "No such file");
    assert_int_equal(mkdir(program, 0755), 0);
    refused(dir, "no program");
    rig_fini(&r);
}

/* --- a whole supervisor --- */

static bool ok_failed(const cJSON *reply)
{
    return strcmp(json_text(cJSON_GetObjectItem(reply, "upgrade"), "state"), "failed") == 0;
}

static void wait_failed(const struct rig *r, const char *because)
{
    int64_t end = clock_mono_ms() + RIG_WAIT_MS;
    for (bool failed = false; !failed;) {
        cJSON *reply = rig_ask(r, "{\"cmd\":\"upgrade\"}");
        failed = ok_failed(reply);
        if (failed)
            assert_non_null(strstr(json_text(cJSON_GetObjectItem(reply, "upgrade"), "why"), because));
        cJSON_Delete(reply);
        assert_true(clock_mono_ms() < end);
        (void)poll(NULL, 0, 20);
    }
}

static void test_goes_back_when_one_dies(void **state)
{
    (void)state;
    struct rig r;
    char request[RIG_PATH_MAX + 128];
    char order[RIG_PATH_MAX + 64];
    rig_init(&r);
    rig_start(&r);
    rig_wait_ready(&r);
    int pid = rig_worker_pid(&r, "publisher");
    rig_do(&r, "sip-edge", "die");
    (void)snprintf(request, sizeof request, "{\"cmd\":\"upgrade\",\"dir\":\"%s/bin\"}", r.dir);
    cJSON *reply = rig_ask(&r, request);
    assert_true(json_true(reply, "ok"));
    cJSON_Delete(reply);
    rig_wait_log(&r, "going back");
    reply = rig_ask(&r, "{\"cmd\":\"restart\",\"worker\":\"publisher\"}");
    assert_string_equal(json_text(reply, "error"), "refused");
    cJSON_Delete(reply);
    reply = rig_ask(&r, request);
    assert_string_equal(json_text(reply, "message"), "an upgrade is under way");
    cJSON_Delete(reply);
    rig_path(&r, "run/do-sip-edge", order);
    assert_int_equal(unlink(order), 0);
    wait_failed(&r, "it died: exit 5");
    assert_int_equal(rig_worker_pid(&r, "publisher"), pid);
    rig_wait_ready(&r);
    (void)kill(r.pid, SIGTERM);
    assert_int_equal(rig_wait_exit(&r), EX_OK);
    rig_fini(&r);
}

int main(int argc, char **argv, char **envp)
{
    int code = rig_other_role(argc, argv, envp);
    if (code >= 0)
        return code;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_well_for_long_enough), cmocka_unit_test(test_dead_mute_or_foreign),
        cmocka_unit_test(test_errors_while_watched), cmocka_unit_test(test_time_for_hello),
        cmocka_unit_test(test_versions_are_read),    cmocka_unit_test(test_which_planes_fit),
        cmocka_unit_test(test_directories),          cmocka_unit_test(test_goes_back_when_one_dies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
