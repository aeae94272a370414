/* The ways a call ends (RFC 3261 §9.2, §13.3.1.4, §15). */
#include "call-actor/call_act_bridge.h"
#include "call-actor/call_end.h"
#include "call-actor/call_events.h"
#include "call-actor/call_job.h"
#include "call-actor/dial.h"
#include "call-actor/leg.h"

/* --- before the answer --- */

void end_setup(struct call *c, struct call_effects *fx, const struct call_end *why, struct now now)
{
    if (leg_txn_pending(c) != NULL) /* else we place the call, and nobody waits for it */
        leg_refuse_invite(c, fx, why->status, why->refusal);
    job_cancel_setup(c, fx);
    bridge_hang_up(c, fx, why->carried, now);
    end_because(c, why);
    end_session(c, fx, now);
    end_linger(c, fx, now);
}

void act_cancelled(void *obj, const void *arg, void *fx, struct now now)
{
    const struct call_step *st = arg;
    char said[END_REASON_SIZE];
    struct call_end why = {.reason = "cancelled",
                           .by = "caller",
                           .status = 487,
                           .q850 = end_q850_of(st->in->msg),
                           .carried = end_reason_of(st->in->msg, said)};
    leg_reply(obj, fx, st->in, 200, true);
    end_setup(obj, fx, &why, now);
}

static unsigned status_of(Plane__JobDone__Result result)
{
    if (result == PLANE__JOB_DONE__RESULT__DENIED)
        return 403;
    return result == PLANE__JOB_DONE__RESULT__POISON ? 500 : 503; /* 503: a carrier tries another way, or again later */
}

static void log_failure(struct call_effects *fx, const Plane__JobDone *done, unsigned status)
{
    enum call_log level = status < 500 ? CALL_LOG_INFO : CALL_LOG_WARN; /* the caller's affair, or ours */
    const char *action = done->plan != NULL ? done->plan->action : "none";
    if (done->result == PLANE__JOB_DONE__RESULT__OK)
        fx_log(fx, level, "refused with %u: plan action %s, port %u", status, action, done->rtp_port);
    else
        fx_log(fx, level, "refused with %u: set-up failed at %s: %s %s", status, done->step, done->grpc_status,
               done->detail);
}

/* Progress is told with a delay, the outcome at once: it says better how far the set-up came. */
static void note_step(struct call *c, const Plane__JobDone *done)
{
    const char *step = done->rtp_port != 0 ? "media" : done->plan != NULL ? "dialplan" : c->row->step;
    if (done->step[0] != '\0')
        step = done->step;
    if (step != c->row->step)
        row_text(&c->row->step, span_cstr(step));
}

/* A port that came along goes back at once. */
void act_setup_failed(void *obj, const void *arg, void *fx, struct now now)
{
    struct call *c = obj;
    const struct call_step *st = arg;
    const Plane__JobDone *done = st->in->done;
    struct call_end why = {.reason = "failure", .by = "service", .detail = span_cstr(done->detail)};
    why.status = st->no.status != 0 ? st->no.status : status_of(done->result);
    why.refusal = st->no.status != 0 ? &st->no : NULL;
    if (st->no.warning_text != NULL)
        why.detail = span_cstr(st->no.warning_text);
    log_failure(fx, done, why.status);
    note_step(c, done);
    job_close(c, st->job);
    job_note_port(c, done);
    end_setup(c, fx, &why, now);
}

void act_setup_overdue(void *obj, const void *arg, void *fx, struct now now)
{
    (void)arg;
    struct call *c = obj;
    struct call_end why = {
        .reason = "failure", .by = "timer", .status = 503, .q850 = Q850_TIMER, .detail = SPAN("set-up took too long")};
    fx_log(fx, CALL_LOG_WARN, "refused with 503: set-up took longer than %u ms, last step %s", c->conf->setup_ms,
           c->row->step);
    end_setup(c, fx, &why, now);
}

static struct call_end wanted_end(const struct call_input *in)
{
    bool by_operator = in->asked_by != NULL && strcmp(in->asked_by, "sigctl") == 0;
    return (struct call_end){.reason = "system_terminated",
                             .by = by_operator ? "operator" : "platform",
                             .q850 = Q850_NORMAL,
                             .detail = span_cstr(in->reason)};
}

