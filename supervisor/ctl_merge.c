#include "supervisor/ctl_merge.h"

#include "proto/control.h"
#include <cjson/cJSON.h>
#include <stdlib.h>

#define FAMILIES_MAX 512 /* metrics of different names in one reply */

/* --- arrays --- */

/* Adds the members of one answer to the sum. */
static void add_answer(cJSON *sum, cJSON *all, cJSON *one, const char *key)
{
    cJSON *item = one->child;
    while (item != NULL) {
        cJSON *next = item->next;
        cJSON *have = cJSON_GetObjectItemCaseSensitive(sum, item->string);
        if (strcmp(item->string, key) == 0 && cJSON_IsArray(item)) {
            for (cJSON *e = cJSON_DetachItemFromArray(item, 0); e != NULL; e = cJSON_DetachItemFromArray(item, 0))
                cJSON_AddItemToArray(all, e);
        } else if (have == NULL) {
            cJSON_AddItemToObject(sum, item->string, cJSON_Duplicate(item, true));
        } else if (cJSON_IsNumber(have) && cJSON_IsNumber(item)) {
            cJSON_SetNumberValue(have, have->valuedouble + item->valuedouble);
        } else if (cJSON_IsBool(have) && cJSON_IsTrue(item)) {
            cJSON_ReplaceItemInObjectCaseSensitive(sum, item->string, cJSON_CreateTrue());
        }
        item = next;
    }
}

/* The members of an object without its braces, and without what every reply begins with. */
static void put_members(struct buf *out, cJSON *object)
{
    cJSON_DeleteItemFromObjectCaseSensitive(object, "v");
    cJSON_DeleteItemFromObjectCaseSensitive(object, "ok");
    char *text = cJSON_PrintUnformatted(object);
    struct span s = span_cstr(text);
    if (s.len > 2)
        buf_put(out, s.p + 1, s.len - 2);
    if (text == NULL)
        out->failed = true;
    free(text);
}

int ctl_merge_arrays(const struct ask_result *r, const char *key, struct buf *out)
{
    cJSON *sum = cJSON_CreateObject();
    cJSON *all = cJSON_AddArrayToObject(sum, key);
    cJSON *missing = cJSON_CreateArray();
    size_t came = 0;
    for (size_t i = 0; i < r->cnt; i++) {
        cJSON *one = r->at[i].came && r->at[i].exit == 0 ? cJSON_Parse(r->at[i].text) : NULL;
        if (one != NULL && cJSON_IsArray(cJSON_GetObjectItemCaseSensitive(one, key))) {
            came++;
            add_answer(sum, all, one, key);
        } else {
            cJSON_AddItemToArray(missing, cJSON_CreateString(r->at[i].child->name));
        }
        cJSON_Delete(one);
    }
    if (missing->child != NULL)
        cJSON_AddItemToObject(sum, "missing", missing);
    else
        cJSON_Delete(missing);
    if (came > 0)
        put_members(out, sum);
    cJSON_Delete(sum);
    return came > 0 ? 0 : -1;
}

/* --- the first that knows --- */

/* An answer's own stable word, if it is one of ours. */
static const char *word_of(const struct ask_answer *a)
{
    static const char *const words[] = {CONTROL_EREFUSED, CONTROL_EUNAVAILABLE, CONTROL_EBADREQUEST,
                                        CONTROL_EUNKNOWN, CONTROL_EBUSY,        CONTROL_ETOOLARGE};
    cJSON *one = cJSON_Parse(a->text);
    const char *said = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(one, "error"));
    const char *word = CONTROL_ENOTFOUND;
    for (size_t i = 0; said != NULL && i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(said, words[i]) == 0)
            word = words[i];
    }
    cJSON_Delete(one);
    return word;
}

static int take_first(const struct ask_answer *a, struct buf *out)
{
    cJSON *one = cJSON_Parse(a->text);
    int rc = cJSON_IsObject(one) ? 0 : -1;
    if (rc == 0)
        put_members(out, one);
    cJSON_Delete(one);
    return rc;
}

int ctl_merge_first(const struct ask_result *r, struct buf *out, const char **error, const char **message)
{
    *error = CONTROL_ENOTFOUND;
    *message = "no worker knows it";
    for (size_t i = 0; i < r->cnt; i++) {
        const struct ask_answer *a = &r->at[i];
        if (a->came && a->exit == 0 && take_first(a, out) == 0)
            return 0;
    }
    for (size_t i = 0; i < r->cnt; i++) {
        const struct ask_answer *a = &r->at[i];
        const char *word = a->came ? word_of(a) : CONTROL_EUNAVAILABLE;
        if (strcmp(word, CONTROL_ENOTFOUND) == 0)
            continue;
        *error = word;
        *message = a->came ? "the worker refused" : "a worker is down or did not answer in time";
        if (a->came)
            break;
    }
    return -1;
}

/* --- metrics --- */

struct family {
    struct span name;
    struct span head; /* its # HELP and # TYPE lines where they came first */
};

struct families {
    struct family at[FAMILIES_MAX];
    size_t cnt;
};

static struct span cut_line(struct span *rest)
{
    size_t n = span_find(*rest, '\n');
    struct span line = span_of(rest->p, n < rest->len ? n + 1 : n);
    *rest = span_from(*rest, line.len);
    return line;
}

/* The name on a "# HELP name …" or "# TYPE name …" line; empty for other lines. */
static struct span head_name(struct span line)
{
    if (!span_starts(line, SPAN("# HELP ")) && !span_starts(line, SPAN("# TYPE ")))
        return span_of(NULL, 0);
    struct span name = span_from(line, strlen("# HELP "));
    name.len = span_find(name, ' ');
    return name;
}

static void note_families(struct families *f, struct span text)
{
    while (text.len > 0) {
        struct span line = cut_line(&text);
        struct span name = head_name(line);
        size_t i = 0;
        while (name.p != NULL && i < f->cnt && !span_eq(f->at[i].name, name))
            i++;
        if (name.p == NULL || i == FAMILIES_MAX)
            continue;
        if (i == f->cnt)
            f->at[f->cnt++] = (struct family){.name = name, .head = line};
        else if (f->at[i].head.p + f->at[i].head.len == line.p)
            f->at[i].head.len += line.len; /* TYPE follows HELP */
    }
}

/* The series of one family in one text: the lines after its head up to the next head. */
static void put_series(struct buf *out, struct span name, struct span text)
{
    bool mine = false;
    while (text.len > 0) {
        struct span line = cut_line(&text);
        struct span head = head_name(line);
        if (head.p != NULL)
            mine = span_eq(head, name);
        else if (mine)
            buf_put_span(out, line);
    }
}

void ctl_merge_metrics(const struct ask_result *r, struct span own, struct buf *out)
{
    struct families *f = calloc(1, sizeof *f);
    if (f == NULL) {
        out->failed = true;
        return;
    }
    note_families(f, own);
    for (size_t i = 0; i < r->cnt; i++)
        note_families(f, span_cstr(r->at[i].text));
    for (size_t k = 0; k < f->cnt; k++) {
        buf_put_span(out, f->at[k].head);
        put_series(out, f->at[k].name, own);
        for (size_t i = 0; i < r->cnt; i++)
            put_series(out, f->at[k].name, span_cstr(r->at[i].text));
    }
    free(f);
}
