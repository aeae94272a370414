#include "proto/finding.h"

#include "proto/control.h"

#define TEXT_MAX 1024

static void put_text(struct buf *out, const char *key, struct span text)
{
    buf_printf(out, ",\"%s\":", key);
    control_put_string(out, text);
}

void finding_add(struct findings *f, enum finding_level level, const char *about, const char *remedy, const char *fmt,
                 ...)
{
    static const char *const levels[] = {"note", "warning", "error"};
    struct buf text;
    va_list ap;
    if (f->cnt == FINDINGS_MAX)
        return;
    buf_init(&text, TEXT_MAX);
    va_start(ap, fmt);
    buf_vprintf(&text, fmt, ap);
    va_end(ap);
    buf_printf(f->out, "%s{\"level\":\"%s\"", f->cnt++ > 0 ? "," : "", levels[level]);
    put_text(f->out, "about", span_cstr(about));
    put_text(f->out, "text", buf_span(&text));
    put_text(f->out, "remedy", span_cstr(remedy));
    buf_putc(f->out, '}');
    buf_fini(&text);
}
