/*
 * clock_mark: by which clock the times in a row were written. Layer: call-actor.
 *
 * Rows have times of the wall clock, for they outlive the machine. When that clock is set, what is in memory goes along
 * (calls_follow_clock, location); a call-actor that dies before it has noticed, or before a row is written again,
 * leaves rows of the clock as it was. The mark says which one that was: when the wall clock would have been at
 * monotonic 0, and in which boot of the machine, for the monotonic clock begins anew with each.
 */
#ifndef CALL_ACTOR_CLOCK_MARK_H
#define CALL_ACTOR_CLOCK_MARK_H

#include <stdint.h>

#define CLOCK_STEP_MS 2000 /* the clock was set when it moved so far by itself; less is its own course */

/** zero_ms: the wall clock at monotonic 0. returns 0, which says nothing, where the boot cannot be told */
uint64_t clock_mark(int64_t zero_ms);
/** By how much the clock was set since `mark` was made; 0: it was not, or the machine has booted since, or no mark. */
int64_t clock_mark_moved(uint64_t mark, int64_t zero_ms);

#endif
