#include "common/base/stat.h"

#include "common/base/err.h"
#include <inttypes.h>
#include <stdio.h>

static struct stat_series *registered; /* stats of one name stand together, as the text format wants its series */

void stat_register(struct stat_series *s)
{
    struct stat_series **at = &registered;
    struct stat_series **place = NULL;
    for (; *at != NULL; at = &(*at)->next) {
        if (*at == s)
            return;
        if (strcmp((*at)->name, s->name) == 0) {
            BUG_ON((*at)->kind != s->kind);
            place = &(*at)->next;
        }
    }
    if (place == NULL)
        place = at;
    s->next = *place;
    *place = s;
}

void stat_sample(struct stat_series *s, int64_t ms)
{
    size_t i = 0;
    if (ms < 0)
        ms = 0;
    while (i < STAT_BUCKETS - 1 && ms > INT64_C(1) << i)
        i++;
    s->bucket[i]++;
    s->sum += ms;
    s->value++;
}

/* name_suffix{proc="p",labels,le="…"} value; le: NULL or the bucket's bound */
static void print_series(struct buf *out, const struct stat_series *s, const char *suffix, const char *proc,
                         const char *le, int64_t value)
{
    buf_printf(out, "%s%s{proc=\"%s\"", s->name, suffix, proc);
    if (s->labels != NULL)
        buf_printf(out, ",%s", s->labels);
    if (le != NULL)
        buf_printf(out, ",le=\"%s\"", le);
    buf_printf(out, "} %" PRId64 "\n", value);
}

static void print_histogram(struct buf *out, const struct stat_series *s, const char *proc)
{
    int64_t upto = 0; /* the format wants each bucket to count the smaller ones too */
    char le[24];
    for (size_t i = 0; i < STAT_BUCKETS - 1; i++) {
        upto += s->bucket[i];
        (void)snprintf(le, sizeof le, "%" PRId64, INT64_C(1) << i);
        print_series(out, s, "_bucket", proc, le, upto);
    }
    print_series(out, s, "_bucket", proc, "+Inf", s->value);
    print_series(out, s, "_sum", proc, NULL, s->sum);
    print_series(out, s, "_count", proc, NULL, s->value);
}

void stat_print(struct buf *out, const char *proc)
{
    static const char *const kinds[] = {"counter", "gauge", "histogram"};
    const char *last = "";
    for (const struct stat_series *s = registered; s != NULL; s = s->next) {
        if (strcmp(s->name, last) != 0) {
            buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", s->name, s->help != NULL ? s->help : "", s->name,
                       kinds[s->kind]);
            last = s->name;
        }
        if (s->kind == STAT_HISTOGRAM)
            print_histogram(out, s, proc);
        else
            print_series(out, s, "", proc, NULL, s->value);
    }
}
