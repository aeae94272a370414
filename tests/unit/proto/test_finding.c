/* Findings are entries of a JSON list, whatever stands in them, and not without end. */
#include "tests/unit/testkit.h"

#include "proto/finding.h"
#include <cjson/cJSON.h>

static cJSON *list_of(struct buf *b)
{
    struct buf all;
    buf_init(&all, 1 << 20);
    buf_printf(&all, "[%.*s]", SPAN_ARG(buf_span(b)));
    cJSON *list = cJSON_Parse(buf_cstr(&all));
    buf_fini(&all);
    return list;
}

static const char *member(const cJSON *list, int i, const char *key)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(cJSON_GetArrayItem(list, i), key));
}

static void entries_can_be_read_back(void **state)
{
    (void)state;
    struct buf b;
    struct findings f = {.out = &b};
    buf_init(&b, 1 << 20);
    finding_add(&f, FINDING_NOTE, "one", "do \"this\"", "%d of %s", 3, "a\"b\n\xff");
    finding_add(&f, FINDING_ERROR, "two", "", "x");
    cJSON *list = list_of(&b);
    assert_int_equal(cJSON_GetArraySize(list), 2);
    assert_string_equal(member(list, 0, "level"), "note");
    assert_string_equal(member(list, 0, "text"), "3 of a\"b\n\xef\xbf\xbd");
    assert_string_equal(member(list, 0, "remedy"), "do \"this\"");
    assert_string_equal(member(list, 1, "level"), "error");
    assert_string_equal(member(list, 1, "about"), "two");
    cJSON_Delete(list);
    buf_fini(&b);
}

static void there_is_a_most(void **state)
{
    (void)state;
    struct buf b;
    struct findings f = {.out = &b};
    buf_init(&b, 1 << 20);
    for (int i = 0; i < 2 * FINDINGS_MAX; i++)
        finding_add(&f, FINDING_WARNING, "many", "none", "%d", i);
    cJSON *list = list_of(&b);
    assert_int_equal(cJSON_GetArraySize(list), FINDINGS_MAX);
    cJSON_Delete(list);
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_can_be_read_back),
        cmocka_unit_test(there_is_a_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
