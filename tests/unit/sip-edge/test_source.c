/* What is known of strangers: trusted networks, token buckets, blocks, scanners' names, tags that are real. */
#include "common/base/id.h"
#include "sip-edge/blocked.h"
#include "sip-edge/edge_addr.h"
#include "sip-edge/scanner.h"
#include "sip-edge/source.h"
#include "sip-edge/tagset.h"
#include "sip-edge/trust.h"
#include "tests/unit/testkit.h"
#include <stdio.h>
#include <stdlib.h>

static struct in6_addr ip_of(const char *text)
{
    struct in6_addr ip;
    assert_true(edge_addr_parse(span_cstr(text), &ip));
    return ip;
}

static struct source_id id_of(const char *text)
{
    struct in6_addr ip = ip_of(text);
    return source_id_of(&ip);
}

/* --- trust --- */

static bool trusts(const char *list, const char *addr)
{
    struct trust t;
    struct in6_addr ip = ip_of(addr);
    assert_int_equal(trust_init(&t, span_cstr(list)), 0);
    return trust_has(&t, &ip);
}

static void test_trusted_networks(void **state)
{
    (void)state;
    assert_true(trusts("127.0.0.0/8,::1/128", "127.0.0.1"));
    assert_true(trusts("127.0.0.0/8,::1/128", "127.255.255.255"));
    assert_true(trusts("127.0.0.0/8,::1/128", "::1"));
    assert_false(trusts("127.0.0.0/8,::1/128", "128.0.0.0"));
    assert_false(trusts("127.0.0.0/8,::1/128", "126.255.255.255"));
    assert_false(trusts("127.0.0.0/8,::1/128", "::2"));
    assert_true(trusts("192.0.2.7", "192.0.2.7"));
    assert_false(trusts("192.0.2.7", "192.0.2.6"));
    assert_true(trusts("192.0.2.7/31", "192.0.2.6")); /* bits outside the mask do not count */
    assert_true(trusts("0.0.0.0/0", "203.0.113.9"));
    assert_false(trusts("0.0.0.0/0", "2001:db8::1"));
    assert_true(trusts("::/0", "2001:db8::1"));
    assert_true(trusts("::/0", "203.0.113.9")); /* mapped */
    assert_true(trusts("2001:db8::/33", "2001:db8:7fff::1"));
    assert_false(trusts("2001:db8::/33", "2001:db8:8000::1"));
    assert_true(trusts("2001:db8:0:1::/127", "2001:db8:0:1::1"));
    assert_false(trusts("2001:db8:0:1::/127", "2001:db8:0:1::2"));
    assert_true(trusts("::ffff:192.0.2.0/120", "192.0.2.9"));
    assert_false(trusts("::ffff:192.0.2.0/120", "192.0.3.9"));
    assert_false(trusts("", "127.0.0.1"));
}

static void test_a_list_that_cannot_be_read_trusts_nobody(void **state)
{
    static const char *const bad[] = {"127.0.0.0/33", "x", "127.0.0.1,,::1", "::1/129", "10.0.0.0/", "10.0.0.0/8,x"};
    struct trust t;
    struct in6_addr ip = ip_of("10.0.0.1");
    char list[1024] = "";
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(trust_init(&t, span_cstr(bad[i])), -1);
        assert_false(trust_has(&t, &ip));
    }
    for (int i = 0; i < TRUST_NETS_MAX; i++)
        (void)snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s10.0.0.1", i > 0 ? "," : "");
    assert_int_equal(trust_init(&t, span_cstr(list)), 0);
    (void)snprintf(list + strlen(list), sizeof(list) - strlen(list), ",10.0.0.1");
    assert_int_equal(trust_init(&t, span_cstr(list)), -1);
}

/* --- buckets --- */

