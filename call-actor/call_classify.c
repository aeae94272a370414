/*
 * What an input is, in the state the call is in. All the questions that need the message, the row or the plan are asked
 * here, so that the table needs no guards. Nothing is changed.
 */
#include "call-actor/call_act_bridge.h"
#include "call-actor/call_job.h"
#include "call-actor/call_screen.h"
#include "call-actor/dialog.h"
#include "call-actor/leg.h"

/* --- requests --- */

static enum call_event refused(struct call_step *st, unsigned status)
{
    st->no.status = status;
    return CALL_EV_REFUSED;
}

static enum call_event initial_invite(const struct call *c, struct call_step *st)
{
    return screen_initial(st) && screen_invite(c, st) ? CALL_EV_INVITE : CALL_EV_INVITE_BAD;
}

/* §17.1.1.3: an ACK has the CSeq number of its INVITE. Any other is a late repeat. */
static enum call_event ack(const struct call *c, struct call_step *st)
{
    const Store__ServerTxn *txn = leg_txn_unacked(c);
    if (txn == NULL || txn->cseq != st->in->msg->cseq.num)
        return CALL_EV_NONE;
    return !c->row->delayed_offer || screen_ack(c, st) ? CALL_EV_ACK : CALL_EV_ACK_UNFIT;
}

/* RFC 5407 §3.1.5: an INVITE that overtakes the ACK of the one before gets 491. In ANSWERED and CLOSING the table says
 * so. */
static enum call_event reinvite(const struct call *c, struct call_step *st)
{
    st->no.status = dialog_check_target(st->in->msg, &st->no.reason);
    if (st->no.status != 0)
        return CALL_EV_REFUSED;
    if (call_state(c) == CALL_ST_ESTABLISHED && leg_txn_unacked(c) != NULL)
        return refused(st, 491);
    return screen_invite(c, st) && screen_answer(c, st, st->sdp, c->row->rtp_port) ? CALL_EV_REINVITE : CALL_EV_REFUSED;
}

static enum call_event in_dialog(const struct call *c, struct call_step *st)
{
    const struct sip_msg *m = st->in->msg;
    if (m->to_tag.len == 0) /* the first INVITE once more by another way (§8.2.2.2), or of no dialog at all */
        return refused(st, m->method == SIP_M_INVITE ? 482 : 481);
    if (dialog_is_out_of_order(c->row->a, m->cseq.num)) {
        st->no.reason = "CSeq Out Of Order";
        return refused(st, 500);
    }
    if (m->method == SIP_M_INVITE)
        return reinvite(c, st);
    if (!screen_require(st))
        return CALL_EV_REFUSED;
    if (m->method == SIP_M_BYE)
        return CALL_EV_BYE;
    if (m->method != SIP_M_OPTIONS)
        return refused(st, 405);
    return screen_body(st) ? CALL_EV_OPTIONS : CALL_EV_REFUSED;
}

static enum call_event request(const struct call *c, struct call_step *st)
{
    const struct sip_msg *m = st->in->msg;
    if (call_state(c) == CALL_ST_NEW)
        return initial_invite(c, st);
    if (m->method == SIP_M_ACK)
        return ack(c, st);
    return m->method == SIP_M_CANCEL ? CALL_EV_CANCEL : in_dialog(c, st);
}

/* --- the orchestrator --- */

static bool is_portless(const struct call_conf *conf, const char *action)
{
    for (const char *const *a = conf->portless_actions; a != NULL && *a != NULL; a++) {
        if (strcmp(*a, action) == 0)
            return true;
    }
    return false;
}

static enum call_event unfit(struct call_step *st, unsigned status)
{
    st->no.status = status;
    return CALL_EV_SETUP_UNFIT;
}

