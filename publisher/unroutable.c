#include "publisher/unroutable.h"

#include <stdio.h>

/* The key's place; else a free one, or that of the key which was returned longest ago, made new. */
static struct unroutable_key *place_of(struct unroutable *u, struct span key, bool *fresh)
{
    struct unroutable_key *oldest = &u->at[0];
    *fresh = false;
    for (size_t i = 0; i < UNROUTABLE_KEYS_MAX; i++) {
        struct unroutable_key *k = &u->at[i];
        if (k->key[0] != '\0' && span_eq(span_cstr(k->key), key))
            return k;
        if (oldest->key[0] != '\0' && (k->key[0] == '\0' || k->seen_ms < oldest->seen_ms))
            oldest = k;
    }
    *fresh = true;
    *oldest = (struct unroutable_key){.key = ""};
    memcpy(oldest->key, key.p, key.len);
    return oldest;
}

bool unroutable_note(struct unroutable *u, struct span key, int64_t mono_ms)
{
    bool fresh;
    if (key.len >= UNROUTABLE_KEY_SIZE)
        key.len = UNROUTABLE_KEY_SIZE - 1;
    if (key.len == 0)
        key = SPAN("(none)");
    struct unroutable_key *k = place_of(u, key, &fresh);
    bool due = fresh || mono_ms - k->line_ms >= UNROUTABLE_LINE_MS;
    k->seen_ms = mono_ms;
    if (due)
        k->line_ms = mono_ms;
    return due;
}

bool unroutable_now(const struct unroutable *u, int64_t mono_ms, char *out, size_t out_size)
{
    size_t len = 0;
    for (size_t i = 0; i < UNROUTABLE_KEYS_MAX; i++) {
        const struct unroutable_key *k = &u->at[i];
        if (k->key[0] == '\0' || mono_ms - k->seen_ms >= UNROUTABLE_SHOWN_MS)
            continue;
        int n = snprintf(out + len, out_size - len, "%s%s", len == 0 ? "no queue is bound for " : ", ", k->key);
        if (n < 0 || (size_t)n >= out_size - len)
            return true; /* cut */
        len += (size_t)n;
    }
    return len > 0;
}
