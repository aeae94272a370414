/*
 * The supervisor at work: starts the workers, keeps an eye on the whole, drains and stops. Nothing here waits.
 */
#include "supervisor/sup.h"

#include "common/base/err.h"
#include "common/base/id.h"
#include "common/base/log.h"
#include "common/rt/crypt.h"
#include "common/rt/killpoint.h"
#include "proto/control.h"
#include "supervisor/ctl_ask.h"
#include "supervisor/upgrade.h"
#include <signal.h>
#include <unistd.h>

#define TEXT_MAX 8192

/* --- the children as a whole --- */

const char *watch_state(const struct child *c)
{
    return child_state_name(c->life.state);
}

struct child *sup_find_child(struct sup *s, struct span name, size_t *from)
{
    while (*from < s->child_cnt) {
        struct child *c = &s->child[(*from)++];
        if (span_eq(name, span_cstr(c->name)) || span_eq(name, span_cstr(c->life.kind->name)))
            return c;
    }
    return NULL;
}

static void each_child(struct sup *s, enum child_event ev)
{
    for (size_t i = 0; i < s->child_cnt; i++)
        watch_event(&s->child[i], ev);
}

/* Every kind that is of use alone has failed: nobody answers SIP and nobody keeps calls. */
static bool is_useless(const struct sup *s)
{
    for (size_t i = 0; i < s->child_cnt; i++) {
        const struct child_life *c = &s->child[i].life;
        if (c->kind->useful_alone && c->state != CHILD_ST_FAILED)
            return false;
    }
    return true;
}

static bool is_drained(const struct sup *s)
{
    for (size_t i = 0; i < s->child_cnt; i++) {
        const struct child *c = &s->child[i];
        if (c->life.kind->drains && c->life.state != CHILD_ST_FAILED && !c->beat.drained)
            return false;
    }
    return true;
}

/* --- restarts one by one --- */

static void restart_now(struct child *c, bool kill)
{
    c->roll = false;
    watch_event(c, kill ? CHILD_EV_KILL : CHILD_EV_RESTART);
}

size_t sup_restart(struct sup *s, struct span name, bool kill, struct buf *names)
{
    struct child *c = NULL;
    struct child *one = NULL;
    size_t count = 0;
    buf_putc(names, '[');
    for (size_t from = 0; (c = sup_find_child(s, name, &from)) != NULL; count++, one = c) {
        buf_puts(names, count > 0 ? "," : "");
        control_put_string(names, span_cstr(c->name));
        c->roll = true;
        c->roll_kill = kill;
    }
    buf_putc(names, ']');
    if (count == 1)
        restart_now(one, kill);
    return count; /* several: roll_next, at the end of this turn and of later ones */
}

static bool siblings_run(const struct sup *s, const struct child *c)
{
    for (size_t i = 0; i < s->child_cnt; i++) {
        const struct child *d = &s->child[i];
        if (d->life.kind == c->life.kind && !(watch_is_up(d) && d->beat.known))
            return false;
    }
    return true;
}

static bool sibling_failed(const struct sup *s, const struct child *c)
{
    for (size_t i = 0; i < s->child_cnt; i++) {
        const struct child *d = &s->child[i];
        if (d->life.kind == c->life.kind && !d->roll && d->life.state == CHILD_ST_FAILED)
            return true;
    }
    return false;
}

/* One that is down anyway is started at once; one that works is stopped only while all others of its kind work. */
static void roll_next(struct sup *s)
{
    for (size_t i = 0; i < s->child_cnt; i++) {
        struct child *c = &s->child[i];
        if (!c->roll)
            continue;
        if (sibling_failed(s, c)) {
            log_ev(LOG_ERROR, "not restarted, because another of its kind has failed", log_z("worker", c->name));
            c->roll = false;
        } else if (!watch_is_up(c) || siblings_run(s, c)) {
            restart_now(c, c->roll_kill);
        }
    }
}

/* --- drain and stop --- */

void sup_drain(struct sup *s, bool on)
{
    Plane__Drain m = PLANE__DRAIN__INIT;
    m.on = on;
    s->draining = on;
    log_line(LOG_INFO, on ? "draining: no new calls" : "taking calls again");
    for (size_t i = 0; i < s->child_cnt; i++) {
        struct child *c = &s->child[i];
        c->beat.drained = false; /* said before it was told */
        if (watch_is_up(c))
            (void)bus_send(c->link, PLANE_SUP_DRAIN, &m.base);
    }
}

/* Longest time all kinds together may take to stop, each after the other. */
static int64_t patience_ms(void)
{
    int64_t ms = SUP_STOP_SLACK_MS;
    for (size_t i = 0; i < CHILD_KINDS; i++)
        ms += child_kinds[i].stop_ms + CHILD_GRACE_EXTRA_MS;
    return ms;
}

