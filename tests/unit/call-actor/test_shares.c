/* Room that nobody has alone. */
#include "tests/unit/testkit.h"

#include "call-actor/shares.h"

static struct shares s;

static unsigned take_all(uint32_t origin, size_t bytes)
{
    unsigned cnt = 0;
    while (shares_take(&s, origin, bytes))
        cnt++;
    return cnt;
}

static void nobody_gets_more_than_is_left(void **state)
{
    (void)state;
    shares_init(&s, (struct share){.cnt = 100, .bytes = 1000000});
    assert_int_equal(take_all(1, 1), 50);
    assert_int_equal(take_all(2, 1), 25); /* who comes later finds some */
    assert_int_equal(take_all(3, 1), 13);
    assert_false(shares_take(&s, 1, 1));
    for (int i = 0; i < 50; i++)
        shares_give(&s, 1, 1);
    assert_int_equal(s.all.cnt, 38);
    assert_int_equal(take_all(3, 1), 25); /* what the first gave back is everybody's */
    assert_true(shares_take(&s, 4, 1));
}

static void bytes_are_shared_likewise(void **state)
{
    (void)state;
    shares_init(&s, (struct share){.cnt = 100, .bytes = 1000});
    assert_false(shares_take(&s, 1, 1001));
    assert_int_equal(take_all(1, 100), 5);
    assert_false(shares_take(&s, 1, 1));
    assert_int_equal(take_all(2, 100), 3);
    shares_give(&s, 1, 100);
    assert_int_equal(s.all.bytes, 700);
    assert_false(shares_take(&s, 2, 100));
    assert_true(shares_take(&s, 3, 100));
}

static void everybody_together_fill_it(void **state)
{
    (void)state;
    unsigned cnt = 0;
    shares_init(&s, (struct share){.cnt = 64, .bytes = 1000});
    for (uint32_t i = 0; i < 1000; i++)
        cnt += shares_take(&s, i, 1) ? 1 : 0;
    assert_int_equal(cnt, 64);
    assert_int_equal(s.all.cnt, 64);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_gets_more_than_is_left),
        cmocka_unit_test(bytes_are_shared_likewise),
        cmocka_unit_test(everybody_together_fill_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
