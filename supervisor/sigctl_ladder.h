/*
 * sigctl_ladder: the messages of one call, drawn between the parties. Private to sigctl. Pure.
 */
#ifndef SUPERVISOR_SIGCTL_LADDER_H
#define SUPERVISOR_SIGCTL_LADDER_H

#include "common/base/buf.h"

/** The reply of `ladder` as text for a terminal: a column a party, an arrow a message, notes in brackets. */
void ladder_show(struct span reply, struct buf *out);

#endif
