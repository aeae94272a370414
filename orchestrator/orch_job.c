/* Jobs: begun, their effects performed, ended. */
#include "common/base/stat.h"
#include "common/rt/killpoint.h"
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
bool orch_is_patient(const struct job *j)
{
    return j->kind == PLANE__RUN_JOB__KIND__RELEASE_PORT || j->kind == PLANE__RUN_JOB__KIND__PUNCH;
}

bool orch_is_lookup(const struct job *j)
{
    return j->kind == PLANE__RUN_JOB__KIND__GET_CREDENTIALS || j->kind == PLANE__RUN_JOB__KIND__FIND_USER;
}

void orch_set_gather_timer(struct orch *o)
{
    if (!timer_is_set(&o->gather_timer))
        loop_timer_in(o->loop, &o->gather_timer, ORCH_GATHER_MS);
}

/* --- running ----------------------------------------------------------------------------------------------------- */

void orch_job_feed(struct orch_job *x, orch_event_fn *event)
{
    struct job_effects fx;
    loop_timer_cancel(x->orch->loop, &x->timer); /* an event before its time may stand for it */
    (void)event(x->job, &fx, loop_now(x->orch->loop));
    perform_and_end(x, &fx);
}

static void on_timer(struct timer *t, int64_t now_ms)
{
    (void)now_ms;
    orch_job_feed(t->owner, job_timer);
}

static void note_port(const struct orch_job *x, struct stat_series *counter, const char *what)
{
    stat_inc(counter);
    log_ev(LOG_WARN, what, log_z("call_id", x->job->call_id), log_n("port", x->job->rtp_port));
}

static void perform_one(struct orch_job *x, const struct job_effect *e)
{
    switch (e->kind) {
    case JOB_EFF_DROP_RPCS:
        orch_rpcs_drop(x);
        break;
    case JOB_EFF_ARM:
        loop_timer_in(x->orch->loop, &x->timer, e->after_ms);
        break;
    case JOB_EFF_DISARM:
        loop_timer_cancel(x->orch->loop, &x->timer);
        break;
    case JOB_EFF_STEP:
        orch_step(x, e);
        break;
    case JOB_EFF_ANSWER:
        orch_answer(x, e->result);
        break;
    case JOB_EFF_AWAIT_MEDIA:
        orch_ports_await(x);
        break;
    case JOB_EFF_RELEASE:
        orch_ports_release(x);
        break;
    case JOB_EFF_ALLOCATE:
        orch_ports_allocate(x, e);
        break;
    case JOB_EFF_LATE:
        orch_ports_release_begins(x);
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
    orch_rpcs_drop(x);
    list_remove(&x->quiet);
    list_remove(&x->gather);
    list_remove(&x->node);
    orch_ports_forget(x);
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
    uint8_t was = x->job->state;
    bool allocating = was == JOB_ST_PORT || was == JOB_ST_CANCELLING || was == JOB_ST_LATE;
    if (allocating) {
        KILL_POINT("orch.allocate.answered");
        orch_ports_allocate_ended(x, r);
    }
    (void)job_rpc_ended(x->job, r, &fx, loop_now(x->orch->loop));
    perform(x, &fx);
    if (was == JOB_ST_FREEING) {
        KILL_POINT("orch.release.answered");
        orch_ports_release_ended(x, r);
    }
    if (x->job->state == JOB_ST_DONE)
        job_end(x);
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
    orch_rpcs_of(x);
    list_init(&x->node);
    list_init(&x->quiet);
    list_init(&x->gather);
    list_init(&x->wait);
    list_init(&x->release);
    list_append(&o->jobs, &x->node);
    if (key.len > 0) {
        memcpy(x + 1, key.p, key.len);
        x->key = span_of((const char *)(x + 1), key.len);
        x->id = span_from(x->key, KEY_SHARD);
        (void)map_put(&o->jobs_by_key, &x->by_key, x->key);
    }
    o->job_cnt++;
    o->cnt_of[j->kind]++;
    if (j->kind == PLANE__RUN_JOB__KIND__RELEASE_PORT)
        orch_ports_release_begins(x);
    stat_inc(&jobs_total);
    stat_set(&jobs_running, o->job_cnt);
    return x;
}

void orch_job_go(struct orch_job *x)
{
    struct job_effects fx;
    list_remove(&x->gather);
    (void)job_run(x->job, &fx, loop_now(x->orch->loop));
    if (x->job->kind == PLANE__RUN_JOB__KIND__SETUP)
        orch_keep_quiet(x);
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
    orch_set_gather_timer(o);
}

static void on_gather_timer(struct timer *t, int64_t now_ms)
{
    (void)now_ms;
    struct orch *o = t->owner;
    for (struct list *n; (n = list_first(&o->gathered)) != NULL;)
        orch_job_go(LIST_ENTRY(n, struct orch_job, gather));
    for (uint32_t i = 0; i < o->shard_cnt; i++)
        orch_send_waiting(&o->shards[i]);
}

bool orch_job_release_own(struct orch *o, uint32_t port)
{
    struct now now = loop_now(o->loop);
    struct orch_job *x = job_begin(o, NULL, job_new_release(port, &o->limits, now), (struct span){0});
    if (x != NULL)
        orch_job_go(x);
    return x != NULL;
}

/* A port whose set-up answer reached nobody: the actor, when it asks again, gets a new one. */
static void on_orphan(void *user, uint32_t port, uint64_t owner)
{
    struct orch *o = user;
    if (port_book_owner(o->ports.book, port).call != owner)
        return; /* it has been given to another call since */
    stat_inc(&ports_late);
    log_ev(LOG_WARN, "a port whose call never heard of it is given back", log_n("port", port));
    (void)orch_job_release_own(o, port);
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
        (void)orch_send_kept(s, a);
    else if (x->job->answered) /* long ago; it only gives its late port back by now */
        orch_answer_at_once(s, m->id, PLANE__JOB_DONE__RESULT__UNAVAILABLE, "answered before");
    else if (!is_gathered(x) && !orch_is_lookup(x->job))
        orch_tell_steps(x);
    return true;
}

static bool is_full(const struct orch *o, const Plane__RunJob *m)
{
    static const uint32_t most[ORCH_JOB_KINDS] = {[PLANE__RUN_JOB__KIND__SETUP] = ORCH_SETUPS_MAX,
                                                  [PLANE__RUN_JOB__KIND__GET_CREDENTIALS] = ORCH_LOOKUPS_MAX,
                                                  [PLANE__RUN_JOB__KIND__FIND_USER] = ORCH_LOOKUPS_MAX};
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
        orch_answer_at_once(s, m->id, PLANE__JOB_DONE__RESULT__UNAVAILABLE, "too many jobs are running");
        return;
    }
    struct orch_job *x = job_begin(o, s, job_new(m, &o->limits, loop_now(o->loop)), key);
    KILL_POINT("orch.job.begun");
    if (x != NULL && m->kind == PLANE__RUN_JOB__KIND__RELEASE_PORT && orch_ports_is_anothers(x))
        orch_job_feed(x, job_taken);
    else if (x != NULL && orch_is_patient(x->job))
        gather(x);
    else if (x != NULL)
        orch_job_go(x);
    else
        orch_answer_at_once(s, m->id, PLANE__JOB_DONE__RESULT__FAILED, "a job of a kind unknown here");
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
        (void)orch_send_kept(s, a); /* crossed it, or it was lost */
    } else if (x != NULL) {
        struct job_effects fx;
        KILL_POINT("orch.job.cancel");
        if (is_gathered(x))
            orch_job_go(x);
        (void)job_cancel(x->job, &fx, loop_now(s->orch->loop));
        perform_and_end(x, &fx);
    } else {
        orch_answer_at_once(s, m->id, PLANE__JOB_DONE__RESULT__CANCELLED, "no such job here");
    }
}

