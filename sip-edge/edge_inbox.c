#include "sip-edge/edge_inbox.h"
#include "common/sip/sip_err.h"
#include "common/sip/sip_lex.h"
#include "common/sip/sip_limits.h"

#define STEP_BYTES 4096 /* of a cut message whose length is not known yet */

void edge_inbox_init(struct edge_inbox *in)
{
    in->frame = (struct sip_frame){0};
    buf_init(&in->part, SIP_MSG_BYTES_MAX);
}

void edge_inbox_fini(struct edge_inbox *in)
{
    buf_fini(&in->part);
    in->frame = (struct sip_frame){0};
}

/* A method and "SIP/2.0" both begin with a token character: what does not was never SIP (TLS, HTTP/2, noise). */
static bool may_begin(char c)
{
    return c == '\r' || c == '\n' || sip_lex_all(span_of(&c, 1), SIP_C_TOKEN);
}

/* One frame at the start of `s`. *len: how much of it is dealt with. returns 0, or a fault; *more: it is cut. */
static int take_one(struct edge_inbox *in, struct span s, const struct edge_inbox_sink *sink, size_t *len, bool *more,
                    bool *stop)
{
    if (!may_begin(s.p[0]))
        return -SIP_ESTARTLINE;
    int what = sip_frame_next(&in->frame, s, len);
    *more = what == SIP_FRAME_MORE;
    if (what < 0 || *more)
        return what;
    in->frame = (struct sip_frame){0};
    if (what == SIP_FRAME_PING)
        sink->on_ping(sink->user);
    if (what == SIP_FRAME_MSG)
        *stop = !sink->on_msg(sink->user, span_of(s.p, *len));
    return 0;
}

/* What can be told of the message that ends it: its head, or as much as a head may be. */
static int fault(const struct edge_inbox *in, struct span s, int err, struct span *head)
{
    if (err == -SIP_ELIMIT && in->frame.head_len == 0)
        *head = span_of(s.p, SIP_HEAD_BYTES_MAX);
    else if (err != -SIP_ESTARTLINE && in->frame.head_len <= s.len)
        *head = span_of(s.p, in->frame.head_len);
    return err;
}

/* More of the cut message. *used: bytes of `bytes` that are dealt with. */
static int take_part(struct edge_inbox *in, struct span bytes, const struct edge_inbox_sink *sink, size_t *used,
                     bool *stop, struct span *head)
{
    size_t before = in->part.len;
    size_t want = in->frame.total_len > 0 ? in->frame.total_len - before : STEP_BYTES;
    size_t room = in->part.max - before;
    size_t step = bytes.len < want ? bytes.len : want;
    size_t len = 0;
    bool more = false;
    if (step > room)
        step = room;
    buf_put(&in->part, bytes.p, step);
    if (in->part.failed)
        return -SIP_ESPACE;
    int err = take_one(in, buf_span(&in->part), sink, &len, &more, stop);
    if (err != 0)
        return fault(in, buf_span(&in->part), err, head);
    *used = step;
    if (more)
        return 0;
    /* What is past the frame goes back to `bytes`; part of the held bytes is past it when a blank line was held for the
     * rest of a ping that did not come. */
    *used = len > before ? len - before : 0;
    in->part.len = len > before ? len : before;
    buf_consume(&in->part, len);
    if (in->part.len == 0)
        buf_fini(&in->part);
    return 0;
}

/* Nothing is held: the frame at the start of `bytes`, or its beginning is kept. */
static int take_whole(struct edge_inbox *in, struct span bytes, const struct edge_inbox_sink *sink, size_t *used,
                      bool *stop, struct span *head)
{
    bool more = false;
    int err = take_one(in, bytes, sink, used, &more, stop);
    if (err != 0)
        return fault(in, bytes, err, head);
    if (!more)
        return 0;
    *used = bytes.len;
    buf_put_span(&in->part, bytes);
    return in->part.failed ? -SIP_ESPACE : 0;
}

int edge_inbox_take(struct edge_inbox *in, struct span bytes, const struct edge_inbox_sink *sink, struct span *head)
{
    bool stop = false;
    *head = span_of(NULL, 0);
    while (bytes.len > 0 && !stop) {
        size_t used = 0;
        int err = in->part.len > 0 ? take_part(in, bytes, sink, &used, &stop, head)
                                   : take_whole(in, bytes, sink, &used, &stop, head);
        if (err != 0)
            return err;
        bytes = span_from(bytes, used);
    }
    return 0;
}
