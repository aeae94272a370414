#include "call-actor/store_mark.h"

#include "common/base/err.h"
#include "common/rt/worker.h"
#include "proto/store.pb-c.h"
#include <stdio.h>

static Store__Meta *unpack(struct span bytes)
{
    return store__meta__unpack(NULL, bytes.len, (const uint8_t *)bytes.p);
}

bool store_mark_fits(struct span mark, const char *path, char why[STORE_MARK_WHY_SIZE])
{
    Store__Meta *meta = unpack(mark);
    bool fits = meta == NULL || meta->schema <= STORE_SCHEMA;
    if (!fits)
        (void)snprintf(
            why, STORE_MARK_WHY_SIZE,
            "%s was written by version %.60s with schema %u, this is version %s and knows up to %u: run that "
            "version, or move the file away (with its .snap) and start anew without its calls and bindings",
            path, meta->version, meta->schema, SIG_VERSION, STORE_SCHEMA);
    if (meta != NULL)
        store__meta__free_unpacked(meta, NULL);
    return fits;
}

uint32_t store_mark_shards_of(struct span mark)
{
    Store__Meta *meta = unpack(mark);
    uint32_t shards = meta != NULL ? meta->shards : 0;
    if (meta != NULL)
        store__meta__free_unpacked(meta, NULL);
    return shards;
}

uint32_t store_mark_shards(struct store *s)
{
    return store_mark_shards_of(store_get(s, STORE_META, STORE_META_WRITER));
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
