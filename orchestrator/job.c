#include "orchestrator/job.h"
#include "common/base/err.h"
#include "common/base/utf8.h"
#include "orchestrator/svc.h"
#include <stdlib.h>

const char *job_step_name(enum job_step s)
{
    static const char *const names[] = {
        [JOB_STEP_NONE] = "", [JOB_STEP_USER] = "user", [JOB_STEP_DIALPLAN] = "dialplan", [JOB_STEP_MEDIA] = "media"};
    return names[s];
}

/* --- making one -------------------------------------------------------------------------------------------------- */

static size_t size_of(const Plane__RunJob *m)
{
    const char *const texts[] = {m->call_id,    m->trace_id,  m->caller_type,  m->caller, m->destination,
                                 m->rtp_target, m->audio_uri, m->sip_username, m->realm};
    size_t n = sizeof(struct job) + (m->n_portless_actions + m->n_portless_plans + 2) * sizeof(char *);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        n += strlen(texts[i]) + 1;
    for (size_t i = 0; i < m->n_portless_actions; i++)
        n += strlen(m->portless_actions[i]) + 1;
    for (size_t i = 0; i < m->n_portless_plans; i++)
        n += strlen(m->portless_plans[i]) + 1;
    return n;
}

static const char *put_text(char **at, const char *z)
{
    char *to = *at;
    size_t n = strlen(z) + 1;
    memcpy(to, z, n);
    utf8_mend(to);
    *at = to + n;
    return to;
}

static int64_t budget_ms(const Plane__RunJob *m)
{
    if (m->kind == PLANE__RUN_JOB__KIND__RELEASE_PORT)
        return JOB_RELEASE_FOR_MS; /* whatever the actor would like: a port that stays taken costs more */
    if (m->budget_ms == 0)
        return m->kind == PLANE__RUN_JOB__KIND__PLAY ? JOB_PLAY_MS : JOB_BUDGET_MS;
    return m->budget_ms < JOB_BUDGET_MAX_MS ? m->budget_ms : JOB_BUDGET_MAX_MS;
}

/* returns where the next list may stand */
static const char **put_list(const char **to, char **at, char *const *list, size_t cnt)
{
    for (size_t i = 0; i < cnt; i++)
        to[i] = put_text(at, list[i]);
    to[cnt] = NULL;
    return to + cnt + 1;
}

static void copy_texts(struct job *j, const Plane__RunJob *m)
{
    j->portless = (const char **)(void *)(j + 1);
    char *at = (char *)(j->portless + m->n_portless_actions + m->n_portless_plans + 2);
    j->portless_plans = put_list(j->portless, &at, m->portless_actions, m->n_portless_actions);
    (void)put_list(j->portless_plans, &at, m->portless_plans, m->n_portless_plans);
    j->call_id = put_text(&at, m->call_id);
    j->trace_id = put_text(&at, m->trace_id);
    j->caller_type = put_text(&at, m->caller_type);
    j->caller = put_text(&at, m->caller);
    j->destination = put_text(&at, m->destination);
    j->rtp_target = put_text(&at, m->rtp_target);
    j->audio_uri = put_text(&at, m->audio_uri);
    j->sip_username = put_text(&at, m->sip_username);
    j->realm = put_text(&at, m->realm);
}

struct job *job_new(const Plane__RunJob *m, const struct job_limits *limits, struct now now)
{
    if (m->kind < PLANE__RUN_JOB__KIND__SETUP || m->kind > PLANE__RUN_JOB__KIND__FIND_USER)
        return NULL;
    struct job *j = malloc(size_of(m));
    if (j == NULL)
        return NULL;
    *j = (struct job){
        .kind = m->kind,
        .limits = *limits,
        .end_ms = now.mono_ms + budget_ms(m),
        .pause = {.min_ms = JOB_RELEASE_MIN_MS, .max_ms = JOB_RELEASE_MAX_MS},
        .rtp_port = m->kind == PLANE__RUN_JOB__KIND__SETUP ? 0 : m->rtp_port,
        .plan_only = m->portless,
    };
    copy_texts(j, m);
    return j;
}

struct job *job_new_release(uint32_t port, const struct job_limits *limits, struct now now)
{
    Plane__RunJob m = PLANE__RUN_JOB__INIT;
    m.kind = PLANE__RUN_JOB__KIND__RELEASE_PORT;
    m.rtp_port = port;
    struct job *j = job_new(&m, limits, now);
    if (j != NULL)
        j->answered = true;
    return j;
}

void job_free(struct job *j)
{
    if (j == NULL)
        return;
    if (j->user != NULL)
        plane__user__free_unpacked(j->user, NULL);
    if (j->plan != NULL)
        plane__plan__free_unpacked(j->plan, NULL);
    svc_credentials_free(j->creds);
    free(j);
}

/* --- events ------------------------------------------------------------------------------------------------------ */

static struct fsm_step feed(struct job *j, enum job_event ev, const struct job_result *r, struct job_effects *fx,
                            struct now now)
{
    fx->cnt = 0;
    return fsm_step(&job_fsm, &j->state, (uint8_t)ev, j, r, fx, now);
}

static enum job_event start_event(const struct job *j)
{
    switch (j->kind) {
    case PLANE__RUN_JOB__KIND__SETUP:
        return j->caller_type[0] != '\0' ? JOB_EV_RUN_BOTH : JOB_EV_RUN_PLAN;
    case PLANE__RUN_JOB__KIND__RELEASE_PORT:
        return JOB_EV_RUN_FREE;
    case PLANE__RUN_JOB__KIND__GET_CREDENTIALS:
    case PLANE__RUN_JOB__KIND__FIND_USER:
        return JOB_EV_RUN_LOOKUP;
    default:
        return JOB_EV_RUN_PLAY;
    }
}

