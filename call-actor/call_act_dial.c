/* A call that we place: from the question to the answer of who is rung first (docs/control.md). */
#include "call-actor/call_act_bridge.h"
#include "call-actor/call_events.h"
#include "call-actor/call_id.h"
#include "call-actor/call_job.h"
#include "call-actor/call_screen.h"
#include "call-actor/control.h"
#include "call-actor/dial.h"
#include "call-actor/dialog.h"
#include "call-actor/leg.h"
#include "call-actor/number.h"
#include "call-actor/onward.h"
#include "call-actor/refresh.h"
#include "call-actor/ring.h"
#include "call-actor/session_timer.h"
#include "call-actor/transfer.h"
#include "common/base/err.h"
#include "common/sip/sip_addr.h"
#include <stdlib.h>

#define ACTION_AI "START_AI_CONVERSATION"

/* --- the question --- */

/* Until somebody has answered the A leg's dialog is a name and a pair of header values. */
static Store__Dialog *no_dialog_yet(const struct call *c, const char *call_id)
{
    char tag[CALL_ID_SIZE];
    Store__Target nobody = STORE__TARGET__INIT;
    call_id_make(tag, c, "", "", CALL_ID_TAG);
    struct dialog_uac d = {.call_id = call_id, .local_tag = tag, .target = &nobody};
    return dialog_new_uac(&d);
}

static void note_question(struct call *c, const struct call_input *in)
{
    Store__CallRow *row = c->row;
    struct dial_parties who;
    const char *why;
    BUG_ON(dial_read(&who, c->conf, in->control, &why) != PLANE__CONTROLLED__RESULT__OK);
    row->dial = row_alloc(sizeof(*row->dial));
    store__dial__init(row->dial);
    row_text(&row->dial->from, span_cstr(who.from));
    row_text(&row->dial->to, span_cstr(who.to));
    row->a = no_dialog_yet(c, in->control->call_id);
    row->from_trusted = true; /* whoever may place calls may say for whom */
    row->max_forwards = SETUP_MAX_FORWARDS;
    row->max_breadth = RING_BREADTH;
    (void)control_open(c, in);
}

static void number_of(char out[NUMBER_MAX], const char *value)
{
    struct sip_addr addr;
    struct sip_uri uri;
    out[0] = '\0';
    if (sip_addr_decode(&addr, span_cstr(value)) == 0 && sip_uri_decode(&uri, addr.uri) == 0)
        (void)number_of_uri(out, &uri);
    if (out[0] == '\0')
        (void)span_copy(out, NUMBER_MAX, SPAN(NUMBER_ANONYMOUS));
}

/* --- the set-up --- */

/* Who is rung first sees who he is to talk to. To the dialplan a person that we call for the platform is the caller of
 * our number: it is his plan that the platform is to follow. */
static void note_sides(struct call *c)
{
    Store__CallRow *row = c->row;
    const Store__Dial *d = row->dial;
    char from[NUMBER_MAX], to[NUMBER_MAX];
    number_of(from, d->from);
    number_of(to, d->to);
    row_text(&row->a->remote_value, span_cstr(d->joins ? d->to : d->from));
    row_text(&row->a->local_value, span_cstr(d->joins ? d->from : d->to));
    row_text(&row->caller, span_cstr(d->joins ? from : to));
    row_text(&row->destination, span_cstr(d->joins ? to : from));
}

static void begin_media(struct call *c, struct call_effects *fx, struct now now)
{
    c->row->dial->step = DIAL_MEDIA;
    note_sides(c);
    setup_begin(c, fx, now);
}

static void ring_or_look_up(struct call *c, struct call_effects *fx, const struct route *way, struct now now)
{
    c->row->dial->step = DIAL_TO;
    if (way->way == ROUTE_USER) {
        bridge_begin(c, fx, span_cstr(way->user));
        return;
    }
    ring_add(c, (Store__Target *const *)&way->target, way->target != NULL ? 1 : 0);
    begin_media(c, fx, now);
}

static void begin(struct call *c, struct call_effects *fx, struct now now)
{
    struct route way = route_wanted(&c->conf->route, span_cstr(c->row->dial->from));
    if (way.way == ROUTE_USER) {
        bridge_begin(c, fx, span_cstr(way.user));
        return;
    }
    if (way.target != NULL)
        store__target__free_unpacked(way.target, NULL);
    way = route_wanted(&c->conf->route, span_cstr(c->row->dial->to));
    ring_or_look_up(c, fx, &way, now);
    if (way.target != NULL)
        store__target__free_unpacked(way.target, NULL);
}

void act_dial(void *obj, const void *arg, void *fx, struct now now)
{
    struct call *c = obj;
    const struct call_step *st = arg;
    setup_name(c, "outbound");
    note_question(c, st->in);
    note_sides(c);
    begin(c, fx, now);
    fx_arm(c, fx, CALL_TMR_SETUP, (uint64_t)now.wall_ms + c->conf->setup_ms);
    fx_say(fx, CALL_SAY_BEGUN, 0, SPAN(""));
}

