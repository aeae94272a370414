/*
 * sigctl_upgrade: how an upgrade goes, from one reply to the next. Private to sigctl. Pure.
 */
#ifndef SUPERVISOR_SIGCTL_UPGRADE_H
#define SUPERVISOR_SIGCTL_UPGRADE_H

#include "common/base/buf.h"

#define UPGRADE_PARTS_MAX 64
#define UPGRADE_WORD_SIZE 16

enum upgrade_end { UPGRADE_GOES_ON = 0, UPGRADE_WENT_WELL = 1, UPGRADE_WENT_WRONG = 2 };

/* What has been told. Begins all zero. */
struct upgrade_told {
    char part[UPGRADE_PARTS_MAX][UPGRADE_WORD_SIZE];
};

/** A line for each worker that has gone on since the last reply, and at the end what came of it all. */
enum upgrade_end upgrade_show(struct span reply, struct upgrade_told *told, struct buf *out);

#endif
