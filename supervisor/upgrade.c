/*
 * An upgrade at work: performs what its machine asks for, looks at the worker in hand every UPGRADE_TICK_MS, and keeps
 * what there is to tell. Nothing here waits.
 */
#include "supervisor/upgrade.h"

#include "common/base/err.h"
#include "common/base/log.h"
#include "proto/control.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* How far one worker is. */
enum part_state {
    PART_OLD = 0,
    PART_STARTING = 1, /* from the new directory */
    PART_WATCHED = 2,
    PART_NEW = 3,
    PART_REVERTING = 4,
    PART_BACK = 5,
    PART_LOST = 6, /* it did not come back */
};

static const char *const part_names[] = {"old", "starting", "watched", "new", "going back", "back", "lost"};

struct part {
    enum part_state state;
    bool was_ready;    /* before the upgrade */
    int64_t old_ms;    /* from start to Hello, of the process before; 0: not known */
    int64_t begin_ms;  /* of what is being done with it */
    int64_t took_ms;   /* until it was well, or back */
    uint64_t starts;   /* restart_cnt when it was asked to restart */
    uint64_t faults_0; /* of its present process when the watch began */
    uint32_t signs;    /* work_signs, when last looked at, and ... */
    int64_t sign_ms;   /* ... when they last changed; 0: not yet */
};

struct upgrade {
    struct sup *sup;
    struct upgrade_life life;
    char dir[SUP_PATH_MAX]; /* the new one */
    struct part part[SUP_CHILDREN_MAX];
    struct timer tick;
    struct upgrade_probe *probe; /* NULL: none runs */
    size_t probed;               /* kinds that have answered */
    char version[UPGRADE_VERSION_SIZE];
    bool was_ready;                        /* the whole service */
    uint64_t old_finals, old_failures;     /* before it */
    uint64_t watch_finals, watch_failures; /* when the watch of the worker in hand began */
    bool watch_begun;
    int64_t good_since_ms;
    char culprit[SUP_NAME_MAX]; /* "": none */
    char why[SUP_TEXT_MAX];
};

static void event(struct upgrade *u, enum upgrade_event ev);

bool upgrade_is_under_way(const struct upgrade *u)
{
    return u->life.state == UPGRADE_ST_CHECKING || u->life.state == UPGRADE_ST_REPLACING ||
           u->life.state == UPGRADE_ST_REVERTING;
}

static struct child *in_hand(struct upgrade *u)
{
    return &u->sup->child[u->life.at];
}

static int64_t mono_ms(const struct upgrade *u)
{
    return loop_now(u->sup->loop).mono_ms;
}

/* --- the programs of the new directory --- */

static void refuse(struct upgrade *u, const char *why)
{
    (void)snprintf(u->why, sizeof u->why, "%s", why);
    event(u, UPGRADE_EV_REFUSED);
}

/* The schema of the stores that are in use; 0: no call-actor is up. */
static uint32_t store_in_use(const struct sup *s)
{
    for (size_t i = 0; i < s->child_cnt; i++) {
        const struct child *c = &s->child[i];
        const Plane__Hello *hello = bus_link_peer(c->link);
        if (watch_is_up(c) && hello != NULL && hello->store_schema != 0)
            return hello->store_schema;
    }
    return 0;
}

/* A store of another schema has no way back: the old program cannot read it once the new one has written. */
static bool is_compatible(struct upgrade *u, const char *name, const struct upgrade_said *said)
{
    uint32_t store = store_in_use(u->sup);
    if (!plane_fits(said->plane, said->plane_oldest)) {
        (void)snprintf(u->why, sizeof u->why,
                       "%s %.30s speaks message plane %" PRIu32 " and works with %" PRIu32
                       " and later; here it is %u, and %u and later: drain, stop, and start the new version",
                       name, said->version, said->plane, said->plane_oldest, PLANE_VERSION, PLANE_OLDEST);
        return false;
    }
    if (said->store != 0 && store != 0 && said->store != store) {
        (void)snprintf(u->why, sizeof u->why,
                       "%s %.30s keeps a store of schema %" PRIu32 ", here it is %" PRIu32
                       ": there would be no way back; drain, stop, and start the new version",
                       name, said->version, said->store, store);
        return false;
    }
    return true;
}

