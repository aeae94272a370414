/* Text inside JSON, and on a terminal. By itself: who writes JSON need not know the commands. */
#include "common/base/utf8.h"
#include "proto/control.h"

void control_put_string(struct buf *out, struct span s)
{
    buf_putc(out, '"');
    while (s.len > 0) {
        uint32_t code = 0;
        size_t len = utf8_char(s, &code);
        if (len == 0)
            buf_puts(out, "\\ufffd");
        else if (code < 0x20 || code == 0x7f)
            buf_printf(out, "\\u%04x", code);
        else if (code == '"' || code == '\\')
            buf_printf(out, "\\%c", (char)code);
        else
            buf_put(out, s.p, len);
        s = span_from(s, len > 0 ? len : 1);
    }
    buf_putc(out, '"');
}

void control_put_printable(struct buf *out, struct span s)
{
    while (s.len > 0) {
        uint32_t code = 0;
        size_t len = utf8_char(s, &code);
        size_t used = len > 0 ? len : 1;
        if (len > 0 && (code == '\n' || !utf8_is_control(code))) {
            buf_put(out, s.p, len);
        } else {
            for (size_t i = 0; i < used; i++)
                buf_printf(out, "\\x%02x", (unsigned char)s.p[i]);
        }
        s = span_from(s, used);
    }
}
