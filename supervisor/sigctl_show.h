/*
 * sigctl_show: replies of the control socket for people. Private to sigctl.
 */
#ifndef SUPERVISOR_SIGCTL_SHOW_H
#define SUPERVISOR_SIGCTL_SHOW_H

#include "proto/control.h"

/** A reply's line as text for a terminal: tables where the command has one, indented JSON otherwise. */
void sigctl_show(enum control_id cmd, struct span reply, struct buf *out);

/** Did it go well? error gets what to tell if not (text for a terminal). */
bool sigctl_reply_ok(struct span reply, struct buf *error);
/** Of doctor's reply: nothing but notes. */
bool sigctl_reply_sound(struct span reply);

#endif
