#include "orchestrator/wire.h"

#define VARINT_MAX 10 /* bytes of a 64-bit varint */

static bool take_varint(struct wire *w, uint64_t *out)
{
    uint64_t v = 0;
    for (size_t i = 0; i < VARINT_MAX && i < w->rest.len; i++) {
        unsigned char c = (unsigned char)w->rest.p[i];
        if (i == VARINT_MAX - 1 && c > 1)
            return false;
        v |= (uint64_t)(c & 0x7f) << (7 * i);
        if (c < 0x80) {
            w->rest = span_from(w->rest, i + 1);
            *out = v;
            return true;
        }
    }
    return false;
}

static bool take_bytes(struct wire *w, uint64_t n, struct span *out)
{
    if (n > w->rest.len)
        return false;
    *out = span_of(w->rest.p, (size_t)n);
    w->rest = span_from(w->rest, (size_t)n);
    return true;
}

static bool take_value(struct wire *w, struct wire_field *f)
{
    uint64_t n;
    switch (f->type) {
    case WIRE_VARINT:
        return take_varint(w, &f->num);
    case WIRE_I64:
        return take_bytes(w, 8, &f->bytes);
    case WIRE_LEN:
        return take_varint(w, &n) && take_bytes(w, n, &f->bytes);
    case WIRE_I32:
        return take_bytes(w, 4, &f->bytes);
    }
    return false;
}

bool wire_next(struct wire *w, struct wire_field *f)
{
    if (w->bad || w->rest.len == 0)
        return false;
    uint64_t key;
    bool ok = take_varint(w, &key) && key >> 3 > 0 && key >> 3 < 1U << 29;
    if (ok) {
        *f = (struct wire_field){.no = (uint32_t)(key >> 3), .type = (enum wire_type)(key & 7)};
        ok = take_value(w, f);
    }
    w->bad = !ok;
    return ok;
}
