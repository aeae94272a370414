/* A body of the command queue: what is taken has a call id that is safe to pass on; what is not has a reason. */
#include "publisher/command.h"
#include "tests/fuzz/fuzz.h"

static void check(struct span key, struct span body)
{
    struct command c;
    command_parse(&c, &(struct command_message){.routing_key = key, .message_id = body, .body = body});
    FUZZ_ASSERT(memchr(c.call_id, '\0', sizeof c.call_id) != NULL);
    FUZZ_ASSERT(memchr(c.reason, '\0', sizeof c.reason) != NULL);
    if (c.kind == COMMAND_BAD) {
        FUZZ_ASSERT(c.why != NULL && c.why[0] != '\0');
        return;
    }
    FUZZ_ASSERT(c.why == NULL && c.key[0] != '\0');
    FUZZ_ASSERT(memchr(c.from, '\0', sizeof c.from) != NULL && memchr(c.to, '\0', sizeof c.to) != NULL &&
                memchr(c.stays, '\0', sizeof c.stays) != NULL && memchr(c.key, '\0', sizeof c.key) != NULL);
    FUZZ_ASSERT(c.kind == COMMAND_INITIATE || c.call_id[0] != '\0');
    FUZZ_ASSERT(c.kind == COMMAND_TERMINATE || c.to[0] != '\0');
    for (const char *p = c.call_id; *p != '\0'; p++)
        FUZZ_ASSERT((unsigned char)*p > ' ' && *p != 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span body = fuzz_span(data, size);
    check(SPAN("call.terminate.request"), body);
    check(SPAN("call.transfer.request"), body);
    check(SPAN("call.initiate.request"), body);
    check(SPAN("sentiric.sip_signaling_service.commands"), body);
    return 0;
}
