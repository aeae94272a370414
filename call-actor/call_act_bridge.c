/* Somebody else is rung: from the plan to his answer (RFC 3261 §13.2, §16.7; docs/bridging.md). */
#include "call-actor/call_act_bridge.h"
#include "call-actor/call_events.h"
#include "call-actor/call_job.h"
#include "call-actor/dial.h"
#include "call-actor/leg.h"
#include "call-actor/pass.h"
#include "call-actor/refer.h"
#include "call-actor/rel100.h"
#include "call-actor/relay.h"
#include "call-actor/replace.h"
#include "call-actor/ring.h"
#include "call-actor/transfer.h"
#include <stdlib.h>

/* --- who is rung --- */

struct route_caller bridge_caller(const struct call *c)
{
    const Store__Transfer *t = c->row->transfer; /* only who asks for one rings anybody after it */
    if (t != NULL && t->by == TRANSFER_BY_REFER)
        return refer_caller(c);
    bool wanted = c->row->dial != NULL || (t != NULL && t->by == TRANSFER_BY_PLATFORM);
    return (struct route_caller){.destination = c->row->destination,
                                 .may_leave = c->row->auth_user[0] != '\0' || wanted};
}

void bridge_locate(struct call *c, struct call_effects *fx, struct span who)
{
    row_list_add(&c->row->locating, &c->row->n_locating, row_text_dup(who));
    fx_locate(fx, who);
}

int bridge_locates(const struct call *c, struct span who)
{
    for (size_t i = 0; i < c->row->n_locating; i++) {
        if (span_eq(span_cstr(c->row->locating[i]), who))
            return (int)i;
    }
    return -1;
}

void bridge_located(struct call *c, const struct call_input *in)
{
    int at = in->type == CALL_IN_TARGETS ? bridge_locates(c, in->who) : -1;
    if (at >= 0)
        free(row_list_take(&c->row->locating, &c->row->n_locating, (size_t)at));
}

static Plane__Plan *copy_of(const Plane__Plan *plan)
{
    size_t n = plane__plan__get_packed_size(plan);
    uint8_t *packed = row_alloc(n + 1);
    (void)plane__plan__pack(plan, packed);
    Plane__Plan *copy = plane__plan__unpack(NULL, n, packed);
    free(packed);
    return copy;
}

static void take_plan(struct call *c, const struct call_step *st)
{
    setup_note(c, st->in->done);
    job_close(c, st->job);
    c->row->plan = copy_of(st->in->done->plan);
}

void bridge_begin(struct call *c, struct call_effects *fx, struct span who)
{
    row_text(&c->row->step, SPAN("locate"));
    bridge_locate(c, fx, who);
}

void act_locate(void *obj, const void *arg, void *fx, struct now now)
{
    (void)now;
    const struct call_step *st = arg;
    take_plan(obj, st);
    bridge_begin(obj, fx, span_cstr(st->way.user));
}

void act_ask_plan(void *obj, const void *arg, void *fx, struct now now)
{
    struct call *c = obj;
    const struct call_step *st = arg;
    bridge_located(c, st->in);
    c->row->located = st->in->status;
    setup_begin(c, fx, now);
}

void act_nobody(void *obj, const void *arg, void *fx, struct now now)
{
    struct call *c = obj;
    const struct call_step *st = arg;
    struct call_end why = {.reason = st->no.status == 480 ? "no_answer" : "failure",
                           .by = "service",
                           .status = st->no.status != 0 ? st->no.status : 480,
                           .detail = SPAN("nobody there to ring")};
    fx_log(fx, CALL_LOG_INFO, "refused with %u: nobody to ring for %s", why.status, c->row->destination);
    end_setup(c, fx, &why, now);
}

/* --- ringing --- */

/* A user who was called by his name has no plan of the dialplan's. */
static void tell_started(struct call *c, struct call_effects *fx, struct now now)
{
    Store__CallRow *row = c->row;
    Plane__Pair target = PLANE__PAIR__INIT;
    Plane__Pair *data[] = {&target};
    Plane__Plan direct = PLANE__PLAN__INIT;
    target.key = (char *)(uintptr_t) "target";
    target.value = row->destination;
    direct.action = (char *)(uintptr_t)ROUTE_ACTION_BRIDGE;
    direct.tenant_id = row->tenant_id;
    direct.n_action_data = 1;
    direct.action_data = data;
    row->started_wall_ms = (uint64_t)now.wall_ms;
    row_text(&row->action, SPAN(ROUTE_ACTION_BRIDGE));
    events_started(c, fx, row->plan != NULL ? row->plan : &direct, now);
    if (row->plan != NULL)
        plane__plan__free_unpacked(row->plan, NULL);
    row->plan = NULL;
}

