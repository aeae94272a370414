/* What happens at each step of a job (job_table.c says when). */
#include "common/base/err.h"
#include "orchestrator/job.h"
#include <stdio.h>

static struct job_effect *put(struct job_effects *fx, enum job_effect_kind kind)
{
    BUG_ON(fx->cnt == JOB_EFFECTS_MAX);
    struct job_effect *e = &fx->list[fx->cnt++];
    *e = (struct job_effect){.kind = kind};
    return e;
}

static void put_rpc(struct job_effects *fx, enum job_effect_kind kind, int64_t deadline_ms)
{
    put(fx, kind)->after_ms = deadline_ms;
}

static void put_step(struct job_effects *fx, enum job_step step, const char *outcome)
{
    struct job_effect *e = put(fx, JOB_EFF_STEP);
    e->step = step;
    e->text = outcome;
}

/* The end, as far as the actor is concerned. */
static void put_answer(struct job *j, struct job_effects *fx, Plane__JobDone__Result result)
{
    if (j->answered)
        return;
    j->answered = true;
    put(fx, JOB_EFF_ANSWER)->result = result;
}

static int64_t at_least_1(int64_t ms)
{
    return ms > 1 ? ms : 1;
}

static int64_t left_ms(const struct job *j, int64_t cap_ms, struct now now)
{
    int64_t left = j->end_ms - now.mono_ms;
    return at_least_1(left < cap_ms ? left : cap_ms);
}

static void set_outcome(struct job *j, int code, const char *detail)
{
    j->code = code;
    (void)snprintf(j->detail, sizeof j->detail, "%s", detail != NULL ? detail : "");
}

/* Nobody waits for an answer that cannot come in time; a backend that is down, slow or full is worth trying again. */
static Plane__JobDone__Result result_of(int code)
{
    switch (code) {
    case RPC_OK:
        return PLANE__JOB_DONE__RESULT__OK;
    case RPC_UNAVAILABLE:
    case RPC_RESOURCE_EXHAUSTED:
    case RPC_DEADLINE_EXCEEDED:
        return PLANE__JOB_DONE__RESULT__UNAVAILABLE;
    default:
        return PLANE__JOB_DONE__RESULT__FAILED;
    }
}

/* --- set-up ------------------------------------------------------------------------------------------------------ */

/* Neither needs the other's answer. */
void job_act_ask_both(void *obj, const void *arg, void *fx, struct now now)
{
    struct job *j = obj;
    put_rpc(fx, JOB_EFF_FIND_USER, left_ms(j, j->limits.user_ms, now));
    job_act_resolve(j, arg, fx, now);
    j->step = JOB_STEP_USER;
}

void job_act_resolve(void *obj, const void *arg, void *fx, struct now now)
{
    (void)arg;
    struct job *j = obj;
    j->step = JOB_STEP_DIALPLAN;
    put_rpc(fx, JOB_EFF_RESOLVE, left_ms(j, j->limits.dialplan_ms, now));
    put(fx, JOB_EFF_ARM)->after_ms = at_least_1(j->end_ms - now.mono_ms);
}

void job_act_take_user(void *obj, const void *arg, void *fx, struct now now)
{
    (void)now;
    struct job *j = obj;
    const struct job_result *r = arg;
    j->user = r->user;
    if (r->code != RPC_OK && r->code != RPC_NOT_FOUND) /* goes on as a guest, and the answer tells why */
        (void)snprintf(j->detail, sizeof j->detail, "user-service: %s %s", rpc_code_name(r->code), r->detail);
    put_step(fx, JOB_STEP_USER, j->user != NULL ? "found" : "guest");
    j->step = JOB_STEP_DIALPLAN;
}

void job_act_take_plan(void *obj, const void *arg, void *fx, struct now now)
{
    (void)now;
    struct job *j = obj;
    j->plan = ((const struct job_result *)arg)->plan;
    put_step(fx, JOB_STEP_DIALPLAN, "resolved");
}

/* Whichever came last. */
static void take_last(struct job *j, const struct job_result *r, struct job_effects *fx, struct now now)
{
    if (r->of == JOB_STEP_USER)
        job_act_take_user(j, r, fx, now);
    else
        job_act_take_plan(j, r, fx, now);
    j->step = JOB_STEP_MEDIA;
}

static void put_allocate(struct job *j, struct job_effects *fx, struct now now)
{
    put_rpc(fx, JOB_EFF_ALLOCATE, left_ms(j, j->limits.media_ms, now) + JOB_PORT_LATE_MS);
    put(fx, JOB_EFF_ARM)->after_ms = left_ms(j, j->limits.media_ms, now);
}

void job_act_allocate(void *obj, const void *arg, void *fx, struct now now)
{
    take_last(obj, arg, fx, now);
    put_allocate(obj, fx, now);
}

void job_act_wait(void *obj, const void *arg, void *fx, struct now now)
{
    take_last(obj, arg, fx, now);
    put(fx, JOB_EFF_AWAIT_MEDIA);
    put(fx, JOB_EFF_ARM)->after_ms = left_ms(obj, JOB_MEDIA_WAIT_MS, now);
}

