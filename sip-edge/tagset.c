#include "sip-edge/tagset.h"
#include "common/base/err.h"
#include "common/base/map.h"
#include <stdlib.h>

void tagset_init(struct tagset *t)
{
    t->slots = calloc((size_t)TAGSET_SETS * TAGSET_WAYS, sizeof(*t->slots));
    if (t->slots == NULL)
        die(EX_INTERNAL, "no memory for the tags of dialogs");
}

void tagset_fini(struct tagset *t)
{
    free(t->slots);
    t->slots = NULL;
}

static struct tagset_slot *set_of(const struct tagset *t, uint64_t hash)
{
    return &t->slots[(hash & (TAGSET_SETS - 1)) * TAGSET_WAYS];
}

static uint32_t check_of(uint64_t hash)
{
    uint32_t check = (uint32_t)(hash >> 32);
    return check != 0 ? check : 1;
}

static struct tagset_slot *find(const struct tagset *t, uint64_t hash)
{
    struct tagset_slot *set = set_of(t, hash);
    for (unsigned i = 0; i < TAGSET_WAYS; i++)
        if (set[i].check == check_of(hash))
            return &set[i];
    return NULL;
}

void tagset_learn(struct tagset *t, struct span tag)
{
    uint64_t hash = map_hash(tag);
    if (tag.len == 0 || find(t, hash) != NULL)
        return;
    struct tagset_slot *set = set_of(t, hash);
    memmove(&set[1], &set[0], (TAGSET_WAYS - 1) * sizeof(set[0]));
    set[0] = (struct tagset_slot){.check = check_of(hash)};
}

bool tagset_has(const struct tagset *t, struct span tag)
{
    return find(t, map_hash(tag)) != NULL;
}

bool tagset_take(struct tagset *t, struct span tag, int64_t now_ms)
{
    struct tagset_slot *s = find(t, map_hash(tag));
    uint16_t sec = (uint16_t)(now_ms / 1000);
    if (s == NULL)
        return false;
    if (s->sec != sec) {
        s->sec = sec;
        s->used = 0;
    }
    if (s->used >= TAGSET_PER_S)
        return false;
    s->used++;
    return true;
}
