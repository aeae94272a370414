#include "call-actor/call_job.h"

#include "call-actor/call_act_bridge.h"
#include "call-actor/call_id.h"
#include "call-actor/number.h"
#include "call-actor/refer.h"

/* --- ids --- */

static const char *kind_letter(Plane__RunJob__Kind kind)
{
    return kind == PLANE__RUN_JOB__KIND__SETUP ? "s" : kind == PLANE__RUN_JOB__KIND__RELEASE_PORT ? "r" : "p";
}

bool job_id_is_setup(struct span id)
{
    struct span tail = span_from(id, span_find(id, '-') + 1);
    tail = span_from(tail, span_find(tail, '-') + 1);
    return tail.len > 0 && tail.p[0] == kind_letter(PLANE__RUN_JOB__KIND__SETUP)[0];
}

/* --- asking --- */

static void put_portless(Plane__RunJob *ask, const struct call_conf *conf)
{
    while (conf->portless_actions != NULL && conf->portless_actions[ask->n_portless_actions] != NULL)
        ask->n_portless_actions++;
    ask->portless_actions = (char **)(uintptr_t)conf->portless_actions;
}

/* What a user of ours dials and the dialplan does not serve goes elsewhere, or nowhere. */
static void put_portless_plans(Plane__RunJob *ask, const struct call *c)
{
    const struct route_caller caller = bridge_caller(c);
    const char *const *plans = route_portless_plans(&c->conf->route, &caller);
    while (plans != NULL && plans[ask->n_portless_plans] != NULL)
        ask->n_portless_plans++;
    ask->portless_plans = (char **)(uintptr_t)plans;
}

static Plane__RunJob ask_of(const struct call *c, Plane__RunJob__Kind kind, ProtobufCBinaryData id)
{
    Plane__RunJob ask = PLANE__RUN_JOB__INIT;
    ask.id = id;
    ask.kind = kind;
    ask.call_id = (char *)(uintptr_t)call_name(c);
    ask.trace_id = c->row->trace_id;
    return ask;
}

/* As an INVITE of who has sent it would be. */
static void put_refer(Plane__RunJob *ask, const struct call *c)
{
    const Store__Refer *r = refer_running(c);
    ask->budget_ms = c->conf->setup_ms;
    ask->portless = true;
    if (r == NULL) /* it is over: what comes of this is nobody's */
        return;
    ask->caller = r->caller;
    ask->caller_type = (char *)(uintptr_t)number_contact_type(number_kind(r->caller));
    ask->destination = r->destination;
}

/* All of it stands in the row, so that it can be asked again unchanged. */
static void ask_open(struct call *c, struct call_effects *fx, Store__OpenJob *job, struct now now)
{
    Plane__RunJob ask = ask_of(c, job->kind, job->id);
    if (job->refer) {
        put_refer(&ask, c);
    } else if (job->kind == PLANE__RUN_JOB__KIND__SETUP) {
        ask.budget_ms = c->conf->setup_ms;
        ask.caller = c->row->caller;
        ask.caller_type = (char *)(uintptr_t)number_contact_type(number_kind(c->row->caller));
        ask.destination = c->row->destination;
        if (c->row->dial == NULL) { /* a call that we place has a port of ours, whatever the plan */
            put_portless(&ask, c->conf);
            put_portless_plans(&ask, c);
        }
    } else {
        ask.budget_ms = JOB_RELEASE_BUDGET_MS;
        ask.rtp_port = job->port;
    }
    job->asked_wall_ms = (uint64_t)now.wall_ms;
    fx_job(fx, &ask);
}

static void fresh_id(const struct call *c, Store__OpenJob *job)
{
    char id[CALL_ID_SIZE];
    call_id_make(id, c, "", kind_letter(job->kind), CALL_ID_JOB);
    row_bytes(&job->id, span_cstr(id));
}

static void job_open(struct call *c, struct call_effects *fx, Plane__RunJob__Kind kind, uint32_t port, bool refer,
                     struct now now)
{
    Store__OpenJob *job = row_alloc(sizeof(*job));
    store__open_job__init(job);
    job->kind = kind;
    job->port = port;
    job->refer = refer;
    fresh_id(c, job);
    row_list_add(&c->row->jobs, &c->row->n_jobs, job);
    ask_open(c, fx, job, now);
}

void job_setup(struct call *c, struct call_effects *fx, struct now now)
{
    job_open(c, fx, PLANE__RUN_JOB__KIND__SETUP, 0, false, now);
}

void job_refer(struct call *c, struct call_effects *fx, struct now now)
{
    job_open(c, fx, PLANE__RUN_JOB__KIND__SETUP, 0, true, now);
}

void job_refer_over(struct call *c, struct call_effects *fx)
{
    for (size_t i = 0; i < c->row->n_jobs;) {
        if (!c->row->jobs[i]->refer) {
            i++;
            continue;
        }
        fx_cancel_job(fx, row_span(c->row->jobs[i]->id));
        job_close(c, i);
    }
}

