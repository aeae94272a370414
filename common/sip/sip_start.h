/*
 * sip_start: the start line of a message or sipfrag. Layer: common/sip, private to it. RFC 3261 §7.1, §7.2.
 */
#ifndef COMMON_SIP_SIP_START_H
#define COMMON_SIP_SIP_START_H

#include "common/base/span.h"
#include <stdint.h>

struct sip_start {
    bool is_request;    /* a method was read */
    struct span method; /* request */
    struct span uri;    /* request; its grammar is not checked */
    uint16_t status;    /* response: 100..699 */
    struct span reason; /* response; may be empty */
};

/**
 * Decode a line without its line end. Exactly one SP between the parts.
 * out      always written, as far as could be read
 * returns  0, -SIP_ESTARTLINE, -SIP_EMETHOD, -SIP_EVERSION, -SIP_ESTATUS or -SIP_ELIMIT
 */
int sip_start_decode(struct sip_start *out, struct span line);

#endif
