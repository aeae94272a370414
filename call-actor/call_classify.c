/*
 * What an input is, in the state the call is in. All the questions that need the message, the row or the plan are asked
 * here, so that the table needs no guards. Nothing is changed.
 */
#include "call-actor/call_act_bridge.h"
#include "call-actor/call_job.h"
#include "call-actor/call_screen.h"
#include "call-actor/dial.h"
#include "call-actor/dialog.h"
#include "call-actor/leg.h"
#include "call-actor/out_leg.h"
#include "call-actor/pass.h"
#include "call-actor/refer.h"
#include "call-actor/refresh.h"
#include "call-actor/rel100.h"
#include "call-actor/relay.h"
#include "call-actor/replace.h"
#include "call-actor/ring.h"
#include "call-actor/send_off.h"
#include "call-actor/transfer.h"
#include "common/sip/sip_caps.h"

/* --- requests --- */

static enum call_event refused(struct call_step *st, unsigned status)
{
    st->no.status = status;
    return CALL_EV_REFUSED;
}

static enum call_event initial_invite(const struct call *c, struct call_step *st)
{
    if (st->in->refused != NULL) {
        st->no = *st->in->refused;
        return CALL_EV_INVITE_BAD;
    }
    return screen_initial(st) && screen_invite(c, st, SCREEN_ANYBODY) ? CALL_EV_INVITE : CALL_EV_INVITE_BAD;
}

/* The ACK must bring an answer to the offer in our 2xx. */
static bool brings_answer(const struct call *c, const Store__ServerTxn *txn)
{
    bool first = span_eq(row_span(txn->key), row_span(c->row->invite_key));
    return first || !side_is_bridged(c) ? c->row->delayed_offer : relay_waits_for_answer(c);
}

/* Of use to us, or, in a bridged call, there at all. */
static bool screen_ack_of(const struct call *c, struct call_step *st)
{
    return side_is_bridged(c) ? screen_body(st) && st->sdp.len > 0 : screen_ack(c, st);
}

/* §17.1.1.3: an ACK has the CSeq number of its INVITE. Any other is a late repeat. */
static enum call_event ack(const struct call *c, struct call_step *st)
{
    const Store__ServerTxn *txn = leg_txn_unacked(c);
    if (txn == NULL || txn->cseq != st->in->msg->cseq.num || st->side.d == NULL || txn->leg != st->side.id)
        return CALL_EV_NONE;
    return !brings_answer(c, txn) || screen_ack_of(c, st) ? CALL_EV_ACK : CALL_EV_ACK_UNFIT;
}

/* One offer and its answer at a time (§14.2, RFC 3311 §5.2, RFC 5407 §3.1.5): 500 to who has one open himself, 491
 * when the other side has, or an ACK is awaited. 0: it may come. */
static unsigned offer_glare(const struct call *c, const struct side *from)
{
    if (call_state(c) == CALL_ST_RINGING)
        return rel100_glare(c, from);
    if (call_state(c) == CALL_ST_ANSWERING)
        return from->leg != NULL ? 491 : 500; /* his first one has no answer yet, or will have it at once */
    if (rel100_is_updating(c))
        return 491;
    if (refresh_is_exchange(c) || dial_is_at(c, DIAL_JOINING)) /* what joins the two comes first */
        return 491;
    if (transfer_is_alone(c)) /* there is nobody to give it to, yet */
        return 491;
    if (side_is_bridged(c))
        return relay_glare(c, from->id) != 0 ? relay_glare(c, from->id) : leg_txn_unacked(c) != NULL ? 491 : 0;
    return leg_txn_unacked(c) != NULL && c->row->delayed_offer ? 491 : 0;
}

