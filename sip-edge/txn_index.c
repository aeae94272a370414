#include "sip-edge/txn_index.h"
#include "common/base/err.h"
#include "common/base/id.h"

#include "common/sip/sip_limits.h"

/* Call-ID, tag, method and number, each with a NUL behind it. */
#define MERGE_TEXT_MAX (SIP_CALLID_BYTES_MAX + SIP_TAG_BYTES_MAX + SIP_METHOD_BYTES_MAX + 4 + 4)

void txn_index_init(struct txn_index *x, size_t max)
{
    *x = (struct txn_index){.max = max};
    map_init(&x->server);
    map_init(&x->client);
    map_init(&x->merged);
    id_random_bytes(x->merged_key, sizeof(x->merged_key));
}

void txn_index_fini(struct txn_index *x)
{
    map_fini(&x->server);
    map_fini(&x->client);
    map_fini(&x->merged);
}

size_t txn_index_count(const struct txn_index *x)
{
    return x->server.count + x->client.count;
}

bool txn_index_has_room(const struct txn_index *x)
{
    return txn_index_count(x) < x->max;
}

struct txn_entry *txn_index_server(const struct txn_index *x, struct span key)
{
    struct map_node *n = map_get(&x->server, key);
    return n != NULL ? MAP_ENTRY(n, struct txn_entry, node) : NULL;
}

struct txn_entry *txn_index_client(const struct txn_index *x, struct span key)
{
    struct map_node *n = map_get(&x->client, key);
    return n != NULL ? MAP_ENTRY(n, struct txn_entry, node) : NULL;
}

int txn_index_add_server(struct txn_index *x, struct txn_entry *t, struct span key)
{
    return txn_index_has_room(x) ? map_put(&x->server, &t->node, key) : -1;
}

int txn_index_add_client(struct txn_index *x, struct txn_entry *t, struct span key)
{
    return txn_index_has_room(x) ? map_put(&x->client, &t->node, key) : -1;
}

void txn_index_del(struct txn_index *x, struct txn_entry *t, bool is_server)
{
    map_del(is_server ? &x->server : &x->client, &t->node);
    map_del(&x->merged, &t->merged);
}

/* 128 keyed bits instead of the texts: the entry stays small, and nobody can aim for a collision. */
static void merge_hash(const struct txn_index *x, const struct txn_merge_id *id, uint64_t out[2])
{
    char text[MERGE_TEXT_MAX];
    size_t len = 0;
    const struct span parts[] = {id->call_id, id->from_tag, id->method, {(const char *)&id->cseq, sizeof(id->cseq)}};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        BUG_ON(len + parts[i].len + 1 > sizeof(text)); /* the grammar's limits hold for a decoded message */
        if (parts[i].len > 0)
            memcpy(text + len, parts[i].p, parts[i].len);
        len += parts[i].len;
        text[len++] = '\0'; /* so that ("a", "bc") is not ("ab", "c") */
    }
    out[0] = map_siphash(&x->merged_key[0], span_of(text, len));
    out[1] = map_siphash(&x->merged_key[2], span_of(text, len));
}

struct txn_entry *txn_index_merged(const struct txn_index *x, const struct txn_merge_id *id)
{
    uint64_t hash[2];
    merge_hash(x, id, hash);
    struct map_node *n = map_get(&x->merged, span_of((const char *)hash, sizeof(hash)));
    return n != NULL ? MAP_ENTRY(n, struct txn_entry, merged) : NULL;
}

void txn_index_add_merged(struct txn_index *x, struct txn_entry *t, const struct txn_merge_id *id)
{
    merge_hash(x, id, t->merged_id);
    (void)map_put(&x->merged, &t->merged, span_of((const char *)t->merged_id, sizeof(t->merged_id)));
}
