/* The only home of libev. */
#include "common/rt/loop.h"
#include "common/base/err.h"
#include "common/base/log.h"
#include <ev.h>
#include <stdlib.h>

#define LOOP_HOOKS_MAX 8

struct hook {
    loop_hook_fn *fn;
    void *user;
};

struct loop {
    struct ev_loop *ev;
    ev_timer next_timer; /* the earliest of `timers` */
    ev_prepare turn_end; /* libev runs it just before it waits: the end of our turn */
    ev_check turn_begin;
    ev_idle again;
    struct timers timers;
    struct now now;
    struct hook hooks[LOOP_HOOKS_MAX];
    size_t hook_cnt;
    struct hook last;
    int64_t turn_began_us;
    uint32_t slowest_ms;
    bool reaps;
    bool stopping;
};

struct loop_io {
    ev_io ev;
    struct loop *loop;
    int dirs;
    loop_io_fn *fn;
    void *user;
};

struct loop_wake {
    ev_async ev;
    struct loop *loop;
    loop_wake_fn *fn;
    void *user;
};

struct loop_signal {
    ev_signal ev;
    struct loop *loop;
    loop_signal_fn *fn;
    void *user;
};

struct loop_child {
    ev_child ev;
    struct loop *loop;
    loop_child_fn *fn;
    void *user;
};

static void *xnew(size_t n)
{
    void *p = calloc(1, n);
    if (p == NULL)
        die(EX_INTERNAL, "out of memory for an event watcher");
    return p;
}

void loop_refresh(struct loop *l)
{
    ev_now_update(l->ev);
    l->now = clock_now();
}

/* The heap decides when libev wakes us next. A timer due now still goes through a (zero-length) wait, so that I/O is
 * seen. */
static void arm_next(struct loop *l)
{
    int64_t at = timers_next(&l->timers);
    ev_timer_stop(l->ev, &l->next_timer);
    if (at == INT64_MAX)
        return;
    int64_t in = at - clock_mono_ms();
    ev_timer_set(&l->next_timer, in > 0 ? (double)in / 1000.0 : 0.0, 0.0);
    ev_now_update(l->ev);
    ev_timer_start(l->ev, &l->next_timer);
}

static void on_turn_begin(struct ev_loop *ev, ev_check *w, int revents)
{
    (void)ev;
    (void)revents;
    struct loop *l = w->data;
    l->now = clock_now();
    l->turn_began_us = clock_mono_us();
}

static void run_hooks(struct loop *l)
{
    for (size_t i = 0; i < l->hook_cnt; i++)
        l->hooks[i].fn(l->hooks[i].user);
    if (l->last.fn != NULL)
        l->last.fn(l->last.user);
}

void loop_cut_turn(struct loop *l)
{
    run_hooks(l);
}

static void on_turn_end(struct ev_loop *ev, ev_prepare *w, int revents)
{
    (void)ev;
    (void)revents;
    struct loop *l = w->data;
    run_hooks(l);
    arm_next(l);
    if (l->turn_began_us == 0)
        return;
    int64_t ms = (clock_mono_us() - l->turn_began_us) / 1000;
    if (ms > l->slowest_ms)
        l->slowest_ms = (uint32_t)ms;
    if (ms >= LOOP_SLOW_MS)
        log_ev(LOG_WARN, "slow turn", log_n("ms", ms));
}

static void on_next_timer(struct ev_loop *ev, ev_timer *w, int revents)
{
    (void)ev;
    (void)revents;
    struct loop *l = w->data;
    timers_run(&l->timers, l->now.mono_ms);
}

static void on_again(struct ev_loop *ev, ev_idle *w, int revents)
{
    (void)revents;
    ev_idle_stop(ev, w);
}

struct loop *loop_new(bool reaps_children)
{
    struct loop *l = xnew(sizeof(*l));
    l->reaps = reaps_children;
    l->ev = reaps_children ? ev_default_loop(EVFLAG_AUTO) : ev_loop_new(EVFLAG_AUTO);
    if (l->ev == NULL)
        die(EX_INTERNAL, "no event loop: epoll is not usable here");
    timers_init(&l->timers);
    ev_timer_init(&l->next_timer, on_next_timer, 0.0, 0.0);
    ev_prepare_init(&l->turn_end, on_turn_end);
    ev_check_init(&l->turn_begin, on_turn_begin);
    ev_idle_init(&l->again, on_again);
    /* First thing after the wait, so that every callback sees this turn's clock. */
    ev_set_priority(&l->turn_begin, EV_MAXPRI);
    l->next_timer.data = l;
    l->turn_end.data = l;
    l->turn_begin.data = l;
    ev_prepare_start(l->ev, &l->turn_end);
    ev_check_start(l->ev, &l->turn_begin);
    l->now = clock_now();
    return l;
}

void loop_free(struct loop *l)
{
    ev_prepare_stop(l->ev, &l->turn_end);
    ev_check_stop(l->ev, &l->turn_begin);
    ev_timer_stop(l->ev, &l->next_timer);
    ev_idle_stop(l->ev, &l->again);
    timers_fini(&l->timers);
    ev_loop_destroy(l->ev);
    free(l);
}

void loop_run(struct loop *l)
{
    ev_run(l->ev, 0);
    run_hooks(l); /* what the last turn decided is still committed and said */
}

void loop_stop(struct loop *l)
{
    l->stopping = true;
    ev_break(l->ev, EVBREAK_ALL);
}

bool loop_is_stopping(const struct loop *l)
{
    return l->stopping;
}

