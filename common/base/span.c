#include "common/base/span.h"

#include <stdlib.h>

/* tolower() asks the locale; protocol text is ASCII whatever the locale says. */
static unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

static bool same_letters(const char *a, const char *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (lower(a[i]) != lower(b[i]))
            return false;
    }
    return true;
}

bool span_caseeq(struct span a, struct span b)
{
    return a.len == b.len && same_letters(a.p, b.p, a.len);
}

bool span_starts(struct span s, struct span prefix)
{
    return s.len >= prefix.len && span_eq(span_of(s.p, prefix.len), prefix);
}

bool span_casestarts(struct span s, struct span prefix)
{
    return s.len >= prefix.len && same_letters(s.p, prefix.p, prefix.len);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct span span_trim(struct span s)
{
    while (s.len > 0 && is_blank(s.p[0])) {
        s.p++;
        s.len--;
    }
    while (s.len > 0 && is_blank(s.p[s.len - 1]))
        s.len--;
    return s;
}

size_t span_find(struct span s, char c)
{
    const char *at = s.len > 0 ? memchr(s.p, c, s.len) : NULL;
    return at != NULL ? (size_t)(at - s.p) : s.len;
}

size_t span_find_span(struct span s, struct span needle)
{
    if (needle.len == 0)
        return 0;
    const char *at = s.len > 0 ? memmem(s.p, s.len, needle.p, needle.len) : NULL;
    return at != NULL ? (size_t)(at - s.p) : s.len;
}

int span_cmp(struct span a, struct span b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common > 0 ? memcmp(a.p, b.p, common) : 0;
    if (order != 0)
        return order;
    return (a.len > b.len) - (a.len < b.len);
}

int span_to_u64(struct span s, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;
    if (s.len == 0)
        return -1;
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return -1;
        uint64_t digit = (uint64_t)(s.p[i] - '0');
        /* value * 10 + digit <= max, asked without the overflow */
        if (digit > max || value > (max - digit) / 10)
            return -1;
        value = value * 10 + digit;
    }
    *out = value;
    return 0;
}

int span_to_u32(struct span s, uint32_t max, uint32_t *out)
{
    uint64_t value;
    if (span_to_u64(s, max, &value) != 0)
        return -1;
    *out = (uint32_t)value;
    return 0;
}

char *span_dup(struct span s)
{
    if (s.len == SIZE_MAX)
        return NULL;
    char *z = malloc(s.len + 1);
    if (z == NULL)
        return NULL;
    if (s.len > 0)
        memcpy(z, s.p, s.len);
    z[s.len] = '\0';
    return z;
}

bool span_copy(char *dst, size_t dst_size, struct span s)
{
    if (dst_size == 0)
        return false;
    dst[0] = '\0';
    /* A NUL inside would silently shorten the C string: "alice\0.evil" must not become "alice". */
    if (s.len >= dst_size || span_find(s, '\0') < s.len)
        return false;
    if (s.len > 0)
        memcpy(dst, s.p, s.len);
    dst[s.len] = '\0';
    return true;
}

uint64_t span_hash_stable(struct span s)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < s.len; i++)
        h = (h ^ (uint8_t)s.p[i]) * UINT64_C(0x100000001b3);
    return h;
}
