/*
 * sip_msg: one whole SIP message. Layer: common/sip. Pure. RFC 3261 §7, §18.3, §20; tolerant as RFC 4475 asks.
 *
 * Nothing is copied or allocated: the struct holds offsets into `raw` and the few fields everybody needs, decoded once.
 * It lives exactly as long as the bytes. About 3 kB; reuse one per turn, it need not be cleared.
 */
#ifndef COMMON_SIP_SIP_MSG_H
#define COMMON_SIP_SIP_MSG_H

#include "common/sip/sip_err.h"
#include "common/sip/sip_hdr.h"
#include "common/sip/sip_limits.h"
#include "common/sip/sip_method.h"
#include "common/sip/sip_num.h"
#include "common/sip/sip_via.h"

/* One header field; see sip_field_name, sip_field_value. */
struct sip_field {
    uint16_t name_off;
    uint16_t name_len;
    uint16_t val_off;
    uint16_t val_len; /* trimmed; folds inside as they are (sip_unfold) */
    uint8_t id;       /* enum sip_hdr_id */
};

#define SIP_HDR_WORDS ((SIP_H_CNT + 63) / 64)
#define SIP_MSG_SPARE                                                                                                  \
    5 /* fields beyond the limit: what a refusal needs (Via, From, To, Call-ID, CSeq) is still found */

struct sip_msg {
    struct span raw; /* from the start line to the end of the body: what goes with the index */

    /* Start line. */
    bool is_request;
    enum sip_method method;  /* request: its method; response: the method of CSeq */
    struct span method_text; /* of the same */
    struct span uri;         /* request */
    uint16_t status;         /* response: 100..699; request: 0 */
    struct span reason;      /* response; may be empty */
    struct span body;        /* Content-Length honoured; empty: none */

    /* Decoded once; valid when the message decoded with 0 (on a fault: as far as `have_*` says). */
    struct sip_via via; /* the top one */
    struct sip_cseq cseq;
    struct span call_id;
    struct span from_tag;   /* empty: none */
    struct span to_tag;     /* empty: none */
    int64_t max_forwards;   /* -1: absent */
    int64_t content_length; /* -1: absent */
    int64_t expires_s;      /* -1: absent; the header, not a Contact parameter */

    /* What a faulty message still holds. */
    bool have_via;             /* top Via decoded: it is known where a reply goes */
    enum sip_hdr_id fault_hdr; /* the header the returned fault is about; SIP_H_OTHER: none or unknown */

    size_t left_out; /* over SIP_HEADERS_MAX: where in `raw` the first line not in `field` begins; 0: none */

    uint16_t field_cnt;
    uint64_t present[SIP_HDR_WORDS]; /* bit per header id */
    uint16_t first[SIP_H_CNT];       /* index of the first field with an id; only where its bit is set */
    struct sip_field field[SIP_HEADERS_MAX + SIP_MSG_SPARE];
};

/**
 * Decode a datagram, or one framed message of a stream. Leading CRLFs are skipped (RFC 3261 §7.5); bytes after
 * Content-Length are cut off; without Content-Length the body reaches to the end of `in`.
 *
 * m        always written: after an error it holds what could be read (see have_via), so that a
 * request can be refused with sip_write_reply; the first fault met is the one returned borrows  `in` returns  0 or a
 * fault: -SIP_EEMPTY (only CR/LF: keep-alive), -SIP_ETRUNC, -SIP_EVERSION (505), -SIP_ETOOBIG and -SIP_ELIMIT (513),
 * -SIP_EBODYBIG (413), -SIP_EURILONG (414), any other: 400. sip_err_status maps it, sip_msg_fault_text words it. A
 * message with 0 has a well-formed start line (a sip or sips Request-URI is checked; another scheme is kept for the
 * caller to refuse with 416), one each of From, To, Call-ID, CSeq, and 1..SIP_VIA_DEPTH_MAX Via values. A missing
 * Max-Forwards is no fault (RFC 2543 peers); a missing From tag neither.
 */
int sip_msg_decode(struct sip_msg *m, struct span in);

/** A faulty request can be answered: it is none of ACK, its Via was read, and it has a CSeq, or all of From, To and
 * Call-ID. What is missing of them is missing in the reply too (RFC 4475 §3.3.1). */
bool sip_msg_answerable(const struct sip_msg *m);
/** Append a reason phrase for the fault: "Malformed CSeq", "Repeated Header: Call-ID", "Missing Header: To". */
void sip_msg_fault_text(struct buf *out, const struct sip_msg *m, int err);

static inline struct span sip_field_name(const struct sip_msg *m, const struct sip_field *f)
{
    return (struct span){m->raw.p + f->name_off, f->name_len};
}
static inline struct span sip_field_value(const struct sip_msg *m, const struct sip_field *f)
{
    return (struct span){m->raw.p + f->val_off, f->val_len};
}

static inline bool sip_msg_has(const struct sip_msg *m, enum sip_hdr_id id)
{
    return (m->present[(unsigned)id / 64] >> ((unsigned)id % 64) & 1u) != 0;
}
/** First field with this id, or NULL. */
const struct sip_field *sip_msg_first(const struct sip_msg *m, enum sip_hdr_id id);
/** The next one with the same id after `f`, or NULL. */
const struct sip_field *sip_msg_next(const struct sip_msg *m, const struct sip_field *f);
/** Value of the first field with this id; the empty span (p NULL) when there is none. */
struct span sip_msg_value(const struct sip_msg *m, enum sip_hdr_id id);
/** First field with this name, without regard to case (also names that have no id), or NULL. */
const struct sip_field *sip_msg_named(const struct sip_msg *m, struct span name);

/* Walk over the comma-separated values of a header, across its lines, in order. Only for SIP_HDR_LIST_OF headers. */
struct sip_values {
    const struct sip_msg *msg;
    const struct sip_field *field;
    struct span rest;
    unsigned cnt;
};
void sip_values_init(struct sip_values *it, const struct sip_msg *m, enum sip_hdr_id id);
/** Next non-empty value, trimmed. false: no more, or SIP_VALUES_MAX reached. */
bool sip_values_next(struct sip_values *it, struct span *out);
/** A list header holds this token, without regard to case (Require, Supported, Allow …). */
bool sip_msg_lists(const struct sip_msg *m, enum sip_hdr_id id, struct span token);

#endif
