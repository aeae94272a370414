#include "call-actor/keepalive.h"

#include "call-actor/registrar.h"
#include "common/base/id.h"
#include "common/base/stat.h"
#include "common/sip/sip_uri.h"
#include "common/sip/sip_write.h"
#include <stdio.h>
#include <stdlib.h>

#define BRANCH_SIZE 64
#define BRANCH_RANDOM 16
#define BRANCH_MARK "-ka-" /* what a call's branch has there is hexadecimal */
#define DEADLINE_T1 80     /* the edge has given up at 64*T1 */

/* One OPTIONS that is out. */
struct probe {
    struct map_node by_branch;
    struct list age;
    int64_t due_ms;
    uint64_t request;
    char branch[BRANCH_SIZE];
    size_t user_len;
    size_t contact_len;
    char text[]; /* user, contact */
};

struct keepalive {
    struct actor *actor;
    enum reach_ping wanted;
    struct map open;
    struct list oldest_first; /* all have the same time */
    struct timer timer;
    int64_t deadline_ms;
    uint64_t heard_wall_ms; /* when any phone answered last */
    struct buf raw;
};

#define SENT "sip_signaling_keepalives_total"
static struct stat_series stat_crlf = {.name = SENT, .labels = "is=\"crlf\"", .help = "sent to registered phones"};
static struct stat_series stat_options = {.name = SENT, .labels = "is=\"options\""};
static struct stat_series stat_missed = {.name = "sip_signaling_keepalives_missed_total",
                                         .help = "OPTIONS to registered phones without an answer"};

/* --- sending --- */

static ProtobufCBinaryData bytes_of(struct span s)
{
    return (ProtobufCBinaryData){.len = s.len, .data = (uint8_t *)(uintptr_t)s.p};
}

static void send_crlf(struct keepalive *k, const char *user, const Store__Binding *b)
{
    Plane__Ping m = PLANE__PING__INIT;
    m.dest = b->source;
    m.flow_note = bytes_of(span_cstr(user));
    if (bus_send_later(k->actor->edge, PLANE_EDGE_PING, &m.base) == 0) /* else the next one has to do */
        stat_inc(&stat_crlf);
}

/* false: the Contact cannot stand in a request. */
static bool write_options(struct keepalive *k, const Store__Binding *b)
{
    const struct call_conf *c = &k->actor->conf;
    struct sip_uri uri;
    struct buf *out = &k->raw;
    char id[ID_MAX];
    if (sip_uri_decode(&uri, span_cstr(b->contact)) != 0)
        return false;
    buf_reset(out);
    buf_puts(out, "OPTIONS ");
    sip_uri_write_target(out, &uri);
    buf_puts(out, " SIP/2.0\r\n");
    sip_write_hdr_num(out, SIP_H_MAX_FORWARDS, 70);
    id_make(id, c->shard, 10);
    sip_write_hdr_begin(out, SIP_H_FROM);
    buf_printf(out, strchr(c->contact_addr, ':') != NULL ? "<sip:[%s]>;tag=%s" : "<sip:%s>;tag=%s", c->contact_addr,
               id);
    sip_write_hdr_end(out);
    sip_write_hdr_begin(out, SIP_H_TO);
    buf_printf(out, "<%s>", b->contact);
    sip_write_hdr_end(out);
    id_make(id, c->shard, 20);
    sip_write_hdr_z(out, SIP_H_CALL_ID, id);
    sip_write_hdr_z(out, SIP_H_CSEQ, "1 OPTIONS");
    sip_write_hdr_z(out, SIP_H_USER_AGENT, c->agent);
    sip_write_body(out, span_of(NULL, 0), span_of(NULL, 0));
    return !out->failed;
}

static struct probe *probe_new(struct keepalive *k, const char *user, const Store__Binding *b)
{
    size_t user_len = strlen(user);
    size_t contact_len = strlen(b->contact);
    struct probe *p = k->open.count < KEEPALIVE_OPEN_MAX ? calloc(1, sizeof(*p) + user_len + contact_len) : NULL;
    if (p == NULL)
        return NULL;
    char random[BRANCH_RANDOM + 1];
    id_random(random, BRANCH_RANDOM);
    (void)snprintf(p->branch, sizeof(p->branch), "z9hG4bKa%u" BRANCH_MARK "%s", k->actor->conf.shard, random);
    p->request = b->request;
    p->user_len = user_len;
    p->contact_len = contact_len;
    memcpy(p->text, user, user_len);
    memcpy(p->text + user_len, b->contact, contact_len);
    list_init(&p->age);
    if (map_put(&k->open, &p->by_branch, span_cstr(p->branch)) != 0) {
        free(p);
        return NULL;
    }
    p->due_ms = loop_now(k->actor->loop).mono_ms + k->deadline_ms;
    list_append(&k->oldest_first, &p->age);
    if (!timer_is_set(&k->timer))
        loop_timer_at(k->actor->loop, &k->timer, p->due_ms);
    return p;
}

