/* An address: written and decoded again it has the same URI, tag and numbers. */
#include "common/sip/sip_addr.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sip_addr a;
    struct sip_addr b;
    struct buf out;
    struct span tag_a = {NULL, 0};
    struct span tag_b = {NULL, 0};
    uint32_t expires_a = 0;
    uint32_t expires_b = 0;
    if (sip_addr_decode(&a, fuzz_span(data, size)) != 0)
        return 0;
    buf_init(&out, size * 2 + 256);
    sip_addr_display(&out, &a);
    buf_reset(&out);
    sip_addr_write(&out, &a);
    FUZZ_ASSERT(!out.failed && span_find(buf_span(&out), '\n') == out.len);
    FUZZ_ASSERT(sip_addr_decode(&b, buf_span(&out)) == 0);
    FUZZ_ASSERT(a.star == b.star && span_eq(a.uri, b.uri));
    FUZZ_ASSERT(sip_addr_param(&a, SPAN("tag"), &tag_a) == sip_addr_param(&b, SPAN("tag"), &tag_b));
    FUZZ_ASSERT(sip_addr_q(&a) == sip_addr_q(&b));
    FUZZ_ASSERT(sip_addr_expires(&a, &expires_a) == sip_addr_expires(&b, &expires_b) && expires_a == expires_b);
    buf_fini(&out);
    return 0;
}
