#include "common/base/buf.h"

#include "common/base/err.h"
#include <stdio.h>
#include <stdlib.h>

#define BUF_FIRST_BYTES 128 /* first allocation: most headers and log-like texts fit without a second */

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){.max = max < SIZE_MAX ? max : SIZE_MAX - 1};
}

void buf_fini(struct buf *b)
{
    free(b->p);
    *b = (struct buf){.max = b->max};
}

void buf_init_whole(struct buf *b, size_t max)
{
    buf_init(b, max);
    (void)buf_reserve(b, b->max);
}

void buf_wipe(struct buf *b)
{
    if (b->p != NULL)
        explicit_bzero(b->p, b->cap);
    buf_fini(b);
}

void buf_reset(struct buf *b)
{
    b->len = 0;
    b->failed = false;
}

static size_t grown_cap(const struct buf *b, size_t need)
{
    size_t cap = b->cap > 0 ? b->cap : BUF_FIRST_BYTES;
    while (cap < need)
        cap = cap <= b->max / 2 ? cap * 2 : b->max;
    return cap < b->max ? cap : b->max;
}

/* Room for n more bytes and, beyond cap, always one for a NUL: so text of exactly max bytes is still a C string. */
static bool make_room(struct buf *b, size_t n)
{
    if (b->failed)
        return false;
    if (b->p != NULL && n <= b->cap - b->len)
        return true;
    if (n <= b->max - b->len) {
        size_t cap = grown_cap(b, b->len + n);
        char *p = realloc(b->p, cap + 1);
        if (p != NULL) {
            b->p = p;
            b->cap = cap;
            return true;
        }
    }
    b->failed = true;
    return false;
}

void buf_put(struct buf *b, const void *p, size_t n)
{
    if (n == 0 || !make_room(b, n))
        return;
    memcpy(b->p + b->len, p, n);
    b->len += n;
}

void buf_put_span(struct buf *b, struct span s)
{
    buf_put(b, s.p, s.len);
}

void buf_puts(struct buf *b, const char *z)
{
    buf_put(b, z, strlen(z));
}

void buf_putc(struct buf *b, char c)
{
    buf_put(b, &c, 1);
}

void buf_put_u64(struct buf *b, uint64_t v)
{
    char digits[20]; /* 18446744073709551615 */
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    buf_put(b, digits + at, sizeof digits - at);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(b, fmt, ap);
    va_end(ap);
}

void buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
    va_list again;
    if (!make_room(b, 0))
        return;
    va_copy(again, ap);
    size_t room = b->cap - b->len;
    int n = vsnprintf(b->p + b->len, room + 1, fmt, ap);
    if (n < 0) {
        b->failed = true;
    } else if ((size_t)n <= room) {
        b->len += (size_t)n;
    } else if (make_room(b, (size_t)n)) {
        (void)vsnprintf(b->p + b->len, (size_t)n + 1, fmt, again);
        b->len += (size_t)n;
    }
    va_end(again);
}

char *buf_reserve(struct buf *b, size_t n)
{
    return make_room(b, n) ? b->p + b->len : NULL;
}

void buf_commit(struct buf *b, size_t n)
{
    BUG_ON(n > b->cap - b->len);
    b->len += n;
}

void buf_consume(struct buf *b, size_t n)
{
    BUG_ON(n > b->len);
    if (n == 0)
        return;
    b->len -= n;
    memmove(b->p, b->p + n, b->len);
}

const char *buf_cstr(struct buf *b)
{
    if (!make_room(b, 0))
        return NULL;
    b->p[b->len] = '\0';
    return b->p;
}

char *buf_take(struct buf *b, size_t *len)
{
    char *p = NULL;
    *len = 0;
    if (b->len > 0 && !b->failed) {
        p = b->p;
        *len = b->len;
        b->p = NULL;
    }
    buf_fini(b);
    return p;
}
