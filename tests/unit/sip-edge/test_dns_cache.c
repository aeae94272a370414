/* How long an answer lives, what goes first, and what stands in for a failure; and addresses that failed a moment ago.
 */
#include "sip-edge/dns_cache.h"
#include "sip-edge/locate_bad.h"
#include "tests/unit/testkit.h"
#include <stdio.h>

static struct dns_cache cache;
static int64_t now_ms;

static struct now now(void)
{
    return (struct now){.mono_ms = now_ms};
}

static int setup(void **state)
{
    (void)state;
    now_ms = 5000000;
    dns_cache_init(&cache);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    dns_cache_fini(&cache);
    return 0;
}

static struct dns_question question(const char *name)
{
    struct dns_question q;
    assert_true(dns_question_make(&q, DNS_SRV, span_cstr(name)));
    return q;
}

static const struct dns_answer *put(const char *name, enum dns_status status, uint32_t ttl_s, uint16_t port)
{
    static struct dns_rec rec[DNS_RECORDS_MAX];
    struct dns_question q = question(name);
    rec[0].port = port;
    struct dns_answer a = {.status = status, .ttl_s = ttl_s, .cnt = status == DNS_FOUND, .rec = rec};
    return dns_cache_put(&cache, &q, &a, now());
}

static const struct dns_answer *get(const char *name)
{
    struct dns_question q = question(name);
    return dns_cache_get(&cache, &q, now());
}

static void an_answer_lives_as_long_as_it_says(void **state)
{
    (void)state;
    static const struct {
        enum dns_status status;
        uint32_t ttl_s;
        int64_t lives_ms;
    } rows[] = {
        {DNS_FOUND, 30, 30000},
        {DNS_FOUND, 0, DNS_TTL_MIN_S * INT64_C(1000)},
        {DNS_FOUND, 999999, DNS_TTL_MAX_S * INT64_C(1000)},
        {DNS_NONE, 30, 30000},
        {DNS_NONE, 0, DNS_TTL_MIN_S * INT64_C(1000)},
        {DNS_NONE, 999999, DNS_NEGATIVE_MAX_S * INT64_C(1000)},
        {DNS_NONE, UINT32_MAX, DNS_NEGATIVE_MAX_S * INT64_C(1000)},
        {DNS_FAILED, 0, DNS_FAILED_MS},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "n%zu.example", i);
        assert_null(get(name));
        assert_int_equal(put(name, rows[i].status, rows[i].ttl_s, 5060)->status, rows[i].status);
        now_ms += rows[i].lives_ms - 1;
        assert_non_null(get(name));
        assert_int_equal(get(name)->status, rows[i].status);
        now_ms += 1;
        assert_null(get(name));
    }
}

static void a_newer_answer_takes_its_place(void **state)
{
    (void)state;
    (void)put("a.example", DNS_FOUND, 60, 1);
    (void)put("a.example", DNS_FOUND, 60, 2);
    assert_int_equal(get("a.example")->rec[0].port, 2);
    (void)put("a.example", DNS_NONE, 60, 0);
    assert_int_equal(get("a.example")->status, DNS_NONE);
    assert_int_equal(dns_cache_count(&cache), 1);
    assert_null(get("b.example"));
    struct dns_question q;
    assert_true(dns_question_make(&q, DNS_A, SPAN("a.example"))); /* another type is another question */
    assert_null(dns_cache_get(&cache, &q, now()));
}

/* RFC 8767: what was true an hour ago is better than nothing. */
static void an_old_answer_stands_in_for_a_failure(void **state)
{
    (void)state;
    (void)put("a.example", DNS_FOUND, 60, 7);
    now_ms += 61000;
    assert_null(get("a.example"));
    const struct dns_answer *a = put("a.example", DNS_FAILED, 0, 0);
    assert_int_equal(a->status, DNS_FOUND);
    assert_int_equal(a->rec[0].port, 7);
    now_ms += DNS_STALE_AGAIN_MS - 1;
    assert_int_equal(get("a.example")->status, DNS_FOUND);
    now_ms += 1;
    assert_null(get("a.example"));
    now_ms += DNS_STALE_MS;
    assert_int_equal(put("a.example", DNS_FAILED, 0, 0)->status, DNS_FAILED);
    assert_int_equal(get("a.example")->status, DNS_FAILED);
    (void)put("a.example", DNS_FAILED, 0, 0); /* one failure does not keep another alive */
    now_ms += DNS_FAILED_MS;
    assert_null(get("a.example"));
}