void job_punch(struct call *c, struct call_effects *fx)
{
    char id[CALL_ID_SIZE];
    if (!c->conf->hole_punch || c->row->caller_rtp[0] == '\0')
        return;
    call_id_make(id, c, "", kind_letter(PLANE__RUN_JOB__KIND__PUNCH), CALL_ID_JOB);
    ProtobufCBinaryData bytes = {.len = strlen(id), .data = (uint8_t *)id};
    Plane__RunJob ask = ask_of(c, PLANE__RUN_JOB__KIND__PUNCH, bytes);
    ask.budget_ms = JOB_PUNCH_BUDGET_MS;
    ask.rtp_port = c->row->rtp_port;
    ask.rtp_target = c->row->caller_rtp;
    fx_job(fx, &ask);
}

void job_note_port(struct call *c, const Plane__JobDone *done)
{
    if (done->rtp_port == 0)
        return;
    c->row->rtp_port = done->rtp_port;
    c->row->port_state = STORE__PORT_STATE__PORT_HELD;
}

void job_release(struct call *c, struct call_effects *fx, uint32_t port, struct now now)
{
    if (c->row->n_jobs < JOB_OPEN_MAX)
        job_open(c, fx, PLANE__RUN_JOB__KIND__RELEASE_PORT, port, false, now);
    else
        fx_log(fx, CALL_LOG_ERROR, "port %u is lost: %zu jobs are open already", port, c->row->n_jobs);
}

void job_release_own(struct call *c, struct call_effects *fx, struct now now)
{
    if (c->row->port_state != STORE__PORT_STATE__PORT_HELD)
        return;
    c->row->port_state = STORE__PORT_STATE__PORT_RELEASING;
    job_release(c, fx, c->row->rtp_port, now);
}

void job_cancel_setup(struct call *c, struct call_effects *fx)
{
    for (size_t i = 0; i < c->row->n_jobs; i++) {
        Store__OpenJob *job = c->row->jobs[i];
        if (job->kind != PLANE__RUN_JOB__KIND__SETUP)
            continue;
        job->cancelled = true;
        fx_cancel_job(fx, row_span(job->id));
    }
}

/* A cancelled one is asked and cancelled: whoever knows it tells its outcome again, whoever does not has nothing to
 * undo. */
void job_ask_again(struct call *c, struct call_effects *fx, struct now now)
{
    for (size_t i = 0; i < c->row->n_jobs; i++) {
        Store__OpenJob *job = c->row->jobs[i];
        if (job->asked_wall_ms == 0)
            continue; /* was answered; CALL_TMR_RELEASE asks anew */
        ask_open(c, fx, job, now);
        if (job->cancelled)
            fx_cancel_job(fx, row_span(job->id));
    }
}

/* --- answers --- */

int job_find(const struct call *c, struct span id)
{
    for (size_t i = 0; i < c->row->n_jobs; i++) {
        if (span_eq(row_span(c->row->jobs[i]->id), id))
            return (int)i;
    }
    return -1;
}

void job_close(struct call *c, size_t at)
{
    store__open_job__free_unpacked(row_list_take(&c->row->jobs, &c->row->n_jobs, at), NULL);
}

void act_released(void *obj, const void *arg, void *fx, struct now now)
{
    (void)now;
    struct call *c = obj;
    const struct call_step *st = arg;
    const Plane__JobDone *done = st->in->done;
    uint32_t port = c->row->jobs[st->job]->port;
    if (done->result != PLANE__JOB_DONE__RESULT__OK)
        fx_log(fx, CALL_LOG_ERROR, "port %u may be lost: %s %s", port, done->grpc_status, done->detail);
    if (port == c->row->rtp_port)
        c->row->port_state = STORE__PORT_STATE__PORT_RELEASED;
    job_close(c, st->job);
}

/* Nothing reached media-service, so asking again cannot hit a port that has a new owner. */
void act_release_later(void *obj, const void *arg, void *fx, struct now now)
{
    struct call *c = obj;
    const struct call_step *st = arg;
    Store__OpenJob *job = c->row->jobs[st->job];
    uint64_t wait = (uint64_t)JOB_RELEASE_RETRY_MS << job->tries;
    if (wait > JOB_RELEASE_RETRY_MAX_MS)
        wait = JOB_RELEASE_RETRY_MAX_MS;
    job->tries++;
    job->asked_wall_ms = 0;
    if (c->row->timers[CALL_TMR_RELEASE] == 0)
        fx_arm(c, fx, CALL_TMR_RELEASE, (uint64_t)now.wall_ms + wait);
}

/* Under a new id: the old one is answered, and would be answered the same again. */
void act_release_again(void *obj, const void *arg, void *fx, struct now now)
{
    (void)arg;
    struct call *c = obj;
    for (size_t i = 0; i < c->row->n_jobs; i++) {
        Store__OpenJob *job = c->row->jobs[i];
        if (job->asked_wall_ms != 0)
            continue;
        fresh_id(c, job);
        ask_open(c, fx, job, now);
    }
}

void act_extra_port(void *obj, const void *arg, void *fx, struct now now)
{
    const struct call_step *st = arg;
    job_release(obj, fx, st->in->done->rtp_port, now);
}
