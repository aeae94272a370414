/*
 * buf: bytes that grow up to a cap. Layer: common/base.
 *
 * Errors are sticky: the first append that does not fit (cap or memory) sets `failed`, later appends do nothing, and
 * the one check stands where the result is used. What was appended before the failure is still there.
 */
#ifndef COMMON_BASE_BUF_H
#define COMMON_BASE_BUF_H

#include "common/base/span.h"
#include <stdarg.h>

struct buf {
    char *p;
    size_t len;
    size_t cap;
    size_t max;  /* never holds more than this many bytes (one more is kept for a NUL) */
    bool failed; /* an append did not fit */
};

/** In-place; allocates nothing yet. max: byte cap. */
void buf_init(struct buf *b, size_t max);
/** Frees the bytes; the struct may be used again after buf_init. */
void buf_fini(struct buf *b);
/** As buf_init, with all of its room at once: growing never leaves a copy behind. For what buf_wipe shall end. */
void buf_init_whole(struct buf *b, size_t max);
/** As buf_fini, and nothing of a secret stays in freed memory. */
void buf_wipe(struct buf *b);
/** Empties it and clears `failed`, keeping the memory for the next use. */
void buf_reset(struct buf *b);
void buf_put(struct buf *b, const void *p, size_t n);
void buf_put_span(struct buf *b, struct span s);
void buf_puts(struct buf *b, const char *z);
void buf_putc(struct buf *b, char c);
void buf_put_u64(struct buf *b, uint64_t v);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
/** Makes room for n more bytes and returns where they go (NULL and `failed` if they do not fit); then buf_commit. */
char *buf_reserve(struct buf *b, size_t n);
void buf_commit(struct buf *b, size_t n);
/** Drops the first n bytes (n <= len) by moving the rest down. */
void buf_consume(struct buf *b, size_t n);
/** NUL after the last byte (not counted in len), for C APIs; returns p, or NULL when failed or memory is out. */
const char *buf_cstr(struct buf *b);
/** Ownership of the bytes (free()) passes to the caller; the buf is empty afterwards. NULL when empty or failed. */
char *buf_take(struct buf *b, size_t *len);

static inline struct span buf_span(const struct buf *b)
{
    return (struct span){b->p, b->len};
}

#endif
