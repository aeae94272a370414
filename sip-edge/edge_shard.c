/*
 * The call-actors as the edge sees them. A short absence (a restart) is bridged: server transactions wait in
 * shard->open and are asked again when the actor is back. After EDGE_GRACE_MS new calls, open INVITEs and REGISTERs get
 * 503; whatever else is open waits until its own timer ends it, because a BYE that is refused would leave the call and
 * its port behind.
 */
#include "sip-edge/edge_shard.h"
#include "common/base/id.h"
#include "common/base/log.h"
#include "common/base/map.h"
#include "common/rt/killpoint.h"
#include "common/sip/sip_addr.h"
#include "common/sip/sip_refer.h"
#include "common/sip/sip_replaces.h"
#include "common/sip/sip_uri.h"
#include "sip-edge/edge_acks.h"
#include "sip-edge/edge_rx.h"
#include "sip-edge/edge_txn.h"

/* Not secret and never changed: a restarted edge must send the repeat of an INVITE to the same actor. */
static const uint64_t call_id_key[2] = {UINT64_C(0x7369702d65646765), UINT64_C(0x63616c6c2d736861)};

#define COOKIE SPAN("z9hG4bK")

static struct edge_shard *shard_no(struct edge *e, int no)
{
    return no >= 0 && (unsigned)no < e->shard_cnt ? &e->shard[no] : NULL;
}

struct edge_shard *edge_shard_by_tag(struct edge *e, struct span tag)
{
    return shard_no(e, id_shard(tag));
}

/* The user in To, unescaped, into e->line. Without one the actor that is asked refuses it. */
static bool has_user(struct edge *e, const struct sip_msg *m)
{
    struct sip_addr to;
    struct sip_uri uri;
    buf_reset(&e->line);
    return sip_addr_decode(&to, sip_msg_value(m, SIP_H_TO)) == 0 && sip_uri_decode(&uri, to.uri) == 0 &&
           sip_uri_user(&e->line, &uri) == 0 && e->line.len > 0;
}

/* RFC 4538: one of the tags is ours. */
static struct edge_shard *shard_of_target_dialog(struct edge *e, const struct sip_msg *m)
{
    struct sip_target_dialog d;
    if (sip_target_dialog_decode(&d, sip_msg_value(m, SIP_H_TARGET_DIALOG)) != 0)
        return NULL;
    struct edge_shard *s = edge_shard_by_tag(e, d.remote_tag);
    return s != NULL ? s : edge_shard_by_tag(e, d.local_tag);
}

/* RFC 3891: whose dialog it names does what it asks for. */
static struct edge_shard *shard_of_replaced(struct edge *e, const struct sip_msg *m)
{
    struct sip_replaces r;
    return sip_replaces_of(&r, m) > 0 ? edge_shard_by_tag(e, r.to_tag) : NULL;
}

struct edge_shard *edge_shard_of_new(struct edge *e, const struct sip_msg *m)
{
    struct edge_shard *s = m->method == SIP_M_REFER ? shard_of_target_dialog(e, m) : shard_of_replaced(e, m);
    if (s != NULL)
        return s;
    if (m->method == SIP_M_REGISTER && e->shard_cnt > 1 && has_user(e, m))
        return &e->shard[id_shard_of_user(buf_span(&e->line), e->shard_cnt)];
    return &e->shard[map_siphash(call_id_key, m->call_id) % e->shard_cnt];
}

struct edge_shard *edge_shard_by_branch(struct edge *e, struct span branch)
{
    return span_starts(branch, COOKIE) ? shard_no(e, id_shard(span_from(branch, COOKIE.len))) : NULL;
}

bool edge_shard_is_lost(const struct edge_shard *s)
{
    return !s->up && (!s->ever_up || s->lost);
}

bool edge_shard_admits(const struct edge_shard *s, const char **why)
{
    if (s->edge->draining)
        *why = "draining";
    else if (!s->ever_up)
        *why = "call-actor has not started";
    else if (edge_shard_is_lost(s))
        *why = "call-actor is away";
    else if (!s->admits)
        *why = s->why;
    else
        return true;
    return false;
}

void edge_shard_on_admit(struct edge_shard *s, const Plane__Admit *m)
{
    bool admits = m->calls && !m->draining;
    if (admits != s->admits)
        log_ev(LOG_INFO, admits ? "calls admitted" : "calls refused", log_n("actor", s->no), log_z("why", m->why));
    s->told = true;
    s->admits = admits;
    s->retry_after_s = m->retry_after_s;
    struct span why = span_cstr(m->why[0] != '\0' ? m->why : m->draining ? "draining" : "call-actor is not ready");
    if (why.len >= sizeof(s->why))
        why.len = sizeof(s->why) - 1;
    (void)span_copy(s->why, sizeof(s->why), why);
}

