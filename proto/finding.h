/*
 * finding: what `sigctl doctor` tells: one thing an operator should know of, and what to do about it. Layer: proto.
 * Pure.
 *
 * Each process looks at itself and adds its findings to one list, members of JSON objects:
 * {"level":"error|warning|note","about":"ports_unanswered","text":"…","remedy":"…"}. `about` is a stable word for
 * scripts. A note is told and does not count: doctor's exit code is about the others.
 */
#ifndef PROTO_FINDING_H
#define PROTO_FINDING_H

#include "common/base/buf.h"

#define FINDINGS_MAX 64 /* of one process; more are left out */

enum finding_level {
    FINDING_NOTE = 0,    /* good to know */
    FINDING_WARNING = 1, /* will do harm, or has done some */
    FINDING_ERROR = 2,   /* does harm now */
};

struct findings {
    struct buf *out; /* the list's entries, commas between them */
    unsigned cnt;
};

/** One more. remedy: what the operator does; static text. The text: printf; what a stranger chose may stand in it. */
void finding_add(struct findings *f, enum finding_level level, const char *about, const char *remedy, const char *fmt,
                 ...) __attribute__((format(printf, 5, 6)));

#endif
