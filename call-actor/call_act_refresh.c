/* What keeps a call alive, and what ends it when it is not (RFC 4028 §10; RFC 3261 §13.3.1 for Expires). */
#include "call-actor/call_act_bridge.h"
#include "call-actor/call_end.h"
#include "call-actor/dial.h"
#include "call-actor/dialog.h"
#include "call-actor/leg.h"
#include "call-actor/refresh.h"
#include "call-actor/reinvite.h"
#include "call-actor/session_timer.h"

#define EXPIRED "Q.850;cause=102;text=\"session expired\""
#define LOST "Q.850;cause=41;text=\"session lost\""

void act_session_due(void *obj, const void *arg, void *fx, struct now now)
{
    (void)arg;
    refresh_send_due(obj, fx, now);
}

void act_refreshed(void *obj, const void *arg, void *fx, struct now now)
{
    const struct call_step *st = arg;
    if (!refresh_concerns(obj, &st->side)) {
        refresh_take_late(obj, fx, st);
        return;
    }
    refresh_take(obj, fx, st, now);
    dial_take_joined(obj, fx, st, now);
    call_note_rtp(obj, fx, st);
}

void act_refreshed_late(void *obj, const void *arg, void *fx, struct now now)
{
    (void)now;
    refresh_take_late(obj, fx, arg);
}

void act_reinvite_overdue(void *obj, const void *arg, void *fx, struct now now)
{
    (void)arg;
    (void)now;
    reinvite_give_up(obj, fx);
}

/* --- theirs --- */

/* A re-INVITE with nothing new in it concerns nobody but us: it is answered with what stands. */
void act_refresh(void *obj, const void *arg, void *fx, struct now now)
{
    struct call *c = obj;
    const struct call_step *st = arg;
    struct buf out;
    dialog_note_request(st->side.d, st->in->msg, st->in->source);
    dialog_note_target(st->side.d, st->in->msg);
    Store__ServerTxn *txn = leg_txn_open(c, st->in);
    leg_begin_kept(&out, txn, 200);
    leg_put_dialog(&out, c, st->side.d, txn->source);
    leg_send_onward(c, fx, txn, &out, refresh_sdp_for(c, &st->side));
    leg_2xx_sent(c, fx, now);
}

/* --- the end --- */

void act_session_expired(void *obj, const void *arg, void *fx, struct now now)
{
    (void)arg;
    struct call_end why = {.reason = "failure", .by = "timer", .q850 = Q850_TIMER, .detail = SPAN("session expired")};
    end_because(obj, &why);
    end_by_bye(obj, fx, SPAN(EXPIRED), now);
}

/* 481: that side knows nothing of the call any more. Else it has not answered. */
void act_session_lost(void *obj, const void *arg, void *fx, struct now now)
{
    const struct call_step *st = arg;
    bool gone = st->in->status == 481;
    struct call_end why = {.reason = "failure",
                           .by = !gone                  ? "timer"
                                 : st->side.leg != NULL ? "callee"
                                                        : "caller",
                           .q850 = gone ? Q850_TEMPORARY : Q850_TIMER,
                           .detail = gone ? SPAN("a side knows no such call any more")
                                          : SPAN("no answer to a request that keeps the call alive")};
    leg_request_answered(session_of(st->side.d)->request);
    end_because(obj, &why);
    end_by_bye(obj, fx, gone ? SPAN(LOST) : SPAN(EXPIRED), now);
}

/* RFC 3261 §13.3.1: the invitation has expired. */
void act_invite_expired(void *obj, const void *arg, void *fx, struct now now)
{
    (void)arg;
    struct call_end why = {.reason = "no_answer",
                           .by = "timer",
                           .status = 487,
                           .q850 = Q850_NO_ANSWER,
                           .detail = SPAN("the INVITE has expired")};
    end_setup(obj, fx, &why, now);
}
