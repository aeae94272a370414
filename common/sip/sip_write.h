/*
 * sip_write: the encoder. Layer: common/sip. Pure. RFC 3261 §7, §8.2.6.
 *
 * Appends to a struct buf, whose sticky `failed` is checked once by the caller. Values are unfolded and other
 * control characters in them become SP (sip_unfold), so text from a stranger cannot start a new line.
 */
#ifndef COMMON_SIP_SIP_WRITE_H
#define COMMON_SIP_SIP_WRITE_H

#include "common/base/buf.h"
#include "common/sip/sip_msg.h"

/** "INVITE sip:… SIP/2.0\r\n". method: text, so that unknown ones pass. */
void sip_write_request_line(struct buf *out, struct span method, struct span uri);
/** "SIP/2.0 180 Ringing\r\n"; reason empty: the registered phrase. */
void sip_write_status_line(struct buf *out, unsigned status, struct span reason);
/** "Name: value\r\n" by id (not SIP_H_OTHER) or by name. */
void sip_write_hdr(struct buf *out, enum sip_hdr_id id, struct span value);
void sip_write_hdr_z(struct buf *out, enum sip_hdr_id id, const char *value);
void sip_write_hdr_num(struct buf *out, enum sip_hdr_id id, uint64_t value);
void sip_write_hdr_named(struct buf *out, struct span name, struct span value);
/** Every field of `m` with this id, in order, one line for each line, values byte for byte (folds undone). */
void sip_write_copy(struct buf *out, const struct sip_msg *m, enum sip_hdr_id id);
/** One field of `m`, under its full name. */
void sip_write_field(struct buf *out, const struct sip_msg *m, const struct sip_field *f);
/** A header whose value is composed in place: sip_write_hdr_begin, append to `out`, sip_write_hdr_end. */
void sip_write_hdr_begin(struct buf *out, enum sip_hdr_id id);
void sip_write_hdr_end(struct buf *out);
/** Content-Type (when there is a body), Content-Length, blank line, body. Ends a message. */
void sip_write_body(struct buf *out, struct span content_type, struct span body);

struct sip_reply_args {
    const struct sip_msg *req; /* decoded, or faulty but sip_msg_answerable */
    unsigned status;
    struct span reason;   /* empty: the registered phrase */
    struct span to_tag;   /* added to To when it has none and status is not 100; empty: nothing is added */
    struct span received; /* for the top Via only; empty: leave (sip_via_write_patched) */
    uint16_t rport;       /* for the top Via only; 0: leave */
    uint32_t delay_ms;    /* of a 100, since req came: beside what Timestamp says (§8.2.6.1); 0: not told */
};
/**
 * Note in a->received and a->rport where a->req came from, as far as its top Via must tell it: RFC 3261 §18.2.1
 * (another address than its sent-by), RFC 3581 §4 (always, when it asks for rport). addr: without brackets; lives as
 * long as *a.
 */
void sip_reply_note_source(struct sip_reply_args *a, struct span addr, uint16_t port);
/**
 * Head of a response to req: status line, all Via in order, Record-Route (status 101..299, byte for byte, in order),
 * From, To, Call-ID, CSeq, and Timestamp in a 100. Further headers and sip_write_body follow. RFC 3261 §8.2.6, §12.1.1.
 */
void sip_write_reply(struct buf *out, const struct sip_reply_args *a);

#endif
