/* Private to amqp_table.c and amqp_act.c: what the cells do. */
#ifndef PUBLISHER_AMQP_ACT_H
#define PUBLISHER_AMQP_ACT_H

#include "publisher/amqp_table.h"

fsm_act_fn act_resolve, act_dial, act_dial_next, act_secure, act_greet, act_login, act_open, act_open_channel,
    act_confirm, act_declare, act_up, act_hold, act_go_on, act_lost, act_timed_out, act_out_of_turn, act_closed,
    act_channel_closed, act_lost_ready, act_out_of_turn_ready, act_closed_ready, act_channel_closed_ready,
    act_stop_ready, act_stopped;

fsm_act_fn act_cmdq_channel, act_cmdq_declare, act_cmdq_bind_1, act_cmdq_bind_2, act_cmdq_bind_3, act_cmdq_limit,
    act_cmdq_subscribe, act_cmdq_ready, act_cmdq_refused, act_cmdq_fault, act_cmdq_off;

#endif