/* --- all of them ------------------------------------------------------------------------------------------------- */

void orch_jobs_tick(struct orch *o)
{
    for (uint32_t i = 0; i < o->shard_cnt; i++)
        orch_send_waiting(&o->shards[i]);
    answers_expire(&o->answers, loop_now(o->loop).mono_ms);
}

/* A ReleasePort that has not gone out is the successor's, whom the actor asks; nobody asks for our own. */
static bool is_at_stake(const struct orch_job *x)
{
    return job_has_port_at_stake(x->job) && !(x->unsent && !x->job->answered);
}

bool orch_jobs_at_stake(const struct orch *o)
{
    for (const struct list *n = o->jobs.next; n != &o->jobs; n = n->next)
        if (is_at_stake(LIST_ENTRY(n, struct orch_job, node)))
            return true;
    return false;
}

void orch_jobs_init(struct orch *o)
{
    static struct stat_series *const stats[] = {&jobs_total,   &jobs_repeated, &jobs_refused,
                                                &jobs_running, &ports_late,    &ports_leaked};
    for (size_t i = 0; i < sizeof(stats) / sizeof(stats[0]); i++)
        stat_register(stats[i]);
    map_init(&o->jobs_by_key);
    list_init(&o->jobs);
    list_init(&o->gathered);
    timer_init(&o->gather_timer, on_gather_timer, o);
    orch_answers_init(o);
    orch_ports_init(o);
    answers_init(&o->answers, ANSWERS_MAX, on_orphan, o);
}

void orch_jobs_fini(struct orch *o)
{
    o->ports.phase = PORTS_AWAY; /* nothing begins any more */
    for (struct list *n = o->jobs.next, *next; n != &o->jobs; n = next) {
        next = n->next;
        job_end(LIST_ENTRY(n, struct orch_job, node));
    }
    loop_timer_cancel(o->loop, &o->quiet_timer);
    loop_timer_cancel(o->loop, &o->gather_timer);
    orch_ports_fini(o);
    answers_fini(&o->answers);
    map_fini(&o->jobs_by_key);
}