static void begin_stopping(struct sup *s)
{
    log_line(LOG_INFO, "stopping the workers");
    s->phase = SUP_STOPPING;
    s->draining = true;
    KILL_POINT("sup.stop.begun");
    upgrade_stop(s->upgrade);
    loop_timer_in(s->loop, &s->stop_timer, patience_ms());
    loop_again(s->loop);
}

static void begin_draining(struct sup *s)
{
    uint32_t longest_s = conf_u32(&s->conf, SET_DRAIN_S);
    s->phase = SUP_DRAINING;
    upgrade_stop(s->upgrade);
    if (!s->draining)
        sup_drain(s, true);
    log_ev(LOG_INFO, "stopping when the calls have ended", log_n("longest_s", longest_s));
    loop_timer_in(s->loop, &s->stop_timer, (int64_t)longest_s * 1000);
}

void sup_stop(struct sup *s)
{
    switch (s->phase) {
    case SUP_SERVING:
        begin_draining(s);
        break;
    case SUP_DRAINING:
        log_line(LOG_INFO, "asked again: not waiting for calls");
        begin_stopping(s);
        break;
    case SUP_STOPPING:
        log_line(LOG_WARN, "asked once more: killing the workers");
        each_child(s, CHILD_EV_HURRY);
        break;
    case SUP_STOPPED:
        break;
    }
}

static void on_stop_timer(struct timer *t, int64_t now_ms)
{
    struct sup *s = t->owner;
    (void)now_ms;
    if (s->phase == SUP_DRAINING) {
        log_line(LOG_WARN, "calls are still there: they get BYE");
        begin_stopping(s);
        return;
    }
    log_line(LOG_ERROR, "workers are left over: killing them");
    each_child(s, CHILD_EV_HURRY);
    loop_stop(s->loop); /* whoever survives SIGKILL for now dies with us */
}

/* It died at the last moment, and only its next life can say BYE to whoever is still talking; on_stop_timer bounds
 * that. */
static bool is_awaited(const struct child *c)
{
    const struct child_life *l = &c->life;
    return l->kind->drains && l->early_cnt <= 1 && (l->state == CHILD_ST_STARTING || l->state == CHILD_ST_BACKOFF);
}

/* From the last kind to the first; the next one is asked when all of this one are gone. */
static void stop_next(struct sup *s)
{
    for (size_t k = CHILD_KINDS; k-- > 0;) {
        bool gone = true;
        for (size_t i = 0; i < s->child_cnt; i++) {
            struct child *c = &s->child[i];
            if (c->life.kind != &child_kinds[k])
                continue;
            if (!is_awaited(c))
                watch_event(c, CHILD_EV_STOP);
            gone = gone && c->life.state == CHILD_ST_STOPPED;
        }
        if (!gone)
            return;
    }
    log_line(LOG_INFO, "all workers have stopped");
    s->phase = SUP_STOPPED;
    loop_stop(s->loop);
}

/* --- each turn --- */

static void tell_ready(struct sup *s)
{
    char why[SUP_TEXT_MAX];
    bool ready = status_ready(s, why);
    if (ready == (s->stat_ready.value != 0))
        return;
    stat_set(&s->stat_ready, ready);
    log_ev(ready ? LOG_INFO : LOG_WARN, ready ? "ready" : "not ready", log_z("why", why));
}

static void on_turn_end(void *user)
{
    struct sup *s = user;
    if (s->phase == SUP_SERVING && is_useless(s)) {
        log_line(LOG_ERROR, "nothing useful is left running: sip-edge and call-actor have failed; giving up");
        s->exit_code = EX_FAILED;
        begin_stopping(s);
    }
    if (s->phase == SUP_SERVING)
        roll_next(s);
    if (s->phase == SUP_DRAINING && is_drained(s))
        begin_stopping(s);
    if (s->phase == SUP_STOPPING)
        stop_next(s);
    if (s->phase != SUP_STOPPED)
        tell_ready(s);
}

/* --- settings while running --- */

static void tell_reload(struct sup *s, const char *level, bool level_only, const struct child *only)
{
    Plane__Reload m = PLANE__RELOAD__INIT;
    m.log_level = (char *)level;
    m.level_only = level_only;
    for (size_t i = 0; i < s->child_cnt; i++) {
        struct child *c = &s->child[i];
        if ((only == NULL || c == only) && watch_is_up(c))
            (void)bus_send(c->link, PLANE_SUP_RELOAD, &m.base);
    }
}

