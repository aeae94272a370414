#include "common/rt/killpoint.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* The linker's names for the first place of this program and for the end of the last. */
extern const struct killpoint __start_killpoints[], __stop_killpoints[];

static struct killpoint_order *orders; /* NULL: nobody gives any */

static uint64_t wall_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void rest(uint32_t ms)
{
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        ;
}

static void carry_out(struct killpoint_order *o, uint32_t how)
{
    __atomic_store_n(&o->at_wall_ms, wall_ms(), __ATOMIC_SEQ_CST);
    __atomic_add_fetch(&o->done, 1, __ATOMIC_SEQ_CST);
    if (how == KILLPOINT_SLOW) {
        rest(o->ms);
        return;
    }
    if (how == KILLPOINT_DIE)
        (void)kill(getpid(), SIGKILL);
    for (;;)
        (void)pause(); /* its loop turns no more; signals are served */
}

static bool is_for(const struct killpoint_order *o, const struct killpoint *p)
{
    return strncmp(o->point, p->name, sizeof(o->point)) == 0 &&
           strncmp(o->proc, program_invocation_short_name, sizeof(o->proc)) == 0;
}

void killpoint_pass(const struct killpoint *p)
{
    for (size_t i = 0; orders != NULL && i < KILLPOINT_ORDERS_MAX; i++) {
        struct killpoint_order *o = &orders[i];
        uint32_t how = __atomic_load_n(&o->how, __ATOMIC_SEQ_CST);
        if (how == KILLPOINT_OFF || !is_for(o, p))
            continue;
        uint32_t passed = __atomic_add_fetch(&o->passed, 1, __ATOMIC_SEQ_CST);
        if (passed >= o->nth && passed - o->nth < o->times)
            carry_out(o, how);
    }
}

static struct killpoint_order *map_orders(const char *path)
{
    size_t size = KILLPOINT_ORDERS_MAX * sizeof(struct killpoint_order);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    void *p = fd >= 0 ? mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
    if (p == MAP_FAILED)
        (void)fprintf(stderr, "KILL_POINTS=%s: %s\n", path, strerror(errno));
    if (fd >= 0)
        (void)close(fd);
    return p != MAP_FAILED ? p : NULL;
}

/* Before main, so that no program needs a line for it. */
__attribute__((constructor)) static void begin(int argc, char **argv)
{
    const char *path = getenv("KILL_POINTS");
    if (argc == 2 && strcmp(argv[1], "--kill-points") == 0) {
        for (const struct killpoint *p = __start_killpoints; p < __stop_killpoints; p++)
            (void)puts(p->name);
        exit(EXIT_SUCCESS);
    }
    if (path != NULL)
        orders = map_orders(path);
}
