/* What each cell of txn_table.c does. */
#include "sip-edge/txn_act.h"
#include "common/base/err.h"

static void put(void *fx, struct txn_eff eff)
{
    struct txn_fx *list = fx;
    BUG_ON(list->cnt == TXN_FX_MAX);
    list->eff[list->cnt++] = eff;
}

static void put_plain(void *fx, enum txn_eff_kind kind)
{
    put(fx, (struct txn_eff){.kind = (uint8_t)kind});
}

static void put_arm(void *fx, enum txn_tmr tmr, uint32_t after_ms)
{
    put(fx, (struct txn_eff){.kind = TXN_EFF_ARM, .tmr = (uint8_t)tmr, .after_ms = after_ms});
}

static void put_disarm(void *fx, enum txn_tmr tmr)
{
    put(fx, (struct txn_eff){.kind = TXN_EFF_DISARM, .tmr = (uint8_t)tmr});
}

static void put_fail(void *fx, enum txn_cause cause)
{
    put(fx, (struct txn_eff){.kind = TXN_EFF_FAIL, .cause = (uint8_t)cause});
}

static void arm(const struct txn *t, const void *arg, void *fx, enum txn_tmr tmr)
{
    const struct txn_in *in = arg;
    put_arm(fx, tmr, txn_timer_ms(in->times, tmr, (enum txn_kind)t->kind, t->reliable));
}

/* Starts A, E or G, which unreliable transports alone need. */
static void arm_repeat(struct txn *t, const void *arg, void *fx, enum txn_tmr tmr)
{
    const struct txn_in *in = arg;
    if (t->reliable)
        return;
    t->repeat_ms = txn_timer_ms(in->times, tmr, (enum txn_kind)t->kind, false);
    put_arm(fx, tmr, t->repeat_ms);
}

static void arm_doubled(struct txn *t, void *fx, enum txn_tmr tmr, uint32_t max_ms)
{
    t->repeat_ms = t->repeat_ms < max_ms / 2 ? t->repeat_ms * 2 : max_ms;
    put_arm(fx, tmr, t->repeat_ms);
}

/* --- servers --- */

void ist_act_ask(void *obj, const void *arg, void *fx, struct now now)
{
    (void)now;
    put_plain(fx, TXN_EFF_ASK);
    arm(obj, arg, fx, TXN_TMR_T);
    arm(obj, arg, fx, TXN_TMR_U);
}

void ist_act_trying(void *obj, const void *arg, void *fx, struct now now)
{
    (void)obj;
    (void)arg;
    (void)now;
    put_plain(fx, TXN_EFF_TRYING);
}

void ist_act_progress(void *obj, const void *arg, void *fx, struct now now)
{
    (void)now;
    put_disarm(fx, TXN_TMR_T);
    put_plain(fx, TXN_EFF_KEEP_REPLY);
    put_plain(fx, TXN_EFF_REPLY);
    arm(obj, arg, fx, TXN_TMR_U);
}

void ist_act_accept(void *obj, const void *arg, void *fx, struct now now)
{
    (void)now;
    put_disarm(fx, TXN_TMR_T);
    put_plain(fx, TXN_EFF_REPLY);
    put_plain(fx, TXN_EFF_FORGET_REPLY);
    put_plain(fx, TXN_EFF_FORGET_REQUEST);
    arm(obj, arg, fx, TXN_TMR_L);
}

void ist_act_pass_2xx(void *obj, const void *arg, void *fx, struct now now)
{
    (void)obj;
    (void)arg;
    (void)now;
    put_plain(fx, TXN_EFF_REPLY);
}

void ist_act_pass_ack(void *obj, const void *arg, void *fx, struct now now)
{
    (void)obj;
    (void)arg;
    (void)now;
    put_plain(fx, TXN_EFF_PASS_ACK);
}

void ist_act_reject(void *obj, const void *arg, void *fx, struct now now)
{
    (void)now;
    put_disarm(fx, TXN_TMR_T);
    put_plain(fx, TXN_EFF_KEEP_REPLY);
    put_plain(fx, TXN_EFF_REPLY);
    put_plain(fx, TXN_EFF_FORGET_REQUEST);
    arm_repeat(obj, arg, fx, TXN_TMR_G);
    arm(obj, arg, fx, TXN_TMR_H);
}

void ist_act_repeat_g(void *obj, const void *arg, void *fx, struct now now)
{
    (void)now;
    const struct txn_in *in = arg;
    put_plain(fx, TXN_EFF_REPEAT_REPLY);
    arm_doubled(obj, fx, TXN_TMR_G, in->times->t2_ms);
}

void ist_act_acked(void *obj, const void *arg, void *fx, struct now now)
{
    (void)now;
    put_disarm(fx, TXN_TMR_G);
    put_plain(fx, TXN_EFF_FORGET_REPLY);
    arm(obj, arg, fx, TXN_TMR_I);
}

void ist_act_overdue(void *obj, const void *arg, void *fx, struct now now)
{
    (void)obj;
    (void)arg;
    (void)now;
    put_plain(fx, TXN_EFF_OVERDUE);
}

void nist_act_ask(void *obj, const void *arg, void *fx, struct now now)
{
    (void)now;
    put_plain(fx, TXN_EFF_ASK);
    arm(obj, arg, fx, TXN_TMR_U);
}

/* U is not started anew: the client's timer F has run since the request left it. */
void nist_act_progress(void *obj, const void *arg, void *fx, struct now now)
{
    (void)obj;
    (void)arg;
    (void)now;
    put_plain(fx, TXN_EFF_KEEP_REPLY);
    put_plain(fx, TXN_EFF_REPLY);
}

void nist_act_adopt_progress(void *obj, const void *arg, void *fx, struct now now)
{
    nist_act_progress(obj, arg, fx, now);
    arm(obj, arg, fx, TXN_TMR_U);
}