/* In a bridged call it is passed on, one at a time in either direction. */
static enum call_event reinvite_to_relay(const struct call *c, struct call_step *st)
{
    if (call_state(c) != CALL_ST_ESTABLISHED)
        return CALL_EV_REINVITE;
    unsigned glare = offer_glare(c, &st->side);
    if (glare != 0)
        return refused(st, glare);
    if (!screen_invite(c, st, SCREEN_SOMEBODY))
        return CALL_EV_REFUSED;
    return refresh_is_plain(c, &st->side, st->sdp) ? CALL_EV_REFRESH : CALL_EV_RELAY;
}

/* RFC 5407 §3.1.5: an INVITE that overtakes the ACK of the one before gets 491. In ANSWERED and CLOSING the table says
 * so. */
static enum call_event reinvite(const struct call *c, struct call_step *st)
{
    st->no.status = dialog_check_target(st->in->msg, &st->no.reason);
    if (st->no.status != 0)
        return CALL_EV_REFUSED;
    if (side_is_bridged(c))
        return reinvite_to_relay(c, st);
    if (call_state(c) == CALL_ST_ESTABLISHED &&
        (leg_txn_unacked(c) != NULL || refresh_is_exchange(c) || transfer_is_alone(c)))
        return refused(st, 491);
    return screen_invite(c, st, SCREEN_US) && screen_answer(c, st, st->sdp, c->row->rtp_port) ? CALL_EV_REINVITE
                                                                                              : CALL_EV_REFUSED;
}

static enum call_event update_with_offer(const struct call *c, struct call_step *st)
{
    unsigned glare = offer_glare(c, &st->side);
    if (glare != 0)
        return refused(st, glare);
    bool rings = call_state(c) == CALL_ST_RINGING;
    if (side_is_bridged(c) && !rings && call_state(c) != CALL_ST_ESTABLISHED)
        return CALL_EV_UPDATE;
    if (rings)
        return screen_invite(c, st, SCREEN_SOMEBODY) ? CALL_EV_UPDATE_EARLY : CALL_EV_REFUSED;
    if (side_is_bridged(c))
        return screen_invite(c, st, SCREEN_SOMEBODY) ? CALL_EV_RELAY : CALL_EV_REFUSED;
    return screen_invite(c, st, SCREEN_US) && screen_answer(c, st, st->sdp, c->row->rtp_port) ? CALL_EV_UPDATE
                                                                                              : CALL_EV_REFUSED;
}

/* RFC 3311 §5.2. Without an offer it refreshes the target only, which is between its sender and us. */
static enum call_event update(const struct call *c, struct call_step *st)
{
    st->no.status = dialog_check_target(st->in->msg, &st->no.reason);
    if (st->no.status != 0)
        return CALL_EV_REFUSED;
    if (relay_is_updating(c, st->side.id) || rel100_has_asked(&st->side))
        return refused(st, 500);
    if (!screen_session(c, st) || !screen_body(st))
        return CALL_EV_REFUSED;
    return st->sdp.len > 0 ? update_with_offer(c, st) : CALL_EV_UPDATE;
}

/* INFO and MESSAGE belong to whom he talks to. */
static enum call_event pass_on(const struct call *c, struct call_step *st)
{
    if (call_state(c) == CALL_ST_ENDING || call_state(c) == CALL_ST_ENDED)
        return CALL_EV_PASS;
    st->no.status = pass_check(c, st);
    return st->no.status == 0 ? CALL_EV_PASS : CALL_EV_REFUSED;
}

static enum call_event info(const struct call *c, struct call_step *st)
{
    int fault = screen_dtmf(st);
    if (side_is_bridged(c))
        return pass_on(c, st);
    return screen_info(st, fault) ? CALL_EV_INFO : CALL_EV_REFUSED;
}

/* In a call that we answer there is nobody to give it to. */
static enum call_event message(const struct call *c, struct call_step *st)
{
    return side_is_bridged(c) ? pass_on(c, st) : refused(st, 405);
}

