/* call-actor: one shard of calls. Wires only; the shell is actor.c, the machine call.h. */
#include "call-actor/registrar.h"

static void beat(struct worker *w, Plane__Heartbeat *hb)
{
    struct actor *a = worker_state(w);
    const char *why;
    hb->ready = admit_ready(a, &why);
    hb->not_ready_why = (char *)(uintptr_t)why;
    hb->calls = a->live_cnt;
    hb->registrations = registrar_bindings(a->registrar);
    hb->outbox = outbox_count(a->outbox);
    hb->drained = a->draining && stop_is_settled(a);
}

int main(int argc, char **argv)
{
    static const struct worker_kind kind = {
        .name = "call-actor",
        .proc = PLANE__PROC__PROC_CALL,
        .store_schema = STORE_SCHEMA,
        .start = actor_start,
        .beat = beat,
        .measure = actor_measure,
        .examine = actor_examine,
        .ctl = actor_ctl,
        .drain = actor_drain,
        .stop = actor_stop,
    };
    return worker_main(argc, argv, &kind);
}
