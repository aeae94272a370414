/*
 * sip_replaces: the dialog that an INVITE is to take the place of. Layer: common/sip. Pure. RFC 3891 §6.1.
 */
#ifndef COMMON_SIP_SIP_REPLACES_H
#define COMMON_SIP_SIP_REPLACES_H

#include "common/sip/sip_msg.h"

struct sip_replaces {
    struct span call_id;
    struct span to_tag;   /* local to who gets the INVITE */
    struct span from_tag; /* … remote to him */
    bool early_only;      /* not when it is confirmed */
};

/**
 * Decode a Replaces value. Tags and Call-ID are tokens and words here as anywhere: nothing in them needs escaping.
 *
 * out      written only when 0 is returned
 * borrows  `in`
 * returns  0, -SIP_ECALLID, -SIP_EMALFORMED (a tag that is no token; early-only with a value), -SIP_EDUP (a parameter
 *          twice), -SIP_EMISSING (not both tags) or -SIP_ELIMIT (parameters, Call-ID or tag over their maximum)
 */
int sip_replaces_decode(struct sip_replaces *out, struct span in);

/**
 * The Replaces of a request.
 *
 * out      written for 1 only
 * borrows  `m`
 * returns  1: it has one that may be looked at; 0: it has none; a fault of sip_replaces_decode, or -SIP_EMALFORMED
 * where RFC 3891 §3 has no place for one: another method, beside Join, or an INVITE inside a dialog, which cannot be
 *          the first of a new one. A fault is 400
 */
int sip_replaces_of(struct sip_replaces *out, const struct sip_msg *m);

#endif
