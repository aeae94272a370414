#include "supervisor/deaf.h"

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

/* Words about a link are not of one moment: what is mute now to one end was nearly so when the other spoke. */
static bool is_bad(const struct deaf_word *w)
{
    return w->silent_ms >= DEAF_MS / 2;
}

/* Words of its own and about it that tell of a working link, less those that do not. */
static int standing(const struct deaf_word *w, size_t cnt, int who)
{
    int sum = 0;
    for (size_t i = 0; i < cnt; i++)
        if (w[i].by == who || w[i].about == who)
            sum += is_bad(&w[i]) ? -1 : 1;
    return sum;
}

/* How often others were replaced lately for its sake. */
static unsigned spared(const struct deaf *d, int who, int64_t now_ms)
{
    unsigned n = 0;
    for (unsigned i = 0; i < DEAF_VERDICTS && i < d->cnt; i++)
        n += d->list[i].both && d->list[i].other == who && now_ms - d->list[i].at_ms < DEAF_AGAIN_MS;
    return n;
}

/* Both ends of a link complain. Of equals it is the one with the lower number. */
static int worse_of(const struct deaf *d, const struct deaf_word *w, size_t cnt, const struct deaf_word *said,
                    int64_t now_ms)
{
    int low = said->by < said->about ? said->by : said->about;
    int high = said->by + said->about - low;
    unsigned for_low = spared(d, low, now_ms);
    unsigned for_high = spared(d, high, now_ms);
    if (for_low != for_high)
        return for_high > for_low ? high : low;
    return standing(w, cnt, high) < standing(w, cnt, low) ? high : low;
}

static bool is_good(const struct deaf_word *w, size_t cnt, int by, int about)
{
    for (size_t i = 0; i < cnt; i++)
        if (w[i].by == by && w[i].about == about)
            return !is_bad(&w[i]);
    return false;
}

/* The link works again: it was the right one that was replaced, and the other end is held nothing against. */
static void forget_cured(struct deaf *d, const struct deaf_word *w, size_t cnt)
{
    for (unsigned i = 0; i < DEAF_VERDICTS; i++) {
        struct deaf_verdict *v = &d->list[i];
        if (v->both && is_good(w, cnt, v->blamed, v->other) && is_good(w, cnt, v->other, v->blamed))
            v->both = false;
    }
}

int deaf_judge(struct deaf *d, const struct deaf_word *w, size_t cnt, int64_t now_ms)
{
    forget_cured(d, w, cnt);
    for (size_t i = 0; i < cnt; i++) {
        if (!is_mute(&w[i]))
            continue;
        const struct deaf_word *reply = reply_to(w, cnt, &w[i]);
        bool both = reply != NULL && is_bad(reply);
        int who = both ? worse_of(d, w, cnt, &w[i], now_ms) : w[i].about;
        int other = w[i].by + w[i].about - who;
        d->list[d->cnt++ % DEAF_VERDICTS] =
            (struct deaf_verdict){.blamed = who, .other = other, .both = both, .at_ms = now_ms};
        return who;
    }
    return DEAF_NOBODY;
}

const struct deaf_verdict *deaf_newest(const struct deaf *d)
{
    return &d->list[(d->cnt - 1) % DEAF_VERDICTS];
}
