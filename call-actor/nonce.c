#include "call-actor/nonce.h"

#include <stdlib.h>

struct used {
    struct map_node by_id;
    struct list link;
    int64_t born_wall_ms;
    uint64_t request; /* that used it last */
    uint32_t nc;      /* highest so far; UINT32_MAX: used up */
    uint8_t id[NONCE_ID_BYTES];
};

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

uint32_t nonce_origin(const struct nonces *n, struct span addr)
{
    return nonce_text_origin(n->key, addr);
}

struct span nonce_make(const struct nonces *n, uint64_t random, uint32_t origin, struct now now,
                       char out[NONCE_TEXT_SIZE])
{
    const struct nonce_birth birth = {.wall_ms = now.wall_ms, .random = random, .origin = origin};
    return nonce_text_make(n->key, n->realm, &birth, out);
}

static struct used *find(const struct nonces *n, const struct nonce_made *made)
{
    struct map_node *node = map_get(&n->used, span_of((const char *)made->id, sizeof(made->id)));
    return node != NULL ? MAP_ENTRY(node, struct used, by_id) : NULL;
}

/* A birth in the future: the clock was set back, and how old it is nobody knows. A little may be: the edge made it, and
 * our turn began before. */
static bool is_young(const struct nonces *n, const struct nonce_made *made, struct now now)
{
    int64_t age_ms = now.wall_ms - made->born_wall_ms;
    int64_t life_ms = n->life_ms;
    if (find(n, made) == NULL) {
        if (made->born_wall_ms <= n->floor_wall_ms)
            return false;
        if (made->born_wall_ms < n->started_wall_ms && life_ms > NONCE_OLD_MS)
            life_ms = NONCE_OLD_MS;
    }
    return age_ms >= -NONCE_AHEAD_MS && age_ms <= life_ms;
}

/* The clock was set back: what is born from now on was not used before. */
static void follow_clock(struct nonces *n, struct now now)
{
    if (n->floor_wall_ms > now.wall_ms + NONCE_AHEAD_MS)
        n->floor_wall_ms = now.wall_ms - 1;
}

enum nonce_is nonce_check(struct nonces *n, struct span text, struct now now, uint32_t *origin)
{
    struct nonce_made made;
    follow_clock(n, now);
    bool ours = nonce_text_read(n->key, n->realm, text, &made);
    *origin = ours ? made.origin : 0;
    return ours && is_young(n, &made, now) ? NONCE_GOOD : NONCE_STALE;
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
        bool ahead = u->born_wall_ms > now.wall_ms + NONCE_AHEAD_MS; /* before the clock was set back; not taken */
        if (!ahead && u->born_wall_ms > n->floor_wall_ms)
            n->floor_wall_ms = u->born_wall_ms;
        forget(n, u);
    }
}

static bool enter(struct nonces *n, const struct nonce_made *made, uint32_t nc, uint64_t request, struct now now)
{
    make_room(n, now);
    struct used *u = calloc(1, sizeof(*u));
    if (u == NULL)
        return false;
    u->born_wall_ms = made->born_wall_ms;
    u->request = request;
    u->nc = nc;
    memcpy(u->id, made->id, sizeof(u->id));
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
    struct nonce_made made;
    if (!nonce_text_decode(text, &made))
        return NONCE_REPLAY;
    uint32_t count = nc != 0 ? nc : UINT32_MAX;
    struct used *u = find(n, &made);
    if (u == NULL)
        return enter(n, &made, count, request, now) ? NONCE_NEW : NONCE_NOTABLE;
    if (u->request == request && u->nc == count)
        return NONCE_REPEAT;
    if (count <= u->nc)
        return NONCE_REPLAY;
    u->nc = count;
    u->request = request;
    return NONCE_NEW;
}
