#include "sip-edge/edge_hairpin.h"
#include "sip-edge/edge_shard.h"
#include "sip-edge/edge_txn.h"
#include <stdio.h>

#define KEY_SUFFIX ";INVITE"

static bool may_be(const struct sip_msg *m)
{
    return m->is_request && m->method == SIP_M_INVITE && m->to_tag.len == 0 && sip_msg_has(m, SIP_H_REPLACES);
}

bool edge_hairpin_is(struct edge *e, const struct sip_msg *m)
{
    char key[EDGE_KEY_MAX];
    if (!may_be(m))
        return false;
    int n = snprintf(key, sizeof(key), "%.*s" KEY_SUFFIX, SPAN_ARG(m->via.branch));
    if (n < 0 || (size_t)n >= sizeof(key))
        return false;
    const struct edge_txn *x = edge_txn_client(e, span_of(key, (size_t)n));
    return x != NULL && x->own;
}

bool edge_hairpin_is_lost(struct edge *e, const struct sip_msg *m, const struct edge_path *from)
{
    return may_be(m) && IN6_ARE_ADDR_EQUAL(&from->peer, &from->local) &&
           edge_shard_by_branch(e, m->via.branch) != NULL && !edge_hairpin_is(e, m);
}
