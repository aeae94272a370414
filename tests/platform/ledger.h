/*
 * ledger: what happened, one JSON object a line, for tests to add up. Layer: tests/platform.
 *
 * Lines are written when enough have gathered, on every tick, and at the end: a test reads them after a moment, or
 * after SIGUSR1. Without a file events are dropped and only status lines go to stdout.
 */
#ifndef TESTS_PLATFORM_LEDGER_H
#define TESTS_PLATFORM_LEDGER_H

#include "common/base/buf.h"

struct ledger {
    int fd; /* -1: no file */
    struct buf out;
};

/** path NULL: none. Appends to an existing file. Returns 0, or -1 with errno. */
int ledger_open(struct ledger *l, const char *path);
void ledger_close(struct ledger *l);
/** Whether events are kept at all. */
bool ledger_on(const struct ledger *l);
/** One line: begin, any fields, end. The time is added. */
void ledger_begin(struct ledger *l, const char *event);
void ledger_num(struct ledger *l, const char *name, int64_t value);
/** Bytes beyond ASCII are shown as \u00XX, so that a line is JSON whatever a client sent. */
void ledger_str(struct ledger *l, const char *name, struct span value);
void ledger_bool(struct ledger *l, const char *name, bool value);
void ledger_end(struct ledger *l);
/** Writes out what has gathered; without a file to stdout. */
void ledger_flush(struct ledger *l);

#endif
