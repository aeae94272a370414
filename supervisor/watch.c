/*
 * One child: performs what its machine (child_table.c) asks for and turns what happens to the process into events.
 * Ready is what the worker says by its Hello; that it works is what its heartbeats and its neighbours show (deaf.h).
 */
#include "supervisor/sup.h"

#include "common/base/err.h"
#include "common/base/log.h"
#include "common/rt/killpoint.h"
#include "common/rt/procstat.h"
#include "supervisor/ctl_ask.h"
#include "supervisor/notify.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define WATCH_LATE_MS 1000 /* a slice this much too long is worth a line: we did not turn */
#define STEADY_GAP_MS 1250 /* between heartbeats, at most */
#define STEADY_MS 1500     /* a worker that was held up has answered its neighbours after this */
#define LINK_PATH_SIZE 108

static_assert(CHILD_HANG_MS >= 4 * WORKER_HEARTBEAT_MS, "a lost heartbeat or two is no hang");

/* --- what happened to it --- */

static const char *exit_word(int code)
{
    switch (code) {
    case EX_OK:
        return "done";
    case EX_BADUSE:
        return "bad setting or file";
    case EX_BUSY:
        return "port in use";
    case EX_STORAGE:
        return "storage unusable";
    case EX_INTERNAL:
        return "own state broken";
    case EX_ORPHAN:
        return "no supervisor";
    case 127:
        return "not started";
    default:
        return "";
    }
}

/* `status` as from waitpid, or -1 with errno when it did not even start. */
static void note_death(struct child *c, int pid, int status, const char *error)
{
    struct now now = loop_now(c->sup->loop);
    struct death *d = &c->death[c->death_cnt++ % SUP_DEATHS_MAX];
    *d = (struct death){.wall_ms = now.wall_ms, .pid = pid, .uptime_ms = now.mono_ms - c->life.started_ms};
    const char *cause = c->cause != NULL ? c->cause : "";
    const char *sep = c->cause != NULL ? ": " : "";
    if (error != NULL)
        (void)snprintf(d->why, sizeof d->why, "cannot be started: %s", error);
    else if (WIFSIGNALED(status))
        (void)snprintf(d->why, sizeof d->why, "signal %d (%s)%s%s", WTERMSIG(status), sigdescr_np(WTERMSIG(status)),
                       sep, cause);
    else
        (void)snprintf(d->why, sizeof d->why, "exit %d (%s)%s%s", WEXITSTATUS(status), exit_word(WEXITSTATUS(status)),
                       sep, cause);
    d->asked = c->life.state == CHILD_ST_RESTARTING || c->life.state == CHILD_ST_STOPPING;
    c->unasked_cnt += d->asked ? 0 : 1;
    log_ev(d->asked ? LOG_INFO : LOG_WARN, "worker died", log_z("worker", c->name), log_n("pid", pid),
           log_z("why", d->why), log_n("uptime_ms", d->uptime_ms));
}

/* Counts and dependencies stay as last heard: status shows them as such while a new process comes up. */
static void forget_beat(struct child *c)
{
    c->beat.known = false;
    c->beat.ready = false;
    c->beat.drained = false;
}

static void on_death(void *user, int pid, int status)
{
    struct child *c = user;
    KILL_POINT("sup.child.died");
    loop_child_free(c->reaper);
    c->reaper = NULL;
    c->pid = 0;
    note_death(c, pid, status, NULL);
    c->cause = NULL;
    if (c->innocent)
        work_absolve(c->journal);
    c->innocent = false;
    forget_beat(c);
    stat_set(&c->up, 0);
    ask_child_gone(c->sup->asks, c);
    watch_event(c, child_exit_event(&c->life, loop_now(c->sup->loop)));
}

/* --- effects --- */

static void start_process(struct child *c)
{
    struct sup *s = c->sup;
    c->pid = spawn_child(s, c);
    if (c->pid > 0) {
        c->reaper = loop_child_new(s->loop, c->pid, on_death, c);
        return;
    }
    char text[SUP_TEXT_MAX];
    (void)snprintf(text, sizeof text, "%.128s/%s: %s", c->dir, c->life.kind->name, strerror(errno));
    c->pid = 0;
    note_death(c, 0, 0, text);
    watch_event(c, child_exit_event(&c->life, loop_now(s->loop)));
}

