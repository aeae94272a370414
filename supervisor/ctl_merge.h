/*
 * ctl_merge: several workers' answers become one reply. Private to supervisor/.
 */
#ifndef SUPERVISOR_CTL_MERGE_H
#define SUPERVISOR_CTL_MERGE_H

#include "supervisor/ctl_ask.h"

#define CTL_MESSAGE_MAX 256

/**
 * The first answer with exit 0, its members without the braces.
 * returns 0; else -1 with *error (static) and message (CTL_MESSAGE_MAX bytes) of the best reason: a refusal, in the
 * worker's own words, before a gap before not found
 */
int ctl_merge_first(const struct ask_result *r, struct buf *out, const char **error, char *message);

/** A call-actor's own numbers, {"calls":n,"registrations":n,"outbox":n}, instead of its last heartbeat's. */
void ctl_take_numbers(struct beat *b, const char *json);

/** All texts in Prometheus form, each metric's lines together as the format wants it; own: the supervisor's. */
void ctl_merge_metrics(const struct ask_result *r, struct span own, struct buf *out);
/** Metrics text as members of one object: "name":value, the values of a name's series added up; no histograms. */
void ctl_put_sums(struct span metrics, struct buf *out);

#endif