void act_dial_on(void *obj, const void *arg, void *fx, struct now now)
{
    struct call *c = obj;
    const struct call_step *st = arg;
    Store__Dial *d = c->row->dial;
    bridge_located(c, st->in);
    if (st->way.way != ROUTE_DIALPLAN) { /* `from` is not there */
        ring_or_look_up(c, fx, &st->way, now);
        return;
    }
    d->joins = d->step == DIAL_FROM;
    ring_add(c, st->in->targets, st->in->target_cnt);
    begin_media(c, fx, now);
}

/* --- ringing --- */

/* What is told of the plan: a call to a person is one to the platform whatever the plan would do with a caller, and one
 * between two parties has no plan but that. */
static void tell_started(struct call *c, struct call_effects *fx, const Plane__Plan *plan, struct now now)
{
    Plane__Plan told = *plan;
    Plane__Pair target = PLANE__PAIR__INIT;
    Plane__Pair *data[] = {&target};
    target.key = (char *)(uintptr_t) "target";
    target.value = c->row->dial->to;
    if (c->row->dial->joins) {
        plane__plan__init(&told);
        told.tenant_id = plan->tenant_id;
        told.action = (char *)(uintptr_t)ROUTE_ACTION_BRIDGE;
        told.n_action_data = 1;
        told.action_data = data;
    } else if (strcmp(plan->action, ROUTE_ACTION_BRIDGE) == 0) {
        told.action = (char *)(uintptr_t)ACTION_AI;
        told.action_type = 0; /* follows from the text */
    }
    row_text(&c->row->action, span_cstr(told.action));
    c->row->started_wall_ms = (uint64_t)now.wall_ms;
    events_started(c, fx, &told, now);
}

void act_dial_ring(void *obj, const void *arg, void *fx, struct now now)
{
    struct call *c = obj;
    const struct call_step *st = arg;
    Store__CallRow *row = c->row;
    setup_note(c, st->in->done);
    row_bytes(&row->answer, buf_span(&st->answer));
    row_bytes(&row->offer, buf_span(&st->answer));
    row->sdp_version = st->answer_version;
    fx_disarm(c, fx, CALL_TMR_SETUP);
    fx_arm(c, fx, CALL_TMR_NO_ANSWER, (uint64_t)now.wall_ms + c->conf->no_answer_ms);
    tell_started(c, fx, st->in->done->plan, now);
    job_close(c, st->job);
    ring_next(c, fx);
    control_settle(c, fx, PLANE__CONTROL__OP__DIAL, PLANE__CONTROLLED__RESULT__OK, "the INVITE has left");
}

/* --- answered --- */

/* His dialog is the call's from now on; of the leg what answers repeats of his 2xx is left. */
static void take_dialog(struct call *c, Store__OutLeg *leg, struct call_effects *fx, struct now now)
{
    struct out_leg_news news = {.in = NULL};
    size_t n = store__dialog__get_packed_size(leg->dialog);
    uint8_t *packed = row_alloc(n + 1);
    (void)store__dialog__pack(leg->dialog, packed);
    Store__Dialog *taken = store__dialog__unpack(NULL, n, packed);
    free(packed);
    if (taken == NULL)
        die(EX_INTERNAL, "out of memory in the step of a call");
    char *name = c->row->a->call_id; /* the same text, and the key under which the call is found */
    c->row->a->call_id = taken->call_id;
    taken->call_id = name;
    store__dialog__free_unpacked(c->row->a, NULL);
    c->row->a = taken;
    (void)out_leg_step(c, leg, OUT_LEG_EV_TAKEN, &news, fx, now);
}

/* Of who talks to the platform. */
static void tell_answered(struct call *c, struct call_effects *fx, struct now now)
{
    c->row->acked_wall_ms = (uint64_t)now.wall_ms;
    fx_say(fx, CALL_SAY_ANSWERED, 200, SPAN(""));
    events_answered(c, fx, now);
    control_outcome(c, fx,
                    &(struct control_outcome){.op = PLANE__CONTROL__OP__DIAL,
                                              .asked_by = c->row->controls[0]->asked_by,
                                              .key = c->row->controls[0]->key,
                                              .good = true,
                                              .reason = c->row->dial->joins ? "joined" : "answered"});
}

static void ring_second(struct call *c, struct call_effects *fx, struct now now)
{
    struct route way = route_wanted(&c->conf->route, span_cstr(c->row->dial->to));
    dial_second(c, fx, &way, now);
    if (way.target != NULL)
        store__target__free_unpacked(way.target, NULL);
}

void act_dial_answer(void *obj, const void *arg, void *fx, struct now now)
{
    struct call *c = obj;
    const struct call_step *st = arg;
    Store__CallRow *row = c->row;
    char rtp[OFFER_RTP_MAX];
    (void)screen_sdp(c, st->sdp, rtp); /* asked before: out_leg_classify */
    take_dialog(c, st->leg, fx, now);
    ring_forget(c);
    ring_cancel(c, fx, NULL, SPAN(BRIDGE_ELSEWHERE), now);
    fx_disarm(c, fx, CALL_TMR_NO_ANSWER);
    row->dial->answered = true;
    row->answered_wall_ms = (uint64_t)now.wall_ms;
    row_text(&row->caller_rtp, span_cstr(rtp));
    dial_set_offer(c, row->dial->joins ? st->sdp : SPAN(""));
    session_note_sdp(row->a, st->sdp);
    job_punch(c, fx);
    if (row->dial->joins)
        ring_second(c, fx, now);
    else
        tell_answered(c, fx, now);
}

