#include "call-actor/failures.h"

#include "common/base/map.h"

#define MINUTE_MS 60000

void failures_init(struct failures *f, uint32_t max, const uint8_t seed[32])
{
    memset(f, 0, sizeof(*f));
    f->max = max < UINT16_MAX ? max : UINT16_MAX;
    memcpy(f->key, seed, sizeof(f->key));
}

static void turn_page(struct failures *f, struct now now)
{
    if (f->minute == now.mono_ms / MINUTE_MS)
        return;
    f->minute = now.mono_ms / MINUTE_MS;
    memset(f->count, 0, sizeof(f->count));
}

/* The user is hashed under a key made of the source, so the two do not run into one another. */
static uint16_t *slot(struct failures *f, int row, struct span source, struct span user)
{
    uint64_t key[2] = {f->key[row][0], f->key[row][1] ^ map_siphash(f->key[row], source)};
    return &f->count[row][map_siphash(key, user) % FAILURES_SLOTS];
}

static uint16_t count_of(struct failures *f, struct span source, struct span user)
{
    uint16_t least = UINT16_MAX;
    for (int row = 0; row < FAILURES_ROWS; row++) {
        uint16_t n = *slot(f, row, source, user);
        least = n < least ? n : least;
    }
    return least;
}

bool failures_is_over(struct failures *f, struct span source, struct span user, struct now now)
{
    turn_page(f, now);
    return f->max > 0 && count_of(f, source, user) >= f->max;
}

bool failures_add(struct failures *f, struct span source, struct span user, struct now now)
{
    turn_page(f, now);
    for (int row = 0; row < FAILURES_ROWS; row++) {
        uint16_t *n = slot(f, row, source, user);
        if (*n < UINT16_MAX)
            (*n)++;
    }
    return f->max > 0 && count_of(f, source, user) == f->max;
}
