#include "supervisor/procstat.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STAT_TEXT_MAX 1024
#define FIELD_UTIME 14 /* clock ticks */
#define FIELD_STIME 15
#define FIELD_RSS 24 /* pages */

/* Field n of /proc/PID/stat as proc(5) counts them, from 3 on; 0 when it is not there. The name in parentheses may hold
 * anything, so fields are counted from the last ')'. */
static uint64_t field(const char *text, unsigned n)
{
    const char *at = strrchr(text, ')');
    for (unsigned i = 2; at != NULL && i < n; i++)
        at = strchr(at + 1, ' ');
    return at != NULL ? strtoull(at, NULL, 10) : 0;
}

static void parse(const char *text, struct procstat *out)
{
    uint64_t ticks = field(text, FIELD_UTIME) + field(text, FIELD_STIME);
    out->cpu_ms = ticks * 1000 / (uint64_t)sysconf(_SC_CLK_TCK);
    out->rss_kb = field(text, FIELD_RSS) * (uint64_t)sysconf(_SC_PAGESIZE) / 1024;
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
    parse(text, out);
    return n > 0 ? 0 : -1;
}
