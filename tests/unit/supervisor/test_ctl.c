/*
 * The faces of a running supervisor: control socket, HTTP, signals that change settings; and visitors that misbehave.
 */
#include "tests/unit/supervisor/rig.h"

#include "proto/control.h"

static struct rig r;

static int up(void **state)
{
    char path[RIG_PATH_MAX + 64];
    (void)state;
    rig_init(&r);
    rig_path(&r, "conf", path);
    FILE *f = fopen(path, "w");
    (void)fputs("LOG_LEVEL=info\n", f);
    (void)fclose(f);
    r.conf_file = "conf";
    rig_start(&r);
    rig_wait_ready(&r);
    return 0;
}

static int down(void **state)
{
    (void)state;
    (void)kill(r.pid, SIGTERM);
    int code = rig_wait_exit(&r);
    rig_fini(&r);
    return code;
}

static cJSON *ask(const char *request)
{
    cJSON *reply = rig_ask(&r, request);
    assert_non_null(reply);
    assert_true(json_num(reply, "v") == 1);
    return reply;
}

static void assert_refused(const char *request, const char *word)
{
    cJSON *reply = ask(request);
    assert_false(json_true(reply, "ok"));
    assert_string_equal(json_text(reply, "error"), word);
    cJSON_Delete(reply);
}

/* --- commands --- */

static void test_shards_are_merged(void **state)
{
    (void)state;
    cJSON *reply = ask("{\"cmd\":\"calls\"}");
    assert_true(json_true(reply, "ok"));
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(reply, "calls")), 2);
    assert_true(json_num(reply, "total") == 2); /* numbers are added up */
    assert_null(cJSON_GetObjectItem(reply, "missing"));
    cJSON_Delete(reply);
}

static void test_the_shard_that_knows_answers(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        char request[64];
        (void)snprintf(request, sizeof request, "{\"cmd\":\"call\",\"id\":\"c%d\"}", i);
        cJSON *reply = ask(request);
        assert_true(json_true(reply, "ok"));
        assert_int_equal(json_text(reply, "call_id")[1], '0' + i);
        cJSON_Delete(reply);
    }
    cJSON *reply = ask("{\"cmd\":\"hangup\",\"id\":\"c1\"}");
    assert_true(json_true(reply, "ok"));
    assert_int_equal(cJSON_GetArraySize(reply), 3); /* v, ok once, done */
    cJSON_Delete(reply);
    assert_refused("{\"cmd\":\"call\",\"id\":\"c7\"}", "not_found");
    assert_refused("{\"cmd\":\"hangup\",\"id\":\"c7\"}", "not_found");
    assert_refused("{\"cmd\":\"ladder\",\"id\":\"c7\"}", "not_found");
    assert_refused("{\"cmd\":\"transfer\",\"id\":\"c7\",\"uri\":\"sip:x\"}", "not_found");
    assert_refused("{\"cmd\":\"transfer\",\"id\":\"c1\"}", "bad_request");
    reply = ask("{\"cmd\":\"transfer\",\"id\":\"c1\",\"uri\":\"sip:x\"}");
    assert_string_equal(json_text(reply, "error"), "refused");
    assert_string_equal(json_text(reply, "message"), "not today"); /* in the worker's own words */
    cJSON_Delete(reply);
}

static void test_so_many_calls(void **state)
{
    (void)state;
    cJSON *reply = ask("{\"cmd\":\"calls\",\"max\":\"1\"}");
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(reply, "calls")), 1);
    assert_true(json_true(reply, "truncated"));
    assert_true(json_num(reply, "total") == 2);
    cJSON_Delete(reply);
    reply = ask("{\"cmd\":\"calls\",\"max\":\"2\"}");
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(reply, "calls")), 2);
    assert_null(cJSON_GetObjectItem(reply, "truncated"));
    cJSON_Delete(reply);
    assert_refused("{\"cmd\":\"calls\",\"max\":\"0\"}", "bad_request");
    assert_refused("{\"cmd\":\"calls\",\"max\":\"-1\"}", "bad_request");
}

