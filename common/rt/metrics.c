#include "common/rt/metrics.h"

#include "common/base/log.h"
#include "common/base/stat.h"
#include "common/rt/procstat.h"
#include <inttypes.h>
#include <sys/resource.h>
#include <unistd.h>

static void put_head(struct buf *out, const char *name, const char *kind, const char *help)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind);
}

/* A value of the kernel's that is a whole number. */
static void put_whole(struct buf *out, const char *proc, const char *name, const char *help, uint64_t value)
{
    put_head(out, name, "gauge", help);
    buf_printf(out, "%s{proc=\"%s\"} %" PRIu64 "\n", name, proc, value);
}

/* One of milliseconds, shown in seconds. */
static void put_seconds(struct buf *out, const char *proc, const char *name, uint64_t ms)
{
    buf_printf(out, "%s{proc=\"%s\"} %" PRIu64 ".%03" PRIu64 "\n", name, proc, ms / 1000, ms % 1000);
}

static void put_process(struct buf *out, const char *proc)
{
    struct procstat use;
    struct rlimit fds = {0};
    (void)procstat_read(getpid(), &use);
    (void)getrlimit(RLIMIT_NOFILE, &fds);
    put_head(out, "process_cpu_seconds_total", "counter", "user and system time, all threads");
    put_seconds(out, proc, "process_cpu_seconds_total", use.cpu_ms);
    put_head(out, "process_start_time_seconds", "gauge", "when it was started, since 1970");
    put_seconds(out, proc, "process_start_time_seconds", (uint64_t)use.start_wall_ms);
    put_whole(out, proc, "process_resident_memory_bytes", "memory in use", use.rss_kb * 1024);
    put_whole(out, proc, "process_virtual_memory_bytes", "address space in use", use.vsize_bytes);
    put_whole(out, proc, "process_open_fds", "open descriptors", procstat_open_fds());
    put_whole(out, proc, "process_max_fds", "descriptors it may open", fds.rlim_cur);
}

void metrics_print(struct buf *out, const char *proc)
{
    stat_print(out, proc);
    put_head(out, "sip_signaling_log_lost_total", "counter", "log lines for which stderr had no room");
    buf_printf(out, "sip_signaling_log_lost_total{proc=\"%s\"} %" PRIu64 "\n", proc, log_lost());
    put_head(out, "sip_signaling_build_info", "gauge", "1; the label tells the version of this process");
    buf_printf(out, "sip_signaling_build_info{proc=\"%s\",version=\"%s\"} 1\n", proc, SIG_VERSION);
    put_process(out, proc);
}
