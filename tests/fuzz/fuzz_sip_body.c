/* Bodies: multipart (the first line is the Content-Type) and sipfrag. */
#include "common/sip/sip_multipart.h"
#include "common/sip/sipfrag.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = fuzz_span(data, size);
    size_t line = span_find(in, '\n');
    struct span body = span_from(in, line + 1);
    struct sip_parts it;
    struct sip_part part;
    struct sipfrag frag;
    if (sip_parts_init(&it, span_of(in.p, line), body) == 0) {
        int got;
        const char *last = body.p;
        while ((got = sip_parts_next(&it, &part)) > 0) {
            FUZZ_ASSERT(fuzz_inside(part.body, body) && fuzz_inside(part.content_type, body));
            FUZZ_ASSERT(part.body.len == 0 || part.body.p >= last);
            last = part.body.len > 0 ? part.body.p + part.body.len : last;
        }
        FUZZ_ASSERT(got == 0 || got == -SIP_EMULTIPART || got == -SIP_ELIMIT);
    }
    if (sipfrag_decode(&frag, in) == 0) {
        FUZZ_ASSERT(fuzz_inside(frag.headers, in) && fuzz_inside(frag.body, in));
        FUZZ_ASSERT(frag.status == 0 || (frag.status >= 100 && frag.status <= 699));
    }
    return 0;
}
