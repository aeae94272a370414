/* The guard on the way in: trust, limits, blocks. New calls and what is shown: edge_guard_calls.c. */
#include "sip-edge/edge_guard.h"
#include "common/base/err.h"
#include "common/base/log.h"
#include "common/sip/sip_status.h"
#include "common/sip/sip_txn_key.h"
#include "sip-edge/edge_hairpin.h"
#include "sip-edge/edge_reply.h"
#include "sip-edge/edge_shard.h"
#include "sip-edge/edge_stat.h"
#include "sip-edge/edge_txn.h"
#include "sip-edge/scanner.h"

bool edge_guard_trusts(const struct edge *e, const struct edge_path *from)
{
    return trust_has(&e->guard.trust, &from->peer);
}

struct policy edge_guard_policy(const struct edge *e, const struct sip_msg *m, const struct edge_path *from)
{
    enum policy_who who = m->to_tag.len > 0            ? POLICY_IN_DIALOG
                          : edge_guard_trusts(e, from) ? POLICY_TRUSTED
                                                       : POLICY_STRANGER;
    return policy_of(m->method, who);
}

static struct source *source_of(struct edge *e, const struct edge_path *from)
{
    return source_touch(&e->guard.sources, source_id_of(&from->peer), e->now.mono_ms);
}

/* --- blocking --- */

static void tell_blocked(struct edge *e, const struct in6_addr *ip, enum blocked_why why, const char *detail)
{
    struct edge_guard *g = &e->guard;
    char addr[EDGE_ADDR_TEXT_SIZE];
    if (e->now.mono_ms < g->log_next_ms) {
        g->log_held++;
        return;
    }
    log_ev(LOG_WARN, "source blocked", log_z("source", edge_addr_text(ip, addr)), log_z("why", blocked_why_text(why)),
           log_z("what", detail), log_n("for_s", g->block_ms / 1000), log_n("not_logged", g->log_held));
    g->log_next_ms = e->now.mono_ms + GUARD_LOG_MS;
    g->log_held = 0;
}

/* Never who takes part in calls: the address of a datagram can be forged, and a forger must not cut anybody off. */
static void block(struct edge *e, const struct source *s, const struct in6_addr *ip, enum blocked_why why,
                  const char *detail)
{
    struct edge_guard *g = &e->guard;
    if (g->block_ms == 0 || source_is_vouched(s, e->now.mono_ms))
        return;
    blocked_add(&g->blocked, ip, why, g->block_ms, e->now);
    edge_stat_block(why);
    edge_stat_blocked(g->blocked.map.count);
    tell_blocked(e, ip, why, detail);
}

static bool is_blocked(struct edge *e, const struct source *s)
{
    struct blocked_source *b = blocked_find(&e->guard.blocked, s->id, e->now.mono_ms);
    if (b == NULL)
        return false;
    b->dropped++;
    edge_stat_drop(EDGE_DROP_BLOCKED);
    return true;
}

static void note_fault(struct edge *e, struct source *s, const struct in6_addr *ip)
{
    if (!source_take(&e->guard.sources, s, SOURCE_FAULT, 1) &&
        blocked_find(&e->guard.blocked, s->id, e->now.mono_ms) == NULL)
        block(e, s, ip, BLOCKED_FAULTS, "");
}

/* What a caller with a configuration gets rarely, and who tries names and numbers gets all the time. 401 and 407 are
 * not among them: each caller gets one first. */
static bool is_fault(unsigned status)
{
    static const uint16_t faults[] = {400, 403, 404, 405, 414, 416, 420, 481, 501, 505, 513};
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
        if (faults[i] == status)
            return true;
    return false;
}

/* --- on the way in --- */

/* A repeat, the ACK of a refusal, a CANCEL: about a transaction that is there. */
static bool is_of_transaction(struct edge *e)
{
    if (edge_txn_server(e, buf_span(&e->key)) != NULL)
        return true;
    if (e->msg.method != SIP_M_CANCEL)
        return false;
    buf_reset(&e->other_key);
    if (sip_txn_key_cancelled(&e->other_key, &e->msg) != 0)
        return false;
    edge_key_fit(&e->other_key);
    return edge_txn_server(e, buf_span(&e->other_key)) != NULL;
}

static bool claim_passes(struct edge *e, struct source *s, int64_t cost)
{
    if (source_take(&e->guard.sources, s, SOURCE_CLAIM, cost))
        return true;
    edge_stat_drop(EDGE_DROP_CLAIM);
    return false;
}

/* A tag that is not known may be made up, or be one of a dialog that is older than this process: the actor says. */
static bool in_dialog_passes(struct edge *e, struct source *s)
{
    if (tagset_take(&e->guard.tags, e->msg.to_tag, e->now.mono_ms))
        return true;
    return !is_blocked(e, s) && claim_passes(e, s, e->msg.method == SIP_M_INVITE ? GUARD_REINVITE_COST : 1);
}

static void refuse_over_limit(struct edge *e, struct source *s, const struct edge_path *from)
{
    if (e->msg.method == SIP_M_ACK || !source_take(&e->guard.sources, s, SOURCE_REFUSAL, 1)) {
        edge_stat_drop(EDGE_DROP_RATE);
        return;
    }
    struct edge_reply r = {.req = &e->msg, .from = from, .status = 503, .reason = SPAN("Too Many Requests From You")};
    edge_reply_stateless(e, &r);
}