void sup_log_level(struct sup *s, const char *level, struct child *only)
{
    if (only == NULL) {
        log_set_level((enum log_level)log_level_parse(span_cstr(level)));
        (void)conf_set(&s->conf, SET_LOG_LEVEL, level, "control socket"); /* for workers yet to start */
    }
    tell_reload(s, level, true, only);
}

static int load_anew(struct sup *s, struct conf *fresh, struct buf *err)
{
    if (conf_load(fresh, s->conf_file, s->envp, err) != 0 || conf_check_files(fresh, err) != 0)
        return -1;
    const struct conf *c = &s->conf; /* paths do not change while running; what the files hold does */
    return crypt_check_keypair(conf_str(c, SET_CERT_PATH), conf_str(c, SET_KEY_PATH), conf_str(c, SET_CA_PATH), err);
}

int sup_reload(struct sup *s, struct buf *err)
{
    struct conf fresh;
    struct buf later;
    conf_init(&fresh);
    buf_init(&later, TEXT_MAX);
    int rc = load_anew(s, &fresh, err);
    if (rc == 0) {
        (void)conf_take_reload(&s->conf, &fresh, &later);
        if (later.len > 0)
            log_ev(LOG_WARN, "settings that differ now and need a restart of the service",
                   log_s("settings", buf_span(&later)));
        const char *level = conf_str(&s->conf, SET_LOG_LEVEL);
        log_set_level((enum log_level)log_level_parse(span_cstr(level)));
        tell_reload(s, level, false, NULL);
        log_ev(LOG_INFO, "settings and certificates read again", log_z("log_level", conf_str(&s->conf, SET_LOG_LEVEL)));
    }
    buf_fini(&later);
    conf_fini(&fresh);
    return rc;
}

/* --- signals --- */

static void on_stop_signal(void *user, int signo)
{
    log_ev(LOG_INFO, "signal", log_z("name", sigabbrev_np(signo)));
    sup_stop(user);
}

static void on_reload_signal(void *user, int signo)
{
    struct buf err;
    (void)signo;
    buf_init(&err, TEXT_MAX);
    if (sup_reload(user, &err) != 0)
        log_ev(LOG_ERROR, "nothing was reloaded", log_s("why", span_trim(buf_span(&err))));
    buf_fini(&err);
}

/* --- run --- */

static void open_children(struct sup *s)
{
    for (size_t k = 0; k < CHILD_KINDS; k++) {
        uint32_t count = child_kinds[k].sharded ? conf_u32(&s->conf, SET_CALL_ACTORS) : 1;
        for (uint32_t i = 0; i < count; i++) {
            BUG_ON(s->child_cnt == SUP_CHILDREN_MAX);
            watch_open(s, &s->child[s->child_cnt++], &child_kinds[k], i);
        }
    }
}

static void open_bus(struct sup *s)
{
    Plane__Hello me = PLANE__HELLO__INIT;
    me.proc = PLANE__PROC__PROC_SUP;
    me.epoch = id_random_u64();
    me.version = (char *)SIG_VERSION;
    me.plane_version = PLANE_VERSION;
    me.plane_oldest = PLANE_OLDEST;
    me.pid = getpid();
    me.probes = true;
    s->bus = bus_new(s->loop, &me);
}

static void add_stats(struct sup *s)
{
    s->stat_ready =
        (struct stat_series){.name = "sip_signaling_ready", .help = "1: calls are taken", .kind = STAT_GAUGE};
    stat_register(&s->stat_ready);
}

int sup_run(struct sup *s)
{
    (void)signal(SIGPIPE, SIG_IGN);
    s->loop = loop_new(true);
    s->started = loop_now(s->loop);
    timer_init(&s->stop_timer, on_stop_timer, s);
    struct loop_signal *term = loop_signal_new(s->loop, SIGTERM, on_stop_signal, s);
    struct loop_signal *intr = loop_signal_new(s->loop, SIGINT, on_stop_signal, s);
    struct loop_signal *hup = loop_signal_new(s->loop, SIGHUP, on_reload_signal, s);
    loop_at_turn_end(s->loop, on_turn_end, s);
    s->asks = ask_table_new(s);
    s->upgrade = upgrade_new(s);
    int code = start_faces(s);
    if (code == EX_OK) {
        open_bus(s);
        open_children(s);
        add_stats(s);
        watch_probe(s);
        KILL_POINT("sup.start.bound");
        each_child(s, CHILD_EV_START);
        loop_run(s->loop);
        code = s->exit_code;
    }
    start_undo(s);
    if (s->bus != NULL)
        bus_free(s->bus);
    ask_table_free(s->asks);
    upgrade_free(s->upgrade);
    loop_signal_free(term);
    loop_signal_free(intr);
    loop_signal_free(hup);
    loop_free(s->loop);
    return code;
}
