#include "tests/bench/floor.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

void floor_args_parse(struct floor_args *a, int argc, char **argv, const char *usage)
{
    static const struct option options[] = {
        {"target", required_argument, NULL, 't'},    {"pki", required_argument, NULL, 'p'},
        {"calls", required_argument, NULL, 'n'},     {"rate", required_argument, NULL, 'r'},
        {"in-flight", required_argument, NULL, 'f'}, {0},
    };
    *a = (struct floor_args){.calls = 2000, .in_flight = 50};
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (c) {
        case 't':
            a->target = optarg;
            break;
        case 'p':
            a->pki = optarg;
            break;
        case 'n':
            a->calls = strtoul(optarg, NULL, 10);
            break;
        case 'r':
            a->rate = strtod(optarg, NULL);
            break;
        case 'f':
            a->in_flight = (unsigned)strtoul(optarg, NULL, 10);
            break;
        default:
            (void)fputs(usage, stderr);
            exit(2);
        }
    }
    if (a->calls == 0 || a->in_flight == 0)
        floor_die("--calls and --in-flight are at least 1");
}

int64_t floor_now_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t floor_cpu_us(void)
{
    struct rusage u;
    (void)getrusage(RUSAGE_SELF, &u);
    return (int64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 + u.ru_utime.tv_usec + u.ru_stime.tv_usec;
}

void floor_report(const char *what, unsigned long ops, unsigned long failed, int64_t cpu_us, int64_t wall_us)
{
    printf("{\"what\":\"%s\",\"operations\":%lu,\"failed\":%lu,\"cpu_us_each\":%.2f,\"per_second\":%.0f}\n", what, ops,
           failed, (double)cpu_us / (double)ops, (double)ops * 1e6 / (double)wall_us);
}

void floor_die(const char *why)
{
    (void)fprintf(stderr, "floor: %s\n", why);
    exit(1);
}
