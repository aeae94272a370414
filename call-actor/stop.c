/*
 * Leaving. A restart (no drain before it) leaves at once: calls go on in the store and the next process takes them up.
 * A service that is going down (drained first) says BYE to whoever is still talking, so that nobody listens to silence
 * and every call gets its last event; bounded by the supervisor's grace.
 *
 * Ports, events and the BYEs to callees need no call in progress and are in the store: they get SETTLE_MS from the end
 * of the last call to go where they belong, and none when who takes them is not there. The next start takes them up.
 */
#include "call-actor/actor.h"
#include "common/base/err.h"

#define STOP_LOOK_MS 50
#define SETTLE_MS 2000

/* It is there, or has not come yet: we were started a moment ago. */
static bool may_answer(const struct bus_link *k)
{
    return bus_link_is_up(k) || bus_link_peer(k) == NULL;
}

/* A job that the orchestrator, or a BYE that the edge is about to bring to its end. */
static bool has_request_out(struct actor *a)
{
    bool orch = may_answer(a->orch), edge = may_answer(a->edge);
    for (struct list *n = a->calls.all.next; n != &a->calls.all; n = n->next) {
        const struct call *c = LIST_ENTRY(n, struct entry, all)->call;
        if ((orch && c->row->n_jobs > 0) || (edge && call_awaits_answers(c)))
            return true;
    }
    return false;
}

/* Something is out that somebody is about to confirm. */
static bool is_settling(struct actor *a)
{
    bool broker = a->broker_up || !a->broker_told;
    bool events = outbox_count(a->outbox) > 0 && broker && may_answer(a->pub);
    return events || has_request_out(a);
}

bool stop_is_settled(struct actor *a)
{
    int64_t now_ms = loop_now(a->loop).mono_ms;
    if (a->live_cnt > 0) {
        a->quiet_since_ms = 0;
        return false;
    }
    if (a->quiet_since_ms == 0)
        a->quiet_since_ms = now_ms;
    return now_ms - a->quiet_since_ms >= SETTLE_MS || !is_settling(a);
}

void actor_drain(struct worker *w, bool on)
{
    struct actor *a = worker_state(w);
    a->draining = on;
    a->quiet_since_ms = 0;
    admit_update(a, true);
}

static void leave(struct actor *a)
{
    if (a->live_cnt > 0 || outbox_count(a->outbox) > 0)
        log_ev(LOG_WARN, "leaving: the store keeps what is open", log_n("calls", (int64_t)a->live_cnt),
               log_n("events", (int64_t)outbox_count(a->outbox)));
    worker_exit(a->worker, EX_OK);
}

static void on_stop_timer(struct timer *t, int64_t now_ms)
{
    struct actor *a = t->owner;
    if (stop_is_settled(a) || now_ms >= a->stop_by_ms)
        leave(a);
    else
        loop_timer_in(a->loop, t, STOP_LOOK_MS);
}

static void hang_up_all(struct actor *a)
{
    for (struct list *n = a->calls.all.next; n != &a->calls.all; n = n->next) {
        struct entry *e = LIST_ENTRY(n, struct entry, all);
        struct call_input in = {.type = CALL_IN_TERMINATE, .reason = "shutdown", .asked_by = "shutdown"};
        if (e->live)
            actor_step(a, e, &in);
    }
}

void actor_stop(struct worker *w, uint32_t grace_ms)
{
    struct actor *a = worker_state(w);
    if (!a->draining) {
        worker_exit(w, EX_OK);
        return;
    }
    log_ev(LOG_INFO, "stopping", log_n("calls", (int64_t)a->live_cnt));
    hang_up_all(a);
    a->stop_by_ms = loop_now(a->loop).mono_ms + grace_ms;
    timer_init(&a->stop_timer, on_stop_timer, a);
    loop_timer_in(a->loop, &a->stop_timer, STOP_LOOK_MS);
}
