#include "tests/platform/ledger.h"

#include "common/base/clock.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define GATHER_BYTES 32768
#define OUT_BYTES_MAX (4u << 20) /* what a stalled disk may make us keep; more is dropped */

int ledger_open(struct ledger *l, const char *path)
{
    buf_init(&l->out, OUT_BYTES_MAX);
    l->fd = -1;
    if (path != NULL)
        l->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    return path != NULL && l->fd < 0 ? -1 : 0;
}

void ledger_close(struct ledger *l)
{
    ledger_flush(l);
    if (l->fd >= 0)
        (void)close(l->fd);
    buf_fini(&l->out);
}

bool ledger_on(const struct ledger *l)
{
    return l->fd >= 0;
}

static void put_string(struct buf *b, struct span s)
{
    buf_putc(b, '"');
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c < 0x20 || c >= 0x7f)
            buf_printf(b, "\\u%04x", c);
        else if (c == '"' || c == '\\')
            buf_printf(b, "\\%c", c);
        else
            buf_putc(b, (char)c);
    }
    buf_putc(b, '"');
}

void ledger_begin(struct ledger *l, const char *event)
{
    buf_puts(&l->out, "{\"t_ms\":");
    buf_put_u64(&l->out, (uint64_t)clock_wall_ms());
    ledger_str(l, "event", span_cstr(event));
}

void ledger_num(struct ledger *l, const char *name, int64_t value)
{
    buf_printf(&l->out, ",\"%s\":%lld", name, (long long)value);
}

void ledger_str(struct ledger *l, const char *name, struct span value)
{
    buf_putc(&l->out, ',');
    put_string(&l->out, span_cstr(name));
    buf_putc(&l->out, ':');
    put_string(&l->out, value);
}

void ledger_bool(struct ledger *l, const char *name, bool value)
{
    buf_printf(&l->out, ",\"%s\":%s", name, value ? "true" : "false");
}

void ledger_end(struct ledger *l)
{
    buf_puts(&l->out, "}\n");
    if (l->out.len >= GATHER_BYTES)
        ledger_flush(l);
}

void ledger_flush(struct ledger *l)
{
    int fd = l->fd >= 0 ? l->fd : STDOUT_FILENO;
    while (l->out.len > 0) {
        ssize_t n = write(fd, l->out.p, l->out.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        buf_consume(&l->out, (size_t)n);
    }
    buf_reset(&l->out);
}