struct now loop_now(const struct loop *l)
{
    return l->now;
}

struct timers *loop_timers(struct loop *l)
{
    return &l->timers;
}

void loop_timer_at(struct loop *l, struct timer *t, int64_t at_mono_ms)
{
    if (timer_set(&l->timers, t, at_mono_ms) != 0)
        die(EX_INTERNAL, "out of memory for timers");
}

void loop_timer_in(struct loop *l, struct timer *t, int64_t after_ms)
{
    loop_timer_at(l, t, l->now.mono_ms + after_ms);
}

void loop_timer_cancel(struct loop *l, struct timer *t)
{
    timer_cancel(&l->timers, t);
}

void loop_at_turn_end(struct loop *l, loop_hook_fn *fn, void *user)
{
    BUG_ON(l->hook_cnt == LOOP_HOOKS_MAX);
    l->hooks[l->hook_cnt++] = (struct hook){fn, user};
}

void loop_last_at_turn_end(struct loop *l, loop_hook_fn *fn, void *user)
{
    BUG_ON(l->last.fn != NULL);
    l->last = (struct hook){fn, user};
}

void loop_again(struct loop *l)
{
    ev_idle_start(l->ev, &l->again);
}

uint32_t loop_slowest_ms(struct loop *l)
{
    uint32_t ms = l->slowest_ms;
    l->slowest_ms = 0;
    return ms;
}

static void on_io(struct ev_loop *ev, ev_io *w, int revents)
{
    (void)ev;
    struct loop_io *io = w->data;
    int dirs = ((revents & EV_READ) != 0 ? LOOP_READ : 0) | ((revents & EV_WRITE) != 0 ? LOOP_WRITE : 0);
    io->fn(io->user, w->fd, dirs);
}

static int ev_dirs(int dirs)
{
    return ((dirs & LOOP_READ) != 0 ? EV_READ : 0) | ((dirs & LOOP_WRITE) != 0 ? EV_WRITE : 0);
}

struct loop_io *loop_io_new(struct loop *l, int fd, int dirs, loop_io_fn *fn, void *user)
{
    struct loop_io *io = xnew(sizeof(*io));
    io->loop = l;
    io->dirs = dirs;
    io->fn = fn;
    io->user = user;
    ev_io_init(&io->ev, on_io, fd, ev_dirs(dirs));
    io->ev.data = io;
    if (dirs != 0)
        ev_io_start(l->ev, &io->ev);
    return io;
}

void loop_io_set(struct loop_io *io, int dirs)
{
    if (dirs == io->dirs)
        return; /* spares a system call a turn */
    io->dirs = dirs;
    ev_io_stop(io->loop->ev, &io->ev);
    ev_io_set(&io->ev, io->ev.fd, ev_dirs(dirs));
    if (dirs != 0)
        ev_io_start(io->loop->ev, &io->ev);
}

void loop_io_free(struct loop_io *io)
{
    if (io == NULL)
        return;
    ev_io_stop(io->loop->ev, &io->ev);
    free(io);
}

static void on_wake(struct ev_loop *ev, ev_async *w, int revents)
{
    (void)ev;
    (void)revents;
    struct loop_wake *k = w->data;
    k->fn(k->user);
}

struct loop_wake *loop_wake_new(struct loop *l, loop_wake_fn *fn, void *user)
{
    struct loop_wake *w = xnew(sizeof(*w));
    w->loop = l;
    w->fn = fn;
    w->user = user;
    ev_async_init(&w->ev, on_wake);
    w->ev.data = w;
    ev_async_start(l->ev, &w->ev);
    return w;
}

void loop_wake_post(struct loop_wake *w)
{
    ev_async_send(w->loop->ev, &w->ev);
}

void loop_wake_free(struct loop_wake *w)
{
    if (w == NULL)
        return;
    ev_async_stop(w->loop->ev, &w->ev);
    free(w);
}

static void on_signal(struct ev_loop *ev, ev_signal *w, int revents)
{
    (void)ev;
    (void)revents;
    struct loop_signal *s = w->data;
    s->fn(s->user, w->signum);
}

struct loop_signal *loop_signal_new(struct loop *l, int signo, loop_signal_fn *fn, void *user)
{
    struct loop_signal *s = xnew(sizeof(*s));
    s->loop = l;
    s->fn = fn;
    s->user = user;
    ev_signal_init(&s->ev, on_signal, signo);
    s->ev.data = s;
    ev_signal_start(l->ev, &s->ev);
    return s;
}

void loop_signal_free(struct loop_signal *s)
{
    if (s == NULL)
        return;
    ev_signal_stop(s->loop->ev, &s->ev);
    free(s);
}

static void on_child(struct ev_loop *ev, ev_child *w, int revents)
{
    (void)revents;
    struct loop_child *c = w->data;
    ev_child_stop(ev, w);
    c->fn(c->user, w->rpid, w->rstatus);
}

struct loop_child *loop_child_new(struct loop *l, int pid, loop_child_fn *fn, void *user)
{
    BUG_ON(!l->reaps);
    struct loop_child *c = xnew(sizeof(*c));
    c->loop = l;
    c->fn = fn;
    c->user = user;
    ev_child_init(&c->ev, on_child, pid, 0);
    c->ev.data = c;
    ev_child_start(l->ev, &c->ev);
    return c;
}

void loop_child_free(struct loop_child *c)
{
    if (c == NULL)
        return;
    ev_child_stop(c->loop->ev, &c->ev);
    free(c);
}
