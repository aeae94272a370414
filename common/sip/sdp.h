/*
 * sdp: session descriptions. Layer: common/sip. Pure. RFC 8866; attributes of RFC 3264, RFC 3605, RFC 4733.
 * Decoding is tolerant (LF alone, last line without its end, unknown lines and attributes); encoding is strict.
 * What an offer means for an answer is not here (call-actor/offer.c).
 */
#ifndef COMMON_SIP_SDP_H
#define COMMON_SIP_SDP_H

#include "common/base/buf.h"
#include "common/sip/sip_err.h"
#include "common/sip/sip_limits.h"

enum sdp_dir {
    SDP_DIR_UNSET = 0, /* not said: inherited from the session, and sendrecv in the end */
    SDP_SENDRECV = 1,
    SDP_SENDONLY = 2,
    SDP_RECVONLY = 3,
    SDP_INACTIVE = 4,
};

/* c= */
struct sdp_conn {
    struct span addr; /* empty: no c= line; with any /ttl, without brackets */
    bool ip6;
};

/* o= */
struct sdp_origin {
    struct span user;
    struct span sess_id;
    struct span sess_version;
    struct sdp_conn conn;
};

/* One format of an m= line with its a=rtpmap and a=fmtp. */
struct sdp_fmt {
    struct span text;     /* as in the m= line */
    int16_t pt;           /* 0..127 for RTP profiles; -1 when it is no such number */
    struct span encoding; /* "PCMU"; empty: no rtpmap (see sdp_fmt_static) */
    uint32_t rate;        /* clock rate; 0 without rtpmap */
    uint32_t channels;    /* 1 unless said otherwise */
    struct span fmtp;     /* parameters of the first a=fmtp for it; may be empty */
};

struct sdp_media {
    struct span type;  /* "audio" */
    uint16_t port;     /* 0: refused or off */
    uint32_t port_cnt; /* 1 unless "port/count" */
    struct span proto; /* "RTP/AVP" */
    bool rtp;          /* proto is an RTP profile (RTP/AVP, RTP/SAVP, RTP/AVPF, UDP/TLS/RTP/SAVPF …) */
    struct sdp_conn conn;
    enum sdp_dir dir;
    uint32_t ptime_ms; /* 0: not said */
    uint32_t maxptime_ms;
    uint16_t rtcp_port; /* a=rtcp; 0: not said */
    bool rtcp_mux;
    unsigned fmt_cnt;
    struct sdp_fmt fmt[SDP_FMT_MAX];
    struct span lines; /* everything after the m= line, raw, up to the next one: attributes not named here */
};

struct sdp {
    struct sdp_origin origin;
    struct span name; /* s= */
    struct sdp_conn conn;
    enum sdp_dir dir;
    struct span time;  /* t= value; "0 0" is written when empty */
    struct span lines; /* session lines before the first m=, raw */
    unsigned media_cnt;
    struct sdp_media media[SDP_MEDIA_MAX];
};

/**
 * Decode a session description.
 *
 * out      about 34 kB: keep one per process or actor, not on a deep stack; written also on error (unspecified then)
 * borrows  `in`
 * returns  0, -SIP_ESDP (no v=0 first, no o=, malformed line of those decoded here, an m= with no c= in reach), or
 * -SIP_ELIMIT
 */
int sdp_decode(struct sdp *out, struct span in);
/**
 * Encode: v, o, s, c, t, session direction, then per media m, c, rtpmap/fmtp, ptime, maxptime, direction, rtcp. `lines`
 * are not copied. CR and LF in any text become SP. Check out->failed.
 */
void sdp_write(struct buf *out, const struct sdp *s);
/** The connection that counts for a medium: its own or the session's. */
const struct sdp_conn *sdp_media_conn(const struct sdp *s, const struct sdp_media *m);
/** Its direction after inheritance; never SDP_DIR_UNSET. */
enum sdp_dir sdp_media_dir(const struct sdp *s, const struct sdp_media *m);
/** "sendrecv" …; NULL for SDP_DIR_UNSET. */
const char *sdp_dir_name(enum sdp_dir d);
/** Fill encoding, rate and channels of a static payload type without rtpmap (RFC 3551 §6); false: not static. */
bool sdp_fmt_static(struct sdp_fmt *f);
/** Value of the first "a=name:value" (or "a=name", then empty) among raw lines; false: not there. */
bool sdp_attr(struct span lines, struct span name, struct span *value);

#endif
