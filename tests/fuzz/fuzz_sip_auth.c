/* Digest fields: written and decoded again the same fields are there. */
#include "common/sip/sip_auth.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = fuzz_span(data, size);
    struct sip_auth a;
    struct sip_auth b;
    struct buf out;
    if (sip_auth_decode(&a, in) != 0 || !a.digest)
        return 0;
    for (unsigned f = 0; f < SIP_AUTH_FIELD_CNT; f++) {
        FUZZ_ASSERT(fuzz_inside(a.field[f], in));
        if (a.field[f].len == 0)
            a.have &= ~(1u << f); /* an empty token cannot be written */
    }
    if (a.have == 0)
        return 0;
    buf_init(&out, size * 2 + 1024);
    sip_auth_write(&out, &a, true);
    FUZZ_ASSERT(!out.failed && span_find(buf_span(&out), '\n') == out.len);
    int got = sip_auth_decode(&b, buf_span(&out));
    /* A quoted value may have come where a token is written: then it need not decode, but never into other fields. */
    if (got == 0)
        FUZZ_ASSERT((b.have & ~a.have) == 0 || a.have != b.have);
    buf_fini(&out);
    return 0;
}
