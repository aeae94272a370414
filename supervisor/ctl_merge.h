/*
 * ctl_merge: several workers' answers become one reply. Private to supervisor/.
 */
#ifndef SUPERVISOR_CTL_MERGE_H
#define SUPERVISOR_CTL_MERGE_H

#include "supervisor/ctl_ask.h"

/**
 * All shards' arrays in one: "calls":[…], further numbers added up, further truths or-ed, and "missing":[names] for
 * workers that did not answer.
 * returns 0, or -1 when nobody answered
 */
int ctl_merge_arrays(const struct ask_result *r, const char *key, struct buf *out);

/**
 * The first answer with exit 0, its members without the braces.
 * returns 0; else -1 with *error (static) and *message (static) of the best reason: a refusal before a gap before
 * not found
 */
int ctl_merge_first(const struct ask_result *r, struct buf *out, const char **error, const char **message);

/** All texts in Prometheus form, each metric's lines together as the format wants it; own: the supervisor's. */
void ctl_merge_metrics(const struct ask_result *r, struct span own, struct buf *out);

#endif
