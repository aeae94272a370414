/* Somebody else is to be rung: who is looked up first. */
#include "call-actor/call_act_bridge.h"
#include "call-actor/call_end.h"
#include "call-actor/call_job.h"

void bridge_locate(struct call *c, struct call_effects *fx, struct span who)
{
    row_list_add(&c->row->locating, &c->row->n_locating, row_text_dup(who));
    fx_locate(fx, who);
}

int bridge_locates(const struct call *c, struct span who)
{
    for (size_t i = 0; i < c->row->n_locating; i++) {
        if (span_eq(span_cstr(c->row->locating[i]), who))
            return (int)i;
    }
    return -1;
}

static struct span target_of(const struct call *c, const Plane__Plan *plan)
{
    for (size_t i = 0; i < plan->n_action_data; i++) {
        if (strcmp(plan->action_data[i]->key, "target") == 0 && plan->action_data[i]->value[0] != '\0')
            return span_cstr(plan->action_data[i]->value);
    }
    return span_cstr(c->row->destination);
}

void act_locate(void *obj, const void *arg, void *fx, struct now now)
{
    (void)now;
    struct call *c = obj;
    const struct call_step *st = arg;
    setup_note(c, st->in->done);
    job_close(c, st->job);
    row_text(&c->row->step, SPAN("locate"));
    bridge_locate(c, fx, target_of(c, st->in->done->plan));
}

void act_nobody(void *obj, const void *arg, void *fx, struct now now)
{
    const struct call_step *st = arg;
    struct call_end why = {.reason = "failure", .by = "service", .status = st->no.status};
    end_setup(obj, fx, &why, now);
}