void act_setup_ended(void *obj, const void *arg, void *fx, struct now now)
{
    const struct call_step *st = arg;
    struct call_end why = wanted_end(st->in);
    why.status = 480;
    end_setup(obj, fx, &why, now);
}

/* --- by the caller's BYE --- */

void act_bye_in(void *obj, const void *arg, void *fx, struct now now)
{
    struct call *c = obj;
    const struct call_step *st = arg;
    char said[END_REASON_SIZE];
    struct call_end why = {.reason = "normal_clearing", .by = dial_party(c), .q850 = end_q850_of(st->in->msg)};
    if (why.q850 == 0)
        why.q850 = Q850_NORMAL;
    leg_reply(c, fx, st->in, 200, true);
    bridge_hang_up(c, fx, end_reason_of(st->in->msg, said), now);
    end_because(c, &why);
    end_session(c, fx, now);
    end_linger(c, fx, now);
}

/* Both hang up at once: theirs is answered, ours goes on waiting for its answer. */
void act_bye_glare(void *obj, const void *arg, void *fx, struct now now)
{
    (void)now;
    const struct call_step *st = arg;
    leg_reply(obj, fx, st->in, 200, true);
}

/* --- by our BYE --- */

static const char *bye_reason(const struct call *c)
{
    switch (c->row->end_q850) {
    case Q850_TIMER:
        return "Q.850;cause=102;text=\"ACK not received\"";
    case Q850_INCOMPATIBLE:
        return "Q.850;cause=88;text=\"No usable answer to our offer\"";
    default:
        return "Q.850;cause=16;text=\"Normal call clearing\"";
    }
}

/* For the platform the call is over when the BYE leaves: nothing the other side does can bring it back. */
void end_by_bye(struct call *c, struct call_effects *fx, struct span carried, struct now now)
{
    struct span reason = carried.len > 0 ? carried : span_cstr(bye_reason(c));
    leg_bye(c, fx, reason);
    bridge_hang_up(c, fx, reason, now);
    end_session(c, fx, now);
}

static void hang_up(struct call *c, struct call_effects *fx, struct now now)
{
    end_by_bye(c, fx, SPAN(""), now);
}

void act_bye_out(void *obj, const void *arg, void *fx, struct now now)
{
    const struct call_step *st = arg;
    struct call_end why = wanted_end(st->in);
    end_because(obj, &why);
    hang_up(obj, fx, now);
}

/* The callee's dialog is confirmed: he need not wait. */
void act_close(void *obj, const void *arg, void *fx, struct now now)
{
    const struct call_step *st = arg;
    struct call_end why = wanted_end(st->in);
    end_because(obj, &why);
    bridge_hang_up(obj, fx, span_cstr(bye_reason(obj)), now);
    fx_log(fx, CALL_LOG_INFO, "to be ended by %s: waiting for the ACK before the BYE", why.by);
}

/* The caller did answer, so the platform hears of that first. */
void act_ack_closing(void *obj, const void *arg, void *fx, struct now now)
{
    act_ack(obj, arg, fx, now);
    hang_up(obj, fx, now);
}

void act_ack_unfit(void *obj, const void *arg, void *fx, struct now now)
{
    (void)arg;
    struct call_end why = {.reason = "failure",
                           .by = "service",
                           .q850 = Q850_INCOMPATIBLE,
                           .detail = SPAN("the answer to our offer cannot be used")};
    end_because(obj, &why);
    hang_up(obj, fx, now);
}

void act_no_ack(void *obj, const void *arg, void *fx, struct now now)
{
    (void)arg;
    struct call_end why = {
        .reason = "failure", .by = "timer", .q850 = Q850_TIMER, .detail = SPAN("no ACK for our 2xx")};
    end_because(obj, &why);
    hang_up(obj, fx, now);
}

/* Whatever the answer was, or none: there is no way to end it more. */
void act_over(void *obj, const void *arg, void *fx, struct now now)
{
    (void)arg;
    leg_requests_drop(obj);
    end_linger(obj, fx, now);
}
