#include "sip-edge/edge_back.h"
#include "common/base/log.h"
#include "common/sip/sip_uri.h"
#include "sip-edge/edge_guard.h"
#include "sip-edge/edge_shard.h"
#include <stdlib.h>

/* A response that waits; by key, because its transaction may be gone by then. */
struct back {
    struct list link; /* in edge.backs */
    struct edge *edge;
    struct timer due;
    struct locate loc;
    size_t key_len;
    char key[];
};

void edge_backs_init(struct edge *e)
{
    list_init(&e->backs);
    e->back_cnt = 0;
}

static void back_free(struct back *b)
{
    struct edge *e = b->edge;
    list_remove(&b->link);
    timer_cancel(e->timers, &b->due);
    e->back_cnt--;
    free(b);
}

void edge_backs_fini(struct edge *e)
{
    for (struct list *n; (n = list_take_first(&e->backs)) != NULL;)
        back_free(LIST_ENTRY(n, struct back, link));
}

/* --- the other way --- */

/* "branch;host:port;METHOD" (sip_txn_key), where a port not given stands as the default one. false: a key of another
 * kind */
static bool sent_by(const struct edge_txn *x, struct sip_via *out)
{
    struct span key = span_of(x->key, x->key_len);
    struct span rest = span_from(key, span_find(key, ';') + 1);
    struct span text = span_of(rest.p, span_find(rest, ';'));
    struct sip_via usual = {.transport = (enum sip_transport)x->path.transport};
    *out = usual;
    if (!span_starts(key, SPAN("z9hG4bK")) || sip_hostport_decode(text, &out->host, &out->port) != 0)
        return false;
    if (out->port == sip_via_port(&usual))
        out->port = 0;
    return true;
}

static bool is_where_it_failed(const struct edge_txn *x, const struct locate_candidate *c)
{
    return c->port == x->reply_port && IN6_ARE_ADDR_EQUAL(&c->ip, &x->path.peer);
}

/* The first address that is not the one that failed. false: there is none */
static bool turn_to(struct edge_txn *x, const struct locate *loc)
{
    for (unsigned i = 0; i < loc->candidate_cnt; i++) {
        const struct locate_candidate *c = &loc->candidate[i];
        char addr[EDGE_ADDR_TEXT_SIZE];
        if (is_where_it_failed(x, c))
            continue;
        log_ev(LOG_INFO, "replies go to the sent-by", log_s("txn", edge_txn_id(x)),
               log_z("to", edge_addr_text(&c->ip, addr)), log_n("port", c->port));
        x->path.peer = c->ip;
        x->path.local = (struct in6_addr)IN6ADDR_ANY_INIT;
        x->path.flow = 0;
        x->path.port = x->reply_port = c->port;
        edge_txn_reply_again(x);
        return true;
    }
    return false;
}

/* --- the search --- */

static const struct dns_answer *ask(struct edge *e, const struct dns_question *q)
{
    return e->out.ask != NULL ? e->out.ask(e->out.user, q) : &dns_answer_failed;
}

/* false: it waits for an answer. */
static bool search(struct edge *e, struct locate *loc)
{
    while (locate_asks(loc)) {
        const struct dns_answer *a = ask(e, &loc->question);
        if (a == NULL)
            return false;
        locate_answer(loc, a);
    }
    return true;
}

/* Its sender may have come back meanwhile (edge_txn_follow): it has not turned any more. */
static void settle(struct back *b)
{
    struct edge_txn *x = edge_txn_server(b->edge, span_of(b->key, b->key_len));
    if (x != NULL && x->turned && !turn_to(x, &b->loc))
        (void)edge_txn_do(x, TXN_SEND_FAILED, NULL);
    back_free(b);
}

static void on_due(struct timer *t, int64_t now_ms)
{
    struct back *b = t->owner;
    b->edge->now.mono_ms = now_ms;
    locate_give_up(&b->loc);
    settle(b);
}

static bool wait(const struct edge_txn *x, const struct locate *loc)
{
    struct edge *e = x->shard->edge;
    struct back *b = e->back_cnt < EDGE_BACKS_MAX ? malloc(sizeof(*b) + x->key_len) : NULL;
    if (b == NULL)
        return false;
    b->edge = e;
    b->loc = *loc;
    b->key_len = x->key_len;
    memcpy(b->key, x->key, x->key_len);
    list_init(&b->link);
    list_append(&e->backs, &b->link);
    e->back_cnt++;
    timer_init(&b->due, on_due, b);
    if (timer_set(e->timers, &b->due, e->now.mono_ms + EDGE_BACK_WAIT_MS) == 0)
        return true;
    back_free(b);
    return false;
}

bool edge_back_try(struct edge_txn *x)
{
    struct edge *e = x->shard->edge;
    struct sip_via via;
    bool may = x->path.transport != SIP_TP_UDP && !x->turned && edge_guard_trusts(e, &x->path);
    if (!may || !sent_by(x, &via) || sip_host_is_ip4(via.host) || sip_host_is_ip6(via.host))
        return false;
    x->turned = true;
    locate_via(&e->loc, &via, &e->means, map_hash(via.host));
    return search(e, &e->loc) ? turn_to(x, &e->loc) : wait(x, &e->loc);
}

/* One that waits on goes to the end of the list again, so each is looked at once. */
void edge_back_on_dns(struct edge *e, const struct dns_question *q, const struct dns_answer *a)
{
    struct list todo;
    list_init(&todo);
    while (!list_empty(&e->backs))
        list_append(&todo, list_first(&e->backs));
    for (struct list *n; (n = list_take_first(&todo)) != NULL;) {
        struct back *b = LIST_ENTRY(n, struct back, link);
        list_append(&e->backs, &b->link);
        if (!dns_question_eq(&b->loc.question, q))
            continue;
        locate_answer(&b->loc, a);
        if (search(e, &b->loc))
            settle(b);
    }
}
