#include "common/base/utf8.h"

#define CHAR_BYTES_MAX 4

/* Bytes a character has that begins with this one; 0: none begins so. */
static size_t length_of(unsigned char lead)
{
    return lead < 0x80 ? 1 : lead < 0xc0 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf8 ? 4 : 0;
}

static bool is_character(uint32_t code, size_t len)
{
    static const uint32_t smallest[CHAR_BYTES_MAX + 1] = {0, 0, 0x80, 0x800, 0x10000};
    bool surrogate = code >= 0xd800 && code <= 0xdfff;
    return code >= smallest[len] && code <= 0x10ffff && !surrogate;
}

size_t utf8_char(struct span s, uint32_t *code)
{
    unsigned char lead = (unsigned char)s.p[0];
    size_t len = length_of(lead);
    if (len == 0 || len > s.len)
        return 0;
    uint32_t n = len == 1 ? lead : lead & (0x7fU >> len);
    for (size_t i = 1; i < len; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if ((c & 0xc0) != 0x80)
            return 0;
        n = n << 6 | (c & 0x3f);
    }
    if (!is_character(n, len))
        return 0;
    *code = n;
    return len;
}

bool utf8_is_valid(struct span s)
{
    uint32_t code;
    for (size_t len; s.len > 0; s = span_from(s, len)) {
        if ((len = utf8_char(s, &code)) == 0)
            return false;
    }
    return true;
}

void utf8_mend(char *z)
{
    uint32_t code;
    size_t n = strlen(z);
    for (size_t i = 0; i < n;) {
        size_t len = utf8_char(span_of(z + i, n - i), &code);
        if (len == 0)
            z[i] = '?';
        i += len > 0 ? len : 1;
    }
}

bool utf8_is_control(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code <= 0x9f) || (code >= 0x200e && code <= 0x200f) ||
           (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}