static void test_top(void **state)
{
    (void)state;
    cJSON *reply = ask("{\"cmd\":\"top\"}");
    const cJSON *counters = cJSON_GetObjectItem(reply, "counters");
    assert_true(json_true(reply, "ready"));
    assert_true(json_num(counters, "sip_signaling_worker_up") == 5); /* the series of a name are added up */
    assert_true(json_num(counters, "sip_signaling_ready") == 1);
    const cJSON *c;
    cJSON_ArrayForEach(c, counters) assert_null(strstr(c->string, "_bucket"));
    assert_true(json_num(json_worker(reply, "publisher"), "rss_kb") > 0);
    assert_true(json_num(json_worker(reply, "publisher"), "cpu_ms") >= 0);
    cJSON_Delete(reply);
}

static void test_worker_that_answers_rubbish(void **state)
{
    (void)state;
    assert_refused("{\"cmd\":\"events\"}", "unavailable"); /* no JSON from one, an error from the other */
    assert_refused("{\"cmd\":\"registrations\"}", "unavailable");
}

static void test_restart_graceful_and_killed(void **state)
{
    (void)state;
    int before = rig_worker_pid(&r, "publisher");
    cJSON *reply = ask("{\"cmd\":\"restart\",\"worker\":\"publisher\"}");
    assert_true(json_true(reply, "ok"));
    cJSON_Delete(reply);
    static const struct worker_is once = {"publisher", "running", 1};
    cJSON_Delete(rig_wait_status(&r, ok_worker, &once, "a second publisher"));
    int after = rig_worker_pid(&r, "publisher");
    assert_int_not_equal(before, after);
    cJSON_Delete(ask("{\"cmd\":\"restart\",\"worker\":\"publisher\",\"kill\":true}"));
    static const struct worker_is twice = {"publisher", "running", 2};
    cJSON *s = rig_wait_status(&r, ok_worker, &twice, "a third publisher");
    const cJSON *deaths = cJSON_GetObjectItem(json_worker(s, "publisher"), "deaths");
    assert_string_equal(json_text(cJSON_GetArrayItem(deaths, 0), "why"), "signal 9 (Killed): kill asked for");
    assert_string_equal(json_text(cJSON_GetArrayItem(deaths, 1), "why"), "exit 0 (done): restart asked for");
    cJSON_Delete(s);
    reply = ask("{\"cmd\":\"restart\",\"worker\":\"call-actor\"}"); /* the name of the kind: all shards */
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(reply, "restarted")), 2);
    cJSON_Delete(reply);
    assert_refused("{\"cmd\":\"restart\",\"worker\":\"call-actor.9\"}", "not_found");
    rig_wait_ready(&r);
}

static void test_drain_and_back(void **state)
{
    (void)state;
    cJSON *reply = ask("{\"cmd\":\"drain\"}");
    assert_true(json_true(reply, "draining"));
    cJSON_Delete(reply);
    cJSON *s = ask("{\"cmd\":\"status\"}");
    assert_false(json_true(s, "ready"));
    assert_string_equal(json_text(s, "why"), "draining");
    cJSON_Delete(s);
    cJSON_Delete(ask("{\"cmd\":\"drain\",\"off\":true}"));
    rig_wait_ready(&r);
}

static void test_log_level(void **state)
{
    (void)state;
    assert_refused("{\"cmd\":\"log\",\"level\":\"loud\"}", "bad_request");
    assert_refused("{\"cmd\":\"log\",\"level\":\"info\",\"worker\":\"nobody\"}", "not_found");
    cJSON_Delete(ask("{\"cmd\":\"log\",\"level\":\"debug\"}"));
    cJSON *s = ask("{\"cmd\":\"status\"}");
    assert_string_equal(json_text(s, "log_level"), "debug");
    cJSON_Delete(s);
    cJSON_Delete(ask("{\"cmd\":\"log\",\"level\":\"info\"}"));
}

static void write_conf(const char *text)
{
    char path[RIG_PATH_MAX + 64];
    rig_path(&r, "conf", path);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    (void)fputs(text, f);
    (void)fclose(f);
}

static bool ok_level(const cJSON *status, const void *arg)
{
    return strcmp(json_text(status, "log_level"), arg) == 0;
}

