#include "common/base/id.h"

#include "common/base/err.h"
#include "common/base/map.h"
#include <errno.h>
#include <stdio.h>
#include <sys/random.h>

#define POOL_BYTES 256 /* getrandom never returns less than asked up to this size, and is not interrupted */

/* 32 characters, so that 5 random bits pick one evenly; without l, o, 0 and 1, which people misread. */
static const char alphabet[] = "abcdefghijkmnpqrstuvwxyz23456789";

static uint8_t random_byte(void)
{
    static uint8_t pool[POOL_BYTES];
    static size_t left;
    if (left == 0) {
        id_random_bytes(pool, sizeof pool);
        left = sizeof pool;
    }
    uint8_t byte = pool[--left];
    pool[left] = 0; /* a core file must not tell which ids are still in use */
    return byte;
}

void id_random(char *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = alphabet[random_byte() & 31];
    out[n] = '\0';
}

void id_make(char *out, unsigned shard, size_t n)
{
    BUG_ON(shard > ID_SHARD_MAX || n == 0 || n > 32);
    char digits[4];
    size_t count = 0;
    do {
        digits[count++] = (char)('0' + shard % 10);
        shard /= 10;
    } while (shard > 0);
    *out++ = 'a';
    while (count > 0)
        *out++ = digits[--count];
    *out++ = '-';
    id_random(out, n);
}

void id_uuid(char out[ID_UUID_SIZE])
{
    uint8_t b[16];
    id_random_bytes(b, sizeof b);
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40); /* version 4 */
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80); /* its variant */
    for (size_t i = 0; i < sizeof b; i++) {
        bool dash = i == 4 || i == 6 || i == 8 || i == 10;
        out += snprintf(out, 4, dash ? "-%02x" : "%02x", b[i]);
    }
}

int id_shard(struct span id)
{
    uint32_t shard;
    size_t dash = span_find(id, '-');
    if (dash < 2 || dash + 1 >= id.len || id.p[0] != 'a')
        return -1;
    struct span digits = span_of(id.p + 1, dash - 1);
    if ((digits.p[0] == '0' && digits.len > 1) || span_to_u32(digits, ID_SHARD_MAX, &shard) != 0)
        return -1;
    return (int)shard;
}

/* Not secret and never changed: a row must be found again by the shard that wrote it. */
static const uint64_t user_key[2] = {UINT64_C(0x61646472657373), UINT64_C(0x662d7265636f7264)};

unsigned id_shard_of_user(struct span user, unsigned shard_cnt)
{
    return (unsigned)(map_siphash(user_key, user) % shard_cnt);
}

void id_random_bytes(void *out, size_t n)
{
    uint8_t *at = out;
    while (n > 0) {
        ssize_t got = getrandom(at, n, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            die(EX_INTERNAL, "getrandom: %s", strerror(errno));
        at += got;
        n -= (size_t)got;
    }
}

uint64_t id_random_u64(void)
{
    uint64_t v = 0;
    for (size_t i = 0; i < sizeof v; i++)
        v = v << 8 | random_byte();
    return v;
}
