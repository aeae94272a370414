#include "call-actor/answer.h"

#include "common/base/id.h"
#include "common/sip/sip_write.h"

#define RETRY_AFTER_S 5
#define RETRY_SPREAD_S 10 /* who was refused together does not come back together */

void answer_begin(struct actor *a, struct buf *out, const struct asked *q, unsigned status, const char *reason)
{
    char tag[ID_MAX];
    id_make(tag, a->conf.shard, 10);
    struct sip_reply_args args = {
        .req = q->msg, .status = status, .reason = span_cstr(reason), .to_tag = span_cstr(tag)};
    sip_reply_note_source(&args, span_cstr(q->rx->source->addr), (uint16_t)q->rx->source->port);
    buf_reset(out);
    sip_write_reply(out, &args);
}

bool answer_end(struct actor *a, struct buf *out, const struct asked *q, unsigned status)
{
    return answer_end_noted(a, out, q, status, span_of(NULL, 0));
}

bool answer_end_noted(struct actor *a, struct buf *out, const struct asked *q, unsigned status, struct span flow_note)
{
    sip_write_body(out, SPAN(""), SPAN(""));
    if (out->failed)
        return false;
    Plane__SendReply m = PLANE__SEND_REPLY__INIT;
    m.txn = q->rx->txn;
    m.status = status;
    m.raw = (ProtobufCBinaryData){.len = out->len, .data = (uint8_t *)out->p};
    m.dest = q->rx->source;
    m.flow_note = (ProtobufCBinaryData){.len = flow_note.len, .data = (uint8_t *)(uintptr_t)flow_note.p};
    (void)bus_send(a->edge, PLANE_EDGE_SEND_REPLY, &m.base); /* lost: the request comes again and is answered again */
    return true;
}

void answer_refuse(struct actor *a, const struct asked *q, unsigned status, const char *reason)
{
    if (q->msg->method == SIP_M_ACK)
        return;
    answer_begin(a, &a->reply_buf, q, status, reason);
    if (status == 503)
        sip_write_hdr_num(&a->reply_buf, SIP_H_RETRY_AFTER, RETRY_AFTER_S + id_random_u64() % RETRY_SPREAD_S);
    (void)answer_end(a, &a->reply_buf, q, status);
}
