#include "tests/unit/testkit.h"

#include "common/base/id.h"

static void round_trip(void **state)
{
    char id[ID_MAX];
    (void)state;
    for (unsigned shard = 0; shard <= ID_SHARD_MAX; shard++) {
        id_make(id, shard, 32);
        assert_true(strlen(id) < ID_MAX);
        assert_int_equal(id_shard(span_cstr(id)), shard);
    }
    id_make(id, 7, 1);
    assert_int_equal(strlen(id), 4);
    assert_int_equal(id_shard(span_cstr(id)), 7);
    id_make(id, 0, 20);
    assert_int_equal(strspn(id + 3, "abcdefghijklmnopqrstuvwxyz0123456789"), 20);
    assert_int_equal(id_shard(SPAN("a12-xyz@10.0.0.1")), 12);
}

static void hostile_ids_have_no_shard(void **state)
{
    static const struct span bad[] = {
        {NULL, 0},
        SPAN_INIT(""),
        SPAN_INIT("a"),
        SPAN_INIT("a0"),
        SPAN_INIT("a0-"),
        SPAN_INIT("a-x"),
        SPAN_INIT("-x"),
        SPAN_INIT("0-x"),
        SPAN_INIT("b0-x"),
        SPAN_INIT("A0-x"),
        SPAN_INIT("a-1-x"),
        SPAN_INIT("a+1-x"),
        SPAN_INIT("a 1-x"),
        SPAN_INIT("a00-x"),
        SPAN_INIT("a01-x"),
        SPAN_INIT("a0x-x"),
        SPAN_INIT("a0\0-x"),
        SPAN_INIT("\0a0-x"),
        SPAN_INIT("a256-x"),
        SPAN_INIT("a4294967296-x"),
        SPAN_INIT("a99999999999999999999999999999999999-x"),
        SPAN_INIT("a\xff-x"),
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(id_shard(bad[i]), -1);
    /* nothing behind the span is looked at */
    assert_int_equal(id_shard(span_of("a0-x", 3)), -1);
    assert_int_equal(id_shard(span_of("a12-x", 2)), -1);
}

/* 10,000 ids of 20 characters: none twice, and each of the 32 characters about equally often. */
static void random_text(void **state)
{
    static char ids[10000][21];
    size_t seen[256] = {0};
    size_t letters = 0;
    (void)state;
    for (size_t i = 0; i < 10000; i++) {
        id_random(ids[i], 20);
        assert_int_equal(strlen(ids[i]), 20);
        assert_string_not_equal(ids[i], ids[i > 0 ? i - 1 : 1]);
        for (size_t k = 0; k < 20; k++)
            seen[(unsigned char)ids[i][k]]++;
    }
    for (size_t c = 0; c < 256; c++) {
        letters += seen[c] > 0;
        if (seen[c] > 0)
            assert_in_range(seen[c], 6250 - 600, 6250 + 600); /* over seven sigma */
    }
    assert_int_equal(letters, 32);
    char none[1] = {'x'};
    id_random(none, 0);
    assert_int_equal(none[0], '\0');
}

static void random_bytes(void **state)
{
    static uint8_t zero[5000];
    static uint8_t big[5000]; /* more than getrandom gives at once without interruption */
    (void)state;
    id_random_bytes(big, sizeof big);
    assert_memory_not_equal(big, zero, sizeof big);
    assert_memory_not_equal(big + 4900, zero, 100);
    id_random_bytes(big, 0);
    assert_true(id_random_u64() != id_random_u64());
}

static void make_shard_too_large(void)
{
    char id[ID_MAX];
    id_make(id, ID_SHARD_MAX + 1, 8);
}

static void make_text_too_long(void)
{
    char id[ID_MAX];
    id_make(id, 0, 33);
}

static void misuse_is_a_bug(void **state)
{
    (void)state;
    testkit_assert_bug(make_shard_too_large, "shard > ID_SHARD_MAX");
    testkit_assert_bug(make_text_too_long, "n > 32");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),   cmocka_unit_test(hostile_ids_have_no_shard), cmocka_unit_test(random_text),
        cmocka_unit_test(random_bytes), cmocka_unit_test(misuse_is_a_bug),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