static void test_a_bucket_empties_and_fills(void **state)
{
    struct sources t;
    (void)state;
    sources_init(&t, 10, 16);
    struct source *s = source_touch(&t, id_of("192.0.2.1"), 1000);
    for (int i = 0; i < 10; i++)
        assert_true(source_take(&t, s, SOURCE_NEW, 1));
    assert_false(source_take(&t, s, SOURCE_NEW, 1));
    assert_true(source_take(&t, s, SOURCE_CLAIM, 100)); /* its own bucket, ten times as large */
    assert_false(source_take(&t, s, SOURCE_CLAIM, 1));
    s = source_touch(&t, id_of("192.0.2.1"), 1099);
    assert_false(source_take(&t, s, SOURCE_NEW, 1));
    s = source_touch(&t, id_of("192.0.2.1"), 1100);
    assert_true(source_take(&t, s, SOURCE_NEW, 1));
    assert_false(source_take(&t, s, SOURCE_NEW, 1));
    s = source_touch(&t, id_of("192.0.2.2"), 1100); /* somebody else */
    assert_true(source_take(&t, s, SOURCE_NEW, 10));
    s = source_touch(&t, id_of("192.0.2.1"), INT64_MAX / 2); /* full, no more */
    assert_true(source_take(&t, s, SOURCE_NEW, 10));
    assert_false(source_take(&t, s, SOURCE_NEW, 1));
    s = source_touch(&t, id_of("192.0.2.1"), 5); /* time that stands still or runs backwards gives nothing */
    assert_false(source_take(&t, s, SOURCE_NEW, 1));
    sources_fini(&t);
}

static void test_no_limit(void **state)
{
    struct sources t;
    (void)state;
    sources_init(&t, 0, 16);
    struct source *s = source_touch(&t, id_of("192.0.2.1"), 1000);
    for (int i = 0; i < 100000; i++)
        assert_true(source_take(&t, s, SOURCE_NEW, 1) && source_take(&t, s, SOURCE_CLAIM, 1));
    assert_true(source_take(&t, s, SOURCE_FAULT, 60)); /* these stay */
    assert_false(source_take(&t, s, SOURCE_FAULT, 1));
    sources_fini(&t);
}

static void test_the_largest_rate(void **state)
{
    struct sources t;
    (void)state;
    sources_init(&t, 1000000, 16);
    struct source *s = source_touch(&t, id_of("192.0.2.1"), 0);
    assert_true(source_take(&t, s, SOURCE_CLAIM, 10000000));
    assert_false(source_take(&t, s, SOURCE_CLAIM, 1));
    s = source_touch(&t, id_of("192.0.2.1"), INT64_MAX / 2);
    assert_true(source_take(&t, s, SOURCE_CLAIM, 10000000));
    sources_fini(&t);
}

static void test_a_source_is_an_address_or_a_64(void **state)
{
    (void)state;
    struct source_id a = id_of("2001:db8:1:2::1");
    struct source_id b = id_of("2001:db8:1:2:ffff:ffff:ffff:ffff");
    struct source_id c = id_of("2001:db8:1:3::1");
    assert_memory_equal(&a, &b, sizeof(a));
    assert_memory_not_equal(&a, &c, sizeof(a));
    a = id_of("192.0.2.1");
    b = id_of("192.0.2.2");
    assert_memory_not_equal(&a, &b, sizeof(a));
}

static void numbered(unsigned n, char *out)
{
    (void)snprintf(out, EDGE_ADDR_TEXT_SIZE, "10.%u.%u.%u", n >> 16 & 255, n >> 8 & 255, n & 255);
}