static void send_signal(struct child *c, int signo)
{
    if (c->pid > 0 && kill(c->pid, signo) != 0)
        log_ev(LOG_WARN, "cannot signal a worker", log_z("worker", c->name), log_n("pid", c->pid),
               log_n("signal", signo), log_z("why", strerror(errno)));
}

static void ask_to_stop(struct child *c, uint32_t grace_ms)
{
    Plane__Stop m = PLANE__STOP__INIT;
    m.grace_ms = grace_ms;
    if (bus_send(c->link, PLANE_SUP_STOP, &m.base) != 0)
        send_signal(c, SIGTERM); /* the link is down, the process is not */
}

static void perform(struct child *c, const struct child_fx *fx)
{
    struct loop *l = c->sup->loop;
    for (size_t i = 0; i < fx->cnt; i++) {
        int64_t arg = fx->item[i].arg;
        switch (fx->item[i].eff) {
        case EFF_SPAWN:
            start_process(c); /* always last: it may raise the next event at once */
            break;
        case EFF_SIGNAL:
            send_signal(c, (int)arg);
            break;
        case EFF_SEND_STOP:
            ask_to_stop(c, (uint32_t)arg);
            break;
        case EFF_TIMER:
            loop_timer_in(l, &c->timer, patience_begin(&c->wait, arg, loop_now(l).mono_ms));
            break;
        case EFF_TIMER_OFF:
            loop_timer_cancel(l, &c->timer);
            break;
        }
    }
}

/* --- events --- */

/* Why we end it, for the death history; an earlier cause stays. Without a process there is nothing to end: what was
 * asked for then is no cause of what the next one dies of. */
static const char *cause_of(const struct child *c, enum child_event ev)
{
    if (c->cause != NULL || !child_has_process(c->life.state))
        return c->cause;
    switch (ev) {
    case CHILD_EV_TIMER:
        return c->life.state == CHILD_ST_STARTING  ? "no Hello in time"
               : c->life.state == CHILD_ST_RUNNING ? "no heartbeat: it hangs, or hears nothing"
                                                   : NULL;
    case CHILD_EV_DEAF:
        return c->life.state != CHILD_ST_RUNNING ? NULL
               : c->unread                       ? "deaf: it reads a SIP socket no more"
                                                 : "deaf: its neighbours get no answer";
    case CHILD_EV_RESTART:
        return "restart asked for";
    case CHILD_EV_KILL:
        return "kill asked for";
    case CHILD_EV_STOP:
    case CHILD_EV_HURRY:
        return "the service stops";
    default:
        return NULL;
    }
}

/* A worker that says nothing is about to be ended: what it is at is not what it hangs at while it waits for a disk, or
 * somebody has stopped it. */
static bool is_innocent(const struct child *c, enum child_event ev)
{
    bool watching = c->life.state == CHILD_ST_STARTING || c->life.state == CHILD_ST_RUNNING;
    return c->innocent || (watching && (ev == CHILD_EV_TIMER || ev == CHILD_EV_DEAF) && procstat_held(c->pid) != 0);
}

static void log_step(const struct child *c, const struct fsm_step *st)
{
    if (!st->moved || st->from == st->to)
        return;
    enum log_level level = st->to == CHILD_ST_FAILED ? LOG_ERROR : st->to == CHILD_ST_ABORTING ? LOG_WARN : LOG_INFO;
    log_ev(level, st->to == CHILD_ST_FAILED ? "worker failed: it is tried again every 30 s" : "worker",
           log_z("worker", c->name), log_z("state", child_state_name(st->to)), log_z("was", child_state_name(st->from)),
           log_z("by", child_fsm.event_names[st->event]), log_n("pid", c->pid),
           log_n("early_deaths", c->life.early_cnt));
}