static void probe_next(struct upgrade *u);

static void on_probed(void *user, const struct upgrade_said *said, const char *why)
{
    struct upgrade *u = user;
    const char *name = child_kinds[u->probed].name;
    char text[SUP_TEXT_MAX];
    (void)snprintf(text, sizeof text, "%s", why);
    upgrade_probe_free(u->probe);
    u->probe = NULL;
    if (said == NULL) {
        refuse(u, text);
        return;
    }
    if (!is_compatible(u, name, said)) {
        event(u, UPGRADE_EV_REFUSED);
        return;
    }
    if (u->probed == 0)
        (void)snprintf(u->version, sizeof u->version, "%s", said->version);
    u->probed++;
    probe_next(u);
}

static void probe_next(struct upgrade *u)
{
    char text[SUP_TEXT_MAX];
    if (u->probed == CHILD_KINDS) {
        event(u, UPGRADE_EV_CHECKED);
        return;
    }
    const char *name = child_kinds[u->probed].name;
    u->probe = upgrade_probe_new(u->sup, u->dir, name, on_probed, u);
    if (u->probe != NULL)
        return;
    (void)snprintf(text, sizeof text, "%s cannot be started: %s", name, strerror(errno));
    refuse(u, text);
}

/* --- one worker --- */

static uint64_t since(uint64_t now, uint64_t then)
{
    return now >= then ? now - then : now; /* less than before: another process counts anew */
}

static const struct beat *edge_beat(const struct sup *s)
{
    return &s->child[0].beat; /* the first row: child_kinds.c */
}

static void restart_from(struct upgrade *u, const char *dir, enum part_state state, enum child_event how)
{
    struct child *c = in_hand(u);
    struct part *p = &u->part[u->life.at];
    p->state = state;
    p->begin_ms = mono_ms(u);
    p->starts = c->life.restart_cnt;
    p->signs = work_signs(c->journal);
    p->sign_ms = 0;
    p->old_ms = c->life.ready_ms != 0 ? c->life.ready_ms - c->life.started_ms : 0;
    u->watch_begun = false;
    u->good_since_ms = 0;
    c->dir = dir;
    log_ev(LOG_INFO, state == PART_STARTING ? "upgrade: replacing" : "upgrade: going back", log_z("worker", c->name),
           log_z("dir", dir));
    watch_event(c, how);
}

/* What was well is asked to leave; what was not, is not relied upon for that. */
static void revert(struct upgrade *u)
{
    bool suspect = u->part[u->life.at].state != PART_NEW || !watch_is_up(in_hand(u));
    restart_from(u, u->sup->worker_dir, PART_REVERTING, suspect ? CHILD_EV_KILL : CHILD_EV_RESTART);
}

static bool is_fresh(const struct upgrade *u, const struct child *c)
{
    return c->life.restart_cnt > u->part[u->life.at].starts;
}

static bool has_died(const struct upgrade *u, const struct child *c)
{
    uint8_t st = c->life.state;
    return c->life.restart_cnt > u->part[u->life.at].starts + 1 ||
           (is_fresh(u, c) && (st == CHILD_ST_BACKOFF || st == CHILD_ST_FAILED || st == CHILD_ST_ABORTING));
}

static bool is_alien(const struct child *c)
{
    const Plane__Hello *h = bus_link_peer(c->link);
    return h != NULL && c->pid > 0 && h->pid == c->pid && !plane_fits(h->plane_version, h->plane_oldest);
}

