/*
 * The ways phones registered by: kept open on an actor's word, and told of when they end (RFC 5626 §4.4, §5.3). Nobody
 * answers that, so it is kept a moment, and while the actor is away until it is back. What found no room there the next
 * ping finds out.
 */
#include "common/rt/bus.h"
#include "sip-edge/edge_plane.h"
#include "sip-edge/edge_rx.h"
#include "sip-edge/edge_shard.h"
#include "sip-edge/edge_stat.h"

/* Of RFC 5626 §3.5.1 the half that nobody has to answer would be CRLF; some NATs need more than two bytes to see it. */
static const struct span ping = SPAN_INIT("\r\n\r\n");

/* Not another connection of the same address: after a restart of ours a NAT may have given it to another phone. */
static bool has_connection(const struct edge *e, const struct edge_path *to)
{
    return e->out.is_open != NULL && e->out.is_open(e->out.user, to);
}

void edge_on_ping(struct edge_shard *s, const Plane__Ping *m)
{
    struct edge *e = s->edge;
    struct edge_path to;
    if (!edge_path_from_plane(m->dest, &to)) {
        edge_stat_drop(EDGE_DROP_SEND_FAILED);
        return;
    }
    if (to.transport == SIP_TP_UDP || has_connection(e, &to))
        e->out.send(e->out.user, &to, ping, span_of(NULL, 0), false);
    else
        (void)edge_tell_flow_gone(s, &to, edge_span(m->flow_note), false);
}

void edge_watch_flow(struct edge_shard *s, const Plane__SendReply *m)
{
    struct edge *e = s->edge;
    struct edge_path to;
    if (m->flow_note.len == 0 || e->out.watch == NULL || !edge_path_from_plane(m->dest, &to) ||
        to.transport == SIP_TP_UDP)
        return;
    const struct edge_pin pin = {.shard = s->no, .note = edge_span(m->flow_note), .hold_ms = (int64_t)m->flow_s * 1000};
    if (!e->out.watch(e->out.user, &to, &pin))
        (void)edge_tell_flow_gone(s, &to, edge_span(m->flow_note), false);
}

static void tell_end(struct edge_shard *s, const struct edge_path *path, struct span note)
{
    if (s->up)
        edge_kept_age(&s->flows, s->edge->now.mono_ms);
    (void)edge_kept_put(&s->flows, path, note, s->edge->now.mono_ms);
    if (edge_tell_flow_gone(s, path, note, true) == -BUS_EFULL)
        edge_shard_retry(s);
}

void edge_flow_ended(struct edge *e, const struct edge_path *path, struct span notes, struct now now)
{
    unsigned shard;
    struct span note;
    e->now = now;
    while (edge_notes_next(&notes, &shard, &note)) {
        if (shard < e->shard_cnt)
            tell_end(&e->shard[shard], path, note);
    }
}

void edge_flows_init(struct edge_shard *s)
{
    edge_kept_init(&s->flows, EDGE_FLOWS_KEPT_MAX, EDGE_FLOWS_KEPT_BYTES_MAX);
}

void edge_flows_tell_again(struct edge_shard *s)
{
    for (const struct edge_kept_one *o = edge_kept_next(&s->flows, NULL); o != NULL; o = edge_kept_next(&s->flows, o)) {
        if (edge_tell_flow_gone(s, &o->path, edge_kept_bytes(o), true) == -BUS_EFULL) {
            edge_shard_retry(s);
            return;
        }
    }
}
