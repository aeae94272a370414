/*
 * edge_shard: which call-actor a message belongs to, and what to do while that one is away. Layer: sip-edge, private.
 */
#ifndef SIP_EDGE_EDGE_SHARD_H
#define SIP_EDGE_EDGE_SHARD_H

#include "sip-edge/edge.h"

void edge_shards_init(struct edge *e);
void edge_shards_fini(struct edge *e);

/** The actor whose dialog has this local tag, or NULL when no tag of ours looks like it. */
struct edge_shard *edge_shard_by_tag(struct edge *e, struct span tag);
/** For a request outside a dialog: a REGISTER by its user, an INVITE that replaces a dialog by that one's tag of ours,
 * anything else by Call-ID; the same in every run of this process. */
struct edge_shard *edge_shard_of_new(struct edge *e, const struct sip_msg *m);
/** The actor that chose this branch ("z9hG4bK" and an id), or NULL. */
struct edge_shard *edge_shard_by_branch(struct edge *e, struct span branch);

/** The actor may have a new call. why as in edge_is_ready. */
bool edge_shard_admits(const struct edge_shard *s, const char **why);
/** The actor is away, and has been for longer than the grace. */
bool edge_shard_is_lost(const struct edge_shard *s);
/** The link was full: try again soon. */
void edge_shard_retry(struct edge_shard *s);
/** EDGE_ADMIT. */
void edge_shard_on_admit(struct edge_shard *s, const Plane__Admit *m);

#endif
