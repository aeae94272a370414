/*
 * shed: how many new calls may be on their way at once. Layer: sip-edge. Pure.
 *
 * What is limited is the number of set-ups in flight: INVITEs outside a dialog that their actor has not answered with
 * anything but 100. In flight = rate times latency, so a bound on it lets through exactly what the service can finish,
 * whatever that is at the moment, and keeps the queue (and with it the latency) short. The bound adapts, as TCP's
 * window does: while it is in use and the typical set-up takes no longer than it should, it grows by an eighth;
 * when set-ups wait (or the loop is late) it shrinks by a quarter to a half; then only set-ups that began
 * afterwards tell what to do next. It never goes below SHED_FLOOR.
 *
 * "Should" is the time a set-up takes when there is no queue, plus an allowance. That time is learned while the bound
 * is not in use, or at the floor, where a long set-up is no queue of ours: a slow media service is not overload as long
 * as it does not become slower under load. Typical is the median: a queue delays every call, a slow callee only his
 * own.
 */
#ifndef SIP_EDGE_SHED_H
#define SIP_EDGE_SHED_H

#include <stdbool.h>
#include <stdint.h>

#define SHED_FLOOR 32      /* set-ups in flight that are always allowed */
#define SHED_START 1024    /* the bound at the start, and what it comes back to when it is not in use */
#define SHED_QUEUE_MS 1000 /* time a typical set-up may wait: a caller rather hears nothing for a second than 503 */
#define SHED_LAG_MS 500    /* a loop later than this has too much to do */
#define SHED_WINDOW_MS 100 /* shortest time between two decisions */
#define SHED_WINDOW_MAX_MS 1000 /* longest; then few set-ups must do */
#define SHED_SAMPLES 16         /* set-ups a short window needs */
#define SHED_SLOTS 64           /* of the histogram: quarter octaves to 65 s */

struct shed {
    int64_t limit;
    int64_t limit_max;
    int64_t in_flight;
    int64_t base_ms;    /* of a set-up without a queue; -1: not known yet */
    int64_t changed_ms; /* when the bound was last cut or raised: set-ups that began earlier prove nothing about it */
    int64_t begun_ms;
    int64_t peak; /* in flight, in this window */
    int64_t lag_ms;
    uint32_t refused;
    uint32_t cnt;
    uint32_t hist[SHED_SLOTS];
};

/** limit_max: no more set-ups in flight than this, whatever the latency; at least SHED_FLOOR is taken. */
void shed_init(struct shed *s, int64_t limit_max, int64_t now_ms);
/** May a new call begin? true: it is in flight until shed_done or shed_gone. */
bool shed_admit(struct shed *s, int64_t now_ms);
/** The actor has answered, took_ms after it was admitted. failed: it could not serve the call (5xx). */
void shed_done(struct shed *s, int64_t took_ms, bool failed, int64_t now_ms);
/** It ended without an answer. */
void shed_gone(struct shed *s);
/** The loop came to something this much later than it was due. */
void shed_lag(struct shed *s, int64_t lag_ms);

#endif
