/* What actors are told of their jobs: steps, and answers, which are kept for whoever asks again. */
#include "common/base/stat.h"
#include "common/rt/killpoint.h"
#include "orchestrator/orch.h"
#include <stdlib.h>

#define LOOKUP_WARN_MS 1000

static struct stat_series setup_ms = {
    .name = "sip_signaling_setup_ms", .help = "time a set-up took, milliseconds", .kind = STAT_HISTOGRAM};

/* --- answers ----------------------------------------------------------------------------------------------------- */

/* patient: nobody waits for it. returns false when the link is down or full */
static bool send_done(struct shard *s, const Plane__JobDone *d, bool patient)
{
    int rc = patient ? bus_send_later(s->link, PLANE_ORCH_JOB_DONE, &d->base)
                     : bus_send(s->link, PLANE_ORCH_JOB_DONE, &d->base);
    return rc == 0;
}

static struct answer *keep(struct orch_job *x, const Plane__JobDone *d)
{
    size_t n = protobuf_c_message_get_packed_size(&d->base);
    uint8_t *bytes = malloc(n);
    if (bytes == NULL)
        return NULL;
    protobuf_c_message_pack(&d->base, bytes);
    struct answer_args a = {
        .key = x->key,
        .body = span_of((const char *)bytes, n),
        .asker = x->shard->no,
        .port = d->rtp_port,
        .owner = orch_ports_owner_of(x->orch, x->job),
    };
    struct answer *kept = answers_put(&x->orch->answers, &a, loop_now(x->orch->loop).mono_ms);
    free(bytes);
    return kept;
}

/* The same answer once more. returns false when the link is down or full */
bool orch_send_kept(struct shard *s, struct answer *a)
{
    Plane__JobDone *d = plane__job_done__unpack(NULL, a->body.len, (const uint8_t *)a->body.p);
    bool sent = d != NULL && send_done(s, d, false);
    if (sent)
        answers_delivered(a);
    if (d != NULL)
        plane__job_done__free_unpacked(d, NULL);
    return sent;
}

/* What this actor has not been sent yet, as far as its link takes it. */
void orch_send_waiting(struct shard *s)
{
    struct answer *a;
    while (bus_link_is_up(s->link) && (a = answers_waiting(&s->orch->answers, s->no)) != NULL && orch_send_kept(s, a))
        ;
}

/* A flood of REGISTERs must not become one of lines: one look-up a second is told of, and how many were not. */
static void log_failed_lookup(struct orch *o, const struct job *j, const Plane__JobDone *d)
{
    int64_t now_ms = loop_now(o->loop).mono_ms;
    if (o->lookup_warned_ms != 0 && now_ms - o->lookup_warned_ms < LOOKUP_WARN_MS) {
        o->lookups_unsaid++;
        return;
    }
    bool of_contact = j->kind == PLANE__RUN_JOB__KIND__FIND_USER;
    log_ev(LOG_WARN, of_contact ? "a user cannot be looked up" : "credentials cannot be had",
           log_z("call_id", j->call_id), log_z("user", of_contact ? j->caller : j->sip_username),
           log_z("status", d->grpc_status), log_z("detail", d->detail), log_n("unsaid", o->lookups_unsaid));
    o->lookup_warned_ms = now_ms;
    o->lookups_unsaid = 0;
}

static void log_answer(const struct orch_job *x, const Plane__JobDone *d)
{
    const struct job *j = x->job;
    if (d->result == PLANE__JOB_DONE__RESULT__OK || d->result == PLANE__JOB_DONE__RESULT__CANCELLED ||
        d->result == PLANE__JOB_DONE__RESULT__NOT_FOUND)
        log_ev(LOG_DEBUG, "job done", log_z("call_id", j->call_id), log_n("kind", j->kind), log_n("port", j->rtp_port));
    else if (j->kind == PLANE__RUN_JOB__KIND__PUNCH) /* harmless: many servers can do neither form */
        log_ev(LOG_DEBUG, "hole punch failed", log_z("call_id", j->call_id), log_z("status", d->grpc_status));
    else if (orch_is_lookup(j))
        log_failed_lookup(x->orch, j, d);
    else
        log_ev(LOG_WARN, "job failed", log_z("call_id", j->call_id), log_z("step", d->step),
               log_z("status", d->grpc_status), log_z("detail", d->detail));
}

