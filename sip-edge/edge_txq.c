#include "sip-edge/edge_txq.h"
#include <string.h>

#define OWNERS_BYTES_MAX EDGE_TXQ_BYTES_MAX

/* Followed by len bytes of the owner's key. */
struct note {
    uint64_t end; /* where its message ends, counted from the queue's first byte ever */
    size_t len;
    bool is_server;
};

void edge_txq_init(struct edge_txq *q)
{
    buf_init(&q->bytes, EDGE_TXQ_BYTES_MAX);
    buf_init(&q->owners, OWNERS_BYTES_MAX);
    q->at = 0;
    q->gone = 0;
}

void edge_txq_fini(struct edge_txq *q)
{
    buf_fini(&q->bytes);
    buf_fini(&q->owners);
    q->gone += q->at;
    q->at = 0;
}

static bool put_note(struct edge_txq *q, struct span owner, bool is_server)
{
    struct note n = {.end = q->gone + q->bytes.len, .len = owner.len, .is_server = is_server};
    char *p = buf_reserve(&q->owners, sizeof(n) + owner.len);
    if (p == NULL)
        return false;
    memcpy(p, &n, sizeof(n));
    memcpy(p + sizeof(n), owner.p, owner.len);
    buf_commit(&q->owners, sizeof(n) + owner.len);
    return true;
}

static size_t note_bytes(const struct edge_txq *q, size_t at, struct note *n)
{
    memcpy(n, q->owners.p + at, sizeof(*n));
    return sizeof(*n) + n->len;
}

/* A peer that reads, but never all, must not make the queue grow: what was written makes room. */
static void make_room(struct edge_txq *q)
{
    size_t told = 0;
    struct note n;
    buf_consume(&q->bytes, q->at);
    q->gone += q->at;
    q->at = 0;
    while (told < q->owners.len) {
        size_t len = note_bytes(q, told, &n);
        if (n.end > q->gone)
            break;
        told += len;
    }
    buf_consume(&q->owners, told);
}

bool edge_txq_put(struct edge_txq *q, struct span bytes, struct span owner, bool is_server)
{
    if (q->at > EDGE_TXQ_BYTES_MAX / 4)
        make_room(q);
    size_t before = q->bytes.len;
    buf_put_span(&q->bytes, bytes);
    if (!q->bytes.failed && (owner.len == 0 || put_note(q, owner, is_server)))
        return true;
    q->bytes.len = before;
    q->bytes.failed = q->owners.failed = false;
    return false;
}

void edge_txq_wrote(struct edge_txq *q, size_t n)
{
    q->at += n;
    if (q->at == q->bytes.len)
        edge_txq_fini(q);
}

void edge_txq_give_up(struct edge_txq *q, edge_txq_owner_fn *fn, void *user)
{
    struct note n;
    for (size_t at = 0; at < q->owners.len;) {
        size_t len = note_bytes(q, at, &n);
        if (n.end > q->gone + q->at)
            fn(user, span_of(q->owners.p + at + sizeof(n), n.len), n.is_server);
        at += len;
    }
    edge_txq_fini(q);
}
