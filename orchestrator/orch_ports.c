/*
 * RTP ports: whose each is, and in which order media-service hears of them.
 *
 * ReleasePort says nothing but a number and is always OK, so one that goes out at the wrong time ends another call's
 * audio. What media-service has forgotten cannot be asked; a new connection alone proves nothing. Hence two rules:
 *
 * Order. While media-service is away neither AllocatePort nor ReleasePort is started. When it is back, what was under
 * way before is answered first, then every port that waits to be given back goes out and is answered, and only then
 * new ports are taken. Both waits have a bound.
 *
 * Owner. Who was given a number last owns it. When AllocatePort gives out a number that an earlier call still holds or
 * is giving back, media-service has lost the earlier one: that call's ReleasePort, now or later, is not sent.
 */
#include "common/base/err.h"
#include "common/base/stat.h"
#include "orchestrator/orch.h"
#include <stdlib.h>

#define NUMBERS 65536

static struct stat_series ports_taken = {
    .name = "sip_signaling_ports_taken_total",
    .help = "ports not given back because media-service had given them to another call meanwhile",
    .kind = STAT_COUNTER};

/* --- owners ------------------------------------------------------------------------------------------------------ */

uint64_t orch_ports_owner_of(const struct job *j)
{
    if (j->call_id[0] == '\0')
        return 0;
    uint64_t h = map_hash(span_cstr(j->call_id)) ^ map_hash(span_cstr(j->trace_id)) << 1;
    return h != 0 ? h : 1;
}

static struct list *releases_of(struct orch_ports *p, uint32_t port)
{
    return &p->releases[port / 2 % ORCH_PORT_BUCKETS]; /* RTP ports are even */
}

static void log_taken(const struct orch_job *x)
{
    stat_inc(&ports_taken);
    log_ev(LOG_WARN, "a port is not given back: media-service has given it to another call",
           log_z("call_id", x->job->call_id), log_n("port", x->job->rtp_port));
}

/* What is on its way may still hurt, but is not repeated. */
static void let_go(struct orch_job *x)
{
    log_taken(x);
    if (orch_rpc_runs(x))
        x->job->taken = true;
    else
        orch_job_feed(x, job_taken);
}

static void has_new_owner(struct orch_job *owner, uint32_t port)
{
    struct orch_ports *p = &owner->orch->ports;
    struct list *bucket = releases_of(p, port);
    p->owner[port] = orch_ports_owner_of(owner->job);
    for (struct list *n = bucket->next, *next; n != bucket; n = next) {
        struct orch_job *x = LIST_ENTRY(n, struct orch_job, release);
        next = n->next;
        if (x->job->rtp_port == port)
            let_go(x);
    }
}

bool orch_ports_is_anothers(const struct orch_job *x)
{
    uint64_t owner = x->orch->ports.owner[x->job->rtp_port];
    uint64_t asker = orch_ports_owner_of(x->job);
    if (owner == 0 || asker == 0 || owner == asker)
        return false;
    log_taken(x);
    return true;
}

/* --- order ------------------------------------------------------------------------------------------------------- */

static void set_phase(struct orch *o, enum ports_phase phase, int64_t most_ms)
{
    o->ports.phase = phase;
    loop_timer_cancel(o->loop, &o->ports.timer);
    if (most_ms > 0)
        loop_timer_in(o->loop, &o->ports.timer, most_ms);
}

static void open_all(struct orch *o)
{
    set_phase(o, PORTS_OPEN, 0);
    for (struct list *n; (n = list_first(&o->ports.waiting)) != NULL;) {
        list_remove(n);
        orch_job_feed(LIST_ENTRY(n, struct orch_job, wait), job_open);
    }
}

static void send_release(struct orch_job *x)
{
    x->unsent = false;
    x->release_generation = x->orch->ports.generation;
    struct job_effect e = {.kind = JOB_EFF_RELEASE, .after_ms = x->orch->limits.media_ms};
    orch_rpc_start(x, &e);
}

/* One under way was sent to the server before; its failure sends it again. */
static void release_now(struct orch_job *x)
{
    job_server_is_back(x->job);
    if (x->unsent)
        send_release(x);
    else if (x->job->state == JOB_ST_NEW)
        orch_job_go(x);
    else if (x->job->state == JOB_ST_FREE_WAIT)
        orch_job_feed(x, job_timer);
}

static void give_back_first(struct orch *o)
{
    struct orch_ports *p = &o->ports;
    set_phase(o, PORTS_RELEASING, ORCH_PORTS_WAIT_MS);
    for (size_t i = 0; i < ORCH_PORT_BUCKETS; i++) {
        for (struct list *n = p->releases[i].next; n != &p->releases[i]; n = n->next) {
            struct orch_job *x = LIST_ENTRY(n, struct orch_job, release);
            x->goes_first = true;
            p->first_cnt++;
            release_now(x);
        }
    }
    if (p->first_cnt == 0)
        open_all(o);
}

