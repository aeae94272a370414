/*
 * patience: a wait for a worker's sign of life, cut into slices. Private to supervisor/. Pure.
 *
 * Only time in which the supervisor ran itself counts: a machine that was suspended, or so loaded that we did not turn,
 * proves nothing. Nor does a worker's silence while the machine does not let it run: it wants to (state R) and got next
 * to no CPU; that is borne for PATIENCE_SPARED_MS. While any of its threads waits for a disk (D), or it is at work and
 * gets on (work_sign: a large store at the start), it is borne for PATIENCE_BUSY_MS: its successor would have to wait
 * for the same disk, and begin the same work anew.
 */
#ifndef SUPERVISOR_PATIENCE_H
#define SUPERVISOR_PATIENCE_H

#include "common/rt/procstat.h"
#include <stdbool.h>

#define PATIENCE_SLICE_MS 250
#define PATIENCE_SPARED_MS 10000
#define PATIENCE_BUSY_MS 120000

struct patience {
    int64_t left_ms;
    int64_t since_ms;   /* when the slice began */
    int64_t slice_ms;   /* its length */
    int64_t spared_ms;  /* given on top */
    int64_t sampled_ms; /* when cpu_ms was read; 0: not yet */
    uint64_t cpu_ms;
    uint32_t signs; /* ... and its signs of life */
};

/* What is known of a worker now. */
struct patience_look {
    struct procstat use; /* all zero: not known */
    char held;           /* procstat_held */
    uint32_t signs;      /* work_signs: they count only while ... */
    bool turns;          /* ... its loop does not: then it is not a long turn that keeps it from hearing us */
};

/** Begins a wait. returns the length of its first slice */
int64_t patience_begin(struct patience *p, int64_t ms, int64_t now_ms);
/**
 * A slice is over.
 * late_ms  gets by how much the slice was too long: we stood still
 * returns  the length of the next slice, or 0 when the wait is over
 */
int64_t patience_go_on(struct patience *p, const struct patience_look *look, int64_t now_ms, int64_t *late_ms);
/** The next slice may be the last: held has to be known for it. */
bool patience_ends(const struct patience *p);

#endif
