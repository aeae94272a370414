/*
 * sip_multipart: media types and multipart bodies. Layer: common/sip. Pure. RFC 2046 §5.1, RFC 5621.
 */
#ifndef COMMON_SIP_SIP_MULTIPART_H
#define COMMON_SIP_SIP_MULTIPART_H

#include "common/sip/sip_msg.h"

/* Content-Type: type/subtype;params */
struct sip_ctype {
    struct span type;
    struct span subtype;
    struct span params;
};
/** 0, -SIP_EMALFORMED, -SIP_ELIMIT or -SIP_EDUP. Borrows `in`. */
int sip_ctype_decode(struct sip_ctype *out, struct span in);
/** Both parts without regard to case: sip_ctype_is(&t, SPAN("application"), SPAN("sdp")). */
bool sip_ctype_is(const struct sip_ctype *t, struct span type, struct span subtype);

struct sip_part {
    struct span content_type; /* empty: none given (text/plain) */
    struct span disposition;
    struct span content_id;
    struct span encoding; /* Content-Transfer-Encoding; empty: none */
    struct span body;
};

/* Walk over the parts. */
struct sip_parts {
    struct span rest;     /* what follows the last delimiter line */
    struct span boundary; /* without the leading "--" */
    unsigned cnt;
    bool closed;
};
/** 0, -SIP_EMULTIPART (not multipart, no, empty or overlong boundary, no first delimiter), -SIP_ELIMIT. */
int sip_parts_init(struct sip_parts *it, struct span content_type, struct span body);
/**
 * returns 1 and writes *out; 0 after the last part; -SIP_EMULTIPART (malformed part header, or no closing delimiter) or
 *         -SIP_ELIMIT (SIP_PARTS_MAX)
 */
int sip_parts_next(struct sip_parts *it, struct sip_part *out);

/**
 * The session description of a message: its body when that is application/sdp, or the first such part of a multipart
 * body (one nested level deep: a multipart/alternative in a multipart/mixed). A body with a Content-Encoding, or with
 * another disposition than session (RFC 3959: early-session), is none.
 * returns 0 and writes *out; -SIP_ENOTFOUND: none; -SIP_EMULTIPART, -SIP_ELIMIT, -SIP_EMALFORMED: the body cannot be
 * read
 */
int sip_msg_sdp(const struct sip_msg *m, struct span *out);

#endif
