/*
 * caller: the calling side of chaos_load: many calls, each of a kind that says what is to become of it.
 * Layer: tests/chaos.
 *
 * A kind is a letter, the first of its Call-ID, so that who reads the broker, the ledger or a capture knows it:
 *   a  answered by the platform, the caller hangs up    h  the same with hold, back again, INFO and OPTIONS in between
 *   c  the caller changes his mind                      p  ended by the platform
 *   b  between two, the caller hangs up                 r  the same with hold, back again, INFO and OPTIONS in between
 *   e  between two, the callee hangs up                 t  moved by the platform to the callee, then the caller hangs
 * up
 *
 * A way to the service is a letter too, the last of the Call-ID's before its @:
 *   u  UDP                     t, T  TCP, a connection for all, and one for each call
 *                              s, S  the same over TLS
 * Callers over UDP and TCP can be reached at their Contact. Those over TLS cannot, as phones behind a NAT: they connect
 * again when their connection is lost, and say an UPDATE over the new one in each call that is up, so that the service
 * knows where they are (RFC 3261 §12.2.2, target refresh; RFC 3311). One that is told 481 then knows that his call has
 * been ended meanwhile.
 */
#ifndef TESTS_CHAOS_CALLER_H
#define TESTS_CHAOS_CALLER_H

#include "common/base/span.h"
#include "tests/chaos/link.h"
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define CALLER_KINDS "ahcpbret"
#define CALLER_WAYS "utTsS"

struct caller_plan {
    uint16_t port[LINK_TRANSPORTS]; /* of the service */
    unsigned long count;            /* at most so many calls */
    unsigned long hold_ms;          /* a call lasts about so long */
    unsigned long within_ms;        /* who changes his mind does so within that time */
    unsigned long seed;
    const char *mix;                      /* kinds, each as often as it stands there */
    const char *ways;                     /* ways to the service, in the same manner */
    const char *answered;                 /* number that the platform answers */
    const char *bridged[LINK_TRANSPORTS]; /* numbers that lead to the callee; NULL: none does over this */
};

/** plan: borrowed. */
void caller_begin(const struct caller_plan *plan);
/** One more call. */
void caller_dial(int64_t now_us);
/** Does what is due. */
void caller_on_time(int64_t now_us);
/** Calls that are not over. */
unsigned long caller_open_cnt(void);
unsigned long caller_begun_cnt(void);
/** After caller_print(). */
unsigned long caller_failed_cnt(void);
/** A callee is rung for this call. returns false when he was rung already under another Call-ID: one call became two */
bool caller_is_rung(unsigned long number, struct span call_id);
/** The callee of this call is to hang up now. */
bool caller_wants_bye(unsigned long number);
/** Something of this call went wrong on either side: it counts as failed. */
void caller_fail(unsigned long number, const char *what, unsigned status);
/** Calls by kind and outcome, latencies, as members of a JSON object. */
void caller_print(void);
/** A line for each call: Call-ID, kind, outcome, wall clock at which it began and ended. */
void caller_write(FILE *out);
void caller_end(void);

#endif
