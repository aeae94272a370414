/*
 * floor: what the two floor programs share: arguments, clocks, the line they print. Layer: tests/bench.
 */
#ifndef TESTS_BENCH_FLOOR_H
#define TESTS_BENCH_FLOOR_H

#include <stdint.h>
#include <stdnoreturn.h>

struct floor_args {
    const char *target;  /* host:port */
    const char *pki;     /* folder of scripts/pki.sh */
    unsigned long calls; /* chains of four RPCs, or of three publishes */
    double rate;         /* chains a second; 0: as fast as it goes */
    unsigned in_flight;
};

/** Exits with 2 and the usage on anything unknown. */
void floor_args_parse(struct floor_args *a, int argc, char **argv, const char *usage);
int64_t floor_now_us(void);
/** CPU time of this process so far, user and system, all threads. */
int64_t floor_cpu_us(void);
/** One JSON line: what, operations, failed, CPU microseconds an operation, operations a second. */
void floor_report(const char *what, unsigned long ops, unsigned long failed, int64_t cpu_us, int64_t wall_us);
noreturn void floor_die(const char *why);

#endif
