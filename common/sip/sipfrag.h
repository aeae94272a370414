/*
 * sipfrag: message/sipfrag, the body of a REFER's NOTIFY. Layer: common/sip. Pure. RFC 3420, RFC 3515 §2.4.5.
 */
#ifndef COMMON_SIP_SIPFRAG_H
#define COMMON_SIP_SIPFRAG_H

#include "common/base/buf.h"
#include "common/sip/sip_err.h"
#include "common/sip/sip_method.h"

struct sipfrag {
    uint16_t status; /* status line: 100..699; else 0 */
    struct span reason;
    struct span method; /* request line: else empty */
    struct span uri;
    struct span headers; /* header lines, raw; may be empty */
    struct span body;    /* after the blank line */
};
/** 0, -SIP_EMALFORMED, -SIP_EVERSION or -SIP_ELIMIT. LF alone and a missing last CRLF are accepted. Borrows `in`. */
int sipfrag_decode(struct sipfrag *out, struct span in);
/** "SIP/2.0 200 OK\r\n"; reason empty: the registered phrase. */
void sipfrag_write_status(struct buf *out, unsigned status, struct span reason);

#endif
