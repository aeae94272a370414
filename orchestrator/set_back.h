/*
 * set_back: notices that somebody sets the wall clock back. Layer: orchestrator, pure.
 *
 * The library's own timers wait for a time of the wall clock, whatever clock they were asked by (the condition
 * variables of abseil, of which Debian 12 builds gRPC). Set back by an hour, the thread that waits for the next of them
 * waits an hour longer, and nothing wakes it: until then no deadline ends an RPC and no connection that was lost is
 * tried again. Only a new process has new timers.
 */
#ifndef ORCHESTRATOR_SET_BACK_H
#define ORCHESTRATOR_SET_BACK_H

#include "common/base/clock.h"
#include <stdbool.h>

#define SET_BACK_MS 1000 /* less is waited for */

struct set_back {
    bool known;
    int64_t zero_ms; /* the wall clock at monotonic 0, as last seen */
};

/** Looked at every now and then; a clock that is slewed falls back by less between two looks.
 * returns by how many ms it was set back since the last look; 0: by less than SET_BACK_MS, or ahead */
int64_t set_back_by(struct set_back *s, struct now now);

#endif
