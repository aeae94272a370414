#include "supervisor/procstat.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define STAT_TEXT_MAX 1024

/* /proc/PID/stat: the name in parentheses may hold anything, so fields are counted from the last ')'. */
static int parse(const char *text, struct procstat *out)
{
    unsigned long user;
    unsigned long system;
    long pages;
    const char *rest = strrchr(text, ')');
    /* 3: state … 14, 15: utime, stime … 24: rss */
    if (rest == NULL ||
        sscanf(rest + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %*d %*d %*d %*d %*d %*d %*u %*u %ld",
               &user, &system, &pages) != 3)
        return -1;
    out->cpu_ms = (user + system) * 1000 / (unsigned long)sysconf(_SC_CLK_TCK);
    out->rss_kb = pages > 0 ? (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE) / 1024 : 0;
    return 0;
}

int procstat_read(int pid, struct procstat *out)
{
    char path[32];
    char text[STAT_TEXT_MAX];
    *out = (struct procstat){.cpu_ms = 0};
    (void)snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *f = pid > 0 ? fopen(path, "re") : NULL;
    if (f == NULL)
        return -1;
    size_t n = fread(text, 1, sizeof text - 1, f);
    (void)fclose(f);
    text[n] = '\0';
    return parse(text, out);
}
