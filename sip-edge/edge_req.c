/*
 * Requests, RFC 3261 §8.2 and §17.2. A request of a known transaction goes to it. A new one is answered here, with no
 * state left behind, when the answer needs no call; else it opens a transaction and goes to its call-actor.
 */
#include "common/rt/killpoint.h"
#include "common/sip/sip_addr.h"
#include "common/sip/sip_caps.h"
#include "common/sip/sip_replaces.h"
#include "common/sip/sip_txn_key.h"
#include "sip-edge/edge_acks.h"
#include "sip-edge/edge_hairpin.h"
#include "sip-edge/edge_reply.h"
#include "sip-edge/edge_rx.h"
#include "sip-edge/edge_shard.h"
#include "sip-edge/edge_stat.h"
#include "sip-edge/edge_txn.h"
#include "sip-edge/policy.h"

/* A new request on its way through the checks. */
struct fresh {
    struct edge *e;
    const struct sip_msg *m;
    const struct edge_path *from;
    struct edge_shard *shard;
    bool in_dialog; /* it has a To tag */
    bool charged;   /* see edge_guard_charges */
    bool own;       /* see edge_hairpin_is */
};

/* reason: of the status line; why: for the log, where the reason phrase says too little. Either may be empty. */
static void refuse_because(const struct fresh *f, unsigned status, struct span reason, const char *why)
{
    struct edge_reply r = {.req = f->m, .from = f->from, .status = status, .reason = reason, .why = span_cstr(why)};
    if (f->shard != NULL)
        r.retry_after_s = f->shard->retry_after_s;
    edge_reply_stateless(f->e, &r);
}

static void refuse(const struct fresh *f, unsigned status, struct span reason)
{
    refuse_because(f, status, reason, "");
}

/* --- known transactions --- */

static void on_ack(struct edge *e, const struct edge_path *from)
{
    const struct sip_msg *m = &e->msg;
    struct edge_txn *x = edge_txn_server(e, buf_span(&e->key));
    if (x != NULL && x->t.kind == TXN_IST) {
        edge_stat_repeat_in(true);
        (void)edge_txn_do(x, TXN_RX_ACK, &(struct edge_word){.bytes = m->raw, .msg = m, .from = from});
        return;
    }
    /* For a 2xx: a request of its own that nobody answers. Without a tag of ours it acknowledges a refusal of the
     * edge's. */
    struct edge_shard *s = edge_shard_by_tag(e, m->to_tag);
    KILL_POINT("edge.ack.taken");
    if (s == NULL)
        edge_stat_drop(EDGE_DROP_STRAY_ACK);
    else
        edge_acks_tell(s, from);
}

/* Its connection is gone, and its sender says it again over another one (RFC 3261 §17.2.3: the connection is no part of
 * a transaction): the answer goes there, and what its actor has to say in the dialog. */
static bool has_come_back(const struct edge *e, const struct edge_txn *x, const struct edge_path *from)
{
    const struct edge_path *was = &x->path;
    return from->transport != SIP_TP_UDP && from->transport == was->transport && from->flow != was->flow &&
           IN6_ARE_ADDR_EQUAL(&from->peer, &was->peer) && e->out.is_open != NULL && !e->out.is_open(e->out.user, was);
}

/* One that has come back stays what it is: a new one might be turned away, and its call would go on. */
static bool is_repeat(struct edge *e, const struct edge_path *from)
{
    struct edge_txn *x = edge_txn_server(e, buf_span(&e->key));
    if (x == NULL)
        return false;
    edge_stat_repeat_in(true);
    if (has_come_back(e, x, from))
        edge_txn_follow(x, &(struct edge_word){.msg = &e->msg, .from = from}, edge_reply_port(&e->msg, from));
    (void)edge_txn_do(x, TXN_RX_REQUEST, NULL);
    return true;
}

/* --- new ones: each check answers and returns false, or lets the request pass --- */

static bool method_passes(const struct fresh *f)
{
    switch (f->m->method) {
    case SIP_M_INVITE:
    case SIP_M_BYE:
    case SIP_M_CANCEL:
    case SIP_M_OPTIONS:
    case SIP_M_REGISTER:
    case SIP_M_UPDATE:
    case SIP_M_PRACK:
    case SIP_M_INFO:
    case SIP_M_REFER:
        return true;
    case SIP_M_MESSAGE:   /* to somebody who is in a call with us */
    case SIP_M_SUBSCRIBE: /* to what becomes of a REFER in it */
    case SIP_M_NOTIFY:    /* of what becomes of a REFER of ours */
        if (f->in_dialog)
            return true;
        refuse(f, 405, SPAN(""));
        return false;
    case SIP_M_OTHER:
        refuse(f, 501, SPAN("")); /* §21.5.2: no method we ever heard of */
        return false;
    default:
        refuse(f, 405, SPAN("")); /* §8.2.1 */
        return false;
    }
}

