/*
 * A response with challenges, as a stranger or a trunk may send it: what we answer is one line that our own reader
 * takes, for our realm only, made with the nonce that was asked with; and the secret does not stand in it.
 */
#include "call-actor/digest.h"
#include "call-actor/digest_client.h"
#include "tests/fuzz/fuzz.h"

#define SECRET "the-secret-of-the-trunk"

static struct sip_msg msg;

static void check_line(struct span line, struct span nonce)
{
    struct sip_auth a;
    size_t colon = span_find(line, ':');
    FUZZ_ASSERT(line.len > 2 && span_find(line, '\n') == line.len - 1 && span_find(line, '\r') == line.len - 2);
    FUZZ_ASSERT(span_find_span(line, SPAN(SECRET)) == line.len);
    FUZZ_ASSERT(sip_auth_decode(&a, span_trim(span_from(line, colon + 1))) == 0);
    FUZZ_ASSERT(span_eq(a.field[SIP_AUTH_REALM], SPAN("trunk")) && span_eq(a.field[SIP_AUTH_USERNAME], SPAN("us")));
    FUZZ_ASSERT(a.field[SIP_AUTH_NONCE].len == nonce.len || span_find(nonce, '\r') < nonce.len ||
                span_find(nonce, '\n') < nonce.len);
    FUZZ_ASSERT(a.field[SIP_AUTH_RESPONSE].len == 32 || a.field[SIP_AUTH_RESPONSE].len == 64);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct digest_login login = {.user = "us", .secret = SECRET, .realm = "trunk"};
    struct digest_ask ask = {.login = &login, .method = SPAN("INVITE"), .uri = SPAN("sip:1@h"), .cnonce = SPAN("c")};
    struct span nonce;
    struct buf out;
    if (sip_msg_decode(&msg, fuzz_span(data, size)) != 0 || msg.is_request)
        return 0;
    if (span_find_span(msg.raw, SPAN(SECRET)) < msg.raw.len)
        return 0; /* a challenge that says it itself: what is said back has it too */
    buf_init(&out, size * 2 + 4096);
    if (digest_answer(&out, &msg, &ask, &nonce) == DIGEST_ANSWERED) {
        FUZZ_ASSERT(!out.failed && fuzz_inside(nonce, msg.raw));
        check_line(buf_span(&out), nonce);
        ask.used = nonce;
        buf_reset(&out);
        struct span again;
        FUZZ_ASSERT(digest_answer(&out, &msg, &ask, &again) == DIGEST_REJECTED && out.len == 0);
    } else {
        FUZZ_ASSERT(out.len == 0 && nonce.len == 0);
    }
    buf_fini(&out);
    return 0;
}
