/* Replaces: what is read lies inside the value, within bounds, and reads the same when written plainly. */
#include "common/sip/sip_limits.h"
#include "common/sip/sip_replaces.h"
#include "tests/fuzz/fuzz.h"

static struct buf out;

static void put_again(const struct sip_replaces *r)
{
    buf_reset(&out);
    buf_put_span(&out, r->call_id);
    buf_puts(&out, ";from-tag=");
    buf_put_span(&out, r->from_tag);
    buf_puts(&out, ";to-tag=");
    buf_put_span(&out, r->to_tag);
    buf_puts(&out, r->early_only ? ";early-only" : "");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = fuzz_span(data, size);
    struct sip_replaces a, b;
    if (sip_replaces_decode(&a, in) != 0)
        return 0;
    FUZZ_ASSERT(fuzz_inside(a.call_id, in) && fuzz_inside(a.to_tag, in) && fuzz_inside(a.from_tag, in));
    FUZZ_ASSERT(a.call_id.len > 0 && a.call_id.len <= SIP_CALLID_BYTES_MAX);
    FUZZ_ASSERT(a.to_tag.len > 0 && a.to_tag.len <= SIP_TAG_BYTES_MAX);
    FUZZ_ASSERT(a.from_tag.len > 0 && a.from_tag.len <= SIP_TAG_BYTES_MAX);
    buf_init(&out, 4096);
    put_again(&a);
    FUZZ_ASSERT(!out.failed && sip_replaces_decode(&b, buf_span(&out)) == 0);
    FUZZ_ASSERT(span_eq(a.call_id, b.call_id) && span_eq(a.to_tag, b.to_tag) && span_eq(a.from_tag, b.from_tag));
    FUZZ_ASSERT(a.early_only == b.early_only);
    buf_fini(&out);
    return 0;
}