/* --- the second party --- */

void dial_set_offer(struct call *c, struct span sdp)
{
    struct buf fresh;
    buf_init(&fresh, SDP_BYTES_MAX);
    onward_put_fresh(&fresh, sdp);
    row_bytes(&c->row->offer, buf_span(&fresh));
    buf_fini(&fresh);
}

void dial_second(struct call *c, struct call_effects *fx, const struct route *way, struct now now)
{
    Store__CallRow *row = c->row;
    dial_set_step(c, DIAL_SECOND);
    row->ring_first = (uint32_t)row->n_out_legs;
    row->best_status = 0;
    row->best_q850 = 0;
    row->ring_q = 0;
    row->delayed_offer = false;
    /* A way that there is no more, after a change of settings, is nobody who answers. */
    uint64_t patience_ms = way->way == ROUTE_REFUSE ? 0 : c->conf->no_answer_ms;
    fx_arm(c, fx, CALL_TMR_NO_ANSWER, (uint64_t)now.wall_ms + patience_ms);
    if (way->way == ROUTE_USER)
        bridge_locate(c, fx, span_cstr(way->user));
    if (way->target == NULL)
        return;
    ring_add(c, (Store__Target *const *)&way->target, 1);
    ring_next(c, fx);
}

/* What the second was offered are the first one's words without the directions in them. Told one day as they are, they
 * would be another description under the same version (RFC 3264 §8). */
static void hold_second(struct call *c, Store__Dialog *second)
{
    struct span offer = row_span(c->row->offer);
    if (!span_eq(offer, session_sdp(c->row->a)))
        onward_hold(second, offer);
}

/* To the first it is one session with us from beginning to end, so what the second says of his goes on as ours. */
void act_dial_join(void *obj, const void *arg, void *fx, struct now now)
{
    struct call *c = obj;
    const struct call_step *st = arg;
    struct side first = side_of(c, SIDE_CALLER);
    onward_hold(first.d, refresh_sdp_for(c, &first));
    session_note_sdp(st->leg->dialog, st->sdp);
    hold_second(c, st->leg->dialog);
    c->row->winner = st->leg->id;
    dial_set_step(c, DIAL_JOINING);
    fx_disarm(c, fx, CALL_TMR_NO_ANSWER);
    ring_forget(c);
    ring_cancel(c, fx, st->leg, SPAN(BRIDGE_ELSEWHERE), now);
    refresh_offer(c, fx, &first, now);
}

void dial_take_joined(struct call *c, struct call_effects *fx, const struct call_step *st, struct now now)
{
    bool taken = st->in->status >= 200 && st->in->status < 300 && st->side.id == SIDE_CALLER &&
                 !session_of(st->side.d)->offers; /* else it answers a request that was out before */
    struct side second = side_of(c, c->row->winner);
    if (!dial_is_at(c, DIAL_JOINING) || !taken)
        return;
    if (second.leg == NULL || !out_leg_is_up(second.leg)) { /* of a transfer: he has hung up meanwhile */
        transfer_undo(c, fx, now);
        return;
    }
    bool moved = onward_has_moved(row_span(c->row->offer), session_sdp(c->row->a));
    dial_set_step(c, DIAL_JOINED);
    if (c->row->transfer != NULL)
        transfer_done(c, fx, now);
    else
        tell_answered(c, fx, now);
    job_release_own(c, fx, now);
    if (moved)
        refresh_offer(c, fx, &second, now);
    row_bytes(&c->row->offer, SPAN(""));
}

/* --- it has come to nothing --- */

static void end_first(struct call *c, struct call_effects *fx, const struct call_end *why, struct now now)
{
    end_because(c, why);
    end_by_bye(c, fx, SPAN(""), now);
}

void act_dial_failed(void *obj, const void *arg, void *fx, struct now now)
{
    struct call *c = obj;
    const struct call_step *st = arg;
    struct call_end why = {.by = "callee", .status = ring_final_status(c)};
    why.reason = bridge_reason(why.status);
    if (dial_is_at(c, DIAL_JOINING)) {
        why = (struct call_end){
            .reason = "failure", .by = "service", .detail = SPAN("the first party did not take the second's media")};
        refresh_take_late(c, fx, st);
    }
    transfer_lost(c, fx, st, now);
    end_first(c, fx, &why, now);
}

void act_dial_no_answer(void *obj, const void *arg, void *fx, struct now now)
{
    struct call_end why = {.reason = "no_answer",
                           .by = "timer",
                           .status = 480,
                           .q850 = Q850_NO_ANSWER,
                           .detail = SPAN("it rang long enough")};
    transfer_lost(obj, fx, arg, now);
    end_first(obj, fx, &why, now);
}
