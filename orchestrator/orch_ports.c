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
 *
 * Both what is asked for and what came stand in the book (port_book.h), which outlives this process.
 */
#include "common/base/err.h"
#include "common/base/stat.h"
#include "orchestrator/orch.h"

static struct stat_series ports_open = {
    .name = "sip_signaling_ports_open", .help = "ports that belong to calls, by the book", .kind = STAT_GAUGE};
static struct stat_series ports_unanswered = {
    .name = "sip_signaling_ports_unanswered",
    .help = "AllocatePort without an answer of which nobody knows yet whether it took a port",
    .kind = STAT_GAUGE};
static struct stat_series ports_recovered = {
    .name = "sip_signaling_ports_recovered_total",
    .help = "ports whose set-up was asked for again after a death of ours, and got the same one",
    .kind = STAT_COUNTER};
static struct stat_series ports_taken = {
    .name = "sip_signaling_ports_taken_total",
    .help = "ports not given back because media-service had given them to another call meanwhile",
    .kind = STAT_COUNTER};

/* --- owners ------------------------------------------------------------------------------------------------------ */

uint64_t orch_ports_owner_of(const struct orch *o, const struct job *j)
{
    return j->call_id[0] != '\0' ? port_book_hash(o->ports.book, span_cstr(j->call_id), span_cstr(j->trace_id)) : 0;
}

void orch_ports_show(const struct orch *o)
{
    stat_set(&ports_open, port_book_count(o->ports.book));
    stat_set(&ports_unanswered, port_book_unanswered(o->ports.book).cnt);
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
    const struct port_owner o = {.call = orch_ports_owner_of(owner->orch, owner->job),
                                 .since_ms = loop_now(owner->orch->loop).mono_ms,
                                 .shard = owner->shard->no};
    port_book_came(p->book, owner->book_mark, port, &o);
    for (struct list *n = bucket->next, *next; n != bucket; n = next) {
        struct orch_job *x = LIST_ENTRY(n, struct orch_job, release);
        next = n->next;
        if (x->job->rtp_port == port)
            let_go(x);
    }
}

bool orch_ports_is_anothers(const struct orch_job *x)
{
    uint64_t owner = port_book_owner(x->orch->ports.book, x->job->rtp_port).call;
    uint64_t asker = orch_ports_owner_of(x->orch, x->job);
    if (port_book_was_freed(x->orch->ports.book, x->job->rtp_port, asker))
        return true; /* our predecessor did it, and the actor was not told, or died of the same */
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

/* The number came in an earlier life of ours: it is given in a later turn, as an answer would be. */
static void take_known(struct orch_job *x, uint32_t port)
{
    struct orch_ports *p = &x->orch->ports;
    x->known_port = port;
    list_append(&p->known, &x->wait);
    stat_inc(&ports_recovered);
    log_ev(LOG_INFO, "a port from before our death is its call's", log_z("call_id", x->job->call_id),
           log_n("port", port));
    if (!timer_is_set(&p->known_timer))
        loop_timer_in(x->orch->loop, &p->known_timer, 0);
}

static void on_known_timer(struct timer *t, int64_t now_ms)
{
    (void)now_ms;
    struct orch *o = t->owner;
    for (struct list *n; (n = list_first(&o->ports.known)) != NULL;) {
        struct orch_job *x = LIST_ENTRY(n, struct orch_job, wait);
        list_remove(n);
        orch_rpc_ended(x,
                       &(struct job_result){.of = JOB_STEP_MEDIA, .code = RPC_OK, .detail = "", .port = x->known_port});
    }
}

void orch_ports_allocate(struct orch_job *x, const struct job_effect *e)
{
    struct orch_ports *p = &x->orch->ports;
    uint32_t port = port_book_find(p->book, x->key, orch_ports_owner_of(x->orch, x->job));
    p->allocating++;
    p->allocations++;
    if (port != 0) {
        take_known(x, port);
        return;
    }
    x->book_mark = port_book_ask(p->book, x->key);
    orch_rpc_start(x, e);
}

/* What media-service itself says took nothing. Anything else may be the connection's word. */
static bool is_refusal(int code)
{
    switch (code) {
    case RPC_RESOURCE_EXHAUSTED:
    case RPC_INVALID_ARGUMENT:
    case RPC_NOT_FOUND:
    case RPC_PERMISSION_DENIED:
    case RPC_UNAUTHENTICATED:
    case RPC_UNIMPLEMENTED:
    case RPC_FAILED_PRECONDITION:
        return true;
    default:
        return false;
    }
}

void orch_ports_allocate_ended(struct orch_job *x, const struct job_result *r)
{
    struct orch *o = x->orch;
    if (r->code == RPC_OK)
        has_new_owner(x, r->port);
    else
        port_book_failed(o->ports.book, x->book_mark, !is_refusal(r->code), loop_now(o->loop).wall_ms);
    orch_ports_show(o);
    if (--o->ports.allocating == 0 && o->ports.phase == PORTS_SETTLING)
        give_back_first(o);
}

void orch_ports_release_ended(struct orch_job *x, const struct job_result *r)
{
    struct orch_ports *p = &x->orch->ports;
    bool ours = x->shard == NULL && !x->job->taken; /* nobody's: on_orphan and the reconciler looked before */
    uint64_t owner = port_book_owner(p->book, x->job->rtp_port).call;
    if ((r->code == RPC_OK || r->code == RPC_NOT_FOUND) && (ours || owner == orch_ports_owner_of(x->orch, x->job)))
        port_book_forget(p->book, x->job->rtp_port);
    orch_ports_show(x->orch);
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

static void open_book(struct orch *o)
{
    struct buf why;
    buf_init(&why, 1024);
    struct now now = loop_now(o->loop);
    o->ports.book = port_book_open(conf_str(worker_conf(o->worker), SET_STATE_DIR), now.wall_ms, &why);
    struct port_unanswered u = port_book_unanswered(o->ports.book);
    o->ports.in_memory = why.len > 0;
    if (o->ports.in_memory)
        log_ev(
            LOG_WARN, "the book of ports is kept in memory only", log_z("why", buf_cstr(&why)),
            log_z("remedy", "make SIP_SIGNALING_SERVICE_STATE_DIR a directory this user may write, with free space"));
    if (u.cnt > 0)
        log_ev(LOG_WARN, "ports may be taken under numbers that died with us", log_n("at_most", u.cnt));
    buf_fini(&why);
}

void orch_ports_init(struct orch *o)
{
    static struct stat_series *const stats[] = {&ports_open, &ports_unanswered, &ports_recovered, &ports_taken};
    struct orch_ports *p = &o->ports;
    for (size_t i = 0; i < sizeof stats / sizeof stats[0]; i++)
        stat_register(stats[i]);
    open_book(o);
    orch_ports_show(o);
    for (size_t i = 0; i < ORCH_PORT_BUCKETS; i++)
        list_init(&p->releases[i]);
    list_init(&p->waiting);
    list_init(&p->known);
    timer_init(&p->timer, on_timer, o);
    timer_init(&p->known_timer, on_known_timer, o);
    p->phase = PORTS_AWAY;
    p->away_since_ms = loop_now(o->loop).mono_ms;
}

void orch_ports_fini(struct orch *o)
{
    loop_timer_cancel(o->loop, &o->ports.timer);
    loop_timer_cancel(o->loop, &o->ports.known_timer);
    port_book_close(o->ports.book);
    o->ports.book = NULL;
}