static void test_reload(void **state)
{
    (void)state;
    write_conf("LOG_LEVEL=warn\nSIP_SIGNALING_SERVICE_REALM=other\n");
    (void)kill(r.pid, SIGHUP);
    cJSON_Delete(rig_wait_status(&r, ok_level, "warn", "the new level"));
    rig_wait_log(&r, "need a restart of the service settings=SIP_SIGNALING_SERVICE_REALM");
    write_conf("LOG_LEVEL=loud\n");
    cJSON *reply = ask("{\"cmd\":\"reload\"}");
    assert_string_equal(json_text(reply, "error"), "refused");
    assert_non_null(strstr(json_text(reply, "message"), "LOG_LEVEL must be one of"));
    cJSON_Delete(reply);
    (void)kill(r.pid, SIGHUP);
    rig_wait_log(&r, "nothing was reloaded");
    write_conf("LOG_LEVEL=info\n");
    cJSON_Delete(ask("{\"cmd\":\"reload\"}"));
    cJSON_Delete(rig_wait_status(&r, ok_level, "info", "the old level"));
}

static void test_several_requests_on_one_connection(void **state)
{
    (void)state;
    static const char text[] = "{\"cmd\":\"calls\"}\n\n{\"cmd\":\"nope\"}\n{\"cmd\":\"help\"}\n";
    int fd = rig_connect(&r);
    assert_int_equal(send(fd, text, sizeof text - 1, 0), sizeof text - 1);
    (void)shutdown(fd, SHUT_WR);
    assert_non_null(strstr(rig_read_line(fd), "\"calls\""));
    assert_non_null(strstr(rig_read_line(fd), "unknown_command"));
    assert_non_null(strstr(rig_read_line(fd), "Prometheus"));
    assert_null(rig_read_line(fd));
    (void)close(fd);
}

/* --- visitors that misbehave --- */

static void test_hostile_lines(void **state)
{
    (void)state;
    char big[2 * CONTROL_LINE_MAX];
    memset(big, 'x', sizeof big);
    int fd = rig_connect(&r);
    (void)send(fd, big, sizeof big, MSG_NOSIGNAL);
    assert_non_null(strstr(rig_read_line(fd), "too long"));
    assert_null(rig_read_line(fd)); /* and closed */
    (void)close(fd);
    for (int i = 0; i < 200; i++) { /* half a request, then gone; a whole one, not waiting for the answer */
        fd = rig_connect(&r);
        const char *text = i % 2 != 0 ? "{\"cmd\":\"ca" : "{\"cmd\":\"calls\"}\n";
        (void)send(fd, text, strlen(text), MSG_NOSIGNAL);
        (void)close(fd);
    }
    rig_wait_ready(&r); /* by now it has seen that they are gone */
    assert_refused("{\"cmd\":\"\\u0000\"}", "bad_request");
    cJSON_Delete(ask("{\"cmd\":\"status\"}"));
}

static void test_too_many_clients(void **state)
{
    (void)state;
    int fd[40];
    int turned_away = 0;
    for (size_t i = 0; i < 40; i++)
        fd[i] = rig_connect(&r);
    for (size_t i = 0; i < 40; i++) {
        struct pollfd p = {.fd = fd[i], .events = POLLIN};
        if (poll(&p, 1, i < 16 ? 0 : 2000) == 1 && strstr(rig_read_line(fd[i]), "\"busy\"") != NULL)
            turned_away++;
    }
    assert_int_equal(turned_away, 40 - 16);
    for (size_t i = 0; i < 40; i++)
        (void)close(fd[i]);
    rig_wait_ready(&r); /* there is room again */
}

