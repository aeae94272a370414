/* One party of a call moves on to somebody else (docs/control.md). */
#include "call-actor/call_act_bridge.h"
#include "call-actor/call_events.h"
#include "call-actor/control.h"
#include "call-actor/dial.h"
#include "call-actor/leg.h"
#include "call-actor/onward.h"
#include "call-actor/pass.h"
#include "call-actor/refer.h"
#include "call-actor/refresh.h"
#include "call-actor/relay.h"
#include "call-actor/ring.h"
#include "call-actor/send_off.h"
#include "call-actor/session_timer.h"
#include "call-actor/transfer.h"
#include "common/base/err.h"

/* --- may it be? --- */

bool transfer_is_under_way(const struct call *c)
{
    const Store__Transfer *t = c->row->transfer;
    return t != NULL && (t->step == DIAL_SECOND || t->step == DIAL_JOINING || t->step == DIAL_SENT_OFF);
}

static bool is_up(const struct call *c, uint32_t leg)
{
    const struct side s = side_of(c, leg);
    return s.leg != NULL && out_leg_is_up(s.leg);
}

static bool has_port(const struct call *c)
{
    return c->row->port_state == STORE__PORT_STATE__PORT_HELD;
}

const char *transfer_check(const struct call *c, uint32_t stays)
{
    if (call_state(c) != CALL_ST_ESTABLISHED)
        return "the call is not established";
    if (dial_is_at(c, DIAL_SECOND) || dial_is_at(c, DIAL_JOINING) || dial_is_at(c, DIAL_SENT_OFF))
        return "somebody else is being rung for this call already";
    if (leg_txn_unacked(c) != NULL || refresh_is_exchange(c) || relay_glare(c, SIDE_CALLER) != 0)
        return "the session is being changed";
    if (c->row->n_out_legs >= RING_MAX)
        return "too many have been rung for this call";
    const struct side s = side_of(c, stays);
    return s.d != NULL && session_sdp(s.d).len > 0 ? NULL : "nothing is known of that party's media";
}

bool transfer_stays_is_known(const char *stays)
{
    return stays[0] == '\0' || strcmp(stays, TRANSFER_CALLER) == 0 || strcmp(stays, TRANSFER_CALLEE) == 0;
}

/* The one who called, or else who was rung; by the words, or by whose Call-ID it is. */
uint32_t transfer_side(const struct call *c, const Plane__Control *asked)
{
    const struct side other = side_of(c, c->row->winner);
    bool other_called = other.leg != NULL && side_party(c, other.id) == SIDE_CALLER;
    bool a_called = side_party(c, SIDE_CALLER) == SIDE_CALLER;
    if (other.leg == NULL)
        return SIDE_CALLER;
    if (strcmp(asked->stays, TRANSFER_CALLER) == 0)
        return other_called ? other.id : SIDE_CALLER;
    if (strcmp(asked->stays, TRANSFER_CALLEE) == 0)
        return a_called ? other.id : SIDE_CALLER;
    return strcmp(other.d->call_id, asked->call_id) == 0 ? other.id : SIDE_CALLER;
}

/* --- it begins --- */

static void note(struct call *c, const struct transfer_ask *ask, struct now now)
{
    Store__CallRow *row = c->row;
    Store__Transfer *t = row_alloc(sizeof(*t));
    store__transfer__init(t);
    t->by = ask->by;
    t->old = row->winner;
    row_text(&t->to, span_cstr(ask->to));
    row_text(&t->key, span_cstr(ask->key));
    row_text(&t->asked_by, span_cstr(ask->asked_by));
    row_text(&t->headers, ask->headers);
    t->asked_wall_ms = (uint64_t)now.wall_ms;
    if (row->transfer != NULL)
        store__transfer__free_unpacked(row->transfer, NULL);
    row->transfer = t;
    row->transfer_cnt++;
    if (row->max_breadth == 0) /* of who called us, who is not the one that asks */
        row->max_breadth = RING_BREADTH;
    row->max_forwards = SETUP_MAX_FORWARDS;
}

/* To him it goes on being the session that it is with whom he talks to. With the platform it is ours, whose version is
 * counted on until the target has come. */
