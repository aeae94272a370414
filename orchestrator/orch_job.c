/* Jobs: effects performed, answers sent and kept. */
#include "common/base/stat.h"
#include "orchestrator/orch.h"
#include <stdlib.h>

#define KEY_SHARD 4 /* bytes of the shard number in front of the job id: ids are unique per shard */

static struct stat_series jobs_total = {.name = "sip_signaling_jobs_total", .help = "jobs begun", .kind = STAT_COUNTER};
static struct stat_series jobs_repeated = {
    .name = "sip_signaling_jobs_repeated_total", .help = "jobs asked for again", .kind = STAT_COUNTER};
static struct stat_series jobs_refused = {
    .name = "sip_signaling_jobs_refused_total", .help = "jobs refused because too many run", .kind = STAT_COUNTER};
static struct stat_series jobs_running = {
    .name = "sip_signaling_jobs_running", .help = "jobs under way, releases that wait included", .kind = STAT_GAUGE};
static struct stat_series setup_ms = {
    .name = "sip_signaling_setup_ms", .help = "time a set-up took, milliseconds", .kind = STAT_HISTOGRAM};
static struct stat_series ports_late = {
    .name = "sip_signaling_ports_late_total",
    .help = "ports that came behind their job's answer, or whose answer reached nobody; given back",
    .kind = STAT_COUNTER};
static struct stat_series ports_leaked = {
    .name = "sip_signaling_ports_leaked_total",
    .help = "ports that could not be given back, or may be taken under a number we never learned",
    .kind = STAT_COUNTER};

static void perform_and_end(struct orch_job *x, const struct job_effects *fx);

/*
 * An RPC or a message alone costs several times what it costs among others, because waking threads is what costs.
 * Nobody waits for a release or a hole punch, so those of a short while begin together and are answered together.
 */
static bool is_patient(const struct job *j)
{
    return j->kind == PLANE__RUN_JOB__KIND__RELEASE_PORT || j->kind == PLANE__RUN_JOB__KIND__PUNCH;
}

static void set_gather_timer(struct orch *o)
{
    if (!timer_is_set(&o->gather_timer))
        loop_timer_in(o->loop, &o->gather_timer, ORCH_GATHER_MS);
}

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
        .key = x->key, .body = span_of((const char *)bytes, n), .asker = x->shard->no, .port = d->rtp_port};
    struct answer *kept = answers_put(&x->orch->answers, &a, loop_now(x->orch->loop).mono_ms);
    free(bytes);
    return kept;
}

/* The same answer once more. returns false when the link is down or full */
static bool send_kept(struct shard *s, struct answer *a)
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
static void send_waiting(struct shard *s)
{
    struct answer *a;
    while (bus_link_is_up(s->link) && (a = answers_waiting(&s->orch->answers, s->no)) != NULL && send_kept(s, a))
        ;
}

static void log_answer(const struct orch_job *x, const Plane__JobDone *d)
{
    const struct job *j = x->job;
    if (d->result == PLANE__JOB_DONE__RESULT__OK || d->result == PLANE__JOB_DONE__RESULT__CANCELLED ||
        d->result == PLANE__JOB_DONE__RESULT__NOT_FOUND)
        log_ev(LOG_DEBUG, "job done", log_z("call_id", j->call_id), log_n("kind", j->kind), log_n("port", j->rtp_port));
    else if (j->kind == PLANE__RUN_JOB__KIND__PUNCH) /* harmless: many servers can do neither form */
        log_ev(LOG_DEBUG, "hole punch failed", log_z("call_id", j->call_id), log_z("status", d->grpc_status));
    else
        log_ev(LOG_WARN, "job failed", log_z("call_id", j->call_id), log_z("step", d->step),
               log_z("status", d->grpc_status), log_z("detail", d->detail));
}

/* Secrets are not kept: a question about credentials costs nothing when it is asked again. */
static bool is_kept(const struct job *j)
{
    return j->kind != PLANE__RUN_JOB__KIND__GET_CREDENTIALS;
}

