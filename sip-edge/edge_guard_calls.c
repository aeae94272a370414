/* The guard and the calls: which dialogs are real, how many set-ups are in flight; life, and what is shown. */
#include "common/base/err.h"
#include "common/base/log.h"
#include "sip-edge/edge_guard.h"
#include "sip-edge/edge_stat.h"
#include "sip-edge/edge_txn.h"

#define BEAT_MS SHED_WINDOW_MS

/* --- dialogs that are real --- */

void edge_guard_learn(struct edge *e, struct span tag)
{
    tagset_learn(&e->guard.tags, tag);
}

/* The tag on the To line of a reply as our actors write it. Anything else is not found, which only means that claims of
 * that dialog count against its source. */
static struct span own_to_tag(struct span reply)
{
    struct span line = span_from(reply, span_find_span(reply, SPAN("\r\nTo: ")) + 2);
    line.len = span_find(line, '\r');
    struct span tag = span_from(line, span_find_span(line, SPAN(";tag=")) + strlen(";tag="));
    tag.len = span_find(tag, ';');
    return tag;
}

/* --- set-ups in flight --- */

static void show(const struct edge *e)
{
    edge_stat_setups(e->guard.shed.in_flight, e->guard.shed.limit);
}

static void set_beat(struct edge *e)
{
    struct edge_guard *g = &e->guard;
    g->beat_due_ms = e->now.mono_ms + BEAT_MS;
    if (timer_set(e->timers, &g->beat, g->beat_due_ms) != 0)
        g->beat_due_ms = 0; /* without memory the bound learns from latency alone */
}

static void on_beat(struct timer *t, int64_t now_ms)
{
    struct edge *e = t->owner;
    shed_lag(&e->guard.shed, now_ms - e->guard.beat_due_ms);
    e->now.mono_ms = now_ms;
    if (e->guard.shed.in_flight > 0)
        set_beat(e);
}

bool edge_guard_admits(struct edge *e)
{
    bool admitted = shed_admit(&e->guard.shed, e->now.mono_ms);
    if (!admitted)
        edge_stat_shed();
    show(e);
    return admitted;
}

void edge_guard_not_opened(struct edge *e)
{
    shed_gone(&e->guard.shed);
    show(e);
}

void edge_guard_opened(struct edge_txn *x)
{
    struct edge *e = x->shard->edge;
    x->setting_up = true;
    x->since_ms = e->now.mono_ms;
    if (!timer_is_set(&e->guard.beat))
        set_beat(e);
}

static void set_up(struct edge *e, struct edge_txn *x, unsigned status)
{
    int64_t took_ms = e->now.mono_ms - x->since_ms;
    x->setting_up = false;
    edge_stat_setup(took_ms);
    shed_done(&e->guard.shed, took_ms, status >= 500 && status < 600, e->now.mono_ms);
    show(e);
}

void edge_guard_answered(struct edge_txn *x, const struct edge_word *w)
{
    struct edge *e = x->shard->edge;
    if (w->status <= 100)
        return;
    if (x->setting_up)
        set_up(e, x, w->status);
    if (w->status >= 300) {
        edge_guard_note(e, &x->path, w->status);
        return;
    }
    if (x->method != SIP_M_OPTIONS && x->method != SIP_M_CANCEL)
        x->charged = false; /* the actor knows him, or the dialog: no forged address gets here */
    if (x->method == SIP_M_INVITE || x->in_dialog)
        edge_guard_learn(e, own_to_tag(w->bytes));
    if (w->status >= 200 && x->method != SIP_M_OPTIONS && x->method != SIP_M_CANCEL)
        edge_guard_vouch(e, &x->path);
}

void edge_guard_dropped(struct edge_txn *x)
{
    if (!x->setting_up)
        return;
    x->setting_up = false;
    edge_guard_not_opened(x->shard->edge);
}

/* --- life --- */

void edge_guard_init(struct edge *e, const struct edge_conf *conf)
{
    struct edge_guard *g = &e->guard;
    if (trust_init(&g->trust, span_cstr(conf->trusted)) != 0)
        die(EX_BADUSE, "the list of trusted peers cannot be read");
    sources_init(&g->sources, conf->rate_limit, conf->sources_max > 0 ? conf->sources_max : SOURCES_MAX);
    blocked_init(&g->blocked, conf->sources_max > 0 ? conf->sources_max : BLOCKED_MAX);
    tagset_init(&g->tags);
    shed_init(&g->shed, conf->calls_max > 0 ? (int64_t)conf->calls_max * conf->shards : INT32_MAX, e->now.mono_ms);
    g->block_ms = (int64_t)conf->block_s * 1000;
    timer_init(&g->beat, on_beat, e);
    show(e);
}

void edge_guard_fini(struct edge *e)
{
    struct edge_guard *g = &e->guard;
    timer_cancel(e->timers, &g->beat);
    sources_fini(&g->sources);
    blocked_fini(&g->blocked);
    tagset_fini(&g->tags);
}

/* --- what is shown --- */

static void report_one(const struct blocked_source *s, const struct now *now, struct buf *out)
{
    char addr[EDGE_ADDR_TEXT_SIZE];
    char since[CLOCK_RFC3339_SIZE];
    buf_printf(out, "{\"source\":\"%s\",\"reason\":\"%s\",\"since\":\"%s\",\"left_s\":%lld,\"dropped\":%llu}",
               edge_addr_text(&s->ip, addr), blocked_why_text((enum blocked_why)s->why),
               clock_rfc3339(s->since_wall_ms, since), (long long)((s->until_ms - now->mono_ms + 999) / 1000),
               (unsigned long long)s->dropped);
}

void edge_guard_report(struct edge *e, struct now now, struct buf *out)
{
    struct edge_guard *g = &e->guard;
    size_t left = blocked_sweep(&g->blocked, now.mono_ms);
    edge_stat_blocked(left);
    buf_puts(out, "{\"blocked\":[");
    unsigned cnt = 0;
    for (struct list *n = g->blocked.begun.prev; n != &g->blocked.begun && cnt < GUARD_REPORT_MAX; n = n->prev, cnt++) {
        buf_puts(out, cnt > 0 ? "," : "");
        report_one(LIST_ENTRY(n, struct blocked_source, age), &now, out);
    }
    buf_printf(out, "],\"blocked_count\":%zu,\"sources\":%zu,\"setups\":%lld,\"setups_limit\":%lld}", left,
               sources_count(&g->sources), (long long)g->shed.in_flight, (long long)g->shed.limit);
}

bool edge_guard_unblock(struct edge *e, struct span source, struct now now)
{
    struct in6_addr ip;
    bool done = edge_addr_parse(source, &ip) && blocked_remove(&e->guard.blocked, source_id_of(&ip), now.mono_ms);
    edge_stat_blocked(e->guard.blocked.map.count);
    return done;
}
