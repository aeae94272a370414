/*
 * ports: which RTP port is free, in use or in quarantine. Layer: tests/platform. Pure: the caller brings now.
 *
 * Even ports only, first in first out, like media-service. A port that comes back rests for the quarantine time, and
 * all that have rested are swept back at the same interval; so a port returns after one to two quarantine times.
 */
#ifndef TESTS_PLATFORM_PORTS_H
#define TESTS_PLATFORM_PORTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ports_ring { /* of port indexes; a port is in at most one ring, so `total` slots always suffice */
    uint16_t *idx;
    size_t head;
    size_t count;
};

struct ports {
    uint16_t first; /* port of index 0 */
    size_t total;
    struct ports_ring free;
    struct ports_ring resting;
    int64_t *since_ms; /* per index: when its quarantine began */
    int64_t quarantine_ms;
    int64_t next_sweep_ms;
};

/** min and max: inclusive range, rounded inwards to even ports. Returns 0, or -1 (no even port in it, or no memory). */
int ports_init(struct ports *p, uint16_t min, uint16_t max, int64_t quarantine_ms, int64_t now_ms);
void ports_fini(struct ports *p);
/** Brings rested ports back when a sweep is due. */
void ports_sweep(struct ports *p, int64_t now_ms);
/** The port that has been free longest, or 0 when there is none. The caller now has it. */
uint16_t ports_take(struct ports *p);
/** A port that was taken goes to quarantine. */
void ports_rest(struct ports *p, uint16_t port, int64_t now_ms);
/** Index of a port, or -1 when it is odd or out of range. */
int ports_index(const struct ports *p, uint32_t port);

#endif
