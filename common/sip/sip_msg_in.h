/*
 * sip_msg_in: what sip_msg.c does for sip_index.c. Layer: common/sip, private to it.
 */
#ifndef COMMON_SIP_SIP_MSG_IN_H
#define COMMON_SIP_SIP_MSG_IN_H

#include "common/sip/sip_msg.h"

/**
 * As sip_msg_decode, but without the grammar of Request-URI, Via, From and To: via, from_tag and to_tag stay empty.
 * `raw` must begin with the start line and not be longer than SIP_MSG_BYTES_MAX (-SIP_EINDEX).
 */
int sip_msg_decode_lines(struct sip_msg *m, struct span raw);

#endif
