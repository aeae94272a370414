/*
 * clock: the two times. Layer: common/base.
 * Monotonic for every timer and duration (a stepped wall clock moves no timer); wall only to be shown and published.
 */
#ifndef COMMON_BASE_CLOCK_H
#define COMMON_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

struct now {
    int64_t mono_ms; /* CLOCK_MONOTONIC: counts on across processes of one boot, not across a reboot */
    int64_t wall_ms; /* milliseconds since 1970-01-01 UTC */
};

int64_t clock_mono_ms(void);
int64_t clock_mono_us(void);
int64_t clock_wall_ms(void);
/** Both of one moment: who is held up between reading the one and the other reads them again. What they differ by tells
 * whether the wall clock was set. */
struct now clock_now(void);

#define CLOCK_RFC3339_SIZE 32
/** "2026-01-02T03:04:05.678Z" into out (at least CLOCK_RFC3339_SIZE bytes); returns out. */
char *clock_rfc3339(int64_t wall_ms, char *out);

#endif
