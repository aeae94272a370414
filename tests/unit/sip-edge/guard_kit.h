/*
 * guard_kit: what the guard's tests have in common. 198.51.100.0/24 is trusted, all others are strangers.
 */
#ifndef TESTS_UNIT_SIP_EDGE_GUARD_KIT_H
#define TESTS_UNIT_SIP_EDGE_GUARD_KIT_H

#include "tests/unit/sip-edge/server_kit.h"

#define RATE 20
#define TRUSTED "198.51.100.7"
#define SCAN(method) HEAD(method, "z9hG4bKs", "", "1 " method) "User-Agent: friendly-scanner\n" END

/** One actor, ready, and limits on (cmocka's setup; kit_teardown ends it). */
int guard_begin(void **state);
/** A request with a branch of its own, so that it is no repeat. */
void guard_rx_new(const char *ip, const char *method, const char *to_tag);
/** The same, after everything was forgotten. The status it is answered with last, or 0. */
unsigned guard_answered(const char *ip, const char *method, const char *to_tag);
/** Start line and Retry-After of what was sent last. */
const char *guard_last_line(void);
unsigned guard_retry_after(void);
bool guard_is_blocked(const char *ip);
/** A call of a stranger: rung by us, answered by him. */
void guard_our_call_to(const char *ip);

#endif
