#include "common/base/log.h"

#include "common/base/clock.h"
#include "common/base/utf8.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOG_PROC_MAX 64
#define LOG_LINE_MAX PIPE_BUF /* a pipe takes this much in one piece: lines of several processes never mix */
#define LOG_TAIL_MAX 16       /* what ends a line: ,"cut":true}\n */

#define LOG_PIPE_BYTES (1 << 20) /* what a reader may be behind */

enum log_way {
    LOG_BY_WRITE = 0, /* a file, or a pipe of which our end does not block */
    LOG_BY_SEND = 1,  /* a socket */
    LOG_BY_POLL = 2,  /* a terminal, or a pipe whose end blocks: asked first, which is no promise (log.h) */
};

static struct {
    char proc[LOG_PROC_MAX];
    bool json;
    enum log_level level;
    enum log_way way;
} conf = {.proc = "-", .level = LOG_INFO};

static atomic_uint_fast64_t errors;
static atomic_uint_fast64_t lost;
static atomic_uint_fast64_t lost_untold;

static const char *const level_names[] = {"error", "warn", "info", "debug"};

/* The end of a pipe is shared with whoever started us, and must not cease to block for him: so we open one of our own,
 * which our workers inherit. */
static enum log_way own_end_of_pipe(void)
{
    int flags = fcntl(STDERR_FILENO, F_GETFL);
    if (flags >= 0 && (flags & O_NONBLOCK) != 0)
        return LOG_BY_WRITE;
    int fd = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return LOG_BY_POLL;
    (void)fcntl(fd, F_SETPIPE_SZ, LOG_PIPE_BYTES); /* as large as the system allows */
    (void)dup2(fd, STDERR_FILENO);
    (void)close(fd);
    return LOG_BY_WRITE;
}

static enum log_way find_way(void)
{
    struct stat st;
    if (fstat(STDERR_FILENO, &st) != 0)
        return LOG_BY_WRITE;
    return S_ISFIFO(st.st_mode)   ? own_end_of_pipe()
           : S_ISSOCK(st.st_mode) ? LOG_BY_SEND
           : S_ISCHR(st.st_mode)  ? LOG_BY_POLL
                                  : LOG_BY_WRITE;
}

void log_init(const char *proc, bool json, enum log_level level)
{
    conf.way = find_way();
    (void)snprintf(conf.proc, sizeof conf.proc, "%s", proc);
    conf.json = json;
    conf.level = level;
}

void log_set_level(enum log_level level)
{
    conf.level = level;
}

enum log_level log_get_level(void)
{
    return conf.level;
}

int log_level_parse(struct span s)
{
    for (int i = LOG_ERROR; i <= LOG_DEBUG; i++) {
        if (span_eq(s, span_cstr(level_names[i])))
            return i;
    }
    return -1;
}

const char *log_level_name(enum log_level level)
{
    return level_names[level];
}

uint64_t log_errors(void)
{
    return atomic_load_explicit(&errors, memory_order_relaxed);
}

uint64_t log_lost(void)
{
    return atomic_load_explicit(&lost, memory_order_relaxed);
}

bool log_gate_pass(struct log_gate *g, unsigned per_s, int64_t mono_ms, uint32_t *held)
{
    *held = 0;
    if (mono_ms - g->since_ms >= 1000 || g->since_ms == 0) {
        *held = g->held;
        *g = (struct log_gate){.since_ms = mono_ms};
    }
    if (g->said < per_s) {
        g->said++;
        return true;
    }
    g->held++;
    return false;
}

/* --- one line: fixed room, nothing allocated --- */

struct line {
    char p[LOG_LINE_MAX];
    size_t len;
    size_t end; /* how far p may be filled now */
    bool full;  /* something did not fit */
};

static void put(struct line *l, const char *p, size_t n)
{
    if (l->full || n > l->end - l->len) {
        l->full = true;
        return;
    }
    memcpy(l->p + l->len, p, n);
    l->len += n;
}

static void put_text(struct line *l, const char *z)
{
    put(l, z, strlen(z));
}

static void put_escaped_char(struct line *l, struct span s, size_t len, uint32_t code)
{
    char out[8];
    if (len == 0 && conf.json)
        (void)snprintf(out, sizeof out, "\\ufffd");
    else if (len == 0)
        (void)snprintf(out, sizeof out, "\\x%02x", (unsigned char)s.p[0]);
    else if (utf8_is_control(code))
        (void)snprintf(out, sizeof out, "\\u%04x", code & 0xffff);
    else
        (void)snprintf(out, sizeof out, "\\%c", s.p[0]);
    put_text(l, out);
}

/* s cut to LOG_VALUE_MAX bytes without splitting a character. */
static struct span cut_value(struct span s)
{
    if (s.len <= LOG_VALUE_MAX)
        return s;
    size_t len = LOG_VALUE_MAX;
    while (len > LOG_VALUE_MAX - 3 && ((unsigned char)s.p[len] & 0xc0) == 0x80)
        len--;
    return span_of(s.p, len);
}

