#include "tests/unit/testkit.h"

#include "common/base/list.h"

struct item {
    int value;
    struct list link;
};

static void order_and_removal(void **state)
{
    struct list head;
    struct list other;
    struct item it[3] = {{.value = 0}, {.value = 1}, {.value = 2}};
    (void)state;
    list_init(&head);
    list_init(&other);
    assert_true(list_empty(&head));
    assert_null(list_first(&head));
    for (size_t i = 0; i < 3; i++) {
        list_init(&it[i].link);
        list_append(&head, &it[i].link);
    }
    assert_int_equal(LIST_ENTRY(list_first(&head), struct item, link)->value, 0);
    list_append(&head, &it[0].link); /* to the end */
    assert_int_equal(LIST_ENTRY(list_first(&head), struct item, link)->value, 1);
    list_append(&other, &it[1].link); /* leaves the first list */
    assert_int_equal(LIST_ENTRY(list_first(&head), struct item, link)->value, 2);
    list_remove(&it[2].link);
    list_remove(&it[2].link);
    list_remove(&it[0].link);
    assert_true(list_empty(&head));
    assert_ptr_equal(list_first(&other), &it[1].link);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_and_removal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