static void begin_ringing(struct call *c, struct call_effects *fx, Store__Target *const *targets, size_t cnt,
                          struct now now)
{
    ring_add(c, targets, cnt);
    row_text(&c->row->step, SPAN(""));
    fx_disarm(c, fx, CALL_TMR_SETUP);
    fx_arm(c, fx, CALL_TMR_NO_ANSWER, (uint64_t)now.wall_ms + c->conf->no_answer_ms);
    tell_started(c, fx, now);
    ring_next(c, fx);
}

void act_ring(void *obj, const void *arg, void *fx, struct now now)
{
    struct call *c = obj;
    const struct call_step *st = arg;
    bridge_located(c, st->in);
    if (c->row->plan == NULL) /* without a plan it is the callee's */
        row_text(&c->row->tenant_id, span_cstr(st->in->tenant));
    begin_ringing(c, fx, st->in->targets, st->in->target_cnt, now);
}

void act_ring_planned(void *obj, const void *arg, void *fx, struct now now)
{
    const struct call_step *st = arg;
    take_plan(obj, st);
    begin_ringing(obj, fx, &st->way.target, 1, now);
}

void act_ring_more(void *obj, const void *arg, void *fx, struct now now)
{
    (void)now;
    struct call *c = obj;
    const struct call_step *st = arg;
    bridge_located(c, st->in);
    ring_add(c, st->in->targets, st->in->target_cnt);
    ring_next(c, fx);
}

void act_ring_on(void *obj, const void *arg, void *fx, struct now now)
{
    (void)now;
    struct call *c = obj;
    const struct call_step *st = arg;
    bridge_located(c, st->in);
    ring_next(c, fx);
}

/* --- answered --- */

/* From now on our tag is that of the dialog with this leg. */
static void note_winner(struct call *c, Store__OutLeg *leg, const struct sip_msg *answer, struct now now)
{
    char tag[OUT_LEG_TAG_SIZE];
    struct buf whole;
    out_leg_tag(leg, answer->to_tag, tag);
    buf_init(&whole, SIP_TAG_BYTES_MAX);
    buf_puts(&whole, c->row->a->local_tag);
    buf_puts(&whole, tag);
    row_text(&c->row->a->local_tag, buf_span(&whole));
    buf_fini(&whole);
    c->row->winner = leg->id;
    c->row->answered_wall_ms = (uint64_t)now.wall_ms;
    if (session_sdp(c->row->a).len == 0) /* else a PRACK has said more */
        session_note_sdp(c->row->a, row_span(c->row->offer));
    row_bytes(&c->row->offer, SPAN(""));
}

/* He is the one: nobody else is rung any more. */
static Store__Early *take_winner(struct call *c, struct call_effects *fx, const struct call_step *st, struct now now)
{
    Store__Early *early = rel100_of_leg(c, st->leg, st->in->msg->to_tag);
    note_winner(c, st->leg, st->in->msg, now);
    session_note_sdp(st->leg->dialog, st->sdp);
    fx_disarm(c, fx, CALL_TMR_NO_ANSWER);
    fx_disarm(c, fx, CALL_TMR_EXPIRES);
    ring_forget(c);
    ring_cancel(c, fx, st->leg, SPAN(BRIDGE_ELSEWHERE), now);
    rel100_others_over(c, fx, early);
    if (early != NULL && early->offered)
        c->row->delayed_offer = false;
    return early;
}

static void send_answer(struct call *c, struct call_effects *fx, struct span sdp, struct now now)
{
    char tag[OUT_LEG_TAG_SIZE];
    struct buf out;
    Store__ServerTxn *txn = leg_txn_pending(c);
    struct side callee = side_of(c, c->row->winner);
    out_leg_tag(callee.leg, span_cstr(callee.d->remote_tag), tag);
    leg_begin_for(&out, txn, 200, span_cstr(tag));
    leg_put_dialog(&out, c, c->row->a, txn->source);
    leg_send(c, fx, txn, &out, 200, sdp);
    leg_2xx_sent(c, fx, now);
    fx_say(fx, CALL_SAY_ANSWERED, 200, SPAN(""));
}

/* His dialog with the caller goes on counting where it was. */
static void end_early(struct call *c, struct call_effects *fx, const Store__Early *early)
{
    if (early != NULL)
        c->row->a->remote_cseq = early->remote_cseq;
    if (early != NULL && early->local_cseq > c->row->a->local_cseq)
        c->row->a->local_cseq = early->local_cseq;
    rel100_others_over(c, fx, early);
}

void act_leg_answer(void *obj, const void *arg, void *fx, struct now now)
{
    const struct call_step *st = arg;
    end_early(obj, fx, take_winner(obj, fx, st, now));
    send_answer(obj, fx, st->sdp, now);
}