void job_act_allocate_now(void *obj, const void *arg, void *fx, struct now now)
{
    (void)arg;
    put_allocate(obj, fx, now);
}

void job_act_away(void *obj, const void *arg, void *fx, struct now now)
{
    const struct job_result *r = arg;
    take_last(obj, r, fx, now);
    set_outcome(obj, RPC_UNAVAILABLE, r->media_why);
    put(fx, JOB_EFF_DISARM);
    put_answer(obj, fx, PLANE__JOB_DONE__RESULT__UNAVAILABLE);
}

void job_act_no_media(void *obj, const void *arg, void *fx, struct now now)
{
    (void)arg;
    (void)now;
    set_outcome(obj, RPC_UNAVAILABLE, "media-service did not come back in time");
    put_answer(obj, fx, PLANE__JOB_DONE__RESULT__UNAVAILABLE);
}

void job_act_finish(void *obj, const void *arg, void *fx, struct now now)
{
    struct job *j = obj;
    take_last(j, arg, fx, now);
    j->code = RPC_OK; /* detail stays: why the caller is a guest */
    put(fx, JOB_EFF_DISARM);
    put_answer(j, fx, PLANE__JOB_DONE__RESULT__OK);
}

void job_act_fail(void *obj, const void *arg, void *fx, struct now now)
{
    (void)now;
    struct job *j = obj;
    const struct job_result *r = arg;
    j->step = JOB_STEP_DIALPLAN;
    set_outcome(j, r->code, r->detail);
    put(fx, JOB_EFF_DROP_RPCS); /* the look-up of the caller may still run */
    put(fx, JOB_EFF_DISARM);
    put_answer(j, fx, r->code == RPC_PERMISSION_DENIED ? PLANE__JOB_DONE__RESULT__DENIED : result_of(r->code));
}

void job_act_overdue(void *obj, const void *arg, void *fx, struct now now)
{
    (void)arg;
    (void)now;
    struct job *j = obj;
    set_outcome(j, RPC_DEADLINE_EXCEEDED, "the time for the whole set-up is over");
    put(fx, JOB_EFF_DROP_RPCS);
    put_answer(j, fx, PLANE__JOB_DONE__RESULT__UNAVAILABLE);
}

void job_act_cancel(void *obj, const void *arg, void *fx, struct now now)
{
    (void)arg;
    (void)now;
    struct job *j = obj;
    set_outcome(j, RPC_CANCELLED, NULL);
    put(fx, JOB_EFF_DROP_RPCS);
    put(fx, JOB_EFF_DISARM);
    put_answer(j, fx, PLANE__JOB_DONE__RESULT__CANCELLED);
}

/* --- the port ---------------------------------------------------------------------------------------------------- */

void job_act_take_port(void *obj, const void *arg, void *fx, struct now now)
{
    (void)now;
    struct job *j = obj;
    j->rtp_port = ((const struct job_result *)arg)->port;
    j->code = RPC_OK; /* detail stays: why the caller is a guest */
    put_step(fx, JOB_STEP_MEDIA, "allocated");
    put(fx, JOB_EFF_DISARM);
    put_answer(j, fx, PLANE__JOB_DONE__RESULT__OK);
}

void job_act_port_fail(void *obj, const void *arg, void *fx, struct now now)
{
    (void)now;
    struct job *j = obj;
    const struct job_result *r = arg;
    set_outcome(j, r->code, r->detail);
    put(fx, JOB_EFF_DISARM);
    put_answer(j, fx, result_of(r->code));
}

void job_act_answer_late(void *obj, const void *arg, void *fx, struct now now)
{
    (void)arg;
    (void)now;
    struct job *j = obj;
    set_outcome(j, RPC_DEADLINE_EXCEEDED, "no port in time");
    put_answer(j, fx, PLANE__JOB_DONE__RESULT__UNAVAILABLE);
}

void job_act_hand_back(void *obj, const void *arg, void *fx, struct now now)
{
    (void)now;
    struct job *j = obj;
    j->rtp_port = ((const struct job_result *)arg)->port;
    set_outcome(j, RPC_CANCELLED, "the port came after the cancel");
    put(fx, JOB_EFF_DISARM);
    put_answer(j, fx, PLANE__JOB_DONE__RESULT__CANCELLED);
}

void job_act_cancelled(void *obj, const void *arg, void *fx, struct now now)
{
    (void)arg;
    (void)now;
    struct job *j = obj;
    set_outcome(j, RPC_CANCELLED, NULL);
    put(fx, JOB_EFF_DISARM);
    put_answer(j, fx, PLANE__JOB_DONE__RESULT__CANCELLED);
}

void job_act_cancelled_late(void *obj, const void *arg, void *fx, struct now now)
{
    (void)arg;
    (void)now;
    struct job *j = obj;
    set_outcome(j, RPC_CANCELLED, "no port in time");
    put_answer(j, fx, PLANE__JOB_DONE__RESULT__CANCELLED);
}