/* As ready as before the upgrade began. */
static bool is_good(const struct upgrade *u, const struct child *c)
{
    char why[SUP_TEXT_MAX];
    if (!is_fresh(u, c) || !watch_is_up(c) || !c->beat.known)
        return false;
    if (u->was_ready && !u->sup->draining)
        return status_ready(u->sup, why);
    return c->beat.ready || !u->part[u->life.at].was_ready;
}

static void begin_watch(struct upgrade *u)
{
    const struct sup *s = u->sup;
    bool edge = u->life.at == 0;
    for (size_t i = 0; i < s->child_cnt; i++)
        u->part[i].faults_0 = i == u->life.at ? 0 : s->child[i].beat.faults;
    u->watch_finals = edge ? 0 : edge_beat(s)->finals;
    u->watch_failures = edge ? 0 : edge_beat(s)->failures;
    u->watch_begun = true;
    u->part[u->life.at].state = PART_WATCHED;
}

static uint64_t faults_since(const struct upgrade *u)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < u->sup->child_cnt; i++)
        sum += since(u->sup->child[i].beat.faults, u->part[i].faults_0);
    return sum;
}

/* Those of its predecessor count, too, for UPGRADE_STILL_MS that any start has. */
static void note_signs(struct upgrade *u)
{
    struct part *p = &u->part[u->life.at];
    uint32_t signs = work_signs(in_hand(u)->journal);
    if (signs != p->signs)
        p->sign_ms = mono_ms(u);
    p->signs = signs;
}

static struct upgrade_look look(struct upgrade *u)
{
    const struct child *c = in_hand(u);
    note_signs(u);
    struct upgrade_look l = {
        .now_ms = mono_ms(u),
        .asked_ms = u->part[u->life.at].begin_ms,
        .fresh = is_fresh(u, c),
        .died = has_died(u, c),
        .alien = is_fresh(u, c) && is_alien(c),
        .up = is_fresh(u, c) && watch_is_up(c),
        .started_ms = c->life.started_ms,
        .up_ms = c->life.ready_ms,
        .sign_ms = u->part[u->life.at].sign_ms,
        .hello_ms = upgrade_hello_ms(c->life.kind, u->part[u->life.at].old_ms),
        .old_finals = u->old_finals,
        .old_failures = u->old_failures,
    };
    if (l.up && c->beat.known && !u->watch_begun)
        begin_watch(u);
    if (!u->watch_begun)
        return l;
    if (!is_good(u, c))
        u->good_since_ms = 0;
    else if (u->good_since_ms == 0)
        u->good_since_ms = l.now_ms;
    l.good_since_ms = u->good_since_ms;
    l.faults = faults_since(u);
    l.finals = since(edge_beat(u->sup)->finals, u->watch_finals);
    l.failures = since(edge_beat(u->sup)->failures, u->watch_failures);
    return l;
}

/* Why it is down, in the words of its death history. */
static const char *last_words(const struct child *c)
{
    return c->death_cnt > 0 ? c->death[(c->death_cnt - 1) % SUP_DEATHS_MAX].why : "";
}

static void blame(struct upgrade *u, const char *why, bool died)
{
    const struct child *c = in_hand(u);
    char ready[SUP_TEXT_MAX] = "";
    bool add_ready = !died && watch_is_up(c) && !status_ready(u->sup, ready);
    (void)snprintf(u->culprit, sizeof u->culprit, "%s", c->name);
    (void)snprintf(u->why, sizeof u->why, "%s%s%.150s", why, died || add_ready ? ": " : "",
                   died        ? last_words(c)
                   : add_ready ? ready
                               : "");
    log_ev(LOG_ERROR, "upgrade failed: going back", log_z("worker", c->name), log_z("why", u->why),
           log_z("dir", u->dir));
}

