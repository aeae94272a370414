/*
 * sip_limits: every maximum of the grammar, by name. Layer: common/sip.
 *
 * Each is tested at the limit and one past it (tests/unit/common/sip/test_sip_limits.c). What is over is refused with
 * -SIP_ELIMIT unless the line says otherwise; nothing is cut silently.
 */
#ifndef COMMON_SIP_SIP_LIMITS_H
#define COMMON_SIP_SIP_LIMITS_H

/* Message (offsets inside one are 16 bits wide: do not raise SIP_MSG_BYTES_MAX). */
#define SIP_MSG_BYTES_MAX 65535    /* start line to end of body; over: -SIP_ETOOBIG (513) */
#define SIP_LINE_BYTES_MAX 8192    /* one header field with its folds, or the start line, without the last CRLF */
#define SIP_HEADERS_MAX 256        /* header fields (lines, a folded one counts once) */
#define SIP_HEAD_BYTES_MAX 32768   /* start line and headers with the blank line */
#define SIP_BODY_BYTES_MAX 65000   /* Content-Length; over: -SIP_EBODYBIG (413) */
#define SIP_HDR_NAME_BYTES_MAX 256 /* header field name */
#define SIP_METHOD_BYTES_MAX 64    /* method token, request line and CSeq */
#define SIP_URI_BYTES_MAX 2048     /* any URI; Request-URI over it: -SIP_EURILONG (414) */
#define SIP_REASON_BYTES_MAX 1024  /* reason phrase */

/* Header values. */
#define SIP_VIA_DEPTH_MAX 70          /* Via values in a message (as many as the default Max-Forwards allows) */
#define SIP_VALUES_MAX 256            /* comma-separated values of one header name; the iterator stops there */
#define SIP_PARAMS_MAX 64             /* ;name=value parameters of one value, URI or media type */
#define SIP_CALLID_BYTES_MAX 256      /* Call-ID */
#define SIP_TAG_BYTES_MAX 256         /* From and To tag */
#define SIP_BRANCH_BYTES_MAX 256      /* Via branch */
#define SIP_HOST_BYTES_MAX 255        /* host name or address, brackets included */
#define SIP_AUTH_PARAMS_MAX 32        /* parameters of one challenge or credentials */
#define SIP_AUTH_VALUE_BYTES_MAX 2048 /* one of their values */
#define SIP_TXN_KEY_BYTES_MAX 12288   /* transaction key text; over 700 bytes only without the RFC 3261 cookie */
#define SIP_INDEX_BYTES_MAX 64        /* encoded offset index */

/* Numbers. */
#define SIP_CSEQ_MAX 2147483647u    /* RFC 3261 §8.1.1.5: below 2^31 */
#define SIP_MAX_FORWARDS_MAX 255u   /* RFC 3261 §20.22 */
#define SIP_DELTA_S_MAX 4294967295u /* RFC 3261 §20.19: up to 2^32-1 seconds */

/* Bodies. */
#define SIP_PARTS_MAX 16          /* parts of one multipart body */
#define SIP_BOUNDARY_BYTES_MAX 70 /* RFC 2046 §5.1.1 */
#define SIP_DTMF_BYTES_MAX 256    /* a key in an INFO; over: -SIP_EBODYBIG */
#define SIP_DTMF_LINES_MAX 8
#define SIP_DTMF_MS_MAX 60000u /* how long it was pressed; over: -SIP_EMALFORMED */
#define SDP_BYTES_MAX 16384    /* a session description */
#define SDP_LINES_MAX 512
#define SDP_LINE_BYTES_MAX 2048
#define SDP_TOKEN_BYTES_MAX 64 /* media type, protocol, format, encoding name */
#define SDP_MEDIA_MAX 8        /* m= sections */
#define SDP_FMT_MAX 64         /* formats of one m= line */

#endif
