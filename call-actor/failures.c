#include "call-actor/failures.h"

#include "common/base/map.h"

#define MINUTE_MS 60000
#define REGISTERED_MARK (UINT64_C(1) << 32) /* above an origin */

void failures_init(struct failures *f, uint32_t max, const uint8_t seed[16])
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

/* The user is hashed under a key made of the origin, so the two do not run into one another. One hash gives the slots
 * of all rows, 16 bits each. */
static uint16_t find(struct failures *f, const struct failures_of *of, uint16_t *slot[FAILURES_ROWS])
{
    uint64_t key[2] = {f->key[0], f->key[1] ^ (of->registered ? of->origin | REGISTERED_MARK : of->origin)};
    uint64_t hash = map_siphash(key, of->user);
    uint16_t least = UINT16_MAX;
    for (int row = 0; row < FAILURES_ROWS; row++, hash >>= 16) {
        slot[row] = &f->count[row][hash % FAILURES_SLOTS];
        least = *slot[row] < least ? *slot[row] : least;
    }
    return least;
}

bool failures_is_over(struct failures *f, const struct failures_of *of, struct now now)
{
    uint16_t *slot[FAILURES_ROWS];
    turn_page(f, now);
    return f->max > 0 && find(f, of, slot) >= f->max;
}

/* Only the counters that say the least rise: the others count somebody else's already. */
bool failures_add(struct failures *f, const struct failures_of *of, struct now now)
{
    uint16_t *slot[FAILURES_ROWS];
    turn_page(f, now);
    uint16_t least = find(f, of, slot);
    if (least == UINT16_MAX)
        return false;
    for (int row = 0; row < FAILURES_ROWS; row++) {
        if (*slot[row] == least)
            (*slot[row])++;
    }
    return f->max > 0 && least + 1u == f->max;
}
