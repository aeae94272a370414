/*
 * May new calls come in? The edge answers 503 + Retry-After by itself while they may not, and OPTIONS says the same.
 * One that was started a moment ago cannot tell a new INVITE from the repeat of one we know, so it passes both: what is
 * new is turned away here.
 *
 * Before the first time everything is there, nothing is admitted. Afterwards a neighbour of ours that dies is given
 * ADMIT_GRACE_MS to come back (its jobs wait and are asked again), so that killing a worker costs no call. A new
 * orchestrator has that long, too, to connect to what the one before it was connected to: RPCs wait for a channel's
 * first attempt to connect.
 */
#include "call-actor/actor.h"
#include <stdio.h>

#define ADMIT_GRACE_MS 3000
#define ADMIT_RETRY_AFTER_S 5
#define ROOM_BYTES (16u << 20)      /* of the disk, kept for what is under way, */
#define ROOM_CALL_BYTES (32u << 10) /* and for each call: its row and the events it may still have to say */
#define ADMIT_KEPT_FACTOR 8         /* of _CALLS_MAX: calls at once and those that are remembered for 64*T1 */

static bool neighbour_ok(struct actor *a, const struct bus_link *k)
{
    if (bus_link_is_up(k))
        return true;
    bool was_there = bus_link_peer(k) != NULL;
    return was_there && loop_now(a->loop).mono_ms - bus_link_down_since(k) < ADMIT_GRACE_MS;
}

/* No attempt to connect has failed yet. */
static bool may_come(const struct dependency *d)
{
    return strcmp(d->state, "connecting") == 0 && d->detail[0] == '\0';
}

static const struct dependency *missing_dependency(struct actor *a)
{
    bool grace = loop_now(a->loop).mono_ms < a->connect_by_ms;
    for (size_t i = 0; i < a->dep_cnt; i++) {
        const struct dependency *d = &a->deps[i];
        if (d->required && !(grace && may_come(d)) && strcmp(d->state, "ready") != 0)
            return d;
    }
    return NULL;
}

/* We are new, too, and took calls over: a moment ago everything was there. */
static bool both_are_new(const struct actor *a)
{
    bool just_started = loop_now(a->loop).mono_ms - a->started_ms < ADMIT_GRACE_MS;
    return !a->deps_known && just_started && calls_count(&a->calls) > 0;
}

void admit_meet_orchestrator(struct actor *a)
{
    bool had_all = both_are_new(a) || (a->deps_known && missing_dependency(a) == NULL);
    a->connect_by_ms = had_all ? loop_now(a->loop).mono_ms + ADMIT_GRACE_MS : 0;
}

bool admit_ready(struct actor *a, const char **why)
{
    const struct dependency *d = missing_dependency(a);
    *why = "";
    if (!neighbour_ok(a, a->orch))
        *why = "the orchestrator is not there";
    else if (!neighbour_ok(a, a->pub))
        *why = "the publisher is not there";
    else if (!a->deps_known)
        *why = "the backends are not known yet";
    else if (d != NULL)
        *why = d->name;
    return **why == '\0';
}

/* What is known at once, whatever the edge was told last. */
static const char *own_refusal(const struct actor *a)
{
    if (a->draining)
        return "draining";
    if (a->live_cnt >= a->calls_max)
        return "too many calls";
    return calls_count(&a->calls) >= ADMIT_KEPT_FACTOR * a->calls_max ? "too many ended calls" : NULL;
}

static bool has_room(struct actor *a, const char **why)
{
    const char *own = own_refusal(a);
    if (own != NULL)
        *why = own;
    else if (outbox_is_full(a->outbox))
        *why = "the outbox is full";
    else if (store_is_full(a->store))
        *why = "the store is full";
    else if (!store_keep_room(a->store, ROOM_BYTES + (uint64_t)a->live_cnt * ROOM_CALL_BYTES))
        *why = "the disk is full";
    else
        return true;
    return false;
}

/* Just started, and who must be asked has not spoken yet or connects for the first time, as all do when the whole
 * service has died: a no would refuse calls that a moment later could be taken, and the edge keeps them for us
 * meanwhile. */
static bool is_undecided(struct actor *a)
{
    const struct dependency *d = missing_dependency(a);
    bool heard_all = a->deps_known && bus_link_peer(a->orch) != NULL && bus_link_peer(a->pub) != NULL;
    heard_all = heard_all && (d == NULL || !may_come(d));
    return !heard_all && !a->admit_told && loop_now(a->loop).mono_ms - a->started_ms < ADMIT_GRACE_MS / 2;
}

void admit_update(struct actor *a, bool always)
{
    const char *why;
    bool calls = admit_ready(a, &why) && has_room(a, &why);
    if (!always && a->admit_told && calls == a->admitting && strcmp(why, a->why_not) == 0)
        return;
    if (!calls && is_undecided(a))
        return;
    if (calls != a->admitting || !a->admit_told)
        log_ev(LOG_INFO, calls ? "new calls are admitted" : "new calls are refused", log_z("why", why));
    a->admitting = calls;
    snprintf(a->why_not, sizeof(a->why_not), "%s", why);
    Plane__Admit m = PLANE__ADMIT__INIT;
    m.calls = calls;
    m.draining = a->draining;
    m.retry_after_s = ADMIT_RETRY_AFTER_S;
    m.why = a->why_not;
    a->admit_told = bus_send(a->edge, PLANE_EDGE_ADMIT, &m.base) == 0;
}

/* While nothing has been said yet, an edge that goes by what our predecessor said may pass calls: they wait with us. */
const char *admit_refusal(const struct actor *a)
{
    const char *own = own_refusal(a);
    return own != NULL ? own : a->admit_told && !a->admitting ? a->why_not : NULL;
}

static void on_admit_timer(struct timer *t, int64_t now_ms)
{
    (void)now_ms;
    struct actor *a = t->owner;
    admit_update(a, false);
    loop_timer_in(a->loop, t, ADMIT_GRACE_MS / 4); /* graces run out and outboxes fill without an event of their own */
}

void admit_init(struct actor *a)
{
    a->started_ms = loop_now(a->loop).mono_ms;
    timer_init(&a->admit_timer, on_admit_timer, a);
    loop_timer_in(a->loop, &a->admit_timer, ADMIT_GRACE_MS / 4);
}

void admit_take_dependencies(struct actor *a, const Plane__Dependencies *m)
{
    a->dep_cnt = 0;
    for (size_t i = 0; i < m->n_list && i < ACTOR_DEPENDENCIES_MAX; i++) {
        struct dependency *d = &a->deps[a->dep_cnt++];
        snprintf(d->name, sizeof(d->name), "%s", m->list[i]->name);
        snprintf(d->state, sizeof(d->state), "%s", m->list[i]->state);
        snprintf(d->detail, sizeof(d->detail), "%s", m->list[i]->detail);
        d->required = m->list[i]->required;
    }
    a->deps_known = true;
    admit_update(a, false);
}