static void hold_session(struct call *c)
{
    const struct side stays = side_of(c, SIDE_CALLER);
    if (side_is_bridged(c))
        onward_hold(stays.d, refresh_sdp_for(c, &stays));
}

static void ring_target(struct call *c, struct call_effects *fx, const struct route *way, struct now now)
{
    struct route wanted = {.target = NULL};
    if (way == NULL)
        wanted = route_wanted(&c->conf->route, span_cstr(c->row->transfer->to));
    dial_second(c, fx, way != NULL ? way : &wanted, now);
    if (wanted.target != NULL)
        store__target__free_unpacked(wanted.target, NULL);
}

void transfer_begin(struct call *c, struct call_effects *fx, const struct transfer_ask *ask, struct now now)
{
    BUG_ON(ask->headers.len > TRANSFER_HEADERS_MAX);
    if (ask->stays != SIDE_CALLER)
        side_swap(c, fx, ask->stays);
    note(c, ask, now);
    hold_session(c);
    dial_set_offer(c, session_sdp(c->row->a));
    events_transfer(c, fx, EVENT_TRANSFER_STARTED, now);
    transfer_progress(c, fx, 100, NULL, now);
    ring_target(c, fx, ask->way, now);
}

void act_transfer(void *obj, const void *arg, void *fx, struct now now)
{
    struct call *c = obj;
    const struct call_step *st = arg;
    const Plane__Control *asked = st->in->control;
    char to[DIAL_URI_BYTES_MAX + 3];
    const char *why;
    BUG_ON(dial_read_to(to, c->conf, asked->to, &why) != PLANE__CONTROLLED__RESULT__OK);
    (void)control_open(c, st->in);
    transfer_begin(c, fx,
                   &(struct transfer_ask){.by = TRANSFER_BY_PLATFORM,
                                          .stays = transfer_side(c, asked),
                                          .to = to,
                                          .key = asked->key,
                                          .asked_by = asked->asked_by},
                   now);
    control_settle(c, fx, PLANE__CONTROL__OP__TRANSFER, PLANE__CONTROLLED__RESULT__OK, "the target is being rung");
}

/* --- progress --- */

static void tell_outcome(struct call *c, struct call_effects *fx, unsigned status)
{
    const Store__Transfer *t = c->row->transfer;
    control_outcome(c, fx,
                    &(struct control_outcome){.op = PLANE__CONTROL__OP__TRANSFER,
                                              .asked_by = t->asked_by,
                                              .key = t->key,
                                              .good = status < 300,
                                              .reason = status < 300 ? "joined" : t->reason,
                                              .sip_code = t->status});
}

void transfer_progress(struct call *c, struct call_effects *fx, unsigned status, const char *reason, struct now now)
{
    Store__Transfer *t = c->row->transfer;
    if (status == t->progress || t->done_wall_ms != 0)
        return;
    t->progress = status;
    if (status >= 200) {
        t->done_wall_ms = (uint64_t)now.wall_ms;
        tell_outcome(c, fx, status);
    }
    if (t->by == TRANSFER_BY_REFER)
        refer_progress(c, fx, status, reason, now);
}

void act_transfer_rings(void *obj, const void *arg, void *fx, struct now now)
{
    const struct call_step *st = arg;
    transfer_progress(obj, fx, st->in->status, NULL, now);
}

/* --- who hangs up meanwhile --- */

uint32_t transfer_old(const struct call *c)
{
    return transfer_is_under_way(c) ? c->row->transfer->old : SIDE_CALLER;
}

bool transfer_can_go_back(const struct call *c)
{
    return c->row->transfer != NULL && (has_port(c) || is_up(c, transfer_old(c)));
}

bool transfer_is_alone(const struct call *c)
{
    return transfer_is_under_way(c) && c->row->winner == SIDE_CALLER && !has_port(c);
}

/* While they are being joined the winner is the target. */
enum call_event transfer_bye(const struct call *c, const struct side *from)
{
    if (!transfer_is_under_way(c))
        return CALL_EV_NONE;
    bool joining = dial_is_at(c, DIAL_JOINING);
    if (from->id == transfer_old(c))
        return !joining || is_up(c, c->row->winner) ? CALL_EV_BYE_OLD : CALL_EV_NONE;
    return joining && transfer_can_go_back(c) ? CALL_EV_BYE_STRAY : CALL_EV_NONE;
}

