/*
 * txn_sim: a transaction machine in virtual time. A small owner performs the effects on paper, and each case compares
 * the whole schedule with the RFC's. T1 is 500 ms, so the numbers are those of RFC 3261 table 4.
 */
#ifndef TESTS_UNIT_SIP_EDGE_TXN_SIM_H
#define TESTS_UNIT_SIP_EDGE_TXN_SIM_H

#include "sip-edge/txn.h"

/** A new transaction at 0 ms, nothing noted. */
void sim_start(enum txn_kind kind, bool reliable);
/** Something happens to it now. */
void sim_happens(enum txn_what what, uint16_t status);
/** Lets timers fire, in order, until `until_ms`; then it is that time. */
void sim_run_until(int64_t until_ms);
/** What was done so far: "0:request 500:request 700:tell". */
void sim_expect(const char *log);
void sim_expect_state(uint8_t state);
const struct txn_times *sim_times(void);

#endif
