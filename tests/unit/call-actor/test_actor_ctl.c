/* What operators ask a shard with as many calls as it may have. */
#include "tests/unit/call-actor/call_kit.h"

#include "call-actor/actor.h"
#include "common/base/clock.h"
#include "common/base/err.h"
#include <cjson/cJSON.h>

#define CALLS 20000u

static struct actor a;
static struct kit k;

static struct entry *add_call(void)
{
    struct call *c = call_new(&k.conf, calls_next_key(&a.calls, k.now), k.now);
    struct entry *e = calls_add(&a.calls, c);
    struct call *kits = k.c;
    assert_non_null(e);
    k.c = c; /* the kit's messages happen to this one */
    kit_invite(&k);
    kit_setup_ok(&k);
    kit_ack(&k, 10);
    call_effects_clear(&k.fx);
    k.c = kits;
    calls_index(&a.calls, e);
    e->live = true;
    a.live_cnt++;
    return e;
}

static int begin(void **state)
{
    (void)state;
    kit_init(&k);
    calls_init(&a.calls);
    for (unsigned i = 0; i < CALLS; i++)
        (void)add_call();
    return 0;
}

static int end(void **state)
{
    (void)state;
    calls_fini(&a.calls);
    kit_fini(&k);
    return 0;
}

static cJSON *ask(const char *cmd, const char *args, int code, size_t *bytes)
{
    struct buf out;
    buf_init(&out, PLANE_BODY_MAX);
    assert_int_equal(actor_ctl_run(&a, cmd, args, &out), code);
    cJSON *o = cJSON_Parse(buf_cstr(&out));
    assert_non_null(o);
    if (bytes != NULL)
        *bytes += out.len;
    buf_fini(&out);
    return o;
}

static const char *text(const cJSON *o, const char *key)
{
    const char *z = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, key));
    return z != NULL ? z : "";
}

static void every_call_is_on_one_page(void **state)
{
    (void)state;
    char args[64] = "{}";
    size_t bytes = 0;
    unsigned seen = 0;
    int64_t longest = 0;
    uint64_t last = 0;
    for (bool more = true; more;) {
        int64_t before = clock_mono_ms();
        cJSON *page = ask("calls", args, EX_OK, &bytes);
        int64_t took = clock_mono_ms() - before;
        longest = took > longest ? took : longest;
        const cJSON *total = cJSON_GetObjectItemCaseSensitive(page, "total");
        assert_true(seen > 0 ? total == NULL : total->valuedouble == CALLS);
        seen += (unsigned)cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(page, "calls"));
        const char *next = text(page, "next");
        more = next[0] != '\0';
        assert_true(!more || strtoull(next, NULL, 16) > last); /* always on */
        last = more ? strtoull(next, NULL, 16) : last;
        (void)snprintf(args, sizeof(args), "{\"after\":\"%s\",\"max\":0}", next);
        cJSON_Delete(page);
    }
    assert_int_equal(seen, CALLS);
    print_message("%u calls: %zu bytes, the slowest page took %lld ms\n", seen, bytes, (long long)longest);
}

/* The call a page ended with may be gone when the next is asked for; its neighbours are neither lost nor doubled. */
static void calls_that_go_between_pages(void **state)
{
    (void)state;
    cJSON *first = ask("calls", "{\"max\":3}", EX_OK, NULL);
    char args[64];
    struct entry *e = calls_by_key(&a.calls, strtoull(text(first, "next"), NULL, 16));
    assert_non_null(e);
    const char *follower = LIST_ENTRY(e->all.next, struct entry, all)->call->row->trace_id;
    (void)snprintf(args, sizeof(args), "{\"after\":\"%s\",\"max\":1}", text(first, "next"));
    a.live_cnt--;
    calls_remove(&a.calls, e);
    cJSON *second = ask("calls", args, EX_OK, NULL);
    const cJSON *calls = cJSON_GetObjectItemCaseSensitive(second, "calls");
    assert_int_equal(cJSON_GetArraySize(calls), 1);
    assert_string_equal(text(cJSON_GetArrayItem(calls, 0), "trace_id"), follower);
    cJSON_Delete(first);
    cJSON_Delete(second);
}

static void odd_arguments(void **state)
{
    static const char *const odd[] = {"", "[]", "{\"after\":7}", "{\"max\":-1}", "{\"max\":1e99}", "{\"max\":\"9\"}"};
    (void)state;
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        cJSON *page = ask("calls", odd[i], EX_OK, NULL);
        assert_in_range(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(page, "calls")), 1, 1000);
        cJSON_Delete(page);
    }
    cJSON *past = ask("calls", "{\"after\":\"ffffffffffffffff\"}", EX_OK, NULL);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(past, "calls")), 0);
    assert_null(cJSON_GetObjectItemCaseSensitive(past, "next"));
    cJSON_Delete(past);
}

static void one_call(void **state)
{
    (void)state;
    struct entry *e = add_call();
    char args[128];
    (void)snprintf(args, sizeof(args), "{\"id\":\"%s\"}", e->call->row->trace_id);
    cJSON *o = ask("call", args, EX_OK, NULL);
    assert_string_equal(text(o, "state"), "established");
    assert_string_equal(text(o, "port_state"), "held");
    assert_true(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(o, "history")) > 5);
    cJSON_Delete(o);
    o = ask("ladder", args, EX_OK, NULL);
    const cJSON *first = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(o, "ladder"), 0);
    assert_string_equal(text(first, "message"), "INVITE");
    assert_string_equal(text(first, "from"), "caller");
    cJSON_Delete(o);
    o = ask("transfer", args, EX_REFUSED, NULL);
    assert_string_equal(text(o, "error"), "bad_request"); /* to nobody */
    cJSON_Delete(o);
    static const char *const unknown[] = {"call", "ladder", "transfer", "hangup"};
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        o = ask(unknown[i], "{\"id\":\"nobody\"}", EX_REFUSED, NULL);
        assert_string_equal(text(o, "error"), "not_found");
        cJSON_Delete(o);
    }
    o = ask("nonsense", "{}", EX_REFUSED, NULL);
    assert_string_equal(text(o, "error"), "unknown_command");
    cJSON_Delete(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_call_is_on_one_page),
        cmocka_unit_test(calls_that_go_between_pages),
        cmocka_unit_test(odd_arguments),
        cmocka_unit_test(one_call),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
