#include "supervisor/ctl_merge.h"

#include "proto/control.h"
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define FAMILIES_MAX 512 /* metrics of different names in one reply */

/* --- the first that knows --- */

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

/* An answer's own stable word, if it is one of ours, and what it says for people. */
static const char *word_of(const struct ask_answer *a, char *message)
{
    static const char *const words[] = {CONTROL_EREFUSED, CONTROL_EUNAVAILABLE, CONTROL_EBADREQUEST,
                                        CONTROL_EUNKNOWN, CONTROL_EBUSY,        CONTROL_ETOOLARGE};
    cJSON *one = cJSON_Parse(a->text);
    const char *said = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(one, "error"));
    const char *detail = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(one, "detail"));
    const char *word = CONTROL_ENOTFOUND;
    for (size_t i = 0; said != NULL && i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(said, words[i]) == 0)
            word = words[i];
    }
    (void)snprintf(message, CTL_MESSAGE_MAX, "%s", detail != NULL ? detail : "the worker refused");
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

int ctl_merge_first(const struct ask_result *r, struct buf *out, const char **error, char *message)
{
    for (size_t i = 0; i < r->cnt; i++) {
        const struct ask_answer *a = &r->at[i];
        if (a->came && a->exit == 0 && take_first(a, out) == 0)
            return 0;
    }
    *error = CONTROL_ENOTFOUND;
    (void)snprintf(message, CTL_MESSAGE_MAX, "%s", "no worker knows it");
    for (size_t i = 0; i < r->cnt; i++) {
        char said[CTL_MESSAGE_MAX] = "a worker is down or did not answer in time";
        const struct ask_answer *a = &r->at[i];
        const char *word = a->came ? word_of(a, said) : CONTROL_EUNAVAILABLE;
        bool unknown = strcmp(word, CONTROL_ENOTFOUND) == 0;
        if (unknown && strcmp(*error, CONTROL_ENOTFOUND) != 0)
            continue;
        *error = word;
        (void)snprintf(message, CTL_MESSAGE_MAX, "%s", said);
        if (a->came && !unknown)
            break;
    }
    return -1;
}

/* --- numbers --- */

static void take_number(const cJSON *o, const char *key, uint64_t *out)
{
    const cJSON *n = cJSON_GetObjectItemCaseSensitive(o, key);
    if (cJSON_IsNumber(n) && n->valuedouble >= 0 && n->valuedouble < (double)(UINT64_C(1) << 53))
        *out = (uint64_t)n->valuedouble;
}

void ctl_take_numbers(struct beat *b, const char *json)
{
    cJSON *o = cJSON_Parse(json);
    take_number(o, "calls", &b->calls);
    take_number(o, "registrations", &b->registrations);
    take_number(o, "outbox", &b->outbox);
    cJSON_Delete(o);
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

/* --- sums --- */

/* name{labels} value: cut apart. false: no sample of a counter or gauge. */
static bool read_sample(struct span line, struct span *name, int64_t *value)
{
    size_t brace = span_find(line, '{');
    size_t end = span_find(line, ' ');
    *name = span_of(line.p, brace < end ? brace : end);
    while (end < line.len && span_find(span_from(line, end + 1), ' ') < line.len - end - 1) /* blanks in labels */
        end += 1 + span_find(span_from(line, end + 1), ' ');
    char digits[32];
    struct span number = span_trim(span_from(line, end));
    if (line.len == 0 || line.p[0] == '#' || !span_copy(digits, sizeof digits, number))
        return false;
    *value = strtoll(digits, NULL, 10);
    return true;
}

static bool is_histogram(struct span name)
{
    static const char *const tails[] = {"_bucket", "_sum", "_count"};
    for (size_t i = 0; i < sizeof tails / sizeof tails[0]; i++) {
        size_t n = strlen(tails[i]);
        if (name.len > n && span_eq(span_from(name, name.len - n), span_cstr(tails[i])))
            return true;
    }
    return false;
}

static void put_sum(struct buf *out, struct span name, int64_t sum, bool first)
{
    if (name.len > 0 && !is_histogram(name))
        buf_printf(out, "%s\"%.*s\":%" PRId64, first ? "" : ",", SPAN_ARG(name), sum);
}

/* A metric's lines stand together. */
void ctl_put_sums(struct span metrics, struct buf *out)
{
    struct span name = span_of(NULL, 0);
    int64_t sum = 0;
    size_t before = out->len;
    while (metrics.len > 0) {
        struct span line = cut_line(&metrics);
        struct span of;
        int64_t value;
        if (!read_sample(span_trim(line), &of, &value))
            continue;
        if (!span_eq(of, name)) {
            put_sum(out, name, sum, out->len == before);
            name = of;
            sum = 0;
        }
        sum += value;
    }
    put_sum(out, name, sum, out->len == before);
}
