/* A message: decoded, framed, indexed, answered, and every value of it walked. */
#include "common/sip/sip_addr.h"
#include "common/sip/sip_frame.h"
#include "common/sip/sip_index.h"
#include "common/sip/sip_multipart.h"
#include "common/sip/sip_txn_key.h"
#include "common/sip/sip_uri.h"
#include "common/sip/sip_write.h"
#include "tests/fuzz/fuzz.h"

static struct sip_msg msg;
static struct sip_msg back;
static struct sip_msg reply;

static void walk_values(void)
{
    for (unsigned id = 1; id < SIP_H_CNT; id++) {
        struct sip_values it;
        struct span value;
        struct sip_addr addr;
        struct sip_via via;
        sip_values_init(&it, &msg, (enum sip_hdr_id)id);
        while (sip_values_next(&it, &value)) {
            FUZZ_ASSERT(value.len > 0 && fuzz_inside(value, msg.raw));
            (void)sip_via_decode(&via, value);
            if (sip_addr_decode(&addr, value) == 0)
                FUZZ_ASSERT(fuzz_inside(addr.uri, value) && fuzz_inside(addr.params, value));
        }
    }
}

static void check_spans(const struct sip_msg *m)
{
    FUZZ_ASSERT(fuzz_inside(m->uri, m->raw) && fuzz_inside(m->body, m->raw));
    FUZZ_ASSERT(fuzz_inside(m->via.all, sip_msg_value(m, SIP_H_VIA)));
    FUZZ_ASSERT(fuzz_inside(m->via.branch, m->via.params) && fuzz_inside(m->via.received, m->via.params));
    FUZZ_ASSERT(fuzz_inside(m->from_tag, sip_msg_value(m, SIP_H_FROM)));
    FUZZ_ASSERT(fuzz_inside(m->to_tag, sip_msg_value(m, SIP_H_TO)));
    for (unsigned i = 0; i < m->field_cnt; i++)
        FUZZ_ASSERT(fuzz_inside(sip_field_value(m, &m->field[i]), m->raw));
}

/* The index brings the same message back; tampered with, it is refused or stays inside its headers. */
static void check_index(void)
{
    struct buf index;
    buf_init(&index, SIP_INDEX_BYTES_MAX);
    sip_index_encode(&index, &msg);
    FUZZ_ASSERT(!index.failed);
    FUZZ_ASSERT(sip_index_decode(&back, msg.raw, buf_span(&index)) == 0);
    FUZZ_ASSERT(span_eq(back.via.branch, msg.via.branch) && back.via.branch.p == msg.via.branch.p);
    FUZZ_ASSERT(span_eq(back.from_tag, msg.from_tag) && span_eq(back.to_tag, msg.to_tag));
    FUZZ_ASSERT(back.via.has_rport == msg.via.has_rport && back.via.rport == msg.via.rport);
    FUZZ_ASSERT(back.via.port == msg.via.port && back.via.transport == msg.via.transport);
    FUZZ_ASSERT(back.cseq.num == msg.cseq.num && back.method == msg.method && back.field_cnt == msg.field_cnt);
    FUZZ_ASSERT(back.body.len == msg.body.len && back.expires_s == msg.expires_s);
    uint32_t random = (uint32_t)msg.raw.len * 2654435761u + (unsigned char)msg.raw.p[msg.raw.len / 2];
    for (unsigned turn = 0; turn < 8; turn++) {
        random = random * 1664525u + 1013904223u;
        size_t at = random % index.len;
        char kept = index.p[at];
        index.p[at] = (char)(random >> 16);
        if (sip_index_decode(&back, msg.raw, buf_span(&index)) == 0)
            check_spans(&back);
        index.p[at] = kept;
    }
    buf_fini(&index);
}

/* On a stream the message ends where the decoder says. */
static void check_frame(void)
{
    struct sip_frame f = {0};
    size_t len = 0;
    int got = sip_frame_next(&f, msg.raw, &len);
    if (msg.content_length >= 0)
        FUZZ_ASSERT(got == SIP_FRAME_MSG && len == msg.raw.len);
    else
        FUZZ_ASSERT(got == -SIP_EMISSING);
}

/* A reply has our lines and no more, and belongs to the same transaction. */
static void check_reply(int fault)
{
    struct buf out;
    struct buf ours;
    struct buf theirs;
    buf_init(&out, 2 * SIP_MSG_BYTES_MAX);
    buf_init(&ours, SIP_TXN_KEY_BYTES_MAX);
    buf_init(&theirs, SIP_TXN_KEY_BYTES_MAX);
    sip_write_reply(
        &out, &(struct sip_reply_args){
                  .req = &msg, .status = 400, .to_tag = SPAN("a0-x"), .received = SPAN("192.0.2.1"), .rport = 5099});
    sip_write_body(&out, (struct span){NULL, 0}, (struct span){NULL, 0});
    FUZZ_ASSERT(!out.failed);
    int got = sip_msg_decode(&reply, buf_span(&out));
    FUZZ_ASSERT(fault != 0 || got == 0 || got == -SIP_ELIMIT); /* what was added may be what is too much */
    if (fault == 0 && got == 0) {
        FUZZ_ASSERT(reply.status == 400 && reply.raw.len == out.len);
        FUZZ_ASSERT(reply.cseq.num == msg.cseq.num && span_eq(reply.call_id, msg.call_id));
        FUZZ_ASSERT(span_eq(reply.from_tag, msg.from_tag) && reply.to_tag.len > 0);
        FUZZ_ASSERT(sip_txn_key(&ours, &msg) == 0);
        if (sip_via_has_cookie(&msg.via) && sip_txn_key(&theirs, &reply) == 0)
            FUZZ_ASSERT(msg.method == SIP_M_ACK || span_eq(buf_span(&ours), buf_span(&theirs)));
    }
    buf_fini(&out);
    buf_fini(&ours);
    buf_fini(&theirs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf words;
    struct span sdp;
    int fault = sip_msg_decode(&msg, fuzz_span(data, size));
    buf_init(&words, 4096);
    sip_msg_fault_text(&words, &msg, fault);
    FUZZ_ASSERT(span_find(buf_span(&words), '\n') == words.len);
    buf_fini(&words);
    if (fault == 0) {
        check_spans(&msg);
        walk_values();
        check_index();
        check_frame();
        if (sip_msg_sdp(&msg, &sdp) == 0)
            FUZZ_ASSERT(fuzz_inside(sdp, msg.body));
    }
    if (sip_msg_answerable(&msg))
        check_reply(fault);
    return 0;
}
