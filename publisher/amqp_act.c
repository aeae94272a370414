#include "publisher/amqp_act.h"

#include "common/base/err.h"
#include <stdio.h>

/* Reply codes of AMQP 0-9-1 §1.6 that another try at once will not cure. */
enum {
    CODE_ACCESS_REFUSED = 403,
    CODE_NOT_FOUND = 404,
    CODE_PRECONDITION_FAILED = 406,
    CODE_NOT_ALLOWED = 530,
};

static void add(struct amqp_fx *fx, int effect)
{
    BUG_ON(fx->count == AMQP_FX_MAX);
    fx->list[fx->count++] = (uint8_t)effect;
}

static void arm(struct amqp_fx *fx, int effect, int64_t ms)
{
    add(fx, effect);
    fx->arm_ms = ms;
}

/* A step that only sends the next thing. */
#define ACT_ADDS(name, effect)                                                                                         \
    void name(void *obj, const void *arg, void *fx, struct now now)                                                    \
    {                                                                                                                  \
        (void)obj, (void)arg, (void)now;                                                                               \
        add(fx, effect);                                                                                               \
    }

static void say(char *detail, const char *before, struct span text)
{
    (void)snprintf(detail, AMQP_DETAIL_MAX, "%s%.*s", before, SPAN_ARG(text));
}

static void say_close(char *detail, const struct amqp_cause *c)
{
    (void)snprintf(detail, AMQP_DETAIL_MAX, "the broker refused: %u %.*s", (unsigned)c->code, SPAN_ARG(c->text));
}

static bool needs_person(const struct amqp_cause *c)
{
    return c->code == CODE_ACCESS_REFUSED || c->code == CODE_NOT_FOUND || c->code == CODE_PRECONDITION_FAILED ||
           c->code == CODE_NOT_ALLOWED;
}

/* --- the connection: steps of the set-up --- */

void act_resolve(void *obj, const void *arg, void *fx, struct now now)
{
    (void)obj, (void)arg, (void)now;
    add(fx, CONN_FX_RESOLVE);
    arm(fx, CONN_FX_ARM, AMQP_RESOLVE_MS);
}

void act_dial(void *obj, const void *arg, void *fx, struct now now)
{
    (void)obj, (void)arg, (void)now;
    add(fx, CONN_FX_DIAL);
    arm(fx, CONN_FX_ARM, AMQP_DIAL_MS);
}

void act_dial_next(void *obj, const void *arg, void *fx, struct now now)
{
    add(fx, CONN_FX_HANG_UP);
    act_dial(obj, arg, fx, now);
}

void act_secure(void *obj, const void *arg, void *fx, struct now now)
{
    (void)obj, (void)arg, (void)now;
    add(fx, CONN_FX_SECURE);
    arm(fx, CONN_FX_ARM, AMQP_SETUP_MS);
}

void act_greet(void *obj, const void *arg, void *fx, struct now now)
{
    (void)obj, (void)arg, (void)now;
    add(fx, CONN_FX_GREET);
    arm(fx, CONN_FX_ARM, AMQP_SETUP_MS);
}

ACT_ADDS(act_login, CONN_FX_LOGIN)
ACT_ADDS(act_open, CONN_FX_OPEN)
ACT_ADDS(act_open_channel, CONN_FX_OPEN_CHANNEL)
ACT_ADDS(act_confirm, CONN_FX_CONFIRM)
ACT_ADDS(act_declare, CONN_FX_DECLARE)

void act_up(void *obj, const void *arg, void *fx, struct now now)
{
    (void)arg, (void)now;
    struct amqp_conn *c = obj;
    c->detail[0] = '\0';
    c->refused = false;
    add(fx, CONN_FX_DISARM);
    add(fx, CONN_FX_UP);
}

/* --- and what follows --- */

void act_hold(void *obj, const void *arg, void *fx, struct now now)
{
    (void)now;
    const struct amqp_cause *cause = arg;
    say(((struct amqp_conn *)obj)->detail, "blocked by the broker: ", cause->text);
    add(fx, CONN_FX_HOLD);
}

void act_go_on(void *obj, const void *arg, void *fx, struct now now)
{
    (void)arg, (void)now;
    ((struct amqp_conn *)obj)->detail[0] = '\0';
    add(fx, CONN_FX_GO_ON);
}

static void fail(struct amqp_conn *c, struct amqp_fx *fx, struct now now, bool slow)
{
    int64_t wait = backoff_fail(&c->retry, now.mono_ms);
    c->refused = slow;
    add(fx, CONN_FX_HANG_UP);
    add(fx, CONN_FX_FAILED);
    arm(fx, CONN_FX_ARM, slow ? AMQP_RETRY_SLOW_MS : wait);
}

