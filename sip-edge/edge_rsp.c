/*
 * Responses, RFC 3261 §18.1.2 and §17.1.3. One whose top Via is not ours, or that no client transaction waits for, is
 * dropped; but a 2xx to an INVITE goes to its actor all the same, which must acknowledge it (§13.2.2.4).
 */
#include "common/sip/sip_txn_key.h"
#include "sip-edge/edge_hop.h"
#include "sip-edge/edge_plane.h"
#include "sip-edge/edge_rx.h"
#include "sip-edge/edge_shard.h"
#include "sip-edge/edge_stat.h"
#include "sip-edge/edge_txn.h"

/* §8.1.3.3: a response to a request of ours has our Via and no other. */
static bool is_alone(const struct sip_msg *m)
{
    struct sip_values it;
    struct span value;
    sip_values_init(&it, m, SIP_H_VIA);
    return sip_values_next(&it, &value) && !sip_values_next(&it, &value);
}

static void on_stray(struct edge *e, const struct edge_path *from)
{
    const struct sip_msg *m = &e->msg;
    struct edge_shard *s = edge_shard_by_branch(e, m->via.branch);
    bool answers_invite = m->method == SIP_M_INVITE && m->status >= 200 && m->status < 300;
    if (!edge_guard_stray(e, from))
        return;
    if (s == NULL || !answers_invite || edge_tell_response(s, edge_hop_txn_of(m->via.branch), m, from) != 0)
        edge_stat_drop(EDGE_DROP_STRAY_RESPONSE);
}

/* He is in a call of ours, and will name our tag in his requests. */
static void meet_callee(struct edge *e, const struct edge_path *from)
{
    edge_guard_vouch(e, from);
    edge_guard_learn(e, e->msg.from_tag);
}

void edge_on_response(struct edge *e, const struct edge_path *from)
{
    const struct sip_msg *m = &e->msg;
    edge_stat_response(m->status);
    buf_reset(&e->key);
    if (!edge_own_has(e, &m->via, from) || !is_alone(m) || sip_txn_key_client(&e->key, m) != 0) {
        edge_stat_drop(EDGE_DROP_NOT_OURS);
        return;
    }
    struct edge_txn *x = edge_txn_client(e, buf_span(&e->key));
    if (x == NULL) {
        on_stray(e, from);
        return;
    }
    if (txn_is_answered(&x->t))
        edge_stat_repeat_in(false);
    else if (m->method == SIP_M_INVITE && m->status >= 200 && m->status < 300)
        meet_callee(e, from);
    (void)edge_txn_do(x, TXN_RX_RESPONSE,
                      &(struct edge_word){.bytes = m->raw, .msg = m, .from = from, .status = m->status});
}