/* RFC 5589 §6.1: who has asked for it need not wait for what comes of it, and the one who stays is to be joined in any
 * case. */
void act_old_bye(void *obj, const void *arg, void *fx, struct now now)
{
    struct call *c = obj;
    const struct call_step *st = arg;
    struct out_leg_news news = {.in = NULL};
    const Store__ServerTxn *unacked = leg_txn_unacked(c);
    if (unacked != NULL && unacked->leg == st->side.id) /* he says nothing any more: that must end nobody's call */
        leg_2xx_done(c, fx);
    leg_reply(c, fx, st->in, 200, true);
    relay_end(c, fx);
    pass_end(c, fx);
    (void)out_leg_step(c, st->side.leg, OUT_LEG_EV_BYE, &news, fx, now);
    if (c->row->winner == st->side.id)
        c->row->winner = SIDE_CALLER;
}

/* --- it has come about --- */

/* Whom who stays talked to before gets BYE, if he still is there. */
static void release(struct call *c, struct call_effects *fx, struct now now)
{
    struct out_leg_news news = {.reason = SPAN("")};
    uint32_t old = c->row->transfer != NULL ? c->row->transfer->old : SIDE_CALLER;
    if (old != c->row->winner && is_up(c, old))
        (void)out_leg_step(c, side_of(c, old).leg, OUT_LEG_EV_HANG_UP, &news, fx, now);
}

void transfer_done(struct call *c, struct call_effects *fx, struct now now)
{
    pass_end(c, fx);
    transfer_progress(c, fx, 200, NULL, now);
    events_transfer(c, fx, EVENT_TRANSFER_COMPLETED, now);
    if (c->row->transfer->by == TRANSFER_BY_PLATFORM)
        release(c, fx, now);
}

/* --- it fails --- */

/* Whoever was rung for it. */
static void drop_target(struct call *c, struct call_effects *fx, struct now now)
{
    struct out_leg_news news = {.reason = SPAN("")};
    fx_disarm(c, fx, CALL_TMR_NO_ANSWER);
    ring_forget(c);
    ring_cancel(c, fx, NULL, SPAN(""), now);
    for (size_t i = c->row->ring_first; i < c->row->n_out_legs; i++) {
        if (out_leg_is_up(c->row->out_legs[i]))
            (void)out_leg_step(c, c->row->out_legs[i], OUT_LEG_EV_HANG_UP, &news, fx, now);
    }
}

/* told: what who asked by REFER hears. */
static void lost(struct call *c, struct call_effects *fx, const char *reason, unsigned status, unsigned told,
                 struct now now)
{
    Store__Transfer *t = c->row->transfer;
    t->status = status;
    row_text(&t->reason, span_cstr(reason));
    c->row->winner = is_up(c, t->old) ? t->old : SIDE_CALLER;
    t->step = DIAL_LOST;
    row_bytes(&c->row->offer, SPAN(""));
    transfer_progress(c, fx, told, NULL, now);
    events_transfer(c, fx, EVENT_TRANSFER_FAILED, now);
}

/* He was sent off, and has not got there: what his NOTIFY says of that, or else why he did not take the media. */
static unsigned status_of_send_off(const struct call *c, const struct call_step *st)
{
    unsigned told = st->in->type == CALL_IN_REQUEST ? send_off_status(st) : 0;
    return told >= 300 ? told : c->row->transfer->status;
}

static unsigned status_of(const struct call *c, const struct call_step *st)
{
    if (dial_is_at(c, DIAL_SENT_OFF))
        return status_of_send_off(c, st);
    if (st->in->type == CALL_IN_TIMER)
        return 408;
    if (st->no.status != 0) /* the dialplan knows no way */
        return st->no.status;
    if (dial_is_at(c, DIAL_JOINING))
        return st->in->status >= 300 ? st->in->status : 488;
    return c->row->best_status != 0 ? c->row->best_status : st->in->status != 0 ? st->in->status : 480;
}

