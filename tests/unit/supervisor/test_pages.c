/* Lists that do not fit into one answer: fetched page by page, whole, bounded, and never for ever. */
#include "tests/unit/supervisor/rig.h"

#include "proto/control.h"

static struct rig r;

static void begin(const char *order, const char *shards)
{
    rig_init(&r);
    rig_override(&r, "SIP_SIGNALING_SERVICE_CALL_ACTORS", shards);
    rig_do(&r, "call-actor", order);
    rig_start(&r);
    rig_wait_ready(&r);
}

static void end(void)
{
    (void)kill(r.pid, SIGTERM);
    assert_int_equal(rig_wait_exit(&r), EX_OK);
    rig_fini(&r);
}

static void test_twenty_thousand_calls(void **state)
{
    (void)state;
    begin("long", "1");
    cJSON *reply = rig_ask(&r, "{\"cmd\":\"calls\"}");
    assert_true(json_true(reply, "ok"));
    assert_null(cJSON_GetObjectItem(reply, "truncated"));
    assert_true(json_num(reply, "total") == 20000);
    const cJSON *calls = cJSON_GetObjectItem(reply, "calls");
    const cJSON *call;
    unsigned at = 0;
    cJSON_ArrayForEach(call, calls)
    {
        char id[32];
        (void)snprintf(id, sizeof id, "c0-%u", at++);
        assert_string_equal(json_text(call, "call_id"), id); /* each once, in order */
    }
    assert_int_equal(at, RIG_LONG);
    cJSON_Delete(reply);
    reply = rig_ask(&r, "{\"cmd\":\"calls\",\"max\":\"1200\"}");
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(reply, "calls")), 1200);
    assert_true(json_true(reply, "truncated"));
    cJSON_Delete(reply);
    end();
}

/* More than a reply holds: it is full, says so, and is well-formed. */
static void test_more_than_a_reply_holds(void **state)
{
    (void)state;
    begin("long", "4");
    cJSON *reply = rig_ask(&r, "{\"cmd\":\"calls\"}");
    assert_true(json_true(reply, "ok"));
    assert_true(json_true(reply, "truncated"));
    assert_true(json_num(reply, "total") == 80000);
    int n = cJSON_GetArraySize(cJSON_GetObjectItem(reply, "calls"));
    assert_in_range(n, 40000, 79999);
    cJSON_Delete(reply);
    end();
}

static void test_a_worker_that_never_ends(void **state)
{
    (void)state;
    begin("endless", "1");
    cJSON *reply = rig_ask(&r, "{\"cmd\":\"calls\"}");
    assert_true(json_true(reply, "ok"));
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(reply, "calls")), RIG_LONG);
    cJSON_Delete(reply);
    end();
}

/* Clients that go away in the middle leave nothing behind, and room for others. */
static void test_clients_that_leave(void **state)
{
    (void)state;
    begin("long", "2");
    for (int i = 0; i < 50; i++) {
        int fd = rig_connect(&r);
        (void)send(fd, "{\"cmd\":\"calls\"}\n", 16, MSG_NOSIGNAL);
        (void)poll(NULL, 0, i % 7);
        (void)close(fd);
    }
    int64_t deadline = clock_mono_ms() + RIG_WAIT_MS;
    for (;;) {
        cJSON *reply = rig_ask(&r, "{\"cmd\":\"calls\",\"max\":\"10\"}");
        bool ok = json_true(reply, "ok");
        assert_true(ok || strcmp(json_text(reply, "error"), "busy") == 0);
        cJSON_Delete(reply);
        if (ok)
            break;
        assert_true(clock_mono_ms() < deadline);
    }
    end();
}

static void test_too_many_lists_at_once(void **state)
{
    (void)state;
    int fd[8];
    unsigned busy = 0;
    begin("long", "1");
    for (size_t i = 0; i < 8; i++) {
        fd[i] = rig_connect(&r);
        (void)send(fd[i], "{\"cmd\":\"calls\"}\n", 16, MSG_NOSIGNAL);
    }
    for (size_t i = 0; i < 8; i++) {
        const char *line = rig_read_line(fd[i]);
        assert_non_null(line);
        busy += strstr(line, "\"busy\"") != NULL;
        (void)close(fd[i]);
    }
    assert_in_range(busy, 1, 4); /* those that came while four were under way */
    end();
}

int main(int argc, char **argv, char **envp)
{
    int code = rig_other_role(argc, argv, envp);
    if (code >= 0)
        return code;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_twenty_thousand_calls),    cmocka_unit_test(test_more_than_a_reply_holds),
        cmocka_unit_test(test_a_worker_that_never_ends), cmocka_unit_test(test_clients_that_leave),
        cmocka_unit_test(test_too_many_lists_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
