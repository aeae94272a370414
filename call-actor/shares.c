#include "call-actor/shares.h"

#include "common/base/err.h"

void shares_init(struct shares *s, struct share max)
{
    *s = (struct shares){.max = max};
}

static struct share *share_of(struct shares *s, uint32_t origin)
{
    return &s->of[origin % SHARES_SLOTS];
}

bool shares_take(struct shares *s, uint32_t origin, size_t bytes)
{
    struct share *own = share_of(s, origin);
    struct share left = {.cnt = s->max.cnt - s->all.cnt, .bytes = s->max.bytes - s->all.bytes};
    if (own->cnt >= left.cnt || own->bytes + bytes > left.bytes)
        return false;
    own->cnt++;
    own->bytes += bytes;
    s->all.cnt++;
    s->all.bytes += bytes;
    return true;
}

void shares_give(struct shares *s, uint32_t origin, size_t bytes)
{
    struct share *own = share_of(s, origin);
    BUG_ON(own->cnt == 0 || own->bytes < bytes);
    own->cnt--;
    own->bytes -= bytes;
    s->all.cnt--;
    s->all.bytes -= bytes;
}