static void watch_new(struct upgrade *u)
{
    struct upgrade_look l = look(u);
    struct part *p = &u->part[u->life.at];
    const char *why = NULL;
    switch (upgrade_judge(&l, &why)) {
    case UPGRADE_WAIT:
        break;
    case UPGRADE_SICK:
        blame(u, why, l.died);
        event(u, UPGRADE_EV_SICK);
        break;
    case UPGRADE_WELL:
        p->state = PART_NEW;
        p->took_ms = l.now_ms - p->begin_ms;
        log_ev(LOG_INFO, "upgrade: replaced", log_z("worker", in_hand(u)->name), log_n("ms", p->took_ms));
        event(u, u->life.at + 1 == u->sup->child_cnt ? UPGRADE_EV_ALL_WELL : UPGRADE_EV_WELL);
        break;
    }
}

/* The old program was good enough before: it has to come up, and gets the time that any start gets. */
static void watch_old(struct upgrade *u)
{
    struct child *c = in_hand(u);
    struct part *p = &u->part[u->life.at];
    int64_t now_ms = mono_ms(u);
    bool back = is_fresh(u, c) && watch_is_up(c) && c->beat.known;
    note_signs(u);
    bool gets_on = p->sign_ms != 0 && now_ms - p->sign_ms <= UPGRADE_STILL_MS;
    bool lost = !back && !gets_on && now_ms - p->begin_ms > UPGRADE_GONE_MS + c->life.kind->hello_ms;
    if (!back && !lost)
        return;
    p->state = back ? PART_BACK : PART_LOST;
    p->took_ms = now_ms - p->begin_ms;
    log_ev(back ? LOG_INFO : LOG_ERROR, back ? "upgrade: back" : "upgrade: a worker did not come back",
           log_z("worker", c->name), log_n("ms", p->took_ms));
    event(u, u->life.at == 0 ? UPGRADE_EV_ALL_BACK : UPGRADE_EV_BACK);
}

static void on_tick(struct timer *t, int64_t now_ms)
{
    struct upgrade *u = t->owner;
    (void)now_ms;
    loop_timer_in(u->sup->loop, t, UPGRADE_TICK_MS); /* before: the end of it all cancels it */
    if (u->life.state == UPGRADE_ST_REPLACING)
        watch_new(u);
    else if (u->life.state == UPGRADE_ST_REVERTING)
        watch_old(u);
}

/* --- effects --- */

static void keep(struct upgrade *u)
{
    struct sup *s = u->sup;
    (void)span_copy(s->worker_dir, sizeof s->worker_dir, span_cstr(u->dir));
    for (size_t i = 0; i < s->child_cnt; i++)
        s->child[i].dir = s->worker_dir;
}

static void over(struct upgrade *u)
{
    bool done = u->life.state == UPGRADE_ST_DONE;
    loop_timer_cancel(u->sup->loop, &u->tick);
    upgrade_probe_free(u->probe);
    u->probe = NULL;
    for (size_t i = 0; i < u->sup->child_cnt; i++)
        u->sup->child[i].dir = u->sup->worker_dir;
    log_ev(done ? LOG_INFO : LOG_ERROR, done ? "upgrade done" : "upgrade failed: all workers are as before",
           log_z("dir", u->dir), log_z("version", u->version), log_z("worker", u->culprit), log_z("why", u->why));
}

static void perform(struct upgrade *u, enum upgrade_eff eff)
{
    switch (eff) {
    case UPGRADE_EFF_CHECK:
        probe_next(u);
        break;
    case UPGRADE_EFF_REPLACE:
        restart_from(u, u->dir, PART_STARTING, CHILD_EV_RESTART);
        break;
    case UPGRADE_EFF_REVERT:
        revert(u);
        break;
    case UPGRADE_EFF_KEEP:
        keep(u);
        break;
    case UPGRADE_EFF_OVER:
        over(u);
        break;
    }
}

