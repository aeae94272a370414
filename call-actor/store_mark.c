#include "call-actor/store_mark.h"

#include "common/base/err.h"
#include "common/rt/worker.h"
#include "proto/store.pb-c.h"
#include <stdio.h>

static Store__Meta *mark_of(struct store *s)
{
    struct span bytes = store_get(s, STORE_META, STORE_META_WRITER);
    return store__meta__unpack(NULL, bytes.len, (const uint8_t *)bytes.p);
}

bool store_mark_fits(struct store *s, char why[STORE_MARK_WHY_SIZE])
{
    Store__Meta *mark = mark_of(s);
    bool fits = mark == NULL || mark->schema <= STORE_SCHEMA;
    if (!fits)
        (void)snprintf(
            why, STORE_MARK_WHY_SIZE,
            "%s was written by version %.60s with schema %u, this is version %s and knows up to %u: run that "
            "version, or move the file away (with its .snap) and start anew without its calls and bindings",
            store_path(s), mark->version, mark->schema, SIG_VERSION, STORE_SCHEMA);
    if (mark != NULL)
        store__meta__free_unpacked(mark, NULL);
    return fits;
}

uint32_t store_mark_shards(struct store *s)
{
    Store__Meta *mark = mark_of(s);
    uint32_t shards = mark != NULL ? mark->shards : 0;
    if (mark != NULL)
        store__meta__free_unpacked(mark, NULL);
    return shards;
}

void store_mark_put(struct store *s, uint32_t shards)
{
    Store__Meta mine = STORE__META__INIT;
    uint8_t packed[64];
    mine.schema = STORE_SCHEMA;
    mine.version = (char *)(uintptr_t)SIG_VERSION;
    mine.shards = shards;
    BUG_ON(store__meta__get_packed_size(&mine) > sizeof(packed));
    store_put(s, STORE_META, STORE_META_WRITER, span_of((const char *)packed, store__meta__pack(&mine, packed)));
    store_commit(s);
}
