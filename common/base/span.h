/*
 * span: a piece of somebody else's bytes (pointer and length, never NUL-terminated).
 * Layer: common/base. A span owns nothing; it lives exactly as long as what it points into.
 */
#ifndef COMMON_BASE_SPAN_H
#define COMMON_BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
    const char *p;
    size_t len;
};

/* A literal as a span: SPAN("INVITE"). Also usable in static initialisers. */
#define SPAN(lit) ((struct span){(lit), sizeof(lit) - 1})
#define SPAN_INIT(lit)                                                                                                 \
    {                                                                                                                  \
        (lit), sizeof(lit) - 1                                                                                         \
    }
/* For printf: printf("%.*s", SPAN_ARG(s)). */
#define SPAN_ARG(s) (int)(s).len, ((s).p != NULL ? (s).p : "")

static inline struct span span_of(const char *p, size_t len)
{
    return (struct span){p, len};
}

/* The bytes of a C string; NULL gives the empty span. */
static inline struct span span_cstr(const char *z)
{
    return z != NULL ? (struct span){z, strlen(z)} : (struct span){NULL, 0};
}

static inline bool span_eq(struct span a, struct span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

/* The bytes from offset `from` on; empty when `from` is past the end. */
static inline struct span span_from(struct span s, size_t from)
{
    return from >= s.len ? (struct span){NULL, 0} : (struct span){s.p + from, s.len - from};
}

/** ASCII-only, locale-free comparison without regard to case. */
bool span_caseeq(struct span a, struct span b);
/** True when `s` begins with `prefix` (exact, or without regard to case). */
bool span_starts(struct span s, struct span prefix);
bool span_casestarts(struct span s, struct span prefix);
/** Without leading and trailing SP, HTAB, CR and LF. */
struct span span_trim(struct span s);
/** Index of the first `c`, or s.len. */
size_t span_find(struct span s, char c);
/** Index of the first occurrence of `needle`, or s.len. */
size_t span_find_span(struct span s, struct span needle);
/** Three-way bytewise comparison, for sorting. */
int span_cmp(struct span a, struct span b);

/**
 * Decimal digits only, nothing else, no sign, value at most `max`.
 * returns 0 and writes *out, or -1 (empty, other characters, too large)
 */
int span_to_u64(struct span s, uint64_t max, uint64_t *out);
/** FNV-1a: the same in every process and version, unlike map_hash, and nothing an enemy could not foresee. */
uint64_t span_hash_stable(struct span s);
int span_to_u32(struct span s, uint32_t max, uint32_t *out);

/** A NUL-terminated copy from malloc (owned by the caller), or NULL when memory is out. NULs inside are kept. */
char *span_dup(struct span s);
/** Copy into a fixed array as a C string; returns false (and writes "") when it does not fit or has a NUL inside. */
bool span_copy(char *dst, size_t dst_size, struct span s);

#endif
