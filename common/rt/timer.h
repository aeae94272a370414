/*
 * timer: one-shot timers on a binary heap, embedded in their owners. Layer: common/rt. Pure: the caller brings now.
 * Setting, moving and cancelling cost O(log n), no allocation per timer. loop.h drives one heap.
 */
#ifndef COMMON_RT_TIMER_H
#define COMMON_RT_TIMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct timer;
typedef void timer_fn(struct timer *t, int64_t now_ms);

struct timer {
    int64_t at_ms;  /* monotonic */
    size_t pos;     /* 1 + place in the heap; 0: not set */
    timer_fn *fire; /* runs once; the timer is already unset and may be set again */
    void *owner;
};

struct timers {
    struct timer **heap;
    size_t count;
    size_t cap;
};

void timers_init(struct timers *ts);
void timers_fini(struct timers *ts);
static inline void timer_init(struct timer *t, timer_fn *fire, void *owner)
{
    *t = (struct timer){.fire = fire, .owner = owner};
}
/** Set or move. returns 0, or -1 when memory for the heap is out (the timer stays unset). */
int timer_set(struct timers *ts, struct timer *t, int64_t at_ms);
/** Harmless when it is not set. */
void timer_cancel(struct timers *ts, struct timer *t);
static inline bool timer_is_set(const struct timer *t)
{
    return t->pos != 0;
}
/** When the next one is due, or INT64_MAX. */
int64_t timers_next(const struct timers *ts);
/** Fires all that are due at now_ms, earliest first. A timer set while firing for now or earlier fires in this run too.
 */
void timers_run(struct timers *ts, int64_t now_ms);

#endif
