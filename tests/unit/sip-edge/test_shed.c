/* The adaptive bound against simulated services, in virtual time. */
#include "sip-edge/shed.h"
#include "tests/unit/testkit.h"
#include <stdlib.h>
#include <string.h>

/*
 * A service: `servers` calls are worked on at once, each takes work_ms; the rest wait in line. Callers come evenly,
 * `per_s` a second, and those refused go away. Millisecond steps.
 */
#define LINE_MAX_ 100000

struct plant {
    struct shed shed;
    int64_t now_ms;
    int servers;
    int64_t work_ms;
    double per_s;
    double owed; /* part of a caller */
    int64_t begun[LINE_MAX_];
    unsigned head, tail;      /* the line */
    int64_t busy_until[4000]; /* by server; 0: idle */
    int64_t busy_since[4000];
    long offered, done, refused, worst_ms;
    int64_t least_limit, most_limit;
};

static struct plant p;

static void plant_begin(int servers, int64_t work_ms)
{
    memset(&p, 0, sizeof(p));
    p.servers = servers;
    p.work_ms = work_ms;
    p.now_ms = 1000000;
    shed_init(&p.shed, 20000, p.now_ms);
}

static void serve(void)
{
    for (int i = 0; i < p.servers; i++) {
        if (p.busy_until[i] != 0 && p.busy_until[i] <= p.now_ms) {
            int64_t took = p.now_ms - p.busy_since[i];
            shed_done(&p.shed, took, false, p.now_ms);
            p.busy_until[i] = 0;
            p.done++;
            if (took > p.worst_ms)
                p.worst_ms = took;
        }
        if (p.busy_until[i] == 0 && p.head != p.tail) {
            p.busy_since[i] = p.begun[p.head++ % LINE_MAX_];
            p.busy_until[i] = p.now_ms + p.work_ms;
        }
    }
}

static void step(void)
{
    p.now_ms++;
    for (p.owed += p.per_s / 1000; p.owed >= 1; p.owed--) {
        p.offered++;
        if (shed_admit(&p.shed, p.now_ms))
            p.begun[p.tail++ % LINE_MAX_] = p.now_ms;
        else
            p.refused++;
    }
    serve();
    assert_true(p.shed.in_flight >= 0 && p.shed.in_flight <= 20000);
    assert_true(p.shed.limit >= SHED_FLOOR && p.shed.limit <= 20000);
    if (p.shed.limit < p.least_limit)
        p.least_limit = p.shed.limit;
    if (p.shed.limit > p.most_limit)
        p.most_limit = p.shed.limit;
}

static void run(double per_s, int seconds)
{
    p.per_s = per_s;
    p.offered = p.done = p.refused = p.worst_ms = 0;
    p.least_limit = p.most_limit = p.shed.limit;
    for (int i = 0; i < seconds * 1000; i++)
        step();
}

/* capacity 1,000/s: 10 servers, 10 ms each */
static void test_below_capacity_nothing_is_refused(void **state)
{
    (void)state;
    plant_begin(10, 10);
    run(900, 60);
    assert_int_equal(p.refused, 0);
    assert_true(p.worst_ms < 50);
}

static void test_above_capacity_as_much_as_can_be_done(void **state)
{
    (void)state;
    plant_begin(10, 10);
    for (int times = 2; times <= 8; times *= 2) {
        run(1000.0 * times, 10); /* it finds its bound */
        run(1000.0 * times, 30);
        assert_true(p.done > 29000);
        assert_true(p.worst_ms < 2L * SHED_QUEUE_MS);
        assert_true(p.least_limit > SHED_FLOOR);
    }
}

static void test_it_recovers(void **state)
{
    (void)state;
    plant_begin(10, 10);
    run(4000, 20);
    run(100, 5);
    run(950, 20);
    assert_int_equal(p.refused, 0);
}

/* Two seconds for each call and as many at once as come: no overload. */
static void test_slow_is_not_overloaded(void **state)
{
    (void)state;
    plant_begin(4000, 2000);
    run(200, 20);
    assert_int_equal(p.refused, 0);
    run(1000, 60); /* more at once than the bound begins with: it grows */
    run(1000, 20);
    assert_int_equal(p.refused, 0);
    assert_true(p.done >= 19900);
}

/* Two seconds each, and more at once from the very first moment than the bound begins with. */
static void test_slow_and_many_at_once(void **state)
{
    (void)state;
    plant_begin(4000, 2000);
    run(1500, 60);
    run(1500, 20);
    assert_int_equal(p.refused, 0);
}

