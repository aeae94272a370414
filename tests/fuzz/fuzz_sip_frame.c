/* A stream: cut in two anywhere it yields the same frames; the first byte says where to cut. */
#include "common/sip/sip_frame.h"
#include "common/sip/sip_limits.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > SIP_MSG_BYTES_MAX)
        return 0;
    struct span in = fuzz_span(data + 1, size - 1);
    size_t cut = in.len * data[0] / 255;
    struct sip_frame whole = {0};
    struct sip_frame part = {0};
    size_t whole_len = 0;
    size_t part_len = 0;
    int want = sip_frame_next(&whole, in, &whole_len);
    if (want > 0)
        FUZZ_ASSERT(whole_len > 0 && whole_len <= in.len);
    int got = sip_frame_next(&part, span_of(in.p, cut), &part_len);
    if (got == SIP_FRAME_MORE)
        got = sip_frame_next(&part, in, &part_len);
    /* Bytes that have not come may turn a skip into a ping, never one message into another. */
    if (want == SIP_FRAME_MSG || got == SIP_FRAME_MSG)
        FUZZ_ASSERT(got == want && part_len == whole_len);
    return 0;
}