static void test_the_longest_silent_makes_room(void **state)
{
    struct sources t;
    char ip[EDGE_ADDR_TEXT_SIZE];
    (void)state;
    sources_init(&t, 10, 4);
    struct source *caller = source_touch(&t, id_of("192.0.2.1"), 0);
    source_vouch(&t, caller, 0);
    assert_true(source_take(&t, caller, SOURCE_NEW, 10));
    struct source *old = source_touch(&t, id_of("192.0.2.2"), 1);
    assert_true(source_take(&t, old, SOURCE_NEW, 10));
    for (unsigned n = 0; n < 100; n++) {
        numbered(n, ip);
        assert_non_null(source_touch(&t, id_of(ip), 2));
        assert_true(sources_count(&t) <= 4);
    }
    /* one that takes part in calls is still known; the other begins anew */
    assert_false(source_take(&t, source_touch(&t, id_of("192.0.2.1"), 3), SOURCE_NEW, 1));
    assert_true(source_take(&t, source_touch(&t, id_of("192.0.2.2"), 3), SOURCE_NEW, 10));
    for (unsigned n = 0; n < 10; n++) { /* when all take part in calls, they too make room */
        numbered(n, ip);
        source_vouch(&t, source_touch(&t, id_of(ip), 4), 4);
        assert_true(sources_count(&t) <= 4);
    }
    assert_true(source_take(&t, source_touch(&t, id_of("192.0.2.1"), 4), SOURCE_NEW, 10));
    sources_fini(&t);
}

static void test_vouching_ends(void **state)
{
    struct sources t;
    (void)state;
    sources_init(&t, 10, 4);
    struct source *s = source_touch(&t, id_of("192.0.2.1"), 0);
    assert_false(source_is_vouched(s, 0));
    source_vouch(&t, s, 0);
    assert_true(source_is_vouched(s, SOURCE_VOUCH_MS - 1));
    assert_false(source_is_vouched(s, SOURCE_VOUCH_MS));
    s = source_touch(&t, id_of("192.0.2.1"), SOURCE_VOUCH_MS);
    assert_false(source_is_vouched(s, SOURCE_VOUCH_MS));
    sources_fini(&t);
}

static void test_no_memory_for_the_map(void **state)
{
    struct sources t;
    (void)state;
    sources_init(&t, 10, 4);
    testkit_fail_alloc(0);
    assert_null(source_touch(&t, id_of("192.0.2.1"), 0));
    assert_true(testkit_alloc_failed());
    assert_non_null(source_touch(&t, id_of("192.0.2.1"), 0));
    sources_fini(&t);
}

/* --- blocks --- */

static struct now at(int64_t ms)
{
    return (struct now){.mono_ms = ms, .wall_ms = ms};
}

static void test_a_block_ends(void **state)
{
    struct blocked b;
    struct in6_addr ip = ip_of("192.0.2.1");
    (void)state;
    blocked_init(&b, 4);
    assert_null(blocked_find(&b, id_of("192.0.2.1"), 0));
    blocked_add(&b, &ip, BLOCKED_SCANNER, 1000, at(0));
    assert_non_null(blocked_find(&b, id_of("192.0.2.1"), 999));
    assert_null(blocked_find(&b, id_of("192.0.2.2"), 999));
    assert_null(blocked_find(&b, id_of("192.0.2.1"), 1000));
    assert_int_equal(b.map.count, 0);
    blocked_add(&b, &ip, BLOCKED_SCANNER, 1000, at(2000));
    blocked_add(&b, &ip, BLOCKED_FAULTS, 1000, at(2500)); /* anew */
    assert_int_equal(b.map.count, 1);
    assert_int_equal(blocked_find(&b, id_of("192.0.2.1"), 3400)->why, BLOCKED_FAULTS);
    assert_true(blocked_remove(&b, id_of("192.0.2.1"), 3400));
    assert_false(blocked_remove(&b, id_of("192.0.2.1"), 3400));
    blocked_fini(&b);
}

