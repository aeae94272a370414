/*
 * job_kit: a job driven step by step, and what came of its last event.
 */
#ifndef TESTS_UNIT_ORCHESTRATOR_JOB_KIT_H
#define TESTS_UNIT_ORCHESTRATOR_JOB_KIT_H

#include "tests/unit/testkit.h"

#include "orchestrator/job.h"
#include <stdlib.h>
#include <string.h>

static const struct job_limits limits = {.user_ms = 2000, .dialplan_ms = 5000, .media_ms = 4000};
static const struct now t0 = {.mono_ms = 1000000};

static inline struct now at(int64_t ms)
{
    return (struct now){.mono_ms = t0.mono_ms + ms};
}

static inline Plane__RunJob setup_job(void)
{
    Plane__RunJob m = PLANE__RUN_JOB__INIT;
    m.kind = PLANE__RUN_JOB__KIND__SETUP;
    m.call_id = (char *)"call-1";
    m.trace_id = (char *)"trace-1";
    m.caller_type = (char *)"phone";
    m.caller = (char *)"905550000001";
    m.destination = (char *)"902121234567";
    m.budget_ms = 9000;
    return m;
}

/* A job and what came of its last event. */
struct run {
    struct job *j;
    struct job_effects fx;
};

static inline struct run begin_with(const Plane__RunJob *m)
{
    struct run r = {.j = job_new(m, &limits, t0)};
    assert_non_null(r.j);
    (void)job_run(r.j, &r.fx, t0);
    return r;
}

static inline struct run begin(void)
{
    Plane__RunJob m = setup_job();
    return begin_with(&m);
}

static inline void end(struct run *r)
{
    job_free(r->j);
}

static inline const struct job_effect *find(const struct run *r, enum job_effect_kind kind)
{
    for (size_t i = 0; i < r->fx.cnt; i++)
        if (r->fx.list[i].kind == kind)
            return &r->fx.list[i];
    return NULL;
}

static inline int64_t ms_of(const struct run *r, enum job_effect_kind kind)
{
    const struct job_effect *e = find(r, kind);
    assert_non_null(e);
    return e->after_ms;
}

static inline void answered(const struct run *r, Plane__JobDone__Result result, uint32_t port)
{
    const struct job_effect *e = find(r, JOB_EFF_ANSWER);
    assert_non_null(e);
    assert_int_equal(e->result, result);
    Plane__JobDone d;
    job_answer(r->j, e->result, &d);
    assert_int_equal(d.rtp_port, port);
}

static inline void not_answered(const struct run *r)
{
    assert_null(find(r, JOB_EFF_ANSWER));
}

static inline void rpc_result(struct run *r, const struct job_result *res, struct now now)
{
    (void)job_rpc_ended(r->j, res, &r->fx, now);
}

/* Any RPC but FindUserByContact of a set-up. */
static inline void fails(struct run *r, int code)
{
    rpc_result(r, &(struct job_result){.of = JOB_STEP_DIALPLAN, .code = code, .detail = "because"}, t0);
}

static inline void fails_user(struct run *r, int code)
{
    rpc_result(r, &(struct job_result){.of = JOB_STEP_USER, .code = code, .detail = "because"}, t0);
}

static inline void finds_user(struct run *r)
{
    Plane__User *u = malloc(sizeof *u);
    plane__user__init(u);
    u->id = strdup("u1");
    rpc_result(r, &(struct job_result){.of = JOB_STEP_USER, .detail = "", .user = u}, t0);
}

static inline Plane__Plan *plan(const char *action)
{
    Plane__Plan *p = malloc(sizeof *p);
    plane__plan__init(p);
    p->action = strdup(action);
    return p;
}

static inline void resolves(struct run *r, const char *action)
{
    rpc_result(r, &(struct job_result){.of = JOB_STEP_DIALPLAN, .detail = "", .plan = plan(action)}, t0);
}

static inline void resolves_to(struct run *r, const char *id, const char *action)
{
    Plane__Plan *p = plan(action);
    p->dialplan_id = strdup(id);
    rpc_result(r, &(struct job_result){.of = JOB_STEP_DIALPLAN, .detail = "", .plan = p}, t0);
}

static inline void allocates(struct run *r, uint32_t port)
{
    rpc_result(r, &(struct job_result){.of = JOB_STEP_MEDIA, .detail = "", .port = port}, t0);
}

static inline struct run begin_at_port(void)
{
    struct run r = begin();
    finds_user(&r);
    resolves(&r, "START_AI_CONVERSATION");
    assert_int_equal(r.j->state, JOB_ST_PORT);
    return r;
}

#endif
