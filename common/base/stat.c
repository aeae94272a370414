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

/* --- series made as they are needed --- */

static struct labelled {
    struct stat_series series;
    const struct stat_family *family;
    char labels[STAT_LABELS_SIZE];
} labelled[STAT_LABELLED_MAX];
static size_t labelled_cnt;

/* key="value", with what the format wants escaped */
static void put_label(struct buf *out, const char *key, const char *value)
{
    buf_printf(out, "%s%s=\"", out->len > 0 ? "," : "", key);
    for (; *value != '\0'; value++) {
        if (*value == '\n')
            buf_puts(out, "\\n");
        else
            buf_printf(out, "%s%c", *value == '"' || *value == '\\' ? "\\" : "", *value);
    }
    buf_putc(out, '"');
}

static struct labelled *find_labelled(const struct stat_family *f, const char *labels)
{
    size_t i = 0;
    while (i < labelled_cnt && (labelled[i].family != f || strcmp(labelled[i].labels, labels) != 0))
        i++;
    if (i == STAT_LABELLED_MAX)
        return NULL;
    struct labelled *l = &labelled[i];
    if (i < labelled_cnt)
        return l;
    labelled_cnt++;
    l->family = f;
    (void)snprintf(l->labels, sizeof l->labels, "%s", labels);
    l->series = (struct stat_series){.name = f->name, .help = f->help, .kind = f->kind, .labels = l->labels};
    stat_register(&l->series);
    return l;
}

struct stat_series *stat_labelled_by(const struct stat_family *f, const char *const values[STAT_KEYS_MAX])
{
    static struct stat_series nowhere;
    struct buf text;
    buf_init(&text, STAT_LABELS_SIZE - 1);
    for (size_t i = 0; i < STAT_KEYS_MAX && values[i] != NULL; i++)
        put_label(&text, f->key[i], values[i]);
    const char *labels = buf_cstr(&text);
    struct labelled *l = labels != NULL ? find_labelled(f, labels) : NULL;
    buf_fini(&text);
    return l != NULL ? &l->series : &nowhere;
}

struct stat_series *stat_labelled(const struct stat_family *f, const char *first, const char *second)
{
    return stat_labelled_by(f, (const char *const[STAT_KEYS_MAX]){first, second});
}

void stat_labelled_zero(const struct stat_family *f)
{
    for (size_t i = 0; i < labelled_cnt; i++) {
        if (labelled[i].family == f)
            labelled[i].series.value = 0;
    }
}

/* --- samples and text --- */

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
