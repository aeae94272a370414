#include "call-actor/creds.h"

#include <stdlib.h>

struct kept {
    struct map_node by_user;
    struct list link;
    int64_t until_ms;
    struct cred cred;
    char user[];
};

void creds_wipe(struct cred *cred)
{
    explicit_bzero(cred, sizeof(*cred));
}

void creds_init(struct creds *c, uint32_t life_s)
{
    *c = (struct creds){.life_ms = (int64_t)life_s * 1000, .max = CREDS_MAX};
    map_init(&c->by_user);
    list_init(&c->oldest_first);
}

static void forget(struct creds *c, struct kept *k)
{
    map_del(&c->by_user, &k->by_user);
    list_remove(&k->link);
    creds_wipe(&k->cred);
    free(k);
}

void creds_fini(struct creds *c)
{
    struct list *l;
    while ((l = list_first(&c->oldest_first)) != NULL)
        forget(c, LIST_ENTRY(l, struct kept, link));
    map_fini(&c->by_user);
}

static struct kept *find(struct creds *c, struct span user)
{
    struct map_node *n = map_get(&c->by_user, user);
    return n != NULL ? MAP_ENTRY(n, struct kept, by_user) : NULL;
}

bool creds_find(struct creds *c, struct span user, struct now now, struct cred *out)
{
    struct kept *k = find(c, user);
    if (k == NULL)
        return false;
    if (now.mono_ms >= k->until_ms) {
        forget(c, k);
        return false;
    }
    *out = k->cred;
    return true;
}

static void make_room(struct creds *c, struct now now)
{
    struct list *l;
    while ((l = list_first(&c->oldest_first)) != NULL) {
        struct kept *k = LIST_ENTRY(l, struct kept, link);
        if (now.mono_ms < k->until_ms && c->by_user.count < c->max)
            return;
        forget(c, k);
    }
}

void creds_learn(struct creds *c, struct span user, const struct cred *cred, struct now now)
{
    creds_drop(c, user);
    if (c->life_ms == 0)
        return;
    make_room(c, now);
    struct kept *k = calloc(1, sizeof(*k) + user.len);
    if (k == NULL)
        return;
    memcpy(k->user, user.p, user.len);
    k->cred = *cred;
    k->until_ms = now.mono_ms + c->life_ms;
    list_init(&k->link);
    if (map_put(&c->by_user, &k->by_user, span_of(k->user, user.len)) == 0)
        list_append(&c->oldest_first, &k->link);
    else
        forget(c, k);
}

void creds_drop(struct creds *c, struct span user)
{
    struct kept *k = find(c, user);
    if (k != NULL)
        forget(c, k);
}