/* A leg the caller does not talk to (any more). */
static bool is_stray(const struct call *c, const struct side *side)
{
    bool talks = side->id == c->row->winner || side->id == transfer_old(c);
    return side->leg != NULL && side->early == NULL && (!talks || !out_leg_is_up(side->leg));
}

/* §15: a callee may say none before he has answered. */
static enum call_event bye(const struct call *c, struct call_step *st)
{
    if (st->side.leg != NULL && st->side.early != NULL)
        return refused(st, 481);
    if (st->side.leg == NULL)
        return CALL_EV_BYE;
    if (replace_is_under_way(c) && st->side.id == c->row->winner)
        return CALL_EV_BYE_STRAY; /* another comes in his place */
    enum call_event amid = transfer_bye(c, &st->side);
    return amid != CALL_EV_NONE ? amid : CALL_EV_BYE_CALLEE;
}

/* Of a provisional that somebody waits for no more it is taken all the same (RFC 3262 §3). */
static enum call_event prack(const struct call *c, struct call_step *st)
{
    const Store__Early *early = st->side.leg == NULL ? st->side.early : NULL;
    const Store__Provisional *p = rel100_match(early, c, st->in->msg);
    if (p == NULL)
        return refused(st, 481);
    if (!screen_body(st))
        return CALL_EV_REFUSED;
    if (st->sdp.len > 0 && !rel100_fits(c, SIP_MSG_BYTES_MAX))
        return refused(st, 500);
    return call_state(c) == CALL_ST_ANSWERING && rel100_is_last(early, p) ? CALL_EV_PRACK_LAST : CALL_EV_PRACK;
}

static enum call_event refer(const struct call *c, struct call_step *st)
{
    bool outside = st->in->msg->to_tag.len == 0;
    st->no.status =
        outside ? dialog_check_invite(st->in->msg, &st->no.reason) : dialog_check_target(st->in->msg, &st->no.reason);
    if (st->no.status != 0)
        return CALL_EV_REFUSED;
    st->no = refer_check(c, st);
    return st->no.status == 0 ? CALL_EV_REFER : CALL_EV_REFUSED;
}

/* RFC 6665 §4.2.1: to a dialog's subscription, of which there is no kind but refer. It may outlive every other use of
 * the dialog. */
static enum call_event subscribe(const struct call *c, struct call_step *st)
{
    struct span event = sip_msg_value(st->in->msg, SIP_H_EVENT);
    Store__Refer *r = call_state(c) == CALL_ST_ESTABLISHED ? refer_of_subscribe(c, st->in->msg) : NULL;
    if (!span_caseeq(sip_lex_trim(span_of(event.p, span_find(event, ';'))), SPAN("refer")))
        return refused(st, 489);
    if (r == NULL)
        return refused(st, 481);
    if (dialog_is_out_of_order(refer_dialog(c, r), st->in->msg->cseq.num))
        return refused(st, 500);
    return screen_require(st) ? CALL_EV_SUBSCRIBE : CALL_EV_REFUSED;
}

/* RFC 4538: outside of the dialog, by somebody who has shown that he is in it. */
static enum call_event refer_outside(const struct call *c, struct call_step *st)
{
    st->side = refer_target_side(c, st->in);
    if (st->side.d == NULL)
        return refused(st, 403);
    return screen_require(st) ? refer(c, st) : CALL_EV_REFUSED;
}

