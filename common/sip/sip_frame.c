#include "common/sip/sip_frame.h"

#include "common/sip/sip_err.h"
#include "common/sip/sip_hdr.h"
#include "common/sip/sip_limits.h"
#include "common/sip/sip_line.h"
#include "common/sip/sip_num.h"

static bool is_eol(char c)
{
    return c == '\r' || c == '\n';
}

/* CR and LF before a start line. A lone CRLF may still become a ping, so it waits for two more bytes. */
static int take_blank(struct span in, size_t *len)
{
    if (in.len >= 4 && memcmp(in.p, "\r\n\r\n", 4) == 0) {
        *len = 4;
        return SIP_FRAME_PING;
    }
    if (in.len < 4 && memcmp(in.p, "\r\n\r\n", in.len) == 0)
        return SIP_FRAME_MORE;
    *len = span_starts(in, SPAN("\r\n")) ? 2 : 1; /* whatever the pieces it comes in: the same pings */
    return SIP_FRAME_SKIP;
}

/* Where the head ends: behind the first empty line. 0: not in sight. Every line end is looked at once. */
static size_t find_head(struct sip_frame *f, struct span in)
{
    size_t at = f->scanned;
    for (;;) {
        at += span_find(span_from(in, at), '\n');
        if (at >= in.len)
            break;
        if (at + 1 < in.len && in.p[at + 1] == '\n')
            return at + 2;
        if (at + 2 < in.len && in.p[at + 1] == '\r' && in.p[at + 2] == '\n')
            return at + 3;
        if (at + 2 >= in.len && (at + 1 == in.len || in.p[at + 1] == '\r'))
            break; /* the end of this empty line may still come */
        at++;
    }
    f->scanned = at < in.len ? at : in.len;
    return 0;
}

/* RFC 3261 §20.14: on a stream it must be there. Two of them are two opinions on where the next message begins. */
static int content_length(struct span head, uint32_t *out)
{
    struct sip_line line;
    struct sip_field field;
    int fault = -SIP_EMISSING;
    if (sip_line_next(head, 0, false, &line) != SIP_LINE_TEXT)
        return -SIP_ELENGTH;
    size_t at = line.next;
    while (sip_line_next(head, at, true, &line) == SIP_LINE_TEXT) {
        if (sip_line_split(head, at, &line, &field) && field.id == SIP_H_CONTENT_LENGTH) {
            if (fault != -SIP_EMISSING)
                return -SIP_EDUP;
            struct span value = span_of(head.p + field.val_off, field.val_len);
            fault = sip_num_decode(out, value, UINT32_MAX) == 0 ? 0 : -SIP_ELENGTH;
        }
        at = line.next;
    }
    return fault;
}

static int measure(struct sip_frame *f, struct span in)
{
    uint32_t body_len = 0;
    size_t limit = in.len < SIP_HEAD_BYTES_MAX ? in.len : SIP_HEAD_BYTES_MAX;
    size_t head_len = find_head(f, span_of(in.p, limit));
    if (head_len == 0)
        return limit == SIP_HEAD_BYTES_MAX ? -SIP_ELIMIT : 0;
    f->head_len = head_len;
    int fault = content_length(span_of(in.p, head_len), &body_len);
    if (fault != 0)
        return fault;
    if (body_len > SIP_BODY_BYTES_MAX)
        return -SIP_EBODYBIG;
    if (head_len + body_len > SIP_MSG_BYTES_MAX)
        return -SIP_ETOOBIG;
    f->total_len = head_len + body_len;
    return 0;
}

int sip_frame_next(struct sip_frame *f, struct span in, size_t *len)
{
    if (in.len == 0)
        return SIP_FRAME_MORE;
    if (f->total_len == 0) {
        if (is_eol(in.p[0]))
            return take_blank(in, len);
        int fault = measure(f, in);
        if (fault != 0)
            return fault;
    }
    if (f->total_len == 0 || in.len < f->total_len)
        return SIP_FRAME_MORE;
    *len = f->total_len;
    return SIP_FRAME_MSG;
}
