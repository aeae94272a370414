/*
 * callee: the called side of chaos_load: rings, answers after a random moment, takes what comes in a call, and hangs up
 * when its caller's kind says so. Layer: tests/chaos.
 */
#ifndef TESTS_CHAOS_CALLEE_H
#define TESTS_CHAOS_CALLEE_H

#include "tests/chaos/link.h"
#include <stdbool.h>
#include <stdint.h>

/** service, own: ports by transport, 0: not over that; ring_ms: it answers within that time. */
void callee_begin(const uint16_t service[LINK_TRANSPORTS], const uint16_t own[LINK_TRANSPORTS], unsigned long ring_ms);
/** Does what is due. */
void callee_on_time(int64_t now_us);
/** No call rings, waits for its ACK or its BYE. */
bool callee_is_settled(void);
/** The run ends: a call whose callee still rings, or waits for its ACK or BYE, has failed. */
void callee_give_up(void);
/** What it counted, as members of a JSON object. */
void callee_print(void);
void callee_end(void);

#endif
