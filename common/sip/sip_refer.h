/*
 * sip_refer: what a REFER asks for. Layer: common/sip. Pure. RFC 3515 §2, RFC 8217 (Refer-To), RFC 3892 (Referred-By),
 * RFC 4488 (Refer-Sub), RFC 4538 (Target-Dialog).
 */
#ifndef COMMON_SIP_SIP_REFER_H
#define COMMON_SIP_SIP_REFER_H

#include "common/sip/sip_msg.h"
#include "common/sip/sip_uri.h"

struct sip_refer {
    struct sip_uri target;   /* of Refer-To, headers and method parameter still in it: sip_uri_write_target */
    bool invites;            /* by an INVITE, for no other method is named (RFC 3515 §2.1, RFC 3261 §19.1.1) */
    struct span replaces;    /* the Replaces header in the URI, still escaped; empty: none. See sip_refer_replaces */
    unsigned left_out;       /* headers in the URI that no request of ours is made with */
    bool subscribes;         /* the sender wants to hear what becomes of it */
    struct span referred_by; /* value of Referred-By; empty: none */
};

/**
 * Decode the headers of a REFER. Of the headers that a Refer-To URI may name (RFC 3261 §19.1.5) Replaces alone is
 * taken: any other, and a body, would let a stranger write requests in our name.
 *
 * out      written only when 0 is returned
 * borrows  the bytes of `m`
 * returns  0; -SIP_EMISSING (no Refer-To), -SIP_EDUP (several values, or two Replaces), -SIP_EADDR, -SIP_EMALFORMED,
 *          -SIP_EESCAPE, -SIP_EURILONG or -SIP_ELIMIT. *at names the header that is at fault
 */
int sip_refer_decode(struct sip_refer *out, const struct sip_msg *m, enum sip_hdr_id *at);
/** Append the Replaces value as a header has it. 0, -SIP_EESCAPE, or -SIP_ECONTROL. */
int sip_refer_replaces(struct buf *out, const struct sip_refer *r);
/** Append the Referred-By value that goes on to the target: name and URI. Its cid names a part of a body that does not
 * go along. */
void sip_refer_write_by(struct buf *out, struct span referred_by);

/* RFC 4538 §7. */
struct sip_target_dialog {
    struct span call_id;
    struct span local_tag;
    struct span remote_tag;
};
/** 0, -SIP_ECALLID, -SIP_EMALFORMED, -SIP_EDUP or -SIP_ELIMIT; a tag that is missing is -SIP_EMISSING. Borrows `in`. */
int sip_target_dialog_decode(struct sip_target_dialog *out, struct span in);

#endif
