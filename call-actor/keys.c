#include "call-actor/keys.h"

#include "common/base/err.h"
#include "common/base/id.h"
#include "proto/store.pb-c.h"

static bool read_key(struct store *s, uint8_t out[CRYPT_KEY_BYTES])
{
    struct span bytes = store_get(s, STORE_META, STORE_META_KEYS);
    Store__Keys *keys = bytes.p != NULL ? store__keys__unpack(NULL, bytes.len, (const uint8_t *)bytes.p) : NULL;
    bool there = keys != NULL && keys->nonce.len == CRYPT_KEY_BYTES;
    if (there)
        memcpy(out, keys->nonce.data, CRYPT_KEY_BYTES);
    if (keys != NULL)
        store__keys__free_unpacked(keys, NULL);
    return there;
}

void keys_nonce(struct store *s, uint8_t out[CRYPT_KEY_BYTES])
{
    if (read_key(s, out))
        return;
    uint8_t packed[CRYPT_KEY_BYTES + 16];
    Store__Keys keys = STORE__KEYS__INIT;
    id_random_bytes(out, CRYPT_KEY_BYTES);
    keys.nonce = (ProtobufCBinaryData){.len = CRYPT_KEY_BYTES, .data = out};
    BUG_ON(store__keys__get_packed_size(&keys) > sizeof(packed));
    size_t n = store__keys__pack(&keys, packed);
    store_put(s, STORE_META, STORE_META_KEYS, span_of((const char *)packed, n));
    store_commit(s);
}