void act_leg_answer_held(void *obj, const void *arg, void *fx, struct now now)
{
    struct call *c = obj;
    const struct call_step *st = arg;
    rel100_trim(take_winner(c, fx, st, now));
    row_bytes(&c->row->answer, st->sdp);
}

void bridge_answer_held(struct call *c, struct call_effects *fx, struct now now)
{
    struct side callee = side_of(c, c->row->winner);
    end_early(c, fx, rel100_of_leg(c, callee.leg, span_cstr(callee.d->remote_tag)));
    send_answer(c, fx, row_span(c->row->answer), now);
    row_bytes(&c->row->answer, SPAN(""));
}

/* --- nobody answers --- */

const char *bridge_reason(unsigned status)
{
    if (status == 486 || status == 600 || status == 603)
        return "busy";
    return status == 480 || status == 408 ? "no_answer" : "failure";
}

void act_ring_failed(void *obj, const void *arg, void *fx, struct now now)
{
    (void)arg;
    struct call *c = obj;
    struct refusal no = {.q850 = c->row->best_q850};
    struct call_end why = {.by = "callee", .status = ring_final_status(c), .q850 = no.q850, .refusal = &no};
    why.reason = bridge_reason(why.status);
    end_setup(c, fx, &why, now);
}

void act_no_answer(void *obj, const void *arg, void *fx, struct now now)
{
    (void)arg;
    struct refusal no = {.q850 = Q850_NO_ANSWER};
    struct call_end why = {.reason = "no_answer",
                           .by = "timer",
                           .status = 480,
                           .q850 = Q850_NO_ANSWER,
                           .refusal = &no,
                           .detail = SPAN("it rang long enough")};
    end_setup(obj, fx, &why, now);
}

/* --- legs and the call --- */

/* A stray's dialog is none of the winner's (out_leg_of_response). */
static bool is_held(const struct call *c, const Store__OutLeg *leg)
{
    return rel100_holds_answer(rel100_of_leg(c, leg, span_cstr(leg->dialog->remote_tag)));
}

/* Of who is rung second in a call that we place, or as target of a transfer. */
static enum call_event second_event(const struct call *c, enum out_leg_event ev)
{
    switch (ev) {
    case OUT_LEG_EV_PROVISIONAL:
        return c->row->transfer != NULL ? CALL_EV_TRANSFER_RINGS : CALL_EV_NONE;
    case OUT_LEG_EV_ANSWER:
        return CALL_EV_DIAL_JOIN;
    case OUT_LEG_EV_ANSWER_UNFIT:
    case OUT_LEG_EV_REFUSAL:
        return ring_is_over(c) ? dial_no(c) : CALL_EV_RING_ON;
    default:
        return CALL_EV_NONE;
    }
}

enum call_event bridge_event(const struct call *c, const Store__OutLeg *leg, enum out_leg_event ev,
                             const struct fsm_step *step)
{
    bool rang = step->from == OUT_LEG_CALLING || step->from == OUT_LEG_RINGING;
    if (step->moved && rang && call_state(c) == CALL_ST_ESTABLISHED && dial_is_at(c, DIAL_SECOND))
        return second_event(c, ev);
    if (!step->moved || !rang || call_state(c) != CALL_ST_RINGING)
        return CALL_EV_NONE;
    switch (ev) {
    case OUT_LEG_EV_PROVISIONAL: /* of a call that we place there is nobody to tell */
        return c->row->dial != NULL ? CALL_EV_NONE : CALL_EV_PROGRESS;
    case OUT_LEG_EV_ANSWER:
    case OUT_LEG_EV_ANSWER_WAITS:
        if (c->row->dial != NULL)
            return CALL_EV_DIAL_ANSWER;
        return is_held(c, leg) ? CALL_EV_ANSWER_HELD : CALL_EV_ANSWER;
    case OUT_LEG_EV_ANSWER_UNFIT:
    case OUT_LEG_EV_REFUSAL:
        return ring_is_over(c) ? CALL_EV_RING_FAILED : CALL_EV_RING_ON;
    default:
        return CALL_EV_NONE;
    }
}

void bridge_hang_up(struct call *c, struct call_effects *fx, struct span reason, struct now now)
{
    struct out_leg_news news = {.reason = reason};
    fx_disarm(c, fx, CALL_TMR_NO_ANSWER);
    ring_forget(c);
    relay_end(c, fx);
    replace_end(c, fx, now);
    pass_end(c, fx);
    ring_cancel(c, fx, NULL, reason, now);
    for (size_t i = 0; i < c->row->n_out_legs; i++) {
        if (out_leg_is_up(c->row->out_legs[i]))
            (void)out_leg_step(c, c->row->out_legs[i], OUT_LEG_EV_HANG_UP, &news, fx, now);
    }
}