/* Who must show who he is is asked by the actor: edge_tell_request says to it that he must. */
static bool policy_passes(const struct fresh *f)
{
    struct policy p = edge_guard_policy(f->e, f->m, f->from);
    if (f->own)
        return true;
    if (edge_hairpin_is_lost(f->e, f->m, f->from))
        p.act = POLICY_DROP;
    switch ((enum policy_act)p.act) {
    case POLICY_PASS:
    case POLICY_CHALLENGE:
        return true;
    case POLICY_REFUSE:
        refuse(f, p.status, SPAN(""));
        break;
    case POLICY_DROP:
        edge_stat_drop(EDGE_DROP_POLICY);
        break;
    }
    return false;
}

static bool is_sips(struct span uri)
{
    return span_casestarts(uri, SPAN("sips:"));
}

/* The first URI of a header that has any. */
static struct span first_uri(const struct sip_msg *m, enum sip_hdr_id id)
{
    struct sip_values it;
    struct sip_addr addr;
    struct span value;
    sip_values_init(&it, m, id);
    return sip_values_next(&it, &value) && sip_addr_decode(&addr, value) == 0 ? addr.uri : SPAN("");
}

/* §12.1.1: our Contact would have to be a sips URI, by which nobody could reach us. */
static bool wants_sips(const struct fresh *f)
{
    const struct sip_msg *m = f->m;
    if (f->in_dialog || is_sips(m->uri) || m->method != SIP_M_INVITE)
        return !f->in_dialog && is_sips(m->uri);
    return is_sips(first_uri(m, sip_msg_has(m, SIP_H_RECORD_ROUTE) ? SIP_H_RECORD_ROUTE : SIP_H_CONTACT));
}

static bool scheme_passes(const struct fresh *f)
{
    struct span u = f->m->uri;
    bool known = span_casestarts(u, SPAN("sip:")) || is_sips(u) || span_casestarts(u, SPAN("tel:"));
    if (known && (f->e->own.sips_port != 0 || !wants_sips(f)))
        return true;
    refuse(f, 416, SPAN("")); /* §8.2.2.1 */
    return false;
}

/* CANCEL is exempt: §8.2.2.3. */
static bool require_passes(const struct fresh *f)
{
    if (f->m->method == SIP_M_CANCEL || sip_caps_meets_require(f->m))
        return true;
    refuse(f, 420, SPAN(""));
    return false;
}

/* RFC 3891 §3 */
static bool replaces_passes(const struct fresh *f)
{
    struct sip_replaces r;
    if (sip_replaces_of(&r, f->m) >= 0)
        return true;
    refuse(f, 400, SPAN("Malformed Or Misplaced Replaces"));
    return false;
}

/* A request in a dialog has reached its end here, however many hops it may still make. */
static bool hops_pass(const struct fresh *f)
{
    if (f->in_dialog || f->m->max_forwards != 0 || f->m->method != SIP_M_INVITE)
        return true;
    refuse(f, 483, SPAN(""));
    return false;
}

static struct txn_merge_id merge_id(const struct sip_msg *m)
{
    return (struct txn_merge_id){
        .call_id = m->call_id, .from_tag = m->from_tag, .method = m->method_text, .cseq = m->cseq.num};
}

/* §8.2.2.2: the same request on two ways; the first one to come is served. */
static bool merge_passes(const struct fresh *f)
{
    struct txn_merge_id id = merge_id(f->m);
    if (f->in_dialog || f->m->method == SIP_M_CANCEL || txn_index_merged(&f->e->index, &id) == NULL)
        return true;
    refuse(f, 482, SPAN(""));
    return false;
}

static bool dialog_passes(struct fresh *f)
{
    if (f->in_dialog && (f->shard = edge_shard_by_tag(f->e, f->m->to_tag)) != NULL)
        return true;
    if (!f->in_dialog && f->m->method != SIP_M_BYE) {
        f->shard = edge_shard_of_new(f->e, f->m);
        return true;
    }
    refuse(f, 481, SPAN("")); /* §12.2.2, §15.1.2: no dialog of ours */
    return false;
}

/* After a restart somebody may still repeat what only the actor knows: for as long as this timer of his runs. */
static bool may_have_forgotten(const struct edge *e, enum txn_tmr tmr, enum txn_kind kind)
{
    return e->now.mono_ms - e->started.mono_ms < txn_timer_ms(&e->times, tmr, kind, false);
}

/* Calls may not come, but this one may be there: its actor, which said so, can tell, and turns a new one away itself.
 */
static bool may_be_known(const struct fresh *f)
{
    return may_have_forgotten(f->e, TXN_TMR_B, TXN_ICT) && f->shard->told && !edge_shard_is_lost(f->shard);
}

static bool new_call_passes(const struct fresh *f, const char **why)
{
    return (edge_shard_admits(f->shard, why) || may_be_known(f)) && edge_guard_admits(f->e);
}

/* Calls in progress are served while anybody can serve them; only new ones, and a re-INVITE nobody will see, are turned
 * away. BYE waits for the actor: see edge_shard.c. */
static bool admission_passes(const struct fresh *f)
{
    const char *why = f->in_dialog ? "its call-actor is down" : "too many set-ups in flight";
    if (f->m->method == SIP_M_REGISTER && edge_shard_is_lost(f->shard)) {
        refuse(f, 503, SPAN(""));
        return false;
    }
    if (f->m->method != SIP_M_INVITE)
        return true;
    if (f->in_dialog ? !edge_shard_is_lost(f->shard) : new_call_passes(f, &why))
        return true;
    refuse_because(f, 503, SPAN(""), why);
    return false;
}

