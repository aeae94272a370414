#include "sip-edge/edge_acks.h"
#include "common/rt/bus.h"
#include "sip-edge/edge_plane.h"
#include "sip-edge/edge_shard.h"
#include "sip-edge/edge_stat.h"
#include <stdlib.h>

struct ack {
    struct list link; /* of shard->acks, oldest first */
    int64_t at_ms;
    struct edge_path from;
    size_t len;
    char bytes[];
};

static const struct ack *oldest(const struct edge_shard *s)
{
    return LIST_ENTRY(s->acks.next, struct ack, link);
}

static void forget_oldest(struct edge_shard *s)
{
    struct ack *a = LIST_ENTRY(list_take_first(&s->acks), struct ack, link);
    s->ack_cnt--;
    s->ack_bytes -= a->len;
    free(a);
}

static void make_room(struct edge_shard *s, size_t len)
{
    int64_t since = s->edge->now.mono_ms - EDGE_ACK_KEEP_MS;
    while (s->up && s->ack_cnt > 0 && oldest(s)->at_ms < since)
        forget_oldest(s);
    while (s->ack_cnt == EDGE_ACKS_MAX || (s->ack_cnt > 0 && s->ack_bytes + len > EDGE_ACKS_BYTES_MAX))
        forget_oldest(s);
}

static bool keep(struct edge_shard *s, struct span bytes, const struct edge_path *from)
{
    make_room(s, bytes.len);
    struct ack *a = malloc(sizeof(*a) + bytes.len);
    if (a == NULL)
        return false;
    a->at_ms = s->edge->now.mono_ms;
    a->from = *from;
    a->from.name = SPAN("");
    a->len = bytes.len;
    memcpy(a->bytes, bytes.p, bytes.len);
    list_init(&a->link);
    list_append(&s->acks, &a->link);
    s->ack_cnt++;
    s->ack_bytes += a->len;
    return true;
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
    for (struct list *n = s->acks.next; n != &s->acks; n = n->next) {
        struct ack *a = LIST_ENTRY(n, struct ack, link);
        if (sip_msg_decode(m, span_of(a->bytes, a->len)) == 0 &&
            edge_tell_request(s, &(struct edge_told_request){.msg = m, .from = &a->from}) == -BUS_EFULL)
            edge_shard_retry(s);
    }
}

void edge_acks_drop(struct edge_shard *s)
{
    while (s->ack_cnt > 0)
        forget_oldest(s);
}