/* The offer was good when it came; it is read with today's settings, which a restart may have changed. */
static enum call_event setup_done(const struct call *c, struct call_step *st)
{
    const Plane__JobDone *done = st->in->done;
    if (done->result != PLANE__JOB_DONE__RESULT__OK)
        return CALL_EV_SETUP_FAILED;
    if (done->plan == NULL || (done->rtp_port == 0 && !is_portless(c->conf, done->plan->action)))
        return unfit(st, 503);
    if (is_portless(c->conf, done->plan->action))
        return CALL_EV_BRIDGE;
    return screen_answer(c, st, row_span(c->row->offer), done->rtp_port) ? CALL_EV_SETUP_OK : CALL_EV_SETUP_UNFIT;
}

/* Only what surely did not reach media-service may be asked again: a port released twice could be somebody else's by
 * then. */
static enum call_event release_done(const Plane__JobDone *done, const Store__OpenJob *job)
{
    bool unreached =
        done->result == PLANE__JOB_DONE__RESULT__UNAVAILABLE && strcmp(done->grpc_status, "UNAVAILABLE") == 0;
    return unreached && job->tries < JOB_RELEASE_TRIES_MAX ? CALL_EV_RELEASE_LATER : CALL_EV_RELEASED;
}

static enum call_event job_done(const struct call *c, struct call_step *st)
{
    const Plane__JobDone *done = st->in->done;
    struct span id = row_span(done->id);
    int at = job_find(c, id);
    if (at < 0)
        return job_id_is_setup(id) && done->rtp_port != 0 && done->rtp_port != c->row->rtp_port ? CALL_EV_EXTRA_PORT
                                                                                                : CALL_EV_NONE;
    st->job = (size_t)at;
    const Store__OpenJob *job = c->row->jobs[at];
    return job->kind == PLANE__RUN_JOB__KIND__SETUP ? setup_done(c, st) : release_done(done, job);
}

/* --- the rest --- */

/* A timer that was disarmed in the turn it fired in has nothing to say. */
static enum call_event timer(const struct call *c, enum call_timer t)
{
    static const enum call_event event[CALL_TIMERS] = {[CALL_TMR_SETUP] = CALL_EV_TMR_SETUP,
                                                       [CALL_TMR_2XX] = CALL_EV_TMR_2XX,
                                                       [CALL_TMR_NO_ACK] = CALL_EV_TMR_NO_ACK,
                                                       [CALL_TMR_LINGER] = CALL_EV_TMR_LINGER,
                                                       [CALL_TMR_RELEASE] = CALL_EV_TMR_RELEASE,
                                                       [CALL_TMR_NO_ANSWER] = CALL_EV_TMR_NO_ANSWER};
    return c->row->timers[t] != 0 ? event[t] : CALL_EV_NONE;
}

static enum call_event targets(const struct call *c, struct call_step *st)
{
    if (bridge_locates(c, st->in->who) < 0)
        return CALL_EV_NONE;
    st->no.status = st->in->target_cnt == 0 ? st->in->status : 501;
    return CALL_EV_NOBODY;
}

enum call_event call_classify(const struct call *c, const struct call_input *in, struct call_step *st)
{
    *st = (struct call_step){.in = in, .no = {.status = 0}};
    switch (in->type) {
    case CALL_IN_REQUEST:
        return request(c, st);
    case CALL_IN_RESPONSE:
        return leg_request_is_open(c, in->txn) && (in->status == 0 || in->status >= 200) ? CALL_EV_BYE_DONE
                                                                                         : CALL_EV_NONE;
    case CALL_IN_JOB_STEP:
        return job_find(c, row_span(in->step->id)) >= 0 ? CALL_EV_STEP : CALL_EV_NONE;
    case CALL_IN_JOB_DONE:
        return job_done(c, st);
    case CALL_IN_TERMINATE:
        return CALL_EV_TERMINATE;
    case CALL_IN_TIMER:
        return timer(c, in->timer);
    case CALL_IN_TARGETS:
        return targets(c, st);
    }
    return CALL_EV_NONE;
}
