#include "tests/unit/testkit.h"

#include "common/base/stat.h"
#include <stdio.h>

static struct stat_series invites = {.name = "t_requests_total", .labels = "method=\"INVITE\"", .help = "Requests."};
static struct stat_series calls = {.name = "t_calls", .kind = STAT_GAUGE};
static struct stat_series byes = {.name = "t_requests_total", .labels = "method=\"BYE\"", .help = "Requests."};
static struct stat_series setup = {.name = "t_setup_ms", .help = "Set-up.", .kind = STAT_HISTOGRAM};

/* One list a process: this test registers, the others use what is there. */
static void counters_of_one_name_stand_together(void **state)
{
    struct buf b;
    (void)state;
    buf_init(&b, 65536);
    stat_print(&b, "p");
    assert_int_equal(b.len, 0);
    stat_register(&invites);
    stat_register(&calls);
    stat_register(&byes);
    stat_inc(&invites);
    stat_add(&invites, 4);
    stat_set(&calls, 7);
    stat_add(&calls, -8);
    stat_print(&b, "sip-edge");
    assert_string_equal(buf_cstr(&b), "# HELP t_requests_total Requests.\n"
                                      "# TYPE t_requests_total counter\n"
                                      "t_requests_total{proc=\"sip-edge\",method=\"INVITE\"} 5\n"
                                      "t_requests_total{proc=\"sip-edge\",method=\"BYE\"} 0\n"
                                      "# HELP t_calls \n"
                                      "# TYPE t_calls gauge\n"
                                      "t_calls{proc=\"sip-edge\"} -1\n");
    buf_fini(&b);
}

static void histogram(void **state)
{
    static const int64_t samples[] = {-5, 0, 1, 2, 3, 65536, 65537, INT64_MAX / 2};
    struct buf b;
    (void)state;
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++)
        stat_sample(&setup, samples[i]);
    assert_int_equal(setup.bucket[0], 3);
    assert_int_equal(setup.bucket[1], 1);
    assert_int_equal(setup.bucket[2], 1);
    assert_int_equal(setup.bucket[16], 1);
    assert_int_equal(setup.bucket[17], 2);
    stat_register(&setup);
    buf_init(&b, 65536);
    stat_print(&b, "p");
    const char *text = buf_cstr(&b);
    assert_non_null(strstr(text, "# TYPE t_setup_ms histogram\nt_setup_ms_bucket{proc=\"p\",le=\"1\"} 3\n"
                                 "t_setup_ms_bucket{proc=\"p\",le=\"2\"} 4\n"
                                 "t_setup_ms_bucket{proc=\"p\",le=\"4\"} 5\n"));
    assert_non_null(strstr(text, "le=\"32768\"} 5\nt_setup_ms_bucket{proc=\"p\",le=\"65536\"} 6\n"
                                 "t_setup_ms_bucket{proc=\"p\",le=\"+Inf\"} 8\n"
                                 "t_setup_ms_sum{proc=\"p\"} "));
    assert_non_null(strstr(text, "t_setup_ms_count{proc=\"p\"} 8\n"));
    buf_fini(&b);
}

static void registered_again_it_is_shown_once(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1 << 16);
    stat_register(&calls);
    stat_print(&b, "p");
    const char *text = buf_cstr(&b);
    const char *first = strstr(text, "t_calls{");
    assert_non_null(first);
    assert_null(strstr(first + 1, "t_calls{"));
    buf_fini(&b);
}

static void labelled_series_are_made_once(void **state)
{
    (void)state;
    static const struct stat_family f = {.name = "t_ended_total", .help = "ends", .key = {"reason", "by"}};
    static const struct stat_family g = {.name = "t_now", .help = "now", .kind = STAT_GAUGE, .key = {"state"}};
    struct buf b;
    char odd[STAT_LABELS_SIZE];
    buf_init(&b, 1 << 20);
    stat_inc(stat_labelled(&f, "a\"b\\c\nd", "x"));
    stat_inc(stat_labelled(&f, "a\"b\\c\nd", "x"));
    stat_inc(stat_labelled(&f, "ok", "y"));
    stat_set(stat_labelled(&g, "up", NULL), 7);
    stat_labelled_zero(&g);
    stat_print(&b, "p");
    assert_non_null(strstr(buf_cstr(&b), "# HELP t_ended_total ends\n# TYPE t_ended_total counter\n"
                                         "t_ended_total{proc=\"p\",reason=\"a\\\"b\\\\c\\nd\",by=\"x\"} 2\n"
                                         "t_ended_total{proc=\"p\",reason=\"ok\",by=\"y\"} 1\n"));
    assert_non_null(strstr(buf_cstr(&b), "t_now{proc=\"p\",state=\"up\"} 0\n"));
    memset(odd, 'l', sizeof odd);
    odd[sizeof odd - 1] = '\0';
    stat_inc(stat_labelled(&g, odd, NULL));                /* too long: nowhere */
    for (unsigned i = 0; i < 2 * STAT_LABELLED_MAX; i++) { /* bounded, whatever comes */
        (void)snprintf(odd, sizeof odd, "%u", i);
        stat_inc(stat_labelled(&g, odd, NULL));
    }
    buf_reset(&b);
    stat_print(&b, "p");
    assert_null(strstr(buf_cstr(&b), "lll"));
    size_t series = 0;
    for (const char *at = buf_cstr(&b); (at = strstr(at, "t_now{")) != NULL; at++)
        series++;
    assert_int_equal(series, STAT_LABELLED_MAX - 2);
    buf_fini(&b);
}

static void register_other_kind(void)
{
    static struct stat_series odd = {.name = "t_calls", .kind = STAT_COUNTER};
    stat_register(&odd);
}

static void misuse_is_a_bug(void **state)
{
    (void)state;
    testkit_assert_bug(register_other_kind, "kind != s->kind");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counters_of_one_name_stand_together),
        cmocka_unit_test(histogram),
        cmocka_unit_test(registered_again_it_is_shown_once),
        cmocka_unit_test(labelled_series_are_made_once),
        cmocka_unit_test(misuse_is_a_bug),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
