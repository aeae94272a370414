/* A body of the command queue: what is taken has a call id that is safe to pass on; what is not has a reason. */
#include "publisher/command.h"
#include "tests/fuzz/fuzz.h"

static void check(struct span key, struct span body)
{
    struct command c;
    command_parse(&c, key, body);
    FUZZ_ASSERT(memchr(c.call_id, '\0', sizeof c.call_id) != NULL);
    FUZZ_ASSERT(memchr(c.reason, '\0', sizeof c.reason) != NULL);
    if (c.kind == COMMAND_BAD) {
        FUZZ_ASSERT(c.why != NULL && c.why[0] != '\0');
        return;
    }
    FUZZ_ASSERT(c.why == NULL && c.call_id[0] != '\0');
    for (const char *p = c.call_id; *p != '\0'; p++)
        FUZZ_ASSERT((unsigned char)*p > ' ' && *p != 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span body = fuzz_span(data, size);
    check(SPAN("call.terminate.request"), body);
    check(SPAN("sentiric.sip_signaling_service.commands"), body);
    return 0;
}
