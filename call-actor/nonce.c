#include "call-actor/nonce.h"

#include <stdlib.h>

#define BODY_BYTES 16u /* birth and random */
#define MAC_BYTES 16u
#define RAW_BYTES (BODY_BYTES + MAC_BYTES)
#define TEXT_BYTES 43u /* 32 bytes in base64 without padding */

struct used {
    struct map_node by_id;
    struct list link;
    int64_t born_wall_ms;
    uint64_t request; /* that used it last */
    uint32_t nc;      /* highest so far; UINT32_MAX: used up */
    uint8_t id[BODY_BYTES];
};

/* --- base64url (RFC 4648 §5), one way to write each value --- */

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void encode(const uint8_t raw[RAW_BYTES], char out[NONCE_TEXT_SIZE])
{
    uint32_t bits = 0;
    unsigned held = 0;
    size_t at = 0;
    for (size_t i = 0; i < RAW_BYTES; i++) {
        bits = bits << 8 | raw[i];
        for (held += 8; held >= 6; held -= 6)
            out[at++] = letters[bits >> (held - 6) & 63];
    }
    out[at++] = letters[bits << (6 - held) & 63];
    out[at] = '\0';
}

static bool decode(struct span text, uint8_t raw[RAW_BYTES])
{
    uint32_t bits = 0;
    unsigned held = 0;
    size_t at = 0;
    if (text.len != TEXT_BYTES)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        const char *c = text.p[i] != '\0' ? strchr(letters, text.p[i]) : NULL;
        if (c == NULL)
            return false;
        bits = bits << 6 | (uint32_t)(c - letters);
        held += 6;
        if (held >= 8) {
            held -= 8;
            raw[at++] = (uint8_t)(bits >> held);
        }
    }
    return (bits & ((1u << held) - 1)) == 0;
}

/* --- a nonce --- */

static void put_u64(uint8_t *out, uint64_t v)
{
    for (int i = 7; i >= 0; i--, v >>= 8)
        out[i] = (uint8_t)v;
}

static int64_t born(const uint8_t raw[RAW_BYTES])
{
    uint64_t v = 0;
    for (size_t i = 0; i < 8; i++)
        v = v << 8 | raw[i];
    return (int64_t)v;
}

static void mac_of(const struct nonces *n, const uint8_t body[BODY_BYTES], uint8_t out[CRYPT_MAC_BYTES])
{
    uint8_t in[BODY_BYTES + 256];
    size_t realm_len = n->realm.len < 256 ? n->realm.len : 256;
    memcpy(in, body, BODY_BYTES);
    memcpy(in + BODY_BYTES, n->realm.p, realm_len);
    crypt_mac(n->key, span_of((const char *)in, BODY_BYTES + realm_len), out);
}

void nonces_init(struct nonces *n, const struct nonces_args *args)
{
    *n = (struct nonces){.realm = args->realm,
                         .life_ms = (int64_t)args->life_s * 1000,
                         .started_wall_ms = args->now.wall_ms,
                         .used_max = NONCE_USED_MAX};
    memcpy(n->key, args->key, sizeof(n->key));
    map_init(&n->used);
    list_init(&n->oldest_first);
}

static void forget(struct nonces *n, struct used *u)
{
    map_del(&n->used, &u->by_id);
    list_remove(&u->link);
    free(u);
}

void nonces_fini(struct nonces *n)
{
    struct list *l;
    while ((l = list_first(&n->oldest_first)) != NULL)
        forget(n, LIST_ENTRY(l, struct used, link));
    map_fini(&n->used);
}

struct span nonce_make(const struct nonces *n, uint64_t random, struct now now, char out[NONCE_TEXT_SIZE])
{
    uint8_t raw[BODY_BYTES + CRYPT_MAC_BYTES];
    put_u64(raw, (uint64_t)now.wall_ms);
    put_u64(raw + 8, random);
    mac_of(n, raw, raw + BODY_BYTES);
    encode(raw, out);
    return span_of(out, TEXT_BYTES);
}

static bool is_ours(const struct nonces *n, struct span text, uint8_t raw[RAW_BYTES])
{
    uint8_t mac[CRYPT_MAC_BYTES];
    if (!decode(text, raw))
        return false;
    mac_of(n, raw, mac);
    return crypt_same(span_of((const char *)raw + BODY_BYTES, MAC_BYTES), span_of((const char *)mac, MAC_BYTES));
}

static struct used *find(const struct nonces *n, const uint8_t raw[RAW_BYTES])
{
    struct map_node *node = map_get(&n->used, span_of((const char *)raw, BODY_BYTES));
    return node != NULL ? MAP_ENTRY(node, struct used, by_id) : NULL;
}

/* A birth in the future: the clock was set back, and how old it is nobody knows. */
static bool is_young(const struct nonces *n, const uint8_t raw[RAW_BYTES], struct now now)
{
    int64_t age_ms = now.wall_ms - born(raw);
    int64_t life_ms = n->life_ms;
    if (find(n, raw) == NULL) {
        if (born(raw) <= n->floor_wall_ms)
            return false;
        if (born(raw) < n->started_wall_ms && life_ms > NONCE_OLD_MS)
            life_ms = NONCE_OLD_MS;
    }
    return age_ms >= 0 && age_ms <= life_ms;
}

enum nonce_is nonce_check(const struct nonces *n, struct span text, struct now now)
{
    uint8_t raw[RAW_BYTES];
    return is_ours(n, text, raw) && is_young(n, raw, now) ? NONCE_GOOD : NONCE_STALE;
}

/* --- the table of those in use --- */

static void make_room(struct nonces *n, struct now now)
{
    struct list *l;
    while ((l = list_first(&n->oldest_first)) != NULL) {
        struct used *u = LIST_ENTRY(l, struct used, link);
        bool dead = now.wall_ms - u->born_wall_ms > n->life_ms;
        if (!dead && n->used.count < n->used_max)
            return;
        if (u->born_wall_ms > n->floor_wall_ms)
            n->floor_wall_ms = u->born_wall_ms;
        forget(n, u);
    }
}

static bool enter(struct nonces *n, const uint8_t raw[RAW_BYTES], uint32_t nc, uint64_t request, struct now now)
{
    make_room(n, now);
    struct used *u = calloc(1, sizeof(*u));
    if (u == NULL)
        return false;
    u->born_wall_ms = born(raw);
    u->request = request;
    u->nc = nc;
    memcpy(u->id, raw, sizeof(u->id));
    list_init(&u->link);
    if (map_put(&n->used, &u->by_id, span_of((const char *)u->id, sizeof(u->id))) != 0) {
        free(u);
        return false;
    }
    list_append(&n->oldest_first, &u->link);
    return true;
}

enum nonce_use nonce_take(struct nonces *n, struct span text, uint32_t nc, uint64_t request, struct now now)
{
    uint8_t raw[RAW_BYTES];
    if (!decode(text, raw))
        return NONCE_REPLAY;
    uint32_t count = nc != 0 ? nc : UINT32_MAX;
    struct used *u = find(n, raw);
    if (u == NULL)
        return enter(n, raw, count, request, now) ? NONCE_NEW : NONCE_NOTABLE;
    if (u->request == request && u->nc == count)
        return NONCE_REPEAT;
    if (count <= u->nc)
        return NONCE_REPLAY;
    u->nc = count;
    u->request = request;
    return NONCE_NEW;
}