static void answer(struct orch_job *x, Plane__JobDone__Result result)
{
    Plane__JobDone d;
    job_answer(x->job, result, &d);
    d.id.data = (uint8_t *)(uintptr_t)x->id.p;
    d.id.len = x->id.len;
    struct answer *a = is_kept(x->job) ? keep(x, &d) : NULL;
    if (a != NULL && x->job->kind == PLANE__RUN_JOB__KIND__PUNCH) {
        set_gather_timer(x->orch); /* it goes along with the next one, or then */
    } else {
        if (send_done(x->shard, &d, is_patient(x->job)) && a != NULL)
            answers_delivered(a);
        send_waiting(x->shard);
    }
    x->steps_cnt = 0;
    log_answer(x, &d);
    if (x->job->kind == PLANE__RUN_JOB__KIND__SETUP)
        stat_sample(&setup_ms, loop_now(x->orch->loop).mono_ms - x->started_ms);
}

/* For a job that never came to be. */
static void answer_at_once(struct shard *s, ProtobufCBinaryData id, Plane__JobDone__Result result, const char *detail)
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

static void step(struct orch_job *x, const struct job_effect *e)
{
    if (x->shard == NULL)
        return;
    if (x->told)
        send_step(x, e->step, e->text);
    else if (x->steps_cnt < ORCH_STEPS_KEPT)
        x->steps[x->steps_cnt++] = *e;
}

/* It takes long enough to be looked at: what has happened so far, and what runs now. */
static void tell_steps(struct orch_job *x)
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
        tell_steps(x);
    }
}

static void keep_quiet(struct orch_job *x)
{
    struct orch *o = x->orch;
    list_append(&o->quiet, &x->quiet);
    if (!timer_is_set(&o->quiet_timer))
        loop_timer_in(o->loop, &o->quiet_timer, ORCH_STEP_AFTER_MS);
}

/* --- running ----------------------------------------------------------------------------------------------------- */

static void on_timer(struct timer *t, int64_t now_ms)
{
    (void)now_ms;
    struct orch_job *x = t->owner;
    struct job_effects fx;
    (void)job_timer(x->job, &fx, loop_now(x->orch->loop));
    perform_and_end(x, &fx);
}

static void drop_rpc(struct orch_job *x)
{
    if (x->rpc != NULL)
        grpc_rpc_cancel(x->rpc);
    x->rpc = NULL;
}

static void note_port(const struct orch_job *x, struct stat_series *counter, const char *what)
{
    stat_inc(counter);
    log_ev(LOG_WARN, what, log_z("call_id", x->job->call_id), log_n("port", x->job->rtp_port));
}

static void perform_one(struct orch_job *x, const struct job_effect *e)
{
    switch (e->kind) {
    case JOB_EFF_DROP_RPC:
        drop_rpc(x);
        break;
    case JOB_EFF_ARM:
        loop_timer_in(x->orch->loop, &x->timer, e->after_ms);
        break;
    case JOB_EFF_DISARM:
        loop_timer_cancel(x->orch->loop, &x->timer);
        break;
    case JOB_EFF_STEP:
        step(x, e);
        break;
    case JOB_EFF_ANSWER:
        answer(x, e->result);
        break;
    case JOB_EFF_LATE:
        note_port(x, &ports_late, "a port came too late and is given back");
        break;
    case JOB_EFF_LEAKED:
        note_port(x, &ports_leaked, "a port could not be given back");
        break;
    default:
        orch_rpc_start(x, e);
    }
}

static void perform(struct orch_job *x, const struct job_effects *fx)
{
    for (size_t i = 0; i < fx->cnt; i++)
        perform_one(x, &fx->list[i]);
}

static void job_end(struct orch_job *x)
{
    struct orch *o = x->orch;
    loop_timer_cancel(o->loop, &x->timer);
    drop_rpc(x);
    list_remove(&x->quiet);
    list_remove(&x->gather);
    list_remove(&x->node);
    if (x->key.len > 0)
        map_del(&o->jobs_by_key, &x->by_key);
    o->cnt_of[x->job->kind]--;
    o->job_cnt--;
    stat_set(&jobs_running, o->job_cnt);
    job_free(x->job);
    free(x);
}

static void perform_and_end(struct orch_job *x, const struct job_effects *fx)
{
    perform(x, fx);
    if (x->job->state == JOB_ST_DONE)
        job_end(x);
}

void orch_rpc_ended(struct orch_job *x, const struct job_result *r)
{
    struct job_effects fx;
    (void)job_rpc_ended(x->job, r, &fx, loop_now(x->orch->loop));
    perform_and_end(x, &fx);
}

