#include "common/base/map.h"

#include "common/base/id.h"
#include <endian.h>
#include <stdlib.h>

#define MAP_FIRST_SLOTS 16

/* --- SipHash-2-4 (Aumasson, Bernstein: "SipHash: a fast short-input PRF", 2012) --- */

struct sip_state {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotl(uint64_t x, unsigned n)
{
    return (x << n) | (x >> (64 - n));
}

static inline void sip_round(struct sip_state *s)
{
    s->v0 += s->v1;
    s->v2 += s->v3;
    s->v1 = rotl(s->v1, 13) ^ s->v0;
    s->v3 = rotl(s->v3, 16) ^ s->v2;
    s->v0 = rotl(s->v0, 32);
    s->v2 += s->v1;
    s->v0 += s->v3;
    s->v1 = rotl(s->v1, 17) ^ s->v2;
    s->v3 = rotl(s->v3, 21) ^ s->v0;
    s->v2 = rotl(s->v2, 32);
}

static inline void sip_word(struct sip_state *s, uint64_t word)
{
    s->v3 ^= word;
    sip_round(s);
    sip_round(s);
    s->v0 ^= word;
}

uint64_t map_siphash(const uint64_t key[2], struct span in)
{
    struct sip_state s = {
        .v0 = key[0] ^ UINT64_C(0x736f6d6570736575),
        .v1 = key[1] ^ UINT64_C(0x646f72616e646f6d),
        .v2 = key[0] ^ UINT64_C(0x6c7967656e657261),
        .v3 = key[1] ^ UINT64_C(0x7465646279746573),
    };
    size_t whole = in.len & ~(size_t)7;
    for (size_t i = 0; i < whole; i += 8) {
        uint64_t word;
        memcpy(&word, in.p + i, sizeof word);
        sip_word(&s, le64toh(word));
    }
    uint64_t last = (uint64_t)in.len << 56;
    for (size_t i = whole; i < in.len; i++)
        last |= (uint64_t)(unsigned char)in.p[i] << (8 * (i - whole));
    sip_word(&s, last);
    s.v2 ^= 0xff;
    for (int i = 0; i < 4; i++)
        sip_round(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

uint64_t map_hash(struct span key)
{
    static uint64_t secret[2]; /* drawn once a process; no key of ours is all zero but by a chance of 2^-128 */
    if (secret[0] == 0 && secret[1] == 0)
        id_random_bytes(secret, sizeof secret);
    return map_siphash(secret, key);
}

/* --- the map --- */

void map_init(struct map *m)
{
    *m = (struct map){0};
}

void map_fini(struct map *m)
{
    free(m->slots);
    map_init(m);
}

static struct map_node **slot_of(const struct map *m, uint64_t hash)
{
    return &m->slots[hash & (m->nslots - 1)];
}

static struct map_node *find(const struct map *m, struct span key, uint64_t hash)
{
    if (m->nslots == 0)
        return NULL;
    struct map_node *n = *slot_of(m, hash);
    while (n != NULL && !(n->hash == hash && span_eq(n->key, key)))
        n = n->next;
    return n;
}

struct map_node *map_get(const struct map *m, struct span key)
{
    return m->count > 0 ? find(m, key, map_hash(key)) : NULL;
}

static void link_node(struct map *m, struct map_node *n)
{
    struct map_node **slot = slot_of(m, n->hash);
    n->next = *slot;
    *slot = n;
}

/* Doubles the slots. When memory is out the map stays as it is: longer chains, but whole and right. */
static void grow(struct map *m)
{
    struct map old = *m;
    size_t nslots = old.nslots > 0 ? old.nslots * 2 : MAP_FIRST_SLOTS;
    struct map_node **slots = calloc(nslots, sizeof(struct map_node *));
    if (slots == NULL)
        return;
    m->slots = slots;
    m->nslots = nslots;
    for (size_t i = 0; i < old.nslots; i++) {
        struct map_node *n = old.slots[i];
        while (n != NULL) {
            struct map_node *next = n->next;
            link_node(m, n);
            n = next;
        }
    }
    free(old.slots);
}

int map_put(struct map *m, struct map_node *n, struct span key)
{
    uint64_t hash = map_hash(key);
    if (find(m, key, hash) != NULL)
        return -1;
    if (m->count >= m->nslots)
        grow(m);
    if (m->nslots == 0)
        return -1;
    n->hash = hash;
    n->key = key;
    link_node(m, n);
    m->count++;
    return 0;
}

void map_del(struct map *m, struct map_node *n)
{
    if (m->nslots == 0)
        return;
    struct map_node **at = slot_of(m, n->hash);
    while (*at != NULL && *at != n)
        at = &(*at)->next;
    if (*at == NULL)
        return;
    *at = n->next;
    m->count--;
    *n = (struct map_node){0};
}

struct map_node *map_next(const struct map *m, const struct map_node *n)
{
    size_t i = 0;
    if (n != NULL) {
        if (n->next != NULL)
            return n->next;
        i = (size_t)(n->hash & (m->nslots - 1)) + 1;
    }
    while (i < m->nslots && m->slots[i] == NULL)
        i++;
    return i < m->nslots ? m->slots[i] : NULL;
}
