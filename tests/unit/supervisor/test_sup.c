/*
 * A whole supervisor: what happens to workers, to the socket and to the exit code.
 */
#include "tests/unit/supervisor/rig.h"

static void test_comes_up_and_stops_cleanly(void **state)
{
    (void)state;
    struct rig r;
    char path[RIG_PATH_MAX + 64];
    rig_init(&r);
    rig_start(&r);
    rig_wait_ready(&r);
    cJSON *s = rig_ask(&r, "{\"cmd\":\"status\"}");
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(s, "workers")), 5);
    assert_string_equal(json_text(json_worker(s, "call-actor.1"), "state"), "running");
    assert_true(json_num(s, "calls") == 10); /* 2 from each of the five */
    assert_true(json_num(s, "outbox") == 5);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(s, "dependencies")), 1);
    cJSON_Delete(s);
    struct stat st;
    rig_path(&r, "run/control.sock", path);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    rig_path(&r, "run", path);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    (void)kill(r.pid, SIGTERM);
    assert_int_equal(rig_wait_exit(&r), EX_OK);
    rig_path(&r, "run/control.sock", path);
    assert_int_equal(stat(path, &st), -1);
    rig_fini(&r);
}

/* Nothing of the settings is to be seen in the process list. */
static void test_workers_get_no_secret_by_argument_or_environment(void **state)
{
    (void)state;
    struct rig r;
    char path[64];
    char text[65536];
    rig_init(&r);
    rig_start(&r);
    rig_wait_ready(&r);
    static const char *const files[] = {"cmdline", "environ"};
    int pid = rig_worker_pid(&r, "publisher");
    for (size_t i = 0; i < 2; i++) {
        (void)snprintf(path, sizeof path, "/proc/%d/%s", pid, files[i]);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        ssize_t n = read(fd, text, sizeof text);
        (void)close(fd);
        assert_true(n >= 0);
        assert_null(memmem(text, (size_t)n, "s3cret", 6));
        assert_null(memmem(text, (size_t)n, "GRPC_TLS_CA_PATH", 16));
    }
    rig_fini(&r);
}

/* Sends one datagram and waits for the answer; returns the pid that answered, or -1 after wait_ms. */
static int ping(const struct rig *r, int fd, const char *text, int wait_ms)
{
    char in[600];
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(r->sip), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct pollfd p = {.fd = fd, .events = POLLIN};
    if (text != NULL)
        (void)sendto(fd, text, strlen(text), 0, (struct sockaddr *)&to, sizeof to);
    if (poll(&p, 1, wait_ms) != 1)
        return -1;
    ssize_t n = recv(fd, in, sizeof in - 1, 0);
    if (n <= 0)
        return -1;
    in[n] = '\0';
    return atoi(in);
}

static void test_no_datagram_is_lost_while_the_edge_restarts(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    rig_start(&r);
    rig_wait_ready(&r);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int first = ping(&r, fd, "one", RIG_WAIT_MS);
    assert_int_equal(first, rig_worker_pid(&r, "sip-edge"));
    (void)poll(NULL, 0, CHILD_CALM_MS); /* ready for a second: then it is restarted at once */
    (void)kill(first, SIGKILL);
    int64_t killed = clock_mono_ms();
    int second = ping(&r, fd, "two", RIG_WAIT_MS);
    assert_true(second > 0 && second != first);
    int64_t gap = clock_mono_ms() - killed;
    print_message("gap on the wire after kill -9: %d ms\n", (int)gap);
    cJSON *s = rig_ask(&r, "{\"cmd\":\"status\"}");
    const cJSON *w = json_worker(s, "sip-edge");
    assert_true(json_num(w, "restarts") == 1);
    const cJSON *death = cJSON_GetArrayItem(cJSON_GetObjectItem(w, "deaths"), 0);
    assert_string_equal(json_text(death, "why"), "signal 9 (Killed)");
    assert_int_equal((int)json_num(death, "pid"), first);
    cJSON_Delete(s);
    (void)close(fd);
    rig_fini(&r);
}

