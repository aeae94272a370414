/*
 * clock_shim: a wall clock that a test can set, for LD_PRELOAD. Whoever loads it reads the machine's CLOCK_REALTIME
 * plus as many milliseconds as the 8 bytes of the file beside this library say (its name and ".ms"). The monotonic
 * clock is left alone, as it is when an operator or NTP sets the time.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SHOWN __attribute__((visibility("default")))

static const volatile int64_t none;
static const volatile int64_t *offset_ms = &none;

__attribute__((constructor)) static void open_offset(void)
{
    Dl_info me;
    char path[512];
    if (dladdr((const void *)&offset_ms, &me) == 0)
        return;
    (void)snprintf(path, sizeof(path), "%s.ms", me.dli_fname);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    void *p = fd >= 0 ? mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;
    if (p != MAP_FAILED)
        offset_ms = p;
    if (fd >= 0)
        (void)close(fd);
}

static void add(struct timespec *t)
{
    int64_t ns = (int64_t)t->tv_nsec + *offset_ms % 1000 * 1000000;
    t->tv_sec += *offset_ms / 1000 + ns / 1000000000 - (ns < 0);
    t->tv_nsec = ns % 1000000000 + (ns < 0 ? 1000000000 : 0);
}

SHOWN int clock_gettime(clockid_t id, struct timespec *t)
{
    int r = (int)syscall(SYS_clock_gettime, id, t);
    if (r == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
        add(t);
    return r;
}

SHOWN int gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
    struct timespec t;
    (void)zone;
    (void)clock_gettime(CLOCK_REALTIME, &t);
    *tv = (struct timeval){.tv_sec = t.tv_sec, .tv_usec = t.tv_nsec / 1000};
    return 0;
}

SHOWN time_t time(time_t *out)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_REALTIME, &t);
    if (out != NULL)
        *out = t.tv_sec;
    return t.tv_sec;
}
