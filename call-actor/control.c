#include "call-actor/control.h"

#include "call-actor/call_row.h"

Store__Control *control_find(const struct call *c, Plane__Control__Op op, const char *asked_by, const char *key)
{
    for (size_t i = 0; i < c->row->n_controls; i++) {
        Store__Control *k = c->row->controls[i];
        if (k->op == op && strcmp(k->key, key) == 0 && strcmp(k->asked_by, asked_by) == 0)
            return k;
    }
    return NULL;
}

static void drop_asker(Store__Control *k, size_t at)
{
    store__asker__free_unpacked(row_list_take(&k->askers, &k->n_askers, at), NULL);
}

/* The same question may come twice: to a new process, or by a new one. */
static void note_asker(Store__Control *k, const struct call_input *in)
{
    struct span id = row_span(in->control->id);
    for (size_t i = 0; i < k->n_askers; i++) {
        if (span_eq(row_span(k->askers[i]->id), id))
            return;
    }
    if (k->n_askers >= CONTROL_ASKERS_MAX)
        drop_asker(k, 0);
    Store__Asker *asker = row_alloc(sizeof(*asker));
    store__asker__init(asker);
    row_bytes(&asker->id, id);
    asker->proc = in->asker;
    asker->wait = in->control->wait;
    row_list_add(&k->askers, &k->n_askers, asker);
}

/* The oldest that nobody waits for, but for the first. */
static bool make_room(Store__CallRow *row)
{
    for (size_t i = 1; row->n_controls >= CONTROLS_MAX && i < row->n_controls; i++) {
        if (row->controls[i]->settled && row->controls[i]->n_askers == 0)
            store__control__free_unpacked(row_list_take(&row->controls, &row->n_controls, i--), NULL);
    }
    return row->n_controls < CONTROLS_MAX;
}

Store__Control *control_open(struct call *c, const struct call_input *in)
{
    if (!make_room(c->row))
        return NULL;
    Store__Control *k = row_alloc(sizeof(*k));
    store__control__init(k);
    k->op = in->control->op;
    row_text(&k->key, span_cstr(in->control->key));
    row_text(&k->asked_by, span_cstr(in->control->asked_by));
    note_asker(k, in);
    row_list_add(&c->row->controls, &c->row->n_controls, k);
    return k;
}

static void tell(Store__Control *k, struct call_effects *fx)
{
    for (size_t i = 0; i < k->n_askers;) {
        if (k->askers[i]->wait ? !k->done : !k->settled) {
            i++;
            continue;
        }
        fx_tell(fx, k, k->askers[i]);
        drop_asker(k, i);
    }
}

bool control_repeat(struct call *c, const struct call_input *in, struct call_effects *fx)
{
    if (in->type != CALL_IN_CONTROL)
        return false;
    Store__Control *k = control_find(c, in->control->op, in->control->asked_by, in->control->key);
    if (k == NULL)
        return false;
    note_asker(k, in);
    tell(k, fx);
    c->dirty = c->dirty || k->n_askers > 0;
    return true;
}

/* What was not begun has no other outcome. */
static void settle(Store__Control *k, struct call_effects *fx, Plane__Controlled__Result result, const char *detail)
{
    k->settled = true;
    k->result = result;
    row_text(&k->detail, span_cstr(detail));
    if (result != PLANE__CONTROLLED__RESULT__OK && !k->done) {
        k->done = true;
        k->outcome = result;
        row_text(&k->reason, span_cstr(detail));
    }
    tell(k, fx);
}

static void finish(Store__Control *k, struct call_effects *fx, const struct control_outcome *o)
{
    k->done = true;
    k->outcome = o->good ? PLANE__CONTROLLED__RESULT__OK : PLANE__CONTROLLED__RESULT__FAILED;
    k->sip_code = o->sip_code;
    row_text(&k->reason, span_cstr(o->reason));
    tell(k, fx);
}

void control_outcome(struct call *c, struct call_effects *fx, const struct control_outcome *o)
{
    Store__Control *k = control_find(c, o->op, o->asked_by, o->key);
    if (k != NULL && !k->done)
        finish(k, fx, o);
}

void control_settle(struct call *c, struct call_effects *fx, Plane__Control__Op op, Plane__Controlled__Result result,
                    const char *detail)
{
    for (size_t i = 0; i < c->row->n_controls; i++) {
        Store__Control *k = c->row->controls[i];
        if (k->op == op && !k->settled)
            settle(k, fx, result, detail);
    }
}

/* What a call that has not come about is to who asked for it. */
static Plane__Controlled__Result result_of(const Store__CallRow *row)
{
    switch (row->end_status) {
    case 404:
    case 480:
        return PLANE__CONTROLLED__RESULT__NOT_FOUND;
    case 503:
        return PLANE__CONTROLLED__RESULT__UNAVAILABLE;
    default:
        return PLANE__CONTROLLED__RESULT__FAILED;
    }
}

void control_end(struct call *c, struct call_effects *fx)
{
    const char *detail = c->row->end_detail[0] != '\0' ? c->row->end_detail : "the call has ended";
    for (size_t i = 0; i < c->row->n_controls; i++) {
        Store__Control *k = c->row->controls[i];
        if (!k->settled)
            settle(k, fx, result_of(c->row), detail);
        else if (!k->done)
            finish(k, fx, &(struct control_outcome){.reason = c->row->end_reason, .sip_code = c->row->end_status});
    }
}