void orch_answer(struct orch_job *x, Plane__JobDone__Result result)
{
    Plane__JobDone d;
    job_answer(x->job, result, &d);
    d.id.data = (uint8_t *)(uintptr_t)x->id.p;
    d.id.len = x->id.len;
    struct answer *a = orch_is_lookup(x->job) ? NULL : keep(x, &d); /* no secret lies about */
    KILL_POINT("orch.answer.kept");
    if (a != NULL && x->job->kind == PLANE__RUN_JOB__KIND__PUNCH) {
        orch_set_gather_timer(x->orch); /* it goes along with the next one, or then */
    } else {
        if (send_done(x->shard, &d, orch_is_patient(x->job)) && a != NULL)
            answers_delivered(a);
        orch_send_waiting(x->shard);
    }
    x->steps_cnt = 0;
    log_answer(x, &d);
    if (x->job->kind == PLANE__RUN_JOB__KIND__SETUP)
        stat_sample(&setup_ms, loop_now(x->orch->loop).mono_ms - x->started_ms);
}

/* For a job that never came to be. */
void orch_answer_at_once(struct shard *s, ProtobufCBinaryData id, Plane__JobDone__Result result, const char *detail)
{
    Plane__JobDone d = PLANE__JOB_DONE__INIT;
    d.id = id;
    d.result = result;
    d.detail = (char *)detail;
    (void)send_done(s, &d, false);
}

/* --- steps ------------------------------------------------------------------------------------------------------- */

static void send_step(struct orch_job *x, enum job_step step, const char *outcome)
{
    const struct job *j = x->job;
    Plane__JobStep m = PLANE__JOB_STEP__INIT;
    m.id.data = (uint8_t *)(uintptr_t)x->id.p;
    m.id.len = x->id.len;
    m.step = (char *)job_step_name(step);
    m.outcome = (char *)outcome;
    if (step == JOB_STEP_DIALPLAN && j->plan != NULL)
        m.detail = j->plan->dialplan_id;
    else if (step == JOB_STEP_USER)
        m.detail = j->user != NULL ? j->user->id : (char *)j->detail;
    (void)bus_send_later(x->shard->link, PLANE_ORCH_JOB_STEP, &m.base); /* for people: 20 ms are soon enough */
}

void orch_step(struct orch_job *x, const struct job_effect *e)
{
    if (x->shard == NULL)
        return;
    if (x->told) {
        send_step(x, e->step, e->text);
        if (job_is_running_step(x->job) && x->job->step > e->step)
            send_step(x, x->job->step, "started");
    } else if (x->steps_cnt < ORCH_STEPS_KEPT)
        x->steps[x->steps_cnt++] = *e;
}

/* It takes long enough to be looked at: what has happened so far, and what runs now. */
void orch_tell_steps(struct orch_job *x)
{
    x->told = true;
    list_remove(&x->quiet);
    for (size_t i = 0; i < x->steps_cnt; i++)
        send_step(x, x->steps[i].step, x->steps[i].text);
    x->steps_cnt = 0;
    if (job_is_running_step(x->job))
        send_step(x, x->job->step, "started");
}

static void on_quiet_timer(struct timer *t, int64_t now_ms)
{
    struct orch *o = t->owner;
    for (struct list *n; (n = list_first(&o->quiet)) != NULL;) {
        struct orch_job *x = LIST_ENTRY(n, struct orch_job, quiet);
        int64_t due_ms = x->started_ms + ORCH_STEP_AFTER_MS;
        if (due_ms > now_ms) {
            loop_timer_at(o->loop, t, due_ms);
            return;
        }
        orch_tell_steps(x);
    }
}

void orch_keep_quiet(struct orch_job *x)
{
    struct orch *o = x->orch;
    list_append(&o->quiet, &x->quiet);
    if (!timer_is_set(&o->quiet_timer))
        loop_timer_in(o->loop, &o->quiet_timer, ORCH_STEP_AFTER_MS);
}

/* --- start ------------------------------------------------------------------------------------------------------- */

void orch_answers_init(struct orch *o)
{
    stat_register(&setup_ms);
    list_init(&o->quiet);
    timer_init(&o->quiet_timer, on_quiet_timer, o);
}