static enum call_event in_dialog(const struct call *c, struct call_step *st)
{
    const struct sip_msg *m = st->in->msg;
    if (m->to_tag.len == 0 && m->method == SIP_M_REFER)
        return refer_outside(c, st);
    if (m->to_tag.len == 0) /* the first INVITE once more by another way (§8.2.2.2), or of no dialog at all */
        return refused(st, m->method == SIP_M_INVITE ? 482 : 481);
    if (m->method == SIP_M_SUBSCRIBE)
        return subscribe(c, st);
    if (st->side.d == NULL)
        return refused(st, 481);
    if (is_stray(c, &st->side))
        return m->method == SIP_M_BYE ? CALL_EV_BYE_STRAY : refused(st, 481);
    if (m->cseq.num < *side_remote_cseq(&st->side)) { /* equal is let pass: some peers never count */
        st->no.reason = "CSeq Out Of Order";
        return refused(st, 500);
    }
    if (m->method == SIP_M_INVITE)
        return reinvite(c, st);
    if (!screen_require(st))
        return CALL_EV_REFUSED;
    switch (m->method) {
    case SIP_M_PRACK:
        return prack(c, st);
    case SIP_M_BYE:
        return bye(c, st);
    case SIP_M_UPDATE:
        return update(c, st);
    case SIP_M_INFO:
        return info(c, st);
    case SIP_M_MESSAGE:
        return message(c, st);
    case SIP_M_REFER:
        return refer(c, st);
    case SIP_M_NOTIFY:
        return send_off_notified(c, st);
    case SIP_M_OPTIONS:
        return screen_body(st) ? CALL_EV_OPTIONS : CALL_EV_REFUSED;
    default:
        return refused(st, 405);
    }
}

/* Of the first INVITE, or of one that is being passed on: the request has the number of its INVITE (§9.1). */
static enum call_event cancel(const struct call *c, struct call_step *st)
{
    const Store__ServerTxn *txn = leg_txn_pending(c);
    if (replace_is_cancelled_by(c, st->in->msg))
        return CALL_EV_CANCEL_RELAY;
    bool first = txn == NULL || span_eq(row_span(txn->key), row_span(c->row->invite_key));
    if (first && txn != NULL && st->side.leg != NULL)
        return refused(st, 481); /* a callee's: it is not his INVITE that waits */
    return !first && txn->leg == st->side.id && txn->cseq == st->in->msg->cseq.num ? CALL_EV_CANCEL_RELAY
                                                                                   : CALL_EV_CANCEL;
}

static enum call_event request(const struct call *c, struct call_step *st)
{
    const struct sip_msg *m = st->in->msg;
    if (call_state(c) == CALL_ST_NEW)
        return initial_invite(c, st);
    if (st->in->replaces)
        return replace_classify(c, st);
    st->side = side_of_request(c, m);
    if (m->method == SIP_M_ACK)
        return ack(c, st);
    return m->method == SIP_M_CANCEL ? cancel(c, st) : in_dialog(c, st);
}

/* --- the orchestrator --- */

static enum call_event unfit(struct call_step *st, unsigned status)
{
    st->no.status = status;
    return CALL_EV_SETUP_UNFIT;
}

/* The offer was good when it came; it is read with today's settings, which a restart may have changed. */
static enum call_event answer_ourselves(const struct call *c, struct call_step *st)
{
    uint32_t port = st->in->done->rtp_port;
    if (port == 0)
        return unfit(st, 503);
    if (!screen_answer(c, st, row_span(c->row->offer), port))
        return CALL_EV_SETUP_UNFIT;
    return rel100_must_say(c, false, false) ? CALL_EV_SETUP_RINGS : CALL_EV_SETUP_OK;
}

static enum call_event setup_done(const struct call *c, struct call_step *st)
{
    const Plane__JobDone *done = st->in->done;
    if (done->result != PLANE__JOB_DONE__RESULT__OK)
        return CALL_EV_SETUP_FAILED;
    if (done->plan == NULL)
        return unfit(st, 503);
    const struct route_caller caller = bridge_caller(c);
    st->way = route_plan(&c->conf->route, &caller, done->plan, c->row->located);
    switch (st->way.way) {
    case ROUTE_USER:
        return CALL_EV_BRIDGE;
    case ROUTE_RING:
        return ring_check_limits(c) == 0 ? CALL_EV_RING : unfit(st, ring_check_limits(c));
    case ROUTE_REFUSE:
        return unfit(st, st->way.status);
    case ROUTE_DIALPLAN: /* it has spoken */
    case ROUTE_PLATFORM:
        break;
    }
    return answer_ourselves(c, st);
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
    if (job->refer)
        return refer_plan(c, st);
    if (job->kind != PLANE__RUN_JOB__KIND__SETUP)
        return release_done(done, job);
    return c->row->dial != NULL ? dial_setup_done(c, st) : setup_done(c, st);
}

