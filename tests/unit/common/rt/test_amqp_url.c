#include "tests/unit/testkit.h"

#include "common/rt/amqp_url.h"
#include <stdio.h>
#include <string.h>

static void expect(const char *url, const char *as)
{
    struct amqp_url u;
    const char *why = "";
    char got[2048];
    assert_int_equal(amqp_url_parse(&u, span_cstr(url), &why), 0);
    assert_null(why);
    (void)snprintf(got, sizeof got, "%s %s %s %s %u %s %u", u.tls ? "tls" : "plain", u.user, u.password, u.host,
                   (unsigned)u.port, u.vhost, (unsigned)u.heartbeat_s);
    assert_string_equal(got, as);
}

static void forms(void **state)
{
    (void)state;
    expect("amqp://guest:guest@rabbitmq:5672/%2f", "plain guest guest rabbitmq 5672 / 0");
    expect("amqp://rabbitmq", "plain guest guest rabbitmq 5672 / 0");
    expect("amqp://rabbitmq/", "plain guest guest rabbitmq 5672 / 0");
    expect("amqps://rabbitmq/prod", "tls guest guest rabbitmq 5671 prod 0");
    expect("AMQPS://rabbitmq", "tls guest guest rabbitmq 5671 / 0");
    expect("amqp://u:p@[::1]:5673/v", "plain u p ::1 5673 v 0");
    expect("amqp://[::1]", "plain guest guest ::1 5672 / 0");
    expect("amqp://u%40x:p%3a%2F%25@h/a%2Fb", "plain u@x p:/% h 5672 a/b 0");
    expect("amqp://u:a@b@h", "plain u a@b h 5672 / 0");
    expect("amqp://u:a:b@h", "plain u a:b h 5672 / 0");
    expect("amqp://u@h", "plain u  h 5672 / 0");
    expect("amqp://h/v?heartbeat=7", "plain guest guest h 5672 v 7");
    expect("amqp://h?x=1&heartbeat=3600&y", "plain guest guest h 5672 / 3600");
    expect("amqp://h:/v", "plain guest guest h 5672 v 0");
}

static void refused(void **state)
{
    (void)state;
    static const char *const urls[] = {
        "",
        "http://h",
        "amqp:/h",
        "amqp://",
        "amqp://u:p@",
        "amqp://:5672",
        "amqp://h:0",
        "amqp://h:65536",
        "amqp://h:x",
        "amqp://h:-1",
        "amqp://[::1",
        "amqp://[::1]x",
        "amqp://[]",
        "amqp://u%4:p@h",
        "amqp://u:%zz@h",
        "amqp://u:%00@h",
        "amqp://h/%",
        "amqp://h/%2",
        "amqp://h?heartbeat=",
        "amqp://h?heartbeat=3601",
        "amqp://h?heartbeat=1s",
    };
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        struct amqp_url u;
        const char *why = NULL;
        assert_int_equal(amqp_url_parse(&u, span_cstr(urls[i]), &why), -1);
        assert_non_null(why);
    }
}

static void lengths(void **state)
{
    (void)state;
    char part[AMQP_URL_TEXT_MAX + 1];
    char url[4 * AMQP_URL_TEXT_MAX];
    struct amqp_url u;
    const char *why;
    memset(part, 'x', sizeof part);
    static const char *const forms_of[] = {"amqp://%.*s:p@h", "amqp://u:%.*s@h", "amqp://%.*s", "amqp://h/%.*s"};
    for (size_t i = 0; i < 4; i++) {
        for (int over = 0; over < 2; over++) {
            size_t before = strcspn(forms_of[i], "%");
            (void)snprintf(url, sizeof url, "%.*s%.*s%s", (int)before, forms_of[i], AMQP_URL_TEXT_MAX - 1 + over, part,
                           forms_of[i] + before + 4);
            assert_int_equal(amqp_url_parse(&u, span_cstr(url), &why), -over);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms),
        cmocka_unit_test(refused),
        cmocka_unit_test(lengths),
    };
    return cmocka_run_group_tests_name("amqp_url", tests, NULL, NULL);
}
