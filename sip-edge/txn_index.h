/*
 * txn_index: how a message finds its transaction. Layer: sip-edge. RFC 3261 §17.1.3, §17.2.3, §8.2.2.2.
 *
 * Servers are found by sip_txn_key, clients by "branch;METHOD"; requests without a To tag also by what makes them the
 * same request on another way (merged requests). Owns the maps, not the transactions.
 */
#ifndef SIP_EDGE_TXN_INDEX_H
#define SIP_EDGE_TXN_INDEX_H

#include "common/base/map.h"

/* Embedded in what is indexed. The key's bytes belong to the owner. */
struct txn_entry {
    struct map_node node;
    struct map_node merged;
    uint64_t merged_id[2];
};

struct txn_index {
    struct map server;
    struct map client;
    struct map merged;
    size_t max;
    uint64_t merged_key[4];
};

void txn_index_init(struct txn_index *x, size_t max);
void txn_index_fini(struct txn_index *x);
size_t txn_index_count(const struct txn_index *x);
/** There is room for one more. */
bool txn_index_has_room(const struct txn_index *x);

struct txn_entry *txn_index_server(const struct txn_index *x, struct span key);
struct txn_entry *txn_index_client(const struct txn_index *x, struct span key);
/** 0, or -1: full, out of memory, or the key is taken. The entry is zeroed before. */
int txn_index_add_server(struct txn_index *x, struct txn_entry *t, struct span key);
int txn_index_add_client(struct txn_index *x, struct txn_entry *t, struct span key);
/** Harmless for an entry that is in no map. */
void txn_index_del(struct txn_index *x, struct txn_entry *t, bool is_server);

/* What two copies of one request share (RFC 3261 §8.2.2.2). */
struct txn_merge_id {
    struct span call_id, from_tag, method;
    uint32_t cseq;
};
/** An ongoing transaction with the same request, or NULL. */
struct txn_entry *txn_index_merged(const struct txn_index *x, const struct txn_merge_id *id);
/** Lets later copies find `t`. When another copy is in already, or memory is out, nothing happens. */
void txn_index_add_merged(struct txn_index *x, struct txn_entry *t, const struct txn_merge_id *id);

#endif