static void take_notify(struct call *c, struct call_effects *fx, const struct call_step *st)
{
    side_note_request(&st->side, st->in->msg, st->in->source);
    leg_reply(c, fx, st->in, 200, true);
}

void transfer_lost(struct call *c, struct call_effects *fx, const struct call_step *st, struct now now)
{
    if (!transfer_is_under_way(c))
        return;
    unsigned status = status_of(c, st);
    bool notified = st->in->type == CALL_IN_REQUEST;
    bool refused = dial_is_at(c, DIAL_JOINING) || (dial_is_at(c, DIAL_SENT_OFF) && !notified);
    if (notified)
        take_notify(c, fx, st);
    lost(c, fx, refused ? "not_accepted" : bridge_reason(status), status, status, now);
}

/* The session with the platform is ours to count again. */
static void take_session_back(struct call *c)
{
    Store__Session *first = session_of(c->row->a);
    if (side_is_bridged(c) || first->origin == NULL)
        return;
    c->row->sdp_version = (uint32_t)first->origin->version;
    store__origin__free_unpacked(first->origin, NULL);
    first->origin = NULL;
}

void act_transfer_failed(void *obj, const void *arg, void *fx, struct now now)
{
    struct call *c = obj;
    const struct call_step *st = arg;
    if (dial_is_at(c, DIAL_JOINING))
        refresh_take_late(c, fx, st);
    session_of(c->row->a)->offers = false;
    drop_target(c, fx, now);
    if (dial_is_at(c, DIAL_JOINING) && send_off_can(c, st->in->status)) {
        c->row->winner = is_up(c, c->row->transfer->old) ? c->row->transfer->old : SIDE_CALLER;
        send_off_ask(c, fx, st->in->status, now);
    } else {
        if (c->row->transfer->refer != NULL)
            leg_request_answered(c->row->transfer->refer);
        transfer_lost(c, fx, st, now);
    }
    take_session_back(c);
}

/* --- he goes there himself --- */

void act_sent_off(void *obj, const void *arg, void *fx, struct now now)
{
    struct call *c = obj;
    const struct call_step *st = arg;
    if (st->in->type == CALL_IN_RESPONSE) {
        leg_request_answered(c->row->transfer->refer);
        return;
    }
    take_notify(c, fx, st);
    unsigned status = send_off_status(st);
    if (status > 100)
        transfer_progress(c, fx, status, NULL, now);
}

/* RFC 5589 §6.1: who refers hangs up when he has heard of the success. */
void act_sent_done(void *obj, const void *arg, void *fx, struct now now)
{
    struct call *c = obj;
    const struct call_step *st = arg;
    struct call_end why = {.reason = "normal_clearing", .by = "platform", .detail = SPAN("he talks to the target")};
    take_notify(c, fx, st);
    leg_request_answered(c->row->transfer->refer);
    fx_disarm(c, fx, CALL_TMR_NO_ANSWER);
    c->row->transfer->status = 0;
    c->row->transfer->step = DIAL_JOINED;
    transfer_progress(c, fx, 200, NULL, now);
    events_transfer(c, fx, EVENT_TRANSFER_COMPLETED, now);
    end_because(c, &why);
    end_by_bye(c, fx, SPAN(""), now);
}

/* What he is told then is no news for whom he comes back to. */
void transfer_undo(struct call *c, struct call_effects *fx, struct now now)
{
    struct buf sdp;
    if (c->row->transfer == NULL)
        return;
    lost(c, fx, "target_hung_up", 0, 487, now);
    Store__Session *first = session_of(c->row->a);
    if (!side_is_bridged(c)) {
        buf_init(&sdp, SIP_MSG_BYTES_MAX);
        onward_put(&sdp, c->row->a, row_span(c->row->answer));
        row_bytes(&c->row->answer, buf_span(&sdp));
        buf_fini(&sdp);
        take_session_back(c);
    }
    first->offers = true; /* in the next step: this one has his ACK to say, which the new request takes the place of */
    first->due_wall_ms = (uint64_t)now.wall_ms;
}

void transfer_end(struct call *c, struct call_effects *fx, struct now now)
{
    if (transfer_is_under_way(c))
        lost(c, fx, "call_ended", 0, 487, now);
}
