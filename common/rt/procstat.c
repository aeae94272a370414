#include "common/rt/procstat.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define FDS_WANTED 4096 /* descriptors below which a busy service would run out */
#define STAT_TEXT_MAX 1024
#define FIELD_UTIME 14 /* clock ticks */
#define FIELD_STIME 15
#define FIELD_START 22 /* clock ticks since the machine started */
#define FIELD_VSIZE 23 /* bytes */
#define FIELD_RSS 24   /* pages */

/* Field n of /proc/PID/stat as proc(5) counts them, from 3 on; 0 when it is not there. The name in parentheses may hold
 * anything, so fields are counted from the last ')'. */
static uint64_t field(const char *text, unsigned n)
{
    const char *at = strrchr(text, ')');
    for (unsigned i = 2; at != NULL && i < n; i++)
        at = strchr(at + 1, ' ');
    return at != NULL ? strtoull(at, NULL, 10) : 0;
}

/* When the machine started, in seconds since 1970; 0: not known. It does not change while we run. */
static uint64_t boot_s(void)
{
    static uint64_t known;
    char line[STAT_TEXT_MAX];
    FILE *f = known == 0 ? fopen("/proc/stat", "re") : NULL;
    while (f != NULL && known == 0 && fgets(line, sizeof line, f) != NULL) {
        if (strncmp(line, "btime ", 6) == 0)
            known = strtoull(line + 6, NULL, 10);
    }
    if (f != NULL)
        (void)fclose(f);
    return known;
}

static void parse(const char *text, struct procstat *out)
{
    const char *name_end = strrchr(text, ')');
    out->state = name_end != NULL && name_end[1] == ' ' ? name_end[2] : '\0';
    uint64_t ticks = field(text, FIELD_UTIME) + field(text, FIELD_STIME);
    out->cpu_ms = ticks * 1000 / (uint64_t)sysconf(_SC_CLK_TCK);
    out->vsize_bytes = field(text, FIELD_VSIZE);
    if (boot_s() != 0)
        out->start_wall_ms =
            (int64_t)(boot_s() * 1000 + field(text, FIELD_START) * 1000 / (uint64_t)sysconf(_SC_CLK_TCK));
    out->rss_kb = field(text, FIELD_RSS) * (uint64_t)sysconf(_SC_PAGESIZE) / 1024;
}

static int read_file(const char *path, struct procstat *out)
{
    char text[STAT_TEXT_MAX];
    *out = (struct procstat){.cpu_ms = 0};
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return -1;
    size_t n = fread(text, 1, sizeof text - 1, f);
    (void)fclose(f);
    text[n] = '\0';
    parse(text, out);
    return n > 0 ? 0 : -1;
}

int procstat_read(int pid, struct procstat *out)
{
    char path[32];
    *out = (struct procstat){.cpu_ms = 0};
    (void)snprintf(path, sizeof path, "/proc/%d/stat", pid);
    return pid > 0 ? read_file(path, out) : -1;
}

char procstat_held(int pid)
{
    char path[PATH_MAX];
    struct procstat st;
    char held = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *d = pid > 0 ? opendir(path) : NULL;
    for (const struct dirent *e; d != NULL && (e = readdir(d)) != NULL && held != 'D';) {
        (void)snprintf(path, sizeof path, "/proc/%d/task/%s/stat", pid, e->d_name);
        if (e->d_name[0] != '.' && read_file(path, &st) == 0 && (st.state == 'D' || st.state == 'T'))
            held = st.state;
    }
    if (d != NULL)
        (void)closedir(d);
    return held;
}

uint32_t procstat_open_fds(void)
{
    uint32_t count = 0;
    DIR *d = opendir("/proc/self/fd");
    if (d == NULL)
        return 0;
    for (const struct dirent *e; (e = readdir(d)) != NULL;)
        count += e->d_name[0] != '.';
    (void)closedir(d);
    return count - 1; /* the one that was open for looking */
}

void procstat_examine(struct findings *f)
{
    struct rlimit r;
    uint32_t open = procstat_open_fds();
    if (getrlimit(RLIMIT_NOFILE, &r) != 0)
        return;
    if (r.rlim_cur < FDS_WANTED)
        finding_add(f, FINDING_WARNING, "file_limit", "raise LimitNOFILE of the unit (or ulimit -n) to 65536",
                    "only %llu files and connections may be open", (unsigned long long)r.rlim_cur);
    if (open > r.rlim_cur / 5 * 4)
        finding_add(
            f, FINDING_ERROR, "files_open",
            "raise LimitNOFILE of the unit, or lower _CONNECTIONS_MAX; see sigctl transports for who holds them",
            "%u of %llu files and connections are open", open, (unsigned long long)r.rlim_cur);
}
