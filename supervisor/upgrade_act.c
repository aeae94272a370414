#include "supervisor/upgrade.h"

#include "common/base/err.h"

/* --- actions --- */

static void put(struct upgrade_fx *fx, enum upgrade_eff eff)
{
    BUG_ON(fx->cnt == UPGRADE_FX_MAX);
    fx->eff[fx->cnt++] = eff;
}

void act_upgrade_check(void *obj, const void *arg, void *fx, struct now now)
{
    struct upgrade_life *u = obj;
    (void)arg;
    (void)now;
    u->at = 0;
    put(fx, UPGRADE_EFF_CHECK);
}

void act_upgrade_first(void *obj, const void *arg, void *fx, struct now now)
{
    (void)obj;
    (void)arg;
    (void)now;
    put(fx, UPGRADE_EFF_REPLACE);
}

void act_upgrade_next(void *obj, const void *arg, void *fx, struct now now)
{
    struct upgrade_life *u = obj;
    (void)arg;
    (void)now;
    u->at++;
    put(fx, UPGRADE_EFF_REPLACE);
}

void act_upgrade_keep(void *obj, const void *arg, void *fx, struct now now)
{
    (void)obj;
    (void)arg;
    (void)now;
    put(fx, UPGRADE_EFF_KEEP);
    put(fx, UPGRADE_EFF_OVER);
}

void act_upgrade_revert(void *obj, const void *arg, void *fx, struct now now)
{
    (void)obj;
    (void)arg;
    (void)now;
    put(fx, UPGRADE_EFF_REVERT);
}

void act_upgrade_revert_next(void *obj, const void *arg, void *fx, struct now now)
{
    struct upgrade_life *u = obj;
    (void)arg;
    (void)now;
    u->at--;
    put(fx, UPGRADE_EFF_REVERT);
}

void act_upgrade_over(void *obj, const void *arg, void *fx, struct now now)
{
    (void)obj;
    (void)arg;
    (void)now;
    put(fx, UPGRADE_EFF_OVER);
}

/* --- the verdict --- */

int64_t upgrade_hello_ms(const struct child_kind *kind, int64_t old_ms)
{
    int64_t ms = UPGRADE_HELLO_MS + UPGRADE_HELLO_FACTOR * old_ms;
    return ms < kind->hello_ms ? ms : kind->hello_ms;
}

/* Many, a good part of all, and a far greater part than before. */
static bool calls_fail(const struct upgrade_look *l)
{
    return l->failures >= UPGRADE_FAILURES_MIN && l->failures * UPGRADE_FAILURES_SHARE >= l->finals &&
           l->failures * l->old_finals >= UPGRADE_FAILURES_FACTOR * l->old_failures * l->finals;
}

/* A large store takes its time; whoever waits for it sees that something is done. */
static bool is_overdue(const struct upgrade_look *l)
{
    int64_t took_ms = l->now_ms - l->started_ms;
    bool gets_on = l->sign_ms != 0 && l->now_ms - l->sign_ms <= UPGRADE_STILL_MS;
    return took_ms > UPGRADE_HELLO_MAX_MS || (took_ms > l->hello_ms && !gets_on);
}

static const char *fault_of(const struct upgrade_look *l)
{
    if (l->died)
        return "it died";
    if (l->alien)
        return "it speaks a message plane that the others do not understand";
    if (!l->fresh)
        return l->now_ms - l->asked_ms > UPGRADE_GONE_MS ? "its predecessor did not go" : NULL;
    if (!l->up)
        return is_overdue(l) ? "no Hello in time" : NULL;
    if (l->faults > UPGRADE_FAULTS_MAX)
        return "too many errors in the log, or messages that were refused";
    if (calls_fail(l))
        return "too many requests are answered 5xx";
    if (l->good_since_ms == 0 && l->now_ms - l->up_ms > UPGRADE_READY_MS)
        return "not ready in time";
    return NULL;
}

enum upgrade_verdict upgrade_judge(const struct upgrade_look *l, const char **why)
{
    const char *fault = fault_of(l);
    if (fault != NULL) {
        *why = fault;
        return UPGRADE_SICK;
    }
    bool well = l->up && l->good_since_ms != 0 && l->now_ms - l->good_since_ms >= UPGRADE_WATCH_MS;
    return well ? UPGRADE_WELL : UPGRADE_WAIT;
}