static void test_hung_worker_is_aborted_and_replaced(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    rig_do(&r, "call-actor", "hang");
    rig_start(&r);
    rig_wait_ready(&r);
    (void)poll(NULL, 0, CHILD_CALM_MS);
    cJSON *reply = rig_ask(&r, "{\"cmd\":\"call\",\"id\":\"c0\"}"); /* both shards stand still now */
    assert_string_equal(json_text(reply, "error"), "unavailable");
    cJSON_Delete(reply);
    rig_do(&r, "call-actor", "");
    static const struct worker_is again = {"call-actor.0", "running", 1};
    cJSON *s = rig_wait_status(&r, ok_worker, &again, "a new call-actor.0");
    const cJSON *death = cJSON_GetArrayItem(cJSON_GetObjectItem(json_worker(s, "call-actor.0"), "deaths"), 0);
    assert_non_null(strstr(json_text(death, "why"), "no heartbeat"));
    cJSON_Delete(s);
    rig_fini(&r);
}

static void test_a_stopped_worker_is_killed_in_the_end(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    rig_start(&r);
    rig_wait_ready(&r);
    (void)poll(NULL, 0, CHILD_CALM_MS);
    (void)kill(rig_worker_pid(&r, "orchestrator"), SIGSTOP); /* SIGABRT does not reach it */
    static const struct worker_is again = {"orchestrator", "running", 1};
    cJSON *s = rig_wait_status(&r, ok_worker, &again, "a new orchestrator");
    const cJSON *death = cJSON_GetArrayItem(cJSON_GetObjectItem(json_worker(s, "orchestrator"), "deaths"), 0);
    assert_non_null(strstr(json_text(death, "why"), "signal 9"));
    cJSON_Delete(s);
    rig_fini(&r);
}

static void test_unready_worker_keeps_the_service_unready(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    rig_do(&r, "orchestrator", "unready");
    rig_start(&r);
    rig_wait_log(&r, "worker=orchestrator state=running");
    static const struct worker_is up = {"orchestrator", "running", 0};
    cJSON *s = rig_wait_status(&r, ok_worker, &up, "orchestrator");
    assert_false(json_true(s, "ready"));
    cJSON_Delete(s);
    rig_fini(&r);
}

/* --- stopping --- */

static void test_stop_waits_for_calls_until_hurried(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    rig_do(&r, "call-actor", "busy");
    rig_start(&r);
    rig_wait_ready(&r);
    (void)kill(r.pid, SIGTERM);
    rig_wait_log(&r, "stopping when the calls have ended");
    cJSON *s = rig_ask(&r, "{\"cmd\":\"status\"}");
    assert_true(json_true(s, "draining"));
    assert_string_equal(json_text(s, "why"), "stopping");
    cJSON_Delete(s);
    int64_t asked = clock_mono_ms();
    (void)kill(r.pid, SIGTERM);
    assert_int_equal(rig_wait_exit(&r), EX_OK);
    assert_true(clock_mono_ms() - asked < 9000); /* DRAIN_S is 10 */
    rig_fini(&r);
}

static void test_drain_ends_by_its_time_and_stubborn_workers_are_killed(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    rig_override(&r, "SIP_SIGNALING_SERVICE_DRAIN_S", "1");
    rig_do(&r, "call-actor", "busy");
    rig_do(&r, "sip-edge", "stubborn");
    rig_start(&r);
    rig_wait_ready(&r);
    (void)kill(r.pid, SIGTERM);
    assert_int_equal(rig_wait_exit(&r), EX_OK);
    rig_wait_log(&r, "calls are still there");
    rig_wait_log(&r, "signal 9 (Killed): the service stops");
    rig_fini(&r);
}

