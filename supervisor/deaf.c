#include "supervisor/deaf.h"

#include <stdbool.h>

static bool is_mute(const struct deaf_word *w)
{
    return w->silent_ms >= DEAF_MS;
}

/* What the other end of the same link says; NULL: nothing. */
static const struct deaf_word *reply_to(const struct deaf_word *w, size_t cnt, const struct deaf_word *said)
{
    for (size_t i = 0; i < cnt; i++)
        if (w[i].by == said->about && w[i].about == said->by)
            return &w[i];
    return NULL;
}

/* Words of its own and about it that tell of a working link, less those that do not. */
static int standing(const struct deaf_word *w, size_t cnt, int who)
{
    int sum = 0;
    for (size_t i = 0; i < cnt; i++)
        if (w[i].by == who || w[i].about == who)
            sum += is_mute(&w[i]) ? -1 : 1;
    return sum;
}

/* Both ends of a link complain. Of equals it is the one with the lower number. */
static int worse_of(const struct deaf *d, const struct deaf_word *w, size_t cnt, const struct deaf_word *said,
                    int64_t now_ms)
{
    bool again = d->at_ms != 0 && now_ms - d->at_ms < DEAF_AGAIN_MS;
    if (again && d->blamed == said->by && d->other == said->about)
        return said->about;
    if (again && d->blamed == said->about && d->other == said->by)
        return said->by;
    int low = said->by < said->about ? said->by : said->about;
    int high = said->by + said->about - low;
    return standing(w, cnt, high) < standing(w, cnt, low) ? high : low;
}

int deaf_judge(struct deaf *d, const struct deaf_word *w, size_t cnt, int64_t now_ms)
{
    for (size_t i = 0; i < cnt; i++) {
        if (!is_mute(&w[i]))
            continue;
        const struct deaf_word *reply = reply_to(w, cnt, &w[i]);
        bool both = reply != NULL && reply->silent_ms >= DEAF_MS / 2; /* its words may be older than these */
        int who = both ? worse_of(d, w, cnt, &w[i], now_ms) : w[i].about;
        *d = (struct deaf){.blamed = who, .other = who == w[i].by ? w[i].about : w[i].by, .at_ms = now_ms};
        return who;
    }
    return DEAF_NOBODY;
}