/* A reader that does not read holds up nobody else. */
static void test_slow_reader(void **state)
{
    (void)state;
    int fd = rig_connect(&r);
    for (int i = 0; i < 400; i++) {
        if (send(fd, "{\"cmd\":\"metrics\"}\n", 18, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
            break;
    }
    int64_t before = clock_mono_ms();
    for (int i = 0; i < 20; i++)
        cJSON_Delete(ask("{\"cmd\":\"calls\"}"));
    assert_true(clock_mono_ms() - before < 5000);
    (void)close(fd);
}

/* --- HTTP --- */

/* The whole answer to `text` on a port, in a static buffer. */
static const char *http(uint16_t port, const char *text)
{
    static char answer[RIG_TEXT_MAX];
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_sec = 10};
    size_t n = 0;
    ssize_t got;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    (void)send(fd, text, strlen(text), MSG_NOSIGNAL);
    while (n + 1 < sizeof answer && (got = recv(fd, answer + n, sizeof answer - 1 - n, 0)) > 0)
        n += (size_t)got;
    answer[n] = '\0';
    (void)close(fd);
    return answer;
}

static void test_http(void **state)
{
    (void)state;
    char big[8192];
    assert_non_null(strstr(http(r.http, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"), "{\"status\":\"ok\"}"));
    assert_memory_equal(http(r.http, "GET /readyz?x=1 HTTP/1.1\r\n\r\n"), "HTTP/1.1 200 OK\r\n", 17);
    assert_null(strstr(http(r.http, "HEAD /healthz HTTP/1.1\r\n\r\n"), "status"));
    assert_memory_equal(http(r.http, "GET /metrics HTTP/1.1\r\n\r\n"), "HTTP/1.1 404", 12);
    const char *refused = http(r.http, "POST /healthz HTTP/1.1\r\n\r\n");
    assert_memory_equal(refused, "HTTP/1.1 405", 12);
    assert_non_null(strstr(refused, "\r\nAllow: GET, HEAD\r\n"));
    assert_memory_equal(http(r.http, "rubbish\r\n\r\n"), "HTTP/1.1 400", 12);
    assert_memory_equal(http(r.http, "GET /healthz SIP/2.0\r\n\r\n"), "HTTP/1.1 400", 12);
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    memcpy(big, "GET /healthz HTTP/1.1\r\nA: ", 26);
    const char *answer = http(r.http, big);
    assert_true(answer[0] == '\0' || strncmp(answer, "HTTP/1.1 431", 12) == 0);
}

static void test_unready_is_503(void **state)
{
    (void)state;
    cJSON_Delete(ask("{\"cmd\":\"drain\"}"));
    const char *answer = http(r.http, "GET /readyz HTTP/1.1\r\n\r\n");
    assert_memory_equal(answer, "HTTP/1.1 503", 12);
    assert_non_null(strstr(answer, "{\"status\":\"not_ready\",\"reason\":\"draining\"}"));
    cJSON_Delete(ask("{\"cmd\":\"drain\",\"off\":true}"));
}

/* Every metric's lines stand together, whoever they are from. */
static void test_metrics(void **state)
{
    (void)state;
    const char *text = http(r.metrics, "GET /metrics HTTP/1.1\r\n\r\n");
    assert_non_null(strstr(text, "sip_signaling_worker_up{proc=\"supervisor\",worker=\"call-actor.1\"} 1\n"));
    assert_non_null(strstr(text, "sip_signaling_ready{proc=\"supervisor\"} 1\n"));
    static const char head[] = "# TYPE sip_signaling_plane_batches_sent_total counter\n";
    const char *at = strstr(text, head);
    assert_non_null(at);
    assert_null(strstr(at + 1, head));
    int series = 0;
    for (at += strlen(head); strncmp(at, "sip_signaling_plane_batches_sent_total{", 39) == 0; series++)
        at = strchr(at, '\n') + 1;
    assert_int_equal(series, 6); /* the supervisor and five workers */
}

int main(int argc, char **argv, char **envp)
{
    int code = rig_other_role(argc, argv, envp);
    if (code >= 0)
        return code;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shards_are_merged),
        cmocka_unit_test(test_the_shard_that_knows_answers),
        cmocka_unit_test(test_so_many_calls),
        cmocka_unit_test(test_top),
        cmocka_unit_test(test_worker_that_answers_rubbish),
        cmocka_unit_test(test_drain_and_back),
        cmocka_unit_test(test_log_level),
        cmocka_unit_test(test_reload),
        cmocka_unit_test(test_several_requests_on_one_connection),
        cmocka_unit_test(test_hostile_lines),
        cmocka_unit_test(test_too_many_clients),
        cmocka_unit_test(test_slow_reader),
        cmocka_unit_test(test_http),
        cmocka_unit_test(test_unready_is_503),
        cmocka_unit_test(test_metrics),
        cmocka_unit_test(test_restart_graceful_and_killed),
    };
    return cmocka_run_group_tests(tests, up, down);
}