/* --- giving back ------------------------------------------------------------------------------------------------- */

void job_act_release(void *obj, const void *arg, void *fx, struct now now)
{
    (void)arg;
    (void)now;
    struct job *j = obj;
    j->step = JOB_STEP_MEDIA;
    put_rpc(fx, JOB_EFF_RELEASE, j->limits.media_ms);
}

void job_act_release_late(void *obj, const void *arg, void *fx, struct now now)
{
    struct job *j = obj;
    j->rtp_port = ((const struct job_result *)arg)->port;
    j->end_ms = now.mono_ms + JOB_RELEASE_FOR_MS;
    put(fx, JOB_EFF_LATE);
    put_rpc(fx, JOB_EFF_RELEASE, j->limits.media_ms);
}

/* Refused is refused; but a deadline says nothing of what the server did. */
void job_act_port_unknown(void *obj, const void *arg, void *fx, struct now now)
{
    (void)obj;
    (void)now;
    if (((const struct job_result *)arg)->code == RPC_DEADLINE_EXCEEDED)
        put(fx, JOB_EFF_LEAKED);
}

void job_act_freed(void *obj, const void *arg, void *fx, struct now now)
{
    (void)arg;
    (void)now;
    struct job *j = obj;
    set_outcome(j, RPC_OK, NULL);
    put_answer(j, fx, PLANE__JOB_DONE__RESULT__OK);
}

void job_act_taken(void *obj, const void *arg, void *fx, struct now now)
{
    (void)arg;
    (void)now;
    set_outcome(obj, RPC_OK, "the port is not this call's any more");
    put(fx, JOB_EFF_DISARM);
    put_answer(obj, fx, PLANE__JOB_DONE__RESULT__OK);
}

void job_act_pause(void *obj, const void *arg, void *fx, struct now now)
{
    struct job *j = obj;
    const struct job_result *r = arg;
    set_outcome(j, r->code, r->detail);
    put(fx, JOB_EFF_ARM)->after_ms = backoff_fail(&j->pause, now.mono_ms);
}

void job_act_leaked(void *obj, const void *arg, void *fx, struct now now)
{
    (void)now;
    struct job *j = obj;
    const struct job_result *r = arg;
    set_outcome(j, r->code, r->detail);
    put(fx, JOB_EFF_LEAKED);
    put_answer(j, fx, PLANE__JOB_DONE__RESULT__UNAVAILABLE);
}

/* --- playing ----------------------------------------------------------------------------------------------------- */

static int64_t play_ms(const struct job *j, struct now now)
{
    return j->kind == PLANE__RUN_JOB__KIND__PUNCH ? j->limits.media_ms : left_ms(j, JOB_BUDGET_MAX_MS, now);
}

void job_act_play(void *obj, const void *arg, void *fx, struct now now)
{
    (void)arg;
    struct job *j = obj;
    j->step = JOB_STEP_MEDIA;
    put_rpc(fx, JOB_EFF_PLAY, play_ms(j, now));
}

/* The same in the other layout, if that is what may have been wrong; else silence instead of the control word. */
void job_act_play_next(void *obj, const void *arg, void *fx, struct now now)
{
    struct job *j = obj;
    const struct job_result *r = arg;
    if (r->code == RPC_INVALID_ARGUMENT && r->may_swap && !j->swapped) {
        j->swapped = true;
    } else {
        j->swapped = false;
        j->silence = true;
    }
    put_rpc(fx, JOB_EFF_PLAY, play_ms(j, now));
}

void job_act_played(void *obj, const void *arg, void *fx, struct now now)
{
    (void)arg;
    (void)now;
    struct job *j = obj;
    set_outcome(j, RPC_OK, NULL);
    put_answer(j, fx, PLANE__JOB_DONE__RESULT__OK);
}

void job_act_play_fail(void *obj, const void *arg, void *fx, struct now now)
{
    (void)now;
    struct job *j = obj;
    const struct job_result *r = arg;
    set_outcome(j, r->code, r->detail);
    put_answer(j, fx, result_of(r->code));
}

/* --- look-ups ---------------------------------------------------------------------------------------------------- */

void job_act_look_up(void *obj, const void *arg, void *fx, struct now now)
{
    (void)arg;
    struct job *j = obj;
    j->step = JOB_STEP_USER;
    bool of_contact = j->kind == PLANE__RUN_JOB__KIND__FIND_USER;
    put_rpc(fx, of_contact ? JOB_EFF_FIND_USER : JOB_EFF_CREDENTIALS, left_ms(j, j->limits.user_ms, now));
}

void job_act_looked_up(void *obj, const void *arg, void *fx, struct now now)
{
    (void)now;
    struct job *j = obj;
    const struct job_result *r = arg;
    j->creds = r->creds;
    j->user = r->user;
    set_outcome(j, r->code, r->detail);
    put_answer(j, fx, r->code == RPC_NOT_FOUND ? PLANE__JOB_DONE__RESULT__NOT_FOUND : result_of(r->code));
}