static bool new_passes(struct edge *e, struct source *s, const struct edge_path *from)
{
    if (is_blocked(e, s))
        return false;
    const char *scanner = scanner_of(sip_msg_value(&e->msg, SIP_H_USER_AGENT));
    if (scanner != NULL) {
        edge_stat_drop(EDGE_DROP_SCANNER);
        block(e, s, &from->peer, BLOCKED_SCANNER, scanner);
        return false;
    }
    if (source_take(&e->guard.sources, s, SOURCE_NEW, 1))
        return true;
    refuse_over_limit(e, s, from);
    return false;
}

bool edge_guard_request(struct edge *e, const struct edge_path *from)
{
    if (edge_guard_trusts(e, from) || edge_hairpin_is(e, &e->msg))
        return true;
    struct source *s = source_of(e, from);
    if (s == NULL) {
        edge_stat_drop(EDGE_DROP_FULL);
        return false;
    }
    source_give(&e->guard.sources, s, SOURCE_BYTES, (int64_t)e->msg.raw.len);
    if (is_of_transaction(e))
        return claim_passes(e, s, 1);
    if (edge_shard_by_tag(e, e->msg.to_tag) != NULL)
        return in_dialog_passes(e, s);
    return new_passes(e, s, from);
}

bool edge_guard_fault(struct edge *e, const struct edge_path *from, size_t bytes)
{
    if (edge_guard_trusts(e, from))
        return true;
    struct source *s = source_of(e, from);
    if (s == NULL || is_blocked(e, s))
        return false;
    source_give(&e->guard.sources, s, SOURCE_BYTES, (int64_t)bytes);
    if (source_take(&e->guard.sources, s, SOURCE_NEW, 1)) {
        if (!sip_msg_answerable(&e->msg)) /* what is answered is counted with its answer */
            note_fault(e, s, &from->peer);
        return true;
    }
    edge_stat_drop(EDGE_DROP_RATE);
    note_fault(e, s, &from->peer);
    return false;
}

bool edge_guard_stray(struct edge *e, const struct edge_path *from)
{
    if (edge_guard_trusts(e, from))
        return true;
    struct source *s = source_of(e, from);
    return s != NULL && claim_passes(e, s, 1);
}

/* --- on the way out --- */

static bool bytes_pass(struct edge *e, struct source *s, size_t bytes)
{
    if (source_take(&e->guard.sources, s, SOURCE_BYTES, (int64_t)bytes))
        return true;
    edge_stat_drop(EDGE_DROP_REPLY);
    return false;
}

/* Only UDP's addresses can be forged. */
bool edge_guard_charges(const struct edge *e, const struct edge_path *from, struct span to_tag)
{
    return from->transport == SIP_TP_UDP && !edge_guard_trusts(e, from) && !tagset_has(&e->guard.tags, to_tag);
}

bool edge_guard_charge(struct edge *e, const struct edge_path *to, size_t bytes)
{
    struct source *s = source_of(e, to);
    if (s == NULL || blocked_find(&e->guard.blocked, s->id, e->now.mono_ms) != NULL) {
        edge_stat_drop(EDGE_DROP_REPLY);
        return false;
    }
    return bytes_pass(e, s, bytes);
}

void edge_guard_note(struct edge *e, const struct edge_path *to, unsigned status)
{
    struct source *s = is_fault(status) && !edge_guard_trusts(e, to) ? source_of(e, to) : NULL;
    if (s != NULL)
        note_fault(e, s, &to->peer);
}

bool edge_guard_reply(struct edge *e, const struct edge_path *to, unsigned status, size_t bytes)
{
    if (edge_guard_trusts(e, to))
        return true;
    struct source *s = source_of(e, to);
    if (s == NULL)
        return false;
    if (is_fault(status))
        note_fault(e, s, &to->peer);
    return to->transport != SIP_TP_UDP || bytes_pass(e, s, bytes);
}

void edge_guard_say_refused(struct edge *e, const struct edge_path *from, const struct sip_msg *m, unsigned status,
                            struct span reason)
{
    bool trusted = edge_guard_trusts(e, from);
    struct log_gate *gate = trusted ? &e->guard.refused_trusted : &e->guard.refused_strangers;
    unsigned per_s = trusted ? GUARD_REFUSED_TRUSTED_PER_S : GUARD_REFUSED_STRANGERS_PER_S;
    char addr[EDGE_ADDR_TEXT_SIZE];
    uint32_t held;
    edge_stat_invite_refused(status);
    if (!log_gate_pass(gate, per_s, e->now.mono_ms, &held))
        return;
    log_ev(LOG_INFO, "call refused", log_s("call_id", m->call_id), log_n("sip_code", status),
           log_s("reason", reason.len > 0 ? reason : span_cstr(sip_status_reason(status))),
           log_z("source", edge_addr_text(&from->peer, addr)), log_n("port", from->port), log_n("not_logged", held));
}

void edge_guard_vouch(struct edge *e, const struct edge_path *peer)
{
    struct source *s = edge_guard_trusts(e, peer) ? NULL : source_of(e, peer);
    if (s != NULL)
        source_vouch(&e->guard.sources, s, e->now.mono_ms);
}
