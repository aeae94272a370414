/*
 * sip_msg_in: what sip_msg.c and sip_index.c share. Layer: common/sip, private to it.
 */
#ifndef COMMON_SIP_SIP_MSG_IN_H
#define COMMON_SIP_SIP_MSG_IN_H

#include "common/sip/sip_msg.h"

/** Everything but the fields array and `first` to "nothing there". */
void sip_msg_clear(struct sip_msg *m, struct span raw);
/** Append a field; false: the table is full. */
bool sip_msg_add(struct sip_msg *m, const struct sip_field *f);

#endif