/* Whether there are credentials is seen here; whether they are right its actor knows. */
static bool challenge_passes(const struct fresh *f)
{
    if (f->in_dialog || !edge_challenge_is_for(&f->shard->challenge, f->m))
        return true;
    struct edge_reply r = {.req = f->m, .from = f->from, .status = 401, .challenge = &f->shard->challenge};
    edge_reply_stateless(f->e, &r);
    return false;
}

/* --- what each method then does --- */

/* §11.2: as an INVITE would be answered. */
static void answer_options(const struct fresh *f)
{
    const char *why;
    struct span sdp;
    int fault = sip_caps_check_body(f->m, &sdp);
    if (fault != 0) {
        refuse(f, sip_err_status(fault), span_cstr(sip_caps_fault_text(fault)));
        return;
    }
    refuse(f, edge_is_ready(f->e, &why) ? 200 : 503, SPAN(""));
}

static void open_transaction(const struct fresh *f)
{
    struct edge *e = f->e;
    bool invite = f->m->method == SIP_M_INVITE;
    struct edge_path path = *f->from;
    if (path.transport == SIP_TP_TLS) /* whom another connection would have to reach */
        path.name = edge_host_bare(f->m->via.host);
    struct edge_txn_args a = {.kind = invite ? TXN_IST : TXN_NIST,
                              .method = f->m->method,
                              .key = buf_span(&e->key),
                              .id_len = e->key.len,
                              .request = f->m->raw,
                              .path = &path,
                              .shard = f->shard,
                              .reply_port = edge_reply_port(f->m, f->from),
                              .in_dialog = f->in_dialog,
                              .charged = f->charged};
    struct edge_txn *x = edge_txn_new(e, &a);
    bool new_call = invite && !f->in_dialog;
    if (x == NULL) {
        if (new_call)
            edge_guard_not_opened(e);
        refuse(f, 503, SPAN(""));
        return;
    }
    if (new_call)
        edge_guard_opened(x);
    if (!f->in_dialog && f->m->method != SIP_M_CANCEL) {
        struct txn_merge_id id = merge_id(f->m);
        txn_index_add_merged(&e->index, &x->entry, &id);
    }
    struct edge_word w = {.bytes = f->m->raw, .msg = f->m, .from = f->from};
    (void)edge_txn_do(x, TXN_RX_REQUEST, &w);
    KILL_POINT("edge.request.opened");
}

/* §9.2. The edge says 481 only when it must know the INVITE; after a restart it may not, and the actor decides. */
static void on_cancel(struct fresh *f)
{
    struct edge *e = f->e;
    KILL_POINT("edge.cancel.taken");
    buf_reset(&e->other_key);
    if (sip_txn_key_cancelled(&e->other_key, f->m) != 0)
        return;
    edge_key_fit(&e->other_key);
    const struct edge_txn *invite = edge_txn_server(e, buf_span(&e->other_key));
    if (invite == NULL && !may_have_forgotten(e, TXN_TMR_U, TXN_IST)) {
        refuse(f, 481, SPAN(""));
        return;
    }
    if (invite != NULL) {
        f->shard = invite->shard;
        f->charged = invite->charged;
    }
    if (edge_shard_is_lost(f->shard)) { /* the INVITE has its 503 or will have: nothing is left to cancel */
        refuse(f, invite != NULL ? 200 : 481, SPAN(""));
        return;
    }
    open_transaction(f);
}

static void on_new_request(struct edge *e, const struct edge_path *from)
{
    struct fresh f = {.e = e, .m = &e->msg, .from = from, .in_dialog = e->msg.to_tag.len > 0};
    f.own = edge_hairpin_is(e, &e->msg);
    f.charged = !f.own && edge_guard_charges(e, from, e->msg.to_tag);
    if (!method_passes(&f) || !policy_passes(&f) || !scheme_passes(&f) || /* §8.2.1, §8.2.2 */
        !merge_passes(&f) || !require_passes(&f) || !replaces_passes(&f))
        return;
    if (f.m->method == SIP_M_OPTIONS && !f.in_dialog) {
        answer_options(&f);
        return;
    }
    if (!hops_pass(&f) || !dialog_passes(&f) || !admission_passes(&f) || !challenge_passes(&f))
        return;
    if (f.m->method == SIP_M_CANCEL)
        on_cancel(&f);
    else
        open_transaction(&f);
}

void edge_on_request(struct edge *e, const struct edge_path *from)
{
    edge_stat_request(e->msg.method);
    buf_reset(&e->key);
    if (sip_txn_key(&e->key, &e->msg) != 0) {
        edge_stat_drop(EDGE_DROP_MALFORMED);
        return;
    }
    edge_key_fit(&e->key);
    if (!edge_guard_request(e, from))
        return;
    if (e->msg.method == SIP_M_ACK)
        on_ack(e, from);
    else if (!is_repeat(e, from))
        on_new_request(e, from);
}
