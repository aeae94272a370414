/*
 * sip_frame: where a message ends in a stream. Layer: common/sip. Pure. RFC 3261 §18.3, RFC 5626 §3.5.1 (keep-alive).
 */
#ifndef COMMON_SIP_SIP_FRAME_H
#define COMMON_SIP_SIP_FRAME_H

#include "common/base/span.h"

/* Remembers how far was looked, so that a slow sender's bytes are not scanned again. Zeroed for each new message. */
struct sip_frame {
    size_t scanned;   /* bytes seen without finding the end of the head */
    size_t head_len;  /* start line and headers with the blank line; 0: not known yet */
    size_t total_len; /* with the body */
};

enum sip_frame_result {
    SIP_FRAME_MORE = 0, /* need more bytes */
    SIP_FRAME_MSG = 1,  /* *len bytes are one message, for sip_msg_decode */
    SIP_FRAME_PING = 2, /* *len bytes are CRLFCRLF: answer CRLF */
    SIP_FRAME_SKIP = 3, /* *len bytes are CR or LF to be dropped (a pong, or space between messages) */
};

/**
 * Look at the bytes received so far (`in` starts where the last message ended).
 * After MSG, PING and SKIP the caller drops *len bytes and zeroes *f.
 * returns a sip_frame_result, or the stream cannot be followed any more and must be closed: -SIP_EMISSING,
 * -SIP_EDUP, -SIP_ELENGTH (Content-Length missing, repeated, no number), -SIP_EBODYBIG (over SIP_BODY_BYTES_MAX),
 * -SIP_ETOOBIG (message over SIP_MSG_BYTES_MAX), -SIP_ELIMIT (head over SIP_HEAD_BYTES_MAX). With f->head_len != 0 the
 * head can still be decoded, to refuse the request.
 */
int sip_frame_next(struct sip_frame *f, struct span in, size_t *len);

#endif