static void test_the_oldest_block_makes_room(void **state)
{
    struct blocked b;
    char text[EDGE_ADDR_TEXT_SIZE];
    (void)state;
    blocked_init(&b, 4);
    for (unsigned n = 0; n < 100; n++) {
        numbered(n, text);
        struct in6_addr ip = ip_of(text);
        blocked_add(&b, &ip, BLOCKED_FAULTS, 1000, at(n));
        assert_int_equal(b.map.count, n < 4 ? n + 1 : 4);
    }
    assert_non_null(blocked_find(&b, id_of("10.0.0.96"), 99));
    assert_null(blocked_find(&b, id_of("10.0.0.95"), 99));
    assert_int_equal(blocked_sweep(&b, 1095), 4);
    assert_int_equal(blocked_sweep(&b, 1097), 2);
    assert_int_equal(blocked_sweep(&b, 2000), 0);
    blocked_fini(&b);
}

/* --- scanners --- */

static void test_names_of_scanners(void **state)
{
    static const char *const bad[] = {"friendly-scanner",    "Friendly-Scanner/1", "sipcli/v1.8",
                                      "VaxSIPUserAgent/3.1", "sipvicious",         "SIVuS"};
    static const char *const good[] = {"",
                                       "f",
                                       "friendly",
                                       "sip",
                                       "Asterisk PBX 20.1",
                                       "baresip v1.1.0",
                                       "SIPp",
                                       "sipsak 0.9.8",
                                       "Linphone/5.0",
                                       "my friendly-scanner"};
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_non_null(scanner_of(span_cstr(bad[i])));
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_null(scanner_of(span_cstr(good[i])));
    assert_null(scanner_of(span_of(NULL, 0)));
}

/* --- tags --- */

static void test_known_tags_are_proof(void **state)
{
    struct tagset t;
    (void)state;
    tagset_init(&t);
    assert_false(tagset_take(&t, SPAN("a0-secret"), 0));
    tagset_learn(&t, SPAN("a0-secret"));
    tagset_learn(&t, span_of(NULL, 0));
    assert_false(tagset_take(&t, span_of(NULL, 0), 0));
    for (int i = 0; i < TAGSET_PER_S; i++)
        assert_true(tagset_take(&t, SPAN("a0-secret"), 999));
    assert_false(tagset_take(&t, SPAN("a0-secret"), 999));
    tagset_learn(&t, SPAN("a0-secret")); /* again: no new allowance */
    assert_false(tagset_take(&t, SPAN("a0-secret"), 999));
    assert_true(tagset_take(&t, SPAN("a0-secret"), 1000));
    assert_false(tagset_take(&t, SPAN("a0-secreu"), 1000));
    tagset_fini(&t);
}

static void test_as_many_tags_as_there_are_calls(void **state)
{
    enum { CALLS = 20000 };
    static char tag[CALLS][ID_MAX];
    struct tagset t;
    int lost = 0;
    (void)state;
    tagset_init(&t);
    for (int i = 0; i < CALLS; i++) {
        id_make(tag[i], 0, 16);
        tagset_learn(&t, span_cstr(tag[i]));
    }
    for (int i = 0; i < CALLS; i++)
        lost += !tagset_take(&t, span_cstr(tag[i]), 0);
    assert_true(lost < CALLS / 1000); /* more than 4 of them in one of 65,536 sets is rare */
    tagset_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trusted_networks),
        cmocka_unit_test(test_a_list_that_cannot_be_read_trusts_nobody),
        cmocka_unit_test(test_a_bucket_empties_and_fills),
        cmocka_unit_test(test_no_limit),
        cmocka_unit_test(test_the_largest_rate),
        cmocka_unit_test(test_a_source_is_an_address_or_a_64),
        cmocka_unit_test(test_the_longest_silent_makes_room),
        cmocka_unit_test(test_vouching_ends),
        cmocka_unit_test(test_no_memory_for_the_map),
        cmocka_unit_test(test_a_block_ends),
        cmocka_unit_test(test_the_oldest_block_makes_room),
        cmocka_unit_test(test_names_of_scanners),
        cmocka_unit_test(test_known_tags_are_proof),
        cmocka_unit_test(test_as_many_tags_as_there_are_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