static void test_workers_die_with_their_supervisor(void **state)
{
    (void)state;
    struct rig r;
    int held = -1;
    rig_init(&r);
    rig_start(&r);
    rig_wait_ready(&r);
    int edge = rig_worker_pid(&r, "sip-edge");
    (void)kill(r.pid, SIGKILL);
    assert_int_equal(rig_wait_exit(&r), 1000 + SIGKILL);
    int64_t end = clock_mono_ms() + RIG_WAIT_MS;
    while (kill(edge, 0) == 0 && clock_mono_ms() < end)
        (void)poll(NULL, 0, 5);
    /* Gone, or a zombie that init has not fetched yet: in any case the port is free again. */
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(r.sip), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    held = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(held, (struct sockaddr *)&a, sizeof a), 0);
    (void)close(held);
    rig_start(&r); /* and a successor comes up over what was left */
    rig_wait_ready(&r);
    rig_fini(&r);
}

/* --- refusals at the start --- */

static void assert_start_fails(struct rig *r, int code, const char *words)
{
    rig_start(r);
    assert_int_equal(rig_wait_exit(r), code);
    rig_wait_log(r, words);
    rig_fini(r);
}

static void test_second_instance(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    rig_start(&r);
    rig_wait_ready(&r);
    struct rig second = r;
    rig_start(&second);
    assert_int_equal(rig_wait_exit(&second), EX_BUSY);
    rig_wait_log(&r, "another supervisor uses this directory");
    cJSON *s = rig_ask(&r, "{\"cmd\":\"status\"}"); /* the first one is as well as before */
    assert_true(json_true(s, "ready"));
    cJSON_Delete(s);
    rig_fini(&r);
}

static void test_ports_in_use(void **state)
{
    (void)state;
    struct rig r;
    int held = -1;
    char port[16];
    rig_init(&r);
    (void)snprintf(port, sizeof port, "%u", rig_free_port(SOCK_DGRAM, &held));
    rig_override(&r, "SIP_SIGNALING_SERVICE_SIP_PORT", port);
    assert_start_fails(&r, EX_BUSY, "port in use proto=UDP address=127.0.0.1");
    (void)close(held);
    rig_init(&r);
    (void)snprintf(port, sizeof port, "%u", rig_free_port(SOCK_STREAM, &held));
    (void)listen(held, 1);
    rig_override(&r, "SIP_SIGNALING_SERVICE_METRICS_PORT", port);
    assert_start_fails(&r, EX_BUSY, "setting=SIP_SIGNALING_SERVICE_METRICS_PORT");
    (void)close(held);
}

static void test_bad_settings_and_places(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *value;
        int code;
        const char *words;
    } cases[] = {
        {"SIP_SIGNALING_SERVICE_CALL_ACTORS", "99", EX_BADUSE, "CALL_ACTORS must be a number from 1 to 16"},
        {"SIP_SIGNALING_SERVICE_RELAM", "x", EX_BADUSE, "did you mean SIP_SIGNALING_SERVICE_REALM?"},
        {"SIP_SIGNALING_SERVICE_LISTEN_ADDRESS", "192.0.2.1", EX_BADUSE, "name an address of this machine"},
        {"SIP_SIGNALING_SERVICE_CERT_PATH", "/nonexistent", EX_BADUSE, "CERT_PATH names /nonexistent, which cannot be"},
        {"SIP_SIGNALING_SERVICE_CERT_PATH", "/etc/hostname", EX_BADUSE, "holds no certificate in PEM form"},
        {"SIP_SIGNALING_SERVICE_STATE_DIR", "/dev/null/state", EX_STORAGE, "STATE_DIR: /dev/null/state cannot be made"},
        {"SIP_SIGNALING_SERVICE_STATE_DIR", "/tmp", EX_STORAGE, "STATE_DIR: /tmp can be written by others (mode 1777)"},
        {"SIP_SIGNALING_SERVICE_RUNTIME_DIR", "/dev/null", EX_STORAGE, "RUNTIME_DIR: /dev/null cannot be"},
        {"SIP_SIGNALING_SERVICE_USER", "no-such-account", EX_BADUSE, "there is no account"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct rig r;
        rig_init(&r);
        rig_override(&r, cases[i].name, cases[i].value);
        assert_start_fails(&r, cases[i].code, cases[i].words);
    }
}