static void event(struct upgrade *u, enum upgrade_event ev)
{
    struct upgrade_fx fx = {.cnt = 0};
    (void)fsm_step(&upgrade_fsm, &u->life.state, (uint8_t)ev, &u->life, NULL, &fx, loop_now(u->sup->loop));
    for (size_t i = 0; i < fx.cnt; i++)
        perform(u, fx.eff[i]);
}

/* --- asked for --- */

static const char *in_the_way(const struct upgrade *u)
{
    if (u->sup->phase != SUP_SERVING)
        return "the service is stopping";
    if (upgrade_is_under_way(u))
        return "an upgrade is under way";
    for (size_t i = 0; i < u->sup->child_cnt; i++) {
        if (u->sup->child[i].roll)
            return "a restart of several workers is under way";
    }
    return NULL;
}

int upgrade_start(struct upgrade *u, const char *dir, char *why)
{
    struct sup *s = u->sup;
    char real[SUP_PATH_MAX];
    const char *reason = in_the_way(u);
    if (reason != NULL) {
        (void)snprintf(why, SUP_TEXT_MAX, "%s", reason);
        return -1;
    }
    if (upgrade_dir_check(dir, real, why) != 0)
        return -1;
    (void)span_copy(u->dir, sizeof u->dir, span_cstr(real));
    u->culprit[0] = u->why[0] = u->version[0] = '\0';
    u->probed = 0;
    for (size_t i = 0; i < s->child_cnt; i++)
        u->part[i] = (struct part){.was_ready = watch_is_up(&s->child[i]) && s->child[i].beat.ready};
    char text[SUP_TEXT_MAX];
    u->was_ready = status_ready(s, text);
    u->old_finals = edge_beat(s)->finals;
    u->old_failures = edge_beat(s)->failures;
    log_ev(LOG_INFO, "upgrade asked for", log_z("dir", u->dir), log_z("from", s->worker_dir));
    loop_timer_in(s->loop, &u->tick, UPGRADE_TICK_MS);
    event(u, UPGRADE_EV_ASKED);
    return 0;
}

void upgrade_stop(struct upgrade *u)
{
    if (upgrade_is_under_way(u))
        (void)snprintf(u->why, sizeof u->why, "the service stops");
    event(u, UPGRADE_EV_STOP);
}

/* --- told --- */

static void put_text(struct buf *out, const char *key, const char *text)
{
    buf_printf(out, ",\"%s\":", key);
    control_put_string(out, span_cstr(text));
}

void upgrade_print(const struct upgrade *u, struct buf *out)
{
    const struct sup *s = u->sup;
    bool idle = u->life.state == UPGRADE_ST_IDLE;
    buf_printf(out, "\"upgrade\":{\"state\":\"%s\"", upgrade_fsm.state_names[u->life.state]);
    put_text(out, "current", s->worker_dir);
    put_text(out, "dir", idle ? "" : u->dir);
    put_text(out, "version", u->version);
    put_text(out, "worker", u->culprit);
    put_text(out, "why", u->why);
    buf_puts(out, ",\"workers\":[");
    for (size_t i = 0; !idle && i < s->child_cnt; i++) {
        const struct part *p = &u->part[i];
        buf_printf(out, "%s{\"name\":\"%s\",\"state\":\"%s\",\"ms\":%" PRId64 "}", i > 0 ? "," : "", s->child[i].name,
                   part_names[p->state], p->took_ms);
    }
    buf_puts(out, "]}");
}

/* --- life --- */

struct upgrade *upgrade_new(struct sup *s)
{
    struct upgrade *u = calloc(1, sizeof *u);
    if (u == NULL)
        die(EX_INTERNAL, "no memory for upgrades");
    u->sup = s;
    timer_init(&u->tick, on_tick, u);
    return u;
}

void upgrade_free(struct upgrade *u)
{
    if (u == NULL)
        return;
    upgrade_probe_free(u->probe);
    loop_timer_cancel(u->sup->loop, &u->tick);
    free(u);
}
