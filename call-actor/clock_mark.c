#include "call-actor/clock_mark.h"

#include "common/base/map.h"
#include <stdbool.h>
#include <stdio.h>

#define BOOT_ID_PATH "/proc/sys/kernel/random/boot_id"
#define ZERO_BITS 44 /* milliseconds until the year 2527; the rest tells boots apart */
#define ZERO_MASK ((UINT64_C(1) << ZERO_BITS) - 1)

/* Some bits of the boot's id, never 0; 0: it cannot be had. Read once: it cannot change under a process. */
static uint64_t boot(void)
{
    static uint64_t bits;
    static bool is_read;
    static const uint64_t any[2] = {UINT64_C(0x6120626f6f74206f), UINT64_C(0x66206d6163686965)};
    if (is_read)
        return bits;
    is_read = true;
    FILE *f = fopen(BOOT_ID_PATH, "re");
    char id[64];
    size_t n = f != NULL ? fread(id, 1, sizeof(id), f) : 0;
    if (f != NULL)
        (void)fclose(f);
    if (n > 0)
        bits = map_siphash(any, span_of(id, n)) >> ZERO_BITS | 1;
    return bits;
}

uint64_t clock_mark(int64_t zero_ms)
{
    return boot() != 0 ? boot() << ZERO_BITS | ((uint64_t)zero_ms & ZERO_MASK) : 0;
}

int64_t clock_mark_moved(uint64_t mark, int64_t zero_ms)
{
    if (mark == 0 || mark >> ZERO_BITS != boot())
        return 0;
    int64_t by_ms = zero_ms - (int64_t)(mark & ZERO_MASK);
    return by_ms > -CLOCK_STEP_MS && by_ms < CLOCK_STEP_MS ? 0 : by_ms;
}
