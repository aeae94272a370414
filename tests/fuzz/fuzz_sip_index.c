/*
 * The offset index as call-actor takes it: bytes and an index of them, either changed by whoever sent it. What is
 * accepted lies inside the message, and where the message is a good one says of it only what is true.
 *
 * The input: how many changes, then three bytes for each (where, and what), then the message.
 */
#include "common/sip/sip_index.h"
#include "tests/fuzz/fuzz.h"

#define CHANGES_MAX 16
#define CHANGE_BYTES 3

static struct sip_msg truth;
static struct sip_msg told;

/* An optional thing may be left out of the index, never made up or cut short. */
static void check_told(struct span said, struct span is)
{
    FUZZ_ASSERT(said.len == 0 || (said.p == is.p && said.len == is.len));
}

static void check_true(void)
{
    FUZZ_ASSERT(told.raw.len == truth.raw.len && told.field_cnt == truth.field_cnt);
    FUZZ_ASSERT(told.is_request == truth.is_request && told.method == truth.method && told.status == truth.status);
    FUZZ_ASSERT(told.cseq.num == truth.cseq.num && span_eq(told.call_id, truth.call_id));
    FUZZ_ASSERT(told.body.p == truth.body.p && told.body.len == truth.body.len);
    FUZZ_ASSERT(span_eq(told.via.host, truth.via.host) && told.via.port == truth.via.port);
    FUZZ_ASSERT(told.via.transport == truth.via.transport && span_eq(told.via.all, truth.via.all));
    check_told(told.via.branch, truth.via.branch);
    check_told(told.via.received, truth.via.received);
    check_told(told.via.maddr, truth.via.maddr);
    check_told(told.from_tag, truth.from_tag);
    check_told(told.to_tag, truth.to_tag);
    FUZZ_ASSERT(!told.via.has_rport || (truth.via.has_rport && told.via.rport == truth.via.rport));
}

static void check_inside(struct span raw)
{
    const struct span spans[] = {told.uri,        told.body,       told.call_id,    told.via.all,      told.via.host,
                                 told.via.params, told.via.branch, told.via.maddr,  told.via.received, told.from_tag,
                                 told.to_tag,     told.reason,     told.method_text};
    for (size_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++)
        FUZZ_ASSERT(fuzz_inside(spans[i], raw));
    for (unsigned i = 0; i < told.field_cnt; i++)
        FUZZ_ASSERT(fuzz_inside(sip_field_value(&told, &told.field[i]), raw));
}

/* Even places change a byte of the index, odd ones a byte of the message. */
static void change(struct buf *index, char *raw, size_t raw_len, const uint8_t *changes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const uint8_t *c = changes + i * CHANGE_BYTES;
        size_t at = c[0] / 2u;
        if (c[0] % 2 == 0)
            index->p[at % index->len] = (char)c[1];
        else
            raw[((size_t)c[1] << 7 | at) % raw_len] = (char)c[2];
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t count = size > 0 ? data[0] % CHANGES_MAX : 0;
    size_t head = 1 + count * CHANGE_BYTES;
    struct buf index;
    if (size <= head || sip_msg_decode(&truth, fuzz_span(data + head, size - head)) != 0)
        return 0;
    buf_init(&index, SIP_INDEX_BYTES_MAX);
    sip_index_encode(&index, &truth);
    char *raw = malloc(truth.raw.len);
    FUZZ_ASSERT(raw != NULL && !index.failed);
    memcpy(raw, truth.raw.p, truth.raw.len);
    struct span changed = span_of(raw, truth.raw.len);
    change(&index, raw, changed.len, data + 1, count);
    if (sip_index_decode(&told, changed, buf_span(&index)) == 0) {
        check_inside(changed);
        if (sip_msg_decode(&truth, changed) == 0 && truth.raw.len == changed.len)
            check_true();
    } else {
        FUZZ_ASSERT(count > 0);
    }
    if (index.len > 0)
        FUZZ_ASSERT(sip_index_decode(&told, changed, span_of(index.p, index.len - 1)) != 0);
    free(raw);
    buf_fini(&index);
    return 0;
}
