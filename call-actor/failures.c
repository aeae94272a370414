#include "call-actor/failures.h"

#include "common/base/map.h"
#include <arpa/inet.h>

#define MINUTE_MS 60000
#define NETWORK_BYTES 8 /* /64 */

void failures_init(struct failures *f, uint32_t max, const uint8_t seed[32])
{
    memset(f, 0, sizeof(*f));
    f->max = max < UINT16_MAX ? max : UINT16_MAX;
    memcpy(f->key, seed, sizeof(f->key));
}

static void turn_page(struct failures *f, struct now now)
{
    if (f->minute == now.mono_ms / MINUTE_MS)
        return;
    f->minute = now.mono_ms / MINUTE_MS;
    memset(f->count, 0, sizeof(f->count));
}

/* Whoever has one address of an IPv6 network has 2^64 of them: all are one source, as at the edge. */
static struct span network_of(struct span source, struct in6_addr *ip)
{
    char text[INET6_ADDRSTRLEN];
    bool ip6 = span_copy(text, sizeof(text), source) && inet_pton(AF_INET6, text, ip) == 1 && !IN6_IS_ADDR_V4MAPPED(ip);
    return ip6 ? span_of((const char *)ip->s6_addr, NETWORK_BYTES) : source;
}

/* The user is hashed under a key made of the source, so the two do not run into one another. */
static uint16_t *slot(struct failures *f, int row, struct span source, struct span user)
{
    struct in6_addr ip;
    uint64_t key[2] = {f->key[row][0], f->key[row][1] ^ map_siphash(f->key[row], network_of(source, &ip))};
    return &f->count[row][map_siphash(key, user) % FAILURES_SLOTS];
}

static uint16_t count_of(struct failures *f, struct span source, struct span user)
{
    uint16_t least = UINT16_MAX;
    for (int row = 0; row < FAILURES_ROWS; row++) {
        uint16_t n = *slot(f, row, source, user);
        least = n < least ? n : least;
    }
    return least;
}

bool failures_is_over(struct failures *f, struct span source, struct span user, struct now now)
{
    turn_page(f, now);
    return f->max > 0 && count_of(f, source, user) >= f->max;
}

bool failures_add(struct failures *f, struct span source, struct span user, struct now now)
{
    turn_page(f, now);
    for (int row = 0; row < FAILURES_ROWS; row++) {
        uint16_t *n = slot(f, row, source, user);
        if (*n < UINT16_MAX)
            (*n)++;
    }
    return f->max > 0 && count_of(f, source, user) == f->max;
}