static void drop(struct keepalive *k, struct probe *p)
{
    map_del(&k->open, &p->by_branch);
    list_remove(&p->age);
    free(p);
}

/* false: what is open already is enough. */
static bool send_options(struct keepalive *k, const char *user, const Store__Binding *b)
{
    struct probe *p = write_options(k, b) ? probe_new(k, user, b) : NULL;
    if (p == NULL)
        return false;
    Plane__SendRequest m = PLANE__SEND_REQUEST__INIT;
    m.txn = bytes_of(span_cstr(p->branch));
    m.method = (char *)(uintptr_t) "OPTIONS";
    m.raw = bytes_of(buf_span(&k->raw));
    m.dest = b->source;
    if (bus_send_later(k->actor->edge, PLANE_EDGE_SEND_REQUEST, &m.base) == 0)
        stat_inc(&stat_options);
    else
        drop(k, p); /* asked nothing, learnt nothing */
    return true;
}

void keepalive_ping(struct keepalive *k, const Store__AorRow *row)
{
    if (!bus_link_is_up(k->actor->edge))
        return;
    for (size_t i = 0; i < row->n_bindings; i++) {
        const Store__Binding *b = row->bindings[i];
        enum reach_ping what = reach_ping_of(b, k->wanted);
        if (what == REACH_CRLF || (what == REACH_OPTIONS && !send_options(k, row->user, b)))
            send_crlf(k, row->user, b);
    }
}

/* --- what is learnt --- */

static void learn(struct keepalive *k, struct probe *p, bool answered)
{
    struct registrar *g = k->actor->registrar;
    struct now now = loop_now(k->actor->loop);
    struct span user = span_of(p->text, p->user_len);
    struct reach_name name = {.contact = span_of(p->text + p->user_len, p->contact_len), .request = p->request};
    Store__AorRow *row = location_get(registrar_location(g), user);
    struct reach_change is = answered ? reach_heard(row, &name) : reach_missed(row, &name, k->heard_wall_ms, now);
    if (answered)
        k->heard_wall_ms = (uint64_t)now.wall_ms;
    else
        stat_inc(&stat_missed);
    registrar_take_change(g, row, &is, "silence");
    drop(k, p);
}

bool keepalive_on_heard(struct keepalive *k, struct span branch, enum keepalive_heard is)
{
    struct span from_mark = span_from(branch, span_find(branch, '-'));
    if (!span_starts(from_mark, SPAN(BRANCH_MARK)))
        return false;
    struct map_node *n = map_get(&k->open, branch);
    if (n == NULL)
        return true; /* its time was over, or it was asked before a restart */
    struct probe *p = MAP_ENTRY(n, struct probe, by_branch);
    if (is == KEEPALIVE_UNSENT)
        drop(k, p);
    else
        learn(k, p, is == KEEPALIVE_ANSWER);
    return true;
}

static void on_deadline(struct timer *t, int64_t now_ms)
{
    struct keepalive *k = t->owner;
    struct list *n;
    while ((n = list_first(&k->oldest_first)) != NULL && LIST_ENTRY(n, struct probe, age)->due_ms <= now_ms)
        learn(k, LIST_ENTRY(n, struct probe, age), false);
    if (n != NULL)
        loop_timer_at(k->actor->loop, &k->timer, LIST_ENTRY(n, struct probe, age)->due_ms);
}

void keepalive_forget(struct keepalive *k)
{
    struct list *n;
    while ((n = list_first(&k->oldest_first)) != NULL)
        drop(k, LIST_ENTRY(n, struct probe, age));
}

/* --- life --- */

enum reach_ping keepalive_wanted(const struct keepalive *k)
{
    return k->wanted;
}

struct keepalive *keepalive_new(struct actor *a)
{
    const struct conf *c = worker_conf(a->worker);
    struct keepalive *k = calloc(1, sizeof(*k));
    if (k == NULL)
        return NULL;
    k->actor = a;
    k->wanted = conf_is(c, SET_KEEPALIVE, "options") ? REACH_OPTIONS
                : conf_is(c, SET_KEEPALIVE, "crlf")  ? REACH_CRLF
                                                     : REACH_NOTHING;
    k->deadline_ms = (int64_t)DEADLINE_T1 * a->conf.t1_ms;
    map_init(&k->open);
    list_init(&k->oldest_first);
    timer_init(&k->timer, on_deadline, k);
    buf_init(&k->raw, SIP_MSG_BYTES_MAX);
    stat_register(&stat_crlf);
    stat_register(&stat_options);
    stat_register(&stat_missed);
    return k;
}

void keepalive_free(struct keepalive *k)
{
    if (k == NULL)
        return;
    keepalive_forget(k);
    loop_timer_cancel(k->actor->loop, &k->timer);
    map_fini(&k->open);
    buf_fini(&k->raw);
    free(k);
}