void watch_event(struct child *c, enum child_event ev)
{
    struct child_fx fx = {.cnt = 0};
    c->cause = cause_of(c, ev);
    c->innocent = is_innocent(c, ev);
    struct fsm_step st = fsm_step(&child_fsm, &c->life.state, (uint8_t)ev, &c->life, NULL, &fx, loop_now(c->sup->loop));
    log_step(c, &st);
    c->restarts.value = (int64_t)c->life.restart_cnt;
    perform(c, &fx);
}

/* A worker that is watched gets what patience.h grants; whoever is on the way out, or waits to be started, is spared
 * nothing. */
static void on_timer(struct timer *t, int64_t now_ms)
{
    struct child *c = t->owner;
    bool watching = c->life.state == CHILD_ST_STARTING || c->life.state == CHILD_ST_RUNNING;
    struct patience_look look = {.signs = work_signs(c->journal), .turns = now_ms - c->turned_ms <= STEADY_GAP_MS};
    int64_t late_ms;
    if (watching)
        (void)procstat_read(c->pid, &look.use);
    if (watching && patience_ends(&c->wait))
        look.held = procstat_held(c->pid);
    int64_t more_ms = patience_go_on(&c->wait, &look, now_ms, &late_ms);
    if (watching && late_ms > WATCH_LATE_MS)
        log_ev(LOG_WARN, "we were held up: that time counts against nobody", log_z("worker", c->name),
               log_n("late_ms", late_ms));
    if (more_ms > 0)
        loop_timer_in(c->sup->loop, t, more_ms);
    else
        watch_event(c, CHILD_EV_TIMER);
}

/* --- what it says --- */

/* True when the link's other end is the process we started and no predecessor. */
static bool is_current(const struct child *c, const Plane__Hello *peer)
{
    return peer != NULL && peer->pid == c->pid && peer->instance == c->instance;
}

static void tell_mode(struct child *c)
{
    Plane__Drain m = PLANE__DRAIN__INIT;
    m.on = true;
    if (c->sup->draining)
        (void)bus_send(c->link, PLANE_SUP_DRAIN, &m.base);
}

static void on_up(struct bus_link *k, const Plane__Hello *peer, bool fresh)
{
    struct child *c = bus_link_user(k);
    (void)fresh;
    if (!is_current(c, peer)) {
        log_ev(LOG_WARN, "a Hello that is not from the worker we started", log_z("worker", c->name),
               log_n("pid", peer->pid), log_n("expected", c->pid));
        return;
    }
    stat_set(&c->up, 1);
    c->heard = 0;
    c->steady_ms = 0;
    KILL_POINT("sup.child.ready");
    watch_event(c, CHILD_EV_HELLO);
    tell_mode(c);
}

static void take_text(char *to, size_t size, const char *from)
{
    (void)snprintf(to, size, "%s", from);
}

static void take_beat(struct child *c, const Plane__Heartbeat *hb)
{
    struct beat *b = &c->beat;
    b->known = true;
    b->ready = hb->ready;
    b->drained = hb->drained;
    b->slowest_turn_ms = hb->slowest_turn_ms;
    b->calls = hb->calls;
    b->registrations = hb->registrations;
    b->outbox = hb->outbox;
    b->faults = hb->faults;
    b->finals = hb->finals;
    b->failures = hb->failures;
    b->poison = hb->poison;
    take_text(b->why, sizeof b->why, hb->not_ready_why);
    b->dep_cnt = hb->n_dependencies < SUP_DEPS_MAX ? hb->n_dependencies : SUP_DEPS_MAX;
    for (size_t i = 0; i < b->dep_cnt; i++) {
        const Plane__Dependency *from = hb->dependencies[i];
        struct dependency *d = &b->dep[i];
        take_text(d->name, sizeof d->name, from->name);
        take_text(d->state, sizeof d->state, from->state);
        take_text(d->detail, sizeof d->detail, from->detail);
        d->required = from->required;
        d->since_wall_ms = (int64_t)from->since_wall_ms;
    }
    b->near_cnt = hb->n_neighbours < SUP_CHILDREN_MAX ? hb->n_neighbours : SUP_CHILDREN_MAX;
    for (size_t i = 0; i < b->near_cnt; i++) {
        const Plane__Neighbour *from = hb->neighbours[i];
        b->near[i] = (struct neighbour){.proc = from->proc, .instance = from->instance, .silent_ms = from->silent_ms};
    }
}

