/*
 * sip_scan: fast search for control characters, eight bytes at a time. Layer: common/sip, private to it.
 */
#ifndef COMMON_SIP_SIP_SCAN_H
#define COMMON_SIP_SIP_SCAN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define SIP_SCAN_EACH(byte) (0x0101010101010101u * (uint64_t)(byte))

static inline int sip_scan_is_ctl(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7f;
}

/* Index of the first byte below 0x20 or equal to 0x7f, or n. */
static inline size_t sip_scan_ctl(const char *p, size_t n)
{
    size_t i = 0;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    for (; i + 8 <= n; i += 8) {
        uint64_t x;
        memcpy(&x, p + i, sizeof x);
        /* The high bit of a byte is set where the byte is small (or, after xor, zero). A borrow can only raise false
         * marks above a true one, and the lowest mark is the one taken. */
        uint64_t del = x ^ SIP_SCAN_EACH(0x7f);
        uint64_t hit = ((x - SIP_SCAN_EACH(0x20)) & ~x) | ((del - SIP_SCAN_EACH(0x01)) & ~del);
        hit &= SIP_SCAN_EACH(0x80);
        if (hit != 0)
            return i + (size_t)__builtin_ctzll(hit) / 8;
    }
#endif
    while (i < n && !sip_scan_is_ctl(p[i]))
        i++;
    return i;
}

#endif
