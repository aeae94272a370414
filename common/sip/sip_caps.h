/*
 * sip_caps: what this service understands, and how its replies say so. Layer: common/sip. Pure. RFC 3261 §8.2.1 to
 * §8.2.3, §11.2, §21.4. Both processes that answer requests take it from here, so that they say the same.
 */
#ifndef COMMON_SIP_SIP_CAPS_H
#define COMMON_SIP_SIP_CAPS_H

#include "common/base/buf.h"
#include "common/sip/sip_msg.h"

#define SIP_CAPS_ALLOW "INVITE, ACK, BYE, CANCEL, OPTIONS, REGISTER, UPDATE, PRACK, INFO, REFER"
/* In a call with somebody to give a message to, or to transfer. */
#define SIP_CAPS_ALLOW_BRIDGED SIP_CAPS_ALLOW ", MESSAGE, SUBSCRIBE"
#define SIP_CAPS_EVENTS "refer"
#define SIP_CAPS_ACCEPT_INFO "application/dtmf-relay, application/dtmf"
#define SIP_CAPS_ACCEPT "application/sdp, multipart/mixed, multipart/alternative"
#define SIP_CAPS_ACCEPT_ENCODING "identity"
#define SIP_CAPS_ACCEPT_LANGUAGE "en" /* of our reason phrases; a body has none that would matter to us */
/* … of an INVITE whose provisionals cannot be acknowledged: RFC 4028, RFC 3891, RFC 4488, RFC 4538; and RFC 3262 */
#define SIP_CAPS_SUPPORTED_BUT_100REL "timer, replaces, norefersub, tdialog"
#define SIP_CAPS_SUPPORTED "100rel, " SIP_CAPS_SUPPORTED_BUT_100REL
#define SIP_CAPS_REGISTER "path, outbound" /* of a REGISTER instead (RFC 3327, RFC 5626) */

/** All of them: what a 200 to OPTIONS tells (§11.2). allow: one of the two above. */
void sip_caps_write(struct buf *out, const char *allow);
/**
 * The headers that this status asks for in a refusal of `req`: Allow (405, 501), Accept (406, 415), Accept-Encoding and
 * Accept-Language (415), Unsupported with the options it requires that are not understood (420), an empty Recv-Info
 * (469, RFC 6086 §5.2.2), Allow-Events (489, RFC 6665 §8.3.2). Others: nothing.
 */
void sip_caps_write_refusal(struct buf *out, const struct sip_msg *req, unsigned status, const char *allow);

/** Every option in Require is understood, in a request of this method (§8.2.2.3). */
bool sip_caps_meets_require(const struct sip_msg *m);
/**
 * Is the body of this message understood (§8.2.3)? One that says handling=optional is passed over when it is not.
 *
 * sdp      its session description; empty: none, or one that was passed over
 * returns  0, -SIP_EMEDIATYPE (415: type, encoding, disposition, or a part that says handling=required),
 *          -SIP_EMISSING (400: a body without Content-Type), -SIP_EMULTIPART or -SIP_EMALFORMED (400), -SIP_ELIMIT,
 *          -SIP_EBODYBIG (413: a session description over SDP_BYTES_MAX)
 */
int sip_caps_check_body(const struct sip_msg *m, struct span *sdp);
/** Words for a fault of sip_caps_check_body, fit for a reason phrase. Static text. */
const char *sip_caps_fault_text(int err);
/** May a response carry application/sdp? Without Accept it may (§20.1); else 406 (§21.4.7). The most specific range
 * decides, and q=0 means no. */
bool sip_caps_takes_sdp(const struct sip_msg *m);

#endif
