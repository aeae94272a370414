/*
 * sigctl_top: two looks at the service become rates. Private to sigctl. Pure.
 */
#ifndef SUPERVISOR_SIGCTL_TOP_H
#define SUPERVISOR_SIGCTL_TOP_H

#include "common/base/buf.h"

#define TOP_CALLS "20" /* calls shown */

/* Reply lines of `top`, at two times, and of `calls`, at the second. */
struct top_look {
    struct span before;
    struct span after;
    struct span calls;
    int64_t ms; /* from before to after */
};

/**
 * json  one object: "status" (the second `top`), "rates" per second, "workers" with cpu_percent and rss_kb, "calls"
 * else  the same for a terminal
 * returns 0, or -1 when a reply is no JSON object
 */
int top_show(const struct top_look *l, bool json, struct buf *out);

#endif
