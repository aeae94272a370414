/*
 * An INVITE, and who our INVITEs then say is calling: each header is one line that our own reader takes; who asks for
 * privacy is nowhere in it for an untrusted callee; what no trusted peer said is not asserted.
 */
#include "call-actor/identity.h"
#include "common/sip/sip_addr.h"
#include "common/sip/sip_uri.h"
#include "tests/fuzz/fuzz.h"
#include <stdio.h>
#include <stdlib.h>

static struct sip_msg msg;

static char *text_of(struct buf *b)
{
    char *z = b->len > 0 ? span_dup(buf_span(b)) : span_dup(SPAN(""));
    FUZZ_ASSERT(z != NULL && !b->failed);
    buf_fini(b);
    return z;
}

static void check_from(struct span value)
{
    struct sip_addr addr;
    struct sip_uri uri;
    struct span tag;
    FUZZ_ASSERT(sip_addr_decode(&addr, value) == 0 && addr.bracketed);
    FUZZ_ASSERT(sip_uri_decode(&uri, addr.uri) == 0 && uri.scheme == SIP_SCHEME_SIP && !uri.has_password);
    FUZZ_ASSERT(sip_addr_param(&addr, SPAN("tag"), &tag) && span_eq(tag, SPAN("t1")));
}

/* returns how many lines there are */
static unsigned check_lines(struct span rest)
{
    unsigned cnt = 0;
    while (rest.len > 0) {
        size_t end = span_find(rest, '\n');
        FUZZ_ASSERT(end < rest.len && end > 1 && rest.p[end - 1] == '\r');
        struct span line = span_of(rest.p, end - 1);
        FUZZ_ASSERT(span_find(line, '\r') == line.len);
        size_t colon = span_find(line, ':');
        struct span name = span_of(line.p, colon);
        struct span value = span_trim(span_from(line, colon + 1));
        FUZZ_ASSERT(span_eq(name, cnt == 0 ? SPAN("From") : cnt == 1 ? SPAN("P-Asserted-Identity") : SPAN("Privacy")));
        if (cnt == 0)
            check_from(value);
        rest = span_from(rest, end + 1);
        cnt++;
    }
    return cnt;
}

/* Told from the words themselves, not by the reader that is tested. */
static bool is_private(const char *privacy)
{
    char words[IDENTITY_PRIVACY_MAX + 3];
    (void)snprintf(words, sizeof(words), ";%s;", privacy);
    return strstr(words, ";id;") != NULL || strstr(words, ";user;") != NULL;
}

static void check_out_leg(const char *from, const char *asserted, const char *privacy, bool from_trusted,
                          bool to_trusted)
{
    struct buf out;
    buf_init(&out, 65536);
    identity_write(&out, &(struct identity_args){.from = from,
                                                 .tag = "t1",
                                                 .asserted = asserted,
                                                 .privacy = privacy,
                                                 .domain = "demo",
                                                 .from_trusted = from_trusted,
                                                 .to_trusted = to_trusted});
    FUZZ_ASSERT(!out.failed);
    unsigned lines = check_lines(buf_span(&out));
    FUZZ_ASSERT(lines >= 1 && (to_trusted || lines == 1));
    if (is_private(privacy))
        FUZZ_ASSERT(
            span_starts(buf_span(&out), SPAN("From: \"Anonymous\" <sip:anonymous@anonymous.invalid>;tag=t1\r\n")));
    buf_fini(&out);
}

static void check_caller(bool from_trusted)
{
    char number[NUMBER_MAX];
    struct buf b;
    identity_number(number, &msg, from_trusted);
    FUZZ_ASSERT(number[0] != '\0' && strlen(number) < NUMBER_MAX);
    buf_init(&b, 65536);
    sip_unfold(&b, sip_msg_value(&msg, SIP_H_FROM));
    char *from = text_of(&b);
    buf_init(&b, IDENTITY_BYTES_MAX);
    identity_write_asserted(&b, &msg, from_trusted, NULL, "demo");
    FUZZ_ASSERT(from_trusted || b.len == 0);
    char *asserted = text_of(&b);
    buf_init(&b, IDENTITY_PRIVACY_MAX);
    identity_write_privacy(&b, &msg);
    char *privacy = text_of(&b);
    check_out_leg(from, asserted, privacy, from_trusted, true);
    check_out_leg(from, asserted, privacy, from_trusted, false);
    free(from);
    free(asserted);
    free(privacy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (sip_msg_decode(&msg, fuzz_span(data, size)) != 0 || !msg.is_request)
        return 0;
    check_caller(true);
    check_caller(false);
    return 0;
}