void nist_act_finish(void *obj, const void *arg, void *fx, struct now now)
{
    (void)now;
    put_plain(fx, TXN_EFF_KEEP_REPLY);
    put_plain(fx, TXN_EFF_REPLY);
    put_plain(fx, TXN_EFF_FORGET_REQUEST);
    arm(obj, arg, fx, TXN_TMR_J);
}

void txn_act_repeat_reply(void *obj, const void *arg, void *fx, struct now now)
{
    (void)obj;
    (void)arg;
    (void)now;
    put_plain(fx, TXN_EFF_REPEAT_REPLY);
}

/* --- clients --- */

void ict_act_send(void *obj, const void *arg, void *fx, struct now now)
{
    (void)now;
    put_plain(fx, TXN_EFF_SEND_REQUEST);
    arm_repeat(obj, arg, fx, TXN_TMR_A);
    arm(obj, arg, fx, TXN_TMR_B);
}

/* §17.1.1.2: A doubles without a cap; B ends it. */
void ict_act_send_a(void *obj, const void *arg, void *fx, struct now now)
{
    (void)arg;
    (void)now;
    put_plain(fx, TXN_EFF_SEND_REQUEST);
    arm_doubled(obj, fx, TXN_TMR_A, UINT32_MAX);
}

static void put_cancel(struct txn *t, const void *arg, void *fx)
{
    t->cancel_sent = true;
    put_plain(fx, TXN_EFF_CANCEL);
    arm(t, arg, fx, TXN_TMR_B);
}

void ict_act_progress(void *obj, const void *arg, void *fx, struct now now)
{
    (void)now;
    struct txn *t = obj;
    put_disarm(fx, TXN_TMR_A);
    put_plain(fx, TXN_EFF_TELL);
    if (t->cancel_wanted)
        put_cancel(t, arg, fx);
    else
        arm(t, arg, fx, TXN_TMR_C);
}

void ict_act_tell(void *obj, const void *arg, void *fx, struct now now)
{
    (void)obj;
    (void)arg;
    (void)now;
    put_plain(fx, TXN_EFF_TELL);
}

void ict_act_answered(void *obj, const void *arg, void *fx, struct now now)
{
    (void)now;
    put_disarm(fx, TXN_TMR_A);
    put_plain(fx, TXN_EFF_TELL);
    put_plain(fx, TXN_EFF_FORGET_REQUEST);
    arm(obj, arg, fx, TXN_TMR_M);
}

void ict_act_refused(void *obj, const void *arg, void *fx, struct now now)
{
    (void)now;
    put_disarm(fx, TXN_TMR_A);
    put_plain(fx, TXN_EFF_ACK);
    put_plain(fx, TXN_EFF_TELL);
    put_plain(fx, TXN_EFF_FORGET_REQUEST);
    arm(obj, arg, fx, TXN_TMR_D);
}

void ict_act_repeat_ack(void *obj, const void *arg, void *fx, struct now now)
{
    (void)obj;
    (void)arg;
    (void)now;
    put_plain(fx, TXN_EFF_REPEAT_ACK);
}

void ict_act_want_cancel(void *obj, const void *arg, void *fx, struct now now)
{
    (void)arg;
    (void)fx;
    (void)now;
    struct txn *t = obj;
    t->cancel_wanted = true;
}

void ict_act_cancel(void *obj, const void *arg, void *fx, struct now now)
{
    (void)now;
    struct txn *t = obj;
    t->cancel_wanted = true;
    if (!t->cancel_sent)
        put_cancel(t, arg, fx);
}

void nict_act_send(void *obj, const void *arg, void *fx, struct now now)
{
    (void)now;
    put_plain(fx, TXN_EFF_SEND_REQUEST);
    arm_repeat(obj, arg, fx, TXN_TMR_E);
    arm(obj, arg, fx, TXN_TMR_F);
}

void nict_act_send_e(void *obj, const void *arg, void *fx, struct now now)
{
    (void)now;
    const struct txn_in *in = arg;
    put_plain(fx, TXN_EFF_SEND_REQUEST);
    arm_doubled(obj, fx, TXN_TMR_E, in->times->t2_ms);
}

void nict_act_send_e_slowly(void *obj, const void *arg, void *fx, struct now now)
{
    (void)now;
    struct txn *t = obj;
    const struct txn_in *in = arg;
    put_plain(fx, TXN_EFF_SEND_REQUEST);
    t->repeat_ms = in->times->t2_ms;
    put_arm(fx, TXN_TMR_E, t->repeat_ms);
}

void nict_act_progress(void *obj, const void *arg, void *fx, struct now now)
{
    ict_act_tell(obj, arg, fx, now);
}

void nict_act_finish(void *obj, const void *arg, void *fx, struct now now)
{
    (void)now;
    put_disarm(fx, TXN_TMR_E);
    put_plain(fx, TXN_EFF_TELL);
    put_plain(fx, TXN_EFF_FORGET_REQUEST);
    arm(obj, arg, fx, TXN_TMR_K);
}

void txn_act_tell_again(void *obj, const void *arg, void *fx, struct now now)
{
    (void)obj;
    (void)arg;
    (void)now;
    put_plain(fx, TXN_EFF_TELL_AGAIN);
}

void txn_act_fail_timeout(void *obj, const void *arg, void *fx, struct now now)
{
    (void)obj;
    (void)arg;
    (void)now;
    put_fail(fx, TXN_CAUSE_TIMEOUT);
}

void txn_act_fail_transport(void *obj, const void *arg, void *fx, struct now now)
{
    (void)obj;
    (void)arg;
    (void)now;
    put_fail(fx, TXN_CAUSE_TRANSPORT);
}
