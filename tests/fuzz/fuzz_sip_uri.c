/* A URI: written and decoded again it is equal; its address-of-record is a fixed point. */
#include "common/sip/sip_err.h"
#include "common/sip/sip_limits.h"
#include "common/sip/sip_uri.h"
#include "tests/fuzz/fuzz.h"

static void check_aor(const struct sip_uri *u)
{
    struct buf once;
    struct buf twice;
    struct sip_uri aor;
    buf_init(&once, 4 * SIP_URI_BYTES_MAX);
    buf_init(&twice, 4 * SIP_URI_BYTES_MAX);
    if (sip_uri_write_aor(&once, u) == 0 && once.len <= SIP_URI_BYTES_MAX) {
        FUZZ_ASSERT(sip_uri_decode(&aor, buf_span(&once)) == 0);
        FUZZ_ASSERT(sip_uri_write_aor(&twice, &aor) == 0);
        FUZZ_ASSERT(span_eq(buf_span(&once), buf_span(&twice)));
    }
    buf_fini(&once);
    buf_fini(&twice);
}

static void check_user(const struct sip_uri *u)
{
    struct buf user;
    buf_init(&user, 4 * SIP_URI_BYTES_MAX);
    if (sip_uri_user(&user, u) == 0) {
        for (size_t i = 0; i < user.len; i++)
            FUZZ_ASSERT((unsigned char)user.p[i] >= 0x20 && user.p[i] != 0x7f);
    } else {
        FUZZ_ASSERT(user.len == 0);
    }
    buf_fini(&user);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = fuzz_span(data, size);
    size_t half = span_find(in, ' ');
    struct sip_uri a;
    struct sip_uri b;
    struct buf out;
    if (sip_uri_decode(&a, span_of(in.p, half)) != 0)
        return 0;
    buf_init(&out, 4 * SIP_URI_BYTES_MAX);
    sip_uri_write(&out, &a);
    FUZZ_ASSERT(!out.failed && sip_uri_decode(&b, buf_span(&out)) == 0);
    FUZZ_ASSERT(sip_uri_eq(&a, &a) && sip_uri_eq(&a, &b) && sip_uri_eq(&b, &a));
    FUZZ_ASSERT(sip_uri_port(&a) != 0);
    check_aor(&a);
    check_user(&a);
    struct span rest = span_from(in, half + 1);
    if (sip_uri_decode(&b, rest) == 0)
        FUZZ_ASSERT(sip_uri_eq(&a, &b) == sip_uri_eq(&b, &a));
    buf_fini(&out);
    return 0;
}
