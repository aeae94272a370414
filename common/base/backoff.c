#include "common/base/backoff.h"

#include <stdbool.h>

static int64_t doubled(const struct backoff *b)
{
    return b->cur_ms <= b->max_ms / 2 ? b->cur_ms * 2 : b->max_ms;
}

int64_t backoff_fail(struct backoff *b, int64_t now_ms)
{
    /* The wait itself is no calm: a delay longer than calm_ms would otherwise reset the next one. */
    bool calm = b->calm_ms > 0 && now_ms - b->last_ms - b->cur_ms >= b->calm_ms;
    b->cur_ms = b->cur_ms == 0 || calm ? b->min_ms : doubled(b);
    b->last_ms = now_ms;
    return b->cur_ms;
}

void backoff_reset(struct backoff *b)
{
    b->cur_ms = 0;
    b->last_ms = 0;
}