static void test_key_of_another_certificate(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    for (size_t i = 0; i < r.env_cnt; i++) {
        char *at = strstr(r.env[i], "sip-signaling.key");
        if (at != NULL)
            (void)snprintf(at, strlen(at) + 1, "platform.key");
    }
    assert_start_fails(&r, EX_BADUSE, "is not the key of the certificate in");
}

static void test_missing_program_is_told_and_tried(void **state)
{
    (void)state;
    struct rig r;
    char path[RIG_PATH_MAX + 64];
    char away[RIG_PATH_MAX + 64];
    rig_init(&r);
    rig_path(&r, "bin/publisher", path);
    rig_path(&r, "bin/elsewhere", away);
    assert_int_equal(rename(path, away), 0);
    rig_start(&r);
    rig_wait_log(&r, "bin/publisher: No such file or directory");
    assert_int_equal(rename(away, path), 0);
    rig_wait_ready(&r);
    rig_fini(&r);
}

/* Started before the others, because eight deaths with their back-off take 13 s. */
static struct rig crash_loop;

static void test_nothing_useful_left(void **state)
{
    (void)state;
    assert_int_equal(rig_wait_exit(&crash_loop), EX_FAILED);
    rig_wait_log(&crash_loop, "worker failed: it is tried again every 30 s worker=sip-edge");
    rig_wait_log(&crash_loop, "nothing useful is left running");
    rig_fini(&crash_loop);
}

static struct rig part_loop;

static void test_one_failed_worker_leaves_the_rest_serving(void **state)
{
    (void)state;
    static const struct worker_is failed = {"publisher", "failed", 7};
    cJSON *s = rig_wait_status(&part_loop, ok_worker, &failed, "publisher failed");
    assert_false(json_true(s, "ready"));
    assert_string_equal(json_text(s, "why"), "publisher is failed");
    assert_string_equal(json_text(json_worker(s, "call-actor.0"), "state"), "running");
    const cJSON *deaths = cJSON_GetObjectItem(json_worker(s, "publisher"), "deaths");
    assert_int_equal(cJSON_GetArraySize(deaths), SUP_DEATHS_MAX);
    assert_string_equal(json_text(cJSON_GetArrayItem(deaths, 0), "why"), "exit 5 (storage unusable)");
    cJSON_Delete(s);
    rig_do(&part_loop, "publisher", "");
    cJSON_Delete(rig_ask(&part_loop, "{\"cmd\":\"restart\",\"worker\":\"publisher\"}"));
    rig_wait_ready(&part_loop);
    (void)kill(rig_worker_pid(&part_loop, "publisher"), SIGKILL); /* not what was asked for while none was there */
    static const struct worker_is again = {"publisher", "running", 9};
    s = rig_wait_status(&part_loop, ok_worker, &again, "a new publisher");
    deaths = cJSON_GetObjectItem(json_worker(s, "publisher"), "deaths");
    assert_string_equal(json_text(cJSON_GetArrayItem(deaths, 0), "why"), "signal 9 (Killed)");
    cJSON_Delete(s);
    rig_fini(&part_loop);
}

/* "call-actor" means all shards, one by one: the second goes when the first is back. */
static void test_shards_are_restarted_one_by_one(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    rig_start(&r);
    rig_wait_ready(&r);
    cJSON *reply = rig_ask(&r, "{\"cmd\":\"restart\",\"worker\":\"call-actor\"}");
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(reply, "restarted")), 2);
    cJSON_Delete(reply);
    static const struct worker_is again[] = {{"call-actor.0", "running", 1}, {"call-actor.1", "running", 1}};
    for (size_t i = 0; i < 2; i++)
        cJSON_Delete(rig_wait_status(&r, ok_worker, &again[i], "a new shard"));
    size_t away = rig_wait_log_at(&r, 0, "worker=call-actor.0 state=restarting");
    size_t back = rig_wait_log_at(&r, away, "worker=call-actor.0 state=running");
    assert_true(rig_wait_log_at(&r, 0, "worker=call-actor.1 state=restarting") > back);
    rig_fini(&r);
}