static void went_first(struct orch_job *x)
{
    if (!x->goes_first)
        return;
    struct orch_ports *p = &x->orch->ports;
    x->goes_first = false;
    if (--p->first_cnt == 0 && p->phase == PORTS_RELEASING)
        open_all(x->orch);
}

static void on_timer(struct timer *t, int64_t now_ms)
{
    (void)now_ms;
    struct orch *o = t->owner;
    if (o->ports.phase == PORTS_SETTLING)
        give_back_first(o);
    else
        open_all(o);
}

static void close_all(struct orch *o)
{
    struct orch_ports *p = &o->ports;
    set_phase(o, PORTS_AWAY, 0);
    p->away_since_ms = loop_now(o->loop).mono_ms;
    p->first_cnt = 0;
    for (size_t i = 0; i < ORCH_PORT_BUCKETS; i++)
        for (struct list *n = p->releases[i].next; n != &p->releases[i]; n = n->next)
            LIST_ENTRY(n, struct orch_job, release)->goes_first = false;
}

void orch_ports_media_changed(struct orch *o)
{
    struct orch_ports *p = &o->ports;
    const struct grpc_link *k = o->links[SVC_MEDIA];
    uint64_t generation = grpc_link_generation(k);
    bool ready = grpc_link_state(k) == GRPC_LINK_READY;
    if (p->phase != PORTS_AWAY && (!ready || generation != p->generation))
        close_all(o);
    if (p->phase != PORTS_AWAY || !ready)
        return;
    p->generation = generation;
    if (p->allocating > 0)
        set_phase(o, PORTS_SETTLING, ORCH_PORTS_WAIT_MS);
    else
        give_back_first(o);
}

/* --- jobs -------------------------------------------------------------------------------------------------------- */

enum job_media orch_ports_media(const struct orch *o)
{
    const struct orch_ports *p = &o->ports;
    if (p->phase == PORTS_OPEN)
        return JOB_MEDIA_OPEN;
    bool long_away = p->phase == PORTS_AWAY && loop_now(o->loop).mono_ms - p->away_since_ms > ORCH_PORTS_WAIT_MS;
    return long_away ? JOB_MEDIA_AWAY : JOB_MEDIA_WAIT;
}

void orch_ports_await(struct orch_job *x)
{
    list_append(&x->orch->ports.waiting, &x->wait);
}

void orch_ports_release_begins(struct orch_job *x)
{
    list_append(releases_of(&x->orch->ports, x->job->rtp_port), &x->release);
}

void orch_ports_release(struct orch_job *x)
{
    enum ports_phase phase = x->orch->ports.phase;
    if (phase == PORTS_RELEASING || phase == PORTS_OPEN)
        send_release(x);
    else
        x->unsent = true;
}

void orch_ports_allocate_begins(struct orch *o)
{
    o->ports.allocating++;
}

void orch_ports_allocate_ended(struct orch_job *x, const struct job_result *r)
{
    struct orch *o = x->orch;
    if (r->code == RPC_OK)
        has_new_owner(x, r->port);
    if (--o->ports.allocating == 0 && o->ports.phase == PORTS_SETTLING)
        give_back_first(o);
}

void orch_ports_release_ended(struct orch_job *x, const struct job_result *r)
{
    struct orch_ports *p = &x->orch->ports;
    if (r->code == RPC_OK && p->owner[x->job->rtp_port] == orch_ports_owner_of(x->job))
        p->owner[x->job->rtp_port] = 0;
    bool before = x->goes_first && x->release_generation != p->generation;
    if (before && x->job->state == JOB_ST_FREE_WAIT)
        release_now(x); /* what failed was the former connection */
    else
        went_first(x);
}

void orch_ports_forget(struct orch_job *x)
{
    list_remove(&x->wait);
    list_remove(&x->release);
    went_first(x);
}

/* --- life -------------------------------------------------------------------------------------------------------- */

void orch_ports_init(struct orch *o)
{
    struct orch_ports *p = &o->ports;
    stat_register(&ports_taken);
    p->owner = calloc(NUMBERS, sizeof *p->owner);
    if (p->owner == NULL)
        die(EX_INTERNAL, "no memory for the owners of ports");
    for (size_t i = 0; i < ORCH_PORT_BUCKETS; i++)
        list_init(&p->releases[i]);
    list_init(&p->waiting);
    timer_init(&p->timer, on_timer, o);
    p->phase = PORTS_AWAY;
    p->away_since_ms = loop_now(o->loop).mono_ms;
}

void orch_ports_fini(struct orch *o)
{
    loop_timer_cancel(o->loop, &o->ports.timer);
    free(o->ports.owner);
    o->ports.owner = NULL;
}
