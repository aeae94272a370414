/* A caller of ours moves on to somebody else (docs/control.md). */
#include "call-actor/call_act_bridge.h"
#include "call-actor/call_events.h"
#include "call-actor/control.h"
#include "call-actor/dial.h"
#include "call-actor/leg.h"
#include "call-actor/refresh.h"
#include "call-actor/ring.h"
#include "call-actor/session_timer.h"
#include "call-actor/transfer.h"
#include "common/base/err.h"
#include "common/sip/sdp.h"

const char *transfer_check(const struct call *c)
{
    if (call_state(c) != CALL_ST_ESTABLISHED)
        return "the call is not established";
    if (dial_is_at(c, DIAL_SECOND) || dial_is_at(c, DIAL_JOINING))
        return "somebody else is being rung for this call already";
    if (side_is_bridged(c))
        return "the call has two parties already";
    if (leg_txn_unacked(c) != NULL || refresh_is_exchange(c))
        return "the caller's session is being changed";
    return session_sdp(c->row->a).len > 0 ? NULL : "nothing is known of the caller's media";
}

static void begin(struct call *c, const struct call_input *in, struct now now)
{
    Store__CallRow *row = c->row;
    char to[DIAL_URI_BYTES_MAX + 3];
    const char *why;
    BUG_ON(dial_read_to(to, c->conf, in->control->to, &why) != PLANE__CONTROLLED__RESULT__OK);
    if (row->transfer != NULL)
        store__transfer__free_unpacked(row->transfer, NULL);
    row->transfer = row_alloc(sizeof(*row->transfer));
    store__transfer__init(row->transfer);
    row_text(&row->transfer->to, span_cstr(to));
    row_text(&row->transfer->key, span_cstr(in->control->key));
    row_text(&row->transfer->asked_by, span_cstr(in->control->asked_by));
    row->transfer->asked_wall_ms = (uint64_t)now.wall_ms;
    row->transfer_cnt++;
    row_bytes(&row->offer, session_sdp(row->a));
    if (row->max_breadth == 0) /* of who called us, who is not the one that asks */
        row->max_breadth = RING_BREADTH;
    row->max_forwards = SETUP_MAX_FORWARDS;
}

void act_transfer(void *obj, const void *arg, void *fx, struct now now)
{
    struct call *c = obj;
    const struct call_step *st = arg;
    begin(c, st->in, now);
    (void)control_open(c, st->in);
    events_transfer(c, fx, EVENT_TRANSFER_STARTED, now);
    dial_second(c, fx, c->row->transfer->to, now);
    control_settle(c, fx, PLANE__CONTROL__OP__TRANSFER, PLANE__CONTROLLED__RESULT__OK, "the target is being rung");
}

void transfer_done(struct call *c, struct call_effects *fx, struct now now)
{
    events_transfer(c, fx, EVENT_TRANSFER_COMPLETED, now);
}

/* --- it fails --- */

static void lost(struct call *c, struct call_effects *fx, const char *reason, unsigned status, struct now now)
{
    Store__Transfer *t = c->row->transfer;
    t->step = DIAL_LOST;
    t->status = status;
    row_text(&t->reason, span_cstr(reason));
    c->row->winner = SIDE_CALLER;
    row_bytes(&c->row->offer, SPAN(""));
    events_transfer(c, fx, EVENT_TRANSFER_FAILED, now);
}

static unsigned status_of(const struct call *c, const struct call_step *st)
{
    if (st->in->type == CALL_IN_TIMER)
        return 408;
    if (dial_is_at(c, DIAL_JOINING))
        return st->in->status >= 300 ? st->in->status : 488;
    return c->row->best_status != 0 ? c->row->best_status : st->in->status != 0 ? st->in->status : 480;
}

void act_transfer_failed(void *obj, const void *arg, void *fx, struct now now)
{
    struct call *c = obj;
    const struct call_step *st = arg;
    unsigned status = status_of(c, st);
    bool joining = dial_is_at(c, DIAL_JOINING);
    if (joining)
        refresh_take_late(c, fx, st);
    session_of(c->row->a)->offers = false;
    bridge_hang_up(c, fx, SPAN(""), now);
    lost(c, fx, joining ? "not_accepted" : bridge_reason(status), status, now);
}

void transfer_undo(struct call *c, struct call_effects *fx, struct now now)
{
    Store__Session *first = session_of(c->row->a);
    struct buf sdp;
    if (c->row->transfer == NULL)
        return;
    lost(c, fx, "target_hung_up", 0, now);
    buf_init(&sdp, SDP_BYTES_MAX + SIP_LINE_BYTES_MAX);
    dial_own_origin(&sdp, c, row_span(c->row->answer));
    row_bytes(&c->row->answer, buf_span(&sdp));
    buf_fini(&sdp);
    first->offers = true; /* in the next step: this one has his ACK to say, which the new request takes the place of */
    first->due_wall_ms = (uint64_t)now.wall_ms;
}

void transfer_end(struct call *c, struct call_effects *fx, struct now now)
{
    const Store__Transfer *t = c->row->transfer;
    if (t != NULL && (t->step == DIAL_SECOND || t->step == DIAL_JOINING))
        lost(c, fx, "call_ended", 0, now);
}
