/* A bridged call that was answered: requests passed on, and the callee's BYE (RFC 3261 §14, §15). */
#include "call-actor/call_act_bridge.h"
#include "call-actor/call_events.h"
#include "call-actor/leg.h"
#include "call-actor/pass.h"
#include "call-actor/relay.h"
#include "call-actor/replace.h"

void act_relay(void *obj, const void *arg, void *fx, struct now now)
{
    (void)now;
    relay_ask(obj, fx, arg);
}

/* What is pressed is said to the platform too, whatever the other side makes of it. */
void act_pass(void *obj, const void *arg, void *fx, struct now now)
{
    const struct call_step *st = arg;
    if (st->dtmf.key != '\0')
        (void)events_dtmf(obj, fx, &st->dtmf, st->side.id, now);
    pass_ask(obj, fx, st, now);
}

void act_passed(void *obj, const void *arg, void *fx, struct now now)
{
    (void)now;
    const struct call_step *st = arg;
    pass_take_response(obj, fx, st->in);
}

void act_relay_cancel(void *obj, const void *arg, void *fx, struct now now)
{
    (void)now;
    const struct call_step *st = arg;
    char said[END_REASON_SIZE];
    leg_reply(obj, fx, st->in, 200, false);
    relay_cancel(obj, fx, end_reason_of(st->in->msg, said));
}

void act_relayed(void *obj, const void *arg, void *fx, struct now now)
{
    relay_take_response(obj, fx, arg, now);
    replace_take(obj, fx, now);
}

void act_relayed_late(void *obj, const void *arg, void *fx, struct now now)
{
    (void)now;
    const struct call_step *st = arg;
    relay_take_late(obj, fx, st->in);
}

/* §14.2: a second INVITE before the first has its final response. */
void act_second_invite(void *obj, const void *arg, void *fx, struct now now)
{
    (void)now;
    const struct call_step *st = arg;
    leg_reply(obj, fx, st->in, 500, true);
}

/* --- the callee hangs up --- */

static void take_bye(struct call *c, struct call_effects *fx, const struct call_step *st, struct now now)
{
    struct out_leg_news news = {.in = NULL};
    bool called_us = side_party(c, st->side.id) == SIDE_CALLER;
    struct call_end why = {
        .reason = "normal_clearing", .by = called_us ? "caller" : "callee", .q850 = end_q850_of(st->in->msg)};
    if (why.q850 == 0)
        why.q850 = Q850_NORMAL;
    leg_reply(c, fx, st->in, 200, true);
    pass_end(c, fx);
    (void)out_leg_step(c, st->side.leg, OUT_LEG_EV_BYE, &news, fx, now);
    end_because(c, &why);
}

void act_callee_bye(void *obj, const void *arg, void *fx, struct now now)
{
    const struct call_step *st = arg;
    char said[END_REASON_SIZE];
    take_bye(obj, fx, st, now);
    end_by_bye(obj, fx, end_reason_of(st->in->msg, said), now);
}

/* §15: the caller gets no BYE before his ACK has come. */
void act_callee_bye_early(void *obj, const void *arg, void *fx, struct now now)
{
    take_bye(obj, fx, arg, now);
}

void act_stray_bye(void *obj, const void *arg, void *fx, struct now now)
{
    const struct call_step *st = arg;
    struct call *c = obj;
    struct out_leg_news news = {.in = NULL};
    leg_reply(obj, fx, st->in, 200, true);
    if (st->side.id == c->row->winner) /* a transfer's target, who was about to be */
        pass_end(c, fx);
    (void)out_leg_step(obj, st->side.leg, OUT_LEG_EV_BYE, &news, fx, now);
}
