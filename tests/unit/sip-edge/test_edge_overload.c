/* Overload as the edge treats it: how many set-ups are in flight, and anything from anybody, in any order. */
#include "common/rt/bus.h"
#include "tests/unit/sip-edge/guard_kit.h"
#include "tests/unit/testkit.h"
#include <stdio.h>
#include <stdlib.h>

/* --- overload --- */

static void a_full_bound_refuses_new_calls_only(void **state)
{
    unsigned refused = 0;
    bool seen[32] = {false};
    unsigned spread = 0;
    (void)state;
    fake_rx_from(TRUSTED, 5062, INVITE);
    kit_answer(KEY, 200, RESP("200 OK", "z9hG4bKa", "1 INVITE"));
    assert_int_equal(fake.edge.guard.shed.in_flight, 0);
    for (int i = 0; i < SHED_START + 200; i++) {
        fake_forget();
        guard_rx_new(TRUSTED, "INVITE", "");
        if (fake.told_cnt == 0) {
            refused++;
            assert_string_equal(guard_last_line(), "SIP/2.0 503 Service Unavailable");
            seen[guard_retry_after() & 31] = true;
        }
    }
    assert_int_equal(refused, 200);
    for (int i = 0; i < 32; i++) {
        assert_true(!seen[i] || (i >= 5 && i <= 15));
        spread += seen[i];
    }
    assert_true(spread > 5);
    fake_forget();
    fake_rx_from(TRUSTED, 5062, REINVITE);
    fake_rx_from(TRUSTED, 5062, BYE);
    fake_rx_from(TRUSTED, 5062, REQ("ACK", "z9hG4bKk", ";tag=a0-x", "1 ACK"));
    assert_int_equal(fake.told_cnt, 3);
    assert_int_equal(guard_answered(TRUSTED, "OPTIONS", ""), 200);
}

static void drop_quietly(void *user, const struct edge_path *to, struct span bytes, struct span owner, bool is_server)
{
    (void)user;
    (void)to;
    (void)bytes;
    (void)owner;
    (void)is_server;
}

/* Time passes; what timers send is not looked at. */
static void wait_quietly(int64_t ms)
{
    struct edge_out out = fake.edge.out;
    fake_forget();
    fake.edge.out.send = drop_quietly;
    fake_wait(ms);
    fake.edge.out.send = out.send;
    fake_forget();
}

static void set_ups_are_counted_out_once(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        fake_forget();
        guard_rx_new(TRUSTED, "INVITE", "");
    }
    assert_int_equal(fake.edge.guard.shed.in_flight, 20);
    edge_actor_down(&fake.edge, 0, (struct now){.mono_ms = fake.now_ms});
    wait_quietly(EDGE_GRACE_MS + 100); /* all get 503 */
    assert_int_equal(fake.edge.guard.shed.in_flight, 0);
    wait_quietly(3700000);
    assert_int_equal(fake.edge.guard.shed.in_flight, 0);
}

/* Wherever memory runs out: what is counted is there. */
static void set_ups_without_memory(void **state)
{
    unsigned lost = 0;
    (void)state;
    fake.say_rv = -BUS_EDOWN; /* the fake's own link needs memory */
    for (unsigned i = 0; i < 600; i++) {
        fake_forget();
        testkit_fail_alloc(1 + i % 8); /* the first one is the test's own */
        guard_rx_new(TRUSTED, "INVITE", "");
        lost += testkit_alloc_failed();
        assert_int_equal(fake.edge.guard.shed.in_flight, txn_index_count(&fake.edge.index));
    }
    assert_true(lost > 100);
}

/* --- anything, in any order --- */

#define SOURCES 40

struct account {
    long in, out; /* messages */
    long opened;  /* 200s to OPTIONS */
    int64_t first_ms;
};

static void name_of(unsigned n, char *out, size_t size)
{
    if (n == 0)
        (void)snprintf(out, size, "%s", TRUSTED);
    else if (n % 4 == 0)
        (void)snprintf(out, size, "2001:db8:0:%x::%x", n, (unsigned)random() % 65536);
    else
        (void)snprintf(out, size, "203.0.113.%u", n);
}

static void send_any(unsigned n, const char *ip)
{
    static const char *const methods[] = {"OPTIONS", "PUBLISH", "BYE", "REFER", "CANCEL", "ACK", "INFO", "OPTIONS"};
    static const char *const tags[] = {"", "", ";tag=a0-guess", ";tag=a0-real", ";tag=z"};
    switch (n == 0 ? 3 : random() % 12) {
    case 0:
        fake_rx_from(ip, 5062, SCAN("INVITE"));
        break;
    case 1:
        fake_rx_from(ip, 5062, "INVITE sip:a SIP/2.0\nrubbish rubbish rubbish\n\n");
        break;
    case 2:
        fake_rx_from(ip, 5062, RESP("200 OK", "z9hG4bKa0-guess", "1 INVITE"));
        break;
    default:
        guard_rx_new(ip, n == 0 ? "OPTIONS" : methods[random() % 8], n == 0 ? "" : tags[random() % 5]);
    }
}

static void whatever_comes(void **state)
{
    static struct account acc[SOURCES];
    (void)state;
    memset(acc, 0, sizeof(acc));
    srandom(7);
    guard_our_call_to("192.0.2.20");
    for (int i = 0; i < 60000; i++) {
        char ip[EDGE_ADDR_TEXT_SIZE];
        unsigned n = random() % 3 == 0 ? 1 : (unsigned)random() % SOURCES; /* one is louder than the others */
        struct account *a = &acc[n];
        name_of(n, ip, sizeof(ip));
        fake_forget();
        if (a->in++ == 0)
            a->first_ms = fake.now_ms;
        send_any(n, ip);
        for (unsigned k = 0; k < fake.sent_cnt; k++) {
            a->opened += strcmp(fake_line(&fake.sent[k]), "SIP/2.0 200 OK") == 0;
        }
        a->out += fake.sent_cnt;
        int64_t ms = fake.now_ms - a->first_ms;
        assert_true(a->out <= 2 * a->in); /* a re-INVITE has 100 and its final one */
        if (n != 0)
            assert_true(a->opened <= RATE + (ms + 999) * RATE / 1000);
        assert_true(sources_count(&fake.edge.guard.sources) <= SOURCES + 1);
        assert_true(fake.edge.guard.shed.in_flight == 0);
        if (i % 50 == 0) { /* a real dialog is served from anywhere, however bad its source is */
            wait_quietly(1000);
            guard_rx_new(ip, "BYE", ";tag=a0-real");
            assert_int_equal(fake.told_cnt, 1);
            assert_int_equal(guard_answered(TRUSTED, "OPTIONS", ""), 200);
            wait_quietly(random() % 64 == 0 ? 400000 : random() % 100);
        }
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, guard_begin, kit_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_full_bound_refuses_new_calls_only),
        TEST(set_ups_are_counted_out_once),
        TEST(set_ups_without_memory),
        TEST(whatever_comes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
