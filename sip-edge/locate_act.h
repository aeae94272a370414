/*
 * locate_act: the actions of locate_table.c. Layer: sip-edge, private to locate*.c. Pure.
 */
#ifndef SIP_EDGE_LOCATE_ACT_H
#define SIP_EDGE_LOCATE_ACT_H

#include "sip-edge/locate.h"

fsm_act_fn locate_act_ask_naptr;
fsm_act_fn locate_act_ask_srv;  /* of the service at hand */
fsm_act_fn locate_act_ask_addr; /* of the server at hand, the family at hand */

/** The question about the addresses of a server: its first family, or (second) the other one. */
void locate_addr_question(const struct locate *l, const struct locate_target *t, bool second, struct dns_question *q);

#endif