/* Takes the job. key: empty for our own. */
static struct orch_job *job_begin(struct orch *o, struct shard *s, struct job *j, struct span key)
{
    struct orch_job *x = malloc(sizeof *x + key.len);
    if (x == NULL || j == NULL) {
        free(x);
        job_free(j);
        return NULL;
    }
    *x = (struct orch_job){.job = j, .orch = o, .shard = s, .started_ms = loop_now(o->loop).mono_ms};
    timer_init(&x->timer, on_timer, x);
    list_init(&x->node);
    list_init(&x->quiet);
    list_init(&x->gather);
    list_append(&o->jobs, &x->node);
    if (key.len > 0) {
        memcpy(x + 1, key.p, key.len);
        x->key = span_of((const char *)(x + 1), key.len);
        x->id = span_from(x->key, KEY_SHARD);
        (void)map_put(&o->jobs_by_key, &x->by_key, x->key);
    }
    o->job_cnt++;
    o->cnt_of[j->kind]++;
    stat_inc(&jobs_total);
    stat_set(&jobs_running, o->job_cnt);
    return x;
}

static void job_go(struct orch_job *x)
{
    struct job_effects fx;
    (void)job_run(x->job, &fx, loop_now(x->orch->loop));
    if (x->job->kind == PLANE__RUN_JOB__KIND__SETUP)
        keep_quiet(x);
    perform(x, &fx); /* no job ends as it begins */
}

/* --- jobs nobody waits for -----------------------------------------------------------------------------------------
 */

static bool is_gathered(const struct orch_job *x)
{
    return !list_empty(&x->gather);
}

static void gather(struct orch_job *x)
{
    struct orch *o = x->orch;
    list_append(&o->gathered, &x->gather);
    set_gather_timer(o);
}

static void on_gather_timer(struct timer *t, int64_t now_ms)
{
    (void)now_ms;
    struct orch *o = t->owner;
    for (struct list *n; (n = list_first(&o->gathered)) != NULL;) {
        list_remove(n);
        job_go(LIST_ENTRY(n, struct orch_job, gather));
    }
    for (uint32_t i = 0; i < o->shard_cnt; i++)
        send_waiting(&o->shards[i]);
}

/* A port whose set-up answer reached nobody: the actor, when it asks again, gets a new one. */
static void on_orphan(void *user, uint32_t port)
{
    struct orch *o = user;
    struct now now = loop_now(o->loop);
    struct orch_job *x = job_begin(o, NULL, job_new_release(port, &o->limits, now), (struct span){0});
    if (x == NULL)
        return;
    note_port(x, &ports_late, "a port whose call never heard of it is given back");
    job_go(x);
}

/* --- what the actor says ----------------------------------------------------------------------------------------- */

static struct span make_key(const struct shard *s, ProtobufCBinaryData id, char *out)
{
    memcpy(out, &s->no, KEY_SHARD);
    memcpy(out + KEY_SHARD, id.data, id.len);
    return span_of(out, KEY_SHARD + id.len);
}

#define KEY_MAX 1024 /* plane_check lets ids of half of this through */

static struct orch_job *find_job(const struct orch *o, struct span key)
{
    struct map_node *n = map_get(&o->jobs_by_key, key);
    return n != NULL ? MAP_ENTRY(n, struct orch_job, by_key) : NULL;
}

/* Asked before: answered again, or told where it stands. Nothing new starts. */
static bool repeat(struct shard *s, const Plane__RunJob *m, struct span key)
{
    struct orch *o = s->orch;
    struct answer *a = answers_get(&o->answers, key);
    struct orch_job *x = find_job(o, key);
    if (a == NULL && x == NULL)
        return false;
    stat_inc(&jobs_repeated);
    if (a != NULL)
        (void)send_kept(s, a);
    else if (x->job->answered) /* long ago; it only gives its late port back by now */
        answer_at_once(s, m->id, PLANE__JOB_DONE__RESULT__UNAVAILABLE, "answered before");
    else if (!is_gathered(x) && x->job->kind != PLANE__RUN_JOB__KIND__GET_CREDENTIALS)
        tell_steps(x);
    return true;
}

