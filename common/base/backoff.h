/*
 * backoff: delays that double to a cap and start again after a calm time. Layer: common/base. Pure: the caller brings
 * now.
 */
#ifndef COMMON_BASE_BACKOFF_H
#define COMMON_BASE_BACKOFF_H

#include <stdint.h>

struct backoff {
    int64_t min_ms;
    int64_t max_ms;
    int64_t calm_ms; /* this long without a failure after the delay has passed starts again at min_ms; 0: never */
    int64_t cur_ms;  /* 0: no failure yet */
    int64_t last_ms; /* when the last failure was */
};

/** The delay to wait after a failure at now_ms: min, 2 min, 4 min … max. */
int64_t backoff_fail(struct backoff *b, int64_t now_ms);
void backoff_reset(struct backoff *b);

#endif
