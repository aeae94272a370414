#include "sip-edge/edge_acks.h"
#include "common/rt/bus.h"
#include "sip-edge/edge_plane.h"
#include "sip-edge/edge_shard.h"
#include "sip-edge/edge_stat.h"

void edge_acks_init(struct edge_shard *s)
{
    edge_kept_init(&s->acks, EDGE_ACKS_MAX, EDGE_ACKS_BYTES_MAX);
}

static bool keep(struct edge_shard *s, struct span bytes, const struct edge_path *from)
{
    if (s->up)
        edge_kept_age(&s->acks, s->edge->now.mono_ms);
    return edge_kept_put(&s->acks, from, bytes, s->edge->now.mono_ms);
}

void edge_acks_tell(struct edge_shard *s, const struct edge_path *from)
{
    bool kept = !edge_shard_is_lost(s) && keep(s, s->edge->msg.raw, from);
    int rv = edge_tell_request(s, &(struct edge_told_request){.msg = &s->edge->msg, .from = from});
    if (rv == -BUS_EFULL && kept)
        edge_shard_retry(s);
    else if (rv != 0 && !kept)
        edge_stat_drop(EDGE_DROP_ACTOR_DOWN); /* the 2xx comes again until an ACK gets through (§13.3.1.4) */
}

void edge_acks_tell_again(struct edge_shard *s)
{
    struct sip_msg *m = &s->edge->again;
    for (const struct edge_kept_one *a = edge_kept_next(&s->acks, NULL); a != NULL; a = edge_kept_next(&s->acks, a)) {
        if (sip_msg_decode(m, edge_kept_bytes(a)) == 0 &&
            edge_tell_request(s, &(struct edge_told_request){.msg = m, .from = &a->path}) == -BUS_EFULL)
            edge_shard_retry(s);
    }
}

void edge_acks_drop(struct edge_shard *s)
{
    edge_kept_drop(&s->acks);
}
