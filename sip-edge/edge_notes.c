#include "sip-edge/edge_notes.h"

/* A note is  shard u8 | length u16 | bytes. */
#define HEAD_BYTES 3u

void edge_notes_init(struct edge_notes *n)
{
    buf_init(&n->bytes, EDGE_NOTES_BYTES_MAX);
}

void edge_notes_fini(struct edge_notes *n)
{
    buf_fini(&n->bytes);
}

bool edge_notes_next(struct span *rest, unsigned *shard, struct span *note)
{
    if (rest->len < HEAD_BYTES)
        return false;
    const unsigned char *p = (const unsigned char *)rest->p;
    size_t len = (size_t)p[1] << 8 | p[2];
    *shard = p[0];
    *note = span_of(rest->p + HEAD_BYTES, len);
    *rest = span_from(*rest, HEAD_BYTES + len);
    return true;
}

static bool has(const struct edge_notes *n, unsigned shard, struct span note)
{
    struct span rest = edge_notes_all(n);
    struct span one;
    unsigned of;
    while (edge_notes_next(&rest, &of, &one)) {
        if (of == shard && span_eq(one, note))
            return true;
    }
    return false;
}

bool edge_notes_put(struct edge_notes *n, unsigned shard, struct span note)
{
    if (has(n, shard, note))
        return true;
    if (note.len > UINT16_MAX || shard > UINT8_MAX || n->bytes.len + HEAD_BYTES + note.len > EDGE_NOTES_BYTES_MAX)
        return false;
    char *p = buf_reserve(&n->bytes, HEAD_BYTES + note.len);
    if (p == NULL)
        return false;
    p[0] = (char)shard;
    p[1] = (char)(note.len >> 8);
    p[2] = (char)(note.len & 0xff);
    memcpy(p + HEAD_BYTES, note.p, note.len);
    buf_commit(&n->bytes, HEAD_BYTES + note.len);
    return true;
}
