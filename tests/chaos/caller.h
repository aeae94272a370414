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
 */
#ifndef TESTS_CHAOS_CALLER_H
#define TESTS_CHAOS_CALLER_H

#include "common/base/span.h"
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define CALLER_KINDS "ahcpbret"

struct caller_plan {
    uint16_t port;           /* of the service */
    unsigned long count;     /* at most so many calls */
    unsigned long hold_ms;   /* a call lasts about so long */
    unsigned long within_ms; /* who changes his mind does so within that time */
    unsigned long seed;
    const char *mix;      /* kinds, each as often as it stands there */
    const char *answered; /* number that the platform answers */
    const char *bridged;  /* number that leads to the callee */
};

/** plan: borrowed. returns the socket */
int caller_begin(const struct caller_plan *plan);
/** One more call. */
void caller_dial(int64_t now_us);
/** Takes what has come. */
void caller_receive(int64_t now_us);
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
