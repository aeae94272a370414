/* The headers that are numbers: within their bounds, and the same when written and decoded again. */
#include "common/sip/sip_limits.h"
#include "common/sip/sip_num.h"
#include "tests/fuzz/fuzz.h"

static struct buf out;

static void check_cseq(struct span in)
{
    struct sip_cseq a, b;
    if (sip_cseq_decode(&a, in) != 0)
        return;
    FUZZ_ASSERT(a.num <= SIP_CSEQ_MAX && a.method_text.len <= SIP_METHOD_BYTES_MAX && fuzz_inside(a.method_text, in));
    FUZZ_ASSERT(a.method == sip_method_lookup(a.method_text));
    buf_reset(&out);
    sip_cseq_write(&out, &a);
    FUZZ_ASSERT(!out.failed && sip_cseq_decode(&b, buf_span(&out)) == 0);
    FUZZ_ASSERT(a.num == b.num && a.method == b.method && span_eq(a.method_text, b.method_text));
}

static void check_rack(struct span in)
{
    struct sip_rack a, b;
    if (sip_rack_decode(&a, in) != 0)
        return;
    buf_reset(&out);
    sip_rack_write(&out, &a);
    FUZZ_ASSERT(!out.failed && sip_rack_decode(&b, buf_span(&out)) == 0);
    FUZZ_ASSERT(a.rseq == b.rseq && a.cseq.num == b.cseq.num && span_eq(a.cseq.method_text, b.cseq.method_text));
}

static void check_session_expires(struct span in)
{
    struct sip_session_expires a, b;
    if (sip_session_expires_decode(&a, in) != 0)
        return;
    buf_reset(&out);
    sip_session_expires_write(&out, &a);
    FUZZ_ASSERT(!out.failed && sip_session_expires_decode(&b, buf_span(&out)) == 0);
    FUZZ_ASSERT(a.delta_s == b.delta_s && a.refresher == b.refresher);
}

/* A number over a bound is over every smaller one too. */
static void check_number(struct span in)
{
    uint32_t whole = 0, bounded = 0;
    int any = sip_num_decode(&whole, in, UINT32_MAX);
    int small = sip_num_decode(&bounded, in, SIP_MAX_FORWARDS_MAX);
    FUZZ_ASSERT(small != 0 || (any == 0 && bounded == whole && bounded <= SIP_MAX_FORWARDS_MAX));
    FUZZ_ASSERT(any != 0 || small == 0 || whole > SIP_MAX_FORWARDS_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = fuzz_span(data, size);
    struct sip_retry_after retry;
    buf_init(&out, 4096);
    check_cseq(in);
    check_rack(in);
    check_session_expires(in);
    check_number(in);
    if (sip_retry_after_decode(&retry, in) == 0)
        FUZZ_ASSERT(fuzz_inside(retry.comment, in));
    buf_fini(&out);
    return 0;
}
