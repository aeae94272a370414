/*
 * sipkit: what the grammar tests share. Every input is put against an unreadable page, so that reading one byte too
 * many ends the test.
 */
#ifndef TESTS_UNIT_SIPKIT_H
#define TESTS_UNIT_SIPKIT_H

#include "common/base/buf.h"
#include "common/sip/sip_err.h"
#include "tests/unit/testkit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define KIT_PAGES 18 /* 72 kB: a message of the largest size and then some */
#define KIT_SLOTS 4  /* inputs that may be alive at the same time */

/* A copy of the bytes that ends where readable memory ends. Valid until KIT_SLOTS further calls. */
static inline struct span kit_guard(const char *p, size_t len)
{
    static char *slots[KIT_SLOTS];
    static unsigned turn;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char **slot = &slots[turn++ % KIT_SLOTS];
    assert_true(len <= page * KIT_PAGES);
    if (*slot == NULL) {
        *slot = mmap(NULL, page * (KIT_PAGES + 1), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        assert_true(*slot != MAP_FAILED);
        assert_int_equal(mprotect(*slot + page * KIT_PAGES, page, PROT_NONE), 0);
    }
    char *at = *slot + page * KIT_PAGES - len;
    if (len > 0)
        memcpy(at, p, len);
    return span_of(at, len);
}

static inline struct span kit_z(const char *z)
{
    return kit_guard(z, strlen(z));
}

static inline struct span kit_buf(const struct buf *b)
{
    assert_false(b->failed);
    return kit_guard(b->p, b->len);
}

static inline void kit_fail(struct span got, const char *want, const char *file, int line)
{
    fprintf(stderr, "%s:%d: got \"%.*s\", want \"%s\"\n", file, line, SPAN_ARG(got), want);
    fail();
}

/* A span equals a C string. */
#define assert_span(got, want)                                                                                         \
    do {                                                                                                               \
        struct span kit_got_ = (got);                                                                                  \
        if (!span_eq(kit_got_, span_cstr(want)))                                                                       \
            kit_fail(kit_got_, (want), __FILE__, __LINE__);                                                            \
    } while (0)

/* A result equals an error (or 0), shown by name. */
#define assert_err(got, want)                                                                                          \
    do {                                                                                                               \
        int kit_err_ = (got);                                                                                          \
        if (kit_err_ != (want)) {                                                                                      \
            fprintf(stderr, "%s:%d: got %s (%d), want %s\n", __FILE__, __LINE__, sip_err_name(kit_err_), kit_err_,     \
                    sip_err_name(want));                                                                               \
            fail();                                                                                                    \
        }                                                                                                              \
    } while (0)

/* n times c. */
static inline void kit_fill(struct buf *b, char c, size_t n)
{
    while (n-- > 0)
        buf_putc(b, c);
}

#endif
