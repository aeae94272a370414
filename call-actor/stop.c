/*
 * Leaving. A restart (no drain before it) leaves at once: calls go on in the store and the next process takes them up.
 * A service that is going down (drained first) says BYE to whoever is still talking, so that nobody listens to silence
 * and every call gets its last event; bounded by the supervisor's grace.
 */
#include "call-actor/actor.h"
#include "common/base/err.h"

#define STOP_LOOK_MS 50

static void on_stop_timer(struct timer *t, int64_t now_ms)
{
    struct actor *a = t->owner;
    bool done = a->live_cnt == 0 && outbox_count(a->outbox) == 0;
    if (done || now_ms >= a->stop_by_ms) {
        worker_exit(a->worker, EX_OK);
        return;
    }
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
