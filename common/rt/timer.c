#include "common/rt/timer.h"
#include <stdlib.h>

void timers_init(struct timers *ts)
{
    *ts = (struct timers){0};
}

void timers_fini(struct timers *ts)
{
    for (size_t i = 0; i < ts->count; i++)
        ts->heap[i]->pos = 0;
    free(ts->heap);
    *ts = (struct timers){0};
}

static void place(struct timers *ts, size_t i, struct timer *t)
{
    ts->heap[i] = t;
    t->pos = i + 1;
}

static void sift_up(struct timers *ts, size_t i, struct timer *t)
{
    while (i > 0) {
        size_t parent = (i - 1) / 2;
        if (ts->heap[parent]->at_ms <= t->at_ms)
            break;
        place(ts, i, ts->heap[parent]);
        i = parent;
    }
    place(ts, i, t);
}

static void sift_down(struct timers *ts, size_t i, struct timer *t)
{
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= ts->count)
            break;
        if (child + 1 < ts->count && ts->heap[child + 1]->at_ms < ts->heap[child]->at_ms)
            child++;
        if (ts->heap[child]->at_ms >= t->at_ms)
            break;
        place(ts, i, ts->heap[child]);
        i = child;
    }
    place(ts, i, t);
}

/* `t` belongs at or below or above slot i: find out which. */
static void settle(struct timers *ts, size_t i, struct timer *t)
{
    if (i > 0 && ts->heap[(i - 1) / 2]->at_ms > t->at_ms)
        sift_up(ts, i, t);
    else
        sift_down(ts, i, t);
}

int timer_set(struct timers *ts, struct timer *t, int64_t at_ms)
{
    t->at_ms = at_ms;
    if (t->pos != 0) {
        settle(ts, t->pos - 1, t);
        return 0;
    }
    if (ts->count == ts->cap) {
        size_t cap = ts->cap != 0 ? ts->cap * 2 : 64;
        struct timer **heap = realloc(ts->heap, cap * sizeof(struct timer *));
        if (heap == NULL)
            return -1;
        ts->heap = heap;
        ts->cap = cap;
    }
    sift_up(ts, ts->count++, t);
    return 0;
}

void timer_cancel(struct timers *ts, struct timer *t)
{
    if (t->pos == 0)
        return;
    size_t i = t->pos - 1;
    t->pos = 0;
    struct timer *last = ts->heap[--ts->count];
    if (last != t)
        settle(ts, i, last);
}

int64_t timers_next(const struct timers *ts)
{
    return ts->count > 0 ? ts->heap[0]->at_ms : INT64_MAX;
}

void timers_run(struct timers *ts, int64_t now_ms)
{
    while (ts->count > 0 && ts->heap[0]->at_ms <= now_ms) {
        struct timer *t = ts->heap[0];
        timer_cancel(ts, t);
        t->fire(t, now_ms);
    }
}
