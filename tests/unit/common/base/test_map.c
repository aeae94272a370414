#include "tests/unit/testkit.h"

#include "common/base/map.h"
#include <stdio.h>
#include <stdlib.h>

#define MANY 100000

struct item {
    struct map_node node;
    char key[32];
    bool seen;
};

static struct item *make_items(size_t count)
{
    struct item *items = calloc(count, sizeof *items);
    assert_non_null(items);
    for (size_t i = 0; i < count; i++)
        (void)snprintf(items[i].key, sizeof items[i].key, "key-%zu", i);
    return items;
}

static int put_item(struct map *m, struct item *it)
{
    return map_put(m, &it->node, span_cstr(it->key));
}

/* Figures of the SipHash paper, appendix A, and of its authors' list: key 00..0f, message 00 01 02 … */
static void siphash_is_siphash(void **state)
{
    static const uint64_t key[2] = {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)};
    char in[15];
    (void)state;
    for (size_t i = 0; i < sizeof in; i++)
        in[i] = (char)i;
    assert_true(map_siphash(key, span_of(in, 15)) == UINT64_C(0xa129ca6149be45e5));
    assert_true(map_siphash(key, span_of(in, 0)) == UINT64_C(0x726fdb47dd0e0e31));
    assert_true(map_siphash(key, span_of(in, 8)) == UINT64_C(0x93f5f5799a932462));
    assert_true(map_hash(SPAN("a")) == map_hash(SPAN("a")));
    assert_true(map_hash(SPAN("a")) != map_hash(SPAN("b")));
}

static void print_hash(void)
{
    (void)fprintf(stderr, "%llx", (unsigned long long)map_hash(SPAN("a")));
}

static void every_process_hashes_its_own_way(void **state)
{
    char one[32];
    char two[32];
    (void)state; /* runs first: the key is drawn at the first use */
    assert_int_equal(testkit_child(print_hash, one, sizeof one), 0);
    assert_int_equal(testkit_child(print_hash, two, sizeof two), 0);
    assert_string_not_equal(one, two);
}

static void put_get_del(void **state)
{
    struct map m;
    struct item *it = make_items(2);
    struct item twin = {.key = "key-0"};
    struct map_node stranger = {0};
    (void)state;
    map_init(&m);
    map_del(&m, &it[0].node);
    assert_null(map_get(&m, SPAN("key-0")));
    assert_null(map_next(&m, NULL));
    assert_int_equal(put_item(&m, &it[0]), 0);
    assert_int_equal(put_item(&m, &twin), -1);
    assert_int_equal(put_item(&m, &it[1]), 0);
    assert_int_equal(m.count, 2);
    assert_ptr_equal(MAP_ENTRY(map_get(&m, SPAN("key-0")), struct item, node), &it[0]);
    map_del(&m, &stranger);
    assert_int_equal(m.count, 2);
    map_del(&m, &it[0].node);
    assert_null(it[0].node.key.p);
    map_del(&m, &it[0].node);
    assert_int_equal(m.count, 1);
    assert_null(map_get(&m, SPAN("key-0")));
    assert_int_equal(put_item(&m, &twin), 0);
    assert_ptr_equal(map_get(&m, SPAN("key-0")), &twin.node);
    map_fini(&m);
    assert_null(map_get(&m, SPAN("key-0")));
    free(it);
}

static void keys_are_bytes(void **state)
{
    struct map m;
    struct map_node empty = {0};
    struct map_node zero = {0};
    struct map_node zeroes = {0};
    (void)state;
    map_init(&m);
    assert_int_equal(map_put(&m, &empty, (struct span){NULL, 0}), 0);
    assert_int_equal(map_put(&m, &zero, SPAN("\0")), 0);
    assert_int_equal(map_put(&m, &zeroes, SPAN("\0\0")), 0);
    assert_ptr_equal(map_get(&m, SPAN("")), &empty);
    assert_ptr_equal(map_get(&m, SPAN("\0\0")), &zeroes);
    map_fini(&m);
}

static size_t walk(const struct map *m)
{
    size_t count = 0;
    for (struct map_node *n = map_next(m, NULL); n != NULL; n = map_next(m, n)) {
        struct item *it = MAP_ENTRY(n, struct item, node);
        assert_false(it->seen);
        it->seen = true;
        count++;
    }
    return count;
}

static size_t longest_chain(const struct map *m)
{
    size_t longest = 0;
    for (size_t i = 0; i < m->nslots; i++) {
        size_t len = 0;
        for (struct map_node *n = m->slots[i]; n != NULL; n = n->next)
            len++;
        longest = len > longest ? len : longest;
    }
    return longest;
}

static void many(void **state)
{
    struct map m;
    struct item *it = make_items(MANY);
    (void)state;
    map_init(&m);
    for (size_t i = 0; i < MANY; i++)
        assert_int_equal(put_item(&m, &it[i]), 0);
    assert_int_equal(m.count, MANY);
    assert_true(m.nslots >= MANY);
    assert_true(longest_chain(&m) < 20); /* at load 1 about 9 is expected */
    assert_int_equal(walk(&m), MANY);
    for (size_t i = 0; i < MANY; i += 2)
        map_del(&m, &it[i].node);
    assert_int_equal(m.count, MANY / 2);
    for (size_t i = 0; i < MANY; i++) {
        assert_ptr_equal(map_get(&m, span_cstr(it[i].key)), i % 2 != 0 ? &it[i].node : NULL);
        it[i].seen = false;
    }
    assert_int_equal(walk(&m), MANY / 2);
    for (size_t i = 1; i < MANY; i += 2)
        map_del(&m, &it[i].node);
    assert_int_equal(m.count, 0);
    assert_null(map_next(&m, NULL));
    map_fini(&m);
    free(it);
}

static void only_the_first_slots_can_fail(void **state)
{
    struct map m;
    struct item *it = make_items(1000);
    (void)state;
    map_init(&m);
    testkit_fail_alloc(0);
    assert_int_equal(put_item(&m, &it[0]), -1);
    assert_true(testkit_alloc_failed());
    assert_int_equal(m.count, 0);
    assert_int_equal(put_item(&m, &it[0]), 0);
    for (size_t i = 1; i < 1000; i++) {
        testkit_fail_alloc(0);
        assert_int_equal(put_item(&m, &it[i]), 0);
        (void)testkit_alloc_failed();
    }
    assert_int_equal(m.nslots, 16);
    assert_int_equal(walk(&m), 1000);
    for (size_t i = 0; i < 1000; i++)
        assert_ptr_equal(map_get(&m, span_cstr(it[i].key)), &it[i].node);
    map_fini(&m);
    free(it);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_process_hashes_its_own_way),
        cmocka_unit_test(siphash_is_siphash),
        cmocka_unit_test(put_get_del),
        cmocka_unit_test(keys_are_bytes),
        cmocka_unit_test(many),
        cmocka_unit_test(only_the_first_slots_can_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