static bool is_in(const char *const *list, const char *text)
{
    for (; *list != NULL; list++)
        if (strcmp(*list, text) == 0)
            return true;
    return false;
}

static bool is_portless(const struct job *j, const Plane__Plan *plan)
{
    return j->plan_only || is_in(j->portless, plan->action) || is_in(j->portless_plans, plan->dialplan_id);
}

/* User and plan are both there, one of them by now. */
static enum job_event ready_event(const struct job *j, const struct job_result *r)
{
    static const enum job_event events[] = {[JOB_MEDIA_OPEN] = JOB_EV_READY_PORT,
                                            [JOB_MEDIA_WAIT] = JOB_EV_READY_WAIT,
                                            [JOB_MEDIA_AWAY] = JOB_EV_READY_AWAY};
    const Plane__Plan *plan = j->plan != NULL ? j->plan : r->plan;
    return is_portless(j, plan) ? JOB_EV_READY_ONLY : events[r->media];
}

static enum job_event plan_event(const struct job *j, const struct job_result *r)
{
    if (r->code != RPC_OK)
        return JOB_EV_PLAN_FAIL;
    return j->state == JOB_ST_BOTH ? JOB_EV_PLAN : ready_event(j, r);
}

static bool has_next_form(const struct job *j, const struct job_result *r)
{
    if (r->code == RPC_INVALID_ARGUMENT && r->may_swap && !j->swapped)
        return true;
    /* A server that is away or does not know the port will not like silence better. */
    bool other_audio = r->code != RPC_UNAVAILABLE && r->code != RPC_DEADLINE_EXCEEDED && r->code != RPC_NOT_FOUND;
    return j->kind == PLANE__RUN_JOB__KIND__PUNCH && !j->silence && other_audio;
}

static enum job_event free_event(const struct job *j, const struct job_result *r, struct now now)
{
    if (r->code == RPC_OK || r->code == RPC_NOT_FOUND || j->taken)
        return JOB_EV_FREED;
    return now.mono_ms >= j->end_ms ? JOB_EV_FREE_GIVE_UP : JOB_EV_FREE_FAIL;
}

static enum job_event end_event(const struct job *j, const struct job_result *r, struct now now)
{
    switch ((enum job_state)j->state) {
    case JOB_ST_BOTH:
        return r->of == JOB_STEP_USER ? JOB_EV_USER : plan_event(j, r);
    case JOB_ST_USER:
        return ready_event(j, r);
    case JOB_ST_PLAN:
        return plan_event(j, r);
    case JOB_ST_PORT:
    case JOB_ST_CANCELLING:
    case JOB_ST_LATE:
        return r->code == RPC_OK ? JOB_EV_PORT : JOB_EV_PORT_FAIL;
    case JOB_ST_FREEING:
        return free_event(j, r, now);
    case JOB_ST_PLAY:
        if (r->code == RPC_OK)
            return JOB_EV_PLAYED;
        return has_next_form(j, r) ? JOB_EV_PLAY_NEXT : JOB_EV_PLAY_FAIL;
    case JOB_ST_LOOKUP:
        return JOB_EV_LOOKED_UP;
    default:
        BUG_ON(true); /* no RPC runs in the other states */
    }
}

struct fsm_step job_run(struct job *j, struct job_effects *fx, struct now now)
{
    return feed(j, start_event(j), NULL, fx, now);
}

struct fsm_step job_rpc_ended(struct job *j, const struct job_result *r, struct job_effects *fx, struct now now)
{
    return feed(j, end_event(j, r, now), r, fx, now);
}

struct fsm_step job_timer(struct job *j, struct job_effects *fx, struct now now)
{
    return feed(j, JOB_EV_TIMER, NULL, fx, now);
}

struct fsm_step job_cancel(struct job *j, struct job_effects *fx, struct now now)
{
    return feed(j, JOB_EV_CANCEL, NULL, fx, now);
}

struct fsm_step job_open(struct job *j, struct job_effects *fx, struct now now)
{
    return feed(j, JOB_EV_OPEN, NULL, fx, now);
}

struct fsm_step job_taken(struct job *j, struct job_effects *fx, struct now now)
{
    return feed(j, JOB_EV_TAKEN, NULL, fx, now);
}

void job_server_is_back(struct job *j)
{
    backoff_reset(&j->pause);
}

/* --- questions --------------------------------------------------------------------------------------------------- */

bool job_has_port_at_stake(const struct job *j)
{
    bool taking = j->state >= JOB_ST_PORT && j->state <= JOB_ST_LATE;
    bool waits = j->state == JOB_ST_FREE_WAIT && j->answered; /* the actor asks our successor for its own */
    return taking || j->state == JOB_ST_FREEING || waits;
}

bool job_is_running_step(const struct job *j)
{
    return j->state != JOB_ST_DONE && !j->answered;
}

void job_answer(const struct job *j, Plane__JobDone__Result result, Plane__JobDone *out)
{
    plane__job_done__init(out);
    out->result = result;
    if (result != PLANE__JOB_DONE__RESULT__OK) {
        out->step = (char *)job_step_name(j->step);
        out->grpc_status = (char *)rpc_code_name(j->code);
    }
    out->detail = (char *)j->detail;
    out->user = j->user;
    out->plan = j->plan;
    out->credentials = j->creds;
    out->rtp_port = j->kind == PLANE__RUN_JOB__KIND__SETUP ? j->rtp_port : 0;
}
