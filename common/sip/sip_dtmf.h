/*
 * sip_dtmf: a key that was pressed, in the body of an INFO. Layer: common/sip. Pure. No RFC has these bodies; they are
 * as gateways and phones write them: "application/dtmf-relay" names what it says ("Signal=5", "Duration=160" in
 * milliseconds), "application/dtmf" is the key alone, though some write the former under its name.
 */
#ifndef COMMON_SIP_SIP_DTMF_H
#define COMMON_SIP_SIP_DTMF_H

#include "common/sip/sip_msg.h"

struct sip_dtmf {
    char key;             /* '0' to '9', '*', '#', 'A' to 'D', '!' (flash) */
    uint32_t duration_ms; /* 0: not said */
};

/** Does this message bring a key (Content-Type, no encoding)? sip_dtmf_decode reads it. */
bool sip_dtmf_is(const struct sip_msg *m);
/**
 * Read a body of either type. Keys may be written as numbers of RFC 4733 (10 "*", 11 "#", 12 to 15 "A" to "D", 16
 * flash); names count without regard to case, and names that we do not know are passed over.
 *
 * returns  0; -SIP_EBODYBIG: over SIP_DTMF_BYTES_MAX; -SIP_ELIMIT: over SIP_DTMF_LINES_MAX; -SIP_EMALFORMED: no key, a
 *          second one, or a duration that is no number up to SIP_DTMF_MS_MAX
 */
int sip_dtmf_decode(struct sip_dtmf *out, struct span body);

#endif