/* --- the rest --- */

/* A session that is over, or a request of ours that is due. */
static enum call_event session_timer(const struct call *c, struct call_step *st)
{
    st->side = refresh_expired(c, c->row->timers[CALL_TMR_SESSION]);
    return st->side.d != NULL ? CALL_EV_EXPIRED : CALL_EV_TMR_SESSION;
}

/* A timer that was disarmed in the turn it fired in has nothing to say. */
static enum call_event timer(const struct call *c, struct call_step *st, enum call_timer t)
{
    static const enum call_event event[CALL_TIMERS] = {
        [CALL_TMR_SETUP] = CALL_EV_TMR_SETUP,     [CALL_TMR_2XX] = CALL_EV_TMR_2XX,
        [CALL_TMR_NO_ACK] = CALL_EV_TMR_NO_ACK,   [CALL_TMR_LINGER] = CALL_EV_TMR_LINGER,
        [CALL_TMR_RELEASE] = CALL_EV_TMR_RELEASE, [CALL_TMR_NO_ANSWER] = CALL_EV_TMR_NO_ANSWER,
        [CALL_TMR_PRACK] = CALL_EV_TMR_PRACK,     [CALL_TMR_SESSION] = CALL_EV_TMR_SESSION,
        [CALL_TMR_EXPIRES] = CALL_EV_TMR_EXPIRES, [CALL_TMR_REINVITE] = CALL_EV_TMR_REINVITE,
        [CALL_TMR_REFER] = CALL_EV_TMR_REFER};
    if (c->row->timers[t] == 0)
        return CALL_EV_NONE;
    if (t == CALL_TMR_NO_ANSWER && call_state(c) == CALL_ST_ESTABLISHED && transfer_can_go_back(c))
        return CALL_EV_TRANSFER_FAILED;
    if (t == CALL_TMR_SESSION)
        return session_timer(c, st);
    return t == CALL_TMR_PRACK && rel100_is_overdue(c) ? CALL_EV_NO_PRACK : event[t];
}

/* --- whom to ring --- */

static enum call_event nobody(const struct call *c, struct call_step *st)
{
    if (call_state(c) == CALL_ST_RINGING) /* behind a redirection */
        return ring_hangs_on(c) ? CALL_EV_RING_FAILED : CALL_EV_RING_ON;
    if (call_state(c) == CALL_ST_ESTABLISHED) /* who is rung second in a call that we place, or behind him */
        return !ring_hangs_on(c)                         ? CALL_EV_RING_ON
               : refer_may_be_planned(c, st->in->status) ? CALL_EV_REFER_ASK
                                                         : dial_no(c);
    struct route way = route_not_found(c->row->plan != NULL, st->in->status != 0 ? st->in->status : 480);
    st->no.status = way.status;
    return way.way == ROUTE_DIALPLAN ? CALL_EV_NOT_A_USER : CALL_EV_NOBODY;
}

static enum call_event targets(const struct call *c, struct call_step *st)
{
    if (bridge_locates(c, st->in->who) < 0)
        return CALL_EV_NONE;
    if (c->row->dial != NULL && call_state(c) == CALL_ST_SETUP)
        return dial_targets(c, st);
    if (!ring_adds(c, st->in->targets, st->in->target_cnt))
        return nobody(c, st);
    st->no.status = ring_check_limits(c);
    return st->no.status == 0 ? CALL_EV_TARGETS : CALL_EV_NOBODY;
}

