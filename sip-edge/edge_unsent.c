#include "sip-edge/edge_unsent.h"
#include "sip-edge/edge_stat.h"

/* In the queue: this, then the owner's bytes. */
struct head {
    uint16_t len;
    bool is_server;
};

void edge_unsent_init(struct edge_unsent *u)
{
    buf_init(&u->owners, EDGE_UNSENT_BYTES_MAX);
}

void edge_unsent_fini(struct edge_unsent *u)
{
    buf_fini(&u->owners);
}

void edge_unsent_put(struct edge_unsent *u, struct span owner, bool is_server)
{
    struct head h = {.len = (uint16_t)owner.len, .is_server = is_server};
    if (owner.len == 0)
        return;
    char *p = owner.len <= EDGE_OWNER_MAX ? buf_reserve(&u->owners, sizeof(h) + owner.len) : NULL;
    if (p == NULL) {
        u->owners.failed = false; /* full for this one; a shorter one may fit */
        edge_stat_drop(EDGE_DROP_SEND_FAILED);
        return;
    }
    memcpy(p, &h, sizeof(h));
    memcpy(p + sizeof(h), owner.p, owner.len);
    buf_commit(&u->owners, sizeof(h) + owner.len);
}

/* The queue may move while an owner acts, so each is copied out first. */
static size_t tell_one(const struct edge_unsent *u, size_t at, struct edge *e, struct now now)
{
    struct head h;
    char owner[EDGE_OWNER_MAX];
    memcpy(&h, u->owners.p + at, sizeof(h));
    memcpy(owner, u->owners.p + at + sizeof(h), h.len);
    edge_send_failed(e, span_of(owner, h.len), h.is_server, now);
    return sizeof(h) + h.len;
}

bool edge_unsent_tell(struct edge_unsent *u, struct edge *e, struct now now)
{
    size_t end = u->owners.len;
    if (end == 0)
        return false;
    for (size_t at = 0; at < end;)
        at += tell_one(u, at, e, now);
    buf_consume(&u->owners, end);
    if (u->owners.len == 0)
        buf_fini(&u->owners);
    return true;
}