static void what_was_not_asked_for_longest_goes_first(void **state)
{
    (void)state;
    char name[32];
    for (unsigned i = 0; i < DNS_CACHE_MAX; i++) {
        (void)snprintf(name, sizeof(name), "n%u.example", i);
        (void)put(name, DNS_NONE, 60, 0);
    }
    assert_int_equal(dns_cache_count(&cache), DNS_CACHE_MAX);
    assert_non_null(get("n0.example"));
    (void)put("one.more.example", DNS_NONE, 60, 0);
    assert_int_equal(dns_cache_count(&cache), DNS_CACHE_MAX);
    assert_non_null(get("n0.example"));
    assert_null(get("n1.example"));
    assert_non_null(get("n2.example"));
}

static void bytes_are_bounded(void **state)
{
    (void)state;
    static struct dns_rec rec[DNS_RECORDS_MAX];
    struct dns_answer a = {.status = DNS_FOUND, .ttl_s = 60, .cnt = DNS_RECORDS_MAX, .rec = rec};
    for (unsigned i = 0; i < DNS_CACHE_MAX; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "n%u.example", i);
        struct dns_question q = question(name);
        (void)dns_cache_put(&cache, &q, &a, now());
        assert_true(cache.bytes <= DNS_CACHE_BYTES_MAX);
    }
    assert_true(dns_cache_count(&cache) > 100);
    assert_true(dns_cache_count(&cache) < DNS_CACHE_MAX);
}

static void without_memory_there_is_no_answer(void **state)
{
    (void)state;
    for (unsigned n = 0;; n++) {
        testkit_fail_alloc(n);
        const struct dns_answer *a = put("a.example", DNS_FOUND, 60, 7);
        if (!testkit_alloc_failed())
            break;
        assert_int_equal(a->status, DNS_FAILED);
        assert_null(get("a.example"));
    }
    assert_int_equal(get("a.example")->rec[0].port, 7);
}

/* --- locate_bad --- */

static struct locate_candidate candidate(unsigned n)
{
    return (struct locate_candidate){.port = (uint16_t)n, .transport = SIP_TP_UDP};
}

static void one_that_failed_comes_last_for_a_while(void **state)
{
    (void)state;
    static struct locate_bad bad;
    struct locate_candidate c[] = {candidate(1), candidate(2), candidate(3)};
    struct locate_candidate tcp = candidate(1);
    tcp.transport = SIP_TP_TCP;
    locate_bad_note(&bad, &c[0], now());
    assert_false(locate_bad_has(&bad, &tcp, now())); /* another transport is another way */
    locate_bad_sort(&bad, c, 3, now());
    assert_int_equal(c[0].port * 100 + c[1].port * 10 + c[2].port, 231);
    now_ms += LOCATE_BAD_MS - 1;
    assert_true(locate_bad_has(&bad, &c[2], now()));
    now_ms += 1;
    assert_false(locate_bad_has(&bad, &c[2], now()));
    for (unsigned i = 0; i < 3; i++)
        locate_bad_note(&bad, &c[i], now());
    locate_bad_sort(&bad, c, 3, now()); /* all failed: as before */
    assert_int_equal(c[0].port * 100 + c[1].port * 10 + c[2].port, 231);
    locate_bad_clear(&bad, &c[1]);
    locate_bad_sort(&bad, c, 3, now());
    assert_int_equal(c[0].port, 3);
}

static void the_penalties_are_bounded(void **state)
{
    (void)state;
    static struct locate_bad bad;
    for (unsigned i = 0; i < LOCATE_BAD_MAX + 5; i++) {
        struct locate_candidate c = candidate(i + 1);
        locate_bad_note(&bad, &c, now());
        now_ms++;
    }
    assert_int_equal(bad.cnt, LOCATE_BAD_MAX);
    for (unsigned i = 0; i < LOCATE_BAD_MAX + 5; i++) {
        struct locate_candidate c = candidate(i + 1);
        assert_int_equal(locate_bad_has(&bad, &c, now()), i >= 5);
    }
    now_ms += LOCATE_BAD_MS;
    struct locate_candidate c = candidate(9999);
    locate_bad_note(&bad, &c, now()); /* makes room for all that are over */
    assert_int_equal(bad.cnt, 1);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(an_answer_lives_as_long_as_it_says),
        CASE(a_newer_answer_takes_its_place),
        CASE(an_old_answer_stands_in_for_a_failure),
        CASE(what_was_not_asked_for_longest_goes_first),
        CASE(bytes_are_bounded),
        CASE(without_memory_there_is_no_answer),
        CASE(one_that_failed_comes_last_for_a_while),
        CASE(the_penalties_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