static void put_escaped(struct line *l, struct span value)
{
    struct span s = cut_value(value);
    bool cut = s.len < value.len;
    while (s.len > 0) {
        uint32_t code = 0;
        size_t len = utf8_char(s, &code);
        if (len == 0 || utf8_is_control(code) || code == '"' || code == '\\')
            put_escaped_char(l, s, len, code);
        else
            put(l, s.p, len);
        s = span_from(s, len > 0 ? len : 1);
    }
    if (cut)
        put_text(l, "…");
}

static void put_quoted(struct line *l, struct span s)
{
    put_text(l, "\"");
    put_escaped(l, s);
    put_text(l, "\"");
}

static bool needs_quotes(struct span s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] <= ' ' || s.p[i] == '"' || s.p[i] == '=' || s.p[i] == '\\')
            return true; /* char is signed: bytes above 0x7f too */
    }
    return s.len == 0;
}

/* "key":value or key=value; a field that does not fit whole is left out, so the line stays well-formed. */
static void put_field(struct line *l, const struct log_field *f)
{
    size_t before = l->len;
    char num[24];
    put_text(l, conf.json ? ",\"" : " ");
    put_text(l, f->key);
    put_text(l, conf.json ? "\":" : "=");
    if (f->is_num) {
        (void)snprintf(num, sizeof num, "%lld", (long long)f->num);
        put_text(l, num);
    } else if (conf.json || needs_quotes(f->str)) {
        put_quoted(l, f->str);
    } else {
        put_escaped(l, f->str);
    }
    if (l->full)
        l->len = before;
}

static void put_head(struct line *l, enum log_level level, const char *event)
{
    char ts[CLOCK_RFC3339_SIZE];
    clock_rfc3339(clock_wall_ms(), ts);
    if (!conf.json) {
        put_text(l, ts);
        put_text(l, " ");
        put_escaped(l, span_cstr(conf.proc));
        put_text(l, " ");
        put_text(l, level_names[level]);
        put_text(l, level == LOG_WARN || level == LOG_INFO ? "  " : " ");
        put_escaped(l, span_cstr(event));
        return;
    }
    put_text(l, "{\"timestamp\":\"");
    put_text(l, ts);
    put_text(l, "\",\"level\":\"");
    put_text(l, level_names[level]);
    put_text(l, "\",\"service\":\"" LOG_SERVICE "\",\"process\":");
    put_quoted(l, span_cstr(conf.proc));
    put_text(l, ",\"message\":");
    put_quoted(l, span_cstr(event));
}

/* Waits for nobody, but see log.h. false: whoever reads is behind, and the line is lost */
static bool hand_over(const struct line *l)
{
    struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (conf.way == LOG_BY_POLL && poll(&p, 1, 0) == 0)
        return false;
    ssize_t done;
    do {
        done = conf.way == LOG_BY_SEND ? send(STDERR_FILENO, l->p, l->len, MSG_DONTWAIT | MSG_NOSIGNAL)
                                       : write(STDERR_FILENO, l->p, l->len);
    } while (done < 0 && errno == EINTR);
    return done >= 0 || errno != EAGAIN;
}

static bool write_line(enum log_level level, const char *event, const struct log_field *fields)
{
    struct line l;
    if (level == LOG_ERROR)
        atomic_fetch_add_explicit(&errors, 1, memory_order_relaxed);
    l.len = 0;
    l.end = sizeof l.p - LOG_TAIL_MAX;
    l.full = false;
    put_head(&l, level, event);
    for (const struct log_field *f = fields; f->key != NULL && !l.full; f++)
        put_field(&l, f);
    bool cut = l.full;
    l.full = false;
    l.end = sizeof l.p;
    if (cut)
        put_text(&l, conf.json ? ",\"cut\":true" : " cut=true");
    put_text(&l, conf.json ? "}\n" : "\n");
    return hand_over(&l);
}

static void tell_lost(void)
{
    uint64_t n = atomic_exchange_explicit(&lost_untold, 0, memory_order_relaxed);
    const struct log_field fields[] = {log_n("count", (int64_t)n), {.key = NULL}};
    if (n > 0 && !write_line(LOG_WARN, "log lines were lost: whoever reads them was behind", fields))
        atomic_fetch_add_explicit(&lost_untold, n, memory_order_relaxed);
}

void log_write(enum log_level level, const char *event, const struct log_field *fields)
{
    int saved = errno;
    if (!write_line(level, event, fields)) {
        atomic_fetch_add_explicit(&lost, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&lost_untold, 1, memory_order_relaxed);
    } else if (atomic_load_explicit(&lost_untold, memory_order_relaxed) > 0) {
        tell_lost();
    }
    errno = saved;
}

void log_line(enum log_level level, const char *fmt, ...)
{
    static const struct log_field none = {.key = NULL};
    char text[LOG_VALUE_MAX + 2]; /* one more than is shown, so that the cut is seen and marked */
    if (level > conf.level)
        return;
    int saved = errno;
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    log_write(level, text, &none);
    errno = saved;
}