static bool is_full(const struct orch *o, const Plane__RunJob *m)
{
    static const uint32_t most[ORCH_JOB_KINDS] = {[PLANE__RUN_JOB__KIND__SETUP] = ORCH_SETUPS_MAX,
                                                  [PLANE__RUN_JOB__KIND__GET_CREDENTIALS] = ORCH_CREDENTIALS_MAX};
    uint32_t kind = (uint32_t)m->kind < ORCH_JOB_KINDS ? (uint32_t)m->kind : 0;
    return o->job_cnt >= ORCH_JOBS_MAX || (most[kind] != 0 && o->cnt_of[kind] >= most[kind]);
}

void orch_run_job(struct shard *s, const Plane__RunJob *m)
{
    struct orch *o = s->orch;
    char bytes[KEY_MAX];
    if (m->id.len > sizeof bytes - KEY_SHARD)
        return;
    struct span key = make_key(s, m->id, bytes);
    if (repeat(s, m, key))
        return;
    if (o->stopping)
        return; /* the next process is asked again */
    if (is_full(o, m)) {
        stat_inc(&jobs_refused);
        answer_at_once(s, m->id, PLANE__JOB_DONE__RESULT__UNAVAILABLE, "too many jobs are running");
        return;
    }
    struct orch_job *x = job_begin(o, s, job_new(m, &o->limits, loop_now(o->loop)), key);
    if (x != NULL && is_patient(x->job))
        gather(x);
    else if (x != NULL)
        job_go(x);
    else
        answer_at_once(s, m->id, PLANE__JOB_DONE__RESULT__FAILED, "a job of a kind unknown here");
}

void orch_cancel_job(struct shard *s, const Plane__CancelJob *m)
{
    char bytes[KEY_MAX];
    if (m->id.len > sizeof bytes - KEY_SHARD)
        return;
    struct span key = make_key(s, m->id, bytes);
    struct orch_job *x = find_job(s->orch, key);
    struct answer *a = answers_get(&s->orch->answers, key);
    if (a != NULL) {
        (void)send_kept(s, a); /* crossed it, or it was lost */
    } else if (x != NULL) {
        struct job_effects fx;
        if (is_gathered(x)) {
            list_remove(&x->gather);
            job_go(x);
        }
        (void)job_cancel(x->job, &fx, loop_now(s->orch->loop));
        perform_and_end(x, &fx);
    } else {
        answer_at_once(s, m->id, PLANE__JOB_DONE__RESULT__CANCELLED, "no such job here");
    }
}

/* --- all of them ------------------------------------------------------------------------------------------------- */

void orch_jobs_tick(struct orch *o)
{
    for (uint32_t i = 0; i < o->shard_cnt; i++)
        send_waiting(&o->shards[i]);
    answers_expire(&o->answers, loop_now(o->loop).mono_ms);
}

bool orch_jobs_at_stake(const struct orch *o)
{
    for (const struct list *n = o->jobs.next; n != &o->jobs; n = n->next)
        if (job_has_port_at_stake(LIST_ENTRY(n, struct orch_job, node)->job))
            return true;
    return false;
}

void orch_jobs_init(struct orch *o)
{
    static struct stat_series *const stats[] = {&jobs_total, &jobs_repeated, &jobs_refused, &jobs_running,
                                                &setup_ms,   &ports_late,    &ports_leaked};
    for (size_t i = 0; i < sizeof(stats) / sizeof(stats[0]); i++)
        stat_register(stats[i]);
    map_init(&o->jobs_by_key);
    list_init(&o->jobs);
    list_init(&o->quiet);
    list_init(&o->gathered);
    timer_init(&o->gather_timer, on_gather_timer, o);
    timer_init(&o->quiet_timer, on_quiet_timer, o);
    answers_init(&o->answers, ANSWERS_MAX, on_orphan, o);
}

void orch_jobs_fini(struct orch *o)
{
    for (struct list *n = o->jobs.next, *next; n != &o->jobs; n = next) {
        next = n->next;
        job_end(LIST_ENTRY(n, struct orch_job, node));
    }
    loop_timer_cancel(o->loop, &o->quiet_timer);
    loop_timer_cancel(o->loop, &o->gather_timer);
    answers_fini(&o->answers);
    map_fini(&o->jobs_by_key);
}
