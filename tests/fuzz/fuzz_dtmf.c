/* Keys in the body of an INFO: what is read is a key, within bounds, and reads the same when written plainly. */
#include "common/sip/sip_dtmf.h"
#include "common/sip/sip_limits.h"
#include "tests/fuzz/fuzz.h"

static const char keys[] = "0123456789*#ABCD!";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sip_dtmf a = {.key = '?'}, b;
    char text[64];
    int err = sip_dtmf_decode(&a, fuzz_span(data, size));
    FUZZ_ASSERT(size <= SIP_DTMF_BYTES_MAX || err == -SIP_EBODYBIG);
    if (err != 0) {
        FUZZ_ASSERT(a.key == '?' && (err == -SIP_EMALFORMED || err == -SIP_ELIMIT || err == -SIP_EBODYBIG));
        return 0;
    }
    FUZZ_ASSERT(a.key != '\0' && strchr(keys, a.key) != NULL && a.duration_ms <= SIP_DTMF_MS_MAX);
    int n = snprintf(text, sizeof(text), "Signal=%c\r\nDuration=%u\r\n", a.key, a.duration_ms);
    FUZZ_ASSERT(sip_dtmf_decode(&b, span_of(text, (size_t)n)) == 0);
    FUZZ_ASSERT(a.key == b.key && a.duration_ms == b.duration_ms);
    return 0;
}
