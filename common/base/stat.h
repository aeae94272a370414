/*
 * stat: counters, gauges and latency histograms with fixed names. Layer: common/base.
 * One loop thread writes; nothing is allocated per sample. Names follow Prometheus: sip_signaling_<what>_<unit>_total.
 */
#ifndef COMMON_BASE_STAT_H
#define COMMON_BASE_STAT_H

#include "common/base/buf.h"

enum stat_kind {
    STAT_COUNTER = 0,
    STAT_GAUGE = 1,
    STAT_HISTOGRAM = 2, /* milliseconds, powers of two from 1 to 65536 */
};

#define STAT_BUCKETS 18
#define STAT_LABELLED_MAX 256 /* series made by stat_labelled in one process */
#define STAT_LABELS_SIZE 128  /* their labels, NUL included */
#define STAT_KEYS_MAX 3       /* labels of a family */

/* Not "struct stat": that name is sys/stat.h's. */
struct stat_series {
    const char *name;   /* "sip_signaling_invites_total" */
    const char *labels; /* "method=\"INVITE\"" or NULL */
    const char *help;
    enum stat_kind kind;
    int64_t value; /* counter and gauge; histogram: count */
    int64_t sum;
    int64_t bucket[STAT_BUCKETS];
    struct stat_series *next; /* set by stat_register */
};

/** Adds a static stat to this process's list; one that is there stays as it is. */
void stat_register(struct stat_series *s);
static inline void stat_inc(struct stat_series *s)
{
    s->value++;
}
static inline void stat_add(struct stat_series *s, int64_t n)
{
    s->value += n;
}
static inline void stat_set(struct stat_series *s, int64_t v)
{
    s->value = v;
}
/** One histogram sample in milliseconds. */
void stat_sample(struct stat_series *s, int64_t ms);
/* One name whose series are told apart by a few labels with values from a small vocabulary. */
struct stat_family {
    const char *name;
    const char *help;
    enum stat_kind kind;
    const char *key[STAT_KEYS_MAX]; /* but for the first they may be NULL */
};

/**
 * The series with these label values, made (zero) and registered at its first use. Static for the process's life.
 * f       static
 * second  NULL when the family has one key
 * returns never NULL: past STAT_LABELLED_MAX, or with labels that do not fit, one that is shown nowhere
 */
struct stat_series *stat_labelled(const struct stat_family *f, const char *first, const char *second);
/** The same with a value for each key of the family. */
struct stat_series *stat_labelled_by(const struct stat_family *f, const char *const values[STAT_KEYS_MAX]);
/** Sets every series of the family to 0: gauges that are counted anew. */
void stat_labelled_zero(const struct stat_family *f);

/** Prometheus text of all registered stats, with label proc="..." added to each. */
void stat_print(struct buf *out, const char *proc);

#endif