/* Of a session description that we cannot use nothing is known. */
static enum call_event to_refresh(const struct call *c, struct call_step *st)
{
    enum refresh_news news = refresh_classify(&st->side, st->in);
    bool offered = st->in->msg != NULL && st->in->msg->method == SIP_M_INVITE;
    bool usable = offered && (side_is_bridged(c) ? screen_body(st) : screen_ack(c, st));
    if (!usable)
        st->sdp = SPAN("");
    if (news == REFRESH_NOTHING)
        return CALL_EV_NONE;
    bool lost = news == REFRESH_LOST && refresh_concerns(c, &st->side);
    return dial_joining(c, st, lost ? CALL_EV_SESSION_LOST : CALL_EV_REFRESHED);
}

/* Responses to the INVITEs and BYEs of the legs we placed are theirs: out_leg_classify. */
static enum call_event response(const struct call *c, struct call_step *st)
{
    const struct call_input *in = st->in;
    bool final = in->status == 0 || in->status >= 200;
    size_t at;
    const Store__Early *early = rel100_of_branch(c, in->txn, &at);
    if (early != NULL) {
        st->side = side_of(c, early->asks[at]->to_caller ? SIDE_CALLER : early->leg);
        if (in->msg != NULL)
            (void)sip_caps_check_body(in->msg, &st->sdp);
        return final ? CALL_EV_EARLY_DONE : CALL_EV_NONE;
    }
    const Store__Relay *relay = relay_of_response(c, in->txn);
    if (relay != NULL) {
        st->side = side_of(c, relay->to);
        if (in->msg != NULL)
            (void)sip_caps_check_body(in->msg, &st->sdp); /* a body that nobody could read is left out */
        bool refused = in->status == 0 || in->status >= 300;
        if (refused && replace_is_last_hope(c))
            return CALL_EV_REPLACE_LOST;
        return final && (in->status == 0 || in->msg != NULL) ? CALL_EV_RELAYED : CALL_EV_NONE;
    }
    if (pass_of_response(c, in->txn) != NULL)
        return final && (in->status == 0 || in->msg != NULL) ? CALL_EV_PASSED : CALL_EV_NONE;
    if (send_off_is(c, in->txn))
        return send_off_answered(c, st);
    const Store__Refer *told = refer_of_response(c, in->txn);
    if (told != NULL) {
        st->side.id = side_of_party(c, told->party).id;
        return final ? CALL_EV_REFER_TOLD : CALL_EV_NONE;
    }
    st->side = refresh_side_of(c, in->txn);
    if (st->side.d != NULL)
        return to_refresh(c, st);
    return final && leg_request_is_open(c, in->txn) ? CALL_EV_BYE_DONE : CALL_EV_NONE;
}

enum call_event call_classify(const struct call *c, const struct call_input *in, struct call_step *st)
{
    *st = (struct call_step){.in = in, .no = {.status = 0}};
    switch (in->type) {
    case CALL_IN_REQUEST:
        return request(c, st);
    case CALL_IN_RESPONSE:
        return response(c, st);
    case CALL_IN_JOB_STEP:
        return job_find(c, row_span(in->step->id)) >= 0 ? CALL_EV_STEP : CALL_EV_NONE;
    case CALL_IN_JOB_DONE:
        return job_done(c, st);
    case CALL_IN_TERMINATE:
        return CALL_EV_TERMINATE;
    case CALL_IN_TIMER:
        return timer(c, st, in->timer);
    case CALL_IN_TARGETS:
        return targets(c, st);
    case CALL_IN_CONTROL:
        if (in->control->op == PLANE__CONTROL__OP__TRANSFER)
            return transfer_check(c, transfer_side(c, in->control)) == NULL ? CALL_EV_TRANSFER : CALL_EV_NONE;
        return call_state(c) == CALL_ST_NEW ? CALL_EV_DIAL : CALL_EV_NONE;
    }
    return CALL_EV_NONE;
}
