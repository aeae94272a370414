#include "sip-edge/locate_bad.h"

static bool same(const struct locate_candidate *a, const struct locate_candidate *b)
{
    return a->port == b->port && a->transport == b->transport && memcmp(&a->ip, &b->ip, sizeof(a->ip)) == 0;
}

/* Its place, or b->cnt. */
static unsigned find(const struct locate_bad *b, const struct locate_candidate *who)
{
    unsigned i = 0;
    while (i < b->cnt && !same(&b->entry[i].who, who))
        i++;
    return i;
}

static void remove_at(struct locate_bad *b, unsigned i)
{
    b->entry[i] = b->entry[--b->cnt];
}

static void make_room(struct locate_bad *b, struct now now)
{
    unsigned first = 0;
    for (unsigned i = b->cnt; i-- > 0;)
        if (now.mono_ms >= b->entry[i].until_ms)
            remove_at(b, i);
    if (b->cnt < LOCATE_BAD_MAX)
        return;
    for (unsigned i = 1; i < b->cnt; i++)
        if (b->entry[i].until_ms < b->entry[first].until_ms)
            first = i;
    remove_at(b, first);
}

void locate_bad_note(struct locate_bad *b, const struct locate_candidate *who, struct now now)
{
    unsigned i = find(b, who);
    if (i == b->cnt && b->cnt == LOCATE_BAD_MAX) {
        make_room(b, now);
        i = b->cnt;
    }
    if (i == b->cnt)
        b->entry[b->cnt++].who = *who;
    b->entry[i].until_ms = now.mono_ms + LOCATE_BAD_MS;
}

void locate_bad_clear(struct locate_bad *b, const struct locate_candidate *who)
{
    unsigned i = find(b, who);
    if (i < b->cnt)
        remove_at(b, i);
}

bool locate_bad_has(const struct locate_bad *b, const struct locate_candidate *who, struct now now)
{
    unsigned i = find(b, who);
    return i < b->cnt && now.mono_ms < b->entry[i].until_ms;
}

void locate_bad_sort(const struct locate_bad *b, struct locate_candidate *c, unsigned cnt, struct now now)
{
    struct locate_candidate late[LOCATE_CANDIDATES_MAX];
    unsigned good = 0;
    unsigned bad = 0;
    for (unsigned i = 0; i < cnt; i++) {
        if (locate_bad_has(b, &c[i], now))
            late[bad++] = c[i];
        else
            c[good++] = c[i];
    }
    for (unsigned i = 0; i < bad; i++)
        c[good + i] = late[i];
}
