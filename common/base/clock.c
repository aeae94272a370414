#include "common/base/clock.h"

#include <time.h>

#define WALL_MS_MAX INT64_C(253402300799999) /* the last millisecond of the year 9999 */

#define PAIR_US 2000 /* apart, at most, for the two clocks to be of one moment */
#define PAIR_TRIES 16

static int64_t read_us(clockid_t id)
{
    struct timespec ts;
    (void)clock_gettime(id, &ts); /* cannot fail for these two clocks */
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t clock_mono_us(void)
{
    return read_us(CLOCK_MONOTONIC);
}

int64_t clock_mono_ms(void)
{
    return clock_mono_us() / 1000;
}

int64_t clock_wall_ms(void)
{
    return read_us(CLOCK_REALTIME) / 1000;
}

struct now clock_now(void)
{
    int64_t wall_ms = 0;
    int64_t before_us = 0;
    for (int i = 0; i < PAIR_TRIES; i++) {
        before_us = clock_mono_us();
        wall_ms = clock_wall_ms();
        if (clock_mono_us() - before_us <= PAIR_US)
            break;
    }
    return (struct now){.mono_ms = before_us / 1000, .wall_ms = wall_ms};
}

static char *put_digits(char *out, int value, int width, char after)
{
    for (int i = width - 1; i >= 0; i--) {
        out[i] = (char)('0' + value % 10);
        value /= 10;
    }
    out[width] = after;
    return out + width + 1;
}

char *clock_rfc3339(int64_t wall_ms, char *out)
{
    struct tm tm = {0};
    wall_ms = wall_ms < 0 ? 0 : wall_ms > WALL_MS_MAX ? WALL_MS_MAX : wall_ms;
    time_t sec = (time_t)(wall_ms / 1000);
    (void)gmtime_r(&sec, &tm);
    char *at = put_digits(out, tm.tm_year + 1900, 4, '-');
    at = put_digits(at, tm.tm_mon + 1, 2, '-');
    at = put_digits(at, tm.tm_mday, 2, 'T');
    at = put_digits(at, tm.tm_hour, 2, ':');
    at = put_digits(at, tm.tm_min, 2, ':');
    at = put_digits(at, tm.tm_sec, 2, '.');
    at = put_digits(at, (int)(wall_ms % 1000), 3, 'Z');
    *at = '\0';
    return out;
}
