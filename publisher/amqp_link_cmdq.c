/* Channel 2: what the machine of the command queue decides, done. */
#include "publisher/amqp_link_priv.h"

#include "common/base/log.h"

static void cmdq_ready(struct amqp_link *l)
{
    log_ev(LOG_INFO, "command queue subscribed", log_z("queue", AMQP_COMMAND_QUEUE));
    l->on->on_status(l->user);
}

static void cmdq_refused(struct amqp_link *l)
{
    log_ev(LOG_WARN, "command queue not usable: tried again later", log_z("queue", AMQP_COMMAND_QUEUE),
           log_z("why", l->cmdq.detail));
    l->on->on_commands_lost(l->user);
    l->on->on_status(l->user);
}

static void perform_cmdq(struct amqp_link *l, enum cmdq_effect effect, int64_t arm_ms)
{
    switch (effect) {
    case CMDQ_FX_CHANNEL:
        amqp_content_reset(&l->command);
        amqp_put_channel_open(&l->out, CHANNEL_COMMANDS);
        break;
    case CMDQ_FX_DECLARE:
        amqp_put_queue_declare(&l->out, CHANNEL_COMMANDS, AMQP_COMMAND_QUEUE);
        break;
    case CMDQ_FX_BIND_1:
        amqp_put_queue_bind(&l->out, CHANNEL_COMMANDS, AMQP_COMMAND_QUEUE, AMQP_EXCHANGE, AMQP_KEY_TERMINATE);
        break;
    case CMDQ_FX_BIND_2:
        amqp_put_queue_bind(&l->out, CHANNEL_COMMANDS, AMQP_COMMAND_QUEUE, AMQP_EXCHANGE, AMQP_KEY_TRANSFER);
        break;
    case CMDQ_FX_BIND_3:
        amqp_put_queue_bind(&l->out, CHANNEL_COMMANDS, AMQP_COMMAND_QUEUE, AMQP_EXCHANGE, AMQP_KEY_INITIATE);
        break;
    case CMDQ_FX_LIMIT:
        amqp_put_qos(&l->out, CHANNEL_COMMANDS, AMQP_PREFETCH);
        break;
    case CMDQ_FX_SUBSCRIBE:
        amqp_put_consume(&l->out, CHANNEL_COMMANDS, AMQP_COMMAND_QUEUE);
        break;
    case CMDQ_FX_CLOSE_OK:
        amqp_put_channel_close_ok(&l->out, CHANNEL_COMMANDS);
        break;
    case CMDQ_FX_READY:
        cmdq_ready(l);
        break;
    case CMDQ_FX_REFUSED:
        cmdq_refused(l);
        break;
    case CMDQ_FX_FAULT:
        amqp_link_lose(l, "the broker spoke out of turn, or not at all, about the command queue");
        break;
    case CMDQ_FX_ARM:
        loop_timer_in(l->loop, &l->cmdq_timer, arm_ms);
        break;
    case CMDQ_FX_DISARM:
        loop_timer_cancel(l->loop, &l->cmdq_timer);
        break;
    }
}

void amqp_link_cmdq(struct amqp_link *l, enum cmdq_event ev, const struct amqp_cause *cause)
{
    struct amqp_fx fx = {.count = 0};
    (void)fsm_step(&cmdq_fsm, &l->cmdq.state, (uint8_t)ev, &l->cmdq, cause, &fx, loop_now(l->loop));
    for (size_t i = 0; i < fx.count; i++)
        perform_cmdq(l, (enum cmdq_effect)fx.list[i], fx.arm_ms);
}
