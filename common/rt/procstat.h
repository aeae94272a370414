/*
 * procstat: what the kernel says a process uses. Layer: common/rt.
 */
#ifndef COMMON_RT_PROCSTAT_H
#define COMMON_RT_PROCSTAT_H

#include "proto/finding.h"
#include <stdint.h>

struct procstat {
    char
        state; /* of its main thread: 'R' runs or would, 'S' sleeps, 'D' waits for a disk, 'T' stopped … 0: not known */
    uint64_t cpu_ms; /* user and system, all threads */
    uint64_t rss_kb;
    uint64_t vsize_bytes;
    int64_t start_wall_ms; /* when it was started; 0: not known */
};

/** returns 0, or -1 when it cannot be read (the process is gone): *out is zero then */
int procstat_read(int pid, struct procstat *out);
/** What keeps a process from going on, in any of its threads: 'D' it waits for a disk, 'T' it is stopped, or 0. */
char procstat_held(int pid);
/** Open descriptors of this process, or 0 when they cannot be counted. */
uint32_t procstat_open_fds(void);
/** This process's descriptors and their limit, where they are not as they should be. */
void procstat_examine(struct findings *f);

#endif
