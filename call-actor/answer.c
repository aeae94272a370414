#include "call-actor/answer.h"

#include "common/base/id.h"
#include "common/base/map.h"
#include "common/sip/sip_write.h"
#include <inttypes.h>
#include <stdio.h>

#define RETRY_AFTER_S 5
#define RETRY_SPREAD_S 10 /* who was refused together does not come back together */

/* What is answered here leaves no state, over UDP not even at the edge: the tag is the same each time (RFC 3261
 * §8.2.7), and nobody's to guess. */
static void stateless_tag(const struct actor *a, const struct sip_msg *m, char out[ID_MAX])
{
    static uint64_t secret[2];
    if (secret[0] == 0)
        id_random_bytes(secret, sizeof(secret));
    const struct span parts[] = {m->call_id, m->from_tag, m->via.branch};
    uint64_t h = m->cseq.num;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        h = map_siphash((const uint64_t[]){secret[0] ^ h, secret[1] + i}, parts[i]);
    (void)snprintf(out, ID_MAX, "a%u-%016" PRIx64, a->conf.shard, h);
}

void answer_begin(struct actor *a, struct buf *out, const struct asked *q, unsigned status, const char *reason)
{
    char tag[ID_MAX];
    stateless_tag(a, q->msg, tag);
    struct sip_reply_args args = {
        .req = q->msg, .status = status, .reason = span_cstr(reason), .to_tag = span_cstr(tag)};
    sip_reply_note_source(&args, span_cstr(q->rx->source->addr), (uint16_t)q->rx->source->port);
    buf_reset(out);
    sip_write_reply(out, &args);
}

typedef int send_fn(struct bus_link *k, enum plane_type type, const ProtobufCMessage *body);

static bool end_by(send_fn *send, struct actor *a, struct buf *out, const struct asked *q, unsigned status,
                   const struct answer_note *note)
{
    sip_write_body(out, SPAN(""), SPAN(""));
    if (out->failed)
        return false;
    Plane__SendReply m = PLANE__SEND_REPLY__INIT;
    m.txn = q->rx->txn;
    m.status = status;
    m.raw = (ProtobufCBinaryData){.len = out->len, .data = (uint8_t *)out->p};
    m.dest = q->rx->source;
    m.flow_note = (ProtobufCBinaryData){.len = note->text.len, .data = (uint8_t *)(uintptr_t)note->text.p};
    m.flow_s = note->hold_s;
    (void)send(a->edge, PLANE_EDGE_SEND_REPLY, &m.base); /* lost: the request comes again and is answered again */
    return true;
}

bool answer_end(struct actor *a, struct buf *out, const struct asked *q, unsigned status)
{
    return end_by(bus_send, a, out, q, status, &(struct answer_note){.hold_s = 0});
}

bool answer_end_noted(struct actor *a, struct buf *out, const struct asked *q, unsigned status,
                      const struct answer_note *note)
{
    return end_by(bus_send, a, out, q, status, note);
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

void answer_trying(struct actor *a, const struct asked *q)
{
    answer_begin(a, &a->reply_buf, q, 100, NULL);
    (void)end_by(bus_send_later, a, &a->reply_buf, q, 100, &(struct answer_note){.hold_s = 0});
}
