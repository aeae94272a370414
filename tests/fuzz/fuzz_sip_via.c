/* A Via value: patched and decoded again it is the same but for what was patched. */
#include "common/sip/sip_via.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sip_via v;
    struct sip_via back;
    struct buf out;
    int fault = sip_via_decode(&v, fuzz_span(data, size));
    buf_init(&out, size * 2 + 256);
    sip_via_write_patched(&out, &v, SPAN("2001:db8::1"), 5099);
    FUZZ_ASSERT(!out.failed && span_find(buf_span(&out), '\n') == out.len &&
                span_find(buf_span(&out), '\r') == out.len);
    if (fault == 0) {
        int got = sip_via_decode(&back, buf_span(&out));
        FUZZ_ASSERT(got == 0 || out.len > size); /* one parameter more may be one too many */
        if (got == 0) {
            FUZZ_ASSERT(span_eq(back.branch, v.branch) && span_eq(back.host, v.host) && back.port == v.port);
            FUZZ_ASSERT(back.rport == 5099 && span_eq(back.received, SPAN("2001:db8::1")));
            FUZZ_ASSERT(back.transport == v.transport && span_eq(back.maddr, v.maddr));
        }
    }
    buf_fini(&out);
    return 0;
}
