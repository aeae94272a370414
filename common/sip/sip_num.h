/*
 * sip_num: the headers that are numbers. Layer: common/sip. Pure.
 * CSeq, RAck, RSeq, Expires, Min-Expires, Max-Forwards, Content-Length, Retry-After, Session-Expires, Min-SE.
 */
#ifndef COMMON_SIP_SIP_NUM_H
#define COMMON_SIP_SIP_NUM_H

#include "common/sip/sip_lex.h"
#include "common/sip/sip_method.h"

/* RFC 3261 §20.16 */
struct sip_cseq {
    uint32_t num;
    enum sip_method method;
    struct span method_text;
};
/** 0, or -SIP_ECSEQ (no number, number over SIP_CSEQ_MAX, no or overlong method). Borrows `in`. */
int sip_cseq_decode(struct sip_cseq *out, struct span in);
void sip_cseq_write(struct buf *out, const struct sip_cseq *c);

/* RFC 3262 §7.2 */
struct sip_rack {
    uint32_t rseq;
    struct sip_cseq cseq;
};
/** 0 or -SIP_ENUMBER. Borrows `in`. */
int sip_rack_decode(struct sip_rack *out, struct span in);
void sip_rack_write(struct buf *out, const struct sip_rack *r);

/** Digits alone, white space around them allowed, at most `max` (RSeq, Max-Forwards, Expires …): 0 or -SIP_ENUMBER. */
int sip_num_decode(uint32_t *out, struct span in, uint32_t max);

/* RFC 3261 §20.33 */
struct sip_retry_after {
    uint32_t delay_s;
    uint32_t duration_s; /* 0: not given */
    struct span comment; /* inside the parentheses */
};
/** 0 or -SIP_ENUMBER. Borrows `in`. */
int sip_retry_after_decode(struct sip_retry_after *out, struct span in);

/* RFC 4028 §4; Min-SE has no refresher */
enum sip_refresher {
    SIP_REFRESHER_NONE = 0,
    SIP_REFRESHER_UAC = 1,
    SIP_REFRESHER_UAS = 2,
};
struct sip_session_expires {
    uint32_t delta_s;
    enum sip_refresher refresher;
};
/** 0 or -SIP_ENUMBER. */
int sip_session_expires_decode(struct sip_session_expires *out, struct span in);
void sip_session_expires_write(struct buf *out, const struct sip_session_expires *s);

#endif