/* --- do they work --- */

/* Its loop turns, its timers fire, and it reads what we say. */
static bool hears_us(struct child *c, const Plane__Heartbeat *hb)
{
    bool asked = bus_link_peer(c->link)->probes;
    bool heard = !asked || hb->heard > c->heard;
    c->heard = hb->heard;
    return heard;
}

static void note_steady(struct child *c)
{
    int64_t now_ms = loop_now(c->sup->loop).mono_ms;
    if (c->steady_ms == 0 || now_ms - c->beat_ms > STEADY_GAP_MS)
        c->steady_ms = now_ms;
    c->beat_ms = now_ms;
}

/* Only such a worker's words count, and only such a one is accused: any other is the watch timer's. */
static bool is_steady(const struct child *c, int64_t now_ms)
{
    return watch_is_up(c) && c->steady_ms != 0 && now_ms - c->steady_ms >= STEADY_MS &&
           now_ms - c->beat_ms <= STEADY_GAP_MS;
}

static int find_neighbour(const struct sup *s, const struct neighbour *n)
{
    for (size_t i = 0; i < s->child_cnt; i++)
        if (s->child[i].life.kind->proc == n->proc && s->child[i].instance == n->instance)
            return (int)i;
    return DEAF_NOBODY;
}

static size_t add_words(const struct sup *s, int by, struct deaf_word *out, int64_t now_ms)
{
    const struct child *c = &s->child[by];
    size_t cnt = 0;
    for (size_t i = 0; i < c->beat.near_cnt && is_steady(c, now_ms); i++) {
        int about = find_neighbour(s, &c->beat.near[i]);
        if (about != DEAF_NOBODY && is_steady(&s->child[about], now_ms))
            out[cnt++] = (struct deaf_word){.by = by, .about = about, .silent_ms = c->beat.near[i].silent_ms};
    }
    return cnt;
}

/* child_kinds.c has call-actor last: of two that may be deaf it is the dearer one to replace. */
static void look_for_the_deaf(struct sup *s)
{
    static struct deaf_word words[SUP_CHILDREN_MAX * SUP_CHILDREN_MAX];
    int64_t now_ms = loop_now(s->loop).mono_ms;
    size_t cnt = 0;
    for (size_t i = 0; i < s->child_cnt; i++)
        cnt += add_words(s, (int)i, &words[cnt], now_ms);
    int who = deaf_judge(&s->deaf, words, cnt, now_ms);
    if (who == DEAF_NOBODY)
        return;
    log_ev(LOG_WARN, "a worker is deaf", log_z("worker", s->child[who].name),
           log_z("neighbour", s->child[deaf_newest(&s->deaf)->other].name));
    watch_event(&s->child[who], CHILD_EV_DEAF);
}

static const Plane__Reading *find_reading(const Plane__Heartbeat *hb, const char *name)
{
    for (size_t i = 0; i < hb->n_reading; i++)
        if (strcmp(hb->reading[i]->socket, name) == 0)
            return hb->reading[i];
    return NULL;
}

/* The sockets are its way to the world, and no neighbour sees whether it still looks there. */
static void look_for_the_unread(struct child *c, const Plane__Heartbeat *hb)
{
    struct listeners *ls = &c->sup->listeners;
    int64_t now_ms = loop_now(c->sup->loop).mono_ms;
    for (size_t i = 0; c->life.kind->sip_sockets && i < ls->cnt; i++) {
        struct listener *l = &ls->at[i];
        const Plane__Reading *r = find_reading(hb, l->name);
        c->unread = unread_note(&l->unread, r != NULL, r != NULL ? r->looks : 0, listen_waits(l), now_ms);
        if (!c->unread)
            continue;
        l->unread = (struct unread){.looks = 0};
        log_ev(LOG_WARN, "a worker reads a socket no more", log_z("worker", c->name), log_z("socket", l->name));
        watch_event(c, CHILD_EV_DEAF);
        c->unread = false;
        return;
    }
}

