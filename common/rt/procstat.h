/*
 * procstat: what the kernel says a process uses. Private to supervisor/.
 */
#ifndef SUPERVISOR_PROCSTAT_H
#define SUPERVISOR_PROCSTAT_H

#include <stdint.h>

struct procstat {
    uint64_t cpu_ms; /* user and system, all threads */
    uint64_t rss_kb;
};

/** returns 0, or -1 when it cannot be read (the process is gone): *out is zero then */
int procstat_read(int pid, struct procstat *out);

#endif
