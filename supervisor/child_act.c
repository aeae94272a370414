#include "supervisor/child.h"

#include "common/base/err.h"
#include <signal.h>

void child_life_init(struct child_life *c, const struct child_kind *kind)
{
    *c = (struct child_life){
        .kind = kind,
        .state = CHILD_ST_IDLE,
        .backoff = {.min_ms = CHILD_BACKOFF_MIN_MS, .max_ms = CHILD_BACKOFF_MAX_MS},
    };
}

bool child_has_process(uint8_t state)
{
    return state == CHILD_ST_STARTING || state == CHILD_ST_RUNNING || state == CHILD_ST_RESTARTING ||
           state == CHILD_ST_ABORTING || state == CHILD_ST_STOPPING;
}

static bool is_calm(const struct child_life *c, struct now now)
{
    return c->ready_ms != 0 && now.mono_ms - c->ready_ms >= CHILD_CALM_MS;
}

enum child_event child_exit_event(const struct child_life *c, struct now now)
{
    if (is_calm(c, now))
        return CHILD_EV_EXIT_CALM;
    return c->early_cnt + 1 >= CHILD_EARLY_MAX ? CHILD_EV_EXIT_LAST : CHILD_EV_EXIT_EARLY;
}

static void put(struct child_fx *fx, enum child_eff eff, int64_t arg)
{
    BUG_ON(fx->cnt == CHILD_FX_MAX);
    fx->item[fx->cnt].eff = eff;
    fx->item[fx->cnt].arg = arg;
    fx->cnt++;
}

static void forgive(struct child_life *c)
{
    c->early_cnt = 0;
    backoff_reset(&c->backoff);
}

void act_spawn(void *obj, const void *arg, void *fx, struct now now)
{
    struct child_life *c = obj;
    (void)arg;
    if (c->started_ms != 0)
        c->restart_cnt++;
    c->started_ms = now.mono_ms;
    c->ready_ms = 0;
    put(fx, EFF_TIMER, c->kind->hello_ms);
    put(fx, EFF_SPAWN, 0);
}

void act_ready(void *obj, const void *arg, void *fx, struct now now)
{
    struct child_life *c = obj;
    (void)arg;
    c->ready_ms = now.mono_ms;
    put(fx, EFF_TIMER, CHILD_HANG_MS);
}

void act_beat(void *obj, const void *arg, void *fx, struct now now)
{
    struct child_life *c = obj;
    (void)arg;
    if (is_calm(c, now))
        forgive(c);
    put(fx, EFF_TIMER, CHILD_HANG_MS);
}

/* It had been ready, or an operator wants it: whoever waits should not wait longer than an exec takes. */
void act_respawn(void *obj, const void *arg, void *fx, struct now now)
{
    forgive(obj);
    act_spawn(obj, arg, fx, now);
}

/* How often it may be started is what counts: who has served for the delay, though no second, waits no more. */
void act_back_off(void *obj, const void *arg, void *fx, struct now now)
{
    struct child_life *c = obj;
    (void)arg;
    int64_t wait_ms = backoff_fail(&c->backoff, now.mono_ms);
    int64_t served_ms = c->ready_ms != 0 ? now.mono_ms - c->ready_ms : 0;
    c->early_cnt++;
    put(fx, EFF_TIMER, served_ms < wait_ms ? wait_ms - served_ms : 0);
}

void act_give_up(void *obj, const void *arg, void *fx, struct now now)
{
    struct child_life *c = obj;
    (void)arg;
    (void)now;
    c->early_cnt++;
    put(fx, EFF_TIMER, CHILD_FAILED_RETRY_MS);
}

/* Where cores may be left SIGABRT leaves one of where it hung; a stopped process hears nothing but SIGKILL. */
void act_abort(void *obj, const void *arg, void *fx, struct now now)
{
    const struct child_life *c = obj;
    (void)arg;
    (void)now;
    put(fx, EFF_SIGNAL, c->cores ? SIGABRT : SIGKILL);
    put(fx, EFF_TIMER, CHILD_ABORT_MS);
}

void act_kill(void *obj, const void *arg, void *fx, struct now now)
{
    (void)obj;
    (void)arg;
    (void)now;
    put(fx, EFF_SIGNAL, SIGKILL);
    put(fx, EFF_TIMER, CHILD_ABORT_MS);
}

void act_stop(void *obj, const void *arg, void *fx, struct now now)
{
    struct child_life *c = obj;
    (void)arg;
    (void)now;
    put(fx, EFF_SEND_STOP, c->kind->stop_ms);
    put(fx, EFF_TIMER, (int64_t)c->kind->stop_ms + CHILD_GRACE_EXTRA_MS);
}

/* Not yet on the message plane. */
void act_stop_young(void *obj, const void *arg, void *fx, struct now now)
{
    (void)obj;
    (void)arg;
    (void)now;
    put(fx, EFF_SIGNAL, SIGTERM);
    put(fx, EFF_TIMER, CHILD_ABORT_MS);
}

void act_rest(void *obj, const void *arg, void *fx, struct now now)
{
    (void)obj;
    (void)arg;
    (void)now;
    put(fx, EFF_TIMER_OFF, 0);
}