/* --- while it is away, and when it is back --- */

/* Visits every transaction of a list once, though the visit may take it (or put it at the end again). */
static void drain_list(struct list *from, struct list *todo)
{
    list_init(todo);
    while (!list_empty(from))
        list_append(todo, list_first(from));
}

/* Who hears 503 tries again when he was told to; a phone that hears nothing may take minutes. */
static bool may_be_refused(const struct edge_txn *x)
{
    return x->t.kind == TXN_IST || x->method == SIP_M_REGISTER;
}

static void refuse_open(struct edge_shard *s)
{
    struct list todo;
    drain_list(&s->open, &todo);
    while (!list_empty(&todo)) {
        struct edge_txn *x = LIST_ENTRY(list_first(&todo), struct edge_txn, link);
        list_append(&s->open, &x->link);
        if (may_be_refused(x))
            (void)edge_txn_refuse(x, 503);
    }
}

static void ask_all(struct edge_shard *s)
{
    struct list todo;
    drain_list(&s->open, &todo);
    bool takes = true;
    while (!list_empty(&todo)) {
        struct edge_txn *x = LIST_ENTRY(list_first(&todo), struct edge_txn, link);
        list_append(&s->open, &x->link);
        if (takes && !x->asked)
            takes = edge_txn_ask_again(x);
    }
    if (!takes)
        edge_shard_retry(s);
}

static void tell_all(struct edge_shard *s)
{
    struct list todo;
    drain_list(&s->untold, &todo);
    while (!list_empty(&todo)) {
        struct edge_txn *x = LIST_ENTRY(list_first(&todo), struct edge_txn, link);
        list_append(&s->untold, &x->link);
        edge_txn_tell_again(x);
    }
}

static void forget_asked(struct edge_shard *s)
{
    for (struct list *n = s->open.next; n != &s->open; n = n->next) {
        struct edge_txn *x = LIST_ENTRY(n, struct edge_txn, link);
        x->asked_before = x->asked_before || x->asked;
        x->asked = false;
    }
}

static void on_grace_over(struct timer *t, int64_t now_ms)
{
    struct edge_shard *s = t->owner;
    s->edge->now.mono_ms = now_ms;
    s->lost = true;
    log_ev(LOG_WARN, "call-actor stays away: calls are refused", log_n("actor", s->no));
    refuse_open(s);
    edge_acks_drop(s);
}

static void on_retry(struct timer *t, int64_t now_ms)
{
    struct edge_shard *s = t->owner;
    s->edge->now.mono_ms = now_ms;
    if (!s->up)
        return;
    tell_all(s);
    edge_acks_tell_again(s);
    edge_flows_tell_again(s);
    ask_all(s);
}

void edge_shard_retry(struct edge_shard *s)
{
    if (!timer_is_set(&s->retry))
        (void)timer_set(s->edge->timers, &s->retry, s->edge->now.mono_ms + EDGE_RETRY_MS);
}

void edge_actor_up(struct edge *e, unsigned shard, struct now now)
{
    struct edge_shard *s = &e->shard[shard];
    e->now = now;
    s->up = true;
    s->ever_up = true;
    s->lost = false;
    timer_cancel(e->timers, &s->grace);
    KILL_POINT("edge.actor.up");
    tell_all(s);
    forget_asked(s);
    edge_acks_tell_again(s);  /* an ACK came before the BYE that waits */
    edge_flows_tell_again(s); /* before a REGISTER that came over another one */
    ask_all(s);
    KILL_POINT("edge.actor.asked");
}

void edge_actor_down(struct edge *e, unsigned shard, struct now now)
{
    struct edge_shard *s = &e->shard[shard];
    e->now = now;
    s->up = false;
    s->lost = timer_set(e->timers, &s->grace, now.mono_ms + EDGE_GRACE_MS) != 0;
}

void edge_shards_init(struct edge *e)
{
    for (unsigned i = 0; i < e->shard_cnt; i++) {
        struct edge_shard *s = &e->shard[i];
        *s = (struct edge_shard){.edge = e, .no = i, .why = "call-actor has not said that it is ready"};
        list_init(&s->open);
        list_init(&s->untold);
        edge_acks_init(s);
        edge_flows_init(s);
        timer_init(&s->grace, on_grace_over, s);
        timer_init(&s->retry, on_retry, s);
    }
}

void edge_shards_fini(struct edge *e)
{
    for (unsigned i = 0; i < e->shard_cnt; i++) {
        timer_cancel(e->timers, &e->shard[i].grace);
        timer_cancel(e->timers, &e->shard[i].retry);
        edge_acks_drop(&e->shard[i]);
        edge_kept_drop(&e->shard[i].flows);
    }
}
