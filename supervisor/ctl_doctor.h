/*
 * ctl_doctor: `sigctl doctor`: what the supervisor finds by itself, and what the workers find. Private to supervisor/.
 */
#ifndef SUPERVISOR_CTL_DOCTOR_H
#define SUPERVISOR_CTL_DOCTOR_H

#include "supervisor/ctl_ask.h"

/**
 * The members of the reply: "sound", "findings" (the worst first), "looked" (names of those who answered).
 * r   the workers' answers to "doctor"
 */
void ctl_doctor_put(const struct sup *s, const struct ask_result *r, struct buf *out);

#endif
