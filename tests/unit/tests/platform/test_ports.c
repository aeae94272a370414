#include "tests/unit/testkit.h"

#include "tests/platform/ports.h"

static void test_even_ports_in_order(void **state)
{
    (void)state;
    struct ports p;
    assert_int_equal(ports_init(&p, 50001, 50007, 5000, 0), 0);
    assert_int_equal(ports_take(&p), 50002);
    assert_int_equal(ports_take(&p), 50004);
    assert_int_equal(ports_take(&p), 50006);
    assert_int_equal(ports_take(&p), 0);
    ports_fini(&p);
}

static void test_range_without_even_port(void **state)
{
    (void)state;
    struct ports p;
    assert_int_equal(ports_init(&p, 50001, 50001, 0, 0), -1);
    assert_int_equal(ports_init(&p, 50004, 50002, 0, 0), -1);
}

static void test_whole_range(void **state)
{
    (void)state;
    struct ports p;
    assert_int_equal(ports_init(&p, 1024, 65535, 0, 0), 0);
    uint16_t last = 0;
    size_t n = 0;
    for (uint16_t port; (port = ports_take(&p)) != 0; n++)
        last = port;
    assert_int_equal(n, (65534 - 1024) / 2 + 1);
    assert_int_equal(last, 65534);
    ports_fini(&p);
}

/* Back after one to two quarantine times, because of the sweep's own interval. */
static void test_quarantine(void **state)
{
    (void)state;
    struct ports p;
    assert_int_equal(ports_init(&p, 50000, 50000, 5000, 0), 0);
    assert_int_equal(ports_take(&p), 50000);
    ports_rest(&p, 50000, 1000);
    ports_sweep(&p, 4999);
    assert_int_equal(ports_take(&p), 0);
    ports_sweep(&p, 5000); /* a sweep, but the port has rested 4 s only */
    assert_int_equal(ports_take(&p), 0);
    ports_sweep(&p, 9999); /* rested, but no sweep is due */
    assert_int_equal(ports_take(&p), 0);
    ports_sweep(&p, 10000);
    assert_int_equal(ports_take(&p), 50000);
    ports_fini(&p);
}

static void test_first_in_first_out(void **state)
{
    (void)state;
    struct ports p;
    assert_int_equal(ports_init(&p, 50000, 50004, 0, 0), 0);
    uint16_t a = ports_take(&p);
    uint16_t b = ports_take(&p);
    ports_rest(&p, b, 1);
    ports_rest(&p, a, 2);
    ports_sweep(&p, 2);
    assert_int_equal(ports_take(&p), 50004);
    assert_int_equal(ports_take(&p), b);
    assert_int_equal(ports_take(&p), a);
    ports_fini(&p);
}

static void test_index(void **state)
{
    (void)state;
    struct ports p;
    assert_int_equal(ports_init(&p, 50000, 50004, 0, 0), 0);
    assert_int_equal(ports_index(&p, 50000), 0);
    assert_int_equal(ports_index(&p, 50004), 2);
    assert_int_equal(ports_index(&p, 50001), -1);
    assert_int_equal(ports_index(&p, 49998), -1);
    assert_int_equal(ports_index(&p, 50006), -1);
    assert_int_equal(ports_index(&p, UINT32_MAX), -1);
    ports_fini(&p);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    for (unsigned n = 0;; n++) {
        struct ports p;
        testkit_fail_alloc(n);
        int rc = ports_init(&p, 50000, 50100, 0, 0);
        if (!testkit_alloc_failed()) {
            assert_int_equal(rc, 0);
            ports_fini(&p);
            return;
        }
        assert_int_equal(rc, -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_even_ports_in_order), cmocka_unit_test(test_range_without_even_port),
        cmocka_unit_test(test_whole_range),         cmocka_unit_test(test_quarantine),
        cmocka_unit_test(test_first_in_first_out),  cmocka_unit_test(test_index),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
