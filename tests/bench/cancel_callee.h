/*
 * cancel_callee: who cancel_load's callers call: rings, answers after an evenly drawn time, takes a CANCEL and a BYE at
 * any moment. Layer: tests/bench.
 */
#ifndef TESTS_BENCH_CANCEL_CALLEE_H
#define TESTS_BENCH_CANCEL_CALLEE_H

#include "common/base/span.h"
#include <stdbool.h>
#include <stdint.h>

/* Opens its socket on `own`, for requests of the service on `port`; of `count` calls each is answered within within_us
 * of its INVITE. returns the socket */
int callee_begin(uint16_t port, uint16_t own, unsigned long count, int64_t within_us, uint64_t seed);
/** Takes what has come, and says what is due. */
void callee_run(int64_t now_us);
/** Each call that was answered has had its ACK and its BYE, each other one its CANCEL. */
bool callee_is_settled(void);
/** Writes what it counted as one JSON object. */
void callee_print(void);
void callee_end(void);

#endif
