/*
 * deaf: which worker does not do its work, told by what the ends of the plane's links hear of each other. Private to
 * supervisor/. Pure.
 *
 * Every worker asks its neighbours now and again whether somebody is there (PEER_PROBE) and reports how long each has
 * been silent. Where only one end complains, the other is deaf: it was heard to read and to answer nothing. Where both
 * do, the link's trouble may be either's: then it is the end for whose sake others have been replaced lately, in vain,
 * or else the end with fewer links that work.
 */
#ifndef SUPERVISOR_DEAF_H
#define SUPERVISOR_DEAF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DEAF_MS 2000        /* silent for so long: does not work */
#define DEAF_AGAIN_MS 15000 /* a verdict is held against the end that was spared, so long */
#define DEAF_VERDICTS 8     /* remembered */
#define DEAF_NOBODY (-1)

/* What worker `by` hears of worker `about`; numbers are the caller's, lower for whom it costs less to replace. */
struct deaf_word {
    int by;
    int about;
    uint32_t silent_ms;
};

struct deaf_verdict {
    int blamed;
    int other;     /* the end of the link that was spared */
    bool both;     /* both ends complained, so that the other may have been it */
    int64_t at_ms; /* monotonic */
};

/* All zero: no verdict yet. */
struct deaf {
    struct deaf_verdict list[DEAF_VERDICTS];
    unsigned cnt; /* ever; the newest is (cnt - 1) % DEAF_VERDICTS */
};

/** returns the worker to be replaced, or DEAF_NOBODY. A verdict is remembered. */
int deaf_judge(struct deaf *d, const struct deaf_word *w, size_t cnt, int64_t now_ms);
/** The newest verdict, after deaf_judge has named somebody. */
const struct deaf_verdict *deaf_newest(const struct deaf *d);

#endif