void act_lost(void *obj, const void *arg, void *fx, struct now now)
{
    struct amqp_conn *c = obj;
    say(c->detail, "", ((const struct amqp_cause *)arg)->text);
    fail(c, fx, now, false);
}

void act_timed_out(void *obj, const void *arg, void *fx, struct now now)
{
    (void)arg;
    struct amqp_conn *c = obj;
    (void)snprintf(c->detail, AMQP_DETAIL_MAX, "no answer while %s", conn_fsm.state_names[c->state]);
    fail(c, fx, now, false);
}

void act_out_of_turn(void *obj, const void *arg, void *fx, struct now now)
{
    (void)arg;
    struct amqp_conn *c = obj;
    (void)snprintf(c->detail, AMQP_DETAIL_MAX, "the broker spoke out of turn while %s", conn_fsm.state_names[c->state]);
    fail(c, fx, now, false);
}

void act_closed(void *obj, const void *arg, void *fx, struct now now)
{
    struct amqp_conn *c = obj;
    say_close(c->detail, arg);
    add(fx, CONN_FX_CLOSE_OK);
    fail(c, fx, now, needs_person(arg));
}

void act_channel_closed(void *obj, const void *arg, void *fx, struct now now)
{
    struct amqp_conn *c = obj;
    say_close(c->detail, arg);
    fail(c, fx, now, needs_person(arg));
}

void act_lost_ready(void *obj, const void *arg, void *fx, struct now now)
{
    add(fx, CONN_FX_DOWN);
    act_lost(obj, arg, fx, now);
}

void act_out_of_turn_ready(void *obj, const void *arg, void *fx, struct now now)
{
    add(fx, CONN_FX_DOWN);
    act_out_of_turn(obj, arg, fx, now);
}

void act_closed_ready(void *obj, const void *arg, void *fx, struct now now)
{
    add(fx, CONN_FX_DOWN);
    act_closed(obj, arg, fx, now);
}

void act_channel_closed_ready(void *obj, const void *arg, void *fx, struct now now)
{
    add(fx, CONN_FX_DOWN);
    act_channel_closed(obj, arg, fx, now);
}

void act_stop_ready(void *obj, const void *arg, void *fx, struct now now)
{
    (void)obj, (void)arg, (void)now;
    add(fx, CONN_FX_DOWN);
    add(fx, CONN_FX_CLOSE);
    arm(fx, CONN_FX_ARM, AMQP_CLOSE_MS);
}

void act_stopped(void *obj, const void *arg, void *fx, struct now now)
{
    (void)obj, (void)arg, (void)now;
    add(fx, CONN_FX_HANG_UP);
    add(fx, CONN_FX_DISARM);
    add(fx, CONN_FX_STOPPED);
}

/* --- the command queue --- */

void act_cmdq_channel(void *obj, const void *arg, void *fx, struct now now)
{
    (void)obj, (void)arg, (void)now;
    add(fx, CMDQ_FX_CHANNEL);
    arm(fx, CMDQ_FX_ARM, AMQP_SETUP_MS);
}

/* Also when somebody deleted the queue while we consumed: then no timer runs yet. */
void act_cmdq_declare(void *obj, const void *arg, void *fx, struct now now)
{
    (void)obj, (void)arg, (void)now;
    add(fx, CMDQ_FX_DECLARE);
    arm(fx, CMDQ_FX_ARM, AMQP_SETUP_MS);
}

ACT_ADDS(act_cmdq_bind_1, CMDQ_FX_BIND_1)
ACT_ADDS(act_cmdq_bind_2, CMDQ_FX_BIND_2)
ACT_ADDS(act_cmdq_bind_3, CMDQ_FX_BIND_3)
ACT_ADDS(act_cmdq_limit, CMDQ_FX_LIMIT)
ACT_ADDS(act_cmdq_subscribe, CMDQ_FX_SUBSCRIBE)

void act_cmdq_ready(void *obj, const void *arg, void *fx, struct now now)
{
    (void)arg, (void)now;
    ((struct amqp_cmdq *)obj)->detail[0] = '\0';
    add(fx, CMDQ_FX_DISARM);
    add(fx, CMDQ_FX_READY);
}

void act_cmdq_refused(void *obj, const void *arg, void *fx, struct now now)
{
    (void)now;
    say_close(((struct amqp_cmdq *)obj)->detail, arg);
    add(fx, CMDQ_FX_CLOSE_OK);
    add(fx, CMDQ_FX_REFUSED);
    arm(fx, CMDQ_FX_ARM, AMQP_RETRY_SLOW_MS);
}

void act_cmdq_fault(void *obj, const void *arg, void *fx, struct now now)
{
    (void)obj, (void)arg, (void)now;
    add(fx, CMDQ_FX_DISARM);
    add(fx, CMDQ_FX_FAULT);
}

ACT_ADDS(act_cmdq_off, CMDQ_FX_DISARM)
