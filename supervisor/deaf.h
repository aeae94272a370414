/*
 * deaf: which worker does not do its work, told by what the ends of the plane's links hear of each other. Private to
 * supervisor/. Pure.
 *
 * Every worker asks its neighbours now and again whether somebody is there (PEER_PROBE) and reports how long each has
 * been silent. Where only one end complains, the other is deaf: it was heard to read and to answer nothing. Where both
 * do, the link's trouble may be either's: then it is the end with fewer links that work, and should the same link be
 * mute again soon after that end was replaced, it is the other end.
 */
#ifndef SUPERVISOR_DEAF_H
#define SUPERVISOR_DEAF_H

#include <stddef.h>
#include <stdint.h>

#define DEAF_MS 2000        /* silent for so long: does not work */
#define DEAF_AGAIN_MS 15000 /* a link that is mute again so soon was the other end's fault */
#define DEAF_NOBODY (-1)

/* What worker `by` hears of worker `about`; numbers are the caller's, lower for whom it costs less to replace. */
struct deaf_word {
    int by;
    int about;
    uint32_t silent_ms;
};

/* The last verdict; all zero: none yet. */
struct deaf {
    int blamed;
    int other;
    int64_t at_ms; /* monotonic; 0: none yet */
};

/** returns the worker to be replaced, or DEAF_NOBODY. A verdict is remembered. */
int deaf_judge(struct deaf *d, const struct deaf_word *w, size_t cnt, int64_t now_ms);

#endif