/* A shard that does not come back stops the rest from going too. */
static void test_a_shard_that_fails_ends_the_round(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    rig_start(&r);
    rig_wait_ready(&r);
    rig_do(&r, "call-actor", "die");
    cJSON_Delete(rig_ask(&r, "{\"cmd\":\"restart\",\"worker\":\"call-actor\",\"kill\":true}"));
    rig_wait_log(&r, "not restarted, because another of its kind has failed worker=call-actor.1");
    cJSON *s = rig_ask(&r, "{\"cmd\":\"status\"}");
    assert_string_equal(json_text(json_worker(s, "call-actor.1"), "state"), "running");
    assert_true(json_num(json_worker(s, "call-actor.1"), "restarts") == 0);
    cJSON_Delete(s);
    rig_fini(&r);
}

static void test_one_shard_has_the_plain_name(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r);
    rig_override(&r, "SIP_SIGNALING_SERVICE_CALL_ACTORS", "1");
    rig_start(&r);
    rig_wait_ready(&r);
    int before = rig_worker_pid(&r, "call-actor");
    assert_true(before > 0);
    cJSON_Delete(rig_ask(&r, "{\"cmd\":\"restart\",\"worker\":\"call-actor\"}"));
    static const struct worker_is again = {"call-actor", "running", 1};
    cJSON_Delete(rig_wait_status(&r, ok_worker, &again, "a new call-actor"));
    cJSON *reply = rig_ask(&r, "{\"cmd\":\"metrics\"}");
    assert_non_null(strstr(json_text(reply, "metrics"), "{proc=\"call-actor\""));
    cJSON_Delete(reply);
    rig_fini(&r);
}

static int start_slow_ones(void **state)
{
    (void)state;
    rig_init(&crash_loop);
    for (size_t i = 0; i < CHILD_KINDS; i++)
        rig_do(&crash_loop, child_kinds[i].name, "die");
    rig_start(&crash_loop);
    rig_init(&part_loop);
    rig_do(&part_loop, "publisher", "die");
    rig_start(&part_loop);
    return 0;
}

int main(int argc, char **argv, char **envp)
{
    int code = rig_other_role(argc, argv, envp);
    if (code >= 0)
        return code;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_comes_up_and_stops_cleanly),
        cmocka_unit_test(test_workers_get_no_secret_by_argument_or_environment),
        cmocka_unit_test(test_no_datagram_is_lost_while_the_edge_restarts),
        cmocka_unit_test(test_hung_worker_is_aborted_and_replaced),
        cmocka_unit_test(test_a_stopped_worker_is_killed_in_the_end),
        cmocka_unit_test(test_unready_worker_keeps_the_service_unready),
        cmocka_unit_test(test_stop_waits_for_calls_until_hurried),
        cmocka_unit_test(test_drain_ends_by_its_time_and_stubborn_workers_are_killed),
        cmocka_unit_test(test_workers_die_with_their_supervisor),
        cmocka_unit_test(test_second_instance),
        cmocka_unit_test(test_ports_in_use),
        cmocka_unit_test(test_bad_settings_and_places),
        cmocka_unit_test(test_key_of_another_certificate),
        cmocka_unit_test(test_missing_program_is_told_and_tried),
        cmocka_unit_test(test_shards_are_restarted_one_by_one),
        cmocka_unit_test(test_a_shard_that_fails_ends_the_round),
        cmocka_unit_test(test_one_shard_has_the_plain_name),
        cmocka_unit_test(test_nothing_useful_left),
        cmocka_unit_test(test_one_failed_worker_leaves_the_rest_serving),
    };
    return cmocka_run_group_tests(tests, start_slow_ones, NULL);
}