static void on_heartbeat(struct child *c, const Plane__Heartbeat *hb)
{
    take_beat(c, hb);
    c->turned_ms = loop_now(c->sup->loop).mono_ms;
    if (!hears_us(c, hb))
        return;
    note_steady(c);
    watch_event(c, CHILD_EV_BEAT);
    if (c->sup->phase != SUP_SERVING && c->sup->phase != SUP_DRAINING)
        return;
    look_for_the_deaf(c->sup);
    look_for_the_unread(c, hb);
}

static void on_probe(struct timer *t, int64_t now_ms)
{
    struct sup *s = t->owner;
    (void)now_ms;
    bus_probe(s->bus, 0); /* who is silent shows in its heartbeats */
    notify_alive();
    loop_timer_in(s->loop, t, WORKER_HEARTBEAT_MS);
}

void watch_probe(struct sup *s)
{
    notify_open();
    timer_init(&s->probe_timer, on_probe, s);
    loop_timer_in(s->loop, &s->probe_timer, WORKER_HEARTBEAT_MS);
}

static void on_msg(struct bus_link *k, uint16_t type, const ProtobufCMessage *m)
{
    struct child *c = bus_link_user(k);
    if (!is_current(c, bus_link_peer(k)))
        return; /* last words of a predecessor */
    switch (type) {
    case PLANE_SUP_HEARTBEAT:
        KILL_POINT("sup.child.beat");
        on_heartbeat(c, (const void *)m);
        break;
    case PLANE_SUP_CTL_REPLY:
        ask_on_reply(c->sup->asks, c, (const void *)m);
        break;
    default:
        log_ev(LOG_DEBUG, "nothing to do with it", log_z("type", plane_name(type)), log_z("worker", c->name));
    }
}

/* --- life --- */

bool watch_is_up(const struct child *c)
{
    return c->life.state == CHILD_ST_RUNNING;
}

static void add_stats(struct child *c)
{
    (void)snprintf(c->labels, sizeof c->labels, "worker=\"%s\"", c->name);
    c->restarts = (struct stat_series){
        .name = "sip_signaling_worker_restarts_total", .labels = c->labels, .help = "starts after the first"};
    c->up = (struct stat_series){
        .name = "sip_signaling_worker_up", .labels = c->labels, .help = "1: said Hello", .kind = STAT_GAUGE};
    stat_register(&c->restarts);
    stat_register(&c->up);
}

/* Memory, not a file: it holds messages in clear, and nobody needs it when the supervisor is gone. */
static int new_journal(const struct child *c)
{
    int fd = memfd_create(c->name, MFD_CLOEXEC);
    if (fd >= 0 && ftruncate(fd, WORK_JOURNAL_BYTES) == 0)
        return fd;
    log_ev(LOG_WARN, "no memory for a journal: what kills this worker will not be found", log_z("worker", c->name),
           log_z("why", strerror(errno)));
    if (fd >= 0)
        (void)close(fd);
    return -1;
}

void watch_open(struct sup *s, struct child *c, const struct child_kind *kind, uint32_t instance)
{
    char path[LINK_PATH_SIZE];
    c->sup = s;
    c->instance = instance;
    c->dir = s->worker_dir;
    child_life_init(&c->life, kind);
    c->life.cores = conf_is(&s->conf, SET_CORE_DUMPS, "true");
    timer_init(&c->timer, on_timer, c);
    worker_name(kind->name, instance, kind->sharded ? conf_u32(&s->conf, SET_CALL_ACTORS) : 1, c->name);
    c->journal_fd = new_journal(c);
    c->journal = work_look(c->journal_fd);
    add_stats(c);
    worker_sup_path(conf_str(&s->conf, SET_RUNTIME_DIR), kind->name, instance, path);
    struct bus_link_args args = {
        .path = path, .listen = true, .peer = kind->proc, .on_up = on_up, .on_msg = on_msg, .user = c};
    c->link = bus_link_open(s->bus, &args);
    if (c->link == NULL)
        die(EX_STORAGE, "cannot open the link of %s at %s: %s", c->name, path, strerror(errno));
}
