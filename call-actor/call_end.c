#include "call-actor/call_end.h"

#include "call-actor/call_events.h"
#include "call-actor/call_job.h"
#include "call-actor/dialog.h"
#include "call-actor/leg.h"

#define LINGER_FACTOR 64u /* of T1: as long as anything of the call may be repeated (RFC 3261 §17.2) */
#define DETAIL_MAX 256u

void end_because(struct call *c, const struct call_end *why)
{
    Store__CallRow *row = c->row;
    if (row->end_reason[0] != '\0')
        return;
    row_text(&row->end_reason, span_cstr(why->reason));
    row_text(&row->ended_by, span_cstr(why->by));
    row_text(&row->end_detail, span_of(why->detail.p, why->detail.len < DETAIL_MAX ? why->detail.len : DETAIL_MAX));
    row->end_status = why->status;
    row->end_q850 = why->q850;
}

static const char *stage_name(enum call_state s)
{
    switch (s) {
    case CALL_ST_ANSWERED:
    case CALL_ST_CLOSING:
        return "answered";
    case CALL_ST_ESTABLISHED:
        return "established";
    case CALL_ST_RINGING:
        return "ringing";
    default:
        return "setup";
    }
}

void end_session(struct call *c, struct call_effects *fx, struct now now)
{
    row_text(&c->row->end_stage, span_cstr(stage_name(call_state(c))));
    c->row->ended_wall_ms = (uint64_t)now.wall_ms;
    fx_disarm(c, fx, CALL_TMR_SETUP);
    leg_2xx_done(c, fx);
    events_ended(c, fx, now);
    job_release_own(c, fx, now);
    fx_say(fx, CALL_SAY_ENDED, c->row->end_status, SPAN(""));
}

void end_linger(struct call *c, struct call_effects *fx, struct now now)
{
    Store__CallRow *row = c->row;
    dialog_shrink(row->a);
    row_bytes(&row->offer, SPAN(""));
    row_bytes(&row->answer, SPAN(""));
    row_text(&row->caller_rtp, SPAN(""));
    row_text(&row->step, SPAN(""));
    fx_arm(c, fx, CALL_TMR_LINGER, (uint64_t)now.wall_ms + (uint64_t)LINGER_FACTOR * c->conf->t1_ms);
}
