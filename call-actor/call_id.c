#include "call-actor/call_id.h"

#include "common/base/id.h"
#include <inttypes.h>
#include <stdio.h>

void call_id_make(char out[CALL_ID_SIZE], const struct call *c, const char *before, const char *mark, size_t random)
{
    char text[CALL_ID_TAG + 1];
    id_random(text, random);
    (void)snprintf(out, CALL_ID_SIZE, "%sa%u-%" PRIx64 "-%s%s", before, c->conf->shard, c->row->key, mark, text);
}

/* What follows the first '-', up to the second. */
static struct span middle(struct span id)
{
    struct span rest = span_from(id, span_find(id, '-') + 1);
    return span_of(rest.p, span_find(rest, '-'));
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

uint64_t call_key_of(struct span id)
{
    uint64_t key = 0;
    const struct span cookie = SPAN(CALL_ID_COOKIE);
    if (span_starts(id, cookie))
        id = span_from(id, cookie.len);
    struct span hex = middle(id);
    if (hex.p == NULL || hex.len > 16 || id_shard(id) < 0)
        return 0;
    for (size_t i = 0; i < hex.len; i++) {
        int digit = hex_value(hex.p[i]);
        if (digit < 0)
            return 0;
        key = key << 4 | (uint64_t)digit;
    }
    return key;
}