/* Fast until now, then two seconds for each call at a rate the bound does not take: it comes to the floor, learns there
 * that fewer calls are no faster, and grows. */
static void test_becoming_slow_is_learned(void **state)
{
    (void)state;
    plant_begin(4000, 5);
    run(1000, 20);
    p.work_ms = 2000;
    run(1000, 120);
    run(1000, 20);
    assert_true(p.done > 19000);
}

/* Slow media with 100 at once and 2 s each: 50 calls a second, whatever is offered. */
static void test_slow_and_bounded(void **state)
{
    (void)state;
    plant_begin(100, 2000);
    run(40, 30);
    assert_int_equal(p.refused, 0);
    run(200, 60);
    run(200, 60);
    assert_true(p.done > 2800);
    assert_true(p.worst_ms < 5000);
}

/* A service that stops for a while and goes on. */
static void test_standstill(void **state)
{
    (void)state;
    plant_begin(10, 10);
    run(800, 10);
    int servers = p.servers;
    p.servers = 0;
    run(800, 5);
    assert_true(p.shed.in_flight <= p.shed.limit);
    p.servers = servers;
    run(800, 10);
    run(800, 10);
    assert_int_equal(p.refused, 0);
}

static void test_one_slow_callee_is_no_overload(void **state)
{
    struct shed s;
    (void)state;
    shed_init(&s, 20000, 0);
    for (int64_t t = 1; t < 60000; t++) { /* 100 calls a second, a third of them take 5 s */
        if (t % 10 == 0) {
            assert_true(shed_admit(&s, t));
            if (t % 30 != 0)
                shed_done(&s, 5, false, t);
        }
        if (t > 5000 && (t - 5000) % 30 == 0)
            shed_done(&s, 5000, false, t);
    }
    assert_int_equal(s.limit, SHED_START);
}

static void test_refusals_at_once_tell_nothing(void **state)
{
    struct shed s;
    (void)state;
    shed_init(&s, 20000, 0);
    for (int64_t t = 1; t < 5000; t++) {
        assert_true(shed_admit(&s, t));
        shed_done(&s, 0, true, t);
    }
    assert_int_equal(s.base_ms, -1);
}

static void test_a_late_loop_cuts(void **state)
{
    struct shed s;
    (void)state;
    shed_init(&s, 20000, 0);
    for (int64_t t = 1; t < 3000; t++) {
        while (shed_admit(&s, t))
            ;
        shed_lag(&s, SHED_LAG_MS + 1);
        shed_done(&s, 1, false, t);
    }
    assert_true(s.limit < SHED_START / 4);
}

static void test_the_cap_holds(void **state)
{
    struct shed s;
    (void)state;
    shed_init(&s, 40, 0);
    for (int i = 0; i < 100; i++)
        assert_int_equal(shed_admit(&s, 1), i < 40);
}

/* Any order of anything: the bound stays between floor and cap, and nobody is counted twice. */
static void test_random(void **state)
{
    (void)state;
    srandom(1);
    for (int round = 0; round < 200; round++) {
        struct shed s;
        int64_t cap = 1 + random() % 5000;
        int64_t t = 0;
        int64_t in_flight = 0;
        shed_init(&s, cap, t);
        for (int i = 0; i < 5000; i++) {
            long what = random() % 10;
            t += random() % 20 == 0 ? random() % 3000 : random() % 3;
            if (what < 6)
                in_flight += shed_admit(&s, t);
            else if (what < 9 && in_flight > 0)
                shed_done(&s, random() % (random() % 4 == 0 ? 100000 : 50), random() % 8 == 0, t), in_flight--;
            else if (in_flight > 0)
                shed_gone(&s), in_flight--;
            if (what == 9)
                shed_lag(&s, random() % 400);
            assert_int_equal(s.in_flight, in_flight);
            assert_true(s.limit >= SHED_FLOOR && s.limit <= (cap > SHED_FLOOR ? cap : SHED_FLOOR));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_below_capacity_nothing_is_refused),
        cmocka_unit_test(test_above_capacity_as_much_as_can_be_done),
        cmocka_unit_test(test_it_recovers),
        cmocka_unit_test(test_slow_is_not_overloaded),
        cmocka_unit_test(test_slow_and_many_at_once),
        cmocka_unit_test(test_becoming_slow_is_learned),
        cmocka_unit_test(test_slow_and_bounded),
        cmocka_unit_test(test_standstill),
        cmocka_unit_test(test_one_slow_callee_is_no_overload),
        cmocka_unit_test(test_refusals_at_once_tell_nothing),
        cmocka_unit_test(test_a_late_loop_cuts),
        cmocka_unit_test(test_the_cap_holds),
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
