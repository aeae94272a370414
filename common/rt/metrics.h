/*
 * metrics: everything one process shows in Prometheus' text form: its stats, what it is (build info) and what it uses
 * (the process_* names every exporter has). Layer: common/rt.
 */
#ifndef COMMON_RT_METRICS_H
#define COMMON_RT_METRICS_H

#include "common/base/buf.h"

/** proc: value of the label proc on every line. Reads /proc: not for every turn. */
void metrics_print(struct buf *out, const char *proc);

#endif
