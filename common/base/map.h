/*
 * map: hash map with intrusive nodes, keyed by bytes. Layer: common/base.
 *
 * The hash is SipHash-2-4 with a per-process random key, so keys that come from the network cannot be chosen to
 * collide. A node is embedded in its owner, and its key points into the owner: the owner keeps both alive while it is
 * in the map.
 */
#ifndef COMMON_BASE_MAP_H
#define COMMON_BASE_MAP_H

#include "common/base/span.h"

struct map_node {
    struct map_node *next;
    uint64_t hash;
    struct span key;
};

struct map {
    struct map_node **slots;
    size_t nslots; /* power of two, or 0 */
    size_t count;
};

#define MAP_ENTRY(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

void map_init(struct map *m);
/** Frees the slots, not the owners of the nodes. */
void map_fini(struct map *m);
/** The node with this key, or NULL. */
struct map_node *map_get(const struct map *m, struct span key);
/**
 * Insert `n` under `key` (borrowed; see above).
 * returns 0, or -1 when the key is already there or memory for the first slots is out
 */
int map_put(struct map *m, struct map_node *n, struct span key);
/** Takes `n` out; a node that is not in the map is ignored. The node is zeroed. */
void map_del(struct map *m, struct map_node *n);
/** Walk in no order: map_next(m, NULL) is the first. The current node may not be deleted while walking. */
struct map_node *map_next(const struct map *m, const struct map_node *n);
/** Seeded hash of bytes, the one the map uses. */
uint64_t map_hash(struct span key);
/** SipHash-2-4 under a given key: the same bytes give the same number in every process. */
uint64_t map_siphash(const uint64_t key[2], struct span in);

#endif
