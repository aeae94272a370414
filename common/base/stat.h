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
/** Prometheus text of all registered stats, with label proc="..." added to each. */
void stat_print(struct buf *out, const char *proc);

#endif
